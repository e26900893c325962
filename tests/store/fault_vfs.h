/* fault_vfs.h: a disk that fails and forgets, under SQLite. It counts what SQLite asks of the disk
 * and fails the call that it is told to; and it keeps, beside each file, what would be left of it
 * after the power went: only what was synced since it was written. A failed sync loses what it was
 * to write for good, though readers still see it, as Linux does: a later sync that succeeds does
 * not bring it back. */
#ifndef TESTS_STORE_FAULT_VFS_H
#define TESTS_STORE_FAULT_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_call { FAULT_WRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_OPEN, FAULT_DELETE, FAULT_CALLS };

struct fault {
    enum fault_call call;
    size_t nth;    /* the one that fails, from 1; 0: none */
    int code;      /* what SQLite gets to see */
    bool for_good; /* all later ones of that kind fail too */
    bool halfway;  /* a write leaves its first half */
};

/* Becomes SQLite's default. Once a program. */
void fault_vfs_install(void);

/* From now on; counting starts anew. */
void fault_vfs_set(const struct fault *fault);
size_t fault_vfs_count(enum fault_call call);
/* How often the fault has struck. */
size_t fault_vfs_strikes(void);

/* Everything fails from now on and nothing reaches the files: what the process does after this, it
 * did not live to do. `death` (below FAULT_DEATHS) names the moment, to come back to. */
enum { FAULT_DEATHS = 2 };
void fault_vfs_die(size_t death);

enum fault_outcome {
    OUTCOME_RESTART,             /* the process died: the files are as readers saw them */
    OUTCOME_POWER_CUT,           /* nothing that was not synced is left */
    OUTCOME_POWER_CUT_SOME_LEFT, /* some blocks that were not synced are left nevertheless */
    OUTCOMES,
};

/* After fault_vfs_die() and the closing of all files: leaves the files as the outcome of that
 * death, and works again. May be called for several outcomes in turn. `seed` (not 0) chooses the
 * blocks. */
void fault_vfs_leave(size_t death, enum fault_outcome outcome, uint64_t seed);

/* Forgets all files (their folder was emptied). */
void fault_vfs_forget(void);

#endif
