#include "app/housekeeping.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { PRUNE_ROWS_AT_ONCE = 500, PRUNE_SLICES_PER_RUN = 200 };

static const uint64_t second_ns = 1000000000U;

static struct result ask_health(struct slashing_store *store, void *context)
{
    return store->ops->health(store, context);
}

static void check_store(struct housekeeping *housekeeping)
{
    struct detail detail = { "" };
    char before[DETAIL_SIZE];
    char now[DETAIL_SIZE];
    bool was_up = health_store_is_up(housekeeping->health, before);
    struct result health = committer_call(housekeeping->committer, ask_health, &detail);
    health_set_store(housekeeping->health, health, &detail);
    bool is_up = health_store_is_up(housekeeping->health, now);
    if (!is_up && (was_up || strcmp(before, now) != 0)) {
        log_error("slashing protection is down, nothing that needs it is signed",
                  LOG_TEXT("reason", now));
    } else if (is_up && !was_up) {
        log_info("slashing protection is up");
    }
}

static void look_at_disk(struct housekeeping *housekeeping)
{
    struct stat file = { 0 };
    struct statvfs disk = { 0 };
    const char *path = housekeeping->settings->anti_slashing.path;
    if (strcmp(housekeeping->settings->anti_slashing.backend, "sqlite") != 0 ||
        stat(path, &file) != 0 || statvfs(path, &disk) != 0) {
        return;
    }
    health_set_disk(housekeeping->health, (uint64_t)file.st_size,
                    (uint64_t)disk.f_bavail * disk.f_frsize);
}

struct prune_call {
    struct epoch target_below;
    struct slot slot_below;
    bool more;
};

static struct result prune_slice(struct slashing_store *store, void *context)
{
    struct prune_call *call = context;
    return store->ops->prune(store, call->target_below, call->slot_below, PRUNE_ROWS_AT_ONCE,
                             &call->more);
}

/* One bounded round. True: there is more to prune. */
static bool prune(struct housekeeping *housekeeping)
{
    const struct network *network = housekeeping->network;
    uint64_t kept = housekeeping->settings->anti_slashing.pruning.epochs_to_keep;
    uint64_t now = network_epoch_at(network, clock_wall_seconds()).value;
    if (now <= kept) {
        return false;
    }
    struct prune_call call = {
        .target_below = { now - kept },
        .slot_below = { (now - kept) * network->preset->slots_per_epoch },
        .more = true,
    };
    for (int i = 0; i < PRUNE_SLICES_PER_RUN && call.more; i++) {
        if (!is_ok(committer_call(housekeeping->committer, prune_slice, &call))) {
            log_warn("old slashing protection records could not be pruned; they stay");
            return false;
        }
        check_store(housekeeping); /* on a slow disk this takes a while */
    }
    return call.more;
}

void housekeeping_run(struct housekeeping *housekeeping)
{
    const struct settings *settings = housekeeping->settings;
    uint64_t now = clock_monotonic_ns();
    check_store(housekeeping);
    if (now >= housekeeping->next_disk_ns) {
        look_at_disk(housekeeping);
        housekeeping->next_disk_ns = now + settings->metrics.refresh_interval_seconds * second_ns;
    }
    if (settings->anti_slashing.pruning.enabled && now >= housekeeping->next_prune_ns) {
        uint64_t wait_s =
            prune(housekeeping) ? 1 : settings->anti_slashing.pruning.interval_seconds;
        housekeeping->next_prune_ns = now + wait_s * second_ns;
    }
}
