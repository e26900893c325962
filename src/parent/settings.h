/* settings.h: parent.yaml: the table of the parent's settings, and the relays that its lists name.
 */
#ifndef PARENT_SETTINGS_H
#define PARENT_SETTINGS_H

#include "base/detail.h"
#include "base/result.h"
#include "config/config.h"
#include "net/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PARENT_HEARTBEAT_PORT = 9000, /* vsock; the enclave's init says there that it runs */
    PARENT_ROUTES_MAX = 32,       /* of each list */
};

struct parent_settings {
    struct {
        char *transport; /* vsock|uds */
        uint64_t cid;
        char *uds_path;
        bool heartbeat;
    } enclave;
    struct text_list inbound;
    struct text_list outbound;
    char *configuration_file;
    struct {
        char *source; /* none|file */
        char *file;
    } credentials;
    struct {
        uint64_t max_connections;
        uint64_t max_connections_each;
        uint64_t connect_timeout_seconds;
        uint64_t idle_timeout_seconds;
        uint64_t linger_seconds;
    } relays;
    struct {
        bool enabled;
        char *listen_address;
        uint64_t listen_port;
    } metrics;
    struct {
        char *file; /* "": stdout */
        uint64_t max_kib_per_second;
    } enclave_log;
    struct {
        char *level;
        char *format;
    } logging;
};

extern const struct schema parent_schema;

/* One line of `inbound` or `outbound`. */
struct parent_route {
    const char *text; /* the line; it lives as long as the settings */
    struct endpoint listen;
    struct endpoint target;
};

struct parent_routes {
    struct parent_route inbound[PARENT_ROUTES_MAX];
    size_t inbound_count;
    struct parent_route outbound[PARENT_ROUTES_MAX];
    size_t outbound_count;
};

/* What no single value shows, and the routes. BAD_INPUT with the setting, the item and its origin
 * in `detail`. `config` is one of parent_schema. */
RESULT parent_settings_read(const struct config *config, struct parent_routes *out,
                            struct detail *detail);

/* A vsock port of the parent's own, to listen on, as the transport has it. */
struct endpoint parent_own_port(const struct parent_settings *settings, uint32_t port);

#endif
