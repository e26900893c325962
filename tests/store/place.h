/* place.h: a folder of a test program's own, removed with what is in it when the program ends. */
#ifndef TESTS_STORE_PLACE_H
#define TESTS_STORE_PLACE_H

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char place_folder[PATH_MAX];
static pid_t place_owner; /* a forked child leaves the folder alone */

static inline void place_empty(void)
{
    DIR *folder = opendir(place_folder);
    for (struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char path[PATH_MAX + 256];
        snprintf(path, sizeof(path), "%s/%s", place_folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            (void)unlink(path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static inline void place_remove(void)
{
    if (place_owner == getpid()) {
        place_empty();
        (void)rmdir(place_folder);
    }
}

/* Before the first path: a folder in memory, where the system has one, for tests of which a disk
 * would only take time. */
static inline void place_in_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 0);
    }
}

/* The path of `name` in the folder, which is made at the first call. The text lives until the next
 * call but three. */
static inline const char *place_path(const char *name)
{
    static char paths[4][PATH_MAX + 256];
    static unsigned next;
    if (place_owner == 0) {
        const char *parent = getenv("TMPDIR");
        snprintf(place_folder, sizeof(place_folder), "%s/chamber-store-XXXXXX",
                 parent == NULL ? "/tmp" : parent);
        if (mkdtemp(place_folder) == NULL) {
            perror(place_folder);
            abort();
        }
        place_owner = getpid();
        atexit(place_remove);
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", place_folder, name);
    return path;
}

#endif
