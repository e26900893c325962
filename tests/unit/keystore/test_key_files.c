#include "keystore/key_files.h"

#include "base/cleanup.h"
#include "harness.h"
#include "temp_files.h"

#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_DIR                                          \
    CLEANUP(temp_dir_close) struct temp_dir dir = { "" }; \
    CHECK(temp_dir_open(&dir))
#define KEY_FILES(max_files) CLEANUP(key_files_done) struct key_files files = { .max = max_files }

static const char *const names[] = {
    "b.yaml", "a.yml", "c.YAML", ".hidden.yaml", "d.yaml.bak", "yaml",  ".yaml",   "e.json",
    "F.JSON", "g.txt", "h.jsn",  ".i.json",      "json",       "j.YmL", "k.yamlx",
};

static bool write_all(const struct temp_dir *dir)
{
    bool written = temp_mkdir(dir, "folder.yaml");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        written = written && temp_write_text(dir, names[i], "");
    }
    return written;
}

/* The listed names, with spaces between. */
static void list_names(const struct key_files *files, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < files->count; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "",
                                 strrchr(files->files[i].path, '/') + 1);
    }
}

TEST(files_of_a_kind_are_listed_in_order)
{
    TEMP_DIR;
    char text[256];
    CHECK(write_all(&dir));
    KEY_FILES(100);
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, dir.path, NULL));
    key_files_sort(&files);
    list_names(&files, text, sizeof(text));
    CHECK_TEXT(text, "a.yml b.yaml c.YAML j.YmL");
    key_files_done(&files);
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_KEYSTORE, dir.path, NULL));
    key_files_sort(&files);
    list_names(&files, text, sizeof(text));
    CHECK_TEXT(text, "F.JSON e.json");
    CHECK(files.files[0].kind == KEY_FILE_KEYSTORE);
}

TEST(a_directory_is_listed_once_for_a_kind)
{
    TEMP_DIR;
    struct temp_path again = temp_path(&dir, ".");
    struct temp_path link = temp_path(&dir, "link");
    CHECK(write_all(&dir));
    CHECK(symlink(".", link.text) == 0);
    KEY_FILES(100);
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, dir.path, NULL));
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, dir.path, NULL));
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, again.text, NULL));
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, link.text, NULL));
    CHECK(files.count == 4);
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_KEYSTORE, dir.path, NULL));
    CHECK(files.count == 6);
}

TEST(a_directory_that_cannot_be_read_is_named)
{
    TEMP_DIR;
    struct detail detail = { "" };
    struct temp_path none = temp_path(&dir, "none");
    struct temp_path file = temp_path(&dir, "file");
    KEY_FILES(100);
    CHECK_FAILS(UNAVAILABLE,
                key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, none.text, &detail));
    CHECK(strstr(detail.text, none.text) == detail.text);
    CHECK(strstr(detail.text, "No such file") != NULL);
    CHECK(temp_write_text(&dir, "file", ""));
    CHECK_FAILS(UNAVAILABLE,
                key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, file.text, &detail));
    CHECK(strstr(detail.text, file.text) == detail.text);
    CHECK(files.count == 0);
}

TEST(files_are_bounded_at_the_limit)
{
    TEMP_DIR;
    CHECK(write_all(&dir));
    for (size_t max = 3; max <= 4; max++) {
        KEY_FILES(max);
        struct result result = key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, dir.path, NULL);
        CHECK(result.status == (max < 4 ? STATUS_LIMIT : STATUS_OK));
    }
}

TEST(files_are_found_by_path)
{
    TEMP_DIR;
    char name[32];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%d.yaml", i * 7 % 40);
        CHECK(temp_write_text(&dir, name, ""));
    }
    KEY_FILES(100);
    CHECK(key_files_find(&files, "x") == NULL);
    CHECK_OK(key_files_add_directory(&files, KEY_FILE_DESCRIPTOR, dir.path, NULL));
    key_files_sort(&files);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%d.yaml", i);
        struct temp_path path = temp_path(&dir, name);
        struct key_file *file = key_files_find(&files, path.text);
        CHECK(file != NULL && strcmp(file->path, path.text) == 0);
    }
    struct temp_path none = temp_path(&dir, "40.yaml");
    CHECK(key_files_find(&files, none.text) == NULL);
}

/* A list of one file without a path, for its entries. */
static struct key_file *only_file(struct key_files *files)
{
    files->files = calloc(1, sizeof(*files->files));
    files->count = files->files != NULL ? 1 : 0;
    return files->files;
}

TEST(entries_are_found_by_document)
{
    KEY_FILES(1);
    struct key_file *file = only_file(&files);
    CHECK(file != NULL);
    CHECK(key_file_find(NULL, 1) == NULL);
    CHECK(key_file_find(file, 1) == NULL);
    for (size_t document = 2; document <= 40; document += 2) {
        struct key_entry *entry = key_file_add(file, document);
        CHECK(entry != NULL && entry->document == document && !entry->has_key);
        entry->pubkey.bytes[0] = (uint8_t)document;
    }
    for (size_t document = 0; document <= 42; document++) {
        struct key_entry *entry = key_file_find(file, document);
        bool there = document >= 2 && document <= 40 && document % 2 == 0;
        CHECK((entry != NULL) == there);
        CHECK(entry == NULL || entry->pubkey.bytes[0] == document);
    }
}

TEST(entries_move_from_a_document_on_without_their_errors)
{
    KEY_FILES(1);
    CLEANUP(key_files_done) struct key_files others = { .max = 1 };
    struct key_file *from = only_file(&files);
    struct key_file *to = only_file(&others);
    CHECK(from != NULL && to != NULL);
    for (size_t document = 1; document <= 5; document++) {
        struct key_entry *entry = key_file_add(from, document);
        CHECK(entry != NULL);
        entry->error = strdup("no");
        entry->keystore_path = strdup("path");
        entry->has_key = true;
    }
    from->complete = true;
    CHECK(key_file_move(to, NULL, 0));
    CHECK(key_file_move(to, from, 6));
    CHECK(to->entry_count == 0 && from->entry_count == 5 && from->complete);
    CHECK(key_file_add(to, 1) != NULL);
    CHECK(key_file_move(to, from, 3));
    CHECK(from->entry_count == 2 && !from->complete && to->entry_count == 4);
    for (size_t i = 1; i < 4; i++) {
        CHECK(to->entries[i].document == i + 2 && to->entries[i].has_key);
        CHECK(to->entries[i].error == NULL);
        CHECK_TEXT(to->entries[i].keystore_path, "path");
    }
    CHECK(key_file_find(from, 3) == NULL && key_file_find(to, 5) != NULL);
}

HARNESS_TESTS(T(files_of_a_kind_are_listed_in_order), T(a_directory_is_listed_once_for_a_kind),
              T(a_directory_that_cannot_be_read_is_named), T(files_are_bounded_at_the_limit),
              T(files_are_found_by_path), T(entries_are_found_by_document),
              T(entries_move_from_a_document_on_without_their_errors))
