#include "store/fault_vfs.h"

#include "store/messages.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 16, FILE_SIZE_MAX = 1 << 20, BLOCK = 512 };

/* A file as it lies on the disk. */
struct platter {
    bool has_name;                /* it would be there after a power cut */
    size_t size;                  /* after a power cut */
    uint8_t bytes[FILE_SIZE_MAX]; /* after a power cut */
    uint8_t dirty[FILE_SIZE_MAX]; /* 1: was written, and is neither synced nor lost */
};

struct death {
    struct platter platter;
    bool is_seen; /* the file as readers saw it then */
    size_t seen_size;
    uint8_t seen[FILE_SIZE_MAX];
};

struct medium {
    char path[PATH_MAX];
    struct platter now;
    struct death deaths[FAULT_DEATHS];
    size_t reach; /* nothing is anywhere behind this */
};

struct fault_file {
    sqlite3_file base;
    struct medium *medium; /* NULL: a temporary file, left alone */
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs;
static struct medium *media[FILES];
static struct fault fault;
static size_t counts[FAULT_CALLS];
static size_t strikes;
static bool dead;

static struct fault_file *file_of(sqlite3_file *file)
{
    return (struct fault_file *)(void *)file;
}

static void *allocate(size_t size)
{
    void *block = calloc(1, size);
    if (block == NULL) {
        abort();
    }
    return block;
}

static struct medium *find_medium(const char *path)
{
    for (size_t i = 0; i < FILES; i++) {
        if (media[i] == NULL) {
            media[i] = allocate(sizeof(*media[i]));
            snprintf(media[i]->path, sizeof(media[i]->path), "%s", path);
        }
        if (strcmp(media[i]->path, path) == 0) {
            return media[i];
        }
    }
    abort();
}

static void copy_platter(struct platter *to, const struct platter *from, size_t reach)
{
    to->has_name = from->has_name;
    to->size = from->size;
    memcpy(to->bytes, from->bytes, reach);
    memcpy(to->dirty, from->dirty, reach);
}

/* SQLITE_OK, or what the call is to fail with. */
static int strike(enum fault_call call)
{
    counts[call]++;
    if (dead) {
        return call == FAULT_WRITE ? SQLITE_IOERR_WRITE : SQLITE_IOERR;
    }
    bool is_nth = fault.nth != 0 && call == fault.call && counts[call] == fault.nth;
    bool is_later = fault.nth != 0 && call == fault.call && counts[call] > fault.nth;
    if (is_nth || (is_later && fault.for_good)) {
        strikes++;
        return fault.code;
    }
    return SQLITE_OK;
}

/* The bytes of the file as readers see them. */
static size_t read_all(sqlite3_file *real, uint8_t *out)
{
    sqlite3_int64 size = 0;
    real->pMethods->xFileSize(real, &size);
    if (size > FILE_SIZE_MAX) {
        abort();
    }
    if (size > 0) {
        real->pMethods->xRead(real, out, (int)size, 0);
    }
    return (size_t)size;
}

static int file_close(sqlite3_file *file)
{
    struct fault_file *self = file_of(file);
    int code = self->real->pMethods == NULL ? SQLITE_OK : self->real->pMethods->xClose(self->real);
    sqlite3_free(self->real);
    return code;
}

static int file_read(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xRead(real, out, size, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    struct fault_file *self = file_of(file);
    int failed = strike(FAULT_WRITE);
    if (failed != SQLITE_OK && (dead || !fault.halfway)) {
        return failed;
    }
    int part = failed == SQLITE_OK ? size : size / 2;
    if (self->medium != NULL) {
        size_t end = (size_t)at + (size_t)part;
        if (end > FILE_SIZE_MAX) {
            abort();
        }
        self->medium->reach = end > self->medium->reach ? end : self->medium->reach;
        memset(self->medium->now.dirty + at, 1, (size_t)part);
    }
    int code = self->real->pMethods->xWrite(self->real, bytes, part, at);
    return failed == SQLITE_OK ? code : failed;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = file_of(file)->real;
    int failed = strike(FAULT_TRUNCATE);
    return failed == SQLITE_OK ? real->pMethods->xTruncate(real, size) : failed;
}

/* Only a sync that succeeds makes bytes durable; one that fails loses them. */
static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags; /* the disk that is modelled is not the real one: no need to wait for that */
    struct fault_file *self = file_of(file);
    struct medium *medium = self->medium;
    int failed = strike(FAULT_SYNC);
    if (medium == NULL || dead) {
        return failed;
    }
    struct platter *platter = &medium->now;
    if (failed == SQLITE_OK) {
        static uint8_t seen[FILE_SIZE_MAX];
        size_t size = read_all(self->real, seen);
        for (size_t i = 0; i < size; i++) {
            platter->bytes[i] = platter->dirty[i] != 0 ? seen[i] : platter->bytes[i];
        }
        if (size < platter->size) {
            memset(platter->bytes + size, 0, platter->size - size);
        }
        platter->size = size;
        platter->has_name = true;
    }
    memset(platter->dirty, 0, medium->reach);
    return failed;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xFileSize(real, out);
}

static int file_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *file, int *out)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, out);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xFileControl(real, operation, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory: the store must do without */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

/* The program links a new database into its place behind SQLite's back, durably: what is known of
 * the file goes with it. */
static void follow_new_name(const struct medium *new)
{
    char *ending = strstr(new->path, ".new-");
    if (ending == NULL || !new->now.has_name) {
        return;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)(ending - new->path), new->path);
    struct medium *target = find_medium(path);
    if (access(path, F_OK) == 0 && target->now.size == 0) {
        target->reach = new->reach > target->reach ? new->reach : target->reach;
        copy_platter(&target->now, &new->now, new->reach);
    }
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct fault_file *self = file_of(file);
    *self = (struct fault_file){ .real = sqlite3_malloc(real_vfs->szOsFile) };
    int failed = strike(FAULT_OPEN);
    if (failed != SQLITE_OK || self->real == NULL) {
        sqlite3_free(self->real);
        return failed == SQLITE_OK ? SQLITE_NOMEM : SQLITE_CANTOPEN;
    }
    memset(self->real, 0, (size_t)real_vfs->szOsFile);
    int code = real_vfs->xOpen(real_vfs, path, self->real, flags, out);
    if (code != SQLITE_OK) {
        sqlite3_free(self->real);
        return code;
    }
    if (path != NULL) {
        for (size_t i = 0; i < FILES && media[i] != NULL; i++) {
            follow_new_name(media[i]);
        }
        self->medium = find_medium(path);
    }
    self->base.pMethods = &methods;
    return SQLITE_OK;
}

/* Like a directory that is synced at once: the other way round, a name that comes back, is covered
 * by OUTCOME_POWER_CUT at an earlier call. */
static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    int failed = strike(FAULT_DELETE);
    if (failed != SQLITE_OK) {
        return failed;
    }
    struct medium *medium = find_medium(path);
    memset(&medium->now, 0, sizeof(medium->now));
    return real_vfs->xDelete(real_vfs, path, sync);
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "fault";
    vfs.szOsFile = sizeof(struct fault_file);
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    sqlite3_vfs_register(&vfs, 1);
}

void fault_vfs_set(const struct fault *wanted)
{
    fault = *wanted;
    memset(counts, 0, sizeof(counts));
    strikes = 0;
    dead = false;
}

size_t fault_vfs_count(enum fault_call call)
{
    return counts[call];
}

size_t fault_vfs_strikes(void)
{
    return strikes;
}

static void note_seen(const struct medium *medium, struct death *death)
{
    FILE *file = fopen(medium->path, "r");
    death->is_seen = file != NULL;
    death->seen_size = 0;
    if (file != NULL) {
        death->seen_size = fread(death->seen, 1, FILE_SIZE_MAX, file);
        fclose(file);
    }
}

void fault_vfs_die(size_t death)
{
    for (size_t i = 0; i < FILES && media[i] != NULL; i++) {
        note_seen(media[i], &media[i]->deaths[death]);
        copy_platter(&media[i]->deaths[death].platter, &media[i]->now, media[i]->reach);
    }
    dead = true;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(bytes, 1, size, file) != size) {
        abort();
    }
    fclose(file);
}

/* Some of what was written and not synced reached the disk before the power went. */
static void leave_some(struct platter *platter, const struct death *death, struct dice *dice)
{
    for (size_t at = 0; at < death->seen_size; at += BLOCK) {
        size_t end = at + BLOCK < death->seen_size ? at + BLOCK : death->seen_size;
        if (memchr(platter->dirty + at, 1, end - at) == NULL || dice_roll(dice, 2) == 0) {
            continue;
        }
        for (size_t i = at; i < end; i++) {
            platter->bytes[i] = platter->dirty[i] != 0 ? death->seen[i] : platter->bytes[i];
        }
        platter->size = end > platter->size ? end : platter->size;
    }
}

void fault_vfs_leave(size_t at, enum fault_outcome outcome, uint64_t seed)
{
    struct dice dice = { seed };
    for (size_t i = 0; i < FILES && media[i] != NULL; i++) {
        struct medium *medium = media[i];
        const struct death *death = &medium->deaths[at];
        copy_platter(&medium->now, &death->platter, medium->reach);
        if (outcome == OUTCOME_POWER_CUT_SOME_LEFT) {
            leave_some(&medium->now, death, &dice);
        }
        bool is_restart = outcome == OUTCOME_RESTART;
        if (!(is_restart ? death->is_seen : medium->now.has_name)) {
            (void)unlink(medium->path);
        } else if (is_restart) { /* what is dirty stays dirty, what is lost stays lost */
            write_file(medium->path, death->seen, death->seen_size);
        } else {
            write_file(medium->path, medium->now.bytes, medium->now.size);
        }
        if (!is_restart) {
            memset(medium->now.dirty, 0, medium->reach);
        }
    }
    dead = false;
}

void fault_vfs_forget(void)
{
    for (size_t i = 0; i < FILES; i++) {
        free(media[i]);
        media[i] = NULL;
    }
}
