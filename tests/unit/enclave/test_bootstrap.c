#include "enclave/bootstrap.h"

#include "base/cleanup.h"
#include "harness.h"

#include <ctype.h>

#define DECODER      CLEANUP(bootstrap_decoder_done) struct bootstrap_decoder
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { FRAME_MAX = BOOTSTRAP_HEADER_SIZE + BOOTSTRAP_CONFIGURATION_MAX };

static const uint8_t nonce[BOOTSTRAP_NONCE_SIZE] = { 1, 2, 3 };

/* Reads one whole frame, in pieces of `piece` bytes. */
static struct result read_in_pieces(struct bootstrap_decoder *decoder, const struct buf *bytes,
                                    size_t piece, struct bootstrap_frame *out)
{
    size_t at = 0;
    bool whole = false;
    while (!whole) {
        size_t used = 0;
        size_t size = bytes->size - at < piece ? bytes->size - at : piece;
        ENSURE(size > 0, NOT_FOUND, "no whole frame");
        TRY(bootstrap_read(decoder, (const uint8_t *)bytes->data + at, size, &used, out, &whole));
        at += used;
    }
    return at == bytes->size ? OK : FAIL(LIMIT, "bytes are left");
}

static struct result read_one(struct bootstrap_decoder *decoder, enum bootstrap_type type,
                              const void *payload, size_t size)
{
    BUF bytes = BUF_INIT(FRAME_MAX);
    struct bootstrap_frame frame;
    TRY(bootstrap_write(type, payload, size, &bytes));
    return read_in_pieces(decoder, &bytes, bytes.size, &frame);
}

static void greet(struct bootstrap_decoder *decoder, enum bootstrap_side from)
{
    bootstrap_decoder_init(decoder, from);
    struct result read = from == BOOTSTRAP_ENCLAVE
                             ? read_one(decoder, BOOTSTRAP_HELLO, nonce, sizeof(nonce))
                             : read_one(decoder, BOOTSTRAP_CONFIGURATION, "c", 1);
    if (!is_ok(read)) {
        printf("# the greeting gave: %s\n", read.what);
        abort();
    }
}

static const struct sample {
    enum bootstrap_type type;
    enum bootstrap_side from;
    const char *payload;
    size_t size;
} samples[] = {
    { BOOTSTRAP_CREDENTIALS, BOOTSTRAP_PARENT, "{\"a\":1}", 7 },
    { BOOTSTRAP_LOG, BOOTSTRAP_ENCLAVE, "{\"event\":\"x\"}\t\x01\xff", 16 },
    { BOOTSTRAP_DROPPED, BOOTSTRAP_ENCLAVE, "\0\0\0\0\0\0\0\x07", 8 },
    { BOOTSTRAP_KEEPALIVE, BOOTSTRAP_PARENT, "\x01", 1 },
    { BOOTSTRAP_KEEPALIVE, BOOTSTRAP_ENCLAVE, "\x03", 1 },
    { BOOTSTRAP_SHUTDOWN, BOOTSTRAP_PARENT, "stop", 4 },
    { BOOTSTRAP_SHUTDOWN, BOOTSTRAP_PARENT, "", 0 },
};

TEST(every_frame_comes_back_as_it_was_written_in_pieces_of_any_size)
{
    for (size_t i = 0; i < COUNT(samples); i++) {
        for (size_t piece = 1; piece <= 40; piece += 3) {
            DECODER decoder;
            struct bootstrap_frame frame;
            BUF bytes = BUF_INIT(FRAME_MAX);
            greet(&decoder, samples[i].from);
            CHECK_OK(bootstrap_write(samples[i].type, samples[i].payload, samples[i].size, &bytes));
            CHECK_OK(read_in_pieces(&decoder, &bytes, piece, &frame));
            CHECK(frame.type == samples[i].type && frame.size == samples[i].size);
            CHECK(frame.size == 0 || memcmp(frame.payload, samples[i].payload, frame.size) == 0);
        }
    }
}

TEST(frames_that_come_together_are_read_one_by_one)
{
    DECODER decoder;
    BUF bytes = BUF_INIT(FRAME_MAX);
    bootstrap_decoder_init(&decoder, BOOTSTRAP_ENCLAVE);
    CHECK_OK(bootstrap_write(BOOTSTRAP_HELLO, nonce, sizeof(nonce), &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_LOG, "one", 3, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_LOG, "two", 3, &bytes));
    static const char *const wanted[] = { "\x01\x02\x03", "one", "two" };
    size_t at = 0;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        struct bootstrap_frame frame;
        size_t used = 0;
        bool whole = false;
        CHECK_OK(bootstrap_read(&decoder, (const uint8_t *)bytes.data + at, bytes.size - at, &used,
                                &frame, &whole));
        CHECK(whole && memcmp(frame.payload, wanted[i], 3) == 0);
        at += used;
    }
    CHECK(at == bytes.size);
}

TEST(lengths_are_bounded_on_both_sides)
{
    static const struct {
        enum bootstrap_type type;
        size_t min, max;
        char letter;
    } bounds[] = {
        { BOOTSTRAP_HELLO, 32, 32, 'n' },         { BOOTSTRAP_CONFIGURATION, 1, 262144, 'c' },
        { BOOTSTRAP_CREDENTIALS, 1, 16384, 'c' }, { BOOTSTRAP_LOG, 1, 16384, 'l' },
        { BOOTSTRAP_DROPPED, 8, 8, 'd' },         { BOOTSTRAP_KEEPALIVE, 1, 1, 1 },
        { BOOTSTRAP_SHUTDOWN, 0, 256, 's' },
    };
    static char payload[BOOTSTRAP_CONFIGURATION_MAX + 1];
    for (size_t i = 0; i < COUNT(bounds); i++) {
        BUF bytes = BUF_INIT(4 * FRAME_MAX);
        memset(payload, bounds[i].letter, sizeof(payload));
        CHECK_OK(bootstrap_write(bounds[i].type, payload, bounds[i].min, &bytes));
        CHECK_OK(bootstrap_write(bounds[i].type, payload, bounds[i].max, &bytes));
        CHECK_FAILS(BAD_INPUT, bootstrap_write(bounds[i].type, payload, bounds[i].max + 1, &bytes));
        if (bounds[i].min > 0) {
            CHECK_FAILS(BAD_INPUT,
                        bootstrap_write(bounds[i].type, payload, bounds[i].min - 1, &bytes));
        }
        CHECK_OK(buf_check(&bytes));
    }
}

/* A header of that type and length, for the decoder that has heard the first frame. */
static struct result read_header(enum bootstrap_side from, uint8_t type, uint32_t length)
{
    DECODER decoder;
    struct bootstrap_frame frame;
    size_t used = 0;
    bool whole = false;
    const uint8_t header[BOOTSTRAP_HEADER_SIZE] = { 'C',
                                                    'C',
                                                    'B',
                                                    'P',
                                                    1,
                                                    type,
                                                    0,
                                                    0,
                                                    (uint8_t)(length >> 24),
                                                    (uint8_t)(length >> 16),
                                                    (uint8_t)(length >> 8),
                                                    (uint8_t)length };
    bool first = type == BOOTSTRAP_HELLO || type == BOOTSTRAP_CONFIGURATION;
    if (first) {
        bootstrap_decoder_init(&decoder, from);
    } else {
        greet(&decoder, from);
    }
    return bootstrap_read(&decoder, header, sizeof(header), &used, &frame, &whole);
}

TEST(a_length_out_of_range_is_refused_with_the_header)
{
    CHECK_OK(read_header(BOOTSTRAP_PARENT, BOOTSTRAP_CONFIGURATION, 262144));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_CONFIGURATION, 262145));
    CHECK_FAILS(BAD_INPUT, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_CONFIGURATION, 0));
    CHECK_OK(read_header(BOOTSTRAP_PARENT, BOOTSTRAP_CREDENTIALS, 16384));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_CREDENTIALS, 16385));
    CHECK_OK(read_header(BOOTSTRAP_PARENT, BOOTSTRAP_SHUTDOWN, 256));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_SHUTDOWN, 257));
    CHECK_FAILS(BAD_INPUT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_HELLO, 31));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_HELLO, 33));
    CHECK_OK(read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_LOG, 16384));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_LOG, 16385));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_LOG, UINT32_MAX));
    CHECK_FAILS(BAD_INPUT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_DROPPED, 7));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_DROPPED, 9));
    CHECK_FAILS(LIMIT, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_KEEPALIVE, 2));
}

TEST(each_side_may_say_only_its_own)
{
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_HELLO, 32));
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_LOG, 1));
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_PARENT, BOOTSTRAP_DROPPED, 8));
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_CONFIGURATION, 1));
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_CREDENTIALS, 1));
    CHECK_FAILS(REFUSED, read_header(BOOTSTRAP_ENCLAVE, BOOTSTRAP_SHUTDOWN, 0));
}

TEST(the_first_frame_is_the_first_and_comes_once)
{
    for (size_t i = 0; i < COUNT(samples); i++) {
        DECODER decoder;
        bootstrap_decoder_init(&decoder, samples[i].from);
        CHECK_FAILS(REFUSED,
                    read_one(&decoder, samples[i].type, samples[i].payload, samples[i].size));
    }
    DECODER parent;
    greet(&parent, BOOTSTRAP_PARENT);
    CHECK_FAILS(REFUSED, read_one(&parent, BOOTSTRAP_CONFIGURATION, "c", 1));
    DECODER enclave;
    greet(&enclave, BOOTSTRAP_ENCLAVE);
    CHECK_FAILS(REFUSED, read_one(&enclave, BOOTSTRAP_HELLO, nonce, sizeof(nonce)));
}

TEST(nothing_follows_a_shutdown)
{
    DECODER decoder;
    greet(&decoder, BOOTSTRAP_PARENT);
    CHECK_OK(read_one(&decoder, BOOTSTRAP_SHUTDOWN, "stop", 4));
    CHECK_FAILS(REFUSED, read_one(&decoder, BOOTSTRAP_KEEPALIVE, "\x01", 1));
}

TEST(every_wrong_byte_of_a_header_is_seen_at_once)
{
    static const uint8_t good[] = { 'C', 'C', 'B', 'P', 1, BOOTSTRAP_KEEPALIVE, 0, 0 };
    static const uint8_t wrong[] = { 'c', 'D', 0, 'Q', 2, 8, 1, 0x80 };
    for (size_t i = 0; i < sizeof(good); i++) {
        DECODER decoder;
        struct bootstrap_frame frame;
        uint8_t header[sizeof(good)];
        size_t used = 0;
        bool whole = false;
        greet(&decoder, BOOTSTRAP_ENCLAVE);
        memcpy(header, good, sizeof(good));
        header[i] = wrong[i];
        CHECK_FAILS(BAD_INPUT, bootstrap_read(&decoder, header, i + 1, &used, &frame, &whole));
        CHECK_FAILS(REFUSED,
                    bootstrap_read(&decoder, good, 1, &used, &frame, &whole)); /* for good */
    }
    CHECK_FAILS(BAD_INPUT, read_header(BOOTSTRAP_ENCLAVE, 0, 1));
    CHECK_FAILS(BAD_INPUT, read_header(BOOTSTRAP_ENCLAVE, 255, 1));
}

/* The payload as bytes, behind the decoder's first frame; bootstrap_write() would refuse it. */
static struct result read_payload(enum bootstrap_side from, uint8_t type, const char *payload,
                                  size_t size)
{
    DECODER decoder;
    struct bootstrap_frame frame;
    BUF bytes = BUF_INIT(FRAME_MAX);
    const uint8_t header[BOOTSTRAP_HEADER_SIZE] = {
        'C', 'C', 'B', 'P', 1, type, [11] = (uint8_t)size
    };
    buf_append(&bytes, header, sizeof(header));
    buf_append(&bytes, payload, size);
    greet(&decoder, from);
    return read_in_pieces(&decoder, &bytes, 5, &frame);
}

TEST(payloads_that_mean_nothing_are_refused_both_ways)
{
    BUF out = BUF_INIT(FRAME_MAX);
    CHECK_FAILS(BAD_INPUT, read_payload(BOOTSTRAP_ENCLAVE, BOOTSTRAP_KEEPALIVE, "\x04", 1));
    CHECK_FAILS(BAD_INPUT, read_payload(BOOTSTRAP_ENCLAVE, BOOTSTRAP_LOG, "a\nb", 3));
    CHECK_FAILS(BAD_INPUT, read_payload(BOOTSTRAP_PARENT, BOOTSTRAP_SHUTDOWN, "a\nb", 3));
    CHECK_FAILS(BAD_INPUT, read_payload(BOOTSTRAP_PARENT, BOOTSTRAP_SHUTDOWN, "\x7f", 1));
    CHECK_FAILS(BAD_INPUT, bootstrap_write(BOOTSTRAP_KEEPALIVE, "\x04", 1, &out));
    CHECK_FAILS(BAD_INPUT, bootstrap_write(BOOTSTRAP_LOG, "\n", 1, &out));
    CHECK_FAILS(BAD_INPUT, bootstrap_write(BOOTSTRAP_SHUTDOWN, "\x1b", 1, &out));
    CHECK(out.size == 0);
}

/* "NAME  43434250 01 …": the bytes, or false when the line is no example. */
static bool read_example(const char *line, char name[static 32], struct buf *out)
{
    int read = 0;
    if (sscanf(line, "%31[A-Z]%n", name, &read) != 1 || strncmp(line + read, "  ", 2) != 0) {
        return false;
    }
    for (const char *at = line + read; *at != '\0' && *at != '\n';) {
        unsigned byte = 0;
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        if (sscanf(at, "%2x", &byte) != 1) {
            return false;
        }
        const uint8_t one = (uint8_t)byte;
        buf_append(out, &one, 1);
        at += 2;
    }
    return true;
}

TEST(the_examples_of_the_documentation_are_frames)
{
    const char *path = getenv("CHAMBER_PROTOCOL_PAGE");
    if (path == NULL) {
        SKIP("CHAMBER_PROTOCOL_PAGE names no page");
    }
    CLEANUP(file_close_ptr) FILE *page = fopen(path, "re");
    char line[512];
    char name[32];
    unsigned seen = 0;
    CHECK(page != NULL);
    while (fgets(line, sizeof(line), page) != NULL) {
        BUF bytes = BUF_INIT(FRAME_MAX);
        BUF again = BUF_INIT(FRAME_MAX);
        DECODER decoder = { .from = BOOTSTRAP_PARENT };
        struct bootstrap_frame frame;
        if (!read_example(line, name, &bytes)) {
            continue;
        }
        uint8_t type = (uint8_t)bytes.data[5];
        bool by_enclave = type == BOOTSTRAP_HELLO || type == BOOTSTRAP_LOG ||
                          type == BOOTSTRAP_DROPPED || type == BOOTSTRAP_KEEPALIVE;
        enum bootstrap_side from = by_enclave ? BOOTSTRAP_ENCLAVE : BOOTSTRAP_PARENT;
        bootstrap_decoder_init(&decoder, from);
        if (type != BOOTSTRAP_HELLO && type != BOOTSTRAP_CONFIGURATION) {
            greet(&decoder, from);
        }
        CHECK_OK(read_in_pieces(&decoder, &bytes, bytes.size, &frame));
        CHECK_TEXT(bootstrap_type_name(frame.type), name);
        CHECK_OK(bootstrap_write(frame.type, frame.payload, frame.size, &again));
        CHECK(again.size == bytes.size && memcmp(again.data, bytes.data, bytes.size) == 0);
        seen |= 1U << type;
    }
    CHECK(seen == 0xfe); /* each type has its example */
}

HARNESS_TESTS(T(every_frame_comes_back_as_it_was_written_in_pieces_of_any_size),
              T(frames_that_come_together_are_read_one_by_one),
              T(lengths_are_bounded_on_both_sides),
              T(a_length_out_of_range_is_refused_with_the_header),
              T(each_side_may_say_only_its_own), T(the_first_frame_is_the_first_and_comes_once),
              T(nothing_follows_a_shutdown), T(every_wrong_byte_of_a_header_is_seen_at_once),
              T(payloads_that_mean_nothing_are_refused_both_ways),
              T(the_examples_of_the_documentation_are_frames))
