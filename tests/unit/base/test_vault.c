#include "base/random.h"
#include "base/thread.h"
#include "base/vault.h"
#include "child.h"
#include "harness.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { NOBODY = 65534, SLOTS_A_PAGE = 4096 / 32, FLAGS_SIZE = 512 };

/* The linker sends the vault's calls here (--wrap in meson.build). */
int __real_mlock(const void *address, size_t size);
int __wrap_mlock(const void *address, size_t size);
int __real_madvise(void *address, size_t size, int advice);
int __wrap_madvise(void *address, size_t size, int advice);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

static bool mlock_refused;
static int madvise_refused = -1;
static const uint8_t *watched; /* must hold zeros when it is unmapped */
static bool wiped_before_unmap;

int __wrap_mlock(const void *address, size_t size)
{
    return mlock_refused ? -1 : __real_mlock(address, size);
}

int __wrap_madvise(void *address, size_t size, int advice)
{
    return advice == madvise_refused ? -1 : __real_madvise(address, size, advice);
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < size; i++) {
        seen |= bytes[i];
    }
    return seen == 0;
}

int __wrap_munmap(void *address, size_t size)
{
    wiped_before_unmap = watched != NULL && all_zero(watched, sizeof(struct secret32));
    return __real_munmap(address, size);
}

static struct secret32 secret_of(uint8_t seed)
{
    struct secret32 secret;
    memset(secret.bytes, seed, sizeof(secret.bytes));
    return secret;
}

TEST(keeps_each_secret_in_a_place_of_its_own)
{
    enum { COUNT = 3 * SLOTS_A_PAGE + 1 };
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(COUNT, VAULT_LOCK_OPTIONAL, &vault));
    uint32_t slots[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        struct secret32 secret = secret_of((uint8_t)i);
        memcpy(secret.bytes, &i, sizeof(i));
        CHECK_OK(vault_put(vault, &secret, &slots[i]));
    }
    for (size_t i = 0; i < COUNT; i++) {
        struct secret32 secret = secret_of((uint8_t)i);
        memcpy(secret.bytes, &i, sizeof(i));
        CHECK(memcmp(vault_get(vault, slots[i]), secret.bytes, sizeof(secret.bytes)) == 0);
    }
}

TEST(takes_as_many_as_it_was_made_for)
{
    struct vault *none = NULL;
    CHECK_FAILS(BAD_INPUT, vault_new(0, VAULT_LOCK_OPTIONAL, &none));
    CHECK_FAILS(LIMIT, vault_new(VAULT_SLOTS_MAX + 1, VAULT_LOCK_OPTIONAL, &none));
    CHECK(none == NULL);
    vault_free(NULL);
    CLEANUP(vault_free_ptr) struct vault *largest = NULL;
    CHECK_OK(vault_new(VAULT_SLOTS_MAX, VAULT_LOCK_OPTIONAL, &largest));

    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(2, VAULT_LOCK_OPTIONAL, &vault));
    struct secret32 secret = secret_of(1);
    uint32_t slot = 99;
    CHECK_OK(vault_put(vault, &secret, &slot));
    CHECK_OK(vault_put(vault, &secret, &slot));
    uint32_t untouched = 99;
    CHECK_FAILS(LIMIT, vault_put(vault, &secret, &untouched));
    CHECK(untouched == 99);
    vault_erase(vault, slot);
    CHECK_OK(vault_put(vault, &secret, &slot));
    CHECK_FAILS(LIMIT, vault_put(vault, &secret, &untouched));
}

TEST(an_erased_slot_is_wiped_and_taken_again)
{
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(10, VAULT_LOCK_OPTIONAL, &vault));
    uint32_t first = 0;
    uint32_t second = 0;
    CHECK_OK(vault_put(vault, &(const struct secret32){ { 1 } }, &first));
    CHECK_OK(vault_put(vault, &(const struct secret32){ { 2 } }, &second));
    const uint8_t *bytes = vault_get(vault, first);
    vault_erase(vault, first);
    CHECK(all_zero(bytes, sizeof(struct secret32)));
    CHECK(vault_get(vault, second)[0] == 2);
    uint32_t third = 0;
    CHECK_OK(vault_put(vault, &(const struct secret32){ { 3 } }, &third));
    CHECK(third == first);
    CHECK(vault_get(vault, third)[0] == 3);
}

TEST(is_wiped_before_it_is_released)
{
    struct vault *vault = NULL;
    CHECK_OK(vault_new(1000, VAULT_LOCK_OPTIONAL, &vault));
    uint32_t slot = 0;
    for (uint8_t i = 0; i < 200; i++) {
        struct secret32 secret = secret_of(i);
        CHECK_OK(vault_put(vault, &secret, &slot));
    }
    watched = vault_get(vault, slot);
    wiped_before_unmap = false;
    vault_free(vault);
    watched = NULL;
    CHECK(wiped_before_unmap);
}

static void touch(void *address)
{
    (void)*(const volatile uint8_t *)address;
}

TEST(all_around_the_slots_faults)
{
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(2 * SLOTS_A_PAGE, VAULT_LOCK_OPTIONAL, &vault));
    struct secret32 secret = secret_of(1);
    uint32_t slot = 0;
    CHECK_OK(vault_put(vault, &secret, &slot));
    uint8_t *slots = (uint8_t *)(uintptr_t)vault_get(vault, slot);
    CHECK(child_signal(touch, slots) == 0);
    CHECK(child_signal(touch, slots - 1) == SIGSEGV);
    CHECK(child_signal(touch, slots + 4095) == 0);
    CHECK(child_signal(touch, slots + 4096) == SIGSEGV); /* a page that no slot needs yet */
    for (size_t i = 0; i < SLOTS_A_PAGE; i++) {
        CHECK_OK(vault_put(vault, &secret, &slot));
    }
    CHECK(child_signal(touch, slots + 4096) == 0);
    CHECK(child_signal(touch, slots + 8191) == 0);
    CHECK(child_signal(touch, slots + 8192) == SIGSEGV);
}

struct misuse {
    struct vault *vault;
    uint32_t slot;
};

static void get_slot(void *context)
{
    const struct misuse *misuse = context;
    (void)*(const volatile uint8_t *)vault_get(misuse->vault, misuse->slot);
}

static void erase_slot(void *context)
{
    const struct misuse *misuse = context;
    vault_erase(misuse->vault, misuse->slot);
}

TEST(aborts_for_a_slot_that_is_not_taken)
{
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(4, VAULT_LOCK_OPTIONAL, &vault));
    struct secret32 secret = secret_of(1);
    uint32_t erased = 0;
    uint32_t taken = 0;
    CHECK_OK(vault_put(vault, &secret, &erased));
    CHECK_OK(vault_put(vault, &secret, &taken));
    vault_erase(vault, erased);
    const struct misuse fine = { vault, taken };
    CHECK(child_signal(get_slot, (void *)(uintptr_t)&fine) == 0);
    CHECK(child_signal(erase_slot, (void *)(uintptr_t)&fine) == 0);
    const struct misuse wrong[] = {
        { vault, erased }, { vault, 2 }, { vault, 4 }, { vault, UINT32_MAX }
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(child_signal(get_slot, (void *)(uintptr_t)&wrong[i]) == SIGABRT);
        CHECK(child_signal(erase_slot, (void *)(uintptr_t)&wrong[i]) == SIGABRT);
    }
}

static void expect_zeros(void *slot)
{
    if (!all_zero(slot, sizeof(struct secret32))) {
        _exit(1);
    }
}

TEST(a_forked_child_finds_zeros)
{
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(1, VAULT_LOCK_OPTIONAL, &vault));
    struct secret32 secret = secret_of(7);
    uint32_t slot = 0;
    CHECK_OK(vault_put(vault, &secret, &slot));
    CHECK(child_exit(expect_zeros, (void *)(uintptr_t)vault_get(vault, slot)) == 0);
    CHECK(child_exit(expect_zeros, &secret) == 1); /* that the child would see it */
    CHECK(vault_get(vault, slot)[0] == 7);
}

/* The flags of the mapping that holds `address`, from /proc/self/smaps. */
static bool read_flags(const void *address, char flags[static FLAGS_SIZE])
{
    CLEANUP(file_close_ptr) FILE *maps = fopen("/proc/self/smaps", "r");
    char line[FLAGS_SIZE];
    bool inside = false;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t start = 0;
        uintptr_t end = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
            inside = start <= (uintptr_t)address && (uintptr_t)address < end;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            memcpy(flags, line, sizeof(line));
            return true;
        }
    }
    return false;
}

/* Sanitizers turn mlock() into nothing. */
static bool mlock_works(void)
{
    char flags[FLAGS_SIZE] = "";
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool works = page != MAP_FAILED && __real_mlock(page, 4096) == 0 && read_flags(page, flags) &&
                 strstr(flags, " lo") != NULL;
    if (page != MAP_FAILED) {
        __real_munmap(page, 4096);
    }
    return works;
}

TEST(used_pages_are_locked_and_stay_out_of_core_files)
{
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(SLOTS_A_PAGE + 1, VAULT_LOCK_REQUIRED, &vault));
    for (size_t i = 0; i < SLOTS_A_PAGE + 1; i++) {
        struct secret32 secret = secret_of(1);
        uint32_t slot = 0;
        char flags[FLAGS_SIZE] = "";
        CHECK_OK(vault_put(vault, &secret, &slot));
        CHECK(read_flags(vault_get(vault, slot), flags));
        CHECK(strstr(flags, " dd") != NULL);
        CHECK(strstr(flags, " wf") != NULL);
        CHECK(strstr(flags, " lo") != NULL || !mlock_works());
    }
    CHECK(vault_is_locked(vault));
    if (!mlock_works()) {
        SKIP("mlock() does nothing in this build");
    }
}

TEST(refuses_without_mlock_or_goes_on_where_that_is_wanted)
{
    CLEANUP(vault_free_ptr) struct vault *strict = NULL;
    CLEANUP(vault_free_ptr) struct vault *lenient = NULL;
    CHECK_OK(vault_new(2, VAULT_LOCK_REQUIRED, &strict));
    CHECK_OK(vault_new(2, VAULT_LOCK_OPTIONAL, &lenient));
    CHECK(vault_is_locked(lenient));
    struct secret32 secret = secret_of(1);
    uint32_t slot = 99;
    mlock_refused = true;
    struct result refused = vault_put(strict, &secret, &slot);
    struct result accepted = vault_put(lenient, &secret, &slot);
    mlock_refused = false;
    CHECK_FAILS(UNAVAILABLE, refused);
    CHECK(strstr(refused.what, "RLIMIT_MEMLOCK") != NULL);
    CHECK_OK(accepted);
    CHECK(!vault_is_locked(lenient));
    CHECK(vault_is_locked(strict)); /* nothing unlocked is in it */
    CHECK_OK(vault_put(strict, &secret, &slot));
}

TEST(refuses_when_the_kernel_cannot_protect_a_page)
{
    static const int advices[] = { MADV_DONTDUMP, MADV_WIPEONFORK };
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(vault_free_ptr) struct vault *vault = NULL;
        CHECK_OK(vault_new(2, VAULT_LOCK_OPTIONAL, &vault));
        struct secret32 secret = secret_of(1);
        uint32_t slot = 99;
        madvise_refused = advices[i];
        struct result refused = vault_put(vault, &secret, &slot);
        madvise_refused = -1;
        CHECK_FAILS(UNAVAILABLE, refused);
        CHECK(slot == 99);
        CHECK_OK(vault_put(vault, &secret, &slot));
    }
}

/* Exits with 0 when the limit of an ordinary user stops a vault that must be locked. */
static void put_without_right_to_lock(void *unused)
{
    (void)unused;
    struct vault *vault = NULL;
    struct secret32 secret = secret_of(1);
    uint32_t slot = 0;
    setrlimit(RLIMIT_MEMLOCK, &(const struct rlimit){ 0, 0 });
    if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        _exit(2);
    }
    if (!is_ok(vault_new(1, VAULT_LOCK_REQUIRED, &vault))) {
        _exit(3);
    }
    _exit(vault_put(vault, &secret, &slot).status == STATUS_UNAVAILABLE ? 0 : 4);
}

TEST(an_ordinary_user_with_no_limit_left_is_refused)
{
    if (!mlock_works()) {
        SKIP("mlock() does nothing in this build");
    }
    CHECK(child_exit(put_without_right_to_lock, NULL) == 0);
}

struct worker {
    struct vault *vault;
    uint8_t number;
    size_t wrong;
};

static void *put_and_erase(void *context)
{
    enum { ROUNDS = 300, HELD = 40 };
    struct worker *worker = context;
    uint32_t slots[HELD];
    for (size_t round = 0; round < ROUNDS; round++) {
        struct secret32 secret = secret_of((uint8_t)(worker->number * 50 + round % 50));
        for (size_t i = 0; i < HELD; i++) {
            worker->wrong += !is_ok(vault_put(worker->vault, &secret, &slots[i]));
        }
        for (size_t i = 0; i < HELD; i++) {
            const uint8_t *bytes = vault_get(worker->vault, slots[i]);
            worker->wrong += memcmp(bytes, secret.bytes, sizeof(secret.bytes)) != 0;
            vault_erase(worker->vault, slots[i]);
        }
        worker->wrong += !vault_is_locked(worker->vault);
    }
    return NULL;
}

TEST(threads_do_not_get_into_each_others_slots)
{
    enum { THREADS = 4 };
    CLEANUP(vault_free_ptr) struct vault *vault = NULL;
    CHECK_OK(vault_new(THREADS * 40, VAULT_LOCK_REQUIRED, &vault));
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .vault = vault, .number = (uint8_t)(i + 1) };
        CHECK_OK(thread_start(&threads[i], "worker", put_and_erase, &workers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(workers[i].wrong == 0);
    }
}

HARNESS_TESTS(T(keeps_each_secret_in_a_place_of_its_own), T(takes_as_many_as_it_was_made_for),
              T(an_erased_slot_is_wiped_and_taken_again), T(is_wiped_before_it_is_released),
              T(all_around_the_slots_faults), T(aborts_for_a_slot_that_is_not_taken),
              T(a_forked_child_finds_zeros), T(used_pages_are_locked_and_stay_out_of_core_files),
              T(refuses_without_mlock_or_goes_on_where_that_is_wanted),
              T(refuses_when_the_kernel_cannot_protect_a_page),
              T(an_ordinary_user_with_no_limit_left_is_refused),
              T(threads_do_not_get_into_each_others_slots))
