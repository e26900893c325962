#include "eif/signer.h"

#include "eif/signature.h"
#include "eif_test.h"
#include "harness.h"

static struct result make(const struct secret_block *certificate, const struct secret_block *key,
                          const char *place)
{
    CLEANUP(eif_signer_free_ptr) struct eif_signer *signer = NULL;
    struct detail detail = { "" };
    struct result made = eif_signer_new(certificate, key, &signer, &detail);
    return strcmp(detail.text, place) == 0 ? made : FAIL(LIMIT, "another place");
}

TEST(what_it_signs_is_accepted)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_signer_free_ptr) struct eif_signer *signer = NULL;
    CLEANUP(eif_signature_free_ptr) struct eif_signature *signature = NULL;
    BUF out = BUF_INIT(EIF_SIGNATURE_MAX);
    struct pcr pcr = pcr_of("a", 1);
    CHECK_OK(eif_signer_new(&identity.certificate, &identity.key, &signer, NULL));
    CHECK(eif_signer_certificate(signer)->not_after == test_not_after);
    CHECK_OK(eif_signer_sign(signer, &pcr, &out));
    CHECK_OK(eif_signature_read((const uint8_t *)out.data, out.size, &signature, NULL));
    CHECK_OK(eif_signature_check(signature, &pcr));
    CHECK(pcr_equal(&signature->certificate->pcr, &eif_signer_certificate(signer)->pcr));
}

/* A file with both, as some tools write it: the private key must not get into an image. */
TEST(of_the_certificates_file_only_the_certificate_is_in_the_section)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_signer_free_ptr) struct eif_signer *alone = NULL;
    CLEANUP(eif_signer_free_ptr) struct eif_signer *signer = NULL;
    BUF both = BUF_INIT(10000);
    BUF first = BUF_INIT(EIF_SIGNATURE_MAX);
    BUF second = BUF_INIT(EIF_SIGNATURE_MAX);
    struct pcr pcr = pcr_of("a", 1);
    buf_append(&both, identity.key.data, identity.key.size);
    buf_append(&both, identity.certificate.data, identity.certificate.size);
    SECRET_BLOCK text = test_block(both.data, both.size);
    CHECK_OK(eif_signer_new(&identity.certificate, &identity.key, &alone, NULL));
    CHECK_OK(eif_signer_new(&text, &text, &signer, NULL));
    CHECK_OK(eif_signer_sign(alone, &pcr, &first));
    CHECK_OK(eif_signer_sign(signer, &pcr, &second));
    CHECK(first.size > identity.certificate.size);
    /* All but the signature, in numbers of one or two bytes each, is the same. */
    size_t same = identity.certificate.size;
    CHECK(memcmp(first.data, second.data, same) == 0);
    CHECK(second.size < first.size + 200);
}

TEST(only_a_p384_key_and_its_own_certificate_sign)
{
    IDENTITY identity = test_identity_new("P-384");
    IDENTITY other = test_identity_new("P-384");
    IDENTITY small = test_identity_new("P-256");
    IDENTITY large = test_identity_new("P-521");
    SECRET_BLOCK nothing = test_block("", 0);
    SECRET_BLOCK text = test_block("hello", 5);
    const struct secret_block *certificate = &identity.certificate;
    const struct secret_block *key = &identity.key;
    CHECK_OK(make(certificate, key, "private key"));
    CHECK_FAILS(BAD_INPUT, make(certificate, &other.key, "private key"));
    CHECK_FAILS(BAD_INPUT, make(&other.certificate, key, "private key"));
    CHECK_FAILS(BAD_INPUT, make(certificate, &small.key, "private key"));
    CHECK_FAILS(BAD_INPUT, make(&small.certificate, &small.key, "certificate"));
    CHECK_FAILS(BAD_INPUT, make(&large.certificate, &large.key, "certificate"));
    CHECK_FAILS(BAD_INPUT, make(certificate, certificate, "private key"));
    CHECK_FAILS(BAD_INPUT, make(key, key, "certificate"));
    CHECK_FAILS(BAD_INPUT, make(certificate, &nothing, "private key"));
    CHECK_FAILS(BAD_INPUT, make(&nothing, key, "certificate"));
    CHECK_FAILS(BAD_INPUT, make(certificate, &text, "private key"));
    CHECK_FAILS(BAD_INPUT, make(&text, key, "certificate"));
}

/* It must not ask on the terminal: a test that hangs here has found it. */
TEST(an_encrypted_key_is_refused_with_the_remedy)
{
    IDENTITY identity = test_identity_new("P-384");
    BIO *plain = BIO_new_mem_buf(identity.key.data, (int)identity.key.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(plain, NULL, NULL, NULL);
    BIO *modern = BIO_new(BIO_s_mem());
    BIO *traditional = BIO_new(BIO_s_mem());
    char password[] = "password";
    PEM_write_bio_PKCS8PrivateKey(modern, key, EVP_aes_128_cbc(), password, 8, NULL, NULL);
    PEM_write_bio_PrivateKey_traditional(traditional, key, EVP_aes_128_cbc(),
                                         (unsigned char *)password, 8, NULL, NULL);
    BIO_free(plain);
    EVP_PKEY_free(key);
    SECRET_BLOCK first = test_take_text(modern);
    SECRET_BLOCK second = test_take_text(traditional);
    struct eif_signer *none = NULL;
    struct result made = eif_signer_new(&identity.certificate, &first, &none, NULL);
    CHECK(made.status == STATUS_BAD_INPUT && strstr(made.what, "encrypted") != NULL);
    made = eif_signer_new(&identity.certificate, &second, &none, NULL);
    CHECK(made.status == STATUS_BAD_INPUT && strstr(made.what, "encrypted") != NULL);
    CHECK(none == NULL);
}

HARNESS_TESTS(T(what_it_signs_is_accepted),
              T(of_the_certificates_file_only_the_certificate_is_in_the_section),
              T(only_a_p384_key_and_its_own_certificate_sign),
              T(an_encrypted_key_is_refused_with_the_remedy))
