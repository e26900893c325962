#include "eif/cpio.h"

#include <string.h>

/* Each entry is a header of 6 + 13 * 8 characters, the name with its NUL, and the bytes; the
 * latter two begin and end at multiples of four. */

static const char magic[] = "070701";
static const char trailer[] = "TRAILER!!!";

enum {
    TYPE_FILE = 0100000, /* the types of st_mode, as the format has them */
    TYPE_DIRECTORY = 0040000,
    TYPE_SYMLINK = 0120000,
    TYPE_CHARACTER_DEVICE = 0020000,
};

static struct result check_name(const char *name)
{
    size_t size = strlen(name);
    ENSURE(size > 0, BAD_INPUT, "the name is empty");
    ENSURE(size <= CPIO_NAME_MAX, LIMIT, "the name is too long");
    ENSURE(strcmp(name, trailer) != 0, BAD_INPUT, "this name ends an archive");
    for (const char *part = name;;) {
        size_t length = strcspn(part, "/");
        ENSURE(length > 0, BAD_INPUT, "not a relative path of non-empty names");
        bool is_dots =
            (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.');
        ENSURE(!is_dots, BAD_INPUT, "\".\" or \"..\" in a path");
        if (part[length] == '\0') {
            return OK;
        }
        part += length + 1;
    }
}

/* Looks at the entries before entry `at`: none may have its name, one must be its folder. */
static struct result check_place(const struct cpio_entry *entries, size_t at)
{
    const char *name = entries[at].name;
    const char *slash = strrchr(name, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - name);
    bool has_folder = slash == NULL;
    for (size_t i = 0; i < at; i++) {
        ENSURE(strcmp(entries[i].name, name) != 0, BAD_INPUT, "the name is there twice");
        has_folder =
            has_folder || (entries[i].kind == CPIO_DIRECTORY && strlen(entries[i].name) == folder &&
                           strncmp(entries[i].name, name, folder) == 0);
    }
    ENSURE(has_folder, BAD_INPUT, "its folder is not there before it");
    return OK;
}

static struct result check_content(const struct cpio_entry *entry)
{
    ENSURE(entry->mode <= CPIO_MODE_MAX, BAD_INPUT, "the mode is beyond 7777");
    ENSURE(entry->size <= UINT32_MAX, LIMIT, "the file is too large for the format");
    if (entry->kind == CPIO_SYMLINK) {
        ENSURE(entry->size > 0, BAD_INPUT, "the link's target is empty");
        ENSURE(entry->size <= CPIO_NAME_MAX, LIMIT, "the link's target is too long");
        ENSURE(memchr(entry->bytes, '\0', entry->size) == NULL, BAD_INPUT,
               "the link's target holds a NUL");
    }
    return OK;
}

static uint32_t type_of(enum cpio_kind kind)
{
    static const uint32_t types[] = {
        [CPIO_DIRECTORY] = TYPE_DIRECTORY,
        [CPIO_FILE] = TYPE_FILE,
        [CPIO_SYMLINK] = TYPE_SYMLINK,
        [CPIO_CHARACTER_DEVICE] = TYPE_CHARACTER_DEVICE,
    };
    return types[kind];
}

static bool has_bytes(const struct cpio_entry *entry)
{
    return entry->kind == CPIO_FILE || entry->kind == CPIO_SYMLINK;
}

static void align(struct buf *out, size_t begin)
{
    static const char zeros[CPIO_ALIGNMENT];
    size_t over = (out->size - begin) % CPIO_ALIGNMENT;
    buf_append(out, zeros, over == 0 ? 0 : CPIO_ALIGNMENT - over);
}

/* `begin` is where the archive begins in `out`. */
static void append(struct buf *out, size_t begin, const struct cpio_entry *entry, uint32_t inode,
                   uint32_t mode)
{
    size_t size = has_bytes(entry) ? entry->size : 0;
    bool is_device = entry->kind == CPIO_CHARACTER_DEVICE;
    const uint32_t fields[] = {
        inode,
        mode,
        0,                                     /* owner */
        0,                                     /* group */
        entry->kind == CPIO_DIRECTORY ? 2 : 1, /* links: a second link of a file means another */
        0,                                     /* time of the last change */
        (uint32_t)size,
        0, /* device that the file was on */
        0,
        is_device ? entry->major : 0,
        is_device ? entry->minor : 0,
        (uint32_t)strlen(entry->name) + 1,
        0, /* a sum that this form does not have */
    };
    buf_append_text(out, magic);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        buf_printf(out, "%08X", (unsigned)fields[i]);
    }
    buf_append(out, entry->name, strlen(entry->name) + 1);
    align(out, begin);
    buf_append(out, entry->bytes, size);
    align(out, begin);
}

RESULT cpio_write(const struct cpio_entry *entries, size_t count, struct buf *out,
                  struct detail *detail)
{
    size_t begin = out->size;
    detail_set(detail, "%zu entries", count);
    ENSURE(count <= CPIO_ENTRIES_MAX, LIMIT, "too many for one archive");
    for (size_t i = 0; i < count; i++) {
        detail_set(detail, "%s", entries[i].name);
        TRY(check_name(entries[i].name));
        TRY(check_place(entries, i));
        TRY(check_content(&entries[i]));
        append(out, begin, &entries[i], (uint32_t)i + 1,
               type_of(entries[i].kind) | entries[i].mode);
        TRY(buf_check(out));
    }
    const struct cpio_entry end = { .name = trailer, .kind = CPIO_FILE };
    append(out, begin, &end, 0, 0);
    return buf_check(out);
}
