#include "tls_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int dial(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

struct tls_client client_dial(uint16_t port, const struct identity *identity, int version)
{
    struct tls_client client = { .fd = dial(port), .context = client_context(identity) };
    client.ssl = SSL_new(client.context);
    SSL_set_bio(client.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client.ssl);
    if (version != 0) {
        SSL_set_max_proto_version(client.ssl, version);
    }
    return client;
}

void client_close(struct tls_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    memset(client, 0, sizeof(*client));
    client->fd = -1;
}

bool client_flush(struct tls_client *client)
{
    char bytes[16 * 1024];
    BIO *out = SSL_get_wbio(client->ssl);
    size_t piece = client->piece == 0 ? sizeof(bytes) : client->piece;
    for (int size = 1; size > 0;) {
        size = BIO_pending(out) == 0 ? 0 : BIO_read(out, bytes, (int)piece);
        if (size > 0 && send(client->fd, bytes, (size_t)size, MSG_NOSIGNAL) != size) {
            return false;
        }
    }
    return true;
}

bool client_fill(struct tls_client *client)
{
    char bytes[16 * 1024];
    struct pollfd wait = { .fd = client->fd, .events = POLLIN };
    if (poll(&wait, 1, PATIENCE_MS) != 1) {
        return false;
    }
    ssize_t got = recv(client->fd, bytes, sizeof(bytes), 0);
    return got > 0 && BIO_write(SSL_get_rbio(client->ssl), bytes, (int)got) == got;
}

bool client_shake_hands(struct tls_client *client)
{
    for (;;) {
        ERR_clear_error();
        int done = SSL_do_handshake(client->ssl);
        bool flushed = client_flush(client);
        if (done == 1) {
            return flushed;
        }
        if (SSL_get_error(client->ssl, done) != SSL_ERROR_WANT_READ || !flushed ||
            !client_fill(client)) {
            return false;
        }
    }
}

bool client_say(struct tls_client *client, const char *text)
{
    size_t size = strlen(text);
    for (size_t done = 0; done < size;) {
        size_t written = 0;
        ERR_clear_error();
        if (SSL_write_ex(client->ssl, text + done, size - done, &written) != 1 ||
            !client_flush(client)) {
            return false;
        }
        done += written;
    }
    return true;
}

/* Bytes that came, 0 when none will. */
static size_t read_some(struct tls_client *client, char *out, size_t size)
{
    for (;;) {
        size_t got = 0;
        ERR_clear_error();
        int done = SSL_read_ex(client->ssl, out, size, &got);
        if (done == 1) {
            return got;
        }
        if (SSL_get_error(client->ssl, done) != SSL_ERROR_WANT_READ || !client_flush(client) ||
            !client_fill(client)) {
            return 0;
        }
    }
}

bool client_hears(struct tls_client *client, const char *wanted, size_t times)
{
    char text[64 * 1024];
    size_t size = 0;
    for (;;) {
        size_t found = 0;
        text[size] = '\0';
        for (const char *at = strstr(text, wanted); at != NULL; at = strstr(at + 1, wanted)) {
            found++;
        }
        if (found >= times) {
            return true;
        }
        size_t got = read_some(client, text + size, sizeof(text) - 1 - size);
        if (got == 0) {
            printf("# heard only: %s\n", text);
            return false;
        }
        size += got;
    }
}

size_t client_reads(struct tls_client *client, size_t size)
{
    char bytes[16 * 1024];
    size_t done = 0;
    for (size_t got = 1; got > 0 && done < size; done += got) {
        got = read_some(client, bytes, sizeof(bytes));
    }
    return done;
}

bool client_hears_goodbye(struct tls_client *client)
{
    char byte = 0;
    return read_some(client, &byte, 1) == 0 &&
           (SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool is_closed(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    char bytes[512];
    ssize_t got = 1;
    while (got > 0 && poll(&wait, 1, PATIENCE_MS) == 1) {
        got = recv(fd, bytes, sizeof(bytes), 0);
    }
    return got <= 0;
}
