#include "base/usage.h"

#include "base/cleanup.h"
#include "base/decimal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t usage_cpu_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* The number after `label` in the first line of a file of /proc that begins with it; 0: none. */
static uint64_t number_after(const char *path, const char *label)
{
    CLEANUP(file_close_ptr) FILE *file = fopen(path, "re");
    char line[128];
    uint64_t number = 0;
    const char *end = NULL;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, label, strlen(label)) == 0) {
            return is_ok(decimal_scan(line + strlen(label), &number, &end)) ? number : 0;
        }
    }
    return 0;
}

uint64_t usage_resident_bytes(void)
{
    return number_after("/proc/self/status", "VmRSS:") * 1024;
}

uint64_t usage_available_bytes(void)
{
    return number_after("/proc/meminfo", "MemAvailable:") * 1024;
}

uint64_t usage_open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count < 3 ? 0 : count - 3; /* ".", ".." and the directory itself */
}
