#include "loader_fixture.h"

#include "base/buf.h"
#include "bls/bls.h"
#include "support/keystore_maker.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

bool fixture_open(struct fixture *fixture, size_t slots)
{
    if (!temp_dir_open(&fixture->dir) || !temp_mkdir(&fixture->dir, "keys") ||
        !temp_mkdir(&fixture->dir, "bulk") || !temp_mkdir(&fixture->dir, "passwords")) {
        return false;
    }
    fixture->keys = temp_path(&fixture->dir, "keys");
    fixture->bulk = temp_path(&fixture->dir, "bulk");
    fixture->passwords = temp_path(&fixture->dir, "passwords");
    fixture->paths[0] = fixture->keys.text;
    fixture->settings = (struct loader_settings){ .paths = fixture->paths,
                                                  .path_count = 1,
                                                  .keystore_concurrency = 4,
                                                  .raw_concurrency = 4,
                                                  .gate = &fixture->gate };
    kdf_gate_init(&fixture->gate, 64 * 1024 * 1024);
    return is_ok(vault_new(slots, VAULT_LOCK_REQUIRED, &fixture->vault)) &&
           is_ok(key_table_new(fixture->vault, &fixture->table));
}

void fixture_close(struct fixture *fixture)
{
    loader_report_done(&fixture->report);
    loader_free(fixture->loader);
    kdf_gate_done(&fixture->gate);
    key_table_free(fixture->table);
    vault_free(fixture->vault);
    temp_dir_close(&fixture->dir);
}

void fixture_use_bulk(struct fixture *fixture)
{
    fixture->settings.keystores_path = fixture->bulk.text;
    fixture->settings.passwords_path = fixture->passwords.text;
}

RESULT fixture_run(struct fixture *fixture)
{
    loader_report_done(&fixture->report);
    if (fixture->loader == NULL) {
        TRY(loader_new(&fixture->settings, fixture->table, &fixture->loader));
    }
    return loader_run(fixture->loader, &fixture->report, &fixture->detail);
}

bool put_text(struct fixture *fixture, const char *path, const char *text)
{
    return temp_write_text(&fixture->dir, path, text);
}

/* "<folder>/<name><ending>" */
static bool put(struct fixture *fixture, const char *folder, const char *name, const char *ending,
                const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
    return put_text(fixture, path, text);
}

char *raw_text(uint32_t number)
{
    uint8_t secret[32];
    char digits[HEX_TEXT_SIZE(32)];
    BUF text = BUF_INIT(1024);
    keystore_maker_secret(number, secret);
    hex_encode(secret, 32, digits);
    buf_printf(&text, "type: file-raw\nkeyType: BLS\nprivateKey: \"%s\"\n", digits);
    assert(!text.failed);
    return buf_take(&text);
}

bool put_raw(struct fixture *fixture, const char *name, uint32_t number)
{
    CLEANUP(free_ptr) char *text = raw_text(number);
    return put(fixture, "keys", name, ".yaml", text);
}

void password_number(uint32_t number, char out[static PASSWORD_SIZE])
{
    snprintf(out, PASSWORD_SIZE, "the-password-%" PRIu32, number);
}

static char *keystore_text(uint32_t number)
{
    uint8_t secret[32];
    char password[PASSWORD_SIZE];
    keystore_maker_secret(number, secret);
    password_number(number, password);
    struct keystore_recipe recipe = {
        .rounds = 1, .password = password, .secret = secret, .path = "m/12381/3600/0/0/0"
    };
    return keystore_make(&recipe);
}

bool put_keystore(struct fixture *fixture, const char *name, uint32_t number)
{
    char password[PASSWORD_SIZE];
    char descriptor[512];
    CLEANUP(free_ptr) char *keystore = keystore_text(number);
    password_number(number, password);
    snprintf(descriptor, sizeof(descriptor),
             "type: \"file-keystore\"\nkeyType: \"BLS\"\nkeystoreFile: \"%s.json\"\n"
             "keystorePasswordFile: \"%s.password\"\n",
             name, name);
    return put(fixture, "keys", name, ".json", keystore) &&
           put(fixture, "keys", name, ".password", password) &&
           put(fixture, "keys", name, ".yaml", descriptor);
}

bool put_bulk(struct fixture *fixture, const char *name, uint32_t number)
{
    char password[PASSWORD_SIZE];
    CLEANUP(free_ptr) char *keystore = keystore_text(number);
    password_number(number, password);
    return put(fixture, "bulk", name, ".json", keystore) &&
           put(fixture, "passwords", name, ".txt", password);
}

bool take_away(struct fixture *fixture, const char *path)
{
    return temp_remove(&fixture->dir, path);
}

struct pubkey pubkey_number(uint32_t number)
{
    uint8_t secret[32];
    struct pubkey pubkey = { { 0 } };
    keystore_maker_secret(number, secret);
    struct result result = bls_public_key(secret, pubkey.bytes);
    assert(is_ok(result));
    return pubkey;
}

struct pubkey_text pubkey_text_number(uint32_t number)
{
    struct pubkey pubkey = pubkey_number(number);
    struct pubkey_text text;
    hex_encode(pubkey.bytes, sizeof(pubkey.bytes), text.text);
    return text;
}

bool has_key(const struct fixture *fixture, uint32_t number)
{
    struct pubkey pubkey = pubkey_number(number);
    CLEANUP(key_release_ptr) struct key *key = key_table_acquire(fixture->table, &pubkey);
    return key != NULL && key_origin_of(key) == KEY_ORIGIN_FILESYSTEM;
}

const char *find_error(const struct fixture *fixture, const char *part)
{
    for (size_t i = 0; i < LOADER_ERRORS_KEPT; i++) {
        const char *text = fixture->report.error_texts[i];
        if (text != NULL && strstr(text, part) != NULL) {
            return text;
        }
    }
    return NULL;
}

void print_errors(const struct fixture *fixture)
{
    printf("# %zu errors; %s\n", fixture->report.errors, fixture->detail.text);
    for (size_t i = 0; i < LOADER_ERRORS_KEPT; i++) {
        if (fixture->report.error_texts[i] != NULL) {
            printf("# %s\n", fixture->report.error_texts[i]);
        }
    }
}

static int real_stderr = -1;

bool stderr_capture_begin(const struct fixture *fixture)
{
    struct temp_path path = temp_path(&fixture->dir, "stderr");
    CLEANUP(fd_close_ptr) int fd = open(path.text, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(real_stderr < 0);
    real_stderr = dup(STDERR_FILENO);
    return fd >= 0 && real_stderr >= 0 && dup2(fd, STDERR_FILENO) >= 0;
}

bool stderr_capture_end(const struct fixture *fixture, char *out, size_t size)
{
    struct temp_path path = temp_path(&fixture->dir, "stderr");
    bool restored = dup2(real_stderr, STDERR_FILENO) >= 0;
    close(real_stderr);
    real_stderr = -1;
    CLEANUP(file_close_ptr) FILE *file = fopen(path.text, "re");
    size_t used = file != NULL ? fread(out, 1, size - 1, file) : 0;
    out[used] = '\0';
    return restored && file != NULL;
}
