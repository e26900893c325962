#include "attest/verifier.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

enum { SCALAR_SIZE = DOCUMENT_SIGNATURE_SIZE / 2 };

/* What is being checked, as far as it is known. */
struct subject {
    const struct expectations *expectations;
    const struct evidence *evidence; /* NULL: a document by itself */
    struct cbor_view bytes;          /* of the document */
    X509 *leaf;
    struct report *report;
};

static void subject_done(struct subject *subject)
{
    X509_free(subject->leaf);
}

static void signature_free(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

static void digest_free(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static struct result check_expected_bytes(const struct cbor_view *wanted, const char *name,
                                          struct detail *detail)
{
    detail_set(detail, "%s", name);
    ENSURE(wanted == NULL || (wanted->bytes != NULL && wanted->size > 0), BAD_INPUT,
           "to expect no bytes is to expect nothing");
    return OK;
}

static struct result check_expectations(struct subject *subject, struct detail *detail)
{
    const struct expectations *wanted = subject->expectations;
    TRY(policy_check(wanted->policy, detail));
    TRY(check_expected_bytes(wanted->root, "root", detail));
    TRY(check_expected_bytes(wanted->nonce, "nonce", detail));
    TRY(check_expected_bytes(wanted->user_data, "user_data", detail));
    TRY(check_expected_bytes(wanted->public_key, "public_key", detail));
    ENSURE(subject->evidence == NULL || (wanted->user_data == NULL && wanted->public_key == NULL),
           BAD_INPUT, "a certificate says itself what its document must");
    return OK;
}

static struct result check_certificate(struct subject *subject, struct detail *detail)
{
    struct chain_window window;
    (void)detail;
    TRY(evidence_check_self_signed(subject->evidence));
    TRY(chain_window_of(subject->evidence->certificate, &window));
    return chain_window_check(&window, subject->expectations->now_seconds);
}

static struct result check_evidence(struct subject *subject, struct detail *detail)
{
    (void)detail;
    return evidence_document(subject->evidence, &subject->bytes);
}

static struct result check_document(struct subject *subject, struct detail *detail)
{
    TRY(document_parse(subject->bytes.bytes, subject->bytes.size, &subject->report->document,
                       detail));
    subject->report->has_document = true;
    return OK;
}

static struct result check_chain(struct subject *subject, struct detail *detail)
{
    const struct cbor_view *root = subject->expectations->root;
    struct report *report = subject->report;
    TRY(chain_verify(&report->document, root != NULL ? *root : chain_aws_root,
                     subject->expectations->now_seconds, &subject->leaf, detail));
    TRY(chain_window_of(subject->leaf, &report->leaf));
    report->has_leaf = true;
    return OK;
}

/* r || s as the DER that OpenSSL takes. */
static struct result signature_to_der(struct cbor_view raw, struct buf *out)
{
    uint8_t *der = NULL;
    CLEANUP(signature_free) ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.bytes, SCALAR_SIZE, NULL);
    BIGNUM *s = BN_bin2bn(raw.bytes + SCALAR_SIZE, SCALAR_SIZE, NULL);
    if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    int size = i2d_ECDSA_SIG(signature, &der);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    buf_append(out, der, (size_t)size);
    OPENSSL_free(der);
    return buf_check(out);
}

static struct result check_signature(struct subject *subject, struct detail *detail)
{
    const struct document *document = &subject->report->document;
    BUF signature = BUF_INIT(2 * DOCUMENT_SIGNATURE_SIZE);
    BUF message = BUF_INIT(DOCUMENT_MAX + 64);
    CLEANUP(digest_free) EVP_MD_CTX *context = EVP_MD_CTX_new();
    (void)detail;
    document_write_signed(document, &message);
    TRY(buf_check(&message));
    TRY(signature_to_der(document->signature, &signature));
    ENSURE(context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL,
                                                   X509_get0_pubkey(subject->leaf)) == 1,
           UNAVAILABLE, "out of memory");
    int verified = EVP_DigestVerify(context, (const uint8_t *)signature.data, signature.size,
                                    (const uint8_t *)message.data, message.size);
    ENSURE(verified == 1, REFUSED, "not signed by the key of the document's certificate");
    return OK;
}

static struct result check_freshness(struct subject *subject, struct detail *detail)
{
    uint64_t made = subject->report->document.timestamp_ms / 1000;
    uint64_t now = subject->expectations->now_seconds;
    uint64_t allowed = subject->expectations->policy->max_age_seconds;
    uint64_t ahead = made > now ? made - now : 0;
    uint64_t age = now > made ? now - made : 0;
    detail_set(detail, "made %" PRIu64 " s from now", ahead);
    ENSURE(ahead <= CHAIN_LEEWAY_SECONDS, REFUSED, "the document is from the future");
    detail_set(detail, "%" PRIu64 " s old, %" PRIu64 " s allowed", age, allowed);
    ENSURE(age <= allowed, REFUSED, "the document is too old");
    return OK;
}

static struct result check_registers(struct subject *subject, struct detail *detail)
{
    return policy_check_registers(subject->expectations->policy, &subject->report->document,
                                  detail);
}

static struct result check_same(struct cbor_view found, struct cbor_view wanted)
{
    ENSURE(found.bytes != NULL, REFUSED, "the document has none");
    ENSURE(found.size == wanted.size && memcmp(found.bytes, wanted.bytes, wanted.size) == 0,
           REFUSED, "not the one that was expected");
    return OK;
}

static struct result check_nonce(struct subject *subject, struct detail *detail)
{
    (void)detail;
    return check_same(subject->report->document.nonce, *subject->expectations->nonce);
}

static struct cbor_view spki_of(const struct evidence *evidence)
{
    return (struct cbor_view){ evidence->spki, evidence->spki_size };
}

static struct result check_public_key(struct subject *subject, struct detail *detail)
{
    struct cbor_view found = subject->report->document.public_key;
    if (subject->evidence == NULL) {
        return check_same(found, *subject->expectations->public_key);
    }
    detail_set(detail, "the certificate's key");
    return check_same(found, spki_of(subject->evidence));
}

static struct result check_user_data(struct subject *subject, struct detail *detail)
{
    struct report *report = subject->report;
    (void)detail;
    if (subject->evidence == NULL) {
        return check_same(report->document.user_data, *subject->expectations->user_data);
    }
    TRY(evidence_user_data_check(report->document.user_data, spki_of(subject->evidence),
                                 report->configuration));
    report->has_configuration = true;
    return OK;
}

static struct result check_configuration(struct subject *subject, struct detail *detail)
{
    const struct report *report = subject->report;
    const uint8_t *wanted = subject->expectations->configuration;
    const uint8_t *told = report->has_configuration ? report->configuration : wanted;
    ENSURE(wanted == NULL || memcmp(told, wanted, SHA384_SIZE) == 0, REFUSED,
           "the enclave has another configuration");
    detail_set(detail, "PCR16");
    if (!document_has_pcr(&report->document, PCR_CONFIGURATION)) {
        ENSURE(wanted == NULL, REFUSED, "the document does not have it");
        return OK;
    }
    struct pcr measured = pcr_of(told, SHA384_SIZE);
    ENSURE(pcr_equal(&report->document.pcrs[PCR_CONFIGURATION], &measured), REFUSED,
           "the enclave measured another configuration");
    return OK;
}

static struct result check_lifetime(struct subject *subject, struct detail *detail)
{
    struct chain_window window;
    const struct chain_window *leaf = &subject->report->leaf;
    (void)detail;
    TRY(chain_window_of(subject->evidence->certificate, &window));
    ENSURE(window.not_before + CHAIN_LEEWAY_SECONDS >= leaf->not_before, REFUSED,
           "the certificate begins before the document's");
    ENSURE(window.not_after <= leaf->not_after, REFUSED, "the certificate outlives the document's");
    return OK;
}

static bool always(const struct subject *subject)
{
    (void)subject;
    return true;
}

static bool for_certificate(const struct subject *subject)
{
    return subject->evidence != NULL;
}

static bool for_nonce(const struct subject *subject)
{
    return subject->expectations->nonce != NULL;
}

static bool for_public_key(const struct subject *subject)
{
    return subject->evidence != NULL || subject->expectations->public_key != NULL;
}

static bool for_user_data(const struct subject *subject)
{
    return subject->evidence != NULL || subject->expectations->user_data != NULL;
}

static bool for_configuration(const struct subject *subject)
{
    return subject->evidence != NULL || subject->expectations->configuration != NULL;
}

#define NEEDS(check) ((unsigned)1 << (check))

/* `needs`: what must have held, or not have been asked for, before. */
static const struct {
    const char *name;
    bool (*is_asked)(const struct subject *subject);
    struct result (*make)(struct subject *subject, struct detail *detail);
    unsigned needs;
} checks[CHECKS] = {
    [CHECK_EXPECTATIONS] = { "expectations", always, check_expectations, 0 },
    [CHECK_CERTIFICATE] = { "certificate", for_certificate, check_certificate, 0 },
    [CHECK_EVIDENCE] = { "evidence", for_certificate, check_evidence, 0 },
    [CHECK_DOCUMENT] = { "document", always, check_document, NEEDS(CHECK_EVIDENCE) },
    [CHECK_CHAIN] = { "chain", always, check_chain,
                      NEEDS(CHECK_EXPECTATIONS) | NEEDS(CHECK_DOCUMENT) },
    [CHECK_SIGNATURE] = { "signature", always, check_signature, NEEDS(CHECK_CHAIN) },
    [CHECK_FRESHNESS] = { "freshness", always, check_freshness, NEEDS(CHECK_DOCUMENT) },
    [CHECK_REGISTERS] = { "registers", always, check_registers,
                          NEEDS(CHECK_EXPECTATIONS) | NEEDS(CHECK_DOCUMENT) },
    [CHECK_NONCE] = { "nonce", for_nonce, check_nonce,
                      NEEDS(CHECK_EXPECTATIONS) | NEEDS(CHECK_DOCUMENT) },
    [CHECK_PUBLIC_KEY] = { "public_key", for_public_key, check_public_key,
                           NEEDS(CHECK_EXPECTATIONS) | NEEDS(CHECK_DOCUMENT) },
    [CHECK_USER_DATA] = { "user_data", for_user_data, check_user_data,
                          NEEDS(CHECK_EXPECTATIONS) | NEEDS(CHECK_DOCUMENT) },
    [CHECK_CONFIGURATION] = { "configuration", for_configuration, check_configuration,
                              NEEDS(CHECK_DOCUMENT) | NEEDS(CHECK_USER_DATA) },
    [CHECK_LIFETIME] = { "lifetime", for_certificate, check_lifetime, NEEDS(CHECK_CHAIN) },
};

const char *check_name(enum check check)
{
    return checks[check].name;
}

static bool is_reached(const struct report *report, unsigned needs)
{
    for (unsigned i = 0; i < CHECKS; i++) {
        enum check_outcome outcome = report->checks[i].outcome;
        if ((needs & NEEDS(i)) != 0 && outcome != CHECK_HELD && outcome != CHECK_NOT_ASKED) {
            return false;
        }
    }
    return true;
}

static void make_check(struct subject *subject, unsigned i)
{
    struct check_report *check = &subject->report->checks[i];
    if (!checks[i].is_asked(subject)) {
        check->outcome = CHECK_NOT_ASKED;
        return;
    }
    if (!is_reached(subject->report, checks[i].needs)) {
        check->outcome = CHECK_NOT_REACHED;
        return;
    }
    check->result = checks[i].make(subject, &check->detail);
    check->outcome = is_ok(check->result) ? CHECK_HELD : CHECK_REFUSED;
}

/* OK when each check held or was not asked for. */
static struct result conclude(const struct report *report, struct detail *detail)
{
    for (unsigned i = 0; i < CHECKS; i++) {
        const struct check_report *check = &report->checks[i];
        if (check->outcome == CHECK_REFUSED) {
            bool has_place = check->detail.text[0] != '\0';
            detail_set(detail, "%s%s%s", checks[i].name, has_place ? ": " : "", check->detail.text);
            return check->result;
        }
        ENSURE(check->outcome != CHECK_NOT_REACHED, REFUSED, "a check was not made");
    }
    return OK;
}

static struct result verify(struct subject *subject, struct detail *detail)
{
    const struct cbor_view *root = subject->expectations->root;
    struct report *report = subject->report;
    assert(subject->expectations->policy != NULL);
    memset(report, 0, sizeof(*report));
    report->development_root =
        root != NULL && (root->size != chain_aws_root.size ||
                         memcmp(root->bytes, chain_aws_root.bytes, root->size) != 0);
    ERR_set_mark();
    for (unsigned i = 0; i < CHECKS; i++) {
        make_check(subject, i);
    }
    ERR_pop_to_mark();
    return conclude(report, detail);
}

RESULT verifier_check_document(struct cbor_view document, const struct expectations *expectations,
                               struct report *out, struct detail *detail)
{
    CLEANUP(subject_done)
    struct subject subject = { .expectations = expectations, .bytes = document, .report = out };
    return verify(&subject, detail);
}

RESULT verifier_check_certificate(const struct evidence *evidence,
                                  const struct expectations *expectations, struct report *out,
                                  struct detail *detail)
{
    CLEANUP(subject_done)
    struct subject subject = { .expectations = expectations, .evidence = evidence, .report = out };
    return verify(&subject, detail);
}
