#include "net/tls_files.h"

#include "../keystore/memory_scan.h"
#include "../keystore/temp_files.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "harness.h"
#include "tls_fixture.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder with server.crt and server.key of one identity, and the paths of them. */
struct place {
    struct temp_dir dir;
    struct temp_path certificate;
    struct temp_path key;
    struct temp_path ca;
    struct temp_path known;
    struct tls_paths paths;
    struct identity server;
};

static bool write_pem(const struct place *place, const char *name, char *pem)
{
    bool written = temp_write_text(&place->dir, name, pem);
    free(pem);
    return written;
}

static void place_open(struct place *place)
{
    memset(place, 0, sizeof(*place));
    temp_dir_open(&place->dir);
    place->certificate = temp_path(&place->dir, "server.crt");
    place->key = temp_path(&place->dir, "server.key");
    place->ca = temp_path(&place->dir, "ca.crt");
    place->known = temp_path(&place->dir, "known");
    place->paths =
        (struct tls_paths){ .certificate = place->certificate.text, .key = place->key.text };
    place->server = identity_named("signer");
    write_pem(place, "server.crt", identity_certificate_pem(&place->server));
    write_pem(place, "server.key", identity_key_pem(&place->server, NULL));
}

static void place_close(struct place *place)
{
    identity_free(&place->server);
    temp_dir_close(&place->dir);
}

#define PLACE(name)                         \
    CLEANUP(place_close) struct place name; \
    place_open(&name)

static struct detail detail;
static uint8_t digest[SHA256_SIZE];

static struct result load(const struct place *place, struct tls_context **out)
{
    detail_set(&detail, "%s", "");
    return tls_files_load(&place->paths, clock_wall_seconds(), out, digest, &detail);
}

/* That the files are refused with this status and text, and that the detail names the file. */
static bool refuses(const struct place *place, enum status status, const char *file,
                    const char *what)
{
    struct tls_context *context = NULL;
    struct result result = load(place, &context);
    bool refused = result.status == status && context == NULL &&
                   strstr(result.what, what) != NULL && strstr(detail.text, file) != NULL &&
                   ERR_peek_error() == 0;
    if (!refused) {
        printf("# gave %d: %s: %s\n", (int)result.status, detail.text, result.what);
    }
    tls_context_release(context);
    return refused;
}

TEST(a_certificate_and_its_key_are_read)
{
    PLACE(place);
    CLEANUP(tls_context_release_ptr) struct tls_context *context = NULL;
    CHECK_OK(load(&place, &context));
}

TEST(text_around_the_pem_does_not_matter)
{
    PLACE(place);
    CLEANUP(tls_context_release_ptr) struct tls_context *context = NULL;
    CLEANUP(free_ptr) char *pem = identity_certificate_pem(&place.server);
    BUF text = BUF_INIT(100 * 1000);
    buf_printf(&text, "subject=CN = signer\n%sthe end\n", pem);
    CHECK(temp_write(&place.dir, "server.crt", text.data, text.size));
    CHECK_OK(load(&place, &context));
}

TEST(a_file_that_is_not_there_is_named)
{
    PLACE(place);
    CHECK(temp_remove(&place.dir, "server.key"));
    CHECK(refuses(&place, STATUS_NOT_FOUND, "server.key", "no such file"));
    CHECK(temp_remove(&place.dir, "server.crt"));
    CHECK(refuses(&place, STATUS_NOT_FOUND, "server.crt", "no such file"));
}

TEST(what_is_no_regular_file_is_refused)
{
    PLACE(place);
    CHECK(temp_remove(&place.dir, "server.key") && mkfifo(place.key.text, 0600) == 0);
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.key", "not a regular file"));
    CHECK(temp_remove(&place.dir, "server.crt") && temp_mkdir(&place.dir, "server.crt"));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "not a regular file"));
}

TEST(a_file_that_may_not_be_read_is_named)
{
    PLACE(place);
    if (geteuid() == 0) {
        SKIP("root may read every file");
    }
    CHECK(chmod(place.key.text, 0) == 0);
    CHECK(refuses(&place, STATUS_UNAVAILABLE, "server.key", "cannot open the file"));
}

TEST(an_encrypted_key_is_refused_with_the_remedy)
{
    PLACE(place);
    write_pem(&place, "server.key", identity_key_pem(&place.server, "password"));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.key", "the key is encrypted"));
}

TEST(files_without_what_they_should_hold_are_refused)
{
    static const char *const contents[] = { "", "\n", "nothing in PEM form\n",
                                            "-----BEGIN CERTIFICATE-----\n" };
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        PLACE(place);
        CHECK(temp_write_text(&place.dir, "server.key", contents[i]));
        CHECK(refuses(&place, STATUS_BAD_INPUT, "server.key", "no private key in PEM form"));
        CHECK(temp_write_text(&place.dir, "server.crt", contents[i]));
        CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "certificate"));
    }
}

TEST(key_and_certificate_in_each_others_place_are_refused)
{
    PLACE(place);
    place.paths.certificate = place.key.text;
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.key", "no certificate"));
    place.paths.certificate = place.certificate.text;
    place.paths.key = place.certificate.text;
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "no private key"));
}

TEST(a_damaged_certificate_behind_a_good_one_is_refused)
{
    PLACE(place);
    CLEANUP(free_ptr) char *pem = identity_certificate_pem(&place.server);
    BUF text = BUF_INIT(100 * 1000);
    buf_printf(&text, "%s-----BEGIN CERTIFICATE-----\nMIIB!\n-----END CERTIFICATE-----\n", pem);
    CHECK(temp_write(&place.dir, "server.crt", text.data, text.size));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "damaged"));
    pem[strlen(pem) / 2] = '!';
    CHECK(temp_write_text(&place.dir, "server.crt", pem));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "damaged"));
}

TEST(another_key_is_refused)
{
    PLACE(place);
    IDENTITY other = identity_named("signer");
    write_pem(&place, "server.key", identity_key_pem(&other, NULL));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "not the certificate's"));
}

TEST(an_expired_certificate_is_refused)
{
    PLACE(place);
    IDENTITY late = identity_make(&(struct identity_wish){ .name = "x", .until_s = -10 * DAY });
    write_pem(&place, "server.crt", identity_certificate_pem(&late));
    write_pem(&place, "server.key", identity_key_pem(&late, NULL));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "server.crt", "expired"));
}

TEST(a_file_may_have_the_size_of_the_limit_and_not_more)
{
    PLACE(place);
    CLEANUP(free_ptr) char *pem = identity_certificate_pem(&place.server);
    CLEANUP(free_ptr) char *text = calloc(1, TLS_FILE_MAX + 1);
    struct tls_context *context = NULL;
    memset(text, '\n', TLS_FILE_MAX + 1);
    memcpy(text, pem, strlen(pem));
    CHECK(temp_write(&place.dir, "server.crt", text, TLS_FILE_MAX));
    CHECK_OK(load(&place, &context));
    tls_context_release(context);
    CHECK(temp_write(&place.dir, "server.crt", text, TLS_FILE_MAX + 1));
    CHECK(refuses(&place, STATUS_LIMIT, "server.crt", "too large"));
}

TEST(as_many_certificates_as_the_limit_says_and_not_one_more)
{
    PLACE(place);
    CLEANUP(free_ptr) char *pem = identity_certificate_pem(&place.server);
    BUF text = BUF_INIT(TLS_FILE_MAX);
    struct tls_context *context = NULL;
    for (int i = 0; i < TLS_CERTIFICATES_MAX; i++) {
        buf_append_text(&text, pem);
    }
    CHECK(temp_write(&place.dir, "server.crt", text.data, text.size));
    CHECK_OK(load(&place, &context));
    tls_context_release(context);
    buf_append_text(&text, pem);
    CHECK(temp_write(&place.dir, "server.crt", text.data, text.size));
    CHECK(refuses(&place, STATUS_LIMIT, "server.crt", "too many certificates"));
}

TEST(the_clients_files_are_named_when_they_are_bad)
{
    PLACE(place);
    place.paths.known_clients = place.known.text;
    CHECK(refuses(&place, STATUS_NOT_FOUND, "known", "no such file"));
    CHECK(temp_write_text(&place.dir, "known", "teku\n"));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "known: line 1", "fingerprint"));
    CHECK(temp_write_text(&place.dir, "known", "# nobody\n"));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "known", "nobody could connect"));
    place.paths.known_clients = NULL;
    place.paths.client_ca = place.ca.text;
    CHECK(refuses(&place, STATUS_NOT_FOUND, "ca.crt", "no such file"));
    CHECK(temp_write_text(&place.dir, "ca.crt", "# none\n"));
    CHECK(refuses(&place, STATUS_BAD_INPUT, "ca.crt", "no certificate"));
}

TEST(the_digest_changes_with_each_file_and_with_nothing_else)
{
    PLACE(place);
    struct tls_context *context = NULL;
    uint8_t before[SHA256_SIZE];
    char line[256];
    place.paths.known_clients = place.known.text;
    (void)load(&place, &context); /* without the file: fails */
    memcpy(before, digest, sizeof(before));
    (void)load(&place, &context);
    CHECK(memcmp(before, digest, sizeof(before)) == 0);
    identity_known_line(&place.server, "teku", line);
    CHECK(temp_write_text(&place.dir, "known", line));
    CHECK_OK(load(&place, &context));
    tls_context_release(context);
    CHECK(memcmp(before, digest, sizeof(before)) != 0);
    memcpy(before, digest, sizeof(before));
    write_pem(&place, "server.crt", identity_certificate_pem(&place.server)); /* the same bytes */
    CHECK_OK(load(&place, &context));
    tls_context_release(context);
    CHECK(memcmp(before, digest, sizeof(before)) == 0);
    IDENTITY other = identity_named("signer");
    write_pem(&place, "server.key", identity_key_pem(&other, NULL));
    CHECK_FAILS(BAD_INPUT, load(&place, &context));
    CHECK(memcmp(before, digest, sizeof(before)) != 0);
}

/* -------------------------------------------------------------------------- where the key's bytes
 * are */

enum { SCALAR = 32, NEEDLES = 2 };

static void mask(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= MEMORY_SCAN_MASK;
    }
}

/* In a process of its own, whose memory is not looked at: writes the files, and the masked needles:
 * the key's number as OpenSSL computes with it, and a piece of its PEM. */
static void write_files_and_needles(const struct place *place)
{
    uint8_t needles[NEEDLES][SCALAR] = { { 0 } };
    IDENTITY server = identity_named("signer");
    BIGNUM *number = NULL;
    CLEANUP(free_ptr) char *pem = identity_key_pem(&server, NULL);
    EVP_PKEY_get_bn_param(server.key, OSSL_PKEY_PARAM_PRIV_KEY, &number);
    BN_bn2lebinpad(number, needles[0], SCALAR);
    memcpy(needles[1], strchr(pem, '\n') + 1 + 64 - SCALAR, SCALAR);
    mask(needles[0], sizeof(needles));
    temp_write_text(&place->dir, "server.key", pem);
    write_pem(place, "server.crt", identity_certificate_pem(&server));
    temp_write(&place->dir, "needles", needles, sizeof(needles));
    _exit(0);
}

TEST(the_key_is_gone_when_the_context_is_and_its_pem_at_once)
{
    PLACE(place);
    if (!memory_scan_works()) {
        SKIP("the sanitizers and valgrind keep freed memory");
    }
    pid_t child = fork();
    if (child == 0) {
        write_files_and_needles(&place);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    SECRET_BLOCK needles = { 0 };
    struct temp_path path = temp_path(&place.dir, "needles");
    CHECK_OK(file_read(path.text, NEEDLES * SCALAR, &needles, &detail));
    struct tls_context *context = NULL;
    CHECK_OK(load(&place, &context));
    CHECK(memory_scan(needles.data, SCALAR) > 0); /* in use, so the search finds it */
    CHECK(memory_scan(needles.data + SCALAR, SCALAR) == 0);
    tls_context_release(context);
    CHECK(memory_scan(needles.data, SCALAR) == 0);
    CHECK(memory_scan(needles.data + SCALAR, SCALAR) == 0);
}

HARNESS_TESTS(T(a_certificate_and_its_key_are_read), T(text_around_the_pem_does_not_matter),
              T(a_file_that_is_not_there_is_named), T(what_is_no_regular_file_is_refused),
              T(a_file_that_may_not_be_read_is_named),
              T(an_encrypted_key_is_refused_with_the_remedy),
              T(files_without_what_they_should_hold_are_refused),
              T(key_and_certificate_in_each_others_place_are_refused),
              T(a_damaged_certificate_behind_a_good_one_is_refused), T(another_key_is_refused),
              T(an_expired_certificate_is_refused),
              T(a_file_may_have_the_size_of_the_limit_and_not_more),
              T(as_many_certificates_as_the_limit_says_and_not_one_more),
              T(the_clients_files_are_named_when_they_are_bad),
              T(the_digest_changes_with_each_file_and_with_nothing_else),
              T(the_key_is_gone_when_the_context_is_and_its_pem_at_once))
