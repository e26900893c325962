/* socket_bio.h: OpenSSL's way to a non-blocking socket, without SIGPIPE. Internal to src/net. */
#ifndef NET_SOCKET_BIO_H
#define NET_SOCKET_BIO_H

#include <openssl/types.h>

/* Reads and writes the socket whose number is at `fd`, which must outlive the BIO and stays its
 * owner's. NULL: no memory. Any thread. */
BIO *socket_bio_new(const int *fd);

#endif
