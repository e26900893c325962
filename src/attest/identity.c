#include "attest/identity.h"

#include "attest/chain.h"
#include "attest/document.h"
#include "attest/evidence.h"
#include "attest/verifier.h"
#include "base/random.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <string.h>

enum { SERIAL_SIZE = 20 }; /* bytes: the longest that RFC 5280 allows, 158 bits of them random */

/* Says nothing of who is trusted: what does is the document. */
static const char common_name[] = "containment-chamber";

static void bytes_free(uint8_t **bytes)
{
    OPENSSL_free(*bytes);
}

static void object_free(ASN1_OBJECT **object)
{
    ASN1_OBJECT_free(*object);
}

static void string_free(ASN1_OCTET_STRING **string)
{
    ASN1_OCTET_STRING_free(*string);
}

static void extension_free(X509_EXTENSION **extension)
{
    X509_EXTENSION_free(*extension);
}

static void number_free(BIGNUM **number)
{
    BN_free(*number);
}

/* OpenSSL keeps an elliptic curve's private key in memory that it clears when the last reference
 * goes (EC_KEY_free), as it does with the copies that a signature needs. */
void identity_done(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    memset(identity, 0, sizeof(*identity));
}

/* The document that vouches for `spki`. */
static struct result attest(const struct attestor *attestor, struct cbor_view spki,
                            const uint8_t configuration[static SHA384_SIZE], struct buf *out)
{
    uint8_t user_data[EVIDENCE_USER_DATA_SIZE];
    evidence_user_data(spki, configuration, user_data);
    const struct attestation_claims claims = {
        .user_data = { user_data, sizeof(user_data) },
        .public_key = spki,
    };
    TRY(attestor->attest(attestor->context, &claims, out));
    return buf_check(out);
}

/* Random and positive, and never shorter, for its first bits are 01. */
static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_SIZE];
    random_bytes(bytes, sizeof(bytes));
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
    CLEANUP(number_free) BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
}

static bool set_names(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)common_name, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

/* `time` less `seconds`, but not before 1970. */
static uint64_t before(uint64_t time, uint64_t seconds)
{
    return time > seconds ? time - seconds : 0;
}

/* Within the leaf's lifetime, as verifiers demand; they allow its beginning the same leeway. */
static bool set_window(X509 *certificate, const struct chain_window *leaf, uint64_t now,
                       struct identity *identity)
{
    uint64_t earliest = before(leaf->not_before, CHAIN_LEEWAY_SECONDS);
    uint64_t begin = before(now, IDENTITY_BACKDATED_S);
    uint64_t end = now + IDENTITY_LIFETIME_S;
    identity->not_after = end < leaf->not_after ? end : leaf->not_after;
    identity->leaf_not_after = leaf->not_after;
    begin = begin > earliest ? begin : earliest;
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)begin) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)identity->not_after) != NULL;
}

static struct result add_document(X509 *certificate, struct cbor_view document)
{
    BUF value = BUF_INIT(EVIDENCE_CERTIFICATE_MAX);
    TRY(evidence_write_extension(document, &value));
    CLEANUP(object_free) ASN1_OBJECT *oid = OBJ_txt2obj(EVIDENCE_OID, 1);
    CLEANUP(string_free) ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
    ENSURE(oid != NULL && string != NULL &&
               ASN1_OCTET_STRING_set(string, (const uint8_t *)value.data, (int)value.size) == 1,
           UNAVAILABLE, "out of memory");
    CLEANUP(extension_free)
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, string);
    ENSURE(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, UNAVAILABLE,
           "out of memory");
    return OK;
}

/* When the document's leaf is valid, which must be now. */
static struct result leaf_window(const struct document *document, uint64_t now,
                                 struct chain_window *out, struct detail *detail)
{
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    detail_set(detail, "the document's certificate");
    TRY(chain_parse_certificate(document->certificate, &leaf));
    TRY(chain_window_of(leaf, out));
    return chain_window_check(out, now);
}

static struct result make_certificate(const struct document *document, struct cbor_view bytes,
                                      uint64_t now, struct identity *identity,
                                      struct detail *detail)
{
    struct chain_window leaf;
    TRY(leaf_window(document, now, &leaf, detail));
    detail_set(detail, "%s", "");
    X509 *certificate = X509_new();
    ENSURE(certificate != NULL, UNAVAILABLE, "out of memory");
    identity->certificate = certificate;
    TRY(add_document(certificate, bytes));
    bool made = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
                set_names(certificate) && set_window(certificate, &leaf, now, identity) &&
                X509_set_pubkey(certificate, identity->key) == 1 &&
                X509_sign(certificate, identity->key, EVP_sha384()) > 0;
    ENSURE(made, UNAVAILABLE, "OpenSSL does not make the certificate");
    return OK;
}

/* All that a client checks, but for what only it knows: the root and the registers are taken from
 * the document itself. */
static struct result verify(const struct evidence *evidence, const struct document *document,
                            const uint8_t configuration[static SHA384_SIZE], uint64_t now,
                            struct detail *detail)
{
    struct policy policy;
    struct report report;
    policy_init(&policy);
    policy.allow_debug = true;
    TRY(policy_allow(&policy, PCR_IMAGE, &document->pcrs[PCR_IMAGE]));
    const struct expectations expectations = {
        .policy = &policy,
        .root = &document->cabundle[0],
        .now_seconds = now,
        .configuration = configuration,
    };
    return verifier_check_certificate(evidence, &expectations, &report, detail);
}

/* From the certificate's bytes, as a client gets them. */
static struct result read_back(const struct identity *identity,
                               const uint8_t configuration[static SHA384_SIZE], uint64_t now,
                               struct detail *detail)
{
    CLEANUP(bytes_free) uint8_t *der = NULL;
    CLEANUP(evidence_done) struct evidence evidence = { .certificate = NULL };
    struct document document;
    struct cbor_view bytes;
    int size = i2d_X509(identity->certificate, &der);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    TRY(evidence_read(der, (size_t)size, &evidence));
    TRY(evidence_document(&evidence, &bytes));
    TRY(document_parse(bytes.bytes, bytes.size, &document, detail));
    return verify(&evidence, &document, configuration, now, detail);
}

static struct result make(const struct attestor *attestor,
                          const uint8_t configuration[static SHA384_SIZE], uint64_t now,
                          struct identity *identity, struct detail *detail)
{
    BUF bytes = BUF_INIT(DOCUMENT_MAX);
    struct document document;
    CLEANUP(bytes_free) uint8_t *spki = NULL;
    identity->key = EVP_EC_gen("P-384");
    int size = identity->key == NULL ? 0 : i2d_PUBKEY(identity->key, &spki);
    ENSURE(size > 0, UNAVAILABLE, "OpenSSL does not make a key");
    TRY(attest(attestor, (struct cbor_view){ spki, (size_t)size }, configuration, &bytes));
    TRY(document_parse(bytes.data, bytes.size, &document, detail));
    const struct cbor_view view = { (const uint8_t *)bytes.data, bytes.size };
    TRY(make_certificate(&document, view, now, identity, detail));
    return read_back(identity, configuration, now, detail);
}

RESULT identity_make(const struct attestor *attestor,
                     const uint8_t configuration[static SHA384_SIZE], uint64_t now_seconds,
                     struct identity *out, struct detail *detail)
{
    IDENTITY made = { .key = NULL };
    ERR_set_mark();
    struct result result = make(attestor, configuration, now_seconds, &made, detail);
    ERR_pop_to_mark();
    TRY(result);
    *out = made;
    made = (struct identity){ .key = NULL };
    return OK;
}
