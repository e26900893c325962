/* signer_fixture.h: a signer with all that it needs: keys, and a committer over a held store over
 * SQLite or the reference store. Its clock, its calls for signatures and its policies are in the
 * test's hand (the linker's --wrap). */
#ifndef TESTS_UNIT_SIGNER_SIGNER_FIXTURE_H
#define TESTS_UNIT_SIGNER_SIGNER_FIXTURE_H

#include "held_store.h"

#include "signer/signer.h"

#include <stddef.h>
#include <stdint.h>

enum { FIXTURE_EPOCH = 364032 }; /* where mainnet's Electra begins */

struct fixture {
    struct signer_settings settings;
    struct vault *vault;
    struct held_store *store;
    struct signer *signer;
    struct request *requests; /* all that were asked; freed with the fixture */
};

struct fixture_plan {
    size_t keys;
    size_t workers;
    size_t queue_limit; /* 0: plenty */
    uint64_t deadline_ns;
    bool in_memory; /* the reference store instead of SQLite */
};

/* Keys 0, 1, … of the plan are loaded. False: it could not be set up, and why was printed. */
bool fixture_open(struct fixture *fixture, const struct fixture_plan *plan);

/* Lets go what is held, and ends in the order of the program. The parts may be ended before. */
void fixture_close(struct fixture *fixture);
void fixture_stop_signer(struct fixture *fixture);    /* signer_stop() */
void fixture_stop_committer(struct fixture *fixture); /* committer_free() */

#define FIXTURE(...)                                                    \
    CLEANUP(fixture_close) struct fixture fixture = { .signer = NULL }; \
    CHECK(fixture_open(&fixture, &(struct fixture_plan){ __VA_ARGS__ }))

bool fixture_add_key(struct fixture *fixture, uint32_t number, enum status wanted);
struct pubkey fixture_pubkey(uint32_t number);

/* Records of a key in the real store. Waits until all checks that were submitted are decided. */
struct record_counts {
    size_t blocks;
    size_t attestations;
};
struct record_counts fixture_records(struct fixture *fixture, uint32_t number);

/* A request and what became of it. Its texts are freed as soon as it is answered. */
struct request {
    struct fixture *fixture;
    struct request *next;
    char *identifier;
    char *body;
    struct pubkey pubkey;
    struct root root; /* what a signature must be over; zero when the body cannot be resolved */
    size_t answers;
    bool was_recorded; /* when it was answered */
    struct sign_answer answer;
    char reason[SIGNER_REASON_SIZE];
};

/* Bodies, in memory that fixture_ask() takes over. `variant` makes another message of the same
 * epoch or slot. */
char *vote_body(uint64_t source, uint64_t target, unsigned variant);
char *block_body(uint64_t slot, unsigned variant);
char *randao_body(uint64_t epoch); /* needs no record */

/* Asks for a signature by key `number`. */
struct request *fixture_ask(struct fixture *fixture, uint32_t number, char *body);

/* The same in full: the identifier as it stands, and how long ago the request was complete. */
struct request *fixture_ask_as(struct fixture *fixture, const char *identifier, char *body,
                               uint64_t age_ns);

/* Waits for the answer. False: there was none in a minute. */
bool is_answered(struct request *request);
bool is_waiting(struct request *request); /* no answer so far */

/* Waits for the answer and judges it: once, with a valid signature and no reason … */
bool is_signed(struct request *request);
/* … or once, with this status, a reason with these words in it, and no byte of a signature. */
bool is_refused(struct request *request, enum sign_status status, const char *words);

/* All answers so far came once. */
bool all_answered_once(struct fixture *fixture);

/* From now on the clock stands still, this far from a moment that is the same in every test. */
void clock_stands_at(uint64_t ns);

/* Workers stay where they are to compute a signature. */
void signing_hold(bool hold);
bool signing_wait(size_t workers); /* until so many are held there; false: not in a minute */
size_t signing_count(void);        /* signatures computed since the fixture was opened */

/* Checks that the committer was to decide at once, since the fixture was opened. */
size_t urgent_count(void);

/* What the next calls of the policies say. */
void policy_set(enum status caller, enum status operation);

/* The allocation that fails next on this thread, from 1; 0: none. */
void memory_fails_at(size_t nth);
void threads_fail(bool fail);

#endif
