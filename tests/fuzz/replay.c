/* replay.c: runs a fuzz target over every file of the folders that are its arguments. */
#include "base/cleanup.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The block has exactly the file's size, so that the sanitizers see a read behind it. The name goes
 * out first: the file that crashes the target is the last one named. */
static int replay_file(const char *path)
{
    printf("%s\n", path);
    fflush(stdout);
    struct stat status;
    CLEANUP(file_close_ptr) FILE *file = fopen(path, "rbe");
    if (file == NULL || fstat(fileno(file), &status) != 0 || status.st_size > FILE_MAX) {
        fprintf(stderr, "%s: cannot be read, or is over %d bytes\n", path, FILE_MAX);
        return 1;
    }
    size_t size = (size_t)status.st_size;
    CLEANUP(free_ptr) uint8_t *data = calloc(1, size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput(data, size);
    return 0;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_shown, alphasort);
    int failures = count > 0 ? 0 : 1;
    if (count <= 0) {
        fprintf(stderr, "%s: no files to replay\n", folder);
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        failures += replay_file(path);
        free(entries[i]);
    }
    free(entries);
    return failures;
}

int main(int argc, char **argv)
{
    int failures = argc > 1 ? 0 : 1;
    for (int i = 1; i < argc; i++) {
        failures += replay_folder(argv[i]);
    }
    return failures > 0 ? 1 : 0;
}
