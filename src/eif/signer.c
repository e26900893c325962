#include "eif/signer.h"

#include "eif/signature.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

enum { MESSAGE_MAX = 2 * EIF_COSE_MAX, HALF_MAX = 66, DER_MAX = 256 };

DEFINE_CLEANUP(BIO, BIO_free_all);
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free);

struct eif_signer {
    struct eif_certificate *certificate;
    EVP_PKEY *key;
};

/* OpenSSL asks for the passphrase of an encrypted key, on the terminal unless it is told otherwise.
 */
static int refuse_passphrase(char *out, int size, int writing, void *context)
{
    bool *was_asked = context;
    memset(out, 0, (size_t)size);
    (void)writing;
    *was_asked = true;
    return -1;
}

static struct result read_key(const struct secret_block *pem, EVP_PKEY **out, struct detail *detail)
{
    bool is_encrypted = false;
    detail_set(detail, "private key");
    ENSURE(pem->size > 0 && pem->size <= EIF_CERTIFICATE_MAX, BAD_INPUT, "no PEM key is in it");
    CLEANUP(BIO_free_all_ptr) BIO *text = BIO_new_mem_buf(pem->data, (int)pem->size);
    ENSURE(text != NULL, UNAVAILABLE, "out of memory");
    *out = PEM_read_bio_PrivateKey(text, NULL, refuse_passphrase, &is_encrypted);
    ERR_clear_error();
    ENSURE(!is_encrypted, BAD_INPUT, "it is encrypted: decrypt it with 'openssl pkey' first");
    ENSURE(*out != NULL, BAD_INPUT, "no PEM private key is in it");
    return OK;
}

static struct result check_pair(const struct eif_signer *signer, struct detail *detail)
{
    detail_set(detail, "certificate");
    ENSURE(strcmp(signer->certificate->curve->name, "P-384") == 0, BAD_INPUT,
           "its key is not on the curve P-384");
    detail_set(detail, "private key");
    int equal = EVP_PKEY_eq(signer->certificate->key, signer->key);
    ERR_clear_error();
    ENSURE(equal == 1, BAD_INPUT, "it is not the key of the certificate");
    return OK;
}

RESULT eif_signer_new(const struct secret_block *certificate, const struct secret_block *key,
                      struct eif_signer **out, struct detail *detail)
{
    CLEANUP(eif_signer_free_ptr) struct eif_signer *signer = calloc(1, sizeof(*signer));
    ENSURE(signer != NULL, UNAVAILABLE, "out of memory");
    struct result read =
        eif_certificate_read(certificate->data, certificate->size, &signer->certificate, detail);
    detail_set(detail, "certificate");
    TRY(read);
    TRY(read_key(key, &signer->key, detail));
    TRY(check_pair(signer, detail));
    *out = STEAL(signer);
    return OK;
}

void eif_signer_free(struct eif_signer *signer)
{
    if (signer != NULL) {
        eif_certificate_free(signer->certificate);
        EVP_PKEY_free(signer->key); /* wipes the private number */
        free(signer);
    }
}

const struct eif_certificate *eif_signer_certificate(const struct eif_signer *signer)
{
    return signer->certificate;
}

/* ECDSA over the message, as two numbers of the curve's size. */
static struct result make_mark(const struct eif_signer *signer, const struct buf *message,
                               uint8_t mark[static 2 * HALF_MAX])
{
    uint8_t der[DER_MAX];
    size_t der_size = sizeof(der);
    const uint8_t *at = der;
    int half = (int)signer->certificate->curve->size;
    const char *digest = signer->certificate->curve->digest;
    CLEANUP(EVP_MD_CTX_free_ptr) EVP_MD_CTX *context = EVP_MD_CTX_new();
    ENSURE(context != NULL, UNAVAILABLE, "out of memory");
    bool done =
        EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, signer->key, NULL) == 1 &&
        EVP_DigestSign(context, der, &der_size, (const uint8_t *)message->data, message->size) == 1;
    ERR_clear_error();
    ENSURE(done, UNAVAILABLE, "the private key cannot sign");
    CLEANUP(ECDSA_SIG_free_ptr) ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    ENSURE(pair != NULL, UNAVAILABLE, "the private key cannot sign");
    done = BN_bn2binpad(ECDSA_SIG_get0_r(pair), mark, half) == half &&
           BN_bn2binpad(ECDSA_SIG_get0_s(pair), mark + half, half) == half;
    ENSURE(done, UNAVAILABLE, "the private key cannot sign");
    return OK;
}

static struct result make_cose(const struct eif_signer *signer, const struct pcr *pcr0,
                               struct buf *out)
{
    uint8_t mark[2 * HALF_MAX];
    BUF header = BUF_INIT(EIF_COSE_MAX);
    BUF payload = BUF_INIT(EIF_COSE_MAX);
    BUF message = BUF_INIT(MESSAGE_MAX);
    eif_signature_header(signer->certificate->curve, &header);
    eif_signature_payload(pcr0, &payload);
    TRY(buf_check(&header));
    TRY(buf_check(&payload));
    eif_signature_message((struct cbor_view){ (const uint8_t *)header.data, header.size },
                          (struct cbor_view){ (const uint8_t *)payload.data, payload.size },
                          &message);
    TRY(buf_check(&message));
    TRY(make_mark(signer, &message, mark));
    cbor_write_array(out, 4);
    cbor_write_bytes(out, header.data, header.size);
    cbor_write_map(out, 0);
    cbor_write_bytes(out, payload.data, payload.size);
    cbor_write_bytes(out, mark, 2 * signer->certificate->curve->size);
    return buf_check(out);
}

RESULT eif_signer_sign(const struct eif_signer *signer, const struct pcr *pcr0, struct buf *out)
{
    BUF cose = BUF_INIT(EIF_COSE_MAX);
    TRY(make_cose(signer, pcr0, &cose));
    CLEANUP(BIO_free_all_ptr) BIO *text = BIO_new(BIO_s_mem());
    char *pem = NULL;
    ENSURE(text != NULL && PEM_write_bio_X509(text, signer->certificate->x509) == 1, UNAVAILABLE,
           "out of memory");
    long size = BIO_get_mem_data(text, &pem);
    ENSURE(size > 0 && size <= EIF_CERTIFICATE_MAX, LIMIT, "the certificate is too large");
    eif_signature_section(pem, (size_t)size, cose.data, cose.size, out);
    return buf_check(out);
}
