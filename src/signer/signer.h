/* signer.h: the only path to a signature. Everything that must hold before a signature leaves the
 * process is decided in signer.c, from top to bottom.
 *
 * The signer does no I/O of its own: requests come from the API, records go through the committer.
 */
#ifndef SIGNER_SIGNER_H
#define SIGNER_SIGNER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "eth/network.h"
#include "eth/signing_request.h"
#include "eth/types.h"
#include "keystore/key_table.h"
#include "signer/metrics.h"
#include "slashing/committer.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SIGNER_INLINE_BODY_MAX = 16 * 1024, /* bytes; longer bodies are read by a worker */
    SIGNER_REASON_SIZE = DETAIL_SIZE + 128,
};

/* How a request ended. */
enum sign_status {
    SIGN_OK,
    SIGN_BAD_REQUEST,  /* body or identifier cannot be understood, or roots differ */
    SIGN_UNAUTHORIZED, /* the caller is not known */
    SIGN_FORBIDDEN,    /* the caller may not, or the request is of another network */
    SIGN_UNKNOWN_KEY,  /* the key is not loaded */
    SIGN_SLASHABLE,    /* slashing protection refused */
    SIGN_OVERLOADED,   /* too much is waiting; nothing was done */
    SIGN_LATE,         /* it waited past its deadline; nothing was signed */
    SIGN_STORE_FAILED, /* slashing protection could not record; nothing was signed */
    SIGN_STATUS_COUNT,
};

/* The metric label and log word of a status: "signed", "bad_request", … */
const char *sign_status_name(enum sign_status status);

struct sign_answer {
    enum sign_status status;
    struct signature signature; /* SIGN_OK only, else zero */
    const char *reason;         /* a sentence for the client; "" for SIGN_OK */
};

/* Called exactly once for every request, on any thread, possibly before signer_sign() returns. Must
 * not block; `answer` is gone when it returns. */
typedef void (*sign_done)(const struct sign_answer *answer, void *context);

/* A request as the API hands it over. All of it stays valid until `done` is called. */
struct sign_input {
    const char *identifier; /* the public key as the client wrote it */
    const char *body;
    size_t body_size;
    const char *authorization; /* the header field's value, or "" */
    uint64_t start_ns;         /* when the request was complete, in clock_monotonic_ns() */
    sign_done done;
    void *context;
};

struct signer_settings {
    const struct network *network;
    struct key_table *keys;
    struct committer *committer;
    size_t workers;
    size_t queue_limit;   /* requests between admission and answer */
    uint64_t deadline_ns; /* from start_ns; 0: none */
};

struct signer;

/* Starts the workers. All that the settings point to must outlive the signer. */
RESULT signer_new(const struct signer_settings *settings, struct signer **out);

/* Waits for the workers to finish what they hold, and ends them. No request may come any more.
 * Those that wait for their record are answered by the committer, at the latest by
 * committer_free(). Accepts NULL. */
void signer_stop(struct signer *signer);

/* Frees. No request may be unanswered: the committer is freed before. Accepts NULL. */
void signer_free(struct signer *signer);
DEFINE_CLEANUP(struct signer, signer_free);

/* Takes a request on the way to its signature. Any thread; returns soon. */
void signer_sign(struct signer *signer, const struct sign_input *input);

/* The counters and histograms of all requests so far; see metrics.h. */
const struct signer_metrics *signer_metrics(const struct signer *signer);

/* What waits now, for metrics and tests. */
struct signer_load {
    size_t in_flight; /* between admission and answer */
    size_t waiting;   /* of these, waiting for a worker */
    size_t limit;
    size_t workers;
    uint64_t message_hits;
    uint64_t message_misses;
};
struct signer_load signer_load(struct signer *signer);

#endif
