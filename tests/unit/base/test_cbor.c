#include "base/cbor.h"
#include "base/hex.h"
#include "harness.h"

#include <inttypes.h>

enum { INPUT_MAX = 1024 };

/* Bytes given in hexadecimal, in a block of their exact size: a byte read too far is seen. */
struct input {
    uint8_t *bytes;
    size_t size;
};

static void input_free(struct input *input)
{
    free(input->bytes);
}

#define INPUT CLEANUP(input_free) struct input

static struct input from_hex(const char *hex)
{
    struct input input = { .size = strlen(hex) / 2 };
    input.bytes = malloc(input.size > 0 ? input.size : 1);
    if (input.bytes == NULL || !is_ok(hex_decode(hex, strlen(hex), input.bytes, input.size))) {
        abort();
    }
    return input;
}

static struct cbor_reader on(const struct input *input)
{
    return cbor_reader_on(input->bytes, input->size);
}

static bool wrote(const struct buf *out, const char *hex)
{
    INPUT wanted = from_hex(hex);
    return is_ok(buf_check(out)) && out->size == wanted.size &&
           memcmp(out->data, wanted.bytes, wanted.size) == 0;
}

/* RFC 8949, appendix A. */
static const struct {
    uint64_t value;
    const char *hex;
} unsigned_numbers[] = {
    { 0, "00" },
    { 1, "01" },
    { 10, "0a" },
    { 23, "17" },
    { 24, "1818" },
    { 25, "1819" },
    { 100, "1864" },
    { 255, "18ff" },
    { 256, "190100" },
    { 1000, "1903e8" },
    { 65535, "19ffff" },
    { 65536, "1a00010000" },
    { 1000000, "1a000f4240" },
    { UINT32_MAX, "1affffffff" },
    { (uint64_t)UINT32_MAX + 1, "1b0000000100000000" },
    { 1000000000000, "1b000000e8d4a51000" },
    { UINT64_MAX, "1bffffffffffffffff" },
};

TEST(unsigned_numbers_are_the_rfc_s)
{
    for (size_t i = 0; i < sizeof(unsigned_numbers) / sizeof(unsigned_numbers[0]); i++) {
        INPUT input = from_hex(unsigned_numbers[i].hex);
        struct cbor_reader reader = cbor_shortest_reader_on(input.bytes, input.size);
        uint64_t value = 77;
        BUF out = BUF_INIT(16);
        CHECK_OK(cbor_read_unsigned(&reader, &value));
        CHECK(value == unsigned_numbers[i].value);
        CHECK_OK(cbor_read_end(&reader));
        cbor_write_unsigned(&out, value);
        CHECK(wrote(&out, unsigned_numbers[i].hex));
    }
}

TEST(integers_are_the_rfc_s)
{
    static const struct {
        int64_t value;
        const char *hex;
    } integers[] = {
        { 10, "0a" },
        { INT64_MAX, "1b7fffffffffffffff" },
        { -1, "20" },
        { -10, "29" },
        { -24, "37" },
        { -25, "3818" },
        { -35, "3822" },
        { -100, "3863" },
        { -256, "38ff" },
        { -257, "390100" },
        { -1000, "3903e7" },
        { -65537, "3a00010000" },
        { -(int64_t)UINT32_MAX - 2, "3b0000000100000000" },
        { INT64_MIN, "3b7fffffffffffffff" },
    };
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        INPUT input = from_hex(integers[i].hex);
        struct cbor_reader reader = cbor_shortest_reader_on(input.bytes, input.size);
        int64_t value = 77;
        BUF out = BUF_INIT(16);
        CHECK_OK(cbor_read_integer(&reader, &value));
        CHECK(value == integers[i].value);
        CHECK_OK(cbor_read_end(&reader));
        cbor_write_integer(&out, value);
        CHECK(wrote(&out, integers[i].hex));
    }
}

TEST(integers_beyond_64_bits_are_refused)
{
    static const char *const wrong[] = { "1b8000000000000000", "1bffffffffffffffff",
                                         "3b8000000000000000", "3bffffffffffffffff" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        INPUT input = from_hex(wrong[i]);
        struct cbor_reader reader = on(&input);
        int64_t value = 77;
        CHECK_FAILS(BAD_INPUT, cbor_read_integer(&reader, &value));
        CHECK(value == 77 && reader.left == input.size);
    }
}

TEST(strings_are_views_of_the_input)
{
    INPUT input = from_hex("40"
                           "4401020304"
                           "60"
                           "6449455446"
                           "62c3bc"
                           "64f0908591");
    struct cbor_reader reader = on(&input);
    struct cbor_view view;
    CHECK_OK(cbor_read_bytes(&reader, &view));
    CHECK(view.size == 0);
    CHECK_OK(cbor_read_bytes(&reader, &view));
    CHECK(view.size == 4 && view.bytes == input.bytes + 2);
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(cbor_view_is(view, "") && !cbor_view_is(view, "x"));
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(cbor_view_is(view, "IETF") && view.bytes == input.bytes + 8);
    CHECK(!cbor_view_is(view, "IET") && !cbor_view_is(view, "IETF1") &&
          !cbor_view_is(view, "IETf"));
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(cbor_view_is(view, "\xc3\xbc"));
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(cbor_view_is(view, "\xf0\x90\x85\x91"));
    CHECK_OK(cbor_read_end(&reader));
}

TEST(a_text_with_a_zero_byte_is_not_its_beginning)
{
    INPUT input = from_hex("66706372730078");
    struct cbor_reader reader = on(&input);
    struct cbor_view view;
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(view.size == 6 && !cbor_view_is(view, "pcrs"));
}

TEST(constants_are_the_rfc_s)
{
    INPUT input = from_hex("f4f5f6");
    struct cbor_reader reader = on(&input);
    bool value = true;
    CHECK_OK(cbor_read_boolean(&reader, &value));
    CHECK(!value);
    CHECK_OK(cbor_read_boolean(&reader, &value));
    CHECK(value);
    CHECK_OK(cbor_read_null(&reader));
    CHECK_OK(cbor_read_end(&reader));
}

TEST(text_that_is_not_utf8_is_refused)
{
    static const char *const wrong[] = {
        "61ff",       /* no such byte */
        "6180",       /* a continuation of nothing */
        "61c3",       /* cut short */
        "62c080",     /* NUL in two bytes */
        "63eda080",   /* half of a surrogate pair */
        "64f4908080", /* beyond U+10FFFF */
        "6361c378",   /* cut short in the middle */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        INPUT input = from_hex(wrong[i]);
        struct cbor_reader reader = on(&input);
        struct cbor_view view;
        CHECK_FAILS(BAD_INPUT, cbor_read_text(&reader, &view));
        CHECK_FAILS(BAD_INPUT, cbor_skip(&reader));
    }
}

TEST(what_is_not_used_is_refused)
{
    static const char *const wrong[] = {
        "5f42010243030405ff",   /* bytes of indefinite length */
        "7f657374726561646dff", /* text of indefinite length */
        "9f01ff",               /* an array of indefinite length */
        "bf0102ff",             /* a map of indefinite length */
        "ff",                   /* the end of one */
        "c001",                 /* tags */
        "d284",
        "d9d9f780",
        "f7", /* undefined */
        "e0", /* simple values */
        "f3",
        "f8ff",
        "f820",
        "f814",   /* false in two bytes: not even well-formed */
        "f93c00", /* floating point */
        "fa47c35000",
        "fb3ff199999999999a",
        "1c00", /* reserved heads */
        "3d00",
        "5e00",
        "7c00",
        "9d00",
        "bc00",
        "fc",
        "8101ff" /* after an item: read by the caller's next call */
    };
    size_t count = sizeof(wrong) / sizeof(wrong[0]) - 1;
    for (size_t i = 0; i < count; i++) {
        INPUT input = from_hex(wrong[i]);
        struct cbor_reader reader = on(&input);
        enum cbor_kind kind;
        CHECK_FAILS(BAD_INPUT, cbor_peek(&reader, &kind));
        CHECK_FAILS(BAD_INPUT, cbor_skip(&reader));
        CHECK(reader.left == input.size);
    }
    INPUT last = from_hex(wrong[count]);
    struct cbor_reader reader = on(&last);
    CHECK_OK(cbor_skip(&reader));
    CHECK_FAILS(BAD_INPUT, cbor_read_end(&reader));
    CHECK_FAILS(BAD_INPUT, cbor_skip(&reader));
}

TEST(every_byte_that_begins_an_item_is_taken_or_refused)
{
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64] = { (
            uint8_t)first }; /* zeros behind it: lengths of nothing, or numbers */
        struct cbor_reader reader = cbor_reader_on(bytes, sizeof(bytes));
        unsigned major = first >> 5;
        unsigned low = first & 31;
        bool wanted = major < 6 ? low < 28 : major == 7 && (low >= 20 && low <= 22);
        CHECK(is_ok(cbor_skip(&reader)) == wanted);
    }
}

TEST(another_kind_is_refused_and_the_reader_stays)
{
    static const char *const kinds[] = { "01", "20", "4101", "6161", "8101", "a10102", "f4", "f6" };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        INPUT input = from_hex(kinds[i]);
        struct cbor_reader reader = on(&input);
        enum cbor_kind kind;
        struct cbor_view view;
        uint64_t number;
        int64_t integer;
        size_t size;
        bool boolean;
        CHECK_OK(cbor_peek(&reader, &kind));
        CHECK((size_t)kind == i);
        CHECK(reader.left == input.size);
#define READS_ONLY(wanted, call)                                   \
    do {                                                           \
        struct cbor_reader copy = reader;                          \
        struct result result = (call);                             \
        CHECK(is_ok(result) == (wanted));                          \
        CHECK(is_ok(result) || copy.at == reader.at);              \
        CHECK(is_ok(result) || copy.left == reader.left);          \
        CHECK(is_ok(result) || result.status == STATUS_BAD_INPUT); \
    } while (0)
        READS_ONLY(kind == CBOR_KIND_UNSIGNED, cbor_read_unsigned(&copy, &number));
        READS_ONLY(kind == CBOR_KIND_UNSIGNED || kind == CBOR_KIND_NEGATIVE,
                   cbor_read_integer(&copy, &integer));
        READS_ONLY(kind == CBOR_KIND_BYTES, cbor_read_bytes(&copy, &view));
        READS_ONLY(kind == CBOR_KIND_TEXT, cbor_read_text(&copy, &view));
        READS_ONLY(kind == CBOR_KIND_ARRAY, cbor_read_array(&copy, &size));
        READS_ONLY(kind == CBOR_KIND_MAP, cbor_read_map(&copy, &size));
        READS_ONLY(kind == CBOR_KIND_BOOLEAN, cbor_read_boolean(&copy, &boolean));
        READS_ONLY(kind == CBOR_KIND_NULL, cbor_read_null(&copy));
    }
}

TEST(sizes_and_counts_that_the_input_cannot_hold_are_refused)
{
    static const char *const wrong[] = {
        "41",
        "58ff00",
        "5affffffff00",
        "5bffffffffffffffff00",
        "5b7fffffffffffffff00",
        "61",
        "78ff61",
        "7affffffff61",
        "7bffffffffffffffff61",
        "7bfffffffffffffff761",
        "81",
        "8200",
        "9affffffff00",
        "9bffffffffffffffff00",
        "9b800000000000000000",
        "a1",
        "a100",
        "a2000000",
        "baffffffff0000",
        "bbffffffffffffffff0000",
        "bb8000000000000000", /* twice it is nothing */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        INPUT input = from_hex(wrong[i]);
        struct cbor_reader reader = on(&input);
        enum cbor_kind kind;
        CHECK_FAILS(BAD_INPUT, cbor_peek(&reader, &kind));
        CHECK_FAILS(BAD_INPUT, cbor_skip(&reader));
    }
}

TEST(longer_heads_than_needed_are_the_tolerant_reader_s)
{
    static const char *const longer[] = {
        "1817",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3817",
        "3b0000000000000000",
        "580100",
        "780161",
        "59000100",
        "5a0000000100",
        "980100",
        "b8010000",
        "9b0000000000000000",
    };
    for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
        INPUT input = from_hex(longer[i]);
        struct cbor_reader tolerant = on(&input);
        struct cbor_reader shortest = cbor_shortest_reader_on(input.bytes, input.size);
        CHECK_OK(cbor_skip(&tolerant));
        CHECK_OK(cbor_read_end(&tolerant));
        CHECK_FAILS(BAD_INPUT, cbor_skip(&shortest));
        CHECK(shortest.left == input.size);
    }
}

/* Requests and responses of the Nitro security module (aws-nitro-enclaves-nsm-api). */
static const char random_response[] = "a1694765745261"
                                      "6e646f6d"
                                      "a1"
                                      "6672616e646f6d"
                                      "4401020304";

TEST(reads_a_response_of_the_security_module)
{
    INPUT input = from_hex(random_response);
    struct cbor_reader reader = on(&input);
    struct cbor_view view;
    size_t count = 0;
    CHECK_OK(cbor_read_map(&reader, &count));
    CHECK(count == 1);
    CHECK_OK(cbor_read_text(&reader, &view));
    CHECK(cbor_view_is(view, "GetRandom"));
    struct cbor_reader value = reader;
    CHECK_OK(cbor_skip(&reader));
    CHECK_OK(cbor_read_end(&reader));
    CHECK_OK(cbor_read_map(&value, &count));
    CHECK_OK(cbor_read_text(&value, &view));
    CHECK_OK(cbor_read_bytes(&value, &view));
    CHECK(view.size == 4 && view.bytes[3] == 4);
}

TEST(every_truncation_is_refused)
{
    static const char *const whole[] = { random_response, "8301820203820405", "a26161016162820203",
                                         "1b0000000100000000",
                                         "5818000102030405060708090a0b0c0d0e0f1011121314151617" };
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        INPUT input = from_hex(whole[i]);
        struct cbor_reader reader = on(&input);
        CHECK_OK(cbor_skip(&reader));
        CHECK_OK(cbor_read_end(&reader));
        for (size_t size = 0; size < input.size; size++) {
            uint8_t *part = malloc(size > 0 ? size : 1);
            CHECK(part != NULL);
            memcpy(part, input.bytes, size);
            struct cbor_reader cut = cbor_reader_on(part, size);
            struct result result = cbor_skip(&cut);
            free(part);
            CHECK_FAILS(BAD_INPUT, result);
        }
    }
}

TEST(writes_requests_of_the_security_module)
{
    BUF out = BUF_INIT(INPUT_MAX);
    cbor_write_map(&out, 1);
    cbor_write_text(&out, "ExtendPCR");
    cbor_write_map(&out, 2);
    cbor_write_text(&out, "index");
    cbor_write_unsigned(&out, 16);
    cbor_write_text(&out, "data");
    cbor_write_bytes(&out, "\1\2\3", 3);
    CHECK(wrote(&out, "a169457874656e64504352a265696e64657810646461746143010203"));
    buf_clear(&out);
    cbor_write_map(&out, 1);
    cbor_write_text(&out, "Attestation");
    cbor_write_map(&out, 3);
    cbor_write_text(&out, "user_data");
    cbor_write_null(&out);
    cbor_write_text(&out, "nonce");
    cbor_write_null(&out);
    cbor_write_text(&out, "public_key");
    cbor_write_null(&out);
    CHECK(wrote(&out, "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e6365f66a7075626c69"
                      "635f6b6579f6"));
}

TEST(writes_heads_of_every_length)
{
    static const struct {
        size_t size;
        const char *head;
    } lengths[] = { { 0, "40" },       { 23, "57" },        { 24, "5818" },         { 255, "58ff" },
                    { 256, "590100" }, { 65535, "59ffff" }, { 65536, "5a00010000" } };
    static const uint8_t zeros[65536];
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        BUF out = BUF_INIT(2 * sizeof(zeros));
        size_t head = strlen(lengths[i].head) / 2;
        cbor_write_bytes(&out, zeros, lengths[i].size);
        CHECK_OK(buf_check(&out));
        CHECK(out.size == head + lengths[i].size);
        buf_truncate(&out, head);
        CHECK(wrote(&out, lengths[i].head));
    }
    BUF out = BUF_INIT(64);
    cbor_write_array(&out, 25);
    cbor_write_map(&out, 23);
    cbor_write_boolean(&out, true);
    cbor_write_boolean(&out, false);
    cbor_write_text(&out, "\xc3\xbc");
    cbor_write_bytes(&out, NULL, 0);
    CHECK(wrote(&out, "9819b7f5f462c3bc40"));
}

TEST(what_does_not_fit_is_told_by_the_buffer)
{
    BUF out = BUF_INIT(4);
    cbor_write_bytes(&out, "1234", 4);
    CHECK_FAILS(LIMIT, buf_check(&out));
}

static void nested(struct buf *out, uint8_t opening, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        buf_append(out, &opening, 1);
        if (opening == 0xa1) {
            buf_append(out, "", 1); /* the key 0 */
        }
    }
    buf_append(out, "", 1);
}

TEST(skips_eight_levels_and_no_more)
{
    static const uint8_t openings[] = { 0x81, 0xa1 };
    for (size_t i = 0; i < sizeof(openings); i++) {
        for (size_t depth = 0; depth < 2 * CBOR_DEPTH_MAX; depth++) {
            BUF out = BUF_INIT(INPUT_MAX);
            nested(&out, openings[i], depth);
            struct cbor_reader reader = cbor_reader_on(out.data, out.size);
            struct result result = cbor_skip(&reader);
            CHECK(result.status == (depth <= CBOR_DEPTH_MAX ? STATUS_OK : STATUS_LIMIT));
            CHECK(reader.left == (depth <= CBOR_DEPTH_MAX ? 0 : out.size));
        }
    }
}

TEST(skips_exactly_one_item)
{
    static const char *const items[] = {
        "00",         "80",   "a0",          "828080", "82018102", "a1a0a0", "a20182020380f6",
        "8480a04060", "6161", "83a10102a003"
    };
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        char twice[2 * INPUT_MAX];
        snprintf(twice, sizeof(twice), "%s05", items[i]);
        INPUT input = from_hex(twice);
        struct cbor_reader reader = on(&input);
        uint64_t number = 0;
        CHECK_OK(cbor_skip(&reader));
        CHECK_OK(cbor_read_unsigned(&reader, &number));
        CHECK(number == 5);
        CHECK_OK(cbor_read_end(&reader));
    }
}

HARNESS_TESTS(T(unsigned_numbers_are_the_rfc_s), T(integers_are_the_rfc_s),
              T(integers_beyond_64_bits_are_refused), T(strings_are_views_of_the_input),
              T(a_text_with_a_zero_byte_is_not_its_beginning), T(constants_are_the_rfc_s),
              T(text_that_is_not_utf8_is_refused), T(what_is_not_used_is_refused),
              T(every_byte_that_begins_an_item_is_taken_or_refused),
              T(another_kind_is_refused_and_the_reader_stays),
              T(sizes_and_counts_that_the_input_cannot_hold_are_refused),
              T(longer_heads_than_needed_are_the_tolerant_reader_s),
              T(reads_a_response_of_the_security_module), T(every_truncation_is_refused),
              T(writes_requests_of_the_security_module), T(writes_heads_of_every_length),
              T(what_does_not_fit_is_told_by_the_buffer), T(skips_eight_levels_and_no_more),
              T(skips_exactly_one_item))
