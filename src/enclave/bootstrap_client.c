#include "enclave/bootstrap_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "enclave/bootstrap_inbox.h"
#include "enclave/bootstrap_link.h"
#include "enclave/log_lines.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define MS ((uint64_t)1000 * 1000)
#define S  (1000 * MS)

const struct bootstrap_times bootstrap_times = {
    .keepalive = BOOTSTRAP_KEEPALIVE_SECONDS * S,
    .silence = BOOTSTRAP_SILENCE_SECONDS * S,
    .pause_min = 100 * MS,
    .pause_max = 5 * S,
    .steady = 5 * S,
    .dropped = 1 * S,
    .window = 1 * S,
    .farewell = 1 * S,
};

enum { LOG_READ = 16 * 1024, AT_WAKE = 0, AT_LOG, AT_STREAM, WAITS };

struct bootstrap_client {
    struct bootstrap_client_settings settings;
    struct bootstrap_times times;
    struct bootstrap_inbox inbox;
    int wake; /* an eventfd: something below has changed */
    atomic_uint health;
    atomic_bool stopping;
    atomic_uint_fast64_t connections, broken, credentials, dropped;
    atomic_uint_fast64_t parent_heard_ns; /* a whole frame of who gave the configuration */
    bool running;
    pthread_t thread;
    /* The thread's own from here. */
    uint8_t nonce[BOOTSTRAP_NONCE_SIZE];
    struct bootstrap_link link;
    struct log_lines *lines;
    int log_fd; /* -1: none, or at its end */
    bool log_is_empty;
    uint64_t now_ns;
    uint64_t connect_ns; /* when the next connection is tried, while there is none */
    uint64_t pause_ns;   /* from its end, if that comes soon, to the one after it */
    uint64_t stop_ns;    /* when to end at the latest; 0: the end was not asked for yet */
    bool shut_down;      /* SHUTDOWN was told */
    /* Of the stream there is. */
    bool greeted;         /* said HELLO */
    bool configured;      /* heard the configuration */
    bool line_on_its_way; /* the frame on its way is the oldest line */
    uint64_t heard_ns;    /* a whole frame */
    uint64_t configured_ns;
    uint64_t keepalive_ns; /* when it is due */
    unsigned told_health;
    uint64_t told_dropped;
    uint64_t dropped_ns; /* when DROPPED may be told again */
};

static void wake(const struct bootstrap_client *client)
{
    const uint64_t one = 1;
    (void)!write(client->wake, &one, sizeof(one)); /* a full counter wakes as well */
}

/* ---- what the parent says */

static struct result on_configuration(struct bootstrap_client *client,
                                      const struct bootstrap_frame *frame)
{
    TRY(bootstrap_inbox_configure(&client->inbox, frame->payload, frame->size));
    atomic_fetch_add(&client->connections, 1);
    client->configured = true;
    client->configured_ns = client->now_ns;
    (void)bootstrap_inbox_set_trouble(&client->inbox, "");
    log_info("connected to the parent", LOG_NUMBER("configuration_bytes", frame->size));
    return OK;
}

static struct result on_credentials(struct bootstrap_client *client,
                                    const struct bootstrap_frame *frame)
{
    TRY(bootstrap_inbox_credit(&client->inbox, frame->payload, frame->size));
    atomic_fetch_add(&client->credentials, 1);
    return OK;
}

static void on_shutdown(struct bootstrap_client *client, const struct bootstrap_frame *frame)
{
    char reason[BOOTSTRAP_REASON_MAX + 1] = "";
    if (client->shut_down) {
        return;
    }
    client->shut_down = true;
    if (frame->size > 0) {
        memcpy(reason, frame->payload, frame->size);
    }
    if (client->settings.on_shutdown != NULL) {
        client->settings.on_shutdown(client->settings.shutdown_context, reason);
    }
}

static struct result take_frame(struct bootstrap_client *client,
                                const struct bootstrap_frame *frame)
{
    switch (frame->type) {
    case BOOTSTRAP_CONFIGURATION:
        return on_configuration(client, frame);
    case BOOTSTRAP_CREDENTIALS:
        return on_credentials(client, frame);
    case BOOTSTRAP_SHUTDOWN:
        on_shutdown(client, frame);
        return OK;
    case BOOTSTRAP_KEEPALIVE:
        return OK; /* a parent's state is always the same */
    case BOOTSTRAP_HELLO:
    case BOOTSTRAP_LOG:
    case BOOTSTRAP_DROPPED:
        break; /* the decoder lets none of them pass */
    }
    return FAIL(REFUSED, "a frame that only the enclave may send");
}

static struct result on_frame(void *context, const struct bootstrap_frame *frame)
{
    struct bootstrap_client *client = context;
    client->heard_ns = client->now_ns;
    TRY(take_frame(client, frame));
    if (client->configured) {
        atomic_store(&client->parent_heard_ns, client->now_ns);
    }
    return OK;
}

/* ---- what the parent is told */

static struct result say_dropped(struct bootstrap_client *client, uint64_t dropped)
{
    uint8_t number[sizeof(dropped)];
    for (size_t i = 0; i < sizeof(number); i++) {
        number[i] = (uint8_t)(dropped >> 8 * (sizeof(number) - 1 - i));
    }
    client->told_dropped = dropped;
    client->dropped_ns = client->now_ns + client->times.dropped;
    return bootstrap_link_put(&client->link, BOOTSTRAP_DROPPED, number, sizeof(number));
}

static struct result say_health(struct bootstrap_client *client)
{
    client->told_health = atomic_load(&client->health);
    client->keepalive_ns = client->now_ns + client->times.keepalive;
    const uint8_t health = (uint8_t)client->told_health;
    return bootstrap_link_put(&client->link, BOOTSTRAP_KEEPALIVE, &health, sizeof(health));
}

static bool is_health_due(const struct bootstrap_client *client)
{
    return client->now_ns >= client->keepalive_ns ||
           (client->configured && client->told_health != atomic_load(&client->health));
}

static bool is_dropped_due(const struct bootstrap_client *client)
{
    bool last = client->stop_ns != 0 && client->log_is_empty;
    return client->configured && log_lines_dropped(client->lines) > client->told_dropped &&
           (last || client->now_ns >= client->dropped_ns);
}

/* Makes the next frame, if there is something to say. The log waits for CONFIGURATION: who does not
 * give one may not be the parent's process that takes it. */
static struct result say_next(struct bootstrap_client *client)
{
    const uint8_t *line = NULL;
    size_t size = 0;
    if (!client->greeted) {
        client->greeted = true;
        return bootstrap_link_put(&client->link, BOOTSTRAP_HELLO, client->nonce,
                                  sizeof(client->nonce));
    }
    if (is_health_due(client)) {
        return say_health(client);
    }
    if (is_dropped_due(client)) {
        return say_dropped(client, log_lines_dropped(client->lines));
    }
    if (client->configured && log_lines_first(client->lines, &line, &size)) {
        client->line_on_its_way = true;
        return bootstrap_link_put(&client->link, BOOTSTRAP_LOG, line, size);
    }
    return OK;
}

/* A line is forgotten when all of it was taken: one that a broken stream has cut goes out again. */
static void note_sent(struct bootstrap_client *client)
{
    if (client->line_on_its_way) {
        log_lines_forget(client->lines);
        client->line_on_its_way = false;
    }
}

/* Bounded by what is held, as nothing is added meanwhile. */
static struct result talk(struct bootstrap_client *client, struct detail *detail)
{
    do {
        TRY(bootstrap_link_flush(&client->link, detail));
        if (bootstrap_link_is_sending(&client->link)) {
            return OK;
        }
        note_sent(client);
        TRY(say_next(client));
    } while (bootstrap_link_is_sending(&client->link));
    return OK;
}

/* ---- the stream's life */

static void plan_connection(struct bootstrap_client *client)
{
    bool steady =
        client->configured && client->now_ns - client->configured_ns >= client->times.steady;
    if (steady) {
        client->pause_ns = client->times.pause_min;
    }
    client->connect_ns = client->now_ns + client->pause_ns;
    client->pause_ns = client->pause_ns < client->times.pause_max / 2 ? 2 * client->pause_ns
                                                                      : client->times.pause_max;
}

/* Said once for each reason: the same again and again would fill the log that cannot be sent. */
static void tell_trouble(struct bootstrap_client *client, struct result why,
                         const struct detail *detail)
{
    char reason[DETAIL_SIZE];
    detail_line(detail, why, reason, sizeof(reason));
    if (bootstrap_inbox_set_trouble(&client->inbox, reason)) {
        log_warn("not connected to the parent", LOG_TEXT("reason", reason));
    }
}

static void disconnect(struct bootstrap_client *client, struct result why,
                       const struct detail *detail)
{
    if (why.status != STATUS_UNAVAILABLE) {
        atomic_fetch_add(&client->broken, 1);
    }
    bootstrap_link_close(&client->link);
    plan_connection(client);
    tell_trouble(client, why, detail);
    client->greeted = false;
    client->configured = false;
    client->line_on_its_way = false;
    client->told_dropped = 0; /* a parent that was started anew has not heard it */
    client->dropped_ns = 0;
}

static void connect_now(struct bootstrap_client *client)
{
    int fd = client->settings.connect(client->settings.context);
    int reason = errno;
    client->now_ns = clock_monotonic_ns();
    if (fd < 0) {
        struct detail detail;
        detail_set(&detail, "%s", strerror(reason));
        plan_connection(client);
        tell_trouble(client, FAIL(UNAVAILABLE, "no connection to the parent"), &detail);
        return;
    }
    bootstrap_link_open(&client->link, fd);
    client->heard_ns = client->now_ns;
    client->keepalive_ns = client->now_ns + client->times.keepalive;
    client->told_health = BOOTSTRAP_HEALTHS; /* none: it is told after CONFIGURATION */
}

static uint64_t silence_ends(const struct bootstrap_client *client)
{
    return client->link.deaf ? UINT64_MAX : client->heard_ns + client->times.silence;
}

static struct result listen_to(struct bootstrap_client *client, struct detail *detail)
{
    TRY(bootstrap_link_receive(&client->link, client->now_ns, on_frame, client, detail));
    ENSURE(client->now_ns < silence_ends(client), LIMIT,
           "the parent has said nothing for too long");
    return OK;
}

/* What lies in a stream that takes nothing any more is heard first: it may be SHUTDOWN. */
static struct result converse(struct bootstrap_client *client, struct detail *detail)
{
    TRY(listen_to(client, detail));
    struct result talked = talk(client, detail);
    if (talked.status == STATUS_UNAVAILABLE) {
        struct result heard = listen_to(client, NULL);
        return heard.status == STATUS_OK ? talked : heard;
    }
    return talked;
}

static void keep_stream(struct bootstrap_client *client)
{
    bool may_connect = client->stop_ns == 0 && client->now_ns >= client->connect_ns;
    if (client->link.fd < 0 && may_connect) {
        connect_now(client);
    }
    if (client->link.fd >= 0) {
        struct detail detail = { "" };
        struct result result = converse(client, &detail);
        if (!is_ok(result)) {
            disconnect(client, result, &detail);
        }
    }
}

/* ---- the log */

static void end_log(struct bootstrap_client *client)
{
    log_lines_end(client->lines, client->now_ns);
    fd_close_ptr(&client->log_fd);
    client->log_fd = -1;
    client->log_is_empty = true;
}

static void read_log(struct bootstrap_client *client)
{
    uint8_t bytes[LOG_READ];
    if (client->log_fd < 0) {
        return;
    }
    ssize_t got = read(client->log_fd, bytes, sizeof(bytes));
    client->log_is_empty = got < 0;
    if (got > 0) {
        log_lines_add(client->lines, bytes, (size_t)got, client->now_ns);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_log(client);
    }
    atomic_store(&client->dropped, log_lines_dropped(client->lines));
}

/* ---- the thread */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When something is to be done though nothing was heard. */
static uint64_t next_deadline(const struct bootstrap_client *client)
{
    if (client->link.fd < 0) {
        return client->connect_ns;
    }
    uint64_t pause = bootstrap_link_pause_ns(&client->link, client->now_ns);
    uint64_t next = sooner(silence_ends(client), pause > 0 ? client->now_ns + pause : UINT64_MAX);
    if (!bootstrap_link_is_sending(&client->link)) {
        bool dropped = client->configured && atomic_load(&client->dropped) > client->told_dropped;
        next = sooner(next, client->keepalive_ns);
        next = sooner(next, dropped ? client->dropped_ns : UINT64_MAX);
    }
    return next;
}

/* What poll() waits for on the stream. One that may not be read and has nothing to take is left
 * out: its end would be told again and again. */
static struct pollfd stream_wait(const struct bootstrap_client *client)
{
    short events = 0;
    if (bootstrap_link_pause_ns(&client->link, client->now_ns) == 0) {
        events |= POLLIN;
    }
    if (bootstrap_link_is_sending(&client->link)) {
        events |= POLLOUT;
    }
    return (struct pollfd){ .fd = events == 0 ? -1 : client->link.fd, .events = events };
}

static void wait_for_news(struct bootstrap_client *client)
{
    struct pollfd waits[WAITS] = {
        [AT_WAKE] = { .fd = client->wake, .events = POLLIN },
        [AT_LOG] = { .fd = client->log_fd, .events = POLLIN },
        [AT_STREAM] = stream_wait(client),
    };
    uint64_t deadline = next_deadline(client);
    if (client->stop_ns != 0) {
        waits[AT_WAKE].fd = -1;
        /* Whether the log is empty is known when a read has found nothing. */
        deadline = client->log_is_empty ? sooner(deadline, client->stop_ns) : client->now_ns;
    }
    uint64_t left = deadline > client->now_ns ? deadline - client->now_ns : 0;
    uint64_t left_ms = sooner(left / MS + (left % MS > 0), INT32_MAX);
    if (poll(waits, WAITS, (int)left_ms) > 0 && waits[AT_WAKE].revents != 0) {
        uint64_t times = 0;
        (void)!read(client->wake, &times, sizeof(times));
    }
    client->now_ns = clock_monotonic_ns();
}

/* Once the end was asked for, no connection is waited for; the log is read to its end, and sent. */
static bool is_over(const struct bootstrap_client *client)
{
    const uint8_t *line = NULL;
    size_t size = 0;
    bool all_said = client->log_is_empty && !bootstrap_link_is_sending(&client->link) &&
                    !log_lines_first(client->lines, &line, &size);
    return client->link.fd < 0 || !client->configured || all_said ||
           client->now_ns >= client->stop_ns;
}

static void *run(void *argument)
{
    struct bootstrap_client *client = argument;
    client->now_ns = clock_monotonic_ns();
    for (;;) {
        /* Before the log is read: what was written before the end was asked for is in it. */
        if (client->stop_ns == 0 && atomic_load(&client->stopping)) {
            client->stop_ns = client->now_ns + client->times.farewell;
        }
        read_log(client);
        keep_stream(client);
        if (client->stop_ns != 0 && is_over(client)) {
            return NULL;
        }
        wait_for_news(client);
    }
}

/* ---- for the other threads */

static struct result prepare(struct bootstrap_client *client)
{
    TRY(bootstrap_link_init(&client->link, client->times.window));
    TRY(log_lines_new(client->settings.log_bytes_per_second, clock_monotonic_ns(), &client->lines));
    client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(client->wake >= 0, UNAVAILABLE, "no file descriptor is left");
    int log_fd = client->settings.log_fd;
    int flags = log_fd < 0 ? 0 : fcntl(log_fd, F_GETFL);
    ENSURE(log_fd < 0 || (flags >= 0 && fcntl(log_fd, F_SETFL, flags | O_NONBLOCK) == 0),
           UNAVAILABLE, "the log's pipe cannot be read without waiting");
    return OK;
}

static struct result start(struct bootstrap_client *client)
{
    TRY(prepare(client));
    client->log_fd = client->settings.log_fd;
    client->log_is_empty = client->log_fd < 0;
    struct result started = thread_start(&client->thread, "bootstrap", run, client);
    client->running = is_ok(started);
    if (!client->running) {
        client->log_fd = -1; /* it stays the caller's */
    }
    return started;
}

RESULT bootstrap_client_new(const struct bootstrap_client_settings *settings,
                            struct bootstrap_client **out)
{
    CLEANUP(bootstrap_client_free_ptr)
    struct bootstrap_client *client = calloc(1, sizeof(*client));
    ENSURE(client != NULL, UNAVAILABLE, "out of memory");
    client->settings = *settings;
    client->times = settings->times == NULL ? bootstrap_times : *settings->times;
    client->pause_ns = client->times.pause_min;
    client->wake = -1;
    client->log_fd = -1;
    bootstrap_inbox_init(&client->inbox);
    random_bytes(client->nonce, sizeof(client->nonce));
    TRY(start(client));
    *out = STEAL(client);
    return OK;
}

void bootstrap_client_free(struct bootstrap_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->running) {
        atomic_store(&client->stopping, true);
        wake(client);
        pthread_join(client->thread, NULL);
    }
    bootstrap_link_done(&client->link);
    log_lines_free(client->lines);
    fd_close_ptr(&client->log_fd);
    fd_close_ptr(&client->wake);
    bootstrap_inbox_done(&client->inbox);
    free(client);
}

RESULT bootstrap_client_configuration(struct bootstrap_client *client, unsigned timeout_s,
                                      struct secret_block *out, struct detail *detail)
{
    return bootstrap_inbox_configuration(&client->inbox, timeout_s, out, detail);
}

RESULT bootstrap_client_credentials(struct bootstrap_client *client, struct secret_block *out)
{
    return bootstrap_inbox_credentials(&client->inbox, out);
}

void bootstrap_client_health(struct bootstrap_client *client, enum bootstrap_health health)
{
    assert(health < BOOTSTRAP_HEALTHS);
    if (atomic_exchange(&client->health, (unsigned)health) != (unsigned)health) {
        wake(client);
    }
}

uint64_t bootstrap_client_unheard_ns(struct bootstrap_client *client)
{
    uint64_t heard = atomic_load(&client->parent_heard_ns);
    uint64_t now = clock_monotonic_ns();
    return heard == 0 || now < heard ? 0 : now - heard;
}

struct bootstrap_client_counts bootstrap_client_counts(struct bootstrap_client *client)
{
    return (struct bootstrap_client_counts){
        .connections = atomic_load(&client->connections),
        .broken = atomic_load(&client->broken),
        .credentials = atomic_load(&client->credentials),
        .dropped = atomic_load(&client->dropped),
    };
}
