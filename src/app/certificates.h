/* certificates.h: the TLS certificate, its key and the clients that are let in, from the files that
 * the settings name; read again when asked to, and when the files have changed. */
#ifndef APP_CERTIFICATES_H
#define APP_CERTIFICATES_H

#include "base/detail.h"
#include "base/result.h"
#include "base/sha256.h"
#include "config/settings.h"
#include "net/tls.h"
#include "net/tls_files.h"

#include <stdbool.h>
#include <stdint.h>

/* In its owner's memory; one thread, but for the slot. */
struct certificates {
    struct tls_paths paths;
    uint64_t interval_ns;        /* between two looks at the files; 0: only when asked to */
    struct tls_slot slot;        /* for the listener */
    bool open;                   /* the settings ask for TLS from files */
    bool is_bad;                 /* the files were, when they were last looked at */
    uint64_t expiry_seconds;     /* of the one in use, since 1970; 0: there is none */
    uint64_t next_look_ns;       /* in clock_monotonic_ns() … */
    uint64_t next_warning_ns;    /* … that the certificate expires soon */
    uint8_t digest[SHA256_SIZE]; /* of the files as they were last looked at */
};

enum { CERTIFICATE_WARNING_DAYS = 14 };

/* Reads the files when `settings`, which outlives it, asks for TLS from files; else does nothing.
 * The failures are those of tls_files_load(). After a failure certificates_close() is still due. */
RESULT certificates_open(struct certificates *certificates, const struct settings *settings,
                         struct detail *detail);
void certificates_close(struct certificates *certificates);

/* Looks at the files when that is due, or `asked`: a good certificate that is new takes the old
 * one's place; a bad one is told of in the log, and the old one stays. Called about every second.
 */
void certificates_run(struct certificates *certificates, bool asked);

/* True when only clients with a certificate are let in. */
bool certificates_ask_clients(const struct settings *settings);

#endif
