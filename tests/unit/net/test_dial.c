#include "net/dial.h"

#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { TIMEOUT_MS = 60 * 1000 };

/* How a dial ended. */
struct ending {
    struct event_loop *loop;
    int times;
    struct result result;
    int fd;
    struct detail detail;
};

static void on_done(void *context, struct result result, int fd, const struct detail *detail)
{
    struct ending *ending = context;
    ending->times++;
    ending->result = result;
    ending->fd = fd;
    ending->detail = *detail;
    event_loop_stop(ending->loop);
}

static void stop(void *context)
{
    event_loop_stop(context);
}

static struct endpoint server_of(const char *host, uint32_t port)
{
    struct endpoint endpoint = { .kind = ENDPOINT_TCP, .port = port };
    snprintf(endpoint.host, sizeof(endpoint.host), "%s", host);
    return endpoint;
}

/* Dials once. */
static struct ending dial(const struct endpoint *server)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    CLEANUP(dialer_free_ptr) struct dialer *dialer = NULL;
    struct ending ending = { .fd = -1 };
    struct dial *dial = NULL;
    if (!is_ok(event_loop_new(&loop)) ||
        !is_ok(dialer_new(loop, server, TIMEOUT_MS, &dialer, &ending.detail)) ||
        !is_ok(dial_begin(dialer, on_done, &ending, &dial))) {
        return ending;
    }
    ending.loop = loop;
    if (ending.times > 0 || !is_ok(event_loop_run(loop))) { /* never from within */
        ending.times = -1;
    }
    return ending;
}

static int listen_somewhere(struct endpoint *out)
{
    int fd = -1;
    struct endpoint any = server_of("127.0.0.1", 0);
    struct detail detail;
    if (is_ok(endpoint_listen(&any, &fd, &detail))) {
        *out = server_of("127.0.0.1", endpoint_bound_port(fd));
    }
    return fd;
}

TEST(a_server_is_reached_by_its_address)
{
    struct endpoint server;
    CLEANUP(fd_close_ptr) int listener = listen_somewhere(&server);
    CHECK(listener >= 0);
    struct ending ending = dial(&server);
    CLEANUP(fd_close_ptr) int fd = ending.fd;
    char byte;
    CHECK(ending.times == 1 && fd >= 0);
    CHECK_OK(ending.result);
    CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(recv(fd, &byte, 1, 0) == -1 && errno == EAGAIN); /* non-blocking */
}

TEST(a_server_is_reached_by_its_name)
{
    struct endpoint server;
    CLEANUP(fd_close_ptr) int listener = listen_somewhere(&server);
    CHECK(listener >= 0);
    server = server_of("localhost", server.port);
    struct ending ending = dial(&server); /* over ::1 first, where that is another address */
    CLEANUP(fd_close_ptr) int fd = ending.fd;
    CHECK(ending.times == 1);
    CHECK_OK(ending.result);
    CHECK(fd >= 0);
}

TEST(a_port_where_nobody_listens_is_named)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    /* Bound, so that nobody else listens there meanwhile. */
    CLEANUP(fd_close_ptr) int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(holder, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(holder, (struct sockaddr *)&address, &size) == 0);
    const struct endpoint server = server_of("127.0.0.1", ntohs(address.sin_port));
    struct ending ending = dial(&server);
    char wanted[DETAIL_SIZE];
    snprintf(wanted, sizeof(wanted), "tcp:127.0.0.1:%u (Connection refused)", server.port);
    CHECK(ending.times == 1 && ending.fd == -1);
    CHECK_FAILS(UNAVAILABLE, ending.result);
    CHECK_TEXT(ending.detail.text, wanted);
}

TEST(a_name_of_nobody_is_named)
{
    const struct endpoint server = server_of("nobody.invalid", 1);
    struct ending ending = dial(&server);
    CHECK(ending.times == 1 && ending.fd == -1 && !is_ok(ending.result));
    CHECK(strstr(ending.detail.text, "nobody.invalid") != NULL);
}

TEST(who_gives_up_hears_nothing)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    CLEANUP(dialer_free_ptr) struct dialer *dialer = NULL;
    CLEANUP(loop_source_free_ptr) struct loop_source *limit = NULL;
    struct ending ending = { .fd = -1 };
    struct dial *dial = NULL;
    struct endpoint server;
    CLEANUP(fd_close_ptr) int listener = listen_somewhere(&server);
    CHECK(listener >= 0);
    CHECK_OK(event_loop_new(&loop));
    CHECK_OK(dialer_new(loop, &server, TIMEOUT_MS, &dialer, &ending.detail));
    CHECK_OK(dial_begin(dialer, on_done, &ending, &dial));
    dial_cancel(dial);
    dial_cancel(NULL);
    CHECK_OK(loop_every(loop, 20, stop, loop, &limit));
    CHECK_OK(event_loop_run(loop));
    CHECK(ending.times == 0);
}

HARNESS_TESTS(T(a_server_is_reached_by_its_address), T(a_server_is_reached_by_its_name),
              T(a_port_where_nobody_listens_is_named), T(a_name_of_nobody_is_named),
              T(who_gives_up_hears_nothing))
