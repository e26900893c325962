#include "keystore/key_files.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

enum { ENDINGS_MAX = 2 };

static const char *const endings[KEY_FILE_KIND_COUNT][ENDINGS_MAX] = {
    [KEY_FILE_DESCRIPTOR] = { ".yaml", ".yml" },
    [KEY_FILE_KEYSTORE] = { ".json", NULL },
};

static void entry_done(struct key_entry *entry)
{
    free(entry->keystore_path);
    free(entry->password_path);
    free(entry->error);
}

static void file_done(struct key_file *file)
{
    for (size_t i = 0; i < file->entry_count; i++) {
        entry_done(&file->entries[i]);
    }
    free(file->entries);
    free(file->path);
    free(file->error);
}

void key_files_done(struct key_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        file_done(&files->files[i]);
    }
    free(files->files);
    free(files->directories);
    *files = (struct key_files){ .max = files->max };
}

/* The items with room for `more` behind `count`, perhaps in another place. NULL: no memory, and
 * nothing changed. */
static void *grown(void *items, size_t item_size, size_t count, size_t more, size_t *capacity)
{
    if (count + more <= *capacity) {
        return items;
    }
    size_t larger = count + more > 2 * *capacity ? count + more : 2 * *capacity;
    void *moved = calloc(larger, item_size);
    if (moved == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(moved, items, count * item_size);
    }
    free(items);
    *capacity = larger;
    return moved;
}

static bool has_ending(const char *name, enum key_file_kind kind)
{
    for (size_t i = 0; i < ENDINGS_MAX && endings[kind][i] != NULL; i++) {
        size_t length = strlen(endings[kind][i]);
        size_t size = strlen(name);
        if (size > length && strcasecmp(name + size - length, endings[kind][i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct result add_file(struct key_files *files, enum key_file_kind kind,
                              const char *directory, const char *name)
{
    ENSURE(files->count < files->max, LIMIT, "too many key files");
    BUF path = BUF_INIT(PATH_MAX + NAME_MAX);
    buf_printf(&path, "%s/%s", directory, name);
    ENSURE(is_ok(buf_check(&path)), UNAVAILABLE, "out of memory");
    struct key_file *items = grown(files->files, sizeof(*items), files->count, 1, &files->capacity);
    ENSURE(items != NULL, UNAVAILABLE, "out of memory");
    files->files = items;
    files->files[files->count++] = (struct key_file){ .kind = kind, .path = buf_take(&path) };
    return OK;
}

/* Remembers the directory. `known_out`: it was there already. */
static struct result add_directory(struct key_files *files, enum key_file_kind kind,
                                   const char *path, bool *known_out, struct detail *detail)
{
    struct file_id id;
    TRY(file_id_read(path, &id, detail));
    *known_out = false;
    for (size_t i = 0; i < files->directory_count; i++) {
        const struct key_directory *other = &files->directories[i];
        if (other->kind == kind && other->id.device == id.device && other->id.inode == id.inode) {
            *known_out = true;
            return OK;
        }
    }
    struct key_directory *items = grown(files->directories, sizeof(*items), files->directory_count,
                                        1, &files->directory_capacity);
    ENSURE(items != NULL, UNAVAILABLE, "out of memory");
    files->directories = items;
    files->directories[files->directory_count++] = (struct key_directory){ kind, id };
    return OK;
}

static void directory_close_ptr(DIR **directory)
{
    if (*directory != NULL) {
        closedir(*directory);
    }
}

RESULT key_files_add_directory(struct key_files *files, enum key_file_kind kind, const char *path,
                               struct detail *detail)
{
    bool known = false;
    CLEANUP(directory_close_ptr) DIR *directory = opendir(path);
    detail_set(detail, "%s (%s)", path, directory == NULL ? strerror(errno) : "");
    ENSURE(directory != NULL, UNAVAILABLE, "cannot open the directory");
    ENSURE(is_ok(add_directory(files, kind, path, &known, detail)), UNAVAILABLE,
           "cannot look at the directory");
    detail_set(detail, "%s", path);
    for (;;) { /* ends with the directory, or at files->max */
        errno = 0;
        const struct dirent *found = readdir(directory);
        if (found == NULL) {
            break;
        }
        if (!known && found->d_name[0] != '.' && found->d_type != DT_DIR &&
            has_ending(found->d_name, kind)) {
            TRY(add_file(files, kind, path, found->d_name));
        }
    }
    ENSURE(errno == 0, UNAVAILABLE, "cannot read the directory");
    return OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct key_file *left = a;
    const struct key_file *right = b;
    return strcmp(left->path, right->path);
}

void key_files_sort(struct key_files *files)
{
    if (files->count > 0) {
        qsort(files->files, files->count, sizeof(*files->files), compare_files);
    }
}

struct key_file *key_files_find(const struct key_files *files, const char *path)
{
    size_t low = 0;
    size_t high = files->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(files->files[middle].path, path);
        if (order == 0) {
            return &files->files[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Where the entry of the document is, or would be: entries are in the order of their documents. */
static size_t entry_place(const struct key_file *file, size_t document)
{
    size_t low = 0;
    size_t high = file->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->entries[middle].document < document) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct key_entry *key_file_find(const struct key_file *file, size_t document)
{
    size_t place = file != NULL ? entry_place(file, document) : 0;
    if (file == NULL || place == file->entry_count || file->entries[place].document != document) {
        return NULL;
    }
    return &file->entries[place];
}

static bool make_room(struct key_file *file, size_t more)
{
    struct key_entry *items =
        grown(file->entries, sizeof(*items), file->entry_count, more, &file->entry_capacity);
    if (items == NULL) {
        return false;
    }
    file->entries = items;
    return true;
}

struct key_entry *key_file_add(struct key_file *file, size_t document)
{
    assert(file->entry_count == 0 || file->entries[file->entry_count - 1].document < document);
    if (!make_room(file, 1)) {
        return NULL;
    }
    struct key_entry *entry = &file->entries[file->entry_count++];
    *entry = (struct key_entry){ .document = document };
    return entry;
}

bool key_file_move(struct key_file *to, struct key_file *from, size_t first)
{
    size_t place = from != NULL ? entry_place(from, first) : 0;
    size_t count = from != NULL ? from->entry_count - place : 0;
    if (count == 0) {
        return true;
    }
    if (!make_room(to, count)) {
        return false;
    }
    memcpy(&to->entries[to->entry_count], &from->entries[place], count * sizeof(*to->entries));
    for (size_t i = 0; i < count; i++) {
        struct key_entry *entry = &to->entries[to->entry_count + i];
        free(entry->error);
        entry->error = NULL;
    }
    to->entry_count += count;
    from->entry_count = place;
    from->complete = false;
    return true;
}
