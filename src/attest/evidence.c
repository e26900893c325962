#include "attest/evidence.h"

#include "attest/chain.h"
#include "attest/document.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { CMW_ITEMS_MIN = 2, CMW_ITEMS_MAX = 3 };

static void object_free(ASN1_OBJECT **object)
{
    ASN1_OBJECT_free(*object);
}

static void string_free(ASN1_OCTET_STRING **string)
{
    ASN1_OCTET_STRING_free(*string);
}

static void bio_free(BIO **bio)
{
    BIO_free(*bio);
}

/* SHA-384(label || spki) */
static void bind_key(struct cbor_view spki, uint8_t out[static SHA384_SIZE])
{
    CLEANUP(sha384_free_ptr) struct sha384 *hash = sha384_new();
    sha384_add(hash, EVIDENCE_LABEL, EVIDENCE_LABEL_SIZE);
    sha384_add(hash, spki.bytes, spki.size);
    sha384_value(hash, out);
}

void evidence_user_data(struct cbor_view spki, const uint8_t configuration[static SHA384_SIZE],
                        uint8_t out[static EVIDENCE_USER_DATA_SIZE])
{
    memcpy(out, EVIDENCE_LABEL, EVIDENCE_LABEL_SIZE);
    bind_key(spki, out + EVIDENCE_LABEL_SIZE);
    memcpy(out + EVIDENCE_LABEL_SIZE + SHA384_SIZE, configuration, SHA384_SIZE);
}

RESULT evidence_user_data_check(struct cbor_view user_data, struct cbor_view spki,
                                uint8_t configuration_out[static SHA384_SIZE])
{
    uint8_t wanted[EVIDENCE_USER_DATA_SIZE];
    ENSURE(user_data.bytes != NULL, REFUSED, "the document has none");
    ENSURE(user_data.size == sizeof(wanted), REFUSED, "not of the length that binds a key");
    const uint8_t *configuration = user_data.bytes + EVIDENCE_LABEL_SIZE + SHA384_SIZE;
    evidence_user_data(spki, configuration, wanted);
    ENSURE(memcmp(user_data.bytes, wanted, EVIDENCE_LABEL_SIZE) == 0, REFUSED,
           "not the label of this protocol");
    ENSURE(memcmp(user_data.bytes, wanted, sizeof(wanted)) == 0, REFUSED,
           "the document is bound to another key");
    memcpy(configuration_out, configuration, SHA384_SIZE);
    return OK;
}

static struct result append_octet_string(const struct buf *held, struct buf *out)
{
    uint8_t *der = NULL;
    CLEANUP(string_free) ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
    TRY(buf_check(held));
    ENSURE(string != NULL &&
               ASN1_OCTET_STRING_set(string, (const uint8_t *)held->data, (int)held->size) == 1,
           UNAVAILABLE, "out of memory");
    int size = i2d_ASN1_OCTET_STRING(string, &der);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    buf_append(out, der, (size_t)size);
    OPENSSL_free(der);
    return buf_check(out);
}

RESULT evidence_write_extension(struct cbor_view document, struct buf *out)
{
    BUF cmw = BUF_INIT(DOCUMENT_MAX + 64);
    ENSURE(document.size > 0 && document.size <= DOCUMENT_MAX, LIMIT, "not 1 to 16384 bytes");
    cbor_write_array(&cmw, CMW_ITEMS_MAX);
    cbor_write_text(&cmw, EVIDENCE_TYPE_NAME);
    cbor_write_bytes(&cmw, document.bytes, document.size);
    cbor_write_unsigned(&cmw, EVIDENCE_CMW_EVIDENCE);
    return append_octet_string(&cmw, out);
}

static struct result read_cmw(const uint8_t *bytes, size_t size, struct cbor_view *document_out)
{
    struct cbor_reader reader = cbor_shortest_reader_on(bytes, size);
    struct cbor_view type;
    struct cbor_view document;
    uint64_t indicator = EVIDENCE_CMW_EVIDENCE;
    size_t count = 0;
    TRY(cbor_read_array(&reader, &count));
    ENSURE(count == CMW_ITEMS_MIN || count == CMW_ITEMS_MAX, BAD_INPUT, "not a CMW record");
    TRY(cbor_read_text(&reader, &type));
    ENSURE(cbor_view_is(type, EVIDENCE_TYPE_NAME), BAD_INPUT, "evidence of another type");
    TRY(cbor_read_bytes(&reader, &document));
    if (count == CMW_ITEMS_MAX) {
        TRY(cbor_read_unsigned(&reader, &indicator));
    }
    ENSURE(indicator == EVIDENCE_CMW_EVIDENCE, BAD_INPUT, "a CMW record of other than evidence");
    TRY(cbor_read_end(&reader));
    *document_out = document;
    return OK;
}

/* The size of what an OCTET STRING's DER has before its bytes: tag and length. 0: not such DER. */
static size_t octet_string_head(struct cbor_view der)
{
    const uint8_t *at = der.bytes;
    long size = 0;
    int tag = 0;
    int class = 0;
    int kind = ASN1_get_object(&at, &size, &tag, &class, (long)der.size);
    size_t head = (size_t)(at - der.bytes);
    bool is_whole = kind == 0 && tag == V_ASN1_OCTET_STRING && class == V_ASN1_UNIVERSAL &&
                    size >= 0 && (size_t)size == der.size - head;
    /* The length in its shortest form, as DER wants it. */
    return is_whole && ASN1_object_size(0, (int)size, tag) == (int)der.size ? head : 0;
}

RESULT evidence_read_extension(struct cbor_view value, struct cbor_view *document_out)
{
    ENSURE(value.size > 0 && value.size <= EVIDENCE_CERTIFICATE_MAX, BAD_INPUT,
           "not the size of an extension");
    size_t head = octet_string_head(value);
    ENSURE(head > 0, BAD_INPUT, "not the DER of one OCTET STRING");
    return read_cmw(value.bytes + head, value.size - head, document_out);
}

RESULT evidence_of(X509 *certificate, struct evidence *out)
{
    uint8_t *spki = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    bool fits = size > 0 && size <= EVIDENCE_SPKI_MAX;
    if (fits) {
        memcpy(out->spki, spki, (size_t)size);
        out->spki_size = (size_t)size;
    }
    OPENSSL_free(spki);
    ENSURE(fits, BAD_INPUT, "a public key that is none, or too large");
    ENSURE(X509_up_ref(certificate) == 1, UNAVAILABLE, "out of memory");
    out->certificate = certificate;
    return OK;
}

void evidence_done(struct evidence *evidence)
{
    X509_free(evidence->certificate);
    evidence->certificate = NULL;
}

static struct result read_pem(const void *bytes, size_t size, X509 **out)
{
    CLEANUP(bio_free) BIO *bio = BIO_new_mem_buf(bytes, (int)size);
    ENSURE(bio != NULL, UNAVAILABLE, "out of memory");
    ERR_set_mark(); /* the end of the file is an error to OpenSSL, and none of ours */
    CLEANUP(X509_free_ptr) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    CLEANUP(X509_free_ptr) X509 *second = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    ERR_pop_to_mark();
    ENSURE(certificate != NULL, BAD_INPUT, "no certificate in the PEM");
    ENSURE(second == NULL, BAD_INPUT, "more than one certificate in the PEM");
    *out = STEAL(certificate);
    return OK;
}

RESULT evidence_read(const void *bytes, size_t size, struct evidence *out)
{
    static const char begin[] = "-----BEGIN";
    CLEANUP(X509_free_ptr) X509 *certificate = NULL;
    ENSURE(size > 0, BAD_INPUT, "no bytes");
    ENSURE(size <= 2 * (size_t)EVIDENCE_CERTIFICATE_MAX, LIMIT, "too long for a certificate");
    if (size >= sizeof(begin) - 1 && memcmp(bytes, begin, sizeof(begin) - 1) == 0) {
        TRY(read_pem(bytes, size, &certificate));
    } else {
        TRY(chain_parse_certificate((struct cbor_view){ bytes, size }, &certificate));
    }
    return evidence_of(certificate, out);
}

RESULT evidence_document(const struct evidence *evidence, struct cbor_view *document_out)
{
    CLEANUP(object_free) ASN1_OBJECT *oid = OBJ_txt2obj(EVIDENCE_OID, 1);
    ENSURE(oid != NULL, UNAVAILABLE, "out of memory");
    int place = X509_get_ext_by_OBJ(evidence->certificate, oid, -1);
    ENSURE(place >= 0, REFUSED, "the certificate carries no evidence (extension " EVIDENCE_OID ")");
    ENSURE(X509_get_ext_by_OBJ(evidence->certificate, oid, place) < 0, REFUSED,
           "the extension with the evidence is there twice");
    const ASN1_OCTET_STRING *value =
        X509_EXTENSION_get_data(X509_get_ext(evidence->certificate, place));
    return evidence_read_extension(
        (struct cbor_view){ ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value) },
        document_out);
}

static bool is_elliptic(const EVP_PKEY *key)
{
    char group[32] = "";
    return key != NULL && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0);
}

RESULT evidence_check_self_signed(const struct evidence *evidence)
{
    X509 *certificate = evidence->certificate;
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    ENSURE(is_elliptic(key), REFUSED, "its key is neither of P-256 nor of P-384");
    ENSURE(X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) ==
               0,
           REFUSED, "issued by another");
    ENSURE(X509_verify(certificate, key) == 1, REFUSED, "not signed by its own key");
    return OK;
}
