#include "net/listener.h"

#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct heard {
    struct event_loop *loop;
    int fds[4];
    int count;
    int wanted;
};

static void on_accepted(void *context, int fd)
{
    struct heard *heard = context;
    heard->fds[heard->count++] = fd;
    if (heard->count == heard->wanted) {
        event_loop_stop(heard->loop);
    }
}

static void heard_done(struct heard *heard)
{
    for (int i = 0; i < heard->count; i++) {
        close(heard->fds[i]);
    }
}

static int dial_address(const char *host, uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = inet_addr(host),
                                   .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int dial_port(uint16_t port)
{
    return dial_address("127.0.0.1", port);
}

static struct endpoint loopback(uint32_t port)
{
    return (struct endpoint){ .kind = ENDPOINT_TCP, .host = "127.0.0.1", .port = port };
}

TEST(connections_are_handed_on_without_waiting)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    CLEANUP(listener_free_ptr) struct listener *listener = NULL;
    CLEANUP(heard_done) struct heard heard = { .wanted = 2 };
    const struct endpoint endpoint = loopback(0);
    struct detail detail;
    char byte;
    CHECK_OK(event_loop_new(&loop));
    heard.loop = loop;
    CHECK_OK(listener_new(loop, &endpoint, on_accepted, &heard, &listener, &detail));
    CLEANUP(fd_close_ptr) int first = dial_port(listener_port(listener));
    CLEANUP(fd_close_ptr) int second = dial_port(listener_port(listener));
    CHECK(first >= 0 && second >= 0);
    CHECK_OK(event_loop_run(loop));
    CHECK(heard.count == 2);
    CHECK(recv(heard.fds[0], &byte, 1, 0) == -1 && errno == EAGAIN);
}

TEST(a_freed_listener_is_gone)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    struct listener *listener = NULL;
    struct heard heard = { .wanted = 1 };
    struct endpoint endpoint = loopback(0);
    struct detail detail;
    /* An address of our own in 127/8, so that nobody else listens at that port meanwhile. */
    unsigned own = (unsigned)getpid();
    snprintf(endpoint.host, sizeof(endpoint.host), "127.%u.%u.%u", 1 + own % 250,
             1 + own / 250 % 250, 1 + own / (250 * 250) % 250);
    CHECK_OK(event_loop_new(&loop));
    CHECK_OK(listener_new(loop, &endpoint, on_accepted, &heard, &listener, &detail));
    uint16_t port = listener_port(listener);
    CLEANUP(fd_close_ptr) int before = dial_address(endpoint.host, port);
    CHECK(before >= 0);
    listener_free(listener);
    CHECK(dial_address(endpoint.host, port) == -1);
    listener_free(NULL);
}

TEST(an_address_that_is_taken_is_named)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    CLEANUP(listener_free_ptr) struct listener *listener = NULL;
    struct listener *second = NULL;
    struct heard heard = { .wanted = 1 };
    const struct endpoint endpoint = loopback(0);
    struct detail detail = { "" };
    CHECK_OK(event_loop_new(&loop));
    CHECK_OK(listener_new(loop, &endpoint, on_accepted, &heard, &listener, &detail));
    const struct endpoint taken = loopback(listener_port(listener));
    CHECK_FAILS(UNAVAILABLE, listener_new(loop, &taken, on_accepted, &heard, &second, &detail));
    CHECK(strstr(detail.text, "127.0.0.1") != NULL && second == NULL);
}

TEST(a_name_is_nothing_to_listen_on)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = NULL;
    struct listener *listener = NULL;
    struct heard heard = { .wanted = 1 };
    const struct endpoint name = { .kind = ENDPOINT_TCP, .host = "localhost" };
    struct detail detail = { "" };
    CHECK_OK(event_loop_new(&loop));
    CHECK_FAILS(BAD_INPUT, listener_new(loop, &name, on_accepted, &heard, &listener, &detail));
}

HARNESS_TESTS(T(connections_are_handed_on_without_waiting), T(a_freed_listener_is_gone),
              T(an_address_that_is_taken_is_named), T(a_name_is_nothing_to_listen_on))
