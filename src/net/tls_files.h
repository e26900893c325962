/* tls_files.h: a TLS context from files: the server's certificate with its chain and its key, the
 * authorities and the list of the clients that are let in. */
#ifndef NET_TLS_FILES_H
#define NET_TLS_FILES_H

#include "base/detail.h"
#include "base/result.h"
#include "base/sha256.h"
#include "net/tls.h"

enum { TLS_FILE_MAX = 1024 * 1024, TLS_CERTIFICATES_MAX = 100 };

struct tls_paths {
    const char *certificate;   /* PEM: the server's certificate, then those that issued it */
    const char *key;           /* PEM, not encrypted */
    const char *client_ca;     /* PEM: authorities of client certificates; NULL: none */
    const char *known_clients; /* see tls_clients.h; NULL: none */
};

/* Reads the files and makes a context for TLS 1.2 and 1.3. What is read of the key's file is wiped;
 * OpenSSL's decoder does not wipe all that it frees. With `client_ca` or `known_clients`
 * every client must show a certificate. `digest_out` (also written on failure) tells whether the
 * files have changed since another call. Failures are those of file_read(), tls_clients_parse() and
 * tls_context_new(), and BAD_INPUT for a file that is not what it should be; `detail` names the
 * file.
 */
RESULT tls_files_load(const struct tls_paths *paths, uint64_t now_seconds, struct tls_context **out,
                      uint8_t digest_out[static SHA256_SIZE], struct detail *detail);

#endif
