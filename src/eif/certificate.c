#include "eif/certificate.h"

#include "base/clock.h"
#include "base/sha384.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static const struct eif_curve curves[] = {
    { "P-256", "prime256v1", "SHA256", -7, 32 },
    { "P-384", "secp384r1", "SHA384", -35, 48 },
    { "P-521", "secp521r1", "SHA512", -36, 66 },
};

DEFINE_CLEANUP(BIO, BIO_free_all);

static const struct eif_curve *curve_of(const EVP_PKEY *key)
{
    char group[40] = "";
    size_t size = 0;
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(key, group, sizeof(group), &size) != 1) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(curves[i].group, group) == 0) {
            return &curves[i];
        }
    }
    return NULL;
}

static struct result read_time(const ASN1_TIME *time, uint64_t *out)
{
    enum { DAY_S = 86400 };
    int days = 0;
    int seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    ENSURE(epoch != NULL, UNAVAILABLE, "out of memory");
    int known = ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    ENSURE(known == 1 && days >= 0 && seconds >= 0, BAD_INPUT,
           "the certificate's dates cannot be read");
    *out = (uint64_t)days * DAY_S + (uint64_t)seconds;
    return OK;
}

static struct result measure(const X509 *x509, struct pcr *out)
{
    uint8_t *der = NULL;
    uint8_t hash[SHA384_SIZE];
    int size = i2d_X509(x509, &der);
    ENSURE(size > 0, BAD_INPUT, "the certificate cannot be encoded");
    sha384(der, (size_t)size, hash);
    OPENSSL_free(der);
    *out = pcr_of(hash, sizeof(hash));
    return OK;
}

static struct result fill(struct eif_certificate *certificate)
{
    certificate->key = X509_get_pubkey(certificate->x509);
    certificate->curve = curve_of(certificate->key);
    ENSURE(certificate->curve != NULL, BAD_INPUT,
           "the certificate's key is on none of the curves P-256, P-384 and P-521");
    TRY(read_time(X509_get0_notBefore(certificate->x509), &certificate->not_before));
    TRY(read_time(X509_get0_notAfter(certificate->x509), &certificate->not_after));
    return measure(certificate->x509, &certificate->pcr);
}

/* A certificate is no secret: one that claims to be encrypted must not ask anybody for anything. */
static int refuse_passphrase(char *out, int size, int writing, void *context)
{
    memset(out, 0, (size_t)size);
    (void)writing;
    (void)context;
    return -1;
}

RESULT eif_certificate_read(const void *pem, size_t size, struct eif_certificate **out,
                            struct detail *detail)
{
    detail_set(detail, "%zu bytes", size);
    ENSURE(size <= EIF_CERTIFICATE_MAX, LIMIT, "too large for a certificate");
    detail_set(detail, "%s", "");
    CLEANUP(BIO_free_all_ptr) BIO *text = BIO_new_mem_buf(size == 0 ? "" : pem, (int)size);
    CLEANUP(eif_certificate_free_ptr)
    struct eif_certificate *certificate = calloc(1, sizeof(*certificate));
    ENSURE(text != NULL && certificate != NULL, UNAVAILABLE, "out of memory");
    certificate->x509 = PEM_read_bio_X509(text, NULL, refuse_passphrase, NULL);
    ERR_clear_error();
    ENSURE(certificate->x509 != NULL, BAD_INPUT, "no PEM certificate is in it");
    struct result filled = fill(certificate);
    ERR_clear_error();
    TRY(filled);
    *out = STEAL(certificate);
    return OK;
}

void eif_certificate_free(struct eif_certificate *certificate)
{
    if (certificate != NULL) {
        X509_free(certificate->x509);
        EVP_PKEY_free(certificate->key);
        free(certificate);
    }
}

RESULT eif_certificate_check_dates(const struct eif_certificate *certificate, uint64_t now,
                                   struct detail *detail)
{
    char date[CLOCK_TEXT_SIZE];
    clock_format(certificate->not_before, date);
    detail_set(detail, "from %s", date);
    ENSURE(now >= certificate->not_before, REFUSED, "the signing certificate does not hold yet");
    clock_format(certificate->not_after, date);
    detail_set(detail, "until %s", date);
    ENSURE(now <= certificate->not_after, REFUSED, "the signing certificate has expired");
    return OK;
}

static void write_name(struct json_writer *writer, const X509_NAME *name)
{
    json_write_open(writer, "IssuerName", '{');
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
        unsigned char *value = NULL;
        char key[80] = "";
        if (X509_NAME_get_index_by_OBJ(name, type, i) >= 0) {
            continue; /* the last of a type is shown: JSON's names are there once */
        }
        OBJ_obj2txt(key, sizeof(key), type, 0);
        if (ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry)) >= 0) {
            json_write_text(writer, key, (const char *)value);
            OPENSSL_free(value);
        }
    }
    json_write_close(writer, '}');
}

static void write_date(struct json_writer *writer, const char *name, const ASN1_TIME *time)
{
    CLEANUP(BIO_free_all_ptr) BIO *text = BIO_new(BIO_s_mem());
    char line[64] = "";
    if (text != NULL && ASN1_TIME_print(text, time) == 1) {
        int size = BIO_read(text, line, sizeof(line) - 1);
        line[size < 0 ? 0 : size] = '\0';
    }
    json_write_text(writer, name, line);
}

/* "0A:1B:…" */
static void write_signature(struct json_writer *writer, const ASN1_BIT_STRING *signature)
{
    BUF text = BUF_INIT(3 * EIF_CERTIFICATE_MAX);
    const unsigned char *bytes = ASN1_STRING_get0_data(signature);
    for (int i = 0; i < ASN1_STRING_length(signature); i++) {
        buf_printf(&text, "%s%02X", i == 0 ? "" : ":", bytes[i]);
    }
    json_write_text(writer, "Signature", text.size == 0 ? "" : text.data);
}

void eif_certificate_write_json(const struct eif_certificate *certificate,
                                struct json_writer *writer)
{
    const ASN1_BIT_STRING *signature = NULL;
    const X509_ALGOR *algorithm = NULL;
    char name[80] = "";
    X509_get0_signature(&signature, &algorithm, certificate->x509);
    OBJ_obj2txt(name, sizeof(name), algorithm->algorithm, 0);
    json_write_open(writer, "SigningCertificate", '{');
    write_name(writer, X509_get_issuer_name(certificate->x509));
    json_write_text(writer, "Algorithm", name);
    write_date(writer, "NotBefore", X509_get0_notBefore(certificate->x509));
    write_date(writer, "NotAfter", X509_get0_notAfter(certificate->x509));
    write_signature(writer, signature);
    json_write_close(writer, '}');
}
