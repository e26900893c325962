#include "base/usage.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <inttypes.h>
#include <time.h>

uint64_t usage_cpu_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t usage_resident_bytes(void)
{
    CLEANUP(file_close_ptr) FILE *file = fopen("/proc/self/statm", "re");
    uint64_t total = 0;
    uint64_t resident = 0;
    if (file == NULL || fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2) {
        return 0;
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
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
