#include "memory_scan.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||   \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer) || \
    HAS_FEATURE(memory_sanitizer)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static bool matches(const uint8_t *at, const uint8_t *masked, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((at[i] ^ MEMORY_SCAN_MASK) != masked[i]) {
            return false;
        }
    }
    return true;
}

static size_t scan_range(const uint8_t *start, const uint8_t *end, const uint8_t *masked,
                         size_t size, const char *line)
{
    size_t found = 0;
    for (const uint8_t *at = start; at + size <= end; at++) {
        if (matches(at, masked, size)) {
            printf("# found at %p in %s", (const void *)at, line);
            found++;
        }
    }
    return found;
}

size_t memory_scan(const uint8_t *masked_needle, size_t size)
{
    CLEANUP(file_close_ptr) FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    size_t found = 0;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t start = 0;
        uintptr_t end = 0;
        char rights[5] = "";
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, rights) == 3 &&
            strncmp(rights, "rw", 2) == 0 && strstr(line, "[vvar]") == NULL) {
            found +=
                scan_range((const uint8_t *)start, (const uint8_t *)end, masked_needle, size, line);
        }
    }
    return found;
}

bool memory_scan_works(void)
{
    const char *preloaded = getenv("LD_PRELOAD"); /* valgrind loads its part this way */
    return !sanitized && (preloaded == NULL || strstr(preloaded, "vgpreload") == NULL);
}
