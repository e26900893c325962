/* eif_test.h: keys, certificates and small images for the tests of src/eif. */
#ifndef TESTS_EIF_TEST_H
#define TESTS_EIF_TEST_H

#include "base/buf.h"
#include "eif/image.h"
#include "eif/signer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

enum { SMALL_IMAGE_MAX = 1 << 16 };

/* 2026-01-01 and 2027-01-01: when the certificates hold. */
static const uint64_t test_not_before = 1767225600;
static const uint64_t test_not_after = 1798761600;

/* The metadata of the images. */
static const char test_metadata[] =
    "{\"ImageName\":\"n\",\"ImageVersion\":\"v\",\"BuildMetadata\":{\"BuildTime\":\"t\","
    "\"BuildTool\":\"b\",\"BuildToolVersion\":\"w\",\"OperatingSystem\":\"o\","
    "\"KernelVersion\":\"k\"},\"DockerInfo\":{},\"CustomMetadata\":{}}";

/* A key and its certificate, in PEM. */
struct test_identity {
    struct secret_block certificate;
    struct secret_block key;
};

static inline void test_identity_done(struct test_identity *identity)
{
    secret_block_free(&identity->certificate);
    secret_block_free(&identity->key);
}

#define IDENTITY CLEANUP(test_identity_done) struct test_identity

static inline struct secret_block test_block(const void *bytes, size_t size)
{
    struct secret_block block = { 0 };
    if (secret_block_new(size, &block) && size > 0) {
        memcpy(block.data, bytes, size);
    }
    return block;
}

static inline struct secret_block test_take_text(BIO *text)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(text, &bytes);
    struct secret_block block = test_block(bytes, (size_t)size);
    BIO_free(text);
    return block;
}

static inline struct test_identity test_identity_of(EVP_PKEY *key, uint64_t not_before,
                                                    uint64_t not_after)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"signer", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)not_before);
    ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)not_after);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha384());
    BIO *certificate_text = BIO_new(BIO_s_mem());
    BIO *key_text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(certificate_text, certificate);
    PEM_write_bio_PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return (struct test_identity){ test_take_text(certificate_text), test_take_text(key_text) };
}

/* `group` is OpenSSL's name of the curve. */
static inline struct test_identity test_identity_new(const char *group)
{
    return test_identity_of(EVP_EC_gen(group), test_not_before, test_not_after);
}

/* Kernel, command line, metadata and two ramdisks, as AWS's builder lines them up. */
static inline struct eif_image test_image(void)
{
    struct eif_image image = eif_new(0);
    struct result added[] = {
        eif_add(&image, EIF_KERNEL, "kernel", 6),
        eif_add(&image, EIF_CMDLINE, "console=ttyS0", 13),
        eif_add(&image, EIF_METADATA, test_metadata, sizeof(test_metadata) - 1),
        eif_add(&image, EIF_RAMDISK, "first ramdisk", 13),
        eif_add(&image, EIF_RAMDISK, "second", 6),
    };
    (void)added;
    return image;
}

/* Writes `size` big-endian bytes. */
static inline void test_put(uint8_t *out, size_t size, uint64_t value)
{
    for (size_t i = size; i > 0; i--, value >>= 8) {
        out[i - 1] = (uint8_t)value;
    }
}

/* Makes the checksum of a whole image right again, where its sections can be walked. */
static inline void test_fix_crc(uint8_t *file, size_t size)
{
    struct eif_image image;
    if (is_ok(eif_read(file, size, &image, NULL))) {
        test_put(file + EIF_AT_CRC, 4, eif_actual_crc(&image));
    }
}

#endif
