/* tls_fixture.h: certificates made to measure, and the client's end of TLS. Everything is made anew
 * in each run; what a test makes it frees, except where that would only be noise. */
#ifndef TESTS_UNIT_NET_TLS_FIXTURE_H
#define TESTS_UNIT_NET_TLS_FIXTURE_H

#include "net/tls.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum { DAY = 86400 };

/* A certificate and its key. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

/* How a certificate is to be; all zero: self-signed, valid from yesterday for ten days, for
 * anything.
 */
struct identity_wish {
    const char *name;        /* common name; NULL: none */
    const char *second_name; /* a further one */
    const struct identity *issuer;
    int64_t from_s; /* beside the usual time, in seconds */
    int64_t until_s;
    const char *usage; /* extendedKeyUsage, such as "serverAuth"; NULL: any */
    bool authority;
    bool rsa_1024;
};

struct identity identity_make(const struct identity_wish *wish);
struct identity identity_named(const char *name); /* self-signed */
void identity_free(struct identity *identity);

/* The lines of a known-clients file for this certificate. */
void identity_known_line(const struct identity *identity, const char *name, char out[256]);

/* PEM, malloc'ed. */
char *identity_certificate_pem(const struct identity *identity);
char *identity_key_pem(const struct identity *identity, const char *password);

/* A context around one identity, with `lowest` and no client certificates; NULL when it fails. */
struct tls_context *context_of(const struct identity *identity, enum tls_lowest lowest);

/* A client that verifies nothing; `identity` (may be NULL) is what it shows. */
SSL_CTX *client_context(const struct identity *identity);

#define IDENTITY CLEANUP(identity_free) struct identity

#endif
