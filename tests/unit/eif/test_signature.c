#include "eif/signature.h"

#include "eif_test.h"
#include "harness.h"

#include <openssl/ecdsa.h>

enum { ROOM = EIF_SIGNATURE_MAX };

/* The parts of a signature section, to be changed before they are put together. */
struct parts {
    struct test_identity identity;
    struct pcr pcr;
    struct buf header;
    struct buf payload;
    struct buf mark;
};

static void parts_done(struct parts *parts)
{
    test_identity_done(&parts->identity);
    buf_free(&parts->header);
    buf_free(&parts->payload);
    buf_free(&parts->mark);
}

#define PARTS CLEANUP(parts_done) struct parts

static struct cbor_view view_of(const struct buf *buf)
{
    return (struct cbor_view){ (const uint8_t *)buf->data, buf->size };
}

/* Signs header and payload as they are now, as OpenSSL does it in one call. */
static void sign(struct parts *parts, const struct eif_curve *curve)
{
    uint8_t der[256];
    uint8_t pair[132];
    size_t der_size = sizeof(der);
    const uint8_t *at = der;
    BUF message = BUF_INIT(ROOM);
    BIO *text = BIO_new_mem_buf(parts->identity.key.data, (int)parts->identity.key.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    eif_signature_message(view_of(&parts->header), view_of(&parts->payload), &message);
    EVP_DigestSignInit_ex(context, NULL, curve->digest, NULL, NULL, key, NULL);
    EVP_DigestSign(context, der, &der_size, (const uint8_t *)message.data, message.size);
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    BN_bn2binpad(ECDSA_SIG_get0_r(numbers), pair, (int)curve->size);
    BN_bn2binpad(ECDSA_SIG_get0_s(numbers), pair + curve->size, (int)curve->size);
    buf_clear(&parts->mark);
    buf_append(&parts->mark, pair, 2 * curve->size);
    ECDSA_SIG_free(numbers);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    BIO_free(text);
}

static const struct eif_curve *curve_named(const char *group)
{
    static const struct eif_curve curves[] = {
        { .name = "P-256", .digest = "SHA256", .algorithm = -7, .size = 32 },
        { .name = "P-384", .digest = "SHA384", .algorithm = -35, .size = 48 },
        { .name = "P-521", .digest = "SHA512", .algorithm = -36, .size = 66 },
    };
    size_t i = 0;
    while (strcmp(curves[i].name, group) != 0) {
        i++;
    }
    return &curves[i];
}

static struct parts make_parts(const char *group)
{
    struct parts parts = {
        .identity = test_identity_new(group),
        .pcr = pcr_of("a", 1),
        .header = BUF_INIT(ROOM),
        .payload = BUF_INIT(ROOM),
        .mark = BUF_INIT(ROOM),
    };
    eif_signature_header(curve_named(group), &parts.header);
    eif_signature_payload(&parts.pcr, &parts.payload);
    sign(&parts, curve_named(group));
    return parts;
}

/* `count` is that of the parameters that are not protected. */
static void write_cose_with(const struct parts *parts, size_t count, struct buf *out)
{
    cbor_write_array(out, 4);
    cbor_write_bytes(out, parts->header.data, parts->header.size);
    cbor_write_map(out, count);
    for (size_t i = 0; i < count; i++) {
        cbor_write_unsigned(out, 4 + i);
        cbor_write_text(out, "key");
    }
    cbor_write_bytes(out, parts->payload.data, parts->payload.size);
    cbor_write_bytes(out, parts->mark.data, parts->mark.size);
}

static void write_cose(const struct parts *parts, struct buf *out)
{
    write_cose_with(parts, 0, out);
}

static void write_section(const struct parts *parts, struct buf *out)
{
    BUF cose = BUF_INIT(ROOM);
    write_cose(parts, &cose);
    eif_signature_section(parts->identity.certificate.data, parts->identity.certificate.size,
                          cose.data, cose.size, out);
}

/* Reading and checking a section. */
static struct result check_section(const struct buf *section, const struct pcr *pcr)
{
    CLEANUP(eif_signature_free_ptr) struct eif_signature *signature = NULL;
    TRY(eif_signature_read((const uint8_t *)section->data, section->size, &signature, NULL));
    return eif_signature_check(signature, pcr);
}

static struct result check_parts(const struct parts *parts)
{
    BUF section = BUF_INIT(ROOM);
    write_section(parts, &section);
    return check_section(&section, &parts->pcr);
}

TEST(signatures_of_the_three_curves_hold)
{
    static const char *const groups[] = { "P-256", "P-384", "P-521" };
    for (size_t i = 0; i < 3; i++) {
        PARTS parts = make_parts(groups[i]);
        CHECK_OK(check_parts(&parts));
        struct pcr other = pcr_of("b", 1);
        BUF section = BUF_INIT(ROOM);
        write_section(&parts, &section);
        CHECK_FAILS(REFUSED, check_section(&section, &other));
    }
}

TEST(the_form_is_that_of_awss_tools)
{
    static const uint8_t header[] = { 0xa1, 0x01, 0x38, 0x22 };
    static const char payload[] = "\xa2\x6eregister_index\x00\x6eregister_value\x98\x30";
    static const char section_begin[] = "\x81\xa2\x73signing_certificate\x99";
    static const char message[] = "\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40\x58";
    PARTS parts = make_parts("P-384");
    BUF section = BUF_INIT(ROOM);
    BUF whole = BUF_INIT(ROOM);
    write_section(&parts, &section);
    CHECK(parts.header.size == 4 && memcmp(parts.header.data, header, 4) == 0);
    CHECK(memcmp(parts.payload.data, payload, sizeof(payload) - 1) == 0);
    CHECK(memcmp(section.data, section_begin, sizeof(section_begin) - 1) == 0);
    eif_signature_message(view_of(&parts.header), view_of(&parts.payload), &whole);
    CHECK(memcmp(whole.data, message, sizeof(message) - 1) == 0);
}

/* Whatever is not of the form is refused when it is read, and what is of it, by the check. */
TEST(each_flipped_bit_of_the_signed_parts_is_refused)
{
    PARTS parts = make_parts("P-384");
    size_t step = 10 / harness_rounds(10); /* all bits, but for a tenth of them under valgrind */
    struct buf *changed[] = { &parts.header, &parts.payload, &parts.mark };
    for (size_t i = 0; i < 3; i++) {
        for (size_t bit = 0; bit < 8 * changed[i]->size; bit += step) {
            char *byte = &changed[i]->data[bit / 8];
            *byte = (char)(*byte ^ 1 << bit % 8);
            struct result result = check_parts(&parts);
            *byte = (char)(*byte ^ 1 << bit % 8);
            CHECK(!is_ok(result));
        }
    }
    CHECK_OK(check_parts(&parts));
}

TEST(a_section_cut_short_anywhere_or_with_more_is_refused)
{
    PARTS parts = make_parts("P-256");
    BUF section = BUF_INIT(ROOM);
    write_section(&parts, &section);
    struct eif_signature *none = NULL;
    for (size_t size = 0; size < section.size; size++) {
        CLEANUP(free_ptr) uint8_t *cut = calloc(1, size > 0 ? size : 1);
        CHECK(cut != NULL);
        memcpy(cut, section.data, size);
        CHECK_FAILS(BAD_INPUT, eif_signature_read(cut, size, &none, NULL));
    }
    buf_append(&section, "", 1);
    CHECK_FAILS(BAD_INPUT, check_section(&section, &parts.pcr));
    CHECK(none == NULL);
}

TEST(a_signature_by_another_key_is_refused)
{
    PARTS parts = make_parts("P-384");
    IDENTITY other = test_identity_new("P-384");
    struct secret_block certificate = parts.identity.certificate;
    parts.identity.certificate = other.certificate;
    other.certificate = certificate;
    CHECK_FAILS(REFUSED, check_parts(&parts));
}

/* A header that says another algorithm than the key's; signed as it stands. */
TEST(the_header_holds_the_keys_algorithm_and_nothing_else)
{
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } wrong[] = {
        { { 0xa1, 0x01, 0x26 }, 3 },                   /* ES256 */
        { { 0xa1, 0x01, 0x38, 0x23 }, 4 },             /* ES512 */
        { { 0xa1, 0x01, 0x22 }, 3 },                   /* -3 */
        { { 0xa1, 0x01, 0x18, 0x22 }, 4 },             /* 34 */
        { { 0xa0 }, 1 },                               /* none */
        { { 0xa1, 0x02, 0x38, 0x22 }, 4 },             /* another parameter */
        { { 0xa2, 0x01, 0x38, 0x22, 0x04, 0x40 }, 6 }, /* one more */
        { { 0xa1, 0x01, 0x38, 0x22, 0x00 }, 5 },       /* something behind */
        { { 0x81, 0x38, 0x22 }, 3 },
        { { 0 }, 0 },
    };
    PARTS parts = make_parts("P-384");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        buf_clear(&parts.header);
        buf_append(&parts.header, wrong[i].bytes, wrong[i].size);
        sign(&parts, curve_named("P-384"));
        CHECK_FAILS(BAD_INPUT, check_parts(&parts));
    }
}

/* Signed as it stands, so only its form can be what is refused. */
static struct result check_payload(struct parts *parts)
{
    sign(parts, curve_named("P-384"));
    return check_parts(parts);
}

static void write_register(struct buf *out, uint64_t index, size_t size, uint64_t octet)
{
    buf_clear(out);
    cbor_write_map(out, 2);
    cbor_write_text(out, "register_index");
    cbor_write_unsigned(out, index);
    cbor_write_text(out, "register_value");
    cbor_write_array(out, size);
    for (size_t i = 0; i < size; i++) {
        cbor_write_unsigned(out, octet);
    }
}

TEST(the_payload_is_pcr0_and_nothing_else)
{
    PARTS parts = make_parts("P-384");
    memset(parts.pcr.bytes, 7, sizeof(parts.pcr.bytes));
    write_register(&parts.payload, 0, PCR_SIZE, 7);
    CHECK_OK(check_payload(&parts));
    write_register(&parts.payload, 1, PCR_SIZE, 7);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    write_register(&parts.payload, 0, PCR_SIZE - 1, 7);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    write_register(&parts.payload, 0, PCR_SIZE + 1, 7);
    CHECK_FAILS(LIMIT, check_payload(&parts));
    write_register(&parts.payload, 0, PCR_SIZE, 7 + 256);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    write_register(&parts.payload, 0, PCR_SIZE, 7);
    parts.payload.data[0] = '\xa3'; /* a third member, which is there */
    cbor_write_text(&parts.payload, "more");
    cbor_write_null(&parts.payload);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    write_register(&parts.payload, 0, PCR_SIZE, 7);
    cbor_write_null(&parts.payload); /* something behind */
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    buf_clear(&parts.payload);
    cbor_write_map(&parts.payload, 2); /* the index twice, no value */
    cbor_write_text(&parts.payload, "register_index");
    cbor_write_unsigned(&parts.payload, 0);
    cbor_write_text(&parts.payload, "register_index");
    cbor_write_unsigned(&parts.payload, 0);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
    buf_clear(&parts.payload);
    cbor_write_map(&parts.payload, 2); /* a byte string, which AWS's tools do not read */
    cbor_write_text(&parts.payload, "register_index");
    cbor_write_unsigned(&parts.payload, 0);
    cbor_write_text(&parts.payload, "register_value");
    cbor_write_bytes(&parts.payload, parts.pcr.bytes, PCR_SIZE);
    CHECK_FAILS(BAD_INPUT, check_payload(&parts));
}

TEST(signatures_of_another_size_are_refused)
{
    PARTS parts = make_parts("P-384");
    buf_append(&parts.mark, "", 1);
    CHECK_FAILS(BAD_INPUT, check_parts(&parts));
    buf_truncate(&parts.mark, 95);
    CHECK_FAILS(BAD_INPUT, check_parts(&parts));
    buf_truncate(&parts.mark, 0);
    CHECK_FAILS(BAD_INPUT, check_parts(&parts));
}

TEST(numbers_that_are_no_signature_are_refused)
{
    PARTS parts = make_parts("P-384");
    memset(parts.mark.data, 0, 96);
    CHECK_FAILS(REFUSED, check_parts(&parts));
    memset(parts.mark.data, 0xff, 96);
    CHECK_FAILS(REFUSED, check_parts(&parts));
}

/* The signature does not cover them. */
TEST(parameters_that_are_not_protected_are_refused)
{
    PARTS parts = make_parts("P-384");
    const struct secret_block *pem = &parts.identity.certificate;
    for (size_t count = 0; count < 3; count++) {
        BUF cose = BUF_INIT(ROOM);
        BUF section = BUF_INIT(ROOM);
        write_cose_with(&parts, count, &cose);
        eif_signature_section(pem->data, pem->size, cose.data, cose.size, &section);
        CHECK(is_ok(check_section(&section, &parts.pcr)) == (count == 0));
    }
}

/* The section around the parts in forms that are not its own. */
TEST(a_section_holds_one_certificate_and_one_signature)
{
    PARTS parts = make_parts("P-384");
    const struct secret_block *pem = &parts.identity.certificate;
    BUF cose = BUF_INIT(ROOM);
    BUF one = BUF_INIT(ROOM);
    BUF two = BUF_INIT((size_t)2 * ROOM);
    write_cose(&parts, &cose);
    write_section(&parts, &one);
    buf_append(&two, "\x82", 1);
    buf_append(&two, one.data + 1, one.size - 1);
    buf_append(&two, one.data + 1, one.size - 1);
    CHECK_FAILS(BAD_INPUT, check_section(&two, &parts.pcr));
    CHECK(one.data[0] == '\x81' && one.data[1] == '\xa2');
    one.data[3] = 'S'; /* another name */
    CHECK_FAILS(BAD_INPUT, check_section(&one, &parts.pcr));
    one.data[3] = 's';
    CHECK_OK(check_section(&one, &parts.pcr));
    buf_clear(&two);
    eif_signature_section(pem->data, pem->size, "", 0, &two);
    CHECK_FAILS(BAD_INPUT, check_section(&two, &parts.pcr));
    buf_clear(&two);
    eif_signature_section("", 0, cose.data, cose.size, &two);
    CHECK_FAILS(BAD_INPUT, check_section(&two, &parts.pcr));
    buf_clear(&two);
    static const char empty[] = "\x80";
    buf_append(&two, empty, 1);
    CHECK_FAILS(BAD_INPUT, check_section(&two, &parts.pcr));
}

/* A list that says it holds more than there is memory. */
TEST(counts_that_the_section_cannot_hold_are_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bombs[] = {
        { "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
        { "\x81\xbb\xff\xff\xff\xff\xff\xff\xff\xff", 10 },
        { "\x81\xa2\x73signing_certificate\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", 31 },
        { "\x81\xa2\x69signature\x9a\xff\xff\xff\xff", 17 },
        { "\x9f\xff", 2 },
        { "\x81\xbf\xff", 3 },
    };
    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
        struct eif_signature *none = NULL;
        CHECK_FAILS(BAD_INPUT, eif_signature_read((const uint8_t *)bombs[i].bytes, bombs[i].size,
                                                  &none, NULL));
    }
    static const uint8_t large[EIF_SIGNATURE_MAX + 1];
    struct eif_signature *none = NULL;
    CHECK_FAILS(LIMIT, eif_signature_read(large, sizeof(large), &none, NULL));
}

HARNESS_TESTS(T(signatures_of_the_three_curves_hold), T(the_form_is_that_of_awss_tools),
              T(each_flipped_bit_of_the_signed_parts_is_refused),
              T(a_section_cut_short_anywhere_or_with_more_is_refused),
              T(a_signature_by_another_key_is_refused),
              T(the_header_holds_the_keys_algorithm_and_nothing_else),
              T(the_payload_is_pcr0_and_nothing_else), T(signatures_of_another_size_are_refused),
              T(numbers_that_are_no_signature_are_refused),
              T(parameters_that_are_not_protected_are_refused),
              T(a_section_holds_one_certificate_and_one_signature),
              T(counts_that_the_section_cannot_hold_are_refused))
