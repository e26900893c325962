#include "app/housekeeping.h"
#include "harness.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t second_ns = 1000000000U;

/* A store that says what the test wants, and notes how it was asked to prune. */
struct told_store {
    struct slashing_store base; /* first */
    bool is_down;
    const char *where; /* the detail of being down */
    size_t asked;      /* health() calls so far */
    size_t slices;     /* prune() calls so far */
    size_t full;       /* so many slices leave more behind */
    size_t broken_at;  /* the slice that fails; 0: none */
    struct epoch target_below;
    struct slot slot_below;
    size_t rows_max;
};

static struct told_store *told(struct slashing_store *base)
{
    return (struct told_store *)(void *)base;
}

static struct result health(struct slashing_store *base, struct detail *detail)
{
    told(base)->asked++;
    detail_set(detail, "%s", told(base)->where);
    ENSURE(!told(base)->is_down, UNAVAILABLE, "the disk is full");
    return OK;
}

static struct result prune(struct slashing_store *base, struct epoch target_below,
                           struct slot slot_below, size_t rows_max, bool *more_out)
{
    struct told_store *store = told(base);
    store->slices++;
    ENSURE(store->slices != store->broken_at, UNAVAILABLE, "the disk is full");
    store->target_below = target_below;
    store->slot_below = slot_below;
    store->rows_max = rows_max;
    *more_out = store->slices <= store->full;
    return OK;
}

static const struct slashing_store_ops told_ops = { .name = "told",
                                                    .prune = prune,
                                                    .health = health };

/* Everything that housekeeping works with. */
struct place {
    struct told_store store;
    struct settings settings;
    struct network network;
    struct health health;
    struct committer *committer;
    struct housekeeping housekeeping;
};

static char sqlite[] = "sqlite";
static char noop[] = "noop";
static char nowhere[] = "/nowhere/at/all";

static void place_close(struct place *place)
{
    committer_free(place->committer);
}

static struct result place_open(struct place *place)
{
    *place = (struct place){ .store = { .base.ops = &told_ops, .where = "db" },
                             .network = *network_find("mainnet") };
    place->settings.anti_slashing.backend = sqlite;
    place->settings.anti_slashing.path = nowhere;
    place->settings.anti_slashing.pruning.enabled = true;
    place->settings.anti_slashing.pruning.epochs_to_keep = 250;
    place->settings.anti_slashing.pruning.interval_seconds = 3600;
    place->settings.metrics.refresh_interval_seconds = 60;
    health_init(&place->health);
    TRY(committer_new(&place->store.base, &place->committer));
    place->housekeeping = (struct housekeeping){ .settings = &place->settings,
                                                 .network = &place->network,
                                                 .committer = place->committer,
                                                 .health = &place->health };
    return OK;
}

#define PLACE(name)                         \
    CLEANUP(place_close) struct place name; \
    CHECK_OK(place_open(&name))

TEST(the_stores_health_is_asked_every_time)
{
    char reason[DETAIL_SIZE];
    PLACE(place);
    housekeeping_run(&place.housekeeping);
    CHECK(health_store_is_up(&place.health, reason));
    place.store.is_down = true;
    housekeeping_run(&place.housekeeping);
    CHECK(!health_store_is_up(&place.health, reason));
    CHECK_TEXT(reason, "db: the disk is full");
    place.store.where = "elsewhere";
    housekeeping_run(&place.housekeeping);
    CHECK(!health_store_is_up(&place.health, reason));
    CHECK_TEXT(reason, "elsewhere: the disk is full");
    place.store.is_down = false;
    housekeeping_run(&place.housekeeping);
    CHECK(health_store_is_up(&place.health, reason));
}

TEST(the_disk_of_a_database_file_is_looked_at_when_it_is_due)
{
    char path[] = "/tmp/chamber-housekeeping-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    uint64_t size = 0;
    uint64_t disk_free = 0;
    PLACE(place);
    place.settings.anti_slashing.path = path;
    bool grown = ftruncate(fd, 4321) == 0;
    uint64_t before = clock_monotonic_ns();
    housekeeping_run(&place.housekeeping);
    uint64_t after = clock_monotonic_ns();
    health_disk(&place.health, &size, &disk_free);
    bool grown_again = ftruncate(fd, 9999) == 0;
    uint64_t due = place.housekeeping.next_disk_ns;
    housekeeping_run(&place.housekeeping); /* not due yet: nobody waits a minute here */
    uint64_t size_then = 0;
    health_disk(&place.health, &size_then, &disk_free);
    place.housekeeping.next_disk_ns = 0;
    housekeeping_run(&place.housekeeping);
    uint64_t size_due = 0;
    health_disk(&place.health, &size_due, &disk_free);
    close(fd);
    unlink(path);
    CHECK(grown && grown_again);
    CHECK(size == 4321);
    CHECK(disk_free > 0);
    CHECK(due >= before + 60 * second_ns && due <= after + 60 * second_ns);
    CHECK(size_then == 4321);
    CHECK(size_due == 9999);
}

TEST(without_a_database_file_there_are_no_figures)
{
    uint64_t size = 1;
    uint64_t disk_free = 1;
    PLACE(place);
    housekeeping_run(&place.housekeeping); /* sqlite, but there is no such file */
    health_disk(&place.health, &size, &disk_free);
    CHECK(size == 0 && disk_free == 0);
    static char root[] = "/";
    place.settings.anti_slashing.backend = noop;
    place.settings.anti_slashing.path = root;
    place.housekeeping.next_disk_ns = 0;
    housekeeping_run(&place.housekeeping);
    health_disk(&place.health, &size, &disk_free);
    CHECK(size == 0 && disk_free == 0);
}

TEST(what_is_older_than_the_epochs_to_keep_is_pruned_in_slices)
{
    PLACE(place);
    uint64_t first = network_epoch_at(&place.network, clock_wall_seconds()).value;
    housekeeping_run(&place.housekeeping);
    uint64_t last = network_epoch_at(&place.network, clock_wall_seconds()).value;
    uint64_t below = place.store.target_below.value;
    CHECK(below >= first - 250 && below <= last - 250);
    CHECK(place.store.slot_below.value == below * 32);
    CHECK(place.store.rows_max == 500);
    CHECK(place.store.slices == 1);
}

TEST(slots_of_an_epoch_are_the_networks_own)
{
    PLACE(place);
    place.network = *network_find("gnosis");
    housekeeping_run(&place.housekeeping);
    CHECK(place.store.target_below.value > 0);
    CHECK(place.store.slot_below.value == place.store.target_below.value * 16);
}

TEST(a_young_network_has_nothing_to_prune)
{
    PLACE(place);
    place.network.genesis_time = clock_wall_seconds() + 1000 * 1000; /* not begun */
    housekeeping_run(&place.housekeeping);
    CHECK(place.store.slices == 0);
    place.network.genesis_time = clock_wall_seconds() - (uint64_t)200 * 32 * 12;
    place.housekeeping.next_prune_ns = 0;
    housekeeping_run(&place.housekeeping); /* 200 epochs old, 250 are kept */
    CHECK(place.store.slices == 0);
    place.network.genesis_time = clock_wall_seconds() - (uint64_t)300 * 32 * 12;
    place.housekeeping.next_prune_ns = 0;
    housekeeping_run(&place.housekeeping);
    CHECK(place.store.slices == 1);
    CHECK(place.store.target_below.value >= 49 && place.store.target_below.value <= 51);
}

/* Runs, and gives the seconds until the next pruning; UINT64_MAX when that is no whole number. */
static uint64_t run_and_wait_of(struct place *place)
{
    uint64_t before = clock_monotonic_ns();
    housekeeping_run(&place->housekeeping);
    uint64_t after = clock_monotonic_ns();
    for (uint64_t wait = 1; wait <= 3600; wait += 3599) {
        uint64_t next = place->housekeeping.next_prune_ns;
        if (next >= before + wait * second_ns && next <= after + wait * second_ns) {
            return wait;
        }
    }
    return UINT64_MAX;
}

TEST(one_round_is_bounded_and_the_rest_comes_a_second_later)
{
    PLACE(place);
    place.store.full = 300;
    CHECK(run_and_wait_of(&place) == 1);
    CHECK(place.store.slices == 200);
    housekeeping_run(&place.housekeeping); /* not due */
    CHECK(place.store.slices == 200);
    place.housekeeping.next_prune_ns = 0;
    CHECK(run_and_wait_of(&place) == 3600);
    CHECK(place.store.slices == 301);
    housekeeping_run(&place.housekeeping); /* not due */
    CHECK(place.store.slices == 301);
}

TEST(a_long_pruning_does_not_pass_for_a_store_that_is_silent)
{
    PLACE(place);
    place.store.full = 4;
    housekeeping_run(&place.housekeeping);
    CHECK(place.store.slices == 5);
    CHECK(place.store.asked == 1 + 5); /* before it, and after every slice */
}

TEST(a_store_that_cannot_prune_is_left_alone_until_the_next_interval)
{
    PLACE(place);
    place.store.full = 300;
    place.store.broken_at = 3;
    CHECK(run_and_wait_of(&place) == 3600);
    CHECK(place.store.slices == 3);
}

TEST(pruning_that_is_switched_off_never_happens)
{
    PLACE(place);
    place.settings.anti_slashing.pruning.enabled = false;
    housekeeping_run(&place.housekeeping);
    housekeeping_run(&place.housekeeping);
    CHECK(place.store.slices == 0);
}

HARNESS_TESTS(T(the_stores_health_is_asked_every_time),
              T(the_disk_of_a_database_file_is_looked_at_when_it_is_due),
              T(without_a_database_file_there_are_no_figures),
              T(what_is_older_than_the_epochs_to_keep_is_pruned_in_slices),
              T(slots_of_an_epoch_are_the_networks_own), T(a_young_network_has_nothing_to_prune),
              T(one_round_is_bounded_and_the_rest_comes_a_second_later),
              T(a_long_pruning_does_not_pass_for_a_store_that_is_silent),
              T(a_store_that_cannot_prune_is_left_alone_until_the_next_interval),
              T(pruning_that_is_switched_off_never_happens))
