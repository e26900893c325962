#include "enclave/registry.h"

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

enum { STAT_SIZE = 1024, START_FIELD = 22 };

bool registry_path(const struct registry *registry, const char *name, const char *suffix, char *out,
                   size_t size)
{
    int length = snprintf(out, size, "%s/%s%s", registry->folder, name, suffix);
    return length > 0 && (size_t)length < size;
}

/* --------------------------------------------------------------------------------- the launcher */

/* Reads a process' state (a letter) and its start (ticks since the machine's): fields 3 and 22 of
 * proc(5)'s stat. The second is the program's name in parentheses, with whatever is in that. */
static bool read_process(pid_t pid, char *state_out, uint64_t *start_out)
{
    char path[64];
    char text[STAT_SIZE];
    const char *end = NULL;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(file_close_ptr) FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    *state_out = at == NULL || at[1] == '\0' ? '?' : at[2];
    for (int field = 2; at != NULL && field < START_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL && is_ok(decimal_scan(at, start_out, &end));
}

/* A process that there is, but that may not be looked at, counts as alive: its name stays its own.
 */
static bool is_alive(const struct enclave_record *record)
{
    char state = '?';
    uint64_t start = 0;
    if (!read_process(record->launcher, &state, &start)) {
        return kill(record->launcher, 0) == 0 || errno != ESRCH;
    }
    return start == record->launcher_start && state != 'Z' && state != 'X';
}

int registry_open_launcher(const struct enclave_record *record)
{
    CLEANUP(fd_close_ptr) int process = pidfd_open(record->launcher, 0);
    /* The descriptor first: what has the number afterwards is what the descriptor means. */
    if (process < 0 || !is_alive(record)) {
        return -1;
    }
    return fd_steal(&process);
}

/* ---------------------------------------------------------------------------------- the directory
 */

static struct result check_folder(const char *folder, struct detail *detail)
{
    struct stat info;
    if (stat(folder, &info) != 0) {
        detail_set(detail, "%s (%s)", folder, strerror(errno));
        return errno == ENOENT ? FAIL(NOT_FOUND, "there is no such directory")
                               : FAIL(UNAVAILABLE, "cannot look at the directory");
    }
    detail_set(detail, "%s", folder);
    ENSURE(S_ISDIR(info.st_mode), BAD_INPUT, "is not a directory");
    ENSURE(info.st_uid == geteuid() || info.st_uid == 0, REFUSED,
           "the directory belongs to somebody else; name one of your own with --runtime-dir");
    ENSURE((info.st_mode & (S_IWGRP | S_IWOTH)) == 0, REFUSED,
           "others may write to the directory; take that from them (chmod go-w)");
    return OK;
}

RESULT registry_open(const char *folder, bool create, struct registry *out, struct detail *detail)
{
    detail_set(detail, "%s", folder);
    ENSURE(folder[0] != '\0' && strlen(folder) < sizeof(out->folder), BAD_INPUT,
           "no name of a directory");
    if (create && mkdir(folder, 0700) != 0 && errno != EEXIST) {
        detail_set(detail, "%s (%s)", folder, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot make the directory; name another with --runtime-dir");
    }
    TRY(check_folder(folder, detail));
    memcpy(out->folder, folder, strlen(folder) + 1);
    return OK;
}

/* Held while a name is claimed, or given free. */
static struct result lock(const struct registry *registry, int *out, struct detail *detail)
{
    char path[PATH_MAX];
    ENSURE(registry_path(registry, "", "lock", path, sizeof(path)), BAD_INPUT,
           "the directory's name is too long");
    CLEANUP(fd_close_ptr) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        detail_set(detail, "%s (%s)", registry->folder, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot write to the directory");
    }
    *out = fd_steal(&fd);
    return OK;
}

RESULT registry_save(const struct registry *registry, const struct enclave_record *record,
                     struct detail *detail)
{
    char path[PATH_MAX];
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    record_write(record, true, &text);
    buf_append_text(&text, "\n");
    TRY(buf_check(&text));
    ENSURE(registry_path(registry, record->name, ".json", path, sizeof(path)), BAD_INPUT,
           "the directory's name is too long");
    return file_write(path, text.data, text.size, detail);
}

RESULT registry_find(const struct registry *registry, const char *name, struct enclave_record *out,
                     bool *alive_out, struct detail *detail)
{
    char path[PATH_MAX];
    SECRET_BLOCK text = { 0 };
    detail_set(detail, "%.64s", name);
    ENSURE(record_name_is_valid(name), BAD_INPUT,
           "no name of an enclave: 1 to 32 of a-z, 0-9 and '-'");
    ENSURE(registry_path(registry, name, ".json", path, sizeof(path)), BAD_INPUT,
           "the directory's name is too long");
    struct result found = file_read(path, RECORD_TEXT_MAX, &text, detail);
    if (found.status == STATUS_NOT_FOUND) {
        detail_set(detail, "%s", name);
        return FAIL(NOT_FOUND, "no enclave of that name; 'enclave list' lists them");
    }
    TRY(found);
    found = record_read((const char *)text.data, text.size, out, detail);
    if (is_ok(found) && strcmp(out->name, name) != 0) {
        detail_set(detail, "name");
        found = FAIL(BAD_INPUT, "is another than the file's");
    }
    if (!is_ok(found)) {
        detail_prefix(detail, "%s: ", path);
        return found;
    }
    *alive_out = is_alive(out);
    return OK;
}

RESULT registry_claim(const struct registry *registry, struct enclave_record *record,
                      struct detail *detail)
{
    struct enclave_record earlier;
    bool alive = false;
    detail_set(detail, "%.64s", record->name);
    ENSURE(record_name_is_valid(record->name), BAD_INPUT,
           "no name of an enclave: 1 to 32 of a-z, 0-9 and '-'");
    CLEANUP(fd_close_ptr) int held = -1;
    TRY(lock(registry, &held, detail));
    struct result found = registry_find(registry, record->name, &earlier, &alive, detail);
    if (found.status != STATUS_NOT_FOUND) {
        TRY(found);
        detail_set(detail, "%s", record->name);
        ENSURE(!alive, REFUSED, "an enclave of that name runs; stop it, or give --name");
        registry_remove(registry, record->name);
    }
    char state = '?';
    record->launcher = getpid();
    detail_set(detail, "/proc");
    ENSURE(read_process(record->launcher, &state, &record->launcher_start), UNAVAILABLE,
           "does not tell when this process began");
    return registry_save(registry, record, detail);
}

static void remove_one(const struct registry *registry, const char *name, const char *suffix)
{
    char path[PATH_MAX];
    if (registry_path(registry, name, suffix, path, sizeof(path))) {
        (void)unlink(path);
    }
}

void registry_remove_sockets(const struct registry *registry, const char *name)
{
    remove_one(registry, name, REGISTRY_DEVICE);
    remove_one(registry, name, REGISTRY_VSOCK);
    remove_one(registry, name, REGISTRY_HEARTBEAT);
}

void registry_forget_console(const struct registry *registry, const char *name)
{
    remove_one(registry, name, REGISTRY_CONSOLE);
}

void registry_remove(const struct registry *registry, const char *name)
{
    registry_remove_sockets(registry, name);
    remove_one(registry, name, ".json"); /* last: it is what the rest is found by */
}

RESULT registry_remove_dead(const struct registry *registry, const char *name,
                            struct detail *detail)
{
    struct enclave_record record;
    bool alive = false;
    CLEANUP(fd_close_ptr) int held = -1;
    TRY(lock(registry, &held, detail));
    TRY(registry_find(registry, name, &record, &alive, detail));
    detail_set(detail, "%s", name);
    ENSURE(!alive, REFUSED, "its launcher lives");
    registry_remove(registry, name);
    return OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void folder_close_ptr(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

/* "name" of "name.json"; false for all else that may lie there. */
static bool name_of(const char *file, char out[static RECORD_NAME_MAX + 1])
{
    size_t size = strlen(file);
    size_t end = sizeof(".json") - 1;
    if (size <= end || size - end > RECORD_NAME_MAX || strcmp(file + size - end, ".json") != 0) {
        return false;
    }
    memcpy(out, file, size - end);
    out[size - end] = '\0';
    return record_name_is_valid(out);
}

RESULT registry_names(const struct registry *registry, char (**out)[RECORD_NAME_MAX + 1],
                      size_t *count_out, struct detail *detail)
{
    CLEANUP(folder_close_ptr) DIR *folder = opendir(registry->folder);
    CLEANUP(free_ptr)
    char(*names)[RECORD_NAME_MAX + 1] = calloc(REGISTRY_RECORDS_MAX, sizeof(*names));
    size_t count = 0;
    detail_set(detail, "%s", registry->folder);
    ENSURE(folder != NULL, UNAVAILABLE, "cannot read the directory");
    ENSURE(names != NULL, UNAVAILABLE, "out of memory");
    char name[RECORD_NAME_MAX + 1];
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!name_of(entry->d_name, name)) {
            continue;
        }
        ENSURE(count < REGISTRY_RECORDS_MAX, LIMIT, "too many enclaves");
        memcpy(names[count++], name, sizeof(name));
    }
    qsort(names, count, sizeof(*names), by_text);
    *out = STEAL(names);
    *count_out = count;
    return OK;
}
