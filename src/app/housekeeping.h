/* housekeeping.h: what the server does now and then beside signing: asks the store for its health,
 * looks at the disk, prunes old records. */
#ifndef APP_HOUSEKEEPING_H
#define APP_HOUSEKEEPING_H

#include "api/health.h"
#include "config/settings.h"
#include "eth/network.h"
#include "slashing/committer.h"

struct housekeeping {
    const struct settings *settings;
    const struct network *network;
    struct committer *committer;
    struct health *health;
    uint64_t next_disk_ns; /* when what is due, in clock_monotonic_ns(); 0: at once */
    uint64_t next_prune_ns;
};

/* Does what is due. Called about every second, on the main thread; pruning is cut into slices that
 * do not hold up signatures. */
void housekeeping_run(struct housekeeping *housekeeping);

#endif
