#include "attest/document.h"
#include "harness.h"

/* A field of the payload: its name, and the CBOR of its value. */
struct piece {
    const char *name;
    struct buf value;
};

enum {
    PIECES = 9,
    MODULE_ID = 0,
    DIGEST,
    TIMESTAMP,
    PCRS,
    CERTIFICATE,
    CABUNDLE,
    PUBLIC_KEY,
    USER_DATA,
    NONCE
};

/* What is put together: of well-formed pieces, each of which a test may write anew. */
struct parts {
    struct piece pieces[PIECES];
    struct buf protected;
    struct buf unprotected; /* CBOR */
    size_t signature_size;
    struct buf payload;
    struct buf whole;
};

static void parts_done(struct parts *parts)
{
    for (size_t i = 0; i < PIECES; i++) {
        buf_free(&parts->pieces[i].value);
    }
    buf_free(&parts->protected);
    buf_free(&parts->unprotected);
    buf_free(&parts->payload);
    buf_free(&parts->whole);
}

#define PARTS CLEANUP(parts_done) struct parts

static struct parts good_parts(void)
{
    static const uint8_t zeros[PCR_SIZE];
    struct parts parts = {
        .pieces = { { "module_id", BUF_INIT(2048) },
                    { "digest", BUF_INIT(2048) },
                    { "timestamp", BUF_INIT(2048) },
                    { "pcrs", BUF_INIT(4096) },
                    { "certificate", BUF_INIT(2048) },
                    { "cabundle", BUF_INIT(17000) },
                    { "public_key", BUF_INIT(2048) },
                    { "user_data", BUF_INIT(2048) },
                    { "nonce", BUF_INIT(2048) } },
        .protected = BUF_INIT(64),
        .unprotected = BUF_INIT(64),
        .payload = BUF_INIT(64 * 1024),
        .whole = BUF_INIT(64 * 1024),
        .signature_size = DOCUMENT_SIGNATURE_SIZE,
    };
    cbor_write_text(&parts.pieces[MODULE_ID].value, "i-01-enc02");
    cbor_write_text(&parts.pieces[DIGEST].value, "SHA384");
    cbor_write_unsigned(&parts.pieces[TIMESTAMP].value, 1780315800123);
    cbor_write_map(&parts.pieces[PCRS].value, 2);
    cbor_write_unsigned(&parts.pieces[PCRS].value, 0);
    cbor_write_bytes(&parts.pieces[PCRS].value, "0123456789abcdef0123456789abcdef0123456789abcdef",
                     PCR_SIZE);
    cbor_write_unsigned(&parts.pieces[PCRS].value, 31);
    cbor_write_bytes(&parts.pieces[PCRS].value, zeros, PCR_SIZE);
    cbor_write_bytes(&parts.pieces[CERTIFICATE].value, "leaf", 4);
    cbor_write_array(&parts.pieces[CABUNDLE].value, 2);
    cbor_write_bytes(&parts.pieces[CABUNDLE].value, "root", 4);
    cbor_write_bytes(&parts.pieces[CABUNDLE].value, "ca", 2);
    cbor_write_bytes(&parts.pieces[PUBLIC_KEY].value, "key", 3);
    cbor_write_null(&parts.pieces[USER_DATA].value);
    cbor_write_bytes(&parts.pieces[NONCE].value, "", 0);
    buf_append(&parts.protected, "\xa1\x01\x38\x22", 4);
    cbor_write_map(&parts.unprotected, 0);
    return parts;
}

static void write_payload(struct parts *parts, size_t first, size_t count)
{
    cbor_write_map(&parts->payload, count);
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &parts->pieces[(first + i) % PIECES];
        cbor_write_text(&parts->payload, piece->name);
        buf_append(&parts->payload, piece->value.data, piece->value.size);
    }
}

static void write_whole(struct parts *parts)
{
    static const uint8_t signature[2 * DOCUMENT_SIGNATURE_SIZE];
    cbor_write_array(&parts->whole, 4);
    cbor_write_bytes(&parts->whole, parts->protected.data, parts->protected.size);
    buf_append(&parts->whole, parts->unprotected.data, parts->unprotected.size);
    cbor_write_bytes(&parts->whole, parts->payload.data, parts->payload.size);
    cbor_write_bytes(&parts->whole, signature, parts->signature_size);
}

/* From a block of the exact size, so that the sanitizers see a byte that is read behind it. */
static struct result parse_bytes(const char *bytes, size_t size, struct detail *detail)
{
    struct document document;
    char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, size);
    struct result result = document_parse(copy, size, &document, detail);
    free(copy);
    return result;
}

static struct result parse(struct parts *parts, struct detail *detail)
{
    if (parts->payload.size == 0) {
        write_payload(parts, 0, PIECES);
    }
    if (parts->whole.size == 0) {
        write_whole(parts);
    }
    return parse_bytes(parts->whole.data, parts->whole.size, detail);
}

static bool is_view(struct cbor_view view, const char *text)
{
    return view.bytes != NULL && cbor_view_is(view, text);
}

TEST(tells_what_the_document_says)
{
    PARTS parts = good_parts();
    struct document document;
    struct detail detail = { "" };
    CHECK_OK(parse(&parts, &detail));
    CHECK_OK(document_parse(parts.whole.data, parts.whole.size, &document, NULL));
    CHECK(is_view(document.module_id, "i-01-enc02"));
    CHECK(document.timestamp_ms == 1780315800123);
    CHECK(document.pcrs_there == 0x80000001);
    CHECK(document_has_pcr(&document, 0) && document_has_pcr(&document, 31));
    CHECK(!document_has_pcr(&document, 1) && !document_has_pcr(&document, 32));
    CHECK(memcmp(document.pcrs[0].bytes, "0123456789abcdef", 16) == 0);
    CHECK(is_view(document.certificate, "leaf"));
    CHECK(document.cabundle_count == 2 && is_view(document.cabundle[0], "root") &&
          is_view(document.cabundle[1], "ca"));
    CHECK(is_view(document.public_key, "key"));
    CHECK(document.user_data.bytes == NULL && document.user_data.size == 0);
    CHECK(is_view(document.nonce, ""));
    CHECK(document.signature.size == DOCUMENT_SIGNATURE_SIZE);
    CHECK(document.payload.size == parts.payload.size);
    CHECK((const char *)document.payload.bytes > parts.whole.data &&
          (const char *)document.payload.bytes < parts.whole.data + parts.whole.size);
}

TEST(the_signed_bytes_are_the_sig_structure)
{
    static const uint8_t payload[24] = { 7 };
    const struct document document = { .payload = { payload, sizeof(payload) } };
    static const uint8_t head[] = { 0x84, 0x6a, 'S',  'i',  'g',  'n',  'a',  't',  'u',  'r',
                                    'e',  '1',  0x44, 0xa1, 0x01, 0x38, 0x22, 0x40, 0x58, 24 };
    BUF out = BUF_INIT(64);
    document_write_signed(&document, &out);
    CHECK_OK(buf_check(&out));
    CHECK(out.size == sizeof(head) + sizeof(payload));
    CHECK(memcmp(out.data, head, sizeof(head)) == 0);
    CHECK(memcmp(out.data + sizeof(head), payload, sizeof(payload)) == 0);
}

TEST(fields_come_in_any_order)
{
    for (size_t first = 0; first < PIECES; first++) {
        PARTS parts = good_parts();
        struct detail detail;
        write_payload(&parts, first, PIECES);
        CHECK_OK(parse(&parts, &detail));
    }
}

TEST(only_the_last_three_may_be_missing)
{
    for (size_t missing = 0; missing < PIECES; missing++) {
        PARTS parts = good_parts();
        struct detail detail = { "" };
        write_payload(&parts, missing + 1, PIECES - 1);
        struct result parsed = parse(&parts, &detail);
        CHECK(parsed.status == (missing < PUBLIC_KEY ? STATUS_BAD_INPUT : STATUS_OK));
        CHECK(missing >= PUBLIC_KEY || strcmp(detail.text, parts.pieces[missing].name) == 0);
    }
}

TEST(no_field_comes_twice)
{
    for (size_t twice = 0; twice < PIECES; twice++) {
        PARTS parts = good_parts();
        struct detail detail = { "" };
        write_payload(&parts, twice, PIECES + 1);
        CHECK_FAILS(BAD_INPUT, parse(&parts, &detail));
        CHECK_TEXT(detail.text, parts.pieces[twice].name);
    }
}

TEST(a_tag_18_is_tolerated_and_no_other)
{
    PARTS parts = good_parts();
    BUF tagged = BUF_INIT(64 * 1024);
    struct detail detail;
    CHECK_OK(parse(&parts, &detail));
    buf_append(&tagged, "\xd2", 1);
    buf_append(&tagged, parts.whole.data, parts.whole.size);
    CHECK_OK(parse_bytes(tagged.data, tagged.size, &detail));
    tagged.data[0] = (char)0xd1;
    CHECK_FAILS(BAD_INPUT, parse_bytes(tagged.data, tagged.size, &detail));
    buf_truncate(&tagged, 1);
    tagged.data[0] = (char)0xd2;
    CHECK_FAILS(BAD_INPUT, parse_bytes(tagged.data, tagged.size, &detail));
    buf_append(&tagged, "\xd2", 1);
    buf_append(&tagged, parts.whole.data, parts.whole.size);
    CHECK_FAILS(BAD_INPUT, parse_bytes(tagged.data, tagged.size, &detail));
}

TEST(every_truncation_is_refused)
{
    PARTS parts = good_parts();
    struct detail detail;
    CHECK_OK(parse(&parts, &detail));
    for (size_t size = 0; size < parts.whole.size; size++) {
        CHECK_FAILS(BAD_INPUT, parse_bytes(parts.whole.data, size, &detail));
    }
    buf_append(&parts.whole, "", 1);
    CHECK_FAILS(BAD_INPUT, parse_bytes(parts.whole.data, parts.whole.size, &detail));
}

TEST(the_headers_are_exactly_those_of_es384)
{
    static const struct {
        const char *protected;
        size_t protected_size;
        const char *unprotected;
        size_t unprotected_size;
    } wrong[] = {
        { "", 0, "\xa0", 1 },
        { "\xa0", 1, "\xa0", 1 },
        { "\xa1\x01\x38\x21", 4, "\xa0", 1 },         /* another algorithm */
        { "\xa1\x01\x26", 3, "\xa0", 1 },             /* ES256 */
        { "\xa1\x01\x38\x22\0", 5, "\xa0", 1 },       /* more */
        { "\xa1\x01\x39\x00\x22", 5, "\xa0", 1 },     /* the same, written longer */
        { "\xa2\x01\x38\x22\x04\x40", 6, "\xa0", 1 }, /* a key identifier besides */
        { "\xa1\x01\x38\x22", 4, "\xa1\x04\x40", 3 }, /* … unprotected */
        { "\xa1\x01\x38\x22", 4, "\xa1\x01\x38\x22", 4 },
        { "\xa1\x01\x38\x22", 4, "\xf6", 1 },
        { "\xa1\x01\x38\x22", 4, "\x80", 1 },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        PARTS parts = good_parts();
        struct detail detail;
        buf_clear(&parts.protected);
        buf_clear(&parts.unprotected);
        buf_append(&parts.protected, wrong[i].protected, wrong[i].protected_size);
        buf_append(&parts.unprotected, wrong[i].unprotected, wrong[i].unprotected_size);
        CHECK_FAILS(BAD_INPUT, parse(&parts, &detail));
        CHECK_TEXT(detail.text, "COSE_Sign1");
    }
}

/* Nothing of the envelope is signed but protected header and payload: it has one way to be written,
 * so that a document has one, too. */
TEST(longer_heads_than_needed_are_refused)
{
    static const uint8_t signature[DOCUMENT_SIGNATURE_SIZE];
    static const struct {
        const char *bytes;
        size_t size;
    } heads[][2] = {
        { { "\x84", 1 }, { "\x98\x04", 2 } },
        { { "\x44", 1 }, { "\x58\x04", 2 } },
        { { "\xa0", 1 }, { "\xb8\x00", 2 } },
        { { "\x58", 1 }, { "\x59\0", 2 } }, /* with the payload's length behind it */
        { { "\x58\x60", 2 }, { "\x59\0\x60", 3 } },
    };
    enum { HEADS = sizeof(heads) / sizeof(heads[0]) };
    for (size_t longer = 0; longer <= HEADS; longer++) {
        PARTS parts = good_parts();
        BUF whole = BUF_INIT(64 * 1024);
        struct detail detail;
        write_payload(&parts, 0, PIECES);
        CHECK(parts.payload.size > 23 && parts.payload.size <= UINT8_MAX);
        const uint8_t length = (uint8_t)parts.payload.size;
        const struct cbor_view contents[HEADS] = {
            { (const uint8_t *)"", 0 },
            { document_protected, sizeof(document_protected) },
            { (const uint8_t *)"", 0 },
            { (const uint8_t *)parts.payload.data, parts.payload.size },
            { signature, sizeof(signature) },
        };
        for (size_t i = 0; i < HEADS; i++) {
            buf_append(&whole, heads[i][i == longer].bytes, heads[i][i == longer].size);
            if (i == 3) {
                buf_append(&whole, &length, 1);
            }
            buf_append(&whole, contents[i].bytes, contents[i].size);
        }
        CHECK(is_ok(parse_bytes(whole.data, whole.size, &detail)) == (longer == HEADS));
    }
}

TEST(signatures_have_96_bytes)
{
    for (size_t size = 0; size < 2 * DOCUMENT_SIGNATURE_SIZE; size++) {
        PARTS parts = good_parts();
        struct detail detail;
        parts.signature_size = size;
        CHECK(is_ok(parse(&parts, &detail)) == (size == DOCUMENT_SIGNATURE_SIZE));
    }
}

/* A field that is a string of so many bytes. */
static struct result parse_sized(size_t piece, size_t size)
{
    static const uint8_t zeros[2048];
    PARTS parts = good_parts();
    struct detail detail = { "" };
    struct buf *value = &parts.pieces[piece].value;
    buf_free(value);
    *value = (struct buf)BUF_INIT(4096);
    if (piece == CABUNDLE) {
        cbor_write_array(value, 1);
    }
    cbor_write_bytes(value, zeros, size);
    struct result result = parse(&parts, &detail);
    return is_ok(result) || strcmp(detail.text, parts.pieces[piece].name) == 0
               ? result
               : FAIL(UNAVAILABLE, "the detail names another field");
}

TEST(strings_are_as_long_as_they_may_be)
{
    static const struct {
        size_t piece;
        size_t min;
        size_t max;
    } bounds[] = {
        { CERTIFICATE, 1, DOCUMENT_CERTIFICATE_MAX },
        { CABUNDLE, 1, DOCUMENT_CERTIFICATE_MAX },
        { PUBLIC_KEY, 1, DOCUMENT_PUBLIC_KEY_MAX },
        { USER_DATA, 0, DOCUMENT_USER_DATA_MAX },
        { NONCE, 0, DOCUMENT_NONCE_MAX },
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        CHECK_OK(parse_sized(bounds[i].piece, bounds[i].min));
        CHECK_OK(parse_sized(bounds[i].piece, bounds[i].max));
        CHECK_FAILS(LIMIT, parse_sized(bounds[i].piece, bounds[i].max + 1));
        if (bounds[i].min > 0) {
            CHECK_FAILS(BAD_INPUT, parse_sized(bounds[i].piece, bounds[i].min - 1));
        }
    }
}

TEST(bundles_have_one_to_fifteen_certificates)
{
    for (size_t count = 0; count <= DOCUMENT_CABUNDLE_MAX + 1; count++) {
        PARTS parts = good_parts();
        struct detail detail;
        struct buf *value = &parts.pieces[CABUNDLE].value;
        buf_clear(value);
        cbor_write_array(value, count);
        for (size_t i = 0; i < count; i++) {
            cbor_write_bytes(value, "x", 1);
        }
        CHECK(is_ok(parse(&parts, &detail)) == (count > 0 && count <= DOCUMENT_CABUNDLE_MAX));
    }
}

TEST(module_ids_are_printable)
{
    static const char *const wrong[] = { "", "a b", "a\n", "a\x7f", "\xc3\xbc", "\x1b[2J" };
    char longest[DOCUMENT_MODULE_ID_MAX + 2];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        PARTS parts = good_parts();
        struct detail detail;
        buf_clear(&parts.pieces[MODULE_ID].value);
        cbor_write_text(&parts.pieces[MODULE_ID].value, wrong[i]);
        CHECK_FAILS(BAD_INPUT, parse(&parts, &detail));
        CHECK_TEXT(detail.text, "module_id");
    }
    memset(longest, 'x', sizeof(longest));
    for (size_t size = DOCUMENT_MODULE_ID_MAX; size <= DOCUMENT_MODULE_ID_MAX + 1; size++) {
        PARTS parts = good_parts();
        struct detail detail;
        longest[size] = '\0';
        buf_clear(&parts.pieces[MODULE_ID].value);
        cbor_write_text(&parts.pieces[MODULE_ID].value, longest);
        longest[size] = 'x';
        CHECK(is_ok(parse(&parts, &detail)) == (size == DOCUMENT_MODULE_ID_MAX));
    }
}

/* Values of a field that are wrong, as CBOR. */
static const struct {
    size_t piece;
    const char *cbor;
    size_t size;
} wrong_values[] = {
    { MODULE_ID, "\xf6", 1 },
    { MODULE_ID, "\x41x", 2 },
    { DIGEST, "\x66SHA385", 7 },
    { DIGEST, "\x66sha384", 7 },
    { DIGEST, "\x60", 1 },
    { DIGEST, "\x67SHA384\0", 8 },
    { TIMESTAMP, "\x00", 1 },
    { TIMESTAMP, "\x20", 1 },
    { TIMESTAMP, "\xf6", 1 },
    { TIMESTAMP, "\x18\x01", 2 }, /* not in its shortest form */
    { PCRS, "\xa0", 1 },
    { PCRS, "\x80", 1 },
    { PCRS, "\xf6", 1 },
    { PCRS, "\xa1\x00\x40", 3 },
    { PCRS, "\xa1\x20\x58\x30xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 52 },
    { CERTIFICATE, "\xf6", 1 },
    { CERTIFICATE, "\x61x", 2 },
    { CABUNDLE, "\x41x", 2 },
    { CABUNDLE, "\x81\x61x", 3 },
    { CABUNDLE, "\x9f\x41x\xff", 4 },
    { PUBLIC_KEY, "\xf4", 1 },
    { USER_DATA, "\x00", 1 },
    { NONCE, "\x60", 1 },
    { NONCE, "\x80", 1 },
    { NONCE, "\xf7", 1 },
};

TEST(values_of_the_wrong_kind_are_refused)
{
    for (size_t i = 0; i < sizeof(wrong_values) / sizeof(wrong_values[0]); i++) {
        PARTS parts = good_parts();
        struct detail detail = { "" };
        struct buf *value = &parts.pieces[wrong_values[i].piece].value;
        buf_clear(value);
        buf_append(value, wrong_values[i].cbor, wrong_values[i].size);
        CHECK_FAILS(BAD_INPUT, parse(&parts, &detail));
        CHECK_TEXT(detail.text, parts.pieces[wrong_values[i].piece].name);
    }
}

/* A map of registers `first` to `last`, each of `size` bytes. */
static struct result parse_registers(unsigned first, unsigned last, size_t size)
{
    static const uint8_t zeros[2 * PCR_SIZE];
    PARTS parts = good_parts();
    struct buf *value = &parts.pieces[PCRS].value;
    buf_clear(value);
    cbor_write_map(value, last - first + 1);
    for (unsigned i = first; i <= last; i++) {
        cbor_write_unsigned(value, i);
        cbor_write_bytes(value, zeros, size);
    }
    return parse(&parts, NULL);
}

TEST(registers_are_32_of_48_bytes)
{
    CHECK_OK(parse_registers(0, 31, PCR_SIZE));
    CHECK_OK(parse_registers(31, 31, PCR_SIZE));
    CHECK_FAILS(LIMIT, parse_registers(0, 32, PCR_SIZE));
    CHECK_FAILS(BAD_INPUT, parse_registers(1, 32, PCR_SIZE));
    CHECK_FAILS(BAD_INPUT, parse_registers(32, 32, PCR_SIZE));
    CHECK_FAILS(BAD_INPUT, parse_registers(0, 0, 32));
    CHECK_FAILS(BAD_INPUT, parse_registers(0, 0, PCR_SIZE - 1));
    CHECK_FAILS(BAD_INPUT, parse_registers(0, 0, PCR_SIZE + 1));
    CHECK_FAILS(BAD_INPUT, parse_registers(0, 0, 64));
}

TEST(no_register_comes_twice)
{
    static const uint8_t zeros[PCR_SIZE];
    PARTS parts = good_parts();
    struct buf *value = &parts.pieces[PCRS].value;
    buf_clear(value);
    cbor_write_map(value, 2);
    for (unsigned i = 0; i < 2; i++) {
        cbor_write_unsigned(value, 7);
        cbor_write_bytes(value, zeros, sizeof(zeros));
    }
    CHECK_FAILS(BAD_INPUT, parse(&parts, NULL));
}

TEST(unknown_fields_are_passed_over_but_bounded)
{
    for (size_t more = 1; more <= DOCUMENT_FIELDS_MAX - PIECES + 1; more++) {
        PARTS parts = good_parts();
        struct detail detail;
        write_payload(&parts, 0, PIECES);
        BUF rest = BUF_INIT(64 * 1024);
        buf_append(&rest, parts.payload.data + 1, parts.payload.size - 1);
        buf_clear(&parts.payload);
        cbor_write_map(&parts.payload, PIECES + more);
        buf_append(&parts.payload, rest.data, rest.size);
        for (size_t i = 0; i < more; i++) {
            char name[16];
            snprintf(name, sizeof(name), "more%zu", i);
            cbor_write_text(&parts.payload, name);
            cbor_write_array(&parts.payload, 1);
            cbor_write_unsigned(&parts.payload, i);
        }
        CHECK(is_ok(parse(&parts, &detail)) == (PIECES + more <= DOCUMENT_FIELDS_MAX));
    }
}

TEST(what_is_no_document_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = { { "", 0 },
                  { "\x80", 1 },
                  { "\x83\x40\xa0\x40", 4 },
                  { "\xa0", 1 },
                  { "\x9f\xff", 2 },
                  { "\x85\x40\xa0\x40\x40\x40", 6 },
                  { "{}", 2 },
                  { "\x84\xf6\xa0\xf6\xf6", 5 } };
    static char huge[DOCUMENT_MAX + 1];
    struct detail detail;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(BAD_INPUT, parse_bytes(wrong[i].bytes, wrong[i].size, &detail));
    }
    CHECK_FAILS(LIMIT, parse_bytes(huge, sizeof(huge), &detail));
    CHECK_FAILS(BAD_INPUT, parse_bytes(huge, sizeof(huge) - 1, &detail));
}

HARNESS_TESTS(T(tells_what_the_document_says), T(the_signed_bytes_are_the_sig_structure),
              T(fields_come_in_any_order), T(only_the_last_three_may_be_missing),
              T(no_field_comes_twice), T(a_tag_18_is_tolerated_and_no_other),
              T(every_truncation_is_refused), T(the_headers_are_exactly_those_of_es384),
              T(longer_heads_than_needed_are_refused), T(signatures_have_96_bytes),
              T(strings_are_as_long_as_they_may_be), T(bundles_have_one_to_fifteen_certificates),
              T(module_ids_are_printable), T(values_of_the_wrong_kind_are_refused),
              T(registers_are_32_of_48_bytes), T(no_register_comes_twice),
              T(unknown_fields_are_passed_over_but_bounded), T(what_is_no_document_is_refused))
