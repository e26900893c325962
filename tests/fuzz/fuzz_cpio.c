/* fuzz_cpio.c: an archive that is written is read by a slow twin as the same entries with nothing
 * left over, and entries that are refused are named. The input: entries, each of its kind, its mode
 * in two bytes, and its name and its bytes, each behind their number in one. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "eif/cpio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MAX = 64, ARCHIVE_MAX = 64 * 1024, HEADER_SIZE = 110 };

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

struct input {
    const uint8_t *at;
    size_t left;
};

/* A piece behind its number of bytes; false at the end of the input. */
static bool take(struct input *input, const uint8_t **bytes, size_t *size)
{
    if (input->left == 0 || input->left - 1 < input->at[0]) {
        return false;
    }
    *bytes = input->at + 1;
    *size = input->at[0];
    input->at += 1 + *size;
    input->left -= 1 + *size;
    return true;
}

static bool next(struct input *input, struct cpio_entry *out, char name[static 256])
{
    if (input->left < 3) {
        return false;
    }
    *out = (struct cpio_entry){ .name = name,
                                .kind = (enum cpio_kind)(input->at[0] % 4),
                                .mode = (uint32_t)input->at[1] << 8 | input->at[2],
                                .major = input->at[1],
                                .minor = input->at[2] };
    input->at += 3;
    input->left -= 3;
    const uint8_t *text = NULL;
    size_t size = 0;
    const uint8_t *bytes = NULL;
    if (!take(input, &text, &size) || !take(input, &bytes, &out->size)) {
        return false;
    }
    out->bytes = bytes;
    memcpy(name, text, size);
    name[size] = '\0';
    return true;
}

static unsigned long field(const uint8_t *header, size_t index)
{
    char digits[9] = { 0 };
    memcpy(digits, header + 6 + 8 * index, 8);
    hold(strspn(digits, "0123456789ABCDEF") == 8);
    return strtoul(digits, NULL, 16);
}

static size_t padded(size_t size)
{
    return (size + 3) / 4 * 4;
}

/* Gives where the next header is. */
static size_t check_entry(const struct buf *archive, size_t at, const struct cpio_entry *entry,
                          size_t inode)
{
    static const unsigned long types[] = { 0040000, 0100000, 0120000, 0020000 };
    const uint8_t *header = (const uint8_t *)archive->data + at;
    bool is_device = entry->kind == CPIO_CHARACTER_DEVICE;
    size_t size = entry->kind == CPIO_FILE || entry->kind == CPIO_SYMLINK ? entry->size : 0;
    size_t name_size = strlen(entry->name) + 1;
    size_t begin = at + padded(HEADER_SIZE + name_size);
    hold(at % 4 == 0 && begin + padded(size) <= archive->size);
    hold(memcmp(header, "070701", 6) == 0 && field(header, 0) == inode);
    hold(field(header, 1) == (types[entry->kind] | entry->mode) && entry->mode <= CPIO_MODE_MAX);
    hold(field(header, 2) == 0 && field(header, 3) == 0 && field(header, 5) == 0);
    hold(field(header, 6) == size && field(header, 11) == name_size && field(header, 12) == 0);
    hold(field(header, 9) == (is_device ? entry->major : 0));
    hold(field(header, 10) == (is_device ? entry->minor : 0));
    hold(memcmp(header + HEADER_SIZE, entry->name, name_size) == 0);
    hold(size == 0 || memcmp(archive->data + begin, entry->bytes, size) == 0);
    return begin + padded(size);
}

static void check_names(const struct cpio_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[256 + 2];
        snprintf(path, sizeof(path), "/%s/", entries[i].name);
        hold(strstr(path, "//") == NULL && strstr(path, "/./") == NULL &&
             strstr(path, "/../") == NULL);
        for (size_t j = 0; j < i; j++) {
            hold(strcmp(entries[i].name, entries[j].name) != 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char names[ENTRIES_MAX][256];
    static struct cpio_entry entries[ENTRIES_MAX];
    struct input input = { data, size };
    size_t count = 0;
    while (count < ENTRIES_MAX && next(&input, &entries[count], names[count])) {
        count++;
    }
    BUF archive = BUF_INIT(ARCHIVE_MAX);
    struct detail detail = { "" };
    if (!is_ok(cpio_write(entries, count, &archive, &detail))) {
        hold(count > 0);
        return 0;
    }
    check_names(entries, count);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at = check_entry(&archive, at, &entries[i], i + 1);
    }
    static const uint8_t trailer[] = "TRAILER!!!";
    const uint8_t *last = (const uint8_t *)archive.data + at;
    hold(archive.size == at + padded(HEADER_SIZE + sizeof(trailer)) && field(last, 6) == 0);
    hold(memcmp(last + HEADER_SIZE, trailer, sizeof(trailer)) == 0);
    return 0;
}
