#include "maker.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void must(bool done)
{
    if (!done) {
        abort();
    }
}

struct maker_chain maker_plans(void)
{
    const char *ca_usage = "critical,keyCertSign,cRLSign";
    return (
        struct maker_chain){ .plans = {
                                 { "root", "critical,CA:TRUE", ca_usage, -1000 * MAKER_HOUR,
                                   1000 * MAKER_HOUR, "P-384", EVP_sha384 },
                                 { "region", "critical,CA:TRUE,pathlen:1", ca_usage,
                                   -24 * MAKER_HOUR, 24 * MAKER_HOUR, "P-384", EVP_sha384 },
                                 { "instance", "critical,CA:TRUE,pathlen:0", ca_usage,
                                   -2 * MAKER_HOUR, 22 * MAKER_HOUR, "P-384", EVP_sha384 },
                                 { "leaf", "critical,CA:FALSE", "digitalSignature,nonRepudiation",
                                   -MAKER_HOUR, 2 * MAKER_HOUR, "P-384", EVP_sha384 },
                             } };
}

EVP_PKEY *maker_key(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    must(key != NULL);
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    if (value == NULL) {
        return;
    }
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *begin_certificate(const char *name, EVP_PKEY *key, int64_t not_before,
                               int64_t not_after)
{
    X509 *certificate = X509_new();
    must(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
    must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7) == 1);
    must(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) == 1);
    must(ASN1_TIME_set(X509_getm_notBefore(certificate), MAKER_NOW + not_before) != NULL);
    must(ASN1_TIME_set(X509_getm_notAfter(certificate), MAKER_NOW + not_after) != NULL);
    must(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

static void make_link(struct maker_chain *chain, size_t i)
{
    const struct maker_plan *plan = &chain->plans[i];
    size_t issuer = i > 0 ? i - 1 : 0;
    X509 *certificate =
        begin_certificate(plan->name, chain->keys[i], plan->not_before, plan->not_after);
    X509_NAME *name = X509_NAME_new();
    must(name != NULL && X509_NAME_add_entry_by_txt(
                             name, "CN", MBSTRING_ASC,
                             (const unsigned char *)chain->plans[issuer].name, -1, -1, 0) == 1);
    must(X509_set_issuer_name(certificate, name) == 1);
    X509_NAME_free(name);
    add_extension(certificate, NID_basic_constraints, plan->constraints);
    add_extension(certificate, NID_key_usage, plan->usage);
    must(X509_sign(certificate, chain->keys[issuer], plan->digest()) > 0);
    int size = i2d_X509(certificate, &chain->ders[i]);
    must(size > 0);
    chain->sizes[i] = (size_t)size;
    X509_free(certificate);
}

void maker_make(struct maker_chain *chain)
{
    for (size_t i = 0; i < MAKER_PATH; i++) {
        chain->keys[i] = maker_key(chain->plans[i].curve);
        make_link(chain, i);
    }
}

void maker_done(struct maker_chain *chain)
{
    for (size_t i = 0; i < MAKER_PATH; i++) {
        EVP_PKEY_free(chain->keys[i]);
        OPENSSL_free(chain->ders[i]);
    }
}

struct cbor_view maker_view(const struct maker_chain *chain, size_t i)
{
    return (struct cbor_view){ chain->ders[i], chain->sizes[i] };
}

struct document maker_document(const struct maker_chain *chain)
{
    struct document document = { .cabundle_count = MAKER_LEAF };
    for (size_t i = 0; i < MAKER_LEAF; i++) {
        document.cabundle[i] = maker_view(chain, i);
    }
    document.certificate = maker_view(chain, MAKER_LEAF);
    return document;
}

X509 *maker_certificate(EVP_PKEY *key, const struct cbor_view *value, int64_t not_before,
                        int64_t not_after)
{
    X509 *certificate = begin_certificate("signer", key, not_before, not_after);
    must(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1);
    if (value != NULL) {
        ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.35", 1);
        ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
        must(oid != NULL && string != NULL &&
             ASN1_OCTET_STRING_set(string, value->bytes, (int)value->size) == 1);
        X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, string);
        must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(string);
        ASN1_OBJECT_free(oid);
    }
    must(X509_sign(certificate, key, EVP_sha384()) > 0);
    return certificate;
}

static void write_optional(struct buf *out, const char *name, struct cbor_view view)
{
    cbor_write_text(out, name);
    if (view.bytes == NULL) {
        cbor_write_null(out);
    } else {
        cbor_write_bytes(out, view.bytes, view.size);
    }
}

static void write_payload(const struct maker_chain *chain, const struct maker_claims *claims,
                          struct buf *out)
{
    bool configured = !pcr_is_zero(&claims->configuration);
    cbor_write_map(out, 9);
    cbor_write_text(out, "module_id");
    cbor_write_text(out, "i-01-enc02");
    cbor_write_text(out, "digest");
    cbor_write_text(out, "SHA384");
    cbor_write_text(out, "timestamp");
    cbor_write_unsigned(out, claims->timestamp_ms);
    cbor_write_text(out, "pcrs");
    cbor_write_map(out, configured ? 2 : 1);
    cbor_write_unsigned(out, PCR_IMAGE);
    cbor_write_bytes(out, claims->image.bytes, PCR_SIZE);
    if (configured) {
        cbor_write_unsigned(out, PCR_CONFIGURATION);
        cbor_write_bytes(out, claims->configuration.bytes, PCR_SIZE);
    }
    write_optional(out, "certificate", maker_view(chain, MAKER_LEAF));
    cbor_write_text(out, "cabundle");
    cbor_write_array(out, MAKER_LEAF);
    for (size_t i = 0; i < MAKER_LEAF; i++) {
        cbor_write_bytes(out, chain->ders[i], chain->sizes[i]);
    }
    write_optional(out, "public_key", claims->public_key);
    write_optional(out, "user_data", claims->user_data);
    write_optional(out, "nonce", claims->nonce);
}

/* r || s over the message. */
static void sign(EVP_PKEY *key, const struct buf *message, uint8_t out[static 96])
{
    uint8_t der[160];
    size_t size = sizeof(der);
    const uint8_t *at = der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key) == 1);
    must(EVP_DigestSign(context, der, &size, (const uint8_t *)message->data, message->size) == 1);
    EVP_MD_CTX_free(context);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    must(signature != NULL);
    must(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 48) == 48);
    must(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 48, 48) == 48);
    ECDSA_SIG_free(signature);
}

void maker_sign(const struct maker_chain *chain, const struct maker_claims *claims, struct buf *out)
{
    static const uint8_t protected[] = { 0xa1, 0x01, 0x38, 0x22 };
    struct buf payload = BUF_INIT(DOCUMENT_MAX);
    struct buf message = BUF_INIT(DOCUMENT_MAX + 64);
    uint8_t signature[96];
    write_payload(chain, claims, &payload);
    must(is_ok(buf_check(&payload)));
    cbor_write_array(&message, 4);
    cbor_write_text(&message, "Signature1");
    cbor_write_bytes(&message, protected, sizeof(protected));
    cbor_write_bytes(&message, "", 0);
    cbor_write_bytes(&message, payload.data, payload.size);
    sign(chain->keys[MAKER_LEAF], &message, signature);
    cbor_write_array(out, 4);
    cbor_write_bytes(out, protected, sizeof(protected));
    cbor_write_map(out, 0);
    cbor_write_bytes(out, payload.data, payload.size);
    cbor_write_bytes(out, signature, sizeof(signature));
    buf_free(&payload);
    buf_free(&message);
}
