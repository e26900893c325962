/* tls_client.h: a TLS client over a socket that decides itself when and in which pieces bytes go.
 */
#ifndef TESTS_UNIT_NET_TLS_CLIENT_H
#define TESTS_UNIT_NET_TLS_CLIENT_H

#include "tls_fixture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATIENCE_MS = 60 * 1000 };

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    size_t piece; /* bytes of one send; 0: all there are */
};

int dial(uint16_t port); /* a plain socket to the loopback; -1: refused */

/* Connects and does no more. `identity` may be NULL; `version`: the newest that it speaks, 0: any.
 */
struct tls_client client_dial(uint16_t port, const struct identity *identity, int version);
void client_close(struct tls_client *client); /* without a goodbye */

/* Sends what OpenSSL has ready. */
bool client_flush(struct tls_client *client);
/* Takes what has arrived; false when nothing more comes. */
bool client_fill(struct tls_client *client);

bool client_shake_hands(struct tls_client *client);
bool client_say(struct tls_client *client, const char *text);
/* Reads until the text holds `wanted` `times` times; false when the connection ends before. */
bool client_hears(struct tls_client *client, const char *wanted, size_t times);
/* Reads `size` bytes and more or less throws them away: gives how many came. */
size_t client_reads(struct tls_client *client, size_t size);
/* True when the server ends the connection in order, with nothing more said. */
bool client_hears_goodbye(struct tls_client *client);

/* True when the peer closes a plain socket. */
bool is_closed(int fd);

#define CLIENT CLEANUP(client_close) struct tls_client

#endif
