#include "harness.h"
#include "signer/message_cache.h"

#include "base/thread.h"

#include <stdatomic.h>
#include <time.h>

/* A hash may be held in the middle, and a thread when it wakes from waiting for one. */
void __real_bls_hash(const uint8_t *message, struct bls_point *out);
void __wrap_bls_hash(const uint8_t *message, struct bls_point *out);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
static atomic_bool hold_hash; /* the next one, of any root */
static atomic_bool hold_waking;
static atomic_bool is_hashing;
static atomic_bool is_waiting;
static atomic_bool is_awake;

static void pause_shortly(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static bool wait_for(atomic_bool *flag)
{
    for (int i = 0; i < 60000 && !atomic_load(flag); i++) {
        pause_shortly();
    }
    return atomic_load(flag);
}

void __wrap_bls_hash(const uint8_t *message, struct bls_point *out)
{
    if (atomic_load(&hold_hash) && !atomic_exchange(&is_hashing, true)) {
        while (atomic_load(&hold_hash)) {
            pause_shortly();
        }
    }
    __real_bls_hash(message, out);
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    atomic_store(&is_waiting, true);
    int waited = __real_pthread_cond_wait(cond, mutex);
    if (atomic_load(&hold_waking)) {
        pthread_mutex_unlock(mutex);
        atomic_store(&is_awake, true);
        while (atomic_load(&hold_waking)) {
            pause_shortly();
        }
        pthread_mutex_lock(mutex);
    }
    return waited;
}

static struct root numbered(uint64_t number)
{
    struct root root = { { 0 } };
    memcpy(root.bytes, &number, sizeof(number));
    return root;
}

static bool is_hash_of(const struct bls_point *point, const struct root *root)
{
    struct bls_point fresh;
    __real_bls_hash(root->bytes, &fresh);
    return memcmp(point, &fresh, sizeof(fresh)) == 0;
}

TEST(a_point_is_computed_once_and_is_that_of_its_root)
{
    struct message_cache *cache = NULL;
    struct bls_point point;
    uint64_t hits = 0;
    uint64_t misses = 0;
    CHECK_OK(message_cache_new(&cache));
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < MESSAGE_CACHE_ENTRIES; i++) {
            struct root root = numbered(i);
            message_cache_get(cache, &root, &point);
            CHECK(is_hash_of(&point, &root));
        }
    }
    message_cache_counts(cache, &hits, &misses);
    CHECK(misses == MESSAGE_CACHE_ENTRIES);
    CHECK(hits == 2 * MESSAGE_CACHE_ENTRIES);
    message_cache_free(cache);
}

TEST(the_root_used_longest_ago_is_forgotten_first)
{
    struct message_cache *cache = NULL;
    struct bls_point point;
    uint64_t hits = 0;
    uint64_t misses = 0;
    CHECK_OK(message_cache_new(&cache));
    for (uint64_t i = 0; i < MESSAGE_CACHE_ENTRIES; i++) {
        struct root root = numbered(i);
        message_cache_get(cache, &root, &point);
    }
    struct root first = numbered(0);
    struct root second = numbered(1);
    struct root fresh = numbered(1000);
    message_cache_get(cache, &first, &point); /* now the second one is the oldest */
    message_cache_get(cache, &fresh, &point);
    message_cache_get(cache, &first, &point);
    message_cache_counts(cache, &hits, &misses);
    CHECK(hits == 2 && misses == MESSAGE_CACHE_ENTRIES + 1);
    message_cache_get(cache, &second, &point);
    CHECK(is_hash_of(&point, &second));
    message_cache_counts(cache, &hits, &misses);
    CHECK(misses == MESSAGE_CACHE_ENTRIES + 2);
    message_cache_free(cache);
}

TEST(the_zero_root_is_a_root_like_any_other)
{
    struct message_cache *cache = NULL;
    struct bls_point point;
    struct root zero = { { 0 } };
    CHECK_OK(message_cache_new(&cache));
    message_cache_get(cache, &zero, &point);
    CHECK(is_hash_of(&point, &zero));
    message_cache_free(cache);
}

struct asker {
    struct message_cache *cache;
    uint64_t roots;
    bool fine;
};

static void *ask(void *context)
{
    struct asker *asker = context;
    asker->fine = true;
    for (uint64_t i = 0; i < 400; i++) {
        struct root root = numbered(i % asker->roots);
        struct bls_point point;
        message_cache_get(asker->cache, &root, &point);
        asker->fine = asker->fine && (i % 20 != 0 || is_hash_of(&point, &root));
    }
    return NULL;
}

/* As many roots as entries: each is computed once however many ask. More: entries change hands all
 * the time, and still nobody gets another root's point. */
TEST(threads_share_points_and_never_mix_them_up)
{
    static const uint64_t roots[] = { 1, MESSAGE_CACHE_ENTRIES, MESSAGE_CACHE_ENTRIES * 3 };
    for (size_t round = 0; round < 3; round++) {
        struct message_cache *cache = NULL;
        struct asker askers[6];
        pthread_t threads[6];
        uint64_t hits = 0;
        uint64_t misses = 0;
        CHECK_OK(message_cache_new(&cache));
        for (size_t i = 0; i < 6; i++) {
            askers[i] = (struct asker){ .cache = cache, .roots = roots[round] };
            CHECK_OK(thread_start(&threads[i], "ask", ask, &askers[i]));
        }
        for (size_t i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
            CHECK(askers[i].fine);
        }
        message_cache_counts(cache, &hits, &misses);
        CHECK(hits + misses == 6 * 400);
        CHECK(round == 2 || misses == roots[round]);
        message_cache_free(cache);
    }
}

struct getter {
    struct message_cache *cache;
    bool fine;
};

/* Gets root 0. */
static void *get_first(void *context)
{
    struct getter *getter = context;
    struct root root = numbered(0);
    struct bls_point point;
    message_cache_get(getter->cache, &root, &point);
    getter->fine = is_hash_of(&point, &root);
    return NULL;
}

static bool all_are_right(struct message_cache *cache, uint64_t first, uint64_t count)
{
    bool right = true;
    for (uint64_t i = first; i < first + count; i++) {
        struct root root = numbered(i);
        struct bls_point point;
        message_cache_get(cache, &root, &point);
        right = is_hash_of(&point, &root) && right;
    }
    return right;
}

/* Its entry is the one that was used longest ago by then; all others change hands. */
TEST(an_entry_that_is_being_filled_is_given_to_no_other_root)
{
    struct message_cache *cache = NULL;
    struct getter getter;
    pthread_t thread;
    CHECK_OK(message_cache_new(&cache));
    getter = (struct getter){ .cache = cache };
    atomic_store(&is_hashing, false);
    atomic_store(&hold_hash, true);
    CHECK_OK(thread_start(&thread, "get", get_first, &getter));
    bool held = wait_for(&is_hashing);
    bool right = all_are_right(cache, 1, 2 * MESSAGE_CACHE_ENTRIES);
    atomic_store(&hold_hash, false);
    pthread_join(thread, NULL);
    CHECK(held && right && getter.fine);
    for (uint64_t i = 2 * MESSAGE_CACHE_ENTRIES; i > MESSAGE_CACHE_ENTRIES; i--) {
        CHECK(all_are_right(cache, i, 1)); /* the latest first: they are still there */
    }
    CHECK(all_are_right(cache, 0, 1));
    message_cache_free(cache);
}

/* One who waited for a point wakes up late: the entry has become another root's meanwhile. */
TEST(who_wakes_up_late_does_not_get_another_roots_point)
{
    struct message_cache *cache = NULL;
    struct getter getters[2];
    pthread_t threads[2];
    CHECK_OK(message_cache_new(&cache));
    atomic_store(&is_hashing, false);
    atomic_store(&is_waiting, false);
    atomic_store(&is_awake, false);
    atomic_store(&hold_hash, true);
    atomic_store(&hold_waking, true);
    bool arrived[3];
    for (size_t i = 0; i < 2; i++) {
        getters[i] = (struct getter){ .cache = cache };
        CHECK_OK(thread_start(&threads[i], "get", get_first, &getters[i]));
        arrived[i] = wait_for(i == 0 ? &is_hashing : &is_waiting);
    }
    atomic_store(&hold_hash, false);
    arrived[2] = wait_for(&is_awake);
    bool right = all_are_right(cache, 1, MESSAGE_CACHE_ENTRIES);
    atomic_store(&hold_waking, false);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(arrived[0] && arrived[1] && arrived[2] && right);
    CHECK(getters[0].fine && getters[1].fine);
    message_cache_free(cache);
}

HARNESS_TESTS(T(a_point_is_computed_once_and_is_that_of_its_root),
              T(the_root_used_longest_ago_is_forgotten_first),
              T(the_zero_root_is_a_root_like_any_other),
              T(threads_share_points_and_never_mix_them_up),
              T(an_entry_that_is_being_filled_is_given_to_no_other_root),
              T(who_wakes_up_late_does_not_get_another_roots_point))
