#include "net/tls_files.h"

#include "base/file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

/* What is read of the files; all of it is ours. */
struct material {
    X509 *certificate;
    STACK_OF(X509) * chain;
    STACK_OF(X509) * client_cas;
    EVP_PKEY *key;
    struct tls_clients *clients;
};

static void material_free(struct material *material)
{
    X509_free(material->certificate);
    sk_X509_pop_free(material->chain, X509_free);
    sk_X509_pop_free(material->client_cas, X509_free);
    EVP_PKEY_free(material->key);
    tls_clients_free(material->clients);
}

static void bio_free_ptr(BIO **bio)
{
    BIO_free(*bio);
}

/* Instead of OpenSSL's question on the terminal. */
static int give_no_password(char *password, int size, int writing, void *asked)
{
    (void)writing;
    if (size > 0) {
        password[0] = '\0';
    }
    *(bool *)asked = true;
    return -1;
}

/* Reads a file and takes it into the digest, or that it could not be read. */
static struct result read_file(const char *path, struct secret_block *out,
                               uint8_t digest[static SHA256_SIZE], struct detail *detail)
{
    uint8_t of_file[SHA256_SIZE] = { 0 };
    struct result result = file_read(path, TLS_FILE_MAX, out, detail);
    if (is_ok(result)) {
        sha256(out->data, out->size, of_file);
    }
    sha256_pair(digest, of_file, digest);
    return result;
}

static BIO *open_block(const struct secret_block *block)
{
    return BIO_new_mem_buf(block->data == NULL ? (const void *)"" : block->data, (int)block->size);
}

/* After the last certificate OpenSSL complains that there is none. */
static bool is_at_end(void)
{
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return error == 0 ||
           (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
}

static struct result read_certificates(const struct secret_block *text, STACK_OF(X509) * out)
{
    CLEANUP(bio_free_ptr) BIO *bio = open_block(text);
    ENSURE(bio != NULL, UNAVAILABLE, "out of memory");
    for (;;) {
        bool asked = false;
        X509 *certificate = PEM_read_bio_X509(bio, NULL, give_no_password, &asked);
        if (certificate == NULL) {
            break;
        }
        if (sk_X509_num(out) == TLS_CERTIFICATES_MAX || sk_X509_push(out, certificate) == 0) {
            X509_free(certificate);
            return FAIL(LIMIT, "too many certificates in the file");
        }
    }
    ENSURE(is_at_end(), BAD_INPUT, "a certificate in the file is damaged");
    ENSURE(sk_X509_num(out) > 0, BAD_INPUT, "there is no certificate in PEM form in the file");
    return OK;
}

static struct result load_certificates(const char *path, STACK_OF(X509) * *out,
                                       uint8_t digest[static SHA256_SIZE], struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(read_file(path, &text, digest, detail));
    *out = sk_X509_new_null();
    ENSURE(*out != NULL, UNAVAILABLE, "out of memory");
    return read_certificates(&text, *out);
}

static struct result load_key(const char *path, EVP_PKEY **out, uint8_t digest[static SHA256_SIZE],
                              struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    bool asked = false;
    TRY(read_file(path, &text, digest, detail));
    CLEANUP(bio_free_ptr) BIO *bio = open_block(&text);
    ENSURE(bio != NULL, UNAVAILABLE, "out of memory");
    *out = PEM_read_bio_PrivateKey(bio, NULL, give_no_password, &asked);
    ERR_clear_error();
    ENSURE(!asked, BAD_INPUT,
           "the key is encrypted; write it without a password (openssl pkey), chmod 600");
    ENSURE(*out != NULL, BAD_INPUT, "there is no private key in PEM form in the file");
    return OK;
}

static struct result load_clients(const char *path, struct tls_clients **out,
                                  uint8_t digest[static SHA256_SIZE], struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(read_file(path, &text, digest, detail));
    detail_set(detail, "%s", "");
    struct result parsed = tls_clients_parse((const char *)text.data, text.size, out, detail);
    if (!is_ok(parsed)) {
        detail_prefix(detail, "%s%s", path, detail == NULL || detail->text[0] == '\0' ? "" : ": ");
    }
    return parsed;
}

/* All files are read even when one is bad: the digest is that of all. */
static struct result load_all(const struct tls_paths *paths, struct material *material,
                              uint8_t digest[static SHA256_SIZE], struct detail *detail)
{
    struct detail of_file[4] = { { "" } };
    struct result results[4] = {
        load_certificates(paths->certificate, &material->chain, digest, &of_file[0]),
        load_key(paths->key, &material->key, digest, &of_file[1]),
        paths->client_ca == NULL
            ? OK
            : load_certificates(paths->client_ca, &material->client_cas, digest, &of_file[2]),
        paths->known_clients == NULL
            ? OK
            : load_clients(paths->known_clients, &material->clients, digest, &of_file[3]),
    };
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (!is_ok(results[i])) {
            detail_set(detail, "%s", of_file[i].text);
            return results[i];
        }
    }
    material->certificate = sk_X509_shift(material->chain);
    return OK;
}

RESULT tls_files_load(const struct tls_paths *paths, uint64_t now_seconds, struct tls_context **out,
                      uint8_t digest_out[static SHA256_SIZE], struct detail *detail)
{
    CLEANUP(material_free) struct material material = { 0 };
    memset(digest_out, 0, SHA256_SIZE);
    ERR_clear_error();
    TRY(load_all(paths, &material, digest_out, detail));
    struct tls_settings settings = {
        .lowest = TLS_LOWEST_1_2,
        .certificate = material.certificate,
        .chain = material.chain,
        .key = material.key,
        .client_cas = material.client_cas,
        .clients = material.clients,
    };
    detail_set(detail, "%s", "");
    struct result made = tls_context_new(&settings, now_seconds, out, detail);
    material.clients = settings.clients; /* NULL when they were taken over */
    if (!is_ok(made)) {
        detail_prefix(detail, "%s%s", paths->certificate,
                      detail == NULL || detail->text[0] == '\0' ? "" : ": ");
    }
    return made;
}
