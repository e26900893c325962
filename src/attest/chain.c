#include "attest/chain.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

enum { CERTIFICATES_MAX = DOCUMENT_CABUNDLE_MAX + 1 };

static const uint8_t aws_root[] = {
    0x30, 0x82, 0x02, 0x11, 0x30, 0x82, 0x01, 0x96, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x11, 0x00,
    0xf9, 0x31, 0x75, 0x68, 0x1b, 0x90, 0xaf, 0xe1, 0x1d, 0x46, 0xcc, 0xb4, 0xe4, 0xe7, 0xf8, 0x56,
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03, 0x30, 0x49, 0x31, 0x0b,
    0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x55, 0x53, 0x31, 0x0f, 0x30, 0x0d, 0x06,
    0x03, 0x55, 0x04, 0x0a, 0x0c, 0x06, 0x41, 0x6d, 0x61, 0x7a, 0x6f, 0x6e, 0x31, 0x0c, 0x30, 0x0a,
    0x06, 0x03, 0x55, 0x04, 0x0b, 0x0c, 0x03, 0x41, 0x57, 0x53, 0x31, 0x1b, 0x30, 0x19, 0x06, 0x03,
    0x55, 0x04, 0x03, 0x0c, 0x12, 0x61, 0x77, 0x73, 0x2e, 0x6e, 0x69, 0x74, 0x72, 0x6f, 0x2d, 0x65,
    0x6e, 0x63, 0x6c, 0x61, 0x76, 0x65, 0x73, 0x30, 0x1e, 0x17, 0x0d, 0x31, 0x39, 0x31, 0x30, 0x32,
    0x38, 0x31, 0x33, 0x32, 0x38, 0x30, 0x35, 0x5a, 0x17, 0x0d, 0x34, 0x39, 0x31, 0x30, 0x32, 0x38,
    0x31, 0x34, 0x32, 0x38, 0x30, 0x35, 0x5a, 0x30, 0x49, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55,
    0x04, 0x06, 0x13, 0x02, 0x55, 0x53, 0x31, 0x0f, 0x30, 0x0d, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c,
    0x06, 0x41, 0x6d, 0x61, 0x7a, 0x6f, 0x6e, 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x0b,
    0x0c, 0x03, 0x41, 0x57, 0x53, 0x31, 0x1b, 0x30, 0x19, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x12,
    0x61, 0x77, 0x73, 0x2e, 0x6e, 0x69, 0x74, 0x72, 0x6f, 0x2d, 0x65, 0x6e, 0x63, 0x6c, 0x61, 0x76,
    0x65, 0x73, 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04, 0xfc, 0x02, 0x54, 0xeb, 0xa6, 0x08,
    0xc1, 0xf3, 0x68, 0x70, 0xe2, 0x9a, 0xda, 0x90, 0xbe, 0x46, 0x38, 0x32, 0x92, 0x73, 0x6e, 0x89,
    0x4b, 0xff, 0xf6, 0x72, 0xd9, 0x89, 0x44, 0x4b, 0x50, 0x51, 0xe5, 0x34, 0xa4, 0xb1, 0xf6, 0xdb,
    0xe3, 0xc0, 0xbc, 0x58, 0x1a, 0x32, 0xb7, 0xb1, 0x76, 0x07, 0x0e, 0xde, 0x12, 0xd6, 0x9a, 0x3f,
    0xea, 0x21, 0x1b, 0x66, 0xe7, 0x52, 0xcf, 0x7d, 0xd1, 0xdd, 0x09, 0x5f, 0x6f, 0x13, 0x70, 0xf4,
    0x17, 0x08, 0x43, 0xd9, 0xdc, 0x10, 0x01, 0x21, 0xe4, 0xcf, 0x63, 0x01, 0x28, 0x09, 0x66, 0x44,
    0x87, 0xc9, 0x79, 0x62, 0x84, 0x30, 0x4d, 0xc5, 0x3f, 0xf4, 0xa3, 0x42, 0x30, 0x40, 0x30, 0x0f,
    0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x05, 0x30, 0x03, 0x01, 0x01, 0xff, 0x30,
    0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14, 0x90, 0x25, 0xb5, 0x0d, 0xd9, 0x05,
    0x47, 0xe7, 0x96, 0xc3, 0x96, 0xfa, 0x72, 0x9d, 0xcf, 0x99, 0xa9, 0xdf, 0x4b, 0x96, 0x30, 0x0e,
    0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x01, 0x86, 0x30, 0x0a,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03, 0x03, 0x69, 0x00, 0x30, 0x66, 0x02,
    0x31, 0x00, 0xa3, 0x7f, 0x2f, 0x91, 0xa1, 0xc9, 0xbd, 0x5e, 0xe7, 0xb8, 0x62, 0x7c, 0x16, 0x98,
    0xd2, 0x55, 0x03, 0x8e, 0x1f, 0x03, 0x43, 0xf9, 0x5b, 0x63, 0xa9, 0x62, 0x8c, 0x3d, 0x39, 0x80,
    0x95, 0x45, 0xa1, 0x1e, 0xbc, 0xbf, 0x2e, 0x3b, 0x55, 0xd8, 0xae, 0xee, 0x71, 0xb4, 0xc3, 0xd6,
    0xad, 0xf3, 0x02, 0x31, 0x00, 0xa2, 0xf3, 0x9b, 0x16, 0x05, 0xb2, 0x70, 0x28, 0xa5, 0xdd, 0x4b,
    0xa0, 0x69, 0xb5, 0x01, 0x6e, 0x65, 0xb4, 0xfb, 0xde, 0x8f, 0xe0, 0x06, 0x1d, 0x6a, 0x53, 0x19,
    0x7f, 0x9c, 0xda, 0xf5, 0xd9, 0x43, 0xbc, 0x61, 0xfc, 0x2b, 0xeb, 0x03, 0xcb, 0x6f, 0xee, 0x8d,
    0x23, 0x02, 0xf3, 0xdf, 0xf6,
};

const struct cbor_view chain_aws_root = { aws_root, sizeof(aws_root) };

/* What every subjectPublicKeyInfo of a P-384 key begins with (RFC 5480): sizes, id-ecPublicKey,
 * secp384r1 by name, and an uncompressed point. */
static const uint8_t p384_prefix[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                       0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 };

static void certificates_free(STACK_OF(X509) * *certificates)
{
    sk_X509_pop_free(*certificates, X509_free);
}

static void store_free(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void context_free(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

static void constraints_free(BASIC_CONSTRAINTS **constraints)
{
    BASIC_CONSTRAINTS_free(*constraints);
}

RESULT chain_parse_certificate(struct cbor_view der, X509 **out)
{
    const uint8_t *at = der.bytes;
    ENSURE(der.size <= LONG_MAX, LIMIT, "too long");
    ERR_set_mark(); /* what OpenSSL has to say must not be taken for a connection's error later */
    CLEANUP(X509_free_ptr) X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    ERR_pop_to_mark();
    ENSURE(certificate != NULL, BAD_INPUT, "not an X.509 certificate");
    ENSURE(at == der.bytes + der.size, BAD_INPUT, "more bytes than the certificate");
    *out = STEAL(certificate);
    return OK;
}

static struct result seconds_of(const ASN1_TIME *at, uint64_t *out)
{
    struct tm parts = { 0 };
    ENSURE(at != NULL && ASN1_TIME_to_tm(at, &parts) == 1, BAD_INPUT, "a time that is none");
    time_t seconds = timegm(&parts);
    ENSURE(seconds >= 0, BAD_INPUT, "a time before 1970");
    *out = (uint64_t)seconds;
    return OK;
}

RESULT chain_window_of(const X509 *certificate, struct chain_window *out)
{
    struct chain_window window;
    TRY(seconds_of(X509_get0_notBefore(certificate), &window.not_before));
    TRY(seconds_of(X509_get0_notAfter(certificate), &window.not_after));
    *out = window;
    return OK;
}

RESULT chain_window_check(const struct chain_window *window, uint64_t now_seconds)
{
    ENSURE(now_seconds <= UINT64_MAX - CHAIN_LEEWAY_SECONDS &&
               now_seconds + CHAIN_LEEWAY_SECONDS >= window->not_before,
           REFUSED, "not valid yet");
    ENSURE(now_seconds <= window->not_after, REFUSED, "expired");
    return OK;
}

static struct result check_key(const X509 *certificate)
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    bool is_p384 = size > (int)sizeof(p384_prefix) &&
                   memcmp(spki, p384_prefix, sizeof(p384_prefix)) == 0 &&
                   X509_get0_pubkey(certificate) != NULL;
    OPENSSL_free(spki);
    ENSURE(is_p384, REFUSED, "its key is not of P-384");
    ENSURE(X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA384, REFUSED,
           "its signature is not ecdsa-with-SHA384");
    return OK;
}

static bool has_usage(X509 *certificate, uint32_t usage)
{
    return (X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(certificate) & usage) != 0;
}

static struct result check_ca(X509 *certificate, const BASIC_CONSTRAINTS *constraints,
                              bool critical, bool is_root)
{
    ENSURE(constraints->ca != 0, REFUSED, "not the certificate of a CA");
    ENSURE(critical, REFUSED, "its basicConstraints are not critical");
    ENSURE(is_root || constraints->pathlen != NULL, REFUSED, "a CA without a path length");
    ENSURE(has_usage(certificate, KU_KEY_CERT_SIGN), REFUSED, "a CA without keyCertSign");
    return OK;
}

static struct result check_leaf(X509 *certificate, const BASIC_CONSTRAINTS *constraints)
{
    ENSURE(constraints->ca == 0 && constraints->pathlen == NULL, REFUSED,
           "the certificate of a CA as the leaf");
    ENSURE(has_usage(certificate, KU_DIGITAL_SIGNATURE), REFUSED,
           "a leaf without digitalSignature");
    return OK;
}

/* The certificate at `place` of `count`, the root at 0, apart from the others. */
static struct result check_certificate(X509 *certificate, size_t place, size_t count,
                                       uint64_t now_seconds)
{
    struct chain_window window;
    int critical = -1;
    ENSURE((X509_get_extension_flags(certificate) & EXFLAG_INVALID) == 0, BAD_INPUT,
           "extensions that are none");
    TRY(check_key(certificate));
    CLEANUP(constraints_free)
    BASIC_CONSTRAINTS *constraints =
        X509_get_ext_d2i(certificate, NID_basic_constraints, &critical, NULL);
    ENSURE(constraints != NULL, REFUSED, "not one basicConstraints");
    TRY(place + 1 < count ? check_ca(certificate, constraints, critical == 1, place == 0)
                          : check_leaf(certificate, constraints));
    TRY(chain_window_of(certificate, &window));
    return chain_window_check(&window, now_seconds);
}

static void name_place(struct detail *detail, size_t place, size_t count)
{
    if (place + 1 < count) {
        detail_set(detail, "cabundle[%zu]", place);
    } else {
        detail_set(detail, "certificate");
    }
}

/* The whole path as a stack, the root first, each certificate checked by itself. */
static struct result read_certificates(const struct document *document, uint64_t now_seconds,
                                       STACK_OF(X509) * certificates, struct detail *detail)
{
    size_t count = document->cabundle_count + 1;
    for (size_t i = 0; i < count; i++) {
        struct cbor_view der = i + 1 < count ? document->cabundle[i] : document->certificate;
        CLEANUP(X509_free_ptr) X509 *certificate = NULL;
        name_place(detail, i, count);
        TRY(chain_parse_certificate(der, &certificate));
        TRY(check_certificate(certificate, i, count, now_seconds));
        ENSURE(sk_X509_push(certificates, certificate) > 0, UNAVAILABLE, "out of memory");
        (void)STEAL(certificate);
    }
    return OK;
}

/* The path that OpenSSL built is the document's, from its end to its beginning. */
static bool is_in_order(const STACK_OF(X509) * built, const STACK_OF(X509) * certificates)
{
    int count = sk_X509_num(certificates);
    if (sk_X509_num(built) != count) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (X509_cmp(sk_X509_value(built, i), sk_X509_value(certificates, count - 1 - i)) != 0) {
            return false;
        }
    }
    return true;
}

/* Times were checked before, with another leeway than OpenSSL's. */
static struct result verify_path(STACK_OF(X509) * certificates, struct detail *detail)
{
    CLEANUP(store_free) X509_STORE *store = X509_STORE_new();
    CLEANUP(context_free) X509_STORE_CTX *context = X509_STORE_CTX_new();
    int count = sk_X509_num(certificates);
    ENSURE(store != NULL && context != NULL &&
               X509_STORE_add_cert(store, sk_X509_value(certificates, 0)) == 1 &&
               X509_STORE_CTX_init(context, store, sk_X509_value(certificates, count - 1),
                                   certificates) == 1,
           UNAVAILABLE, "out of memory");
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_STORE_CTX_set_depth(context, CERTIFICATES_MAX);
    if (X509_verify_cert(context) != 1) {
        int depth = X509_STORE_CTX_get_error_depth(context);
        struct detail place;
        name_place(&place, (size_t)(count - 1 - (depth < count ? depth : 0)), (size_t)count);
        detail_set(detail, "%s (%s)", place.text,
                   X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
        return FAIL(REFUSED, "the path to the root does not hold");
    }
    detail_set(detail, "cabundle");
    ENSURE(is_in_order(X509_STORE_CTX_get0_chain(context), certificates), REFUSED,
           "not the path from the root, or not in its order");
    return OK;
}

RESULT chain_verify(const struct document *document, struct cbor_view root, uint64_t now_seconds,
                    X509 **leaf_out, struct detail *detail)
{
    CLEANUP(certificates_free) STACK_OF(X509) *certificates = sk_X509_new_null();
    ENSURE(certificates != NULL, UNAVAILABLE, "out of memory");
    detail_set(detail, "cabundle[0]");
    ENSURE(root.size > 0 && document->cabundle[0].size == root.size &&
               memcmp(document->cabundle[0].bytes, root.bytes, root.size) == 0,
           REFUSED, "not the root that is trusted");
    TRY(read_certificates(document, now_seconds, certificates, detail));
    TRY(verify_path(certificates, detail));
    *leaf_out = sk_X509_pop(certificates);
    return OK;
}
