/* eif cpio: a ramdisk of files that are named one by one, the same whatever the machine. */
#include "app/eif_command.h"
#include "base/decimal.h"
#include "base/file.h"
#include "eif/cpio.h"

#include <stdlib.h>
#include <string.h>

enum { MODE_FILE = 0644, MODE_DIRECTORY = 0755, MODE_SYMLINK = 0777, MODE_DEVICE = 0600 };

struct ramdisk {
    struct cpio_entry *entries; /* room for CPIO_ENTRIES_MAX; their names are ours */
    struct file_map *files;     /* the same number: what each entry holds, when it is a file */
    size_t count;
    struct detail detail;
};

static void ramdisk_done(struct ramdisk *ramdisk)
{
    for (size_t i = 0; i < ramdisk->count; i++) {
        free((void *)(uintptr_t)ramdisk->entries[i].name);
        file_unmap(&ramdisk->files[i]);
    }
    free(ramdisk->entries);
    free(ramdisk->files);
}

/* Adds an entry with a copy of the first `size` characters of `name`. */
static struct result add(struct ramdisk *ramdisk, const char *name, size_t size,
                         struct cpio_entry entry)
{
    ENSURE(ramdisk->count < CPIO_ENTRIES_MAX, LIMIT, "too many entries for one ramdisk");
    entry.name = strndup(name, size);
    ENSURE(entry.name != NULL, UNAVAILABLE, "out of memory");
    ramdisk->entries[ramdisk->count++] = entry;
    return OK;
}

/* Reads three or four octal digits. */
static bool read_mode(const char *text, uint32_t *out)
{
    size_t size = strlen(text);
    uint32_t mode = 0;
    if (size < 3 || size > 4 || strspn(text, "01234567") != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        mode = mode << 3 | (uint32_t)(text[i] - '0');
    }
    *out = mode;
    return true;
}

/* The size of `text` without a mode behind its last colon, which goes to `mode`. */
static size_t without_mode(const char *text, uint32_t *mode)
{
    const char *colon = strrchr(text, ':');
    return colon != NULL && read_mode(colon + 1, mode) ? (size_t)(colon - text) : strlen(text);
}

/* NAME=PATH[:MODE] */
static struct result add_file(struct ramdisk *ramdisk, const char *text)
{
    const char *equals = strchr(text, '=');
    struct cpio_entry entry = { .kind = CPIO_FILE, .mode = MODE_FILE };
    CLEANUP(file_unmap) struct file_map map = { 0 };
    ENSURE(equals != NULL && equals[1] != '\0', BAD_INPUT, "not of the form NAME=PATH[:MODE]");
    CLEANUP(free_ptr) char *path = strndup(equals + 1, without_mode(equals + 1, &entry.mode));
    ENSURE(path != NULL, UNAVAILABLE, "out of memory");
    TRY(file_map(path, EIF_SIZE_MAX, &map, &ramdisk->detail));
    entry.bytes = map.bytes;
    entry.size = map.size;
    TRY(add(ramdisk, text, (size_t)(equals - text), entry));
    ramdisk->files[ramdisk->count - 1] = map;
    map = (struct file_map){ .bytes = NULL };
    return OK;
}

/* NAME[:MODE] */
static struct result add_directory(struct ramdisk *ramdisk, const char *text)
{
    struct cpio_entry entry = { .kind = CPIO_DIRECTORY, .mode = MODE_DIRECTORY };
    size_t size = without_mode(text, &entry.mode);
    return add(ramdisk, text, size, entry);
}

/* NAME=TARGET */
static struct result add_symlink(struct ramdisk *ramdisk, const char *text)
{
    const char *equals = strchr(text, '=');
    ENSURE(equals != NULL, BAD_INPUT, "not of the form NAME=TARGET");
    const struct cpio_entry entry = {
        .kind = CPIO_SYMLINK, .mode = MODE_SYMLINK, .bytes = equals + 1, .size = strlen(equals + 1)
    };
    return add(ramdisk, text, (size_t)(equals - text), entry);
}

static bool read_device_number(const char **text, char end, uint32_t *out)
{
    enum { NUMBER_MAX = 0xfffff }; /* Linux's minors have 20 bits */
    uint64_t number = 0;
    size_t size = strcspn(*text, ":");
    if (!is_ok(decimal_parse(*text, size, &number)) || number > NUMBER_MAX ||
        ((*text)[size] != end && (*text)[size] != '\0')) {
        return false;
    }
    *text += (*text)[size] == '\0' ? size : size + 1;
    *out = (uint32_t)number;
    return true;
}

/* NAME=MAJOR:MINOR[:MODE] */
static struct result add_device(struct ramdisk *ramdisk, const char *text)
{
    const char *equals = strchr(text, '=');
    struct cpio_entry entry = { .kind = CPIO_CHARACTER_DEVICE, .mode = MODE_DEVICE };
    ENSURE(equals != NULL, BAD_INPUT, "not of the form NAME=MAJOR:MINOR[:MODE]");
    const char *rest = equals + 1;
    bool is_device = read_device_number(&rest, ':', &entry.major) && *rest != '\0' &&
                     read_device_number(&rest, ':', &entry.minor) &&
                     (*rest == '\0' || read_mode(rest, &entry.mode));
    ENSURE(is_device, BAD_INPUT, "not of the form NAME=MAJOR:MINOR[:MODE]");
    return add(ramdisk, text, (size_t)(equals - text), entry);
}

static bool has_name(const struct ramdisk *ramdisk, const char *name, size_t size)
{
    for (size_t i = 0; i < ramdisk->count; i++) {
        if (strlen(ramdisk->entries[i].name) == size &&
            strncmp(ramdisk->entries[i].name, name, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds the folders that nobody named. What they are added for may be no name at all: cpio_write()
 * says so. */
static struct result add_folders(struct ramdisk *ramdisk)
{
    const struct cpio_entry folder = { .kind = CPIO_DIRECTORY, .mode = MODE_DIRECTORY };
    size_t named = ramdisk->count;
    for (size_t i = 0; i < named; i++) {
        const char *name = ramdisk->entries[i].name;
        for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
            size_t size = (size_t)(slash - name);
            if (size > 0 && !has_name(ramdisk, name, size)) {
                TRY(add(ramdisk, name, size, folder));
            }
        }
    }
    return OK;
}

/* A folder's name sorts before those of what is in it. */
static int compare_names(const void *a, const void *b)
{
    const struct cpio_entry *left = a;
    const struct cpio_entry *right = b;
    return strcmp(left->name, right->name);
}

static struct result write_ramdisk(struct ramdisk *ramdisk, const char *output)
{
    BUF out = BUF_INIT(EIF_SIZE_MAX);
    detail_set(&ramdisk->detail, "eif cpio");
    ENSURE(ramdisk->count > 0, BAD_INPUT, "names no entry; --help shows how");
    TRY(add_folders(ramdisk));
    qsort(ramdisk->entries, ramdisk->count, sizeof(*ramdisk->entries), compare_names);
    TRY(cpio_write(ramdisk->entries, ramdisk->count, &out, &ramdisk->detail));
    return file_write_public(output, out.data, out.size, &ramdisk->detail);
}

enum { FILES, DIRECTORIES, SYMLINKS, DEVICES, LISTS };

static struct result (*const adders[LISTS])(struct ramdisk *ramdisk, const char *text) = {
    [FILES] = add_file,
    [DIRECTORIES] = add_directory,
    [SYMLINKS] = add_symlink,
    [DEVICES] = add_device,
};

static struct result add_all(struct ramdisk *ramdisk, const struct command_list lists[LISTS])
{
    ramdisk->entries = calloc(CPIO_ENTRIES_MAX, sizeof(*ramdisk->entries));
    ramdisk->files = calloc(CPIO_ENTRIES_MAX, sizeof(*ramdisk->files));
    ENSURE(ramdisk->entries != NULL && ramdisk->files != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < LISTS; i++) {
        for (size_t j = 0; j < lists[i].count; j++) {
            detail_set(&ramdisk->detail, "%s %s", lists[i].name, lists[i].values[j]);
            TRY(adders[i](ramdisk, lists[i].values[j]));
        }
    }
    return OK;
}

int eif_cpio(int count, char *const *arguments)
{
    static const char *values[LISTS][CPIO_ENTRIES_MAX];
    const char *output = NULL;
    const struct command_option option = { "--output", NULL, &output, NULL };
    struct command_list lists[LISTS] = {
        [FILES] = { "--file", values[FILES], CPIO_ENTRIES_MAX, 0 },
        [DIRECTORIES] = { "--directory", values[DIRECTORIES], CPIO_ENTRIES_MAX, 0 },
        [SYMLINKS] = { "--symlink", values[SYMLINKS], CPIO_ENTRIES_MAX, 0 },
        [DEVICES] = { "--device", values[DEVICES], CPIO_ENTRIES_MAX, 0 },
    };
    const struct command_syntax syntax = { &option, 1, lists, LISTS, NULL };
    CLEANUP(ramdisk_done) struct ramdisk ramdisk = { .count = 0 };
    struct result result = command_read(count, arguments, &syntax, &ramdisk.detail);
    if (is_ok(result) && output == NULL) {
        detail_set(&ramdisk.detail, "eif cpio");
        result = FAIL(BAD_INPUT, "needs --output FILE");
    }
    if (!is_ok(result)) {
        return command_usage(&ramdisk.detail, result);
    }
    result = add_all(&ramdisk, lists);
    if (is_ok(result)) {
        result = write_ramdisk(&ramdisk, output);
    }
    if (result.status == STATUS_BAD_INPUT) { /* a name, a number, what is no file */
        return command_usage(&ramdisk.detail, result);
    }
    return is_ok(result) ? EXIT_DONE : command_fail(&ramdisk.detail, result);
}
