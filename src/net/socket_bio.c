#include "net/socket_bio.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

static int fd_of(BIO *bio)
{
    const int *fd = BIO_get_data(bio);
    return *fd;
}

static bool is_temporary(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR;
}

static int socket_read(BIO *bio, char *bytes, int size)
{
    ssize_t got = recv(fd_of(bio), bytes, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (got < 0 && is_temporary(errno)) {
        BIO_set_retry_read(bio);
    }
    if (got == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return (int)got;
}

static int socket_write(BIO *bio, const char *bytes, int size)
{
    ssize_t sent = send(fd_of(bio), bytes, (size_t)size, MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && is_temporary(errno)) {
        BIO_set_retry_write(bio);
    }
    return (int)sent;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF) {
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    }
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;

static void make_socket_method(void)
{
    BIO_METHOD *method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "socket");
    if (method != NULL && BIO_meth_set_read(method, socket_read) == 1 &&
        BIO_meth_set_write(method, socket_write) == 1 &&
        BIO_meth_set_ctrl(method, socket_control) == 1) {
        socket_method = method;
    } else {
        BIO_meth_free(method);
    }
}

BIO *socket_bio_new(const int *fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *bio = socket_method == NULL ? NULL : BIO_new(socket_method);
    if (bio != NULL) {
        BIO_set_data(bio, (void *)(uintptr_t)fd); /* OpenSSL's pointers are never const */
        BIO_set_init(bio, 1);
    }
    return bio;
}
