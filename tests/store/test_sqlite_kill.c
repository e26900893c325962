/* A signer that is killed at any moment, hundreds of times: whatever it had been allowed to sign
 * must be found by the next one. */
#include "harness.h"
#include "store/messages.h"
#include "store/place.h"
#include "store/sqlite.h"
#include "store/sqlite_store.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STORE CLEANUP(slashing_store_close_ptr) struct slashing_store

enum { ROUNDS = 240, FRESH_EVERY = 40, KEYS = 40, BATCH = 8, SAYINGS_MAX = 20000 };

static const struct root network = { { 0x5a } };

/* What the child tells its parent: this was allowed. */
struct saying {
    uint32_t key;
    uint32_t is_block;
    uint64_t number; /* target or slot */
};

static struct slashing_store *open_store(void)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    struct result opened =
        sqlite_store_open(place_path("s.sqlite"), true, &network, &store, &detail);
    if (!is_ok(opened)) {
        fprintf(stderr, "# %s: %s\n", detail.text, opened.what);
    }
    return store;
}

static struct slashing_check check_of(const struct saying *saying)
{
    return saying->is_block != 0
               ? check_block(saying->key, saying->number, saying->number + 1)
               : check_vote(saying->key, saying->number - 1, saying->number, saying->number + 1);
}

static void tell(int pipe_end, const struct saying *saying)
{
    if (write(pipe_end, saying, sizeof(*saying)) != sizeof(*saying)) {
        _exit(1);
    }
}

/* One batch; every tenth record of a validator is a block. */
static void sign_batch(struct slashing_store *store, uint64_t *next, int pipe_end)
{
    struct slashing_check items[BATCH];
    struct slashing_check *checks[BATCH];
    struct saying sayings[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        uint64_t number = (*next)++;
        sayings[i] = (struct saying){ .key = (uint32_t)(number % KEYS),
                                      .is_block = number / KEYS % 10 == 0,
                                      .number = number };
        items[i] = check_of(&sayings[i]);
        checks[i] = &items[i];
    }
    store->ops->decide(store, checks, BATCH);
    for (size_t i = 0; i < BATCH; i++) {
        if (items[i].verdict != VERDICT_NEW) {
            _exit(2);
        }
        tell(pipe_end, &sayings[i]);
    }
}

/* Signs until it is killed, with checkpoints and prunings between. */
static void sign_on(uint64_t next, int checkpoint_pages, int pipe_end)
{
    struct slashing_store *store = open_store();
    bool more = false;
    if (store == NULL) {
        _exit(3);
    }
    sqlite_store_of(store)->db.checkpoint_pages = checkpoint_pages;
    for (unsigned batch = 0;; batch++) {
        sign_batch(store, &next, pipe_end);
        uint64_t old = next > 4000 ? next - 4000 : 0;
        if (batch % 16 == 15 && !is_ok(store->ops->prune(store, (struct epoch){ old },
                                                         (struct slot){ old }, 50, &more))) {
            _exit(4);
        }
    }
}

/* Listens to the child until it has said so much or falls silent. */
static size_t hear(int pipe_end, struct saying *out, size_t most)
{
    size_t count = 0;
    while (count < most && read(pipe_end, &out[count], sizeof(*out)) == sizeof(*out)) {
        count++;
    }
    return count;
}

/* Every other time early, when the child may still be opening; else after some batches. */
static size_t wait_a_while(struct dice *dice, int pipe_end, struct saying *out)
{
    bool early = dice_roll(dice, 2) == 0;
    size_t heard = early ? 0 : hear(pipe_end, out, 1 + dice_roll(dice, 100));
    struct timespec pause = { .tv_nsec = (long)dice_roll(dice, early ? 20000000 : 2000000) };
    nanosleep(&pause, NULL);
    return heard;
}

/* Runs a child and kills it; its exit must be the kill's. False: it gave up by itself. */
static bool run_child(struct dice *dice, uint64_t next, struct saying *sayings, size_t *count_out)
{
    int ends[2];
    int checkpoint_pages = 2 + (int)dice_roll(dice, 60);
    if (pipe(ends) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        sign_on(next, checkpoint_pages, ends[1]);
    }
    close(ends[1]);
    size_t heard = wait_a_while(dice, ends[0], sayings);
    kill(child, SIGKILL);
    *count_out = heard + hear(ends[0], sayings + heard, SAYINGS_MAX - heard);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) {
        printf("# the child left with %d\n", WEXITSTATUS(status));
    }
    return WIFSIGNALED(status);
}

static bool is_remembered(struct slashing_store *store, const struct saying *saying, uint64_t old)
{
    struct slashing_check same = check_of(saying);
    struct slashing_check other = same;
    other.block.root = root_of(UINT64_MAX);
    other.attestation.root = root_of(UINT64_MAX);
    enum verdict verdict = decide(store, &same);
    bool pruned = saying->number < old && !verdict_allows(verdict);
    return (verdict == VERDICT_REPEAT || pruned) && !verdict_allows(decide(store, &other));
}

static bool all_remembered(const struct saying *sayings, size_t count, uint64_t old)
{
    STORE *store = open_store();
    if (store == NULL || !is_ok(sqlite_store_check(store, NULL))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_remembered(store, &sayings[i], old)) {
            printf("# validator %u, number %d: forgotten\n", sayings[i].key,
                   (int)sayings[i].number);
            return false;
        }
    }
    return true;
}

TEST(whatever_was_allowed_is_remembered_by_the_next_process)
{
    static struct saying sayings[2 * SAYINGS_MAX];
    struct dice dice = { (uint64_t)getpid() };
    size_t heard = 0;
    size_t count = 0;
    uint64_t next = 1;
    printf("# seed %d\n", (int)getpid());
    for (int round = 0; round < ROUNDS; round++) {
        if (round % FRESH_EVERY == 0) { /* so that creations are interrupted too */
            (void)place_path("");
            place_empty();
            next = 1;
            count = 0;
        }
        size_t more = 0;
        CHECK(run_child(&dice, next, sayings + count, &more));
        heard += more;
        count += more;
        next += more + BATCH; /* the last batch may be recorded and not said */
        if (dice_roll(&dice, 3) == 0 || count > SAYINGS_MAX) { /* else a crash follows a crash */
            CHECK(all_remembered(sayings, count, next > 4000 ? next - 4000 : 0));
            count = 0;
        }
    }
    printf("# %zu messages in %d lives\n", heard, ROUNDS);
    CHECK(heard > 1000);
}

HARNESS_TESTS(T(whatever_was_allowed_is_remembered_by_the_next_process))
