#include "eif/certificate.h"

#include "base/sha384.h"
#include "eif_test.h"
#include "harness.h"

static struct result read_block(const struct secret_block *pem, struct eif_certificate **out)
{
    return eif_certificate_read(pem->data, pem->size, out, NULL);
}

TEST(certificates_of_the_three_curves_are_read)
{
    static const struct {
        const char *group;
        const char *name;
        int64_t algorithm;
        size_t size;
    } cases[] = { { "P-256", "P-256", -7, 32 },
                  { "P-384", "P-384", -35, 48 },
                  { "P-521", "P-521", -36, 66 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        IDENTITY identity = test_identity_new(cases[i].group);
        CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
        CHECK_OK(read_block(&identity.certificate, &certificate));
        CHECK_TEXT(certificate->curve->name, cases[i].name);
        CHECK(certificate->curve->algorithm == cases[i].algorithm);
        CHECK(certificate->curve->size == cases[i].size);
        CHECK(certificate->not_before == test_not_before);
        CHECK(certificate->not_after == test_not_after);
    }
}

TEST(the_register_is_that_of_the_certificates_hash)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
    uint8_t der[2000];
    uint8_t hash[SHA384_SIZE];
    CHECK_OK(read_block(&identity.certificate, &certificate));
    /* The bytes between the PEM lines. */
    const char *text = strchr((const char *)identity.certificate.data, '\n') + 1;
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    int size = 0;
    EVP_DecodeInit(decoder);
    int decoded = EVP_DecodeUpdate(decoder, der, &size, (const unsigned char *)text,
                                   (int)(strstr(text, "-----END") - text));
    EVP_ENCODE_CTX_free(decoder);
    CHECK(decoded >= 0 && size > 0);
    sha384(der, (size_t)size, hash);
    struct pcr wanted = pcr_of(hash, sizeof(hash));
    CHECK(pcr_equal(&certificate->pcr, &wanted));
}

TEST(what_holds_no_certificate_of_a_known_curve_is_refused)
{
    IDENTITY identity = test_identity_new("P-384");
    IDENTITY curve = test_identity_new("secp256k1");
    IDENTITY rsa = test_identity_of(EVP_RSA_gen(2048), test_not_before, test_not_after);
    struct eif_certificate *none = NULL;
    CHECK_FAILS(BAD_INPUT, eif_certificate_read(NULL, 0, &none, NULL));
    CHECK_FAILS(BAD_INPUT, eif_certificate_read("x", 1, &none, NULL));
    CHECK_FAILS(BAD_INPUT, read_block(&identity.key, &none));
    CHECK_FAILS(BAD_INPUT, read_block(&curve.certificate, &none));
    CHECK_FAILS(BAD_INPUT, read_block(&rsa.certificate, &none));
    for (size_t size = 0; size + 2 < identity.certificate.size; size += 7) {
        CHECK_FAILS(BAD_INPUT, eif_certificate_read(identity.certificate.data, size, &none, NULL));
    }
    CHECK(none == NULL);
}

/* It must not ask on the terminal: a test that hangs here has found it. */
TEST(a_certificate_that_claims_to_be_encrypted_is_refused)
{
    static const char text[] = "-----BEGIN CERTIFICATE-----\n"
                               "Proc-Type: 4,ENCRYPTED\n"
                               "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                               "AAAAAAAAAAAAAAAAAAAAAA==\n"
                               "-----END CERTIFICATE-----\n";
    struct eif_certificate *none = NULL;
    CHECK_FAILS(BAD_INPUT, eif_certificate_read(text, strlen(text), &none, NULL));
}

TEST(a_text_is_bounded)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
    static char text[EIF_CERTIFICATE_MAX + 1];
    memset(text, '\n', sizeof(text));
    memcpy(text, identity.certificate.data, identity.certificate.size);
    CHECK_FAILS(LIMIT, eif_certificate_read(text, sizeof(text), &certificate, NULL));
    CHECK_OK(eif_certificate_read(text, EIF_CERTIFICATE_MAX, &certificate, NULL));
}

TEST(dates_are_held_to_the_second)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
    struct detail detail = { "" };
    CHECK_OK(read_block(&identity.certificate, &certificate));
    CHECK_OK(eif_certificate_check_dates(certificate, test_not_before, NULL));
    CHECK_OK(eif_certificate_check_dates(certificate, test_not_after, NULL));
    CHECK_FAILS(REFUSED, eif_certificate_check_dates(certificate, test_not_before - 1, &detail));
    CHECK_TEXT(detail.text, "from 2026-01-01T00:00:00Z");
    CHECK_FAILS(REFUSED, eif_certificate_check_dates(certificate, test_not_after + 1, &detail));
    CHECK_TEXT(detail.text, "until 2027-01-01T00:00:00Z");
    CHECK_FAILS(REFUSED, eif_certificate_check_dates(certificate, UINT64_MAX, NULL));
    CHECK_FAILS(REFUSED, eif_certificate_check_dates(certificate, 0, NULL));
}

TEST(a_certificate_is_described_as_nitro_cli_does)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    BUF out = BUF_INIT(10000);
    struct json_writer writer = JSON_WRITER(&out);
    CHECK_OK(read_block(&identity.certificate, &certificate));
    json_write_open(&writer, NULL, '{');
    eif_certificate_write_json(certificate, &writer);
    json_write_close(&writer, '}');
    CHECK_OK(json_parse(out.data, out.size, &tree, NULL));
    const struct json *object = json_member(tree, "SigningCertificate");
    CHECK_TEXT(json_as_text(json_member(json_member(object, "IssuerName"), "commonName"), NULL),
               "signer");
    CHECK_TEXT(json_as_text(json_member(object, "Algorithm"), NULL), "ecdsa-with-SHA384");
    CHECK_TEXT(json_as_text(json_member(object, "NotBefore"), NULL), "Jan  1 00:00:00 2026 GMT");
    CHECK_TEXT(json_as_text(json_member(object, "NotAfter"), NULL), "Jan  1 00:00:00 2027 GMT");
    const char *signature = json_as_text(json_member(object, "Signature"), NULL);
    CHECK(signature != NULL && strncmp(signature, "30:", 3) == 0 && strlen(signature) % 3 == 2);
}

HARNESS_TESTS(T(certificates_of_the_three_curves_are_read),
              T(the_register_is_that_of_the_certificates_hash),
              T(what_holds_no_certificate_of_a_known_curve_is_refused),
              T(a_certificate_that_claims_to_be_encrypted_is_refused), T(a_text_is_bounded),
              T(dates_are_held_to_the_second), T(a_certificate_is_described_as_nitro_cli_does))
