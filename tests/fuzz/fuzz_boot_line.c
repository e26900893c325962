/* fuzz_boot_line.c: boot_line_parse() takes a line if and only if its words that begin with
 * "chamber." are at most one, and that is the parent's CID, from 2 to 2^32 - 2; as a slow twin sees
 * it. */
#include "enclave/boot_line.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char name[] = "chamber.parent_cid=";

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

/* The number that follows the name, or 0: none that may be. */
static uint64_t slow_cid(const char *word)
{
    size_t digits = 0;
    if (strncmp(word, name, strlen(name)) != 0) {
        return 0;
    }
    const char *number = word + strlen(name);
    while (isdigit((unsigned char)number[digits])) {
        digits++;
    }
    unsigned long long value = strtoull(number, NULL, 10);
    bool fine =
        digits > 0 && digits <= 20 && number[digits] == '\0' && value >= 2 && value <= 4294967294;
    return fine ? value : 0;
}

/* Whether the line is to be taken; `text` is cut up. */
static bool slow_parse(char *text, size_t size, uint64_t *cid)
{
    size_t ours = 0;
    bool fine = size <= BOOT_LINE_MAX;
    *cid = 3;
    for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
        text[at + strcspn(text + at, " \t\n")] = '\0';
        if (strncmp(text + at, "chamber.", strlen("chamber.")) == 0) {
            ours++;
            *cid = slow_cid(text + at);
            fine = fine && *cid != 0 && ours == 1;
        }
    }
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot_line line = { .parent_cid = 77 };
    struct detail detail;
    uint64_t wanted = 0;
    if (memchr(data, '\0', size) !=
        NULL) { /* the kernel's line has none, and the twin's texts end there */
        return 0;
    }
    char *text = calloc(size + 1, 1);
    hold(text != NULL);
    memcpy(text, data, size);
    bool taken = is_ok(boot_line_parse(text, size, &line, &detail));
    hold(taken == slow_parse(text, size, &wanted));
    hold(line.parent_cid == (taken ? wanted : 77));
    free(text);
    return 0;
}
