#include "attest/identity.h"

#include "../keystore/memory_scan.h"
#include "attest/verifier.h"
#include "harness.h"
#include "module.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

enum { SCALAR = 48 };

static const uint8_t configuration[SHA384_SIZE] = { 1, 2, 3 };

#define EVIDENCE CLEANUP(evidence_done) struct evidence

static struct detail detail;

static struct result make(struct module *module, struct identity *out)
{
    const struct attestor attestor = module_attestor(module);
    detail.text[0] = '\0';
    return identity_make(&attestor, configuration, MAKER_NOW, out, &detail);
}

/* From its bytes, as a client gets it. */
static struct result read_identity(const struct identity *identity, struct evidence *out)
{
    uint8_t *der = NULL;
    int size = i2d_X509(identity->certificate, &der);
    struct result result = evidence_read(der, size > 0 ? (size_t)size : 0, out);
    OPENSSL_free(der);
    return result;
}

/* What a client with the right policy says of it at a time. */
static struct result verify_at(const struct module *module, const struct identity *identity,
                               uint64_t now)
{
    EVIDENCE evidence = { .certificate = NULL };
    struct policy policy;
    struct report report;
    const struct cbor_view root = maker_view(&module->chain, 0);
    const struct expectations expectations = {
        .policy = &policy,
        .root = &root,
        .now_seconds = now,
        .configuration = configuration,
    };
    policy_init(&policy);
    TRY(policy_allow(&policy, PCR_IMAGE, &module->image));
    TRY(read_identity(identity, &evidence));
    return verifier_check_certificate(&evidence, &expectations, &report, &detail);
}

TEST(clients_accept_the_certificate_from_beginning_to_end)
{
    MODULE module;
    IDENTITY identity = { .key = NULL };
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    CHECK_OK(make(&module, &identity));
    CHECK(identity.not_after == MAKER_NOW + MAKER_HOUR);
    CHECK(identity.leaf_not_after == MAKER_NOW + 2 * MAKER_HOUR);
    CHECK_OK(verify_at(&module, &identity, MAKER_NOW));
    CHECK_OK(verify_at(&module, &identity, MAKER_NOW - IDENTITY_BACKDATED_S));
    CHECK_OK(verify_at(&module, &identity, MAKER_NOW + MAKER_HOUR));
    CHECK_FAILS(REFUSED, verify_at(&module, &identity, MAKER_NOW + MAKER_HOUR + 1));
    CHECK(ERR_peek_error() == 0);
}

TEST(the_certificate_says_nothing_that_could_be_trusted)
{
    char name[64] = "";
    MODULE module;
    IDENTITY identity = { .key = NULL };
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    CHECK_OK(make(&module, &identity));
    X509 *certificate = identity.certificate;
    CHECK(X509_get_version(certificate) == X509_VERSION_3);
    CHECK(X509_get_ext_count(certificate) == 1);
    CHECK(X509_EXTENSION_get_critical(X509_get_ext(certificate, 0)) == 0);
    CHECK(X509_NAME_entry_count(X509_get_subject_name(certificate)) == 1);
    CHECK(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                    sizeof(name)) > 0);
    CHECK_TEXT(name, "containment-chamber");
    CHECK(X509_check_private_key(certificate, identity.key) == 1);
}

TEST(every_identity_has_a_key_and_a_number_of_its_own)
{
    MODULE module;
    IDENTITY first = { .key = NULL };
    IDENTITY second = { .key = NULL };
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    CHECK_OK(make(&module, &first));
    CHECK_OK(make(&module, &second));
    CHECK(EVP_PKEY_eq(first.key, second.key) == 0);
    const ASN1_INTEGER *numbers[2] = { X509_get0_serialNumber(first.certificate),
                                       X509_get0_serialNumber(second.certificate) };
    CHECK(ASN1_INTEGER_cmp(numbers[0], numbers[1]) != 0);
    for (int i = 0; i < 2; i++) {
        CHECK(ASN1_STRING_length(numbers[i]) == 20 &&
              ASN1_STRING_type(numbers[i]) == V_ASN1_INTEGER);
    }
}

TEST(it_never_outlives_the_documents_leaf)
{
    static const int64_t left[] = { 1, 600, MAKER_HOUR - 1, MAKER_HOUR, MAKER_HOUR + 1 };
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        MODULE module;
        IDENTITY identity = { .key = NULL };
        uint64_t end = MAKER_NOW + (uint64_t)left[i];
        module_init(&module, configuration, -MAKER_HOUR, left[i]);
        CHECK_OK(make(&module, &identity));
        CHECK(identity.leaf_not_after == end);
        CHECK(identity.not_after == (end < MAKER_NOW + MAKER_HOUR ? end : MAKER_NOW + MAKER_HOUR));
        CHECK_OK(verify_at(&module, &identity, identity.not_after));
    }
}

TEST(a_leaf_that_has_just_begun_does)
{
    static const int64_t from[] = { -IDENTITY_BACKDATED_S, 0, 1, 250, CHAIN_LEEWAY_SECONDS };
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        MODULE module;
        IDENTITY identity = { .key = NULL };
        module_init(&module, configuration, from[i], 2 * MAKER_HOUR);
        CHECK_OK(make(&module, &identity));
        CHECK_OK(verify_at(&module, &identity, MAKER_NOW));
    }
}

static void say_no_key(struct maker_claims *claims)
{
    claims->public_key.bytes = NULL;
}

static void say_another_key(struct maker_claims *claims)
{
    static uint8_t key[EVIDENCE_SPKI_MAX];
    memcpy(key, claims->public_key.bytes, claims->public_key.size);
    key[claims->public_key.size - 1] ^= 1;
    claims->public_key.bytes = key;
}

static void say_no_user_data(struct maker_claims *claims)
{
    claims->user_data.bytes = NULL;
}

static void say_less_user_data(struct maker_claims *claims)
{
    claims->user_data.size--;
}

static uint8_t changed_data[EVIDENCE_USER_DATA_SIZE];

static void say_data_with_change_at(struct maker_claims *claims, size_t place)
{
    memcpy(changed_data, claims->user_data.bytes, sizeof(changed_data));
    changed_data[place] ^= 1;
    claims->user_data.bytes = changed_data;
}

static void say_another_keys_data(struct maker_claims *claims)
{
    say_data_with_change_at(claims, EVIDENCE_LABEL_SIZE);
}

static void say_another_configuration(struct maker_claims *claims)
{
    say_data_with_change_at(claims, EVIDENCE_USER_DATA_SIZE - 1);
}

static void measure_another_configuration(struct maker_claims *claims)
{
    claims->configuration = pcr_of("other", 5);
}

static void measure_no_configuration(struct maker_claims *claims)
{
    memset(&claims->configuration, 0, sizeof(claims->configuration));
}

static void say_long_ago(struct maker_claims *claims)
{
    claims->timestamp_ms -= (POLICY_MAX_AGE_DEFAULT + 1) * 1000;
}

static void say_the_future(struct maker_claims *claims)
{
    claims->timestamp_ms += (CHAIN_LEEWAY_SECONDS + 1) * 1000;
}

TEST(a_document_that_clients_would_refuse_is_refused_here)
{
    static const struct {
        void (*change)(struct maker_claims *claims);
        const char *place;
    } cases[] = {
        { say_no_key, "public_key" },
        { say_another_key, "public_key" },
        { say_no_user_data, "user_data" },
        { say_less_user_data, "user_data" },
        { say_another_keys_data, "user_data" },
        { say_another_configuration, "configuration" },
        { measure_another_configuration, "configuration: PCR16" },
        { measure_no_configuration, "configuration: PCR16" },
        { say_long_ago, "freshness" },
        { say_the_future, "freshness" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MODULE module;
        struct identity identity = { .not_after = 7 };
        module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
        module.change = cases[i].change;
        CHECK_FAILS(REFUSED, make(&module, &identity));
        CHECK(strncmp(detail.text, cases[i].place, strlen(cases[i].place)) == 0);
        CHECK(identity.key == NULL && identity.certificate == NULL && identity.not_after == 7);
        CHECK(ERR_peek_error() == 0);
    }
}

TEST(a_leaf_that_is_not_valid_now_is_refused)
{
    static const int64_t windows[][2] = { { -2 * MAKER_HOUR, -1 },
                                          { CHAIN_LEEWAY_SECONDS + 1, MAKER_HOUR } };
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        MODULE module;
        struct identity identity;
        module_init(&module, configuration, windows[i][0], windows[i][1]);
        CHECK_FAILS(REFUSED, make(&module, &identity));
        CHECK_TEXT(detail.text, "the document's certificate");
    }
}

TEST(a_document_of_another_key_than_its_leafs_is_refused)
{
    MODULE module;
    struct identity identity;
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    EVP_PKEY_free(module.chain.keys[MAKER_LEAF]);
    module.chain.keys[MAKER_LEAF] = maker_key("P-384");
    CHECK_FAILS(REFUSED, make(&module, &identity));
    CHECK(strncmp(detail.text, "signature", 9) == 0);
}

TEST(a_broken_chain_is_refused)
{
    MODULE module;
    struct identity identity;
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    module.chain.ders[1][module.chain.sizes[1] - 1] ^= 1; /* in the region's signature */
    CHECK_FAILS(REFUSED, make(&module, &identity));
    CHECK(strncmp(detail.text, "chain", 5) == 0);
}

static struct result give_bytes(void *context, const struct attestation_claims *claims,
                                struct buf *out)
{
    (void)claims;
    buf_append_text(out, context);
    return OK;
}

TEST(what_is_no_document_is_refused)
{
    static char answers[][32] = { "", "x", "\x84", "<html>sorry</html>" };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const struct attestor attestor = { .attest = give_bytes, .context = answers[i] };
        struct identity identity;
        CHECK_FAILS(BAD_INPUT,
                    identity_make(&attestor, configuration, MAKER_NOW, &identity, &detail));
    }
}

TEST(the_attestors_failures_are_told)
{
    static const enum status failures[] = { STATUS_UNAVAILABLE, STATUS_LIMIT, STATUS_BAD_INPUT };
    MODULE module;
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct identity identity = { .key = NULL };
        module.result = (struct result){ failures[i], "no" };
        struct result result = make(&module, &identity);
        CHECK(result.status == failures[i]);
        CHECK_TEXT(result.what, "no");
        CHECK(identity.key == NULL);
    }
}

/* The private key as OpenSSL keeps it, masked. */
static bool masked_scalar(const EVP_PKEY *key, uint8_t out[static SCALAR])
{
    BIGNUM *scalar = NULL;
    bool got = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
               BN_bn2lebinpad(scalar, out, SCALAR) == SCALAR;
    for (size_t i = 0; i < SCALAR; i++) {
        out[i] ^= MEMORY_SCAN_MASK;
    }
    BN_clear_free(scalar);
    return got;
}

TEST(of_a_key_that_is_done_with_no_copy_is_left)
{
    uint8_t needle[SCALAR];
    if (!memory_scan_works()) {
        SKIP("a sanitizer or valgrind keeps what was freed");
    }
    MODULE module;
    IDENTITY identity = { .key = NULL };
    module_init(&module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    CHECK_OK(make(&module, &identity));
    CHECK(masked_scalar(identity.key, needle));
    CHECK(memory_scan(needle, sizeof(needle)) > 0);
    identity_done(&identity);
    CHECK(memory_scan(needle, sizeof(needle)) == 0);
}

HARNESS_TESTS(T(clients_accept_the_certificate_from_beginning_to_end),
              T(the_certificate_says_nothing_that_could_be_trusted),
              T(every_identity_has_a_key_and_a_number_of_its_own),
              T(it_never_outlives_the_documents_leaf), T(a_leaf_that_has_just_begun_does),
              T(a_document_that_clients_would_refuse_is_refused_here),
              T(a_leaf_that_is_not_valid_now_is_refused),
              T(a_document_of_another_key_than_its_leafs_is_refused), T(a_broken_chain_is_refused),
              T(what_is_no_document_is_refused), T(the_attestors_failures_are_told),
              T(of_a_key_that_is_done_with_no_copy_is_left))
