#include "harness.h"
#include "signer/message_cache.h"

#include "base/thread.h"

static struct root numbered(uint64_t number)
{
    struct root root = { { 0 } };
    memcpy(root.bytes, &number, sizeof(number));
    return root;
}

static bool is_hash_of(const struct bls_point *point, const struct root *root)
{
    struct bls_point fresh;
    bls_hash(root->bytes, &fresh);
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

HARNESS_TESTS(T(a_point_is_computed_once_and_is_that_of_its_root),
              T(the_root_used_longest_ago_is_forgotten_first),
              T(the_zero_root_is_a_root_like_any_other),
              T(threads_share_points_and_never_mix_them_up))
