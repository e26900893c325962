#define _GNU_SOURCE
#include "net/endpoint.h"

#include "base/cleanup.h"
#include "base/decimal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, TCP_PORT_MAX = 65535 };

static const char *const prefixes[] = {
    [ENDPOINT_TCP] = "tcp:",
    [ENDPOINT_VSOCK] = "vsock:",
    [ENDPOINT_UNIX] = "unix:",
    [ENDPOINT_UDS] = "uds:",
};

enum { KINDS = sizeof(prefixes) / sizeof(prefixes[0]) };

/* Digits without a leading zero, up to `max`. */
static bool read_number(const char *text, size_t size, uint64_t max, uint32_t *out)
{
    uint64_t number = 0;
    if (size == 0 || (size > 1 && text[0] == '0') || !is_ok(decimal_parse(text, size, &number)) ||
        number > max) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* A name's label, or an IPv4 literal's: letters, digits, '-' and '_'. */
static bool is_label(const char *text, size_t size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return size > 0 && size <= 63 && strspn(text, letters) >= size && text[0] != '-' &&
           text[size - 1] != '-';
}

static bool is_host_name(const char *host)
{
    const char *label = host;
    for (;;) {
        size_t size = strcspn(label, ".");
        if (!is_label(label, size)) {
            return false;
        }
        if (label[size] == '\0') {
            break;
        }
        label += size + 1;
    }
    /* What ends in a number is a literal (or a mistake in one), never a name. */
    bool is_numeric = strspn(label, "0123456789") == strlen(label);
    struct in_addr ipv4;
    return !is_numeric || inet_pton(AF_INET, host, &ipv4) == 1;
}

static bool copy_host(struct endpoint *out, const char *text, size_t size, size_t size_max)
{
    if (size == 0 || size > size_max) {
        return false;
    }
    memcpy(out->host, text, size);
    out->host[size] = '\0';
    return true;
}

static struct result read_tcp(const char *text, struct endpoint *out)
{
    const char *colon = strrchr(text, ':');
    ENSURE(colon != NULL && read_number(colon + 1, strlen(colon + 1), TCP_PORT_MAX, &out->port),
           BAD_INPUT, "needs a port, 0 to 65535, behind the last colon");
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        struct in6_addr ipv6;
        ENSURE(copy_host(out, text + 1, size - 2, ENDPOINT_HOST_MAX) &&
                   inet_pton(AF_INET6, out->host, &ipv6) == 1,
               BAD_INPUT, "not an IPv6 address in the brackets");
        return OK;
    }
    ENSURE(copy_host(out, text, size, ENDPOINT_HOST_MAX) && is_host_name(out->host), BAD_INPUT,
           "not a host name or an IP address (IPv6 in brackets)");
    return OK;
}

static struct result read_vsock(const char *text, struct endpoint *out)
{
    size_t size = strcspn(text, ":");
    out->cid = VMADDR_CID_ANY;
    bool any = size == 3 && strncmp(text, "any", size) == 0;
    ENSURE(any || read_number(text, size, VMADDR_CID_ANY - 1, &out->cid), BAD_INPUT,
           "needs a CID, a number or \"any\"");
    ENSURE(text[size] == ':' && read_number(text + size + 1, strlen(text + size + 1),
                                            VMADDR_PORT_ANY - 1, &out->port),
           BAD_INPUT, "needs a vsock port behind the CID and a colon");
    return OK;
}

static struct result read_path(const char *text, size_t size, struct endpoint *out)
{
    ENSURE(copy_host(out, text, size, ENDPOINT_PATH_MAX), BAD_INPUT,
           "needs a path of 1 to 96 bytes");
    return OK;
}

static struct result read_unix(const char *text, struct endpoint *out)
{
    return read_path(text, strlen(text), out);
}

static struct result read_uds(const char *text, struct endpoint *out)
{
    const char *colon = strrchr(text, ':');
    ENSURE(colon != NULL &&
               read_number(colon + 1, strlen(colon + 1), VMADDR_PORT_ANY - 1, &out->port),
           BAD_INPUT, "needs a vsock port behind the last colon");
    return read_path(text, (size_t)(colon - text), out);
}

RESULT endpoint_parse(const char *text, struct endpoint *out, struct detail *detail)
{
    static struct result (*const readers[KINDS])(const char *, struct endpoint *) = {
        [ENDPOINT_TCP] = read_tcp,
        [ENDPOINT_VSOCK] = read_vsock,
        [ENDPOINT_UNIX] = read_unix,
        [ENDPOINT_UDS] = read_uds,
    };
    detail_set(detail, "\"%.200s\"", text);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t size = strlen(prefixes[kind]);
        if (strncmp(text, prefixes[kind], size) == 0) {
            struct endpoint parsed = { .kind = (enum endpoint_kind)kind };
            TRY(readers[kind](text + size, &parsed));
            *out = parsed;
            return OK;
        }
    }
    return FAIL(BAD_INPUT, "begins with none of tcp:, vsock:, unix: and uds:");
}

void endpoint_print(const struct endpoint *endpoint, char out[static ENDPOINT_TEXT_SIZE])
{
    bool ipv6 = strchr(endpoint->host, ':') != NULL;
    const char *prefix = prefixes[endpoint->kind];
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        snprintf(out, ENDPOINT_TEXT_SIZE, "%s%s%s%s:%u", prefix, ipv6 ? "[" : "", endpoint->host,
                 ipv6 ? "]" : "", endpoint->port);
        return;
    case ENDPOINT_VSOCK:
        if (endpoint->cid == VMADDR_CID_ANY) {
            snprintf(out, ENDPOINT_TEXT_SIZE, "%sany:%u", prefix, endpoint->port);
        } else {
            snprintf(out, ENDPOINT_TEXT_SIZE, "%s%u:%u", prefix, endpoint->cid, endpoint->port);
        }
        return;
    case ENDPOINT_UNIX:
        snprintf(out, ENDPOINT_TEXT_SIZE, "%s%s", prefix, endpoint->host);
        return;
    case ENDPOINT_UDS:
        snprintf(out, ENDPOINT_TEXT_SIZE, "%s%s:%u", prefix, endpoint->host, endpoint->port);
        return;
    }
}

bool endpoint_carries_half_close(const struct endpoint *endpoint)
{
    return endpoint->kind != ENDPOINT_UDS;
}

static bool literal_address(const struct endpoint *endpoint, struct endpoint_address *out)
{
    *out = (struct endpoint_address){ .size = 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->address;
    if (inet_pton(AF_INET, endpoint->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)endpoint->port);
        out->size = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, endpoint->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)endpoint->port);
        out->size = sizeof(*v6);
        return true;
    }
    return false;
}

static struct endpoint_address vsock_address(const struct endpoint *endpoint)
{
    struct endpoint_address out = { .size = sizeof(struct sockaddr_vm) };
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&out.address;
    vm->svm_family = AF_VSOCK;
    vm->svm_cid = endpoint->cid;
    vm->svm_port = endpoint->port;
    return out;
}

static struct endpoint_address unix_address(const char *path)
{
    struct endpoint_address out = { .size = sizeof(struct sockaddr_un) };
    struct sockaddr_un *un = (struct sockaddr_un *)&out.address;
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "%.107s", path); /* parsed ones are shorter */
    return out;
}

enum { SOCKET_PATH_SIZE = ENDPOINT_PATH_MAX + sizeof("_4294967295") };

/* The path that a listener of this kind has; "" for one without. */
static void listening_path(const struct endpoint *endpoint, char out[static SOCKET_PATH_SIZE])
{
    out[0] = '\0';
    if (endpoint->kind == ENDPOINT_UNIX) {
        snprintf(out, SOCKET_PATH_SIZE, "%.*s", ENDPOINT_PATH_MAX, endpoint->host);
    } else if (endpoint->kind == ENDPOINT_UDS) {
        snprintf(out, SOCKET_PATH_SIZE, "%.*s_%u", ENDPOINT_PATH_MAX, endpoint->host,
                 endpoint->port);
    }
}

static struct result listening_address(const struct endpoint *endpoint,
                                       struct endpoint_address *out)
{
    char path[SOCKET_PATH_SIZE];
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        ENSURE(literal_address(endpoint, out), BAD_INPUT,
               "an address to listen on is an IP address, not a name");
        return OK;
    case ENDPOINT_VSOCK:
        *out = vsock_address(endpoint);
        return OK;
    case ENDPOINT_UNIX:
    case ENDPOINT_UDS:
        listening_path(endpoint, path);
        *out = unix_address(path);
        return OK;
    }
    return FAIL(BAD_INPUT, "not an endpoint");
}

/* A socket file whose process is gone is in the way of the next one; one that answers is not ours
 * to take. */
static void remove_stale(const struct endpoint_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->address;
    struct stat status;
    if (un->sun_family != AF_UNIX || lstat(un->sun_path, &status) != 0 ||
        !S_ISSOCK(status.st_mode)) {
        return;
    }
    CLEANUP(fd_close_ptr) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)un, address->size) != 0 &&
        errno == ECONNREFUSED) {
        unlink(un->sun_path);
    }
}

static struct result make_socket(int family, int *fd_out)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0 || family != AF_VSOCK || errno != EAFNOSUPPORT, UNAVAILABLE,
           "this machine's kernel has no vsock");
    ENSURE(fd >= 0, UNAVAILABLE, "cannot make a socket");
    *fd_out = fd;
    return OK;
}

static struct result bind_and_listen(int fd, const struct endpoint_address *address)
{
    const struct sockaddr *any = (const struct sockaddr *)&address->address;
    const int on = 1;
    if (any->sa_family == AF_INET || any->sa_family == AF_INET6) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    remove_stale(address);
    int bound = bind(fd, any, address->size);
    ENSURE(bound == 0 || any->sa_family != AF_VSOCK || errno != EADDRNOTAVAIL, UNAVAILABLE,
           "this machine has no such vsock CID");
    ENSURE(bound == 0, UNAVAILABLE, "cannot listen there");
    if (any->sa_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)any;
        ENSURE(chmod(un->sun_path, S_IRUSR | S_IWUSR) == 0, UNAVAILABLE, "cannot listen there");
    }
    ENSURE(listen(fd, BACKLOG) == 0, UNAVAILABLE, "cannot listen there");
    return OK;
}

RESULT endpoint_listen(const struct endpoint *endpoint, int *fd_out, struct detail *detail)
{
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint_address address;
    CLEANUP(fd_close_ptr) int fd = -1;
    endpoint_print(endpoint, text);
    detail_set(detail, "%s", text);
    TRY(listening_address(endpoint, &address));
    struct result result = make_socket(address.address.ss_family, &fd);
    result = is_ok(result) ? bind_and_listen(fd, &address) : result;
    if (!is_ok(result)) {
        detail_set(detail, "%s (%s)", text, strerror(errno));
        return result;
    }
    *fd_out = fd;
    fd = -1;
    return OK;
}

void endpoint_unlisten(const struct endpoint *endpoint, int fd)
{
    char path[SOCKET_PATH_SIZE];
    if (fd < 0) {
        return;
    }
    listening_path(endpoint, path);
    if (path[0] != '\0') {
        unlink(path);
    }
    close(fd);
}

bool endpoint_peer_is(int fd, uint32_t cid)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0) {
        return false;
    }
    return address.ss_family != AF_VSOCK || ((const struct sockaddr_vm *)&address)->svm_cid == cid;
}

uint16_t endpoint_bound_port(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    if (address.ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    }
    return address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                         : 0;
}

bool endpoint_fixed_address(const struct endpoint *endpoint, struct endpoint_address *out)
{
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        return literal_address(endpoint, out);
    case ENDPOINT_VSOCK:
        *out = vsock_address(endpoint);
        return true;
    case ENDPOINT_UNIX:
    case ENDPOINT_UDS:
        *out = unix_address(endpoint->host);
        return true;
    }
    return false;
}

bool endpoint_is_name(const struct endpoint *endpoint)
{
    struct endpoint_address ignored;
    return !endpoint_fixed_address(endpoint, &ignored);
}

RESULT endpoint_connect(const struct endpoint_address *address, unsigned timeout_ms, int *fd_out)
{
    const struct sockaddr *any = (const struct sockaddr *)&address->address;
    CLEANUP(fd_close_ptr) int fd = -1;
    TRY(make_socket(any->sa_family, &fd));
    if (any->sa_family == AF_VSOCK) {
        const struct timeval limit = { .tv_sec = timeout_ms / 1000,
                                       .tv_usec = (timeout_ms % 1000) * 1000 };
        ENSURE(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof(limit)) == 0,
               UNAVAILABLE, "cannot limit the time of a vsock connection");
    }
    int connected = connect(fd, any, address->size);
    ENSURE(connected == 0 || errno == EINPROGRESS, UNAVAILABLE, "cannot connect");
    *fd_out = fd;
    fd = -1;
    return OK;
}

size_t endpoint_greeting(const struct endpoint *endpoint, char out[static ENDPOINT_GREETING_SIZE])
{
    if (endpoint->kind != ENDPOINT_UDS) {
        return 0;
    }
    return (size_t)snprintf(out, ENDPOINT_GREETING_SIZE, "CONNECT %u\n", endpoint->port);
}

RESULT endpoint_answer(const char *bytes, size_t size, bool *whole_out)
{
    static const char start[] = "OK ";
    enum { START = sizeof(start) - 1 };
    *whole_out = false;
    for (size_t i = 0; i < size; i++) {
        bool last = i + 1 == size;
        bool digit = bytes[i] >= '0' && bytes[i] <= '9';
        bool end = last && i > START && bytes[i] == '\n';
        ENSURE(i < START ? bytes[i] == start[i] : digit || end, BAD_INPUT,
               "the socket's answer to CONNECT is not OK");
        *whole_out = end;
    }
    ENSURE(*whole_out || size < ENDPOINT_ANSWER_MAX, BAD_INPUT,
           "the socket's answer to CONNECT is too long");
    return OK;
}
