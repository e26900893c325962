/* held_store.h: stands between the committer and a real slashing store, and holds, fails or loses
 * what the committer asks as a test says. It writes down which records are durable, when they are.
 */
#ifndef TESTS_UNIT_SIGNER_HELD_STORE_H
#define TESTS_UNIT_SIGNER_HELD_STORE_H

#include "slashing/store.h"

#include <pthread.h>

enum held_fault {
    HELD_NO_FAULT,
    HELD_FAILS,       /* nothing is recorded, and every check fails */
    HELD_FAILS_AFTER, /* all is recorded, and every check that is not refused fails all the same */
    HELD_FAILS_BY_TURN, /* every other batch goes well, the others fail in these two ways */
};

enum held_place { HELD_NOWHERE, HELD_BEFORE, HELD_AFTER }; /* the records are made */

enum { HELD_RECORDS_MAX = 8192 };

struct held_record {
    struct pubkey pubkey;
    struct root root;
};

struct held_store {
    struct slashing_store base;   /* first */
    struct slashing_store *inner; /* owned */
    pthread_mutex_t mutex;        /* guards all below */
    pthread_cond_t changed;
    enum held_place hold;   /* where the committer is to be held */
    enum held_place inside; /* where it is held now */
    enum held_fault fault;
    size_t batches;
    size_t checks;
    struct held_record records[HELD_RECORDS_MAX]; /* durable ones */
    size_t record_count;
};

/* Takes `inner`. NULL: no memory. */
struct held_store *held_store_new(struct slashing_store *inner);

/* Holds the next batch, and lets one go that is held elsewhere; HELD_NOWHERE lets go. */
void held_store_hold(struct held_store *store, enum held_place place);

/* Waits until a batch is held there. False: a minute went by. */
bool held_store_wait(struct held_store *store, enum held_place place);

void held_store_set_fault(struct held_store *store, enum held_fault fault);

size_t held_store_batches(struct held_store *store);
size_t held_store_checks(struct held_store *store);

/* Records that were made since the start, and whether this one is among them. */
size_t held_store_count(struct held_store *store);
bool held_store_has(struct held_store *store, const struct pubkey *pubkey, const struct root *root);

#endif
