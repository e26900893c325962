#include "keystore/loader.h"

#include "base/buf.h"
#include "harness.h"
#include "loader_fixture.h"
#include "memory_scan.h"
#include "support/keystore_maker.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The text with each '@' replaced; the caller frees it. */
static char *expanded(const char *text, const char *with)
{
    BUF out = BUF_INIT(4096);
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            buf_append_text(&out, with);
        } else {
            buf_append(&out, text, 1);
        }
    }
    return buf_take(&out);
}

TEST(descriptors_of_both_types_are_loaded)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK(put_keystore(&fixture, "b", 2));
    CHECK(put_raw(&fixture, "c", 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.added == 3);
    CHECK(fixture.report.removed == 0 && fixture.report.errors == 0);
    CHECK(fixture.report.error_texts[0] == NULL);
    CHECK(has_key(&fixture, 1) && has_key(&fixture, 2) && has_key(&fixture, 3));
    CHECK(key_table_count(fixture.table) == 3);
}

TEST(only_descriptor_files_of_the_folder_itself_are_read)
{
    FIXTURE(16);
    CLEANUP(free_ptr) char *text = raw_text(9);
    static const char *const ignored[] = { "keys/.hidden.yaml", "keys/a.txt", "keys/sub/a.yaml",
                                           "keys/sub.yaml/a.yaml", "keys/a.yaml.bak" };
    CHECK(temp_mkdir(&fixture.dir, "keys/sub") && temp_mkdir(&fixture.dir, "keys/sub.yaml"));
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        CHECK(put_text(&fixture, ignored[i], text));
    }
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 0 && fixture.report.errors == 0);
    CHECK(put_text(&fixture, "keys/it.yml", text));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 0);
}

TEST(several_directories_and_documents_are_read)
{
    FIXTURE(16);
    struct temp_path more = temp_path(&fixture.dir, "more");
    BUF text = BUF_INIT(4096);
    CHECK(temp_mkdir(&fixture.dir, "more"));
    fixture.paths[1] = more.text;
    fixture.settings.path_count = 2;
    CHECK(put_raw(&fixture, "a", 1));
    for (uint32_t i = 2; i <= 5; i++) {
        CLEANUP(free_ptr) char *document = raw_text(i);
        buf_printf(&text, "---\n%s", document);
    }
    CHECK(put_text(&fixture, "more/a.yaml", text.data));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 5 && fixture.report.errors == 0);
    CHECK(has_key(&fixture, 1) && has_key(&fixture, 5));
}

TEST(keystores_may_be_named_by_absolute_paths)
{
    FIXTURE(16);
    char text[1024];
    CHECK(put_bulk(&fixture, "k", 1));
    snprintf(text, sizeof(text),
             "type: file-keystore\nkeystoreFile: %s/k.json\nkeystorePasswordFile: %s/k.txt\n",
             fixture.bulk.text, fixture.passwords.text);
    CHECK(put_text(&fixture, "keys/a.yaml", text));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && has_key(&fixture, 1));
}

TEST(a_bulk_directory_is_loaded_with_a_directory_of_passwords)
{
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_bulk(&fixture, "a", 1));
    CHECK(put_bulk(&fixture, "b.c", 2));
    CHECK(put_raw(&fixture, "a", 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.errors == 0);
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    size_t with_path = 0;
    CHECK_OK(key_table_list(fixture.table, &keys, &count));
    for (size_t i = 0; i < count; i++) {
        with_path += strcmp(keys[i].path, "m/12381/3600/0/0/0") == 0;
    }
    CHECK(count == 3 && with_path == 2);
}

TEST(a_bulk_directory_is_loaded_with_one_password)
{
    FIXTURE(16);
    uint8_t secret[32];
    struct temp_path password = temp_path(&fixture.dir, "password");
    fixture.settings.keystores_path = fixture.bulk.text;
    fixture.settings.password_file = password.text;
    fixture.settings.path_count = 0;
    CHECK(put_text(&fixture, "password", "shared\r\n"));
    for (uint32_t i = 1; i <= 3; i++) {
        char name[32];
        keystore_maker_secret(i, secret);
        CLEANUP(free_ptr) char *text = keystore_make_cheap(secret, "shared");
        snprintf(name, sizeof(name), "bulk/%u.json", i);
        CHECK(put_text(&fixture, name, text));
    }
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.errors == 0);
}

TEST(settings_that_make_no_sense_are_refused)
{
    FIXTURE(1);
    fixture.settings.keystores_path = fixture.bulk.text;
    CHECK_FAILS(BAD_INPUT, fixture_run(&fixture));
    fixture.settings.passwords_path = fixture.passwords.text;
    fixture.settings.password_file = fixture.keys.text;
    CHECK_FAILS(BAD_INPUT, fixture_run(&fixture));
}

/* Files that give no key. A second file is beside each; and `line` must be in the report, where %s
 * is the fixture's folder. */
static const struct {
    const char *path;
    const char *text;
    const char *line;
} bad_files[] = {
    { "keys/x.yaml",
      "type: file-keystore\nkeystoreFile: k.password\nkeystorePasswordFile: k.json\n",
      "@/keys/x.yaml, document 1: @/keys/k.password: byte " },
    { "keys/x.yaml", "type: file-raw\nprivateKey: oops\n",
      "@/keys/x.yaml, document 1: privateKey: must be 64 hexadecimal digits" },
    { "keys/x.yaml", "--- {type: file-raw}\n--- {type: hashicorp}\n",
      "@/keys/x.yaml, document 2: type hashicorp: keys from this source are not supported" },
    { "keys/x.yml", "type: file-raw\nkeyType: SECP256K1\n",
      "@/keys/x.yml, document 1: keyType: SECP256K1 keys are not supported" },
    { "keys/x.yaml", "", "@/keys/x.yaml: no key descriptor in the file" },
    { "keys/x.yaml", "type: [file-raw", "@/keys/x.yaml: line 2 (" },
    { "keys/x.yaml",
      "type: file-raw\nprivateKey: "
      "0x0000000000000000000000000000000000000000000000000000000000000000",
      "@/keys/x.yaml, document 1: privateKey: secret key is zero or not below the order" },
    { "keys/x.yaml",
      "type: file-raw\nprivateKey: "
      "0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001",
      "@/keys/x.yaml, document 1: privateKey: secret key is zero or not below the order" },
    { "keys/x.yaml",
      "type: file-keystore\nkeystoreFile: no.json\nkeystorePasswordFile: k.password\n",
      "@/keys/x.yaml, document 1: @/keys/no.json (No such file or directory): no such file" },
    { "keys/x.yaml",
      "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: no.password\n",
      "@/keys/x.yaml, document 1: @/keys/no.password (No such file or directory): no such file" },
    { "keys/x.yaml", "type: file-keystore\nkeystoreFile: .\nkeystorePasswordFile: k.password\n",
      "@/keys/x.yaml, document 1: @/keys/.: not a regular file" },
    { "keys/x.yaml", "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: .\n",
      "@/keys/.: not a regular file" },
    { "keys/x.yaml",
      "type: file-keystore\nkeystoreFile: x.yaml\nkeystorePasswordFile: k.password\n",
      "@/keys/x.yaml, document 1: byte " },
    { "keys/x.yaml", "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: k.json\n",
      "@/keys/k.json: wrong password" },
    { "keys/x.yaml", "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: a.yaml\n",
      "@/keys/a.yaml (of more than one line, which together are taken as the password): wrong "
      "password" },
    { "bulk/x.json", "{\"version\":3}", "@/bulk/x.json: version: only version 4 is supported" },
    { "bulk/x.json", "[]", "@/bulk/x.json: top level: not an EIP-2335 keystore" },
    { "bulk/x.json", "", "@/bulk/x.json: byte " },
};

TEST(a_file_that_gives_no_key_is_reported_by_name_and_stops_no_other)
{
    for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
        FIXTURE(16);
        fixture_use_bulk(&fixture);
        CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
        CHECK(put_bulk(&fixture, "z", 3) && put_text(&fixture, "passwords/x.txt", "x"));
        CHECK(put_text(&fixture, bad_files[i].path, bad_files[i].text));
        CLEANUP(free_ptr) char *line = expanded(bad_files[i].line, fixture.dir.path);
        CHECK_OK(fixture_run(&fixture));
        if (find_error(&fixture, line) == NULL) {
            print_errors(&fixture);
            printf("# missing: %s\n", line);
        }
        CHECK(find_error(&fixture, line) != NULL);
        CHECK(fixture.report.loaded == 3 && fixture.report.errors >= 1);
        CHECK(has_key(&fixture, 1) && has_key(&fixture, 2) && has_key(&fixture, 3));
    }
}

TEST(a_wrong_password_names_file_key_and_reason)
{
    FIXTURE(16);
    char line[1024];
    fixture_use_bulk(&fixture);
    CHECK(put_keystore(&fixture, "a", 1) && put_bulk(&fixture, "b", 2));
    CHECK(put_text(&fixture, "keys/a.password", "wrong"));
    CHECK(put_text(&fixture, "passwords/b.txt", "wrong"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 0 && fixture.report.errors == 2);
    snprintf(line, sizeof(line), "%s/a.yaml, document 1, key %s: %s/a.password: wrong password",
             fixture.keys.text, pubkey_text_number(1).text, fixture.keys.text);
    CHECK(find_error(&fixture, line) != NULL);
    snprintf(line, sizeof(line), "%s/b.json, key %s: %s/b.txt: wrong password", fixture.bulk.text,
             pubkey_text_number(2).text, fixture.passwords.text);
    CHECK(find_error(&fixture, line) != NULL);
}

TEST(a_keystore_that_claims_another_key_is_reported)
{
    FIXTURE(16);
    char password[PASSWORD_SIZE];
    uint8_t secret[32];
    char line[1024];
    struct pubkey_text claimed = pubkey_text_number(2);
    fixture_use_bulk(&fixture);
    password_number(1, password);
    keystore_maker_secret(1, secret);
    struct keystore_recipe recipe = {
        .rounds = 1, .password = password, .secret = secret, .pubkey_text = claimed.text
    };
    CLEANUP(free_ptr) char *text = keystore_make(&recipe);
    CHECK(put_bulk(&fixture, "a", 1) && put_text(&fixture, "bulk/a.json", text));
    CHECK_OK(fixture_run(&fixture));
    snprintf(line, sizeof(line), "%s/a.json, key %s: the secret key is not that of the claimed",
             fixture.bulk.text, claimed.text);
    CHECK(find_error(&fixture, line) != NULL);
    CHECK(fixture.report.loaded == 0 && fixture.report.errors == 1);
}

TEST(a_missing_password_of_a_bulk_keystore_is_reported)
{
    FIXTURE(16);
    char line[1024];
    fixture_use_bulk(&fixture);
    CHECK(put_bulk(&fixture, "a", 1) && take_away(&fixture, "passwords/a.txt"));
    CHECK_OK(fixture_run(&fixture));
    snprintf(line, sizeof(line), "%s/a.json: %s/a.txt (No such file or directory)",
             fixture.bulk.text, fixture.passwords.text);
    CHECK(find_error(&fixture, line) != NULL);
}

TEST(files_that_may_not_be_read_are_reported)
{
    if (geteuid() == 0) {
        SKIP("root may read all");
    }
    FIXTURE(16);
    struct temp_path path = temp_path(&fixture.dir, "keys/a.yaml");
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 2));
    CHECK(chmod(path.text, 0) == 0);
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 1);
    CHECK(find_error(&fixture, "Permission denied") != NULL);
}

TEST(pipes_and_dangling_links_do_not_hang_the_load)
{
    FIXTURE(16);
    struct temp_path pipe = temp_path(&fixture.dir, "keys/pipe.yaml");
    struct temp_path link = temp_path(&fixture.dir, "keys/link.yaml");
    CHECK(put_raw(&fixture, "a", 1));
    CHECK(mkfifo(pipe.text, 0600) == 0 && symlink("nowhere", link.text) == 0);
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 2);
    CHECK(find_error(&fixture, "pipe.yaml: not a regular file") != NULL);
    CHECK(find_error(&fixture, "link.yaml: (No such file or directory): no such file") != NULL);
}

TEST(sizes_are_bounded_at_the_limit)
{
    static const struct {
        const char *path;
        size_t max;
    } cases[] = { { "keys/x.yaml", 1024 * 1024 }, { "bulk/x.json", EIP2335_JSON_MAX } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t over = 0; over <= 1; over++) {
            FIXTURE(4);
            CLEANUP(free_ptr) char *text = calloc(1, cases[i].max + over);
            CHECK(text != NULL);
            memset(text, ' ', cases[i].max + over);
            fixture_use_bulk(&fixture);
            CHECK(put_text(&fixture, "passwords/x.txt", "x"));
            CHECK(temp_write(&fixture.dir, cases[i].path, text, cases[i].max + over));
            CHECK_OK(fixture_run(&fixture));
            CHECK(fixture.report.errors == 1);
            CHECK((find_error(&fixture, ": the file is too large") != NULL) == (over == 1));
        }
    }
}

TEST(a_directory_that_cannot_be_read_is_unavailable)
{
    FIXTURE(4);
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_bulk(&fixture, "b", 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2);
    const char *const names[] = { "keys", "bulk", "passwords" };
    for (size_t i = 0; i < 3; i++) {
        struct temp_path here = temp_path(&fixture.dir, names[i]);
        struct temp_path away = temp_path(&fixture.dir, "away");
        CHECK(rename(here.text, away.text) == 0);
        CHECK_FAILS(UNAVAILABLE, fixture_run(&fixture));
        CHECK(strncmp(fixture.detail.text, here.text, strlen(here.text)) == 0);
        CHECK(has_key(&fixture, 1) && has_key(&fixture, 2));
        CHECK(rename(away.text, here.text) == 0);
    }
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2 && fixture.report.added == 0 && fixture.report.errors == 0);
}

TEST(the_one_password_file_must_be_usable)
{
    FIXTURE(4);
    struct temp_path password = temp_path(&fixture.dir, "password");
    fixture.settings.keystores_path = fixture.bulk.text;
    fixture.settings.password_file = password.text;
    CHECK(put_bulk(&fixture, "a", 1));
    CHECK_FAILS(UNAVAILABLE, fixture_run(&fixture));
    CHECK(strncmp(fixture.detail.text, password.text, strlen(password.text)) == 0);
    CHECK(put_text(&fixture, "password", "\n"));
    CHECK_FAILS(UNAVAILABLE, fixture_run(&fixture));
    CHECK_TEXT(fixture.detail.text, password.text);
    CHECK(put_text(&fixture, "password", "the-password-1\n"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1);
}

TEST(a_key_in_two_files_is_loaded_once_and_reported)
{
    FIXTURE(16);
    char line[1024];
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "b", 1));
    CHECK(put_bulk(&fixture, "c", 2) && put_raw(&fixture, "d", 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2 && fixture.report.added == 2 && fixture.report.errors == 2);
    snprintf(line, sizeof(line), "%s/b.yaml, document 1, key %s: %s/a.yaml: the key is already",
             fixture.keys.text, pubkey_text_number(1).text, fixture.keys.text);
    CHECK(find_error(&fixture, line) != NULL);
    snprintf(line, sizeof(line), "%s/d.yaml, document 1, key %s: %s/c.json: the key is already",
             fixture.keys.text, pubkey_text_number(2).text, fixture.bulk.text);
    CHECK(find_error(&fixture, line) != NULL);
}

TEST(a_key_twice_in_one_file_is_loaded_once_and_reported)
{
    FIXTURE(16);
    char line[1024];
    BUF text = BUF_INIT(4096);
    CLEANUP(free_ptr) char *document = raw_text(1);
    buf_printf(&text, "%s---\n%s---\n%s", document, document, document);
    CHECK(put_text(&fixture, "keys/a.yaml", text.data));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 2);
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof(line), "%s/a.yaml, document %d, key %s: the key is already loaded",
                 fixture.keys.text, i + 2, pubkey_text_number(1).text);
        CHECK(strncmp(fixture.report.error_texts[i], line, strlen(line)) == 0);
    }
}

TEST(a_key_that_was_loaded_elsewhere_is_left_alone)
{
    FIXTURE(16);
    SECRET secret;
    char line[1024];
    struct pubkey pubkey = pubkey_number(1);
    keystore_maker_secret(1, secret.bytes);
    CHECK_OK(key_table_add(fixture.table, &secret, NULL, KEY_ORIGIN_MEMORY, "", NULL));
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 0 && fixture.report.errors == 1);
    snprintf(line, sizeof(line), "%s/a.yaml, document 1, key %s: privateKey: the key is already",
             fixture.keys.text, pubkey_text_number(1).text);
    CHECK(find_error(&fixture, line) != NULL);
    CHECK(take_away(&fixture, "keys/a.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 0 && key_table_count(fixture.table) == 1);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(key_table_remove(fixture.table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK_OK(fixture_run(&fixture));
    CHECK(has_key(&fixture, 1) && fixture.report.errors == 0);
}

TEST(keys_over_the_vaults_room_are_reported)
{
    FIXTURE(3);
    for (uint32_t i = 1; i <= 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%u", i);
        CHECK(put_raw(&fixture, name, i));
    }
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.errors == 2);
    CHECK(find_error(&fixture, "the key vault is full") != NULL);
    CHECK(put_text(&fixture, "keys/1.yaml", "type: x\n") && take_away(&fixture, "keys/2.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(key_table_count(fixture.table) <= 3 && fixture.report.loaded <= 3);
}

TEST(a_report_keeps_a_hundred_errors_and_counts_all)
{
    FIXTURE(4);
    BUF text = BUF_INIT(64 * 1024);
    for (int i = 0; i < LOADER_ERRORS_KEPT + 50; i++) {
        buf_append_text(&text, "--- {type: nothing}\n");
    }
    CHECK(put_text(&fixture, "keys/a.yaml", text.data));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == LOADER_ERRORS_KEPT + 50);
    CHECK(strstr(fixture.report.error_texts[0], "document 1:") != NULL);
    CHECK(strstr(fixture.report.error_texts[LOADER_ERRORS_KEPT - 1], "document 100:") != NULL);
}

TEST(a_thousand_raw_keys_are_loaded_from_files_and_documents)
{
    FIXTURE(1000);
    BUF text = BUF_INIT(1024 * 1024);
    for (uint32_t i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i);
        if (i < 500) {
            CHECK(put_raw(&fixture, name, i));
            continue;
        }
        CLEANUP(free_ptr) char *document = raw_text(i);
        buf_printf(&text, "---\n%s", document);
    }
    CHECK(put_text(&fixture, "keys/all.yaml", text.data));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1000 && fixture.report.added == 1000);
    CHECK(has_key(&fixture, 0) && has_key(&fixture, 499) && has_key(&fixture, 999));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1000 && fixture.report.added == 0);
}

TEST(nothing_secret_is_logged_or_reported)
{
    FIXTURE(16);
    static char log[256 * 1024];
    CLEANUP(free_ptr) char *good = raw_text(1);
    char digits[65];
    snprintf(digits, sizeof(digits), "%.64s", strstr(good, "0x") + 2);
    fixture_use_bulk(&fixture);
    CHECK(stderr_capture_begin(&fixture));
    bool written = put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 1) &&
                   put_keystore(&fixture, "k", 2) && put_bulk(&fixture, "z", 3) &&
                   put_text(&fixture, "keys/k.password", "not-the-password-2") &&
                   put_text(&fixture, "passwords/z.txt", "not-the-password-3");
    written = written && put_text(&fixture, "keys/swapped.yaml",
                                  "type: file-keystore\nkeystoreFile: k.password\n"
                                  "keystorePasswordFile: k.json\n");
    static const char *const forms[] = { "type: file-raw\nprivateKey: @0\n", "type: @\n",
                                         "type: file-raw\nprivateKey: \"@\n", "@\n",
                                         "type: file-raw\n@: @\n\t@: x" };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char name[32];
        CLEANUP(free_ptr) char *bad = expanded(forms[i], digits);
        snprintf(name, sizeof(name), "keys/bad%zu.yaml", i);
        written = written && put_text(&fixture, name, bad);
    }
    struct result result = fixture_run(&fixture);
    CHECK(stderr_capture_end(&fixture, log, sizeof(log)));
    CHECK(written && is_ok(result));
    CHECK(fixture.report.errors == 9);
    digits[16] = '\0';
    CHECK(strstr(log, "a key could not be loaded") != NULL);
    CHECK(strstr(log, digits) == NULL && strstr(log, "the-password") == NULL);
    CHECK(find_error(&fixture, digits) == NULL && find_error(&fixture, "the-password") == NULL);
}

static size_t count_lines(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

TEST(secret_files_that_others_may_read_are_warned_of_once_a_directory)
{
    FIXTURE(16);
    static char log[64 * 1024];
    static const char *const open_files[] = { "keys/a.yaml", "keys/b.yaml", "keys/k.password",
                                              "passwords/y.txt", "passwords/z.txt" };
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 2) && put_keystore(&fixture, "k", 3));
    CHECK(put_bulk(&fixture, "y", 4) && put_bulk(&fixture, "z", 5));
    for (size_t i = 0; i < sizeof(open_files) / sizeof(open_files[0]); i++) {
        struct temp_path path = temp_path(&fixture.dir, open_files[i]);
        CHECK(chmod(path.text, 0640) == 0);
    }
    CHECK(stderr_capture_begin(&fixture));
    struct result result = fixture_run(&fixture);
    CHECK(stderr_capture_end(&fixture, log, sizeof(log)));
    CHECK(is_ok(result) && fixture.report.loaded == 5);
    CHECK(count_lines(log, "others than its owner may read") == 3);
    CHECK(count_lines(log, "holds=\"private key\"") == 1);
    CHECK(count_lines(log, "holds=password") == 2);
}

TEST(files_that_only_their_owner_may_read_are_not_warned_of)
{
    FIXTURE(16);
    static char log[64 * 1024];
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 3) &&
          put_bulk(&fixture, "y", 4));
    CHECK(stderr_capture_begin(&fixture));
    struct result result = fixture_run(&fixture);
    CHECK(stderr_capture_end(&fixture, log, sizeof(log)));
    CHECK(is_ok(result) && fixture.report.loaded == 3);
    CHECK(count_lines(log, "others than its owner may read") == 0);
    CHECK(count_lines(log, "keys of the filesystem loaded") == 1);
}

TEST(names_that_are_too_long_are_reported)
{
    static const char *const forms[] = { "keystoreFile", "keystorePasswordFile" };
    for (size_t i = 0; i < 2; i++) {
        FIXTURE(16);
        char line[128];
        BUF text = BUF_INIT(16 * 1024);
        buf_printf(&text, "type: file-keystore\n%s: short\n%s: ", forms[1 - i], forms[i]);
        for (int times = 0; times < 600; times++) {
            buf_append_text(&text, "01234567");
        }
        CHECK(put_text(&fixture, "keys/a.yaml", text.data));
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.errors == 1);
        snprintf(line, sizeof(line), "a.yaml, document 1: %s: the file name is too long", forms[i]);
        CHECK(find_error(&fixture, line) != NULL);
    }
}

TEST(progress_ends_at_the_total)
{
    FIXTURE(16);
    size_t done = 9;
    size_t total = 9;
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
    CHECK(put_bulk(&fixture, "z", 3) && put_text(&fixture, "keys/bad.yaml", ""));
    CHECK(put_text(&fixture, "keys/two.yaml", "--- {type: x}\n--- {type: x}\n"));
    CHECK_OK(loader_new(&fixture.settings, fixture.table, &fixture.loader));
    loader_progress(fixture.loader, &done, &total);
    CHECK(done == 0 && total == 0);
    CHECK_OK(fixture_run(&fixture));
    loader_progress(fixture.loader, &done, &total);
    CHECK(done == 6 && total == 6);
    CHECK_OK(fixture_run(&fixture));
    loader_progress(fixture.loader, &done, &total);
    CHECK(done == 6 && total == 6);
}

/* Bulk keystores that take some milliseconds each. */
static bool put_slow(struct fixture *fixture, uint32_t count)
{
    struct temp_path password = temp_path(&fixture->dir, "password");
    static struct temp_path kept;
    bool written = put_text(fixture, "password", "slow");
    kept = password;
    fixture->settings.keystores_path = fixture->bulk.text;
    fixture->settings.password_file = kept.text;
    uint8_t secret[32];
    keystore_maker_secret(1, secret);
    struct keystore_recipe recipe = { .rounds = 40000, .password = "slow", .secret = secret };
    CLEANUP(free_ptr) char *text = keystore_make(&recipe);
    for (uint32_t i = 0; i < count && written; i++) {
        char name[32];
        snprintf(name, sizeof(name), "bulk/%u.json", i);
        written = put_text(fixture, name, text);
    }
    return written;
}

TEST(a_long_load_shows_its_progress_in_the_log)
{
    FIXTURE(16);
    static char log[256 * 1024];
    CHECK(put_slow(&fixture, 30));
    fixture.settings.progress_ms = 1;
    CHECK(stderr_capture_begin(&fixture));
    struct result result = fixture_run(&fixture);
    CHECK(stderr_capture_end(&fixture, log, sizeof(log)));
    CHECK(is_ok(result) && fixture.report.loaded == 1);
    CHECK(count_lines(log, "loading keys done=") >= 1);
    CHECK(strstr(log, " total=30 errors=0") != NULL);
}

struct watch {
    struct loader *loader;
    atomic_bool over;
    size_t seen;  /* the most that was done when cancelled */
    size_t wrong; /* times that done was over the total, or went back */
};

static void *cancel_at_three(void *context)
{
    struct watch *watch = context;
    size_t total = 0;
    while (watch->seen < 3 && !atomic_load(&watch->over)) {
        size_t done = 0;
        loader_progress(watch->loader, &done, &total);
        watch->wrong += done > total || done < watch->seen;
        watch->seen = done;
        sched_yield();
    }
    loader_cancel(watch->loader);
    return NULL;
}

TEST(a_cancelled_load_ends_early_and_stays_cancelled)
{
    FIXTURE(16);
    pthread_t thread;
    size_t done = 0;
    size_t total = 0;
    CHECK(put_raw(&fixture, "a", 2) && put_slow(&fixture, 300));
    CHECK_OK(loader_new(&fixture.settings, fixture.table, &fixture.loader));
    struct watch watch = { .loader = fixture.loader };
    CHECK(pthread_create(&thread, NULL, cancel_at_three, &watch) == 0);
    struct result result = fixture_run(&fixture);
    atomic_store(&watch.over, true);
    pthread_join(thread, NULL);
    CHECK(result.status == STATUS_UNAVAILABLE);
    loader_progress(fixture.loader, &done, &total);
    CHECK(watch.wrong == 0 && done >= 3 && done < total && total == 301);
    CHECK(has_key(&fixture, 2)); /* what was loaded stays */
    CHECK_FAILS(UNAVAILABLE, fixture_run(&fixture));
    CHECK(has_key(&fixture, 2));
}

TEST(a_load_that_was_cancelled_before_does_nothing)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(loader_new(&fixture.settings, fixture.table, &fixture.loader));
    loader_cancel(fixture.loader);
    CHECK_FAILS(UNAVAILABLE, fixture_run(&fixture));
    CHECK(key_table_count(fixture.table) == 0);
}

enum {
    LARGE_MIB = 56,
    LARGE_FILES = 4
}; /* what each keystore below takes, and how many there are */

/* The same keystore many times: reading them is what counts. */
static bool put_large(struct fixture *fixture)
{
    uint8_t secret[32];
    char password[PASSWORD_SIZE];
    keystore_maker_secret(1, secret);
    password_number(1, password);
    struct keystore_recipe recipe = {
        .n = 4, .r = 65536, .p = 1, .password = password, .secret = secret
    };
    CLEANUP(free_ptr) char *text = keystore_make(&recipe);
    bool written = true;
    for (uint32_t i = 0; i < LARGE_FILES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%u", i);
        written = written && put_bulk(fixture, name, 1);
        snprintf(name, sizeof(name), "bulk/%u.json", i);
        written = written && put_text(fixture, name, text);
    }
    return written;
}

/* Loads them in a child, since the most memory of a process never goes down, and gives that in MiB.
 * 0: it did not work. */
static int most_memory_of_load(struct fixture *fixture, size_t concurrency, size_t bound)
{
    int status = 0;
    fixture->settings.keystore_concurrency = concurrency;
    kdf_gate_done(&fixture->gate);
    kdf_gate_init(&fixture->gate, bound);
    pid_t child = fork();
    if (child == 0) {
        struct rusage usage;
        struct result result = fixture_run(fixture);
        bool loaded = is_ok(result) && fixture->report.loaded == 1 &&
                      fixture->report.errors == LARGE_FILES - 1;
        getrusage(RUSAGE_SELF, &usage);
        _exit(loaded ? (int)(usage.ru_maxrss / 1024) : 0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* Whether derivations meet is up to the scheduler: that they may not can be shown, not that they
 * do. */
TEST(derivations_keep_to_the_bounds_on_memory_and_number)
{
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind hides ours");
    }
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_large(&fixture));
    int bounded = most_memory_of_load(&fixture, 2, 100 * 1024 * 1024);
    CHECK(bounded >= LARGE_MIB && bounded < 2 * LARGE_MIB);
    int single = most_memory_of_load(&fixture, 1, 1024 * 1024 * 1024);
    CHECK(single >= LARGE_MIB && single < 2 * LARGE_MIB);
}

HARNESS_TESTS(
    T(derivations_keep_to_the_bounds_on_memory_and_number), T(descriptors_of_both_types_are_loaded),
    T(only_descriptor_files_of_the_folder_itself_are_read),
    T(several_directories_and_documents_are_read), T(keystores_may_be_named_by_absolute_paths),
    T(a_bulk_directory_is_loaded_with_a_directory_of_passwords),
    T(a_bulk_directory_is_loaded_with_one_password), T(settings_that_make_no_sense_are_refused),
    T(a_file_that_gives_no_key_is_reported_by_name_and_stops_no_other),
    T(a_wrong_password_names_file_key_and_reason),
    T(a_keystore_that_claims_another_key_is_reported),
    T(a_missing_password_of_a_bulk_keystore_is_reported),
    T(files_that_may_not_be_read_are_reported), T(pipes_and_dangling_links_do_not_hang_the_load),
    T(sizes_are_bounded_at_the_limit), T(a_directory_that_cannot_be_read_is_unavailable),
    T(the_one_password_file_must_be_usable), T(a_key_in_two_files_is_loaded_once_and_reported),
    T(a_key_twice_in_one_file_is_loaded_once_and_reported),
    T(a_key_that_was_loaded_elsewhere_is_left_alone), T(keys_over_the_vaults_room_are_reported),
    T(a_report_keeps_a_hundred_errors_and_counts_all),
    T(a_thousand_raw_keys_are_loaded_from_files_and_documents),
    T(nothing_secret_is_logged_or_reported),
    T(secret_files_that_others_may_read_are_warned_of_once_a_directory),
    T(files_that_only_their_owner_may_read_are_not_warned_of),
    T(names_that_are_too_long_are_reported), T(progress_ends_at_the_total),
    T(a_long_load_shows_its_progress_in_the_log),
    T(a_cancelled_load_ends_early_and_stays_cancelled),
    T(a_load_that_was_cancelled_before_does_nothing))
