#include "enclave/bootstrap.h"

#include <assert.h>
#include <string.h>

static const uint8_t magic[4] = { 'C', 'C', 'B', 'P' };

enum { AT_VERSION = 4, AT_TYPE = 5, AT_ZERO = 6, AT_LENGTH = 8 };

enum sender { BY_PARENT = 1, BY_ENCLAVE = 2 };

/* What each type may be. */
static const struct rule {
    const char *name;
    size_t min;
    size_t max;
    unsigned senders;
    bool first; /* it is its side's first frame, and no other is */
    bool last;
} rules[] = {
    [BOOTSTRAP_HELLO] = { "HELLO", BOOTSTRAP_NONCE_SIZE, BOOTSTRAP_NONCE_SIZE, BY_ENCLAVE, true,
                          false },
    [BOOTSTRAP_CONFIGURATION] = { "CONFIGURATION", 1, BOOTSTRAP_CONFIGURATION_MAX, BY_PARENT, true,
                                  false },
    [BOOTSTRAP_CREDENTIALS] = { "CREDENTIALS", 1, BOOTSTRAP_CREDENTIALS_MAX, BY_PARENT, false,
                                false },
    [BOOTSTRAP_LOG] = { "LOG", 1, BOOTSTRAP_LOG_MAX, BY_ENCLAVE, false, false },
    [BOOTSTRAP_DROPPED] = { "DROPPED", 8, 8, BY_ENCLAVE, false, false },
    [BOOTSTRAP_KEEPALIVE] = { "KEEPALIVE", 1, 1, BY_PARENT | BY_ENCLAVE, false, false },
    [BOOTSTRAP_SHUTDOWN] = { "SHUTDOWN", 0, BOOTSTRAP_REASON_MAX, BY_PARENT, false, true },
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

const char *bootstrap_type_name(enum bootstrap_type type)
{
    return type > 0 && (size_t)type < RULES ? rules[type].name : "?";
}

const char *bootstrap_health_name(enum bootstrap_health health)
{
    static const char *const names[BOOTSTRAP_HEALTHS] = {
        [BOOTSTRAP_STARTING] = "starting",
        [BOOTSTRAP_SERVING] = "serving",
        [BOOTSTRAP_UNHEALTHY] = "unhealthy",
        [BOOTSTRAP_STOPPING] = "stopping",
    };
    return health < BOOTSTRAP_HEALTHS ? names[health] : "?";
}

static bool is_printable(const uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* What the length alone does not show. */
static struct result check_payload(enum bootstrap_type type, const uint8_t *payload, size_t size)
{
    if (type == BOOTSTRAP_KEEPALIVE) {
        ENSURE(payload[0] < BOOTSTRAP_HEALTHS, BAD_INPUT, "a KEEPALIVE with an unknown state");
    } else if (type == BOOTSTRAP_SHUTDOWN) {
        ENSURE(is_printable(payload, size), BAD_INPUT,
               "a SHUTDOWN whose reason is not printable ASCII");
    } else if (type == BOOTSTRAP_LOG) {
        ENSURE(memchr(payload, '\n', size) == NULL, BAD_INPUT, "a LOG with more than one line");
    }
    return OK;
}

RESULT bootstrap_write(enum bootstrap_type type, const void *payload, size_t size, struct buf *out)
{
    assert(type > 0 && (size_t)type < RULES);
    const struct rule *rule = &rules[type];
    ENSURE(size >= rule->min && size <= rule->max, BAD_INPUT,
           "a payload that its type cannot have: too short or too long");
    TRY(check_payload(type, payload, size));
    uint8_t header[BOOTSTRAP_HEADER_SIZE] = {
        [AT_VERSION] = BOOTSTRAP_VERSION,       [AT_TYPE] = (uint8_t)type,
        [AT_LENGTH] = (uint8_t)(size >> 24),    [AT_LENGTH + 1] = (uint8_t)(size >> 16),
        [AT_LENGTH + 2] = (uint8_t)(size >> 8), [AT_LENGTH + 3] = (uint8_t)size,
    };
    memcpy(header, magic, sizeof(magic));
    buf_append(out, header, sizeof(header));
    if (size > 0) {
        buf_append(out, payload, size);
    }
    return OK;
}

void bootstrap_decoder_init(struct bootstrap_decoder *decoder, enum bootstrap_side from)
{
    *decoder = (struct bootstrap_decoder){ .from = from };
}

/* Ready for the next frame. */
static void forget_frame(struct bootstrap_decoder *decoder)
{
    secret_block_free(&decoder->payload);
    decoder->payload_size = 0;
    decoder->header_size = 0;
}

void bootstrap_decoder_done(struct bootstrap_decoder *decoder)
{
    forget_frame(decoder);
    decoder->failed = true;
}

static size_t length_of(const struct bootstrap_decoder *decoder)
{
    const uint8_t *at = &decoder->header[AT_LENGTH];
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* As soon as a byte of the header is wrong, so that a peer of another protocol is not waited for.
 */
static struct result check_header_byte(const struct bootstrap_decoder *decoder, size_t at,
                                       uint8_t byte)
{
    ENSURE(!decoder->ended, REFUSED, "bytes after SHUTDOWN");
    if (at < sizeof(magic)) {
        ENSURE(byte == magic[at], BAD_INPUT, "not the bootstrap protocol");
    } else if (at == AT_VERSION) {
        ENSURE(byte == BOOTSTRAP_VERSION, BAD_INPUT,
               "another version of the bootstrap protocol; parent and enclave must be of one "
               "release");
    } else if (at == AT_TYPE) {
        ENSURE(byte > 0 && byte < RULES, BAD_INPUT, "a frame of an unknown type");
    } else if (at < AT_LENGTH) {
        ENSURE(byte == 0, BAD_INPUT, "a header byte that must be zero is not");
    }
    return OK;
}

static struct result check_header(struct bootstrap_decoder *decoder)
{
    const struct rule *rule = &rules[decoder->header[AT_TYPE]];
    unsigned sender = decoder->from == BOOTSTRAP_PARENT ? BY_PARENT : BY_ENCLAVE;
    size_t length = length_of(decoder);
    ENSURE((rule->senders & sender) != 0, REFUSED, "a frame that only the other side may send");
    ENSURE(decoder->begun || rule->first, REFUSED,
           "the first frame must be HELLO from the enclave, CONFIGURATION from the parent");
    ENSURE(!decoder->begun || !rule->first, REFUSED, "a second HELLO or CONFIGURATION");
    ENSURE(length >= rule->min, BAD_INPUT, "a frame that is shorter than its type must be");
    ENSURE(length <= rule->max, LIMIT, "a frame that is longer than its type may be");
    ENSURE(length == 0 || secret_block_new(length, &decoder->payload), UNAVAILABLE,
           "out of memory");
    return OK;
}

static struct result read_header(struct bootstrap_decoder *decoder, const uint8_t *bytes,
                                 size_t size, size_t *used)
{
    while (*used < size && decoder->header_size < BOOTSTRAP_HEADER_SIZE) {
        uint8_t byte = bytes[*used];
        TRY(check_header_byte(decoder, decoder->header_size, byte));
        decoder->header[decoder->header_size++] = byte;
        (*used)++;
        if (decoder->header_size == BOOTSTRAP_HEADER_SIZE) {
            TRY(check_header(decoder));
        }
    }
    return OK;
}

static void read_payload(struct bootstrap_decoder *decoder, const uint8_t *bytes, size_t size,
                         size_t *used)
{
    size_t wanted = length_of(decoder) - decoder->payload_size;
    size_t taken = wanted < size - *used ? wanted : size - *used;
    if (taken > 0) {
        memcpy(decoder->payload.data + decoder->payload_size, bytes + *used, taken);
        decoder->payload_size += taken;
        *used += taken;
    }
}

static bool is_whole(const struct bootstrap_decoder *decoder)
{
    return decoder->header_size == BOOTSTRAP_HEADER_SIZE &&
           decoder->payload_size == length_of(decoder);
}

static struct result read_frame(struct bootstrap_decoder *decoder, const uint8_t *bytes,
                                size_t size, size_t *used, bool *whole_out)
{
    if (is_whole(decoder)) { /* the one that the last call gave */
        forget_frame(decoder);
    }
    TRY(read_header(decoder, bytes, size, used));
    if (decoder->header_size == BOOTSTRAP_HEADER_SIZE) {
        read_payload(decoder, bytes, size, used);
    }
    *whole_out = is_whole(decoder);
    if (*whole_out) {
        enum bootstrap_type type = (enum bootstrap_type)decoder->header[AT_TYPE];
        TRY(check_payload(type, decoder->payload.data, decoder->payload_size));
        decoder->begun = true;
        decoder->ended = rules[type].last;
    }
    return OK;
}

RESULT bootstrap_read(struct bootstrap_decoder *decoder, const uint8_t *bytes, size_t size,
                      size_t *used_out, struct bootstrap_frame *frame_out, bool *whole_out)
{
    size_t used = 0;
    bool whole = false;
    ENSURE(!decoder->failed, REFUSED, "the connection has failed already");
    struct result result = read_frame(decoder, bytes, size, &used, &whole);
    if (!is_ok(result)) {
        bootstrap_decoder_done(decoder);
        return result;
    }
    if (whole) {
        *frame_out =
            (struct bootstrap_frame){ .type = (enum bootstrap_type)decoder->header[AT_TYPE],
                                      .payload = decoder->payload.data,
                                      .size = decoder->payload_size };
    }
    *used_out = used;
    *whole_out = whole;
    return OK;
}
