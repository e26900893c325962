#include "attest/verifier.h"
#include "harness.h"
#include "maker.h"

#include <openssl/err.h>

static void key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

#define KEY         CLEANUP(key_free) EVP_PKEY
#define CERTIFICATE CLEANUP(X509_free_ptr) X509
#define EVIDENCE    CLEANUP(evidence_done) struct evidence

/* A path, a policy for its image, and what a test says and asks for. */
struct stage {
    struct maker_chain chain;
    struct maker_claims claims;
    struct policy policy;
    struct cbor_view root;
    struct expectations wanted;
    struct buf document;
    struct report report;
    struct detail detail;
};

static void stage_done(struct stage *stage)
{
    maker_done(&stage->chain);
    buf_free(&stage->document);
}

static void stage_init(struct stage *stage)
{
    *stage = (struct stage){
        .chain = maker_plans(),
        .claims = { .timestamp_ms = (uint64_t)MAKER_NOW * 1000, .image = pcr_of("image", 5) },
        .document = BUF_INIT(DOCUMENT_MAX),
    };
    maker_make(&stage->chain);
    policy_init(&stage->policy);
    if (!is_ok(policy_allow(&stage->policy, PCR_IMAGE, &stage->claims.image))) {
        abort();
    }
    stage->root = maker_view(&stage->chain, 0);
    stage->wanted = (struct expectations){ .policy = &stage->policy,
                                           .root = &stage->root,
                                           .now_seconds = MAKER_NOW };
}

#define STAGE(name)                        \
    CLEANUP(stage_done) struct stage name; \
    stage_init(&name)

static struct cbor_view document_of(struct stage *stage)
{
    buf_clear(&stage->document);
    maker_sign(&stage->chain, &stage->claims, &stage->document);
    return (struct cbor_view){ (uint8_t *)stage->document.data, stage->document.size };
}

static struct result verify(struct stage *stage)
{
    return verifier_check_document(document_of(stage), &stage->wanted, &stage->report,
                                   &stage->detail);
}

/* True when `check` is the one that refused, and no other did. */
static bool refused_by(const struct stage *stage, enum check check)
{
    for (unsigned i = 0; i < CHECKS; i++) {
        if ((stage->report.checks[i].outcome == CHECK_REFUSED) != (i == check)) {
            return false;
        }
    }
    return strncmp(stage->detail.text, check_name(check), strlen(check_name(check))) == 0;
}

static struct cbor_view view_of(const char *text)
{
    return (struct cbor_view){ (const uint8_t *)text, strlen(text) };
}

TEST(a_sound_document_holds)
{
    STAGE(stage);
    CHECK_OK(verify(&stage));
    CHECK(stage.report.has_document && stage.report.has_leaf && stage.report.development_root);
    CHECK(cbor_view_is(stage.report.document.module_id, "i-01-enc02"));
    CHECK(stage.report.leaf.not_after == MAKER_NOW + 2 * MAKER_HOUR);
    CHECK(stage.report.checks[CHECK_SIGNATURE].outcome == CHECK_HELD);
    CHECK(stage.report.checks[CHECK_NONCE].outcome == CHECK_NOT_ASKED);
    CHECK(stage.report.checks[CHECK_LIFETIME].outcome == CHECK_NOT_ASKED);
    CHECK(ERR_peek_error() == 0);
}

TEST(without_a_root_it_is_aws_s)
{
    STAGE(stage);
    stage.wanted.root = NULL;
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(refused_by(&stage, CHECK_CHAIN));
    CHECK(!stage.report.development_root);
    CHECK(stage.report.checks[CHECK_SIGNATURE].outcome == CHECK_NOT_REACHED);
    stage.wanted.root = &chain_aws_root;
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(!stage.report.development_root);
}

TEST(a_policy_that_asks_for_nothing_fails)
{
    STAGE(stage);
    policy_init(&stage.policy);
    CHECK_FAILS(BAD_INPUT, verify(&stage));
    CHECK(refused_by(&stage, CHECK_EXPECTATIONS));
    CHECK(stage.report.checks[CHECK_REGISTERS].outcome == CHECK_NOT_REACHED);
}

TEST(expecting_no_bytes_fails_though_the_document_has_none)
{
    static const struct cbor_view empty[] = { { NULL, 0 },
                                              { (const uint8_t *)"", 0 },
                                              { NULL, 5 } };
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        for (size_t which = 0; which < 4; which++) {
            STAGE(stage);
            stage.claims.nonce = stage.claims.user_data = view_of("");
            stage.wanted.root = which == 0 ? &empty[i] : stage.wanted.root;
            stage.wanted.nonce = which == 1 ? &empty[i] : NULL;
            stage.wanted.user_data = which == 2 ? &empty[i] : NULL;
            stage.wanted.public_key = which == 3 ? &empty[i] : NULL;
            CHECK_FAILS(BAD_INPUT, verify(&stage));
            CHECK(refused_by(&stage, CHECK_EXPECTATIONS));
        }
    }
}

TEST(expected_bytes_are_compared_whole)
{
    static const char *const found[] = { NULL, "", "expecte", "expected1", "Expected", "expected" };
    const struct cbor_view wanted = view_of("expected");
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        bool same = i == sizeof(found) / sizeof(found[0]) - 1;
        struct cbor_view given = found[i] != NULL ? view_of(found[i]) : (struct cbor_view){ 0 };
        STAGE(stage);
        stage.claims.nonce = given;
        stage.wanted.nonce = &wanted;
        CHECK(is_ok(verify(&stage)) == same);
        CHECK(same || refused_by(&stage, CHECK_NONCE));
        stage.wanted.nonce = NULL;
        stage.claims.user_data = given;
        stage.wanted.user_data = &wanted;
        CHECK(is_ok(verify(&stage)) == same);
        CHECK(same || refused_by(&stage, CHECK_USER_DATA));
        stage.wanted.user_data = NULL;
        stage.claims.public_key = given.size > 0 ? given : (struct cbor_view){ 0 };
        stage.wanted.public_key = &wanted;
        CHECK(is_ok(verify(&stage)) == same);
        CHECK(same || refused_by(&stage, CHECK_PUBLIC_KEY));
    }
}

/* Of every 17th byte: the others take seconds. */
TEST(flipped_bits_of_a_document_are_seen)
{
    STAGE(stage);
    struct cbor_view document = document_of(&stage);
    for (size_t i = 0; i < document.size; i += 17) {
        stage.document.data[i] ^= 0x10;
        struct result result =
            verifier_check_document(document, &stage.wanted, &stage.report, &stage.detail);
        stage.document.data[i] ^= 0x10;
        CHECK(!is_ok(result));
    }
    CHECK_OK(verifier_check_document(document, &stage.wanted, &stage.report, &stage.detail));
}

TEST(age_is_bounded_on_both_sides)
{
    static const struct {
        int64_t age;
        bool held;
    } ages[] = { { 0, true },     { 100, true },       { 101, false },    { -300, true },
                 { -301, false }, { -1000000, false }, { 1000000, false } };
    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        STAGE(stage);
        stage.policy.max_age_seconds = 100;
        stage.claims.timestamp_ms = (uint64_t)(MAKER_NOW - ages[i].age) * 1000;
        CHECK(is_ok(verify(&stage)) == ages[i].held);
        CHECK(ages[i].held || refused_by(&stage, CHECK_FRESHNESS));
    }
    STAGE(stage);
    stage.claims.timestamp_ms = UINT64_MAX;
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(refused_by(&stage, CHECK_FRESHNESS));
}

TEST(another_image_is_refused)
{
    STAGE(stage);
    stage.claims.image = pcr_of("other", 5);
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(refused_by(&stage, CHECK_REGISTERS));
    stage.claims.image = (struct pcr){ { 0 } };
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(refused_by(&stage, CHECK_REGISTERS));
}

TEST(a_leaf_of_the_same_path_but_another_key_does_not_sign)
{
    STAGE(stage);
    EVP_PKEY *leaf = stage.chain.keys[MAKER_LEAF];
    stage.chain.keys[MAKER_LEAF] = stage.chain.keys[MAKER_LEAF - 1];
    struct result result = verify(&stage);
    stage.chain.keys[MAKER_LEAF] = leaf;
    CHECK_FAILS(REFUSED, result);
    CHECK(refused_by(&stage, CHECK_SIGNATURE));
}

TEST(the_first_refusal_is_the_reason_and_the_others_are_told)
{
    STAGE(stage);
    const struct cbor_view nonce = view_of("n");
    stage.wanted.nonce = &nonce;
    stage.claims.timestamp_ms = 1;
    stage.claims.image = pcr_of("other", 5);
    CHECK_FAILS(REFUSED, verify(&stage));
    CHECK(strncmp(stage.detail.text, "freshness: ", 11) == 0);
    CHECK(stage.report.checks[CHECK_FRESHNESS].outcome == CHECK_REFUSED);
    CHECK(stage.report.checks[CHECK_REGISTERS].outcome == CHECK_REFUSED);
    CHECK(stage.report.checks[CHECK_NONCE].outcome == CHECK_REFUSED);
    CHECK(stage.report.checks[CHECK_SIGNATURE].outcome == CHECK_HELD);
}

/* A certificate with the stage's document, which is bound to `bound_to`'s key. */
static X509 *attested(struct stage *stage, EVP_PKEY *key, EVP_PKEY *bound_to, int64_t not_before,
                      int64_t not_after)
{
    uint8_t configuration[SHA384_SIZE];
    uint8_t user_data[EVIDENCE_USER_DATA_SIZE];
    uint8_t *spki = NULL;
    BUF value = BUF_INIT(EVIDENCE_CERTIFICATE_MAX);
    struct cbor_view public_key = { .size = (size_t)i2d_PUBKEY(bound_to, &spki) };
    public_key.bytes = spki;
    sha384("configuration", 13, configuration);
    evidence_user_data(public_key, configuration, user_data);
    stage->claims.public_key = public_key;
    stage->claims.user_data = (struct cbor_view){ user_data, sizeof(user_data) };
    struct result written = evidence_write_extension(document_of(stage), &value);
    OPENSSL_free(spki);
    if (!is_ok(written)) {
        abort();
    }
    struct cbor_view view = { (uint8_t *)value.data, value.size };
    return maker_certificate(key, &view, not_before, not_after);
}

static struct result verify_certificate(struct stage *stage, X509 *certificate)
{
    EVIDENCE evidence = { .certificate = NULL };
    TRY(evidence_of(certificate, &evidence));
    return verifier_check_certificate(&evidence, &stage->wanted, &stage->report, &stage->detail);
}

TEST(a_sound_certificate_holds)
{
    STAGE(stage);
    KEY *key = maker_key("P-256");
    uint8_t configuration[SHA384_SIZE];
    sha384("configuration", 13, configuration);
    stage.claims.configuration = pcr_of(configuration, sizeof(configuration));
    stage.wanted.configuration = configuration;
    CERTIFICATE *certificate = attested(&stage, key, key, -60, MAKER_HOUR);
    CHECK_OK(verify_certificate(&stage, certificate));
    CHECK(stage.report.has_configuration);
    CHECK(memcmp(stage.report.configuration, configuration, sizeof(configuration)) == 0);
    configuration[0] ^= 1;
    CHECK_FAILS(REFUSED, verify_certificate(&stage, certificate));
    CHECK(refused_by(&stage, CHECK_CONFIGURATION));
    CHECK(ERR_peek_error() == 0);
}

TEST(a_document_of_another_key_is_refused)
{
    STAGE(stage);
    KEY *key = maker_key("P-256");
    KEY *other = maker_key("P-256");
    CERTIFICATE *certificate = attested(&stage, key, other, -60, MAKER_HOUR);
    CHECK_FAILS(REFUSED, verify_certificate(&stage, certificate));
    CHECK(stage.report.checks[CHECK_PUBLIC_KEY].outcome == CHECK_REFUSED);
    CHECK(stage.report.checks[CHECK_USER_DATA].outcome == CHECK_REFUSED);
    CHECK(stage.report.checks[CHECK_SIGNATURE].outcome == CHECK_HELD);
}

TEST(the_measured_configuration_is_that_of_the_key_s_document)
{
    STAGE(stage);
    KEY *key = maker_key("P-256");
    stage.claims.configuration = pcr_of("configuration", 13); /* not of its hash */
    CERTIFICATE *certificate = attested(&stage, key, key, -60, MAKER_HOUR);
    CHECK_FAILS(REFUSED, verify_certificate(&stage, certificate));
    CHECK(refused_by(&stage, CHECK_CONFIGURATION));
}

TEST(the_certificate_is_valid_within_the_document_s_leaf)
{
    static const struct {
        int64_t not_before;
        int64_t not_after;
        enum check refused; /* CHECKS: none */
    } windows[] = {
        { -MAKER_HOUR - 300, 2 * MAKER_HOUR, CHECKS },
        { -MAKER_HOUR - 301, 2 * MAKER_HOUR, CHECK_LIFETIME },
        { 0, 2 * MAKER_HOUR + 1, CHECK_LIFETIME },
        { 301, MAKER_HOUR, CHECK_CERTIFICATE },
        { -60, -1, CHECK_CERTIFICATE },
    };
    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        STAGE(stage);
        KEY *key = maker_key("P-256");
        CERTIFICATE *certificate =
            attested(&stage, key, key, windows[i].not_before, windows[i].not_after);
        struct result result = verify_certificate(&stage, certificate);
        CHECK(is_ok(result) == (windows[i].refused == CHECKS));
        CHECK(is_ok(result) || refused_by(&stage, windows[i].refused));
    }
}

TEST(a_certificate_without_evidence_reaches_nothing)
{
    STAGE(stage);
    KEY *key = maker_key("P-256");
    CERTIFICATE *certificate = maker_certificate(key, NULL, 0, MAKER_HOUR);
    CHECK_FAILS(REFUSED, verify_certificate(&stage, certificate));
    CHECK(refused_by(&stage, CHECK_EVIDENCE));
    CHECK(stage.report.checks[CHECK_DOCUMENT].outcome == CHECK_NOT_REACHED);
    CHECK(!stage.report.has_document);
}

TEST(a_certificate_s_own_expectations_are_not_the_caller_s)
{
    STAGE(stage);
    KEY *key = maker_key("P-256");
    const struct cbor_view any = view_of("x");
    CERTIFICATE *certificate = attested(&stage, key, key, 0, MAKER_HOUR);
    stage.wanted.user_data = &any;
    CHECK_FAILS(BAD_INPUT, verify_certificate(&stage, certificate));
    CHECK(stage.report.checks[CHECK_EXPECTATIONS].outcome == CHECK_REFUSED);
}

HARNESS_TESTS(T(a_sound_document_holds), T(without_a_root_it_is_aws_s),
              T(a_policy_that_asks_for_nothing_fails),
              T(expecting_no_bytes_fails_though_the_document_has_none),
              T(expected_bytes_are_compared_whole), T(flipped_bits_of_a_document_are_seen),
              T(age_is_bounded_on_both_sides), T(another_image_is_refused),
              T(a_leaf_of_the_same_path_but_another_key_does_not_sign),
              T(the_first_refusal_is_the_reason_and_the_others_are_told),
              T(a_sound_certificate_holds), T(a_document_of_another_key_is_refused),
              T(the_measured_configuration_is_that_of_the_key_s_document),
              T(the_certificate_is_valid_within_the_document_s_leaf),
              T(a_certificate_without_evidence_reaches_nothing),
              T(a_certificate_s_own_expectations_are_not_the_caller_s))
