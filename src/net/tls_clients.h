/* tls_clients.h: the clients that are let in by name and fingerprint: Web3Signer's file of known
 * clients. Each line holds a certificate's common name, blanks, and its SHA-256 fingerprint in
 * hexadecimal, with or without colons; empty lines and lines that begin with '#' say nothing. Such
 * a certificate may be self-signed. */
#ifndef NET_TLS_CLIENTS_H
#define NET_TLS_CLIENTS_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TLS_CLIENTS_MAX = 10 * 1000,
    TLS_NAME_MAX = 64, /* bytes of a common name (RFC 5280, ub-common-name) */
    TLS_FINGERPRINT_SIZE = 32,
};

struct tls_clients;

/* Reads a file's text. BAD_INPUT with the line in `detail`: it is not a name and a fingerprint.
 * BAD_INPUT for a text without any client, too: nobody could get in. LIMIT: more than
 * TLS_CLIENTS_MAX. */
RESULT tls_clients_parse(const char *text, size_t size, struct tls_clients **out,
                         struct detail *detail);
void tls_clients_free(struct tls_clients *clients); /* accepts NULL */
DEFINE_CLEANUP(struct tls_clients, tls_clients_free);

size_t tls_clients_count(const struct tls_clients *clients);

/* Whether a certificate of that name and that fingerprint is one of them. */
bool tls_clients_know(const struct tls_clients *clients, const char *name,
                      const uint8_t fingerprint[static TLS_FINGERPRINT_SIZE]);

#endif
