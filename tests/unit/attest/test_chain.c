#include "attest/chain.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "harness.h"
#include "maker.h"

static struct result verify(const struct maker_chain *chain, uint64_t now, struct detail *detail)
{
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    struct document document = maker_document(chain);
    return chain_verify(&document, maker_view(chain, 0), now, &leaf, detail);
}

TEST(aws_s_root_is_the_published_one)
{
    uint8_t hash[SHA256_SIZE];
    char text[HEX_TEXT_SIZE(SHA256_SIZE)];
    CLEANUP(X509_free_ptr) X509 *root = NULL;
    struct chain_window window;
    sha256(chain_aws_root.bytes, chain_aws_root.size, hash);
    hex_encode(hash, sizeof(hash), text);
    CHECK_TEXT(text, "0x641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
    CHECK_OK(chain_parse_certificate(chain_aws_root, &root));
    CHECK_OK(chain_window_of(root, &window));
    CHECK(window.not_before == 1572269285);
    CHECK(window.not_after == 2519044085);
}

TEST(a_sound_path_gives_the_leaf)
{
    MAKER_CHAIN chain = maker_plans();
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    struct detail detail;
    maker_make(&chain);
    struct document document = maker_document(&chain);
    CHECK_OK(chain_verify(&document, maker_view(&chain, 0), MAKER_NOW, &leaf, &detail));
    uint8_t *der = NULL;
    int size = i2d_X509(leaf, &der);
    bool same = (size_t)size == chain.sizes[MAKER_LEAF] &&
                memcmp(der, chain.ders[MAKER_LEAF], (size_t)size) == 0;
    OPENSSL_free(der);
    CHECK(same);
}

TEST(leeway_is_before_the_beginning_only)
{
    MAKER_CHAIN chain = maker_plans();
    const uint64_t begin = MAKER_NOW - MAKER_HOUR;
    const uint64_t end = MAKER_NOW + 2 * MAKER_HOUR;
    struct detail detail;
    maker_make(&chain);
    CHECK_OK(verify(&chain, begin - CHAIN_LEEWAY_SECONDS, &detail));
    CHECK_FAILS(REFUSED, verify(&chain, begin - CHAIN_LEEWAY_SECONDS - 1, &detail));
    CHECK_TEXT(detail.text, "certificate");
    CHECK_OK(verify(&chain, end, &detail));
    CHECK_FAILS(REFUSED, verify(&chain, end + 1, &detail));
    CHECK_FAILS(REFUSED, verify(&chain, 0, &detail));
    CHECK_FAILS(REFUSED, verify(&chain, UINT64_MAX, &detail));
}

/* Each point of each certificate, changed once. */
static const struct {
    size_t place;
    struct maker_plan plan; /* what is not NULL or 0 takes the place of what is planned */
    const char *detail;
} broken[] = {
    { 0, { .usage = "critical,cRLSign" }, "cabundle[0]" },
    { 0, { .constraints = "CA:TRUE" }, "cabundle[0]" },
    { 0, { .not_after = -1 }, "cabundle[0]" },
    { 1, { .constraints = "critical,CA:TRUE" }, "cabundle[1]" },
    { 1, { .constraints = "critical,CA:TRUE,pathlen:0" }, "cabundle[1] (path length" },
    { 1, { .constraints = "critical,CA:FALSE" }, "cabundle[1]" },
    { 1, { .usage = "critical,digitalSignature" }, "cabundle[1]" },
    { 1, { .curve = "P-256" }, "cabundle[1]" },
    { 1, { .digest = EVP_sha512 }, "cabundle[1]" },
    { 2, { .constraints = "CA:TRUE,pathlen:0" }, "cabundle[2]" },
    { 2, { .not_before = CHAIN_LEEWAY_SECONDS + 1 }, "cabundle[2]" },
    { 2, { .digest = EVP_sha256 }, "cabundle[2]" },
    { 3, { .constraints = "critical,CA:TRUE,pathlen:0" }, "certificate" },
    { 3, { .usage = "keyAgreement" }, "certificate" },
    { 3, { .curve = "P-521" }, "certificate" },
    { 3, { .curve = "secp256k1" }, "certificate" },
};

static void change(struct maker_plan *plan, const struct maker_plan *to)
{
    plan->constraints = to->constraints != NULL ? to->constraints : plan->constraints;
    plan->usage = to->usage != NULL ? to->usage : plan->usage;
    plan->not_before = to->not_before != 0 ? to->not_before : plan->not_before;
    plan->not_after = to->not_after != 0 ? to->not_after : plan->not_after;
    plan->curve = to->curve != NULL ? to->curve : plan->curve;
    plan->digest = to->digest != NULL ? to->digest : plan->digest;
}

TEST(each_point_of_each_certificate_is_looked_at)
{
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        MAKER_CHAIN chain = maker_plans();
        struct detail detail = { "" };
        change(&chain.plans[broken[i].place], &broken[i].plan);
        maker_make(&chain);
        CHECK_FAILS(REFUSED, verify(&chain, MAKER_NOW, &detail));
        CHECK(strncmp(detail.text, broken[i].detail, strlen(broken[i].detail)) == 0);
    }
}

TEST(certificates_without_the_extensions_are_refused)
{
    for (size_t i = 0; i < MAKER_PATH; i++) {
        for (size_t missing = 0; missing < 2; missing++) {
            MAKER_CHAIN chain = maker_plans();
            struct detail detail;
            if (missing == 0) {
                chain.plans[i].constraints = NULL;
            } else {
                chain.plans[i].usage = NULL;
            }
            maker_make(&chain);
            CHECK_FAILS(REFUSED, verify(&chain, MAKER_NOW, &detail));
        }
    }
}

TEST(one_flipped_bit_of_a_certificate_s_end_is_seen)
{
    MAKER_CHAIN chain = maker_plans();
    struct detail detail;
    maker_make(&chain);
    for (size_t i = 0; i < MAKER_PATH; i++) { /* the last byte is the signature's */
        chain.ders[i][chain.sizes[i] - 1] ^= 1;
        CHECK_FAILS(REFUSED, verify(&chain, MAKER_NOW, &detail));
        chain.ders[i][chain.sizes[i] - 1] ^= 1;
    }
    CHECK_OK(verify(&chain, MAKER_NOW, &detail));
}

TEST(another_root_is_refused_even_by_the_same_name)
{
    MAKER_CHAIN chain = maker_plans();
    MAKER_CHAIN other = maker_plans();
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    struct detail detail;
    maker_make(&chain);
    maker_make(&other);
    struct document document = maker_document(&chain);
    CHECK_FAILS(REFUSED, chain_verify(&document, maker_view(&other, 0), MAKER_NOW, &leaf, &detail));
    CHECK_FAILS(REFUSED, chain_verify(&document, chain_aws_root, MAKER_NOW, &leaf, &detail));
    CHECK_FAILS(REFUSED,
                chain_verify(&document, (struct cbor_view){ NULL, 0 }, MAKER_NOW, &leaf, &detail));
    document.cabundle[0] = maker_view(&other, 0); /* the root asked for, but not that of the path */
    CHECK_FAILS(REFUSED, chain_verify(&document, maker_view(&other, 0), MAKER_NOW, &leaf, &detail));
    CHECK(leaf == NULL);
}

TEST(the_bundle_is_the_path_and_nothing_else)
{
    MAKER_CHAIN chain = maker_plans();
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    struct detail detail;
    maker_make(&chain);
    struct document swapped = maker_document(&chain);
    swapped.cabundle[1] = maker_view(&chain, 2);
    swapped.cabundle[2] = maker_view(&chain, 1);
    struct document shorter = maker_document(&chain);
    shorter.cabundle_count = 2;
    struct document longer = maker_document(&chain);
    longer.cabundle[longer.cabundle_count++] = maker_view(&chain, 2);
    struct document twice = maker_document(&chain);
    twice.cabundle[1] = maker_view(&chain, 0);
    const struct document *const wrong[] = { &swapped, &shorter, &longer, &twice };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(REFUSED,
                    chain_verify(wrong[i], maker_view(&chain, 0), MAKER_NOW, &leaf, &detail));
    }
    CHECK(leaf == NULL);
}

TEST(a_certificate_fills_its_bytes)
{
    MAKER_CHAIN chain = maker_plans();
    CLEANUP(X509_free_ptr) X509 *certificate = NULL;
    maker_make(&chain);
    struct cbor_view whole = maker_view(&chain, 1);
    for (size_t size = 0; size < whole.size; size++) {
        CHECK_FAILS(BAD_INPUT,
                    chain_parse_certificate((struct cbor_view){ whole.bytes, size }, &certificate));
    }
    uint8_t *longer = calloc(1, whole.size + 1);
    CHECK(longer != NULL);
    memcpy(longer, whole.bytes, whole.size);
    struct result parsed =
        chain_parse_certificate((struct cbor_view){ longer, whole.size + 1 }, &certificate);
    free(longer);
    CHECK_FAILS(BAD_INPUT, parsed);
    CHECK(certificate == NULL);
}

TEST(windows_hold_at_both_ends)
{
    const struct chain_window window = { .not_before = 1000, .not_after = 2000 };
    CHECK_OK(chain_window_check(&window, 700));
    CHECK_FAILS(REFUSED, chain_window_check(&window, 699));
    CHECK_OK(chain_window_check(&window, 2000));
    CHECK_FAILS(REFUSED, chain_window_check(&window, 2001));
    CHECK_FAILS(REFUSED, chain_window_check(&window, UINT64_MAX));
}

HARNESS_TESTS(T(aws_s_root_is_the_published_one), T(a_sound_path_gives_the_leaf),
              T(leeway_is_before_the_beginning_only),
              T(each_point_of_each_certificate_is_looked_at),
              T(certificates_without_the_extensions_are_refused),
              T(one_flipped_bit_of_a_certificate_s_end_is_seen),
              T(another_root_is_refused_even_by_the_same_name),
              T(the_bundle_is_the_path_and_nothing_else), T(a_certificate_fills_its_bytes),
              T(windows_hold_at_both_ends))
