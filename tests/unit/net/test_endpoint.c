#define _GNU_SOURCE
#include "net/endpoint.h"

#include "base/cleanup.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define L63          "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

TEST(what_parses_prints_as_the_same_text)
{
    static const char *const texts[] = {
        "tcp:127.0.0.1:9443",
        "tcp:[::1]:0",
        "tcp:[2001:db8::5]:65535",
        "tcp:kms.eu-central-1.amazonaws.com:443",
        "tcp:a_b:1",
        "tcp:" L63 ".b:1",
        "vsock:any:9001",
        "vsock:16:4294967294",
        "vsock:0:0",
        "unix:/run/x.sock",
        "unix:a:b",
        "uds:/run/vm.vsock:9443",
        "uds:a:b:1",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct endpoint endpoint;
        struct detail detail;
        char text[ENDPOINT_TEXT_SIZE];
        CHECK_OK(endpoint_parse(texts[i], &endpoint, &detail));
        endpoint_print(&endpoint, text);
        CHECK_TEXT(text, texts[i]);
    }
}

TEST(what_is_none_of_the_forms_is_refused_and_named)
{
    static const char *const texts[] = {
        "",
        "tcp",
        "tcp:",
        "TCP:127.0.0.1:1",
        "127.0.0.1:1",
        " tcp:127.0.0.1:1",
        "tcp: 127.0.0.1:1",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:-1",
        "tcp:127.0.0.1:+1",
        "tcp:127.0.0.1:01",
        "tcp:127.0.0.1:1 ",
        "tcp:127.0.0.1:0x1",
        "tcp::1",
        "tcp:::1:80",
        "tcp:[::1:80",
        "tcp:::1]:80",
        "tcp:[]:80",
        "tcp:[127.0.0.1]:80",
        "tcp:[::1%lo]:80",
        "tcp:256.0.0.1:1",
        "tcp:1.2.3:1",
        "tcp:1:1",
        "tcp:a..b:1",
        "tcp:.a:1",
        "tcp:a.:1",
        "tcp:-a:1",
        "tcp:a-:1",
        "tcp:a b:1",
        "tcp:a/b:1",
        "tcp:\xc3\xa4:1",
        "tcp:a" L63 ":1",
        "vsock:",
        "vsock:3",
        "vsock:3:",
        "vsock::1",
        "vsock:ANY:1",
        "vsock:4294967295:1",
        "vsock:3:4294967295",
        "vsock:03:1",
        "vsock:-1:1",
        "vsock:3:1:1",
        "vsock:3:99999999999999999999999",
        "unix:",
        "uds:",
        "uds:/x",
        "uds:/x:",
        "uds::1",
        "uds:/x:4294967295",
        "udp:127.0.0.1:1",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct endpoint endpoint = { .port = 77 };
        struct detail detail = { "" };
        struct result parsed = endpoint_parse(texts[i], &endpoint, &detail);
        if (is_ok(parsed)) {
            printf("# accepted: %s\n", texts[i]);
        }
        CHECK_FAILS(BAD_INPUT, parsed);
        CHECK(detail.text[0] == '"' && endpoint.port == 77);
    }
}

static char *repeated(const char *prefix, size_t size, const char *suffix)
{
    static char text[1024];
    char letters[512];
    memset(letters, 'x', sizeof(letters));
    snprintf(text, sizeof(text), "%s%.*s%s", prefix, (int)size, letters, suffix);
    return text;
}

TEST(names_and_paths_are_bounded)
{
    struct endpoint endpoint;
    CHECK_OK(endpoint_parse(repeated("unix:", ENDPOINT_PATH_MAX, ""), &endpoint, NULL));
    CHECK_FAILS(BAD_INPUT,
                endpoint_parse(repeated("unix:", ENDPOINT_PATH_MAX + 1, ""), &endpoint, NULL));
    CHECK_OK(endpoint_parse(repeated("uds:", ENDPOINT_PATH_MAX, ":4294967294"), &endpoint, NULL));
    CHECK_FAILS(BAD_INPUT,
                endpoint_parse(repeated("uds:", ENDPOINT_PATH_MAX + 1, ":1"), &endpoint, NULL));
    CHECK_OK(endpoint_parse(repeated("tcp:" L63 "." L63 "." L63 ".", 61, ":1"), &endpoint, NULL));
    CHECK(strlen(endpoint.host) == ENDPOINT_HOST_MAX);
    CHECK_FAILS(BAD_INPUT, endpoint_parse(repeated("tcp:" L63 "." L63 "." L63 ".", 62, ":1"),
                                          &endpoint, NULL));
}

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint endpoint = { .port = 0 };
    struct detail detail;
    struct result parsed = endpoint_parse(text, &endpoint, &detail);
    if (!is_ok(parsed)) {
        printf("# %s: %s\n", detail.text, parsed.what);
        abort();
    }
    return endpoint;
}

/* Connects to the listener and sees that it is the one. */
static bool reaches(const struct endpoint *target, int listener)
{
    struct endpoint_addresses addresses;
    struct detail detail;
    CLEANUP(fd_close_ptr) int fd = -1;
    if (!is_ok(endpoint_resolve(target, &addresses, &detail)) || addresses.count != 1 ||
        !is_ok(endpoint_connect(&addresses.items[0], 1000, &fd))) {
        return false;
    }
    struct pollfd waited = { .fd = listener, .events = POLLIN };
    CLEANUP(fd_close_ptr)
    int accepted = poll(&waited, 1, 60 * 1000) == 1 ? accept(listener, NULL, NULL) : -1;
    return accepted >= 0;
}

TEST(a_tcp_listener_is_reached_at_the_port_the_kernel_chose)
{
    static const char *const hosts[] = { "tcp:127.0.0.1:0", "tcp:[::1]:0" };
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct endpoint endpoint = endpoint_of(hosts[i]);
        struct detail detail;
        int fd = -1;
        CHECK_OK(endpoint_listen(&endpoint, &fd, &detail));
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        endpoint.port = endpoint_bound_port(fd);
        CHECK(endpoint.port != 0);
        CHECK(reaches(&endpoint, fd));
        int second = -1;
        CHECK_FAILS(UNAVAILABLE, endpoint_listen(&endpoint, &second, &detail));
        CHECK(second == -1 && strstr(detail.text, "in use") != NULL);
        endpoint_unlisten(&endpoint, fd);
    }
}

TEST(nobody_listens_on_a_name)
{
    struct endpoint endpoint = endpoint_of("tcp:localhost:0");
    struct detail detail;
    int fd = -1;
    CHECK_FAILS(BAD_INPUT, endpoint_listen(&endpoint, &fd, &detail));
    CHECK(endpoint_is_name(&endpoint));
    endpoint = endpoint_of("tcp:127.0.0.1:1");
    CHECK(!endpoint_is_name(&endpoint));
    endpoint = endpoint_of("vsock:3:1");
    CHECK(!endpoint_is_name(&endpoint));
}

struct folder {
    char path[64];
};

static struct folder new_folder(void)
{
    struct folder folder = { "/tmp/chamber-endpoint-XXXXXX" };
    if (mkdtemp(folder.path) == NULL) {
        abort();
    }
    return folder;
}

TEST(a_unix_listener_is_private_and_leaves_nothing_behind)
{
    struct folder folder = new_folder();
    char text[128];
    struct stat status;
    struct detail detail;
    int fd = -1;
    snprintf(text, sizeof(text), "unix:%s/s", folder.path);
    struct endpoint endpoint = endpoint_of(text);
    CHECK_OK(endpoint_listen(&endpoint, &fd, &detail));
    CHECK(stat(endpoint.host, &status) == 0 && (status.st_mode & 0777) == 0600);
    CHECK(reaches(&endpoint, fd));
    int second = -1;
    CHECK_FAILS(UNAVAILABLE, endpoint_listen(&endpoint, &second, &detail)); /* it is alive */
    CHECK(reaches(&endpoint, fd));
    endpoint_unlisten(&endpoint, fd);
    CHECK(rmdir(folder.path) == 0);
}

TEST(a_dead_socket_is_replaced_and_a_file_is_not)
{
    struct folder folder = new_folder();
    char text[128];
    struct detail detail;
    int fd = -1;
    snprintf(text, sizeof(text), "unix:%s/s", folder.path);
    struct endpoint endpoint = endpoint_of(text);
    CHECK_OK(endpoint_listen(&endpoint, &fd, &detail));
    close(fd); /* as a process that was killed */
    CHECK_OK(endpoint_listen(&endpoint, &fd, &detail));
    endpoint_unlisten(&endpoint, fd);
    int file = open(endpoint.host, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    close(file);
    CHECK_FAILS(UNAVAILABLE, endpoint_listen(&endpoint, &fd, &detail));
    CHECK(unlink(endpoint.host) == 0 && rmdir(folder.path) == 0);
}

TEST(a_uds_listener_has_the_port_in_its_path)
{
    struct folder folder = new_folder();
    char text[128];
    struct detail detail;
    int fd = -1;
    snprintf(text, sizeof(text), "uds:%s/vm:9001", folder.path);
    struct endpoint endpoint = endpoint_of(text);
    CHECK_OK(endpoint_listen(&endpoint, &fd, &detail));
    snprintf(text, sizeof(text), "unix:%s/vm_9001", folder.path);
    struct endpoint there = endpoint_of(text);
    CHECK(reaches(&there, fd));
    endpoint_unlisten(&endpoint, fd);
    CHECK(rmdir(folder.path) == 0);
}

TEST(a_vsock_that_the_machine_has_not_is_a_clear_error)
{
    struct endpoint endpoint = endpoint_of("vsock:77:9000"); /* nobody's own CID */
    struct detail detail;
    int fd = -1;
    struct result listened = endpoint_listen(&endpoint, &fd, &detail);
    CHECK_FAILS(UNAVAILABLE, listened);
    CHECK(strstr(listened.what, "vsock") != NULL);
    CHECK(strstr(detail.text, "vsock:77:9000 (") == detail.text);
}

TEST(a_vsock_listens_and_connects_where_there_is_one)
{
    struct endpoint endpoint = endpoint_of("vsock:any:55123");
    struct endpoint_addresses addresses;
    struct detail detail;
    int fd = -1;
    if (!is_ok(endpoint_listen(&endpoint, &fd, &detail))) {
        SKIP("this machine has no vsock");
    }
    endpoint_unlisten(&endpoint, fd);
    endpoint = endpoint_of("vsock:2:55123");
    CHECK_OK(endpoint_resolve(&endpoint, &addresses, &detail));
    CLEANUP(fd_close_ptr) int connecting = -1;
    struct result connected = endpoint_connect(&addresses.items[0], 1500, &connecting);
    if (!is_ok(connected)) { /* no transport: at once, and for a reason */
        CHECK(errno == ENODEV || errno == ECONNRESET || errno == EHOSTUNREACH);
        return;
    }
    struct timeval limit = { 0 };
    socklen_t size = sizeof(limit);
    CHECK(getsockopt(connecting, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, &size) == 0);
    CHECK(limit.tv_sec == 1 && limit.tv_usec > 400 * 1000);
}

TEST(what_is_no_vsock_may_come_from_anywhere)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(endpoint_peer_is(pair[0], 16));
    close(pair[0]);
    close(pair[1]);
    CHECK(!endpoint_peer_is(-1, 16));
}

TEST(the_greeting_is_for_a_uds_alone)
{
    char text[ENDPOINT_GREETING_SIZE + 1] = "";
    struct endpoint endpoint = endpoint_of("uds:/x:4294967294");
    size_t size = endpoint_greeting(&endpoint, text);
    CHECK_TEXT(text, "CONNECT 4294967294\n");
    CHECK(size == strlen(text));
    CHECK(!endpoint_carries_half_close(&endpoint));
    endpoint = endpoint_of("unix:/x");
    CHECK(endpoint_greeting(&endpoint, text) == 0 && endpoint_carries_half_close(&endpoint));
}

TEST(the_answer_is_ok_and_a_number)
{
    static const char good[] = "OK 1073741824\n";
    bool whole = true;
    for (size_t size = 0; size < strlen(good); size++) {
        CHECK_OK(endpoint_answer(good, size, &whole));
        CHECK(!whole);
    }
    CHECK_OK(endpoint_answer(good, strlen(good), &whole));
    CHECK(whole);
    static const char *const bad[] = { "ok 1\n",
                                       "O\n",
                                       "OK\n",
                                       "OK \n",
                                       "OK  1\n",
                                       "OK 1 ",
                                       "OK 1\r",
                                       "OK -1\n",
                                       "KO",
                                       "\n",
                                       "OK 1\n\n",
                                       "OK 1\nO",
                                       "OK 111111111111111111111111111111" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_FAILS(BAD_INPUT, endpoint_answer(bad[i], strlen(bad[i]), &whole));
    }
}

HARNESS_TESTS(T(what_parses_prints_as_the_same_text),
              T(what_is_none_of_the_forms_is_refused_and_named), T(names_and_paths_are_bounded),
              T(a_tcp_listener_is_reached_at_the_port_the_kernel_chose),
              T(nobody_listens_on_a_name), T(a_unix_listener_is_private_and_leaves_nothing_behind),
              T(a_dead_socket_is_replaced_and_a_file_is_not),
              T(a_uds_listener_has_the_port_in_its_path),
              T(a_vsock_that_the_machine_has_not_is_a_clear_error),
              T(a_vsock_listens_and_connects_where_there_is_one),
              T(what_is_no_vsock_may_come_from_anywhere), T(the_greeting_is_for_a_uds_alone),
              T(the_answer_is_ok_and_a_number))
