#include "parent/bootstrap_server.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "enclave/bootstrap.h"
#include "net/stream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAME_MAX = BOOTSTRAP_HEADER_SIZE + BOOTSTRAP_CONFIGURATION_MAX,
    UNSENT_MAX = 2 * FRAME_MAX,
    MS = 1000,
    SECOND_NS = 1000 * 1000 * 1000,
};

struct session {
    struct bootstrap_server *server;
    struct stream *stream;
    struct session *next;
    struct session *previous;
    struct bootstrap_decoder decoder;
    bool greeted;
    bool shut_down; /* SHUTDOWN was sent, after which nothing is */
    bool is_ours;   /* that it ends */
    uint8_t nonce[BOOTSTRAP_NONCE_SIZE];
    uint64_t configured_ns; /* when CONFIGURATION was sent */
};

/* What an enclave's boot said last, on whichever of its streams. */
struct boot {
    uint8_t nonce[BOOTSTRAP_NONCE_SIZE];
    uint64_t dropped; /* log lines */
};

struct bootstrap_server {
    struct bootstrap_server_settings settings;
    struct stream_server *streams;
    struct loop_source *keepalive;
    struct session *sessions;
    bool closing;
    struct boot boots[BOOTSTRAP_SESSIONS_MAX]; /* the last of them */
    size_t next_boot;                          /* the oldest, whose place the next takes */
    atomic_uint_fast64_t connected, greeted, broken, enclave_dropped, health;
};

/* True when it is on its way; what is not ends the stream. */
static bool send_frame(struct session *session, enum bootstrap_type type, const void *payload,
                       size_t size)
{
    BUF frame = BUF_INIT(FRAME_MAX);
    struct result result = bootstrap_write(type, payload, size, &frame);
    result = is_ok(result) ? buf_check(&frame) : result;
    result = is_ok(result) ? stream_write(session->stream, frame.data, frame.size) : result;
    secret_wipe(frame.data, frame.size);
    if (!is_ok(result)) {
        log_warn("the enclave is not told", LOG_TEXT("frame", bootstrap_type_name(type)),
                 LOG_TEXT("reason", result.what));
        session->is_ours = true;
        stream_end(session->stream);
    }
    return is_ok(result);
}

static void *open_session(struct stream *stream, void *context)
{
    struct bootstrap_server *server = context;
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        return NULL;
    }
    session->server = server;
    session->stream = stream;
    bootstrap_decoder_init(&session->decoder, BOOTSTRAP_ENCLAVE);
    session->next = server->sessions;
    if (session->next != NULL) {
        session->next->previous = session;
    }
    server->sessions = session;
    return session;
}

/* One that was given another configuration than its first says nothing, and leaves. */
static bool left_at_once(const struct session *session)
{
    return !session->is_ours && !session->shut_down && !session->server->closing &&
           clock_monotonic_ns() - session->configured_ns < SECOND_NS;
}

static void close_session(void *connection)
{
    struct session *session = connection;
    struct bootstrap_server *server = session->server;
    if (session->previous == NULL) {
        server->sessions = session->next;
    } else {
        session->previous->next = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    if (session->greeted) {
        atomic_fetch_sub(&server->connected, 1);
        log_warn("the enclave is not connected any more");
        if (left_at_once(session)) {
            log_warn("the enclave left at once: does it know another configuration?",
                     LOG_TEXT("configuration_file", server->settings.configuration_file));
        }
    }
    bootstrap_decoder_done(&session->decoder);
    free(session);
}

/* What cannot be read is logged and not sent: the enclave decides what it does without. */
static void send_credentials(struct session *session)
{
    SECRET_BLOCK credentials = { 0 };
    struct detail detail = { "" };
    const struct credentials_source *source = &session->server->settings.credentials;
    struct result got = source->get(source, &credentials, &detail);
    if (!is_ok(got)) {
        char reason[DETAIL_SIZE];
        detail_line(&detail, got, reason, sizeof(reason));
        log_warn("there are no credentials for the enclave", LOG_TEXT("reason", reason));
    } else if (credentials.size > 0) {
        (void)send_frame(session, BOOTSTRAP_CREDENTIALS, credentials.data, credentials.size);
    }
}

static struct result read_configuration(const struct bootstrap_server *server,
                                        struct secret_block *out, struct detail *detail)
{
    const char *path = server->settings.configuration_file;
    TRY(file_read(path, BOOTSTRAP_CONFIGURATION_MAX, out, detail));
    detail_set(detail, "%s", path);
    ENSURE(out->size > 0, BAD_INPUT, "the enclave's settings file is empty");
    return OK;
}

static bool on_hello(struct session *session, const struct bootstrap_frame *frame)
{
    SECRET_BLOCK configuration = { 0 };
    struct detail detail = { "" };
    char nonce[HEX_TEXT_SIZE(BOOTSTRAP_NONCE_SIZE)];
    hex_encode(frame->payload, frame->size, nonce);
    struct result read = read_configuration(session->server, &configuration, &detail);
    if (!is_ok(read)) {
        char reason[DETAIL_SIZE];
        detail_line(&detail, read, reason, sizeof(reason));
        log_error("the enclave gets no configuration", LOG_TEXT("reason", reason));
        return false;
    }
    session->greeted = true;
    session->configured_ns = clock_monotonic_ns();
    memcpy(session->nonce, frame->payload, sizeof(session->nonce));
    atomic_fetch_add(&session->server->connected, 1);
    atomic_fetch_add(&session->server->greeted, 1);
    atomic_store(&session->server->health, BOOTSTRAP_STARTING);
    log_info("the enclave is connected", LOG_TEXT("nonce", nonce),
             LOG_NUMBER("configuration_bytes", configuration.size));
    if (send_frame(session, BOOTSTRAP_CONFIGURATION, configuration.data, configuration.size)) {
        send_credentials(session);
    }
    return true;
}

static bool on_log(struct session *session, const struct bootstrap_frame *frame)
{
    log_sink_line(session->server->settings.sink, frame->payload, frame->size);
    return true;
}

static struct boot *boot_of(struct bootstrap_server *server, const struct session *session)
{
    for (size_t i = 0; i < BOOTSTRAP_SESSIONS_MAX; i++) {
        if (memcmp(server->boots[i].nonce, session->nonce, sizeof(session->nonce)) == 0) {
            return &server->boots[i];
        }
    }
    struct boot *boot = &server->boots[server->next_boot];
    server->next_boot = (server->next_boot + 1) % BOOTSTRAP_SESSIONS_MAX;
    *boot = (struct boot){ .dropped = 0 };
    memcpy(boot->nonce, session->nonce, sizeof(boot->nonce));
    return boot;
}

/* The number is told anew on each stream of a boot, and may only grow; an enclave that says
 * otherwise only miscounts itself. */
static bool on_dropped(struct session *session, const struct bootstrap_frame *frame)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < frame->size; i++) {
        dropped = dropped << 8 | frame->payload[i];
    }
    struct boot *boot = boot_of(session->server, session);
    if (dropped > boot->dropped) {
        atomic_fetch_add(&session->server->enclave_dropped, dropped - boot->dropped);
        boot->dropped = dropped;
    }
    return true;
}

static bool on_keepalive(struct session *session, const struct bootstrap_frame *frame)
{
    uint64_t before = atomic_exchange(&session->server->health, frame->payload[0]);
    if (before != frame->payload[0] && log_request_allowed()) {
        enum bootstrap_health health = (enum bootstrap_health)frame->payload[0];
        log_info("the enclave's state", LOG_TEXT("state", bootstrap_health_name(health)));
    }
    return true;
}

static bool on_frame(struct session *session, const struct bootstrap_frame *frame)
{
    switch (frame->type) {
    case BOOTSTRAP_HELLO:
        return on_hello(session, frame);
    case BOOTSTRAP_LOG:
        return on_log(session, frame);
    case BOOTSTRAP_DROPPED:
        return on_dropped(session, frame);
    case BOOTSTRAP_KEEPALIVE:
        return on_keepalive(session, frame);
    case BOOTSTRAP_CONFIGURATION:
    case BOOTSTRAP_CREDENTIALS:
    case BOOTSTRAP_SHUTDOWN:
        break; /* the decoder lets none of them pass */
    }
    return false;
}

static bool take_bytes(struct session *session, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct bootstrap_frame frame;
        size_t used = 0;
        bool whole = false;
        struct result read =
            bootstrap_read(&session->decoder, bytes + at, size - at, &used, &frame, &whole);
        if (!is_ok(read)) {
            atomic_fetch_add(&session->server->broken, 1);
            if (log_request_allowed()) {
                char reason[DETAIL_SIZE];
                detail_line(NULL, read, reason, sizeof(reason));
                log_warn("the bootstrap protocol was broken; the connection ends",
                         LOG_TEXT("reason", reason));
            }
            return false;
        }
        at += used;
        if (whole && !on_frame(session, &frame)) {
            return false;
        }
    }
    return true;
}

static bool on_bytes(void *connection, const uint8_t *bytes, size_t size)
{
    struct session *session = connection;
    bool goes_on = take_bytes(session, bytes, size);
    session->is_ours = session->is_ours || !goes_on;
    return goes_on;
}

static const struct stream_protocol protocol = { open_session, on_bytes, close_session };

static bool listens(const struct session *session)
{
    return session->greeted && !session->shut_down;
}

static void keep_in_touch(void *context)
{
    const struct bootstrap_server *server = context;
    const uint8_t serving = BOOTSTRAP_SERVING;
    for (struct session *session = server->sessions; session != NULL; session = session->next) {
        if (listens(session)) {
            (void)send_frame(session, BOOTSTRAP_KEEPALIVE, &serving, sizeof(serving));
        }
    }
}

static struct result check_files(const struct bootstrap_server *server, struct detail *detail)
{
    SECRET_BLOCK configuration = { 0 };
    SECRET_BLOCK credentials = { 0 };
    const struct credentials_source *source = &server->settings.credentials;
    TRY(read_configuration(server, &configuration, detail));
    return source->get(source, &credentials, detail);
}

RESULT bootstrap_server_new(struct event_loop *loop,
                            const struct bootstrap_server_settings *settings,
                            struct bootstrap_server **out, struct detail *detail)
{
    CLEANUP(bootstrap_server_free_ptr)
    struct bootstrap_server *server = calloc(1, sizeof(*server));
    ENSURE(server != NULL, UNAVAILABLE, "out of memory");
    server->settings = *settings;
    TRY(check_files(server, detail));
    const struct stream_server_settings streams = {
        .listen = settings->listen,
        .protocol = &protocol,
        .context = server,
        .peer_cid = settings->peer_cid,
        .connections_max = BOOTSTRAP_SESSIONS_MAX,
        .unsent_max = UNSENT_MAX,
        .idle_timeout_ms = BOOTSTRAP_SILENCE_SECONDS * MS,
    };
    TRY(stream_server_new(loop, &streams, &server->streams, detail));
    TRY(loop_every(loop, BOOTSTRAP_KEEPALIVE_SECONDS * MS, keep_in_touch, server,
                   &server->keepalive));
    *out = STEAL(server);
    return OK;
}

void bootstrap_server_free(struct bootstrap_server *server)
{
    if (server == NULL) {
        return;
    }
    server->closing = true;
    loop_source_free(server->keepalive);
    stream_server_free(server->streams);
    free(server);
}

RESULT bootstrap_server_refresh(struct bootstrap_server *server, struct detail *detail)
{
    SECRET_BLOCK credentials = { 0 };
    const struct credentials_source *source = &server->settings.credentials;
    TRY(source->get(source, &credentials, detail));
    for (struct session *session = server->sessions; session != NULL; session = session->next) {
        if (listens(session) && credentials.size > 0) {
            (void)send_frame(session, BOOTSTRAP_CREDENTIALS, credentials.data, credentials.size);
        }
    }
    return OK;
}

size_t bootstrap_server_shut_down(struct bootstrap_server *server, const char *reason)
{
    size_t asked = 0;
    for (struct session *session = server->sessions; session != NULL; session = session->next) {
        if (listens(session)) {
            session->shut_down = send_frame(session, BOOTSTRAP_SHUTDOWN, reason, strlen(reason));
        }
        asked += session->shut_down;
    }
    return asked;
}

struct bootstrap_counts bootstrap_server_counts(const struct bootstrap_server *server)
{
    return (struct bootstrap_counts){
        .connected = atomic_load(&server->connected),
        .greeted = atomic_load(&server->greeted),
        .broken = atomic_load(&server->broken),
        .enclave_dropped = atomic_load(&server->enclave_dropped),
        .health = atomic_load(&server->health),
    };
}
