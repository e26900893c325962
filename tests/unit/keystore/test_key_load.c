#include "keystore/key_load.h"

#include "base/buf.h"
#include "harness.h"
#include "loader_fixture.h"
#include "support/keystore_maker.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Most of what is promised here shows when a loader runs a second time. */

/* Tells which files are opened in a folder. */
static int watch_folder(const struct temp_path *folder)
{
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch >= 0 && inotify_add_watch(watch, folder->text, IN_OPEN) < 0) {
        close(watch);
        return -1;
    }
    return watch;
}

/* Files that were opened since the last call, or SIZE_MAX. */
static size_t count_opened(int watch)
{
    _Alignas(struct inotify_event) char events[16 * 1024];
    size_t count = 0;
    ssize_t size = 0;
    while ((size = read(watch, events, sizeof(events))) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const void *)(events + at);
            count += (event->mask & IN_ISDIR) == 0;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    return count;
}

TEST(unchanged_files_are_not_even_opened)
{
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
    CHECK(put_bulk(&fixture, "z", 3));
    CLEANUP(fd_close_ptr) int keys = watch_folder(&fixture.keys);
    CLEANUP(fd_close_ptr) int bulk = watch_folder(&fixture.bulk);
    CLEANUP(fd_close_ptr) int passwords = watch_folder(&fixture.passwords);
    CHECK(keys >= 0 && bulk >= 0 && passwords >= 0);
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3);
    CHECK(count_opened(keys) == 4 && count_opened(bulk) == 1 && count_opened(passwords) == 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.loaded == 3 && fixture.report.added == 0);
        CHECK(count_opened(keys) == 0 && count_opened(bulk) == 0);
        CHECK(count_opened(passwords) == 0);
    }
}

TEST(a_bad_document_has_its_file_read_again_but_not_the_keystores)
{
    FIXTURE(16);
    CHECK(put_keystore(&fixture, "k", 1));
    CHECK(put_text(&fixture, "keys/k.yaml",
                   "--- {type: file-keystore, keystoreFile: k.json, keystorePasswordFile: "
                   "k.password}\n--- {type: nothing}\n"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 1);
    CLEANUP(fd_close_ptr) int keys = watch_folder(&fixture.keys);
    CHECK_OK(fixture_run(&fixture));
    CHECK(count_opened(keys) == 1);
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 1);
    CHECK(find_error(&fixture, "document 2: type: must be") != NULL);
}

TEST(a_keystore_is_read_again_when_it_or_its_password_changes)
{
    static const char *const paths[] = { "keys/k.json", "keys/k.password", "bulk/z.json",
                                         "passwords/z.txt" };
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_keystore(&fixture, "k", 1) && put_bulk(&fixture, "z", 2));
    CHECK_OK(fixture_run(&fixture));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        CHECK(put_text(&fixture, paths[i], "changed"));
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.errors == 1 && fixture.report.loaded == 2);
        CHECK(put_keystore(&fixture, "k", 1) && put_bulk(&fixture, "z", 2));
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.errors == 0 && fixture.report.loaded == 2);
    }
}

TEST(what_failed_is_tried_again_though_nothing_changed)
{
    FIXTURE(2);
    fixture_use_bulk(&fixture);
    struct pubkey pubkey = pubkey_number(9);
    SECRET secret;
    keystore_maker_secret(9, secret.bytes);
    CHECK_OK(key_table_add(fixture.table, &secret, NULL, KEY_ORIGIN_MEMORY, "", NULL));
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 2) && put_bulk(&fixture, "z", 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 2); /* the vault is full */
    CHECK_OK(key_table_remove(fixture.table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2 && fixture.report.errors == 1);
}

TEST(a_key_that_somebody_took_out_comes_back)
{
    FIXTURE(16);
    struct pubkey pubkeys[] = { pubkey_number(1), pubkey_number(2) };
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK_OK(key_table_remove(fixture.table, &pubkeys[0], KEY_ORIGIN_FILESYSTEM));
    CHECK_OK(key_table_remove(fixture.table, &pubkeys[1], KEY_ORIGIN_FILESYSTEM));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2 && fixture.report.added == 2);
}

TEST(new_files_add_keys_and_deleted_ones_remove_them)
{
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
    CHECK(put_bulk(&fixture, "z", 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_raw(&fixture, "b", 4) && put_keystore(&fixture, "l", 5));
    CHECK(put_bulk(&fixture, "y", 6));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 6 && fixture.report.added == 3 && fixture.report.removed == 0);
    CHECK(take_away(&fixture, "keys/a.yaml") && take_away(&fixture, "keys/k.yaml"));
    CHECK(take_away(&fixture, "bulk/z.json"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.removed == 3 && fixture.report.errors == 0);
    CHECK(!has_key(&fixture, 1) && !has_key(&fixture, 2) && !has_key(&fixture, 3));
    CHECK(has_key(&fixture, 4) && has_key(&fixture, 5) && has_key(&fixture, 6));
}

TEST(a_removed_key_stays_usable_for_who_holds_it)
{
    FIXTURE(16);
    uint8_t secret[32];
    struct pubkey pubkey = pubkey_number(1);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(fixture_run(&fixture));
    struct key *key = key_table_acquire(fixture.table, &pubkey);
    CHECK(key != NULL && take_away(&fixture, "keys/a.yaml"));
    CHECK_OK(fixture_run(&fixture));
    keystore_maker_secret(1, secret);
    bool there = memcmp(key_secret(key), secret, 32) == 0;
    key_release(key);
    CHECK(there && fixture.report.removed == 1 && key_table_count(fixture.table) == 0);
}

TEST(a_file_with_another_key_replaces_the_old_one)
{
    FIXTURE(16);
    fixture_use_bulk(&fixture);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 2));
    CHECK(put_bulk(&fixture, "z", 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_raw(&fixture, "a", 4) && put_keystore(&fixture, "k", 5));
    CHECK(put_bulk(&fixture, "z", 6));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.added == 3 && fixture.report.removed == 3);
    CHECK(has_key(&fixture, 4) && has_key(&fixture, 5) && has_key(&fixture, 6));
    CHECK(put_keystore(&fixture, "a", 4) && put_raw(&fixture, "k", 5)); /* the types change */
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.added == 0 && fixture.report.removed == 0);
}

TEST(keys_may_change_places)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_raw(&fixture, "a", 2) && put_raw(&fixture, "b", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 2 && fixture.report.added == 0);
    CHECK(fixture.report.removed == 0 && fixture.report.errors == 0);
}

/* A file of raw keys, one a document. */
static bool put_documents(struct fixture *fixture, const uint32_t *numbers, size_t count)
{
    BUF text = BUF_INIT(16 * 1024);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(free_ptr) char *document = raw_text(numbers[i]);
        buf_printf(&text, "---\n%s", document);
    }
    return put_text(fixture, "keys/many.yaml", text.data);
}

TEST(a_document_that_is_taken_out_removes_its_key_only)
{
    FIXTURE(16);
    CHECK(put_documents(&fixture, (const uint32_t[]){ 1, 2, 3, 4 }, 4));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_documents(&fixture, (const uint32_t[]){ 1, 3, 4 }, 3));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 3 && fixture.report.added == 0 && fixture.report.removed == 1);
    CHECK(fixture.report.errors == 0 && !has_key(&fixture, 2));
    CHECK(put_documents(&fixture, (const uint32_t[]){ 1, 3 }, 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 1 && !has_key(&fixture, 4));
}

/* Texts that a descriptor of a raw key may have while it is being written. */
static const char *const half_written[] = {
    "",
    "ty",
    "type: file-raw\n",
    "type: file-raw\nprivateKey: 0x1234",
    "type: file-raw\nprivateKey: \"0x1234",
    "\t",
    "---\n",
    "type: file-keystore\nkeystoreFile: none.json\nkeystorePasswordFile: none.txt\n",
};

TEST(a_half_written_descriptor_keeps_its_key_and_is_reported)
{
    for (size_t i = 0; i < sizeof(half_written) / sizeof(half_written[0]); i++) {
        FIXTURE(16);
        CHECK(put_raw(&fixture, "a", 1));
        CHECK_OK(fixture_run(&fixture));
        CHECK(put_text(&fixture, "keys/a.yaml", half_written[i]));
        for (int again = 0; again < 2; again++) { /* it goes on for as long as it takes */
            CHECK_OK(fixture_run(&fixture));
            CHECK(fixture.report.errors == 1 && fixture.report.removed == 0);
            CHECK(fixture.report.loaded == 1 && has_key(&fixture, 1));
            CHECK(find_error(&fixture, "; the key loaded from it before stays") != NULL);
        }
        CHECK(put_raw(&fixture, "a", 2));
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.loaded == 1 && fixture.report.errors == 0 && has_key(&fixture, 2));
        CHECK(!has_key(&fixture, 1));
    }
}

TEST(a_bad_descriptor_that_is_then_deleted_gives_up_its_key)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_text(&fixture, "keys/a.yaml", "type: [x"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(take_away(&fixture, "keys/a.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 1 && key_table_count(fixture.table) == 0);
}

TEST(documents_behind_a_place_that_cannot_be_read_keep_their_keys)
{
    FIXTURE(16);
    CLEANUP(free_ptr) char *first = raw_text(5);
    char text[512];
    CHECK(put_documents(&fixture, (const uint32_t[]){ 1, 2, 3 }, 3));
    CHECK_OK(fixture_run(&fixture));
    snprintf(text, sizeof(text), "%s---\ntype: [file-raw\n---\n%s", first, first);
    CHECK(put_text(&fixture, "keys/many.yaml", text));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == 1 && fixture.report.removed == 1); /* 1 became 5 */
    CHECK(has_key(&fixture, 5) && has_key(&fixture, 2) && has_key(&fixture, 3));
    CHECK(find_error(&fixture, "; 2 keys loaded from it before stay") != NULL);
    CHECK(put_text(&fixture, "keys/many.yaml", first));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 2 && fixture.report.loaded == 1);
}

TEST(an_unusable_keystore_or_password_keeps_its_key_and_is_reported)
{
    static const struct {
        const char *path;
        const char *text; /* NULL: the file is taken away */
    } cases[] = {
        { "keys/k.json", "{\"crypto\": {\"kdf\"" },
        { "keys/k.json", "" },
        { "keys/k.password", "wrong" },
        { "keys/k.password", "" },
        { "keys/k.password", NULL },
        { "keys/k.yaml",
          "type: file-keystore\nkeystoreFile: typo.json\nkeystorePasswordFile: k.password\n" },
        { "keys/k.yaml",
          "type: file-keystore\nkeystoreFile: k.json\nkeystorePasswordFile: typo\n" },
        { "bulk/z.json", "{" },
        { "passwords/z.txt", "wrong" },
        { "passwords/z.txt", NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FIXTURE(16);
        fixture_use_bulk(&fixture);
        CHECK(put_keystore(&fixture, "k", 1) && put_bulk(&fixture, "z", 2));
        CHECK_OK(fixture_run(&fixture));
        CHECK(cases[i].text != NULL ? put_text(&fixture, cases[i].path, cases[i].text)
                                    : take_away(&fixture, cases[i].path));
        for (int again = 0; again < 2; again++) {
            CHECK_OK(fixture_run(&fixture));
            CHECK(fixture.report.errors == 1 && fixture.report.removed == 0);
            CHECK(has_key(&fixture, 1) && has_key(&fixture, 2));
            CHECK(find_error(&fixture, "; the key loaded from it before stays") != NULL);
        }
        CHECK(put_keystore(&fixture, "k", 1) && put_bulk(&fixture, "z", 2));
        CHECK_OK(fixture_run(&fixture));
        CHECK(fixture.report.errors == 0 && fixture.report.loaded == 2);
    }
}

TEST(a_deleted_keystore_gives_up_its_key_though_the_descriptor_stays)
{
    FIXTURE(16);
    CHECK(put_keystore(&fixture, "k", 1) && put_keystore(&fixture, "l", 2));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_text(&fixture, "keys/l.json", "{"));
    CHECK_OK(fixture_run(&fixture)); /* one is bad first */
    CHECK(take_away(&fixture, "keys/k.json") && take_away(&fixture, "keys/l.json"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == 2 && fixture.report.removed == 2);
    CHECK(key_table_count(fixture.table) == 0);
    CHECK(find_error(&fixture, "k.json (No such file or directory): no such file") != NULL);
    CHECK(find_error(&fixture, "stays") == NULL);
}

TEST(a_key_in_two_files_lives_until_the_last_is_gone)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.errors == 1);
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == 1 && find_error(&fixture, "b.yaml") != NULL);
    CHECK(take_away(&fixture, "keys/a.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.removed == 0);
    CHECK(fixture.report.errors == 0 && has_key(&fixture, 1));
    CHECK(take_away(&fixture, "keys/b.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 1 && !has_key(&fixture, 1));
}

TEST(a_bad_file_is_reported_once_though_its_key_is_in_another)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1) && put_raw(&fixture, "b", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_text(&fixture, "keys/b.yaml", "type: file-raw\nprivateKey: 0x12"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == 1 && find_error(&fixture, "b.yaml, document 1: privateKey"));
    CHECK(has_key(&fixture, 1));
}

TEST(a_file_that_could_not_be_loaded_gives_its_key_later)
{
    FIXTURE(16);
    CHECK(put_keystore(&fixture, "k", 1) && put_text(&fixture, "keys/k.password", "wrong"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 0 && fixture.report.errors == 1);
    CHECK(find_error(&fixture, "stays") == NULL);
    CHECK(put_text(&fixture, "keys/k.password", "the-password-1\n"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && fixture.report.added == 1 && fixture.report.errors == 0);
}

TEST(what_is_not_in_the_table_is_not_said_to_stay)
{
    FIXTURE(16);
    struct pubkey pubkey = pubkey_number(1);
    CHECK(put_raw(&fixture, "a", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK_OK(key_table_remove(fixture.table, &pubkey, KEY_ORIGIN_FILESYSTEM));
    CHECK(put_text(&fixture, "keys/a.yaml", "type: x\n"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.errors == 1 && fixture.report.loaded == 0);
    CHECK(find_error(&fixture, "stays") == NULL);
}

TEST(a_keystore_is_known_by_its_name_when_its_descriptor_changes)
{
    FIXTURE(16);
    CHECK(put_keystore(&fixture, "k", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(put_text(&fixture, "keys/k.yaml",
                   "# moved\nkeystoreFile: k.json\nkeystorePasswordFile: k.password\n"
                   "type: file-keystore\n"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.loaded == 1 && take_away(&fixture, "keys/k.json"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(fixture.report.removed == 1 && key_table_count(fixture.table) == 0);
}

TEST(a_place_that_lost_its_key_does_not_hold_that_of_another)
{
    FIXTURE(16);
    CHECK(put_raw(&fixture, "a", 1) && put_keystore(&fixture, "k", 1));
    CHECK_OK(fixture_run(&fixture));
    CHECK(take_away(&fixture, "keys/k.json"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(has_key(&fixture, 1) && put_text(&fixture, "keys/k.json", "{"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(has_key(&fixture, 1) && find_error(&fixture, "stays") == NULL);
    CHECK(take_away(&fixture, "keys/a.yaml"));
    CHECK_OK(fixture_run(&fixture));
    CHECK(!has_key(&fixture, 1) && fixture.report.removed == 1);
}

/* The calls themselves, where a loader cannot show the difference. */
TEST(a_cancelled_load_blames_no_file)
{
    FIXTURE(16);
    struct kdf_gate gate;
    struct exposure exposure;
    atomic_bool cancelled = true;
    kdf_gate_init(&gate, 0);
    exposure_init(&exposure);
    kdf_gate_close(&gate);
    struct key_load load = {
        .table = fixture.table, .gate = &gate, .exposure = &exposure, .cancelled = &cancelled
    };
    CHECK(put_keystore(&fixture, "k", 1));
    struct temp_path keystore = temp_path(&fixture.dir, "keys/k.json");
    struct temp_path password = temp_path(&fixture.dir, "keys/k.password");
    struct key_file file = { .path = keystore.text };
    struct key_entry entry = { .keystore_path = keystore.text, .password_path = password.text };
    key_load_keystore(&load, &file, &entry);
    kdf_gate_done(&gate);
    exposure_done(&exposure);
    CHECK(!entry.has_key && entry.error == NULL && atomic_load(&load.errors) == 0);
    CHECK(key_table_count(fixture.table) == 0);
}

TEST(a_descriptor_that_vanishes_before_it_is_read_keeps_nothing)
{
    FIXTURE(16);
    SECRET secret;
    atomic_bool cancelled = false;
    struct key_load load = { .table = fixture.table, .cancelled = &cancelled };
    struct temp_path path = temp_path(&fixture.dir, "keys/a.yaml");
    struct key_file file = { .path = path.text };
    struct key_entry entry = { .document = 1, .has_key = true, .pubkey = pubkey_number(1) };
    struct key_file before = {
        .path = path.text, .complete = true, .entries = &entry, .entry_count = 1
    };
    keystore_maker_secret(1, secret.bytes);
    CHECK_OK(key_table_add(fixture.table, &secret, NULL, KEY_ORIGIN_FILESYSTEM, "", NULL));
    key_load_descriptor(&load, &file, &before);
    CHECK(file.entry_count == 0 && !file.complete && atomic_load(&load.errors) == 1);
    CLEANUP(free_ptr) char *error = file.error;
    CHECK(error != NULL && strstr(error, "a.yaml: (No such file or directory)") != NULL);
    CHECK(strstr(error, "stays") == NULL);
}

TEST(only_keys_of_the_filesystem_are_held)
{
    FIXTURE(16);
    SECRET secret;
    struct pubkey pubkey = pubkey_number(1);
    keystore_maker_secret(1, secret.bytes);
    CHECK(!key_load_holds(fixture.table, &pubkey));
    CHECK_OK(key_table_add(fixture.table, &secret, NULL, KEY_ORIGIN_MEMORY, "", NULL));
    CHECK(!key_load_holds(fixture.table, &pubkey));
    CHECK_OK(key_table_remove(fixture.table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK_OK(key_table_add(fixture.table, &secret, NULL, KEY_ORIGIN_FILESYSTEM, "", NULL));
    CHECK(key_load_holds(fixture.table, &pubkey));
}

HARNESS_TESTS(T(unchanged_files_are_not_even_opened),
              T(a_bad_document_has_its_file_read_again_but_not_the_keystores),
              T(a_keystore_is_read_again_when_it_or_its_password_changes),
              T(what_failed_is_tried_again_though_nothing_changed),
              T(a_key_that_somebody_took_out_comes_back),
              T(new_files_add_keys_and_deleted_ones_remove_them),
              T(a_removed_key_stays_usable_for_who_holds_it),
              T(a_file_with_another_key_replaces_the_old_one), T(keys_may_change_places),
              T(a_document_that_is_taken_out_removes_its_key_only),
              T(a_half_written_descriptor_keeps_its_key_and_is_reported),
              T(a_bad_descriptor_that_is_then_deleted_gives_up_its_key),
              T(documents_behind_a_place_that_cannot_be_read_keep_their_keys),
              T(an_unusable_keystore_or_password_keeps_its_key_and_is_reported),
              T(a_deleted_keystore_gives_up_its_key_though_the_descriptor_stays),
              T(a_key_in_two_files_lives_until_the_last_is_gone),
              T(a_bad_file_is_reported_once_though_its_key_is_in_another),
              T(a_file_that_could_not_be_loaded_gives_its_key_later),
              T(what_is_not_in_the_table_is_not_said_to_stay),
              T(a_keystore_is_known_by_its_name_when_its_descriptor_changes),
              T(a_place_that_lost_its_key_does_not_hold_that_of_another),
              T(a_cancelled_load_blames_no_file),
              T(a_descriptor_that_vanishes_before_it_is_read_keeps_nothing),
              T(only_keys_of_the_filesystem_are_held))
