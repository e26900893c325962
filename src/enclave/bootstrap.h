/* bootstrap.h: the frames that parent and enclave exchange on one vsock stream (docs/
 * enclave-protocol.md): written and read as bytes, no I/O. Each side holds the other for hostile:
 * whatever is not exactly as it should be ends the connection with a reason. */
#ifndef ENCLAVE_BOOTSTRAP_H
#define ENCLAVE_BOOTSTRAP_H

#include "base/buf.h"
#include "base/result.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BOOTSTRAP_PORT = 9001, /* the parent's vsock port, to which the enclave connects */
    BOOTSTRAP_VERSION = 1,
    BOOTSTRAP_HEADER_SIZE = 12, /* "CCBP", version, type, two zero bytes, length (big endian) */
    BOOTSTRAP_NONCE_SIZE = 32,
    BOOTSTRAP_CONFIGURATION_MAX = 256 * 1024,
    BOOTSTRAP_CREDENTIALS_MAX = 16 * 1024,
    BOOTSTRAP_LOG_MAX = 16 * 1024,
    BOOTSTRAP_REASON_MAX = 256,
    BOOTSTRAP_KEEPALIVE_SECONDS = 10, /* each side says something as often as that, */
    BOOTSTRAP_SILENCE_SECONDS = 30,   /* and gives the other up after so long */
};

/* The numbers are those on the wire. */
enum bootstrap_type {
    BOOTSTRAP_HELLO = 1,         /* enclave, first: a random nonce that names this boot */
    BOOTSTRAP_CONFIGURATION = 2, /* parent, first and once */
    BOOTSTRAP_CREDENTIALS = 3,   /* parent: JSON, anew whenever they change */
    BOOTSTRAP_LOG = 4,           /* enclave: one line without its line feed */
    BOOTSTRAP_DROPPED = 5,       /* enclave: how many lines it has dropped so far, 8 bytes */
    BOOTSTRAP_KEEPALIVE = 6,     /* both: one byte, an enum bootstrap_health */
    BOOTSTRAP_SHUTDOWN = 7,      /* parent, last: the reason, printable ASCII */
};

enum bootstrap_health {
    BOOTSTRAP_STARTING = 0, /* the parent always says SERVING */
    BOOTSTRAP_SERVING = 1,
    BOOTSTRAP_UNHEALTHY = 2,
    BOOTSTRAP_STOPPING = 3,
    BOOTSTRAP_HEALTHS,
};

enum bootstrap_side { BOOTSTRAP_PARENT, BOOTSTRAP_ENCLAVE };

/* Appends a frame. BAD_INPUT: the payload is not one of this type (too short, too long, not what it
 * must be). `out` may fail on its own: buf_check(). */
RESULT bootstrap_write(enum bootstrap_type type, const void *payload, size_t size, struct buf *out);

struct bootstrap_frame {
    enum bootstrap_type type;
    const uint8_t *payload; /* the decoder's, until its next call; NULL when empty */
    size_t size;
};

/* Reads what the other side says. Holds at most one frame. */
struct bootstrap_decoder {
    enum bootstrap_side from; /* who is heard */
    uint8_t header[BOOTSTRAP_HEADER_SIZE];
    size_t header_size; /* bytes of it that are here */
    struct secret_block payload;
    size_t payload_size; /* the same */
    bool begun;          /* its first frame was heard */
    bool ended;          /* nothing may follow */
    bool failed;         /* all later calls fail as well */
};

void bootstrap_decoder_init(struct bootstrap_decoder *decoder, enum bootstrap_side from);
void bootstrap_decoder_done(struct bootstrap_decoder *decoder); /* wipes what it holds */

/* Takes bytes up to the end of a frame. `*used_out`: how many; the rest is for the next call.
 * `*whole_out`: a frame is in `*frame_out`. BAD_INPUT: this is not the protocol, or not this
 * version of it; LIMIT: longer than its type may be; REFUSED: not now, or not from this side;
 * UNAVAILABLE: no memory. */
RESULT bootstrap_read(struct bootstrap_decoder *decoder, const uint8_t *bytes, size_t size,
                      size_t *used_out, struct bootstrap_frame *frame_out, bool *whole_out);

/* "HELLO", …; for logs. */
const char *bootstrap_type_name(enum bootstrap_type type);
/* "starting", "serving", "unhealthy", "stopping". */
const char *bootstrap_health_name(enum bootstrap_health health);

#endif
