#include "eif/signature.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char certificate_name[] = "signing_certificate";
static const char cose_name[] = "signature";
static const char index_name[] = "register_index";
static const char value_name[] = "register_value";

enum { ALGORITHM = 1 /* of COSE's header parameters */, MESSAGE_MAX = 2 * EIF_COSE_MAX };

DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free);

static void free_openssl(uint8_t *const *bytes)
{
    OPENSSL_free(*bytes);
}

/* Reads an array of numbers below 256. */
static struct result read_octets(struct cbor_reader *reader, uint8_t *out, size_t size_max,
                                 size_t *size_out)
{
    size_t count = 0;
    TRY(cbor_read_array(reader, &count));
    ENSURE(count <= size_max, LIMIT, "too long");
    for (size_t i = 0; i < count; i++) {
        uint64_t octet = 0;
        TRY(cbor_read_unsigned(reader, &octet));
        ENSURE(octet <= UINT8_MAX, BAD_INPUT, "an octet over 255");
        out[i] = (uint8_t)octet;
    }
    *size_out = count;
    return OK;
}

/* Reads {"register_index": 0, "register_value": […]}, in any order. */
static struct result read_payload(struct cbor_view payload, struct pcr *out)
{
    struct cbor_reader reader = cbor_reader_on(payload.bytes, payload.size);
    struct cbor_view name;
    uint64_t number = UINT64_MAX;
    size_t count = 0;
    size_t size = 0;
    TRY(cbor_read_map(&reader, &count));
    ENSURE(count == 2, BAD_INPUT, "other members than an index and a value");
    for (size_t i = 0; i < count; i++) {
        TRY(cbor_read_text(&reader, &name));
        if (cbor_view_is(name, index_name)) {
            TRY(cbor_read_unsigned(&reader, &number));
        } else {
            ENSURE(cbor_view_is(name, value_name), BAD_INPUT, "an unknown member");
            TRY(read_octets(&reader, out->bytes, sizeof(out->bytes), &size));
        }
    }
    TRY(cbor_read_end(&reader));
    ENSURE(number == PCR_IMAGE, BAD_INPUT, "it signs another register than PCR0");
    ENSURE(size == PCR_SIZE, BAD_INPUT, "the register has not 48 bytes");
    return OK;
}

/* Reads {1: algorithm}. */
static struct result read_header(struct cbor_view header, const struct eif_curve *curve)
{
    struct cbor_reader reader = cbor_reader_on(header.bytes, header.size);
    size_t count = 0;
    int64_t number = 0;
    TRY(cbor_read_map(&reader, &count));
    ENSURE(count == 1, BAD_INPUT, "other parameters than an algorithm");
    TRY(cbor_read_integer(&reader, &number));
    ENSURE(number == ALGORITHM, BAD_INPUT, "another parameter than the algorithm");
    TRY(cbor_read_integer(&reader, &number));
    ENSURE(number == curve->algorithm, BAD_INPUT, "the algorithm is not that of the certificate");
    return cbor_read_end(&reader);
}

static struct result read_cose(struct eif_signature *signature, struct detail *detail)
{
    struct cbor_reader reader = cbor_reader_on(signature->cose, signature->cose_size);
    size_t count = 0;
    detail_set(detail, "signature");
    TRY(cbor_read_array(&reader, &count));
    ENSURE(count == 4, BAD_INPUT, "not four parts");
    TRY(cbor_read_bytes(&reader, &signature->header));
    TRY(cbor_read_map(&reader, &count));
    ENSURE(count == 0, BAD_INPUT, "parameters that are not protected");
    TRY(cbor_read_bytes(&reader, &signature->payload));
    TRY(cbor_read_bytes(&reader, &signature->mark));
    TRY(cbor_read_end(&reader));
    ENSURE(signature->mark.size == 2 * signature->certificate->curve->size, BAD_INPUT,
           "its size is not that of the certificate's curve");
    detail_set(detail, "signature, header");
    TRY(read_header(signature->header, signature->certificate->curve));
    detail_set(detail, "signature, payload");
    return read_payload(signature->payload, &signature->value);
}

/* Reads the two members of the section's only entry, in any order. */
static struct result read_entry(struct cbor_reader *reader, struct eif_signature *signature,
                                uint8_t *pem, size_t *pem_size_out)
{
    struct cbor_view name;
    for (size_t i = 0; i < 2; i++) {
        TRY(cbor_read_text(reader, &name));
        if (cbor_view_is(name, certificate_name)) {
            TRY(read_octets(reader, pem, EIF_CERTIFICATE_MAX, pem_size_out));
        } else {
            ENSURE(cbor_view_is(name, cose_name), BAD_INPUT, "an unknown member");
            TRY(read_octets(reader, signature->cose, EIF_COSE_MAX, &signature->cose_size));
        }
    }
    return OK;
}

RESULT eif_signature_read(const uint8_t *bytes, size_t size, struct eif_signature **out,
                          struct detail *detail)
{
    struct cbor_reader reader = cbor_reader_on(bytes, size);
    CLEANUP(eif_signature_free_ptr)
    struct eif_signature *signature = calloc(1, sizeof(*signature));
    CLEANUP(free_ptr) uint8_t *pem = calloc(1, EIF_CERTIFICATE_MAX);
    ENSURE(signature != NULL && pem != NULL, UNAVAILABLE, "out of memory");
    size_t pem_size = 0;
    size_t count = 0;
    detail_set(detail, "signature section");
    ENSURE(size <= EIF_SIGNATURE_MAX, LIMIT, "too large");
    TRY(cbor_read_array(&reader, &count));
    ENSURE(count == 1, BAD_INPUT, "not one signature");
    TRY(cbor_read_map(&reader, &count));
    ENSURE(count == 2, BAD_INPUT, "other members than a certificate and a signature");
    TRY(read_entry(&reader, signature, pem, &pem_size));
    TRY(cbor_read_end(&reader));
    detail_set(detail, "signature section, certificate");
    TRY(eif_certificate_read(pem, pem_size, &signature->certificate, NULL));
    TRY(read_cose(signature, detail));
    *out = STEAL(signature);
    return OK;
}

void eif_signature_free(struct eif_signature *signature)
{
    if (signature != NULL) {
        eif_certificate_free(signature->certificate);
        free(signature);
    }
}

/* From two numbers of a fixed size to OpenSSL's form. */
static struct result encode_mark(struct cbor_view mark, uint8_t **der_out, size_t *size_out)
{
    int half = (int)(mark.size / 2);
    CLEANUP(ECDSA_SIG_free_ptr) ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(mark.bytes, half, NULL);
    BIGNUM *s = BN_bin2bn(mark.bytes + half, half, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    int size = i2d_ECDSA_SIG(pair, der_out);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    *size_out = (size_t)size;
    return OK;
}

RESULT eif_signature_check(const struct eif_signature *signature, const struct pcr *pcr0)
{
    const struct eif_certificate *certificate = signature->certificate;
    BUF message = BUF_INIT(MESSAGE_MAX);
    CLEANUP(free_openssl) uint8_t *der = NULL;
    size_t der_size = 0;
    ENSURE(pcr_equal(&signature->value, pcr0), REFUSED, "the signature is that of another image");
    eif_signature_message(signature->header, signature->payload, &message);
    TRY(buf_check(&message));
    TRY(encode_mark(signature->mark, &der, &der_size));
    CLEANUP(EVP_MD_CTX_free_ptr) EVP_MD_CTX *context = EVP_MD_CTX_new();
    ENSURE(context != NULL, UNAVAILABLE, "out of memory");
    bool started = EVP_DigestVerifyInit_ex(context, NULL, certificate->curve->digest, NULL, NULL,
                                           certificate->key, NULL) == 1;
    bool holds = started && EVP_DigestVerify(context, der, der_size, (const uint8_t *)message.data,
                                             message.size) == 1;
    ERR_clear_error();
    ENSURE(holds, REFUSED, "the signature is not that of the certificate's key");
    return OK;
}

void eif_signature_header(const struct eif_curve *curve, struct buf *out)
{
    cbor_write_map(out, 1);
    cbor_write_unsigned(out, ALGORITHM);
    cbor_write_integer(out, curve->algorithm);
}

static void write_octets(struct buf *out, const uint8_t *bytes, size_t size)
{
    cbor_write_array(out, size);
    for (size_t i = 0; i < size; i++) {
        cbor_write_unsigned(out, bytes[i]);
    }
}

void eif_signature_payload(const struct pcr *pcr0, struct buf *out)
{
    cbor_write_map(out, 2);
    cbor_write_text(out, index_name);
    cbor_write_unsigned(out, PCR_IMAGE);
    cbor_write_text(out, value_name);
    write_octets(out, pcr0->bytes, sizeof(pcr0->bytes));
}

void eif_signature_message(struct cbor_view header, struct cbor_view payload, struct buf *out)
{
    cbor_write_array(out, 4);
    cbor_write_text(out, "Signature1");
    cbor_write_bytes(out, header.bytes, header.size);
    cbor_write_bytes(out, NULL, 0); /* no data from outside */
    cbor_write_bytes(out, payload.bytes, payload.size);
}

void eif_signature_section(const void *pem, size_t pem_size, const void *cose, size_t cose_size,
                           struct buf *out)
{
    cbor_write_array(out, 1);
    cbor_write_map(out, 2);
    cbor_write_text(out, certificate_name);
    write_octets(out, pem, pem_size);
    cbor_write_text(out, cose_name);
    write_octets(out, cose, cose_size);
}
