#include "enclave/boot_line.h"

#include "base/cleanup.h"
#include "base/decimal.h"

#include <fcntl.h>
#include <string.h>

static const char line_path[] = "/proc/cmdline";
static const char ours[] = "chamber.";
static const char parent_cid[] = "chamber.parent_cid=";

enum { PEER_CID_MIN = 2 };

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n';
}

static bool begins_with(const char *word, size_t size, const char *prefix)
{
    return size >= strlen(prefix) && strncmp(word, prefix, strlen(prefix)) == 0;
}

static RESULT read_word(const char *word, size_t size, struct boot_line *line, bool *seen)
{
    uint64_t cid = 0;
    ENSURE(begins_with(word, size, parent_cid), BAD_INPUT,
           "is no setting of the command line; there is chamber.parent_cid=N");
    ENSURE(!*seen, BAD_INPUT, "the parent's CID is given twice");
    size_t name_size = strlen(parent_cid);
    struct result parsed = decimal_parse(word + name_size, size - name_size, &cid);
    ENSURE(is_ok(parsed) && cid >= PEER_CID_MIN && cid < UINT32_MAX, BAD_INPUT,
           "the parent's CID is a number from 2 to 4294967294");
    *seen = true;
    line->parent_cid = (uint32_t)cid;
    return OK;
}

RESULT boot_line_parse(const char *text, size_t size, struct boot_line *out, struct detail *detail)
{
    struct boot_line line = { .parent_cid = BOOT_LINE_PARENT };
    bool seen = false;
    ENSURE(size <= BOOT_LINE_MAX, LIMIT, "the kernel's command line is longer than 4096 bytes");
    for (size_t at = 0, end = 0; at < size; at = end + 1) {
        for (end = at; end < size && !is_space(text[end]); end++) {
        }
        if (!begins_with(text + at, end - at, ours)) {
            continue;
        }
        detail_set(detail, "%.*s", (int)(end - at), text + at);
        TRY(read_word(text + at, end - at, &line, &seen));
    }
    *out = line;
    return OK;
}

RESULT boot_line_read(struct boot_line *out, struct detail *detail)
{
    char text[BOOT_LINE_MAX + 1];
    size_t size = 0;
    ssize_t part = 0;
    CLEANUP(fd_close_ptr) int fd = open(line_path, O_RDONLY | O_CLOEXEC);
    detail_set(detail, "%s", line_path);
    ENSURE(fd >= 0, UNAVAILABLE, "cannot be opened");
    do {
        part = read(fd, text + size, sizeof(text) - size);
        ENSURE(part >= 0, UNAVAILABLE, "cannot be read");
        size += (size_t)part;
    } while (part > 0 && size < sizeof(text));
    return boot_line_parse(text, size, out, detail);
}
