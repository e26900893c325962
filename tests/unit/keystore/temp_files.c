#define _GNU_SOURCE
#include "temp_files.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool temp_dir_open(struct temp_dir *dir)
{
    *dir = (struct temp_dir){ "/tmp/chamber-keystore-XXXXXX" };
    return mkdtemp(dir->path) != NULL;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void temp_dir_close(struct temp_dir *dir)
{
    if (dir->path[0] != '\0') {
        nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

struct temp_path temp_path(const struct temp_dir *dir, const char *name)
{
    struct temp_path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", dir->path, name);
    return path;
}

bool temp_write(const struct temp_dir *dir, const char *name, const void *bytes, size_t size)
{
    struct temp_path path = temp_path(dir, name);
    struct temp_path other = temp_path(dir, ".being-written");
    int fd = open(other.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool written = size == 0 || write(fd, bytes, size) == (ssize_t)size;
    return close(fd) == 0 && written && rename(other.text, path.text) == 0;
}

bool temp_write_text(const struct temp_dir *dir, const char *name, const char *text)
{
    return temp_write(dir, name, text, strlen(text));
}

bool temp_remove(const struct temp_dir *dir, const char *name)
{
    struct temp_path path = temp_path(dir, name);
    return remove(path.text) == 0;
}

bool temp_mkdir(const struct temp_dir *dir, const char *name)
{
    struct temp_path path = temp_path(dir, name);
    return mkdir(path.text, 0700) == 0;
}
