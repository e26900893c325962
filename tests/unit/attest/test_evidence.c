#include "attest/chain.h"
#include "attest/evidence.h"
#include "harness.h"
#include "maker.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static const uint8_t configuration[SHA384_SIZE] = { 1, 2, 3 };

static struct cbor_view view_of(const char *text)
{
    return (struct cbor_view){ (const uint8_t *)text, strlen(text) };
}

static void key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

#define KEY         CLEANUP(key_free) EVP_PKEY
#define CERTIFICATE CLEANUP(X509_free_ptr) X509
#define EVIDENCE    CLEANUP(evidence_done) struct evidence

TEST(user_data_binds_the_key_and_the_configuration)
{
    static const char bound[] = "containment-chamber/atls/v1key";
    uint8_t user_data[EVIDENCE_USER_DATA_SIZE];
    uint8_t hash[SHA384_SIZE];
    evidence_user_data(view_of("key"), configuration, user_data);
    CHECK(sizeof(user_data) == 27 + 48 + 48);
    CHECK(memcmp(user_data, "containment-chamber/atls/v1", 27) == 0);
    sha384(bound, sizeof(bound) - 1, hash);
    CHECK(memcmp(user_data + 27, hash, sizeof(hash)) == 0);
    CHECK(memcmp(user_data + 27 + 48, configuration, sizeof(configuration)) == 0);
}

TEST(user_data_is_that_of_one_key)
{
    uint8_t user_data[EVIDENCE_USER_DATA_SIZE + 1];
    uint8_t told[SHA384_SIZE] = { 0 };
    struct cbor_view view = { user_data, EVIDENCE_USER_DATA_SIZE };
    evidence_user_data(view_of("key"), configuration, user_data);
    CHECK_OK(evidence_user_data_check(view, view_of("key"), told));
    CHECK(memcmp(told, configuration, sizeof(told)) == 0);
    CHECK_FAILS(REFUSED, evidence_user_data_check(view, view_of("kez"), told));
    CHECK_FAILS(REFUSED, evidence_user_data_check(view, view_of("key1"), told));
    CHECK_FAILS(REFUSED, evidence_user_data_check(view, view_of(""), told));
    CHECK_FAILS(REFUSED,
                evidence_user_data_check((struct cbor_view){ NULL, 0 }, view_of("key"), told));
    for (size_t size = 0; size <= EVIDENCE_USER_DATA_SIZE + 1; size++) {
        view.size = size;
        CHECK(is_ok(evidence_user_data_check(view, view_of("key"), told)) ==
              (size == EVIDENCE_USER_DATA_SIZE));
    }
    view.size = EVIDENCE_USER_DATA_SIZE;
    for (size_t i = 0; i < EVIDENCE_LABEL_SIZE + SHA384_SIZE; i++) {
        user_data[i] ^= 1;
        CHECK_FAILS(REFUSED, evidence_user_data_check(view, view_of("key"), told));
        user_data[i] ^= 1;
    }
}

TEST(the_extension_is_a_cmw_record_in_an_octet_string)
{
    BUF out = BUF_INIT(64);
    struct cbor_view document;
    CHECK_OK(evidence_write_extension(view_of("doc"), &out));
    static const char wanted[] = "\x04\x26"
                                 "\x83\x78\x1e"
                                 "application/aws-nitro-document"
                                 "\x43"
                                 "doc\x04";
    CHECK(out.size == sizeof(wanted) - 1 && memcmp(out.data, wanted, out.size) == 0);
    CHECK_OK(
        evidence_read_extension((struct cbor_view){ (uint8_t *)out.data, out.size }, &document));
    CHECK(cbor_view_is(document, "doc"));
}

TEST(the_longest_document_fits_into_an_extension)
{
    static const uint8_t zeros[DOCUMENT_MAX + 1];
    BUF out = BUF_INIT(EVIDENCE_CERTIFICATE_MAX);
    struct cbor_view document;
    CHECK_OK(evidence_write_extension((struct cbor_view){ zeros, DOCUMENT_MAX }, &out));
    CHECK_OK(
        evidence_read_extension((struct cbor_view){ (uint8_t *)out.data, out.size }, &document));
    CHECK(document.size == DOCUMENT_MAX);
    CHECK_FAILS(LIMIT,
                evidence_write_extension((struct cbor_view){ zeros, DOCUMENT_MAX + 1 }, &out));
    CHECK_FAILS(LIMIT, evidence_write_extension((struct cbor_view){ zeros, 0 }, &out));
}

TEST(every_truncation_and_every_longer_extension_is_refused)
{
    BUF out = BUF_INIT(64);
    struct cbor_view document = { NULL, 7 };
    CHECK_OK(evidence_write_extension(view_of("doc"), &out));
    for (size_t size = 0; size < out.size; size++) {
        uint8_t *part = malloc(size > 0 ? size : 1);
        CHECK(part != NULL);
        memcpy(part, out.data, size);
        struct result result = evidence_read_extension((struct cbor_view){ part, size }, &document);
        free(part);
        CHECK_FAILS(BAD_INPUT, result);
    }
    buf_append(&out, "", 1);
    CHECK_FAILS(BAD_INPUT, evidence_read_extension(
                               (struct cbor_view){ (uint8_t *)out.data, out.size }, &document));
    CHECK(document.size == 7);
}

#define TYPE   \
    "\x78\x1e" \
    "application/aws-nitro-document"

TEST(records_that_are_written_otherwise_are_refused)
{
    static const struct {
        const char *cbor;
        size_t size;
    } records[] = {
#define RECORD(text) { text, sizeof(text) - 1 }
        RECORD("\x82" TYPE "\x43"
               "doc"), /* accepted, as is the next */
        RECORD("\x83" TYPE "\x43"
               "doc\x04"),
        RECORD("\x83" TYPE "\x43"
               "doc\x00"),
        RECORD("\x83" TYPE "\x43"
               "doc\x05"),
        RECORD("\x83" TYPE "\x43"
               "doc\x18\x04"),
        RECORD("\x83" TYPE "\x43"
               "doc\x23"),
        RECORD("\x83" TYPE "\x43"
               "doc\xf6"),
        RECORD("\x82" TYPE "\x43"
               "doc\x04"),
        RECORD("\x81" TYPE),
        RECORD("\x84" TYPE "\x43"
               "doc\x04\x04"),
        RECORD("\x82" TYPE "\x63"
               "doc"),
        RECORD("\x82" TYPE "\x58\x03"
               "doc"),
        RECORD("\x82"
               "\x78\x1e"
               "application/aws-nitro-dokument"
               "\x43"
               "doc"),
        RECORD("\x82"
               "\x58\x1e"
               "application/aws-nitro-document"
               "\x43"
               "doc"),
        RECORD("\x82"
               "\x18\x3c"
               "\x43"
               "doc"),
        RECORD("\x9f" TYPE "\x43"
               "doc"
               "\xff"),
        RECORD("\xa1" TYPE "\x43"
               "doc"),
        RECORD("\xd9\x01\x01\x82" TYPE "\x43"
               "doc"),
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        uint8_t value[64] = { 0x04, (uint8_t)records[i].size };
        struct cbor_view document;
        memcpy(value + 2, records[i].cbor, records[i].size);
        struct cbor_view view = { value, records[i].size + 2 };
        CHECK(is_ok(evidence_read_extension(view, &document)) == (i < 2));
    }
}

TEST(the_octet_string_is_der)
{
    static const char record[] = "\x82" TYPE "\x43"
                                 "doc";
    static const struct {
        const char *head;
        size_t size;
        const char *tail;
        size_t tail_size;
    } forms[] = {
        { "\x04\x25", 2, "", 0 },     /* DER */
        { "\x04\x81\x25", 3, "", 0 }, /* a longer length than needed */
        { "\x04\x82\x00\x25", 4, "", 0 },
        { "\x04\x80", 2, "\0\0", 2 },     /* of indefinite length */
        { "\x24\x27\x04\x25", 4, "", 0 }, /* constructed */
        { "\x24\x80\x04\x25", 4, "\0\0", 2 },
        { "\x0c\x25", 2, "", 0 }, /* UTF8String */
        { "\x44\x25", 2, "", 0 }, /* of another class */
        { "\x84\x25", 2, "", 0 },
        { "\x30\x27\x04\x25", 4, "", 0 }, /* in a SEQUENCE */
        { "\x04\x24", 2, "", 0 },
        { "\x04\x26", 2, "", 0 },
        { "", 0, "", 0 },
    };
    CHECK(sizeof(record) - 1 == 0x25);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        BUF value = BUF_INIT(64);
        struct cbor_view document;
        buf_append(&value, forms[i].head, forms[i].size);
        buf_append(&value, record, sizeof(record) - 1);
        buf_append(&value, forms[i].tail, forms[i].tail_size);
        struct cbor_view view = { (const uint8_t *)value.data, value.size };
        CHECK(is_ok(evidence_read_extension(view, &document)) == (i == 0));
    }
}

TEST(certificates_are_read_from_der_and_pem)
{
    KEY *key = maker_key("P-256");
    struct cbor_view value = view_of("value");
    CERTIFICATE *certificate = maker_certificate(key, &value, 0, MAKER_HOUR);
    uint8_t *der = NULL;
    char *pem = NULL;
    int der_size = i2d_X509(certificate, &der);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    PEM_write_bio_X509(bio, certificate);
    size_t pem_size = (size_t)BIO_get_mem_data(bio, &pem) / 2;
    struct evidence of_der = { .certificate = NULL };
    struct evidence of_pem = { .certificate = NULL };
    struct evidence wrong = { .certificate = NULL };
    struct result read_der = evidence_read(der, (size_t)der_size, &of_der);
    struct result cut_der = evidence_read(der, (size_t)der_size - 1, &wrong);
    struct result read_pem = evidence_read(pem, pem_size, &of_pem);
    struct result two_pem = evidence_read(pem, 2 * pem_size, &wrong);
    struct result cut_pem = evidence_read(pem, pem_size - 30, &wrong);
    OPENSSL_free(der);
    BIO_free(bio);
    bool same = of_der.spki_size == of_pem.spki_size &&
                memcmp(of_der.spki, of_pem.spki, of_der.spki_size) == 0;
    evidence_done(&of_der);
    evidence_done(&of_pem);
    CHECK_OK(read_der);
    CHECK_OK(read_pem);
    CHECK(same && of_der.spki_size == 91); /* of P-256 */
    CHECK_FAILS(BAD_INPUT, cut_der);
    CHECK_FAILS(BAD_INPUT, two_pem);
    CHECK_FAILS(BAD_INPUT, cut_pem);
    CHECK_FAILS(BAD_INPUT, evidence_read("", 0, &wrong));
    CHECK(wrong.certificate == NULL);
    CHECK(ERR_peek_error() == 0); /* a TLS connection would take it for its own */
}

TEST(certificates_beyond_the_limit_are_refused)
{
    static const uint8_t zeros[2 * EVIDENCE_CERTIFICATE_MAX + 1];
    EVIDENCE evidence = { .certificate = NULL };
    CHECK_FAILS(LIMIT, evidence_read(zeros, sizeof(zeros), &evidence));
    CHECK_FAILS(BAD_INPUT, evidence_read(zeros, sizeof(zeros) - 1, &evidence));
}

TEST(a_certificate_carries_its_document)
{
    KEY *key = maker_key("P-384");
    BUF value = BUF_INIT(64);
    CHECK_OK(evidence_write_extension(view_of("doc"), &value));
    struct cbor_view view = { (uint8_t *)value.data, value.size };
    CERTIFICATE *certificate = maker_certificate(key, &view, 0, MAKER_HOUR);
    CERTIFICATE *without = maker_certificate(key, NULL, 0, MAKER_HOUR);
    EVIDENCE evidence = { .certificate = NULL };
    EVIDENCE none = { .certificate = NULL };
    struct cbor_view document;
    CHECK_OK(evidence_of(certificate, &evidence));
    CHECK_OK(evidence_document(&evidence, &document));
    CHECK(cbor_view_is(document, "doc"));
    CHECK_OK(evidence_of(without, &none));
    CHECK_FAILS(REFUSED, evidence_document(&none, &document));
}

TEST(two_documents_are_as_good_as_none)
{
    KEY *key = maker_key("P-384");
    BUF value = BUF_INIT(64);
    CHECK_OK(evidence_write_extension(view_of("doc"), &value));
    struct cbor_view view = { (uint8_t *)value.data, value.size };
    CERTIFICATE *certificate = maker_certificate(key, &view, 0, MAKER_HOUR);
    X509_EXTENSION *extension = X509_get_ext(certificate, 0);
    struct cbor_view document;
    CHECK(X509_add_ext(certificate, extension, -1) == 1);
    CHECK(X509_sign(certificate, key, EVP_sha384()) > 0);
    EVIDENCE evidence = { .certificate = NULL };
    CHECK_OK(evidence_of(certificate, &evidence));
    CHECK_FAILS(REFUSED, evidence_document(&evidence, &document));
}

TEST(self_signed_means_by_its_own_key)
{
    KEY *key = maker_key("P-256");
    KEY *other = maker_key("P-256");
    KEY *of_p521 = maker_key("P-521");
    CERTIFICATE *certificate = maker_certificate(key, NULL, 0, MAKER_HOUR);
    CERTIFICATE *unusual = maker_certificate(of_p521, NULL, 0, MAKER_HOUR);
    EVIDENCE evidence = { .certificate = NULL };
    EVIDENCE unusual_evidence = { .certificate = NULL };
    CHECK_OK(evidence_of(certificate, &evidence));
    CHECK_OK(evidence_check_self_signed(&evidence));
    CHECK(X509_sign(certificate, other, EVP_sha384()) > 0);
    CHECK_FAILS(REFUSED, evidence_check_self_signed(&evidence));
    CHECK_OK(evidence_of(unusual, &unusual_evidence));
    CHECK_FAILS(REFUSED, evidence_check_self_signed(&unusual_evidence));
}

HARNESS_TESTS(T(user_data_binds_the_key_and_the_configuration), T(user_data_is_that_of_one_key),
              T(the_extension_is_a_cmw_record_in_an_octet_string),
              T(the_longest_document_fits_into_an_extension),
              T(every_truncation_and_every_longer_extension_is_refused),
              T(records_that_are_written_otherwise_are_refused), T(the_octet_string_is_der),
              T(certificates_are_read_from_der_and_pem),
              T(certificates_beyond_the_limit_are_refused), T(a_certificate_carries_its_document),
              T(two_documents_are_as_good_as_none), T(self_signed_means_by_its_own_key))
