/* api.h: what the HTTP routes work with, and the two handlers that the listeners call. */
#ifndef API_API_H
#define API_API_H

#include "api/attestation.h"
#include "api/health.h"
#include "base/tasks.h"
#include "eth/network.h"
#include "keystore/kdf_gate.h"
#include "keystore/key_table.h"
#include "keystore/reloader.h"
#include "net/http_server.h"
#include "signer/signer.h"
#include "slashing/committer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_manager_settings {
    bool enabled;
    size_t reads_max;  /* GET and DELETE at a time */
    size_t writes_max; /* POST at a time */
    size_t items_max;  /* keystores or public keys in one request */
    uint64_t timeout_ns;
};

/* Everything is borrowed and outlives the HTTP server. */
struct api {
    const struct network *network;
    struct key_table *keys;
    struct reloader *reloader;
    struct committer *committer;
    struct signer *signer;
    struct health *health;
    struct tasks *tasks;
    const struct http_server *server; /* for its counts */
    struct key_manager_settings key_manager;
    struct attestation *attestation; /* NULL: this is no enclave, and there is nothing to attest */
    struct kdf_gate *kdf_gate;       /* bounds what key derivations take */
    uint64_t start_seconds;          /* since 1970 */
    atomic_bool reload_asked;        /* by POST /reload, for what is loaded beside the keys */
    atomic_uint_fast64_t certificate_expiry; /* seconds since 1970; 0 without TLS */

    atomic_size_t key_manager_reads; /* under way */
    atomic_size_t key_manager_writes;
};

/* The routes of the API's own port. `context` is a struct api. */
void api_handle(struct http_exchange *exchange, void *context);

/* The health probes alone, for a port in the clear beside one with TLS. */
void api_handle_health(struct http_exchange *exchange, void *context);

/* The routes of the metrics port. */
void api_handle_metrics(struct http_exchange *exchange, void *context);

#endif
