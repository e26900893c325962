#define _GNU_SOURCE
#include "store/sqlite_file.h"

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { NEW_NAME_BYTES = 8 };

static void give_reason(struct detail *detail, int reason)
{
    detail_set(detail, " (%s)", strerror(reason));
}

/* "name" becomes "./name": SQLite may be built to take "file:…" for a URI. */
static struct result plain_path(const char *path, char out[static PATH_MAX])
{
    int size = snprintf(out, PATH_MAX, "%s%s", path[0] == '/' ? "" : "./", path);
    ENSURE(path[0] != '\0', BAD_INPUT, "the path of the database is empty");
    ENSURE(size > 0 && size < PATH_MAX, BAD_INPUT, "the path of the database is too long");
    return OK;
}

static struct result beside(const char *path, const char *ending, char out[static PATH_MAX])
{
    int size = snprintf(out, PATH_MAX, "%s%s", path, ending);
    ENSURE(size > 0 && size < PATH_MAX, BAD_INPUT, "the path of the database is too long");
    return OK;
}

static bool is_exposed(const char *path)
{
    char directory[PATH_MAX];
    struct stat info;
    snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
    return stat(directory, &info) == 0 && (info.st_mode & S_IWOTH) != 0 &&
           (info.st_mode & S_ISVTX) == 0;
}

/* What a copy, or a file system that is shared between containers, may have opened up. Where it
 * cannot be taken back the owner is somebody else, who decided so. */
static void close_to_others(const char *path, const struct stat *info)
{
    if ((info->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)chmod(path, S_IRUSR | S_IWUSR);
    }
}

static struct result check_kind(const struct stat *info)
{
    ENSURE(!S_ISLNK(info->st_mode), BAD_INPUT, "is a symbolic link; name the file itself");
    ENSURE(S_ISREG(info->st_mode), BAD_INPUT, "not a regular file");
    ENSURE(info->st_nlink == 1, BAD_INPUT,
           "the file has a second name (hard link); remove that or make a copy");
    ENSURE(info->st_size > 0, UNAVAILABLE,
           "the file is empty, so its records are lost; restore it, or remove it to begin anew");
    return OK;
}

RESULT sqlite_file_inspect(const char *path, struct sqlite_file *out, struct detail *detail)
{
    struct sqlite_file file = { .exists = false };
    char wal[PATH_MAX];
    struct stat info;
    detail_set(detail, "%s", "");
    TRY(plain_path(path, file.path));
    TRY(beside(file.path, "-wal", wal));
    file.exists = lstat(file.path, &info) == 0;
    if (!file.exists && errno != ENOENT) {
        give_reason(detail, errno);
        return FAIL(UNAVAILABLE, "cannot look at the database file");
    }
    if (file.exists) {
        TRY(check_kind(&info));
        close_to_others(file.path, &info);
    }
    file.is_exposed = is_exposed(file.path);
    if (lstat(wal, &info) == 0 && S_ISREG(info.st_mode)) {
        file.has_wal = info.st_size > 0;
        close_to_others(wal, &info);
    }
    *out = file;
    return OK;
}

static struct result touch(const char *path)
{
    CLEANUP(fd_close_ptr)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    ENSURE(fd >= 0, UNAVAILABLE, "cannot create the database file");
    return OK;
}

/* Never in the place of a file that is there already. Where the file system cannot promise that,
 * two signers that begin at the same moment may replace each other's; the first then finds its file
 * gone and stops. */
static struct result publish(const char *new_path, const char *path)
{
    if (renameat2(AT_FDCWD, new_path, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        bool is_there = errno == EEXIST || access(path, F_OK) == 0;
        ENSURE(is_there || rename(new_path, path) == 0, UNAVAILABLE,
               "cannot create the database file");
        (void)unlink(new_path);
    }
    return file_sync_directory_of(path);
}

RESULT sqlite_file_create(const char *path, struct result (*fill)(const char *path, void *context),
                          void *context, struct detail *detail)
{
    uint8_t random[NEW_NAME_BYTES];
    char digits[HEX_TEXT_SIZE(NEW_NAME_BYTES)];
    char new_path[PATH_MAX];
    char journal[PATH_MAX];
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), digits);
    int size = snprintf(new_path, sizeof(new_path), "%s.new-%s", path, digits + 2);
    ENSURE(size > 0 && (size_t)size < sizeof(new_path), BAD_INPUT,
           "the path of the database is too long");
    TRY(beside(new_path, "-journal", journal));
    struct result created = touch(new_path);
    if (!is_ok(created)) {
        give_reason(detail, errno);
        return created;
    }
    created = fill(new_path, context);
    if (is_ok(created)) {
        created = publish(new_path, path);
        if (!is_ok(created)) {
            give_reason(detail, errno);
        }
    }
    if (!is_ok(created)) {
        (void)unlink(journal);
        (void)unlink(new_path);
    }
    return created;
}

/* /proc/locks has a line a lock: "7: POSIX  ADVISORY  WRITE 4321 fe:01:393218 1073741824
 * 1073742335". Asking with fcntl would need a descriptor. */
static bool names_writer(const char *line, const struct stat *info, uint64_t *process_out)
{
    static const char before[] = " WRITE ";
    char place[64];
    snprintf(place, sizeof(place), " %02x:%02x:%ju ", major(info->st_dev), minor(info->st_dev),
             (uintmax_t)info->st_ino);
    const char *found = strstr(line, before);
    const char *end = NULL;
    return found != NULL && is_ok(decimal_scan(found + strlen(before), process_out, &end)) &&
           strncmp(end, place, strlen(place)) == 0;
}

void sqlite_file_name_holder(const char *path, struct detail *detail)
{
    struct stat info;
    CLEANUP(file_close_ptr) FILE *locks = fopen("/proc/locks", "re");
    detail_set(detail, "%s", "");
    if (locks == NULL || stat(path, &info) != 0) {
        return;
    }
    char line[160];
    while (fgets(line, sizeof(line), locks) != NULL) {
        uint64_t process = 0;
        if (names_writer(line, &info, &process) && process > 0) { /* 0: in another container */
            detail_set(detail, " (held by process %" PRIu64 ")", process);
            return;
        }
    }
}

RESULT sqlite_file_free_bytes(const char *path, uint64_t *bytes_out)
{
    struct statvfs info;
    ENSURE(statvfs(path, &info) == 0, UNAVAILABLE, "cannot tell how full the database's disk is");
    *bytes_out = (uint64_t)info.f_bavail * info.f_frsize;
    return OK;
}
