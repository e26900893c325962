#include "tls_fixture.h"

#include "base/clock.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static void name_it(X509 *certificate, const struct identity_wish *wish)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    const char *names[] = { wish->name, wish->second_name };
    for (size_t i = 0; i < 2; i++) {
        if (names[i] != NULL) {
            X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                       (const unsigned char *)names[i], -1, -1, 0);
        }
    }
}

static void extend(X509 *certificate, const struct identity_wish *wish, X509 *issuer)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    const char *values[2][2] = {
        { "basicConstraints", wish->authority ? "critical,CA:TRUE" : "CA:FALSE" },
        { "extendedKeyUsage", wish->usage },
    };
    for (size_t i = 0; i < 2; i++) {
        if (values[i][1] != NULL) {
            X509_EXTENSION *made = X509V3_EXT_conf(NULL, &context, values[i][0], values[i][1]);
            assert(made != NULL);
            X509_add_ext(certificate, made, -1);
            X509_EXTENSION_free(made);
        }
    }
}

struct identity identity_make(const struct identity_wish *wish)
{
    static long serial = 1;
    struct identity made = { .certificate = X509_new() };
    made.key = wish->rsa_1024 ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
    assert(made.certificate != NULL && made.key != NULL);
    X509 *issuer = wish->issuer == NULL ? made.certificate : wish->issuer->certificate;
    time_t now = (time_t)clock_wall_seconds();
    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), __atomic_add_fetch(&serial, 1, 5));
    X509_time_adj_ex(X509_getm_notBefore(made.certificate), 0, wish->from_s - DAY, &now);
    X509_time_adj_ex(X509_getm_notAfter(made.certificate), 0, wish->until_s + 9 * DAY, &now);
    name_it(made.certificate, wish);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer));
    X509_set_pubkey(made.certificate, made.key);
    extend(made.certificate, wish, issuer);
    X509_sign(made.certificate, wish->issuer == NULL ? made.key : wish->issuer->key, EVP_sha256());
    return made;
}

struct identity identity_named(const char *name)
{
    return identity_make(&(struct identity_wish){ .name = name });
}

void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

void identity_known_line(const struct identity *identity, const char *name, char out[256])
{
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    X509_digest(identity->certificate, EVP_sha256(), fingerprint, NULL);
    size_t size = (size_t)snprintf(out, 256, "%s ", name);
    for (size_t i = 0; i < sizeof(fingerprint); i++) {
        size +=
            (size_t)snprintf(out + size, 256 - size, "%s%02X", i == 0 ? "" : ":", fingerprint[i]);
    }
    snprintf(out + size, 256 - size, "\n");
}

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    char *text = calloc(1, (size_t)size + 1);
    memcpy(text, data, (size_t)size);
    BIO_free(bio);
    return text;
}

char *identity_certificate_pem(const struct identity *identity)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, identity->certificate);
    return text_of(bio);
}

char *identity_key_pem(const struct identity *identity, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, identity->key, password == NULL ? NULL : EVP_aes_256_cbc(),
                                  password, password == NULL ? 0 : (int)strlen(password), NULL,
                                  NULL);
    return text_of(bio);
}

struct tls_context *context_of(const struct identity *identity, enum tls_lowest lowest)
{
    struct tls_context *context = NULL;
    struct tls_settings settings = { .lowest = lowest,
                                     .certificate = identity->certificate,
                                     .key = identity->key };
    struct detail detail = { "" };
    struct result made = tls_context_new(&settings, clock_wall_seconds(), &context, &detail);
    if (!is_ok(made)) {
        printf("# %s: %s\n", detail.text, made.what);
        return NULL;
    }
    return context;
}

SSL_CTX *client_context(const struct identity *identity)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    assert(client != NULL);
    SSL_CTX_set_security_level(client, 0); /* what is refused is refused by the server */
    SSL_CTX_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (identity != NULL) {
        SSL_CTX_use_certificate(client, identity->certificate);
        SSL_CTX_use_PrivateKey(client, identity->key);
    }
    return client;
}
