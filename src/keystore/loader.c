#include "keystore/loader.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "keystore/key_load.h"
#include "keystore/key_places.h"
#include "keystore/password_file.h"
#include "keystore/work_pool.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

enum { PROGRESS_MS = 5000 };

struct loader {
    const struct loader_settings *settings;
    struct key_table *table;
    struct key_files known; /* as the last run left them */
    struct exposure exposure;
    atomic_bool cancelled;
    atomic_size_t done;
    atomic_size_t total;
};

/* One load. */
struct run {
    struct loader *loader;
    struct key_load load;
    struct key_files files;
    struct key_places keystores;
    size_t removed;
};

void loader_report_done(struct loader_report *report)
{
    for (size_t i = 0; i < LOADER_ERRORS_KEPT; i++) {
        free(report->error_texts[i]);
    }
    *report = (struct loader_report){ .loaded = 0 };
}

RESULT loader_new(const struct loader_settings *settings, struct key_table *table,
                  struct loader **out)
{
    bool directory = settings->passwords_path != NULL;
    bool file = settings->password_file != NULL;
    ENSURE(settings->keystores_path == NULL || directory || file, BAD_INPUT,
           "a directory of keystores needs a directory of passwords or a password file");
    ENSURE(settings->keystores_path == NULL || !directory || !file, BAD_INPUT,
           "give a directory of passwords or one password file, not both");
    struct loader *loader = calloc(1, sizeof(*loader));
    ENSURE(loader != NULL, UNAVAILABLE, "out of memory");
    loader->settings = settings;
    loader->table = table;
    exposure_init(&loader->exposure);
    *out = loader;
    return OK;
}

void loader_free(struct loader *loader)
{
    if (loader == NULL) {
        return;
    }
    key_files_done(&loader->known);
    exposure_done(&loader->exposure);
    free(loader);
}

void loader_cancel(struct loader *loader)
{
    atomic_store(&loader->cancelled, true);
    kdf_gate_close(loader->settings->gate);
}

void loader_progress(const struct loader *loader, size_t *done_out, size_t *total_out)
{
    *done_out = atomic_load(&loader->done); /* first: the total grows before it */
    *total_out = atomic_load(&loader->total);
}

static void log_progress(void *context)
{
    struct run *run = context;
    size_t done = 0;
    size_t total = 0;
    loader_progress(run->loader, &done, &total);
    log_info("loading keys", LOG_NUMBER("done", done), LOG_NUMBER("total", total),
             LOG_NUMBER("errors", atomic_load(&run->load.errors)));
}

static void directory_close_ptr(DIR **directory)
{
    if (*directory != NULL) {
        closedir(*directory);
    }
}

/* Passwords that cannot be had are one failure here, not one for each keystore. */
static struct result check_passwords(const struct loader_settings *settings, struct detail *detail)
{
    if (settings->keystores_path == NULL) {
        return OK;
    }
    if (settings->password_file != NULL) {
        SECRET_BLOCK password = { 0 };
        struct result result = password_file_read(settings->password_file, &password, detail);
        result.status = is_ok(result) ? STATUS_OK : STATUS_UNAVAILABLE;
        return result;
    }
    CLEANUP(directory_close_ptr) DIR *directory = opendir(settings->passwords_path);
    detail_set(detail, "%s (%s)", settings->passwords_path,
               directory == NULL ? strerror(errno) : "");
    ENSURE(directory != NULL, UNAVAILABLE, "cannot open the directory of passwords");
    return OK;
}

static struct result scan(struct run *run, struct detail *detail)
{
    const struct loader_settings *settings = run->loader->settings;
    TRY(check_passwords(settings, detail));
    for (size_t i = 0; i < settings->path_count; i++) {
        TRY(key_files_add_directory(&run->files, KEY_FILE_DESCRIPTOR, settings->paths[i], detail));
    }
    if (settings->keystores_path != NULL) {
        TRY(key_files_add_directory(&run->files, KEY_FILE_KEYSTORE, settings->keystores_path,
                                    detail));
    }
    key_files_sort(&run->files);
    return OK;
}

static char *join(const char *directory, const char *name, size_t name_size, const char *ending)
{
    BUF path = BUF_INIT(2 * PATH_MAX);
    buf_printf(&path, "%s/%.*s%s", directory, (int)name_size, name, ending);
    return is_ok(buf_check(&path)) ? buf_take(&path) : NULL;
}

/* The file with a bulk keystore's password. NULL: no memory. */
static char *password_path(const struct loader_settings *settings, const struct key_file *file)
{
    const char *name = strrchr(file->path, '/') + 1;
    size_t name_size = strlen(name) - strlen(".json");
    return settings->password_file != NULL
               ? strdup(settings->password_file)
               : join(settings->passwords_path, name, name_size, ".txt");
}

static bool prepare_keystore(const struct run *run, struct key_file *file, struct key_file *before)
{
    if (before != NULL && before->entry_count > 0) {
        return key_file_move(file, before, 0);
    }
    struct key_entry *entry = key_file_add(file, 0);
    if (entry == NULL) {
        return false;
    }
    entry->password_path = password_path(run->loader->settings, file);
    entry->keystore_path = entry->password_path != NULL ? strdup(file->path) : NULL;
    return entry->keystore_path != NULL;
}

/* A descriptor counts as one until it is read, then as its documents. */
static void count_progress(struct loader *loader, const struct key_file *file)
{
    size_t keystores = 0;
    for (size_t i = 0; i < file->entry_count; i++) {
        keystores += file->entries[i].keystore_path != NULL;
    }
    size_t parts = file->entry_count > 0 ? file->entry_count : 1;
    atomic_fetch_add(&loader->total, parts - 1);
    atomic_fetch_add(&loader->done, parts - keystores);
}

static void run_file(size_t index, void *context)
{
    struct run *run = context;
    struct key_file *file = &run->files.files[index];
    struct key_file *before = key_files_find(&run->loader->known, file->path);
    if (file->kind == KEY_FILE_DESCRIPTOR) {
        key_load_descriptor(&run->load, file, before);
    } else if (!prepare_keystore(run, file, before)) {
        struct load_failure failure = { .result = FAIL(UNAVAILABLE, "out of memory") };
        key_load_failed(&run->load, file, NULL, &failure);
    }
    count_progress(run->loader, file);
}

static void run_keystore(size_t index, void *context)
{
    struct run *run = context;
    key_load_keystore(&run->load, run->keystores.items[index].file,
                      run->keystores.items[index].entry);
    atomic_fetch_add(&run->loader->done, 1);
}

static void run_pool(struct run *run, size_t count, size_t threads,
                     void (*piece)(size_t index, void *context))
{
    unsigned progress_ms = run->loader->settings->progress_ms;
    work_pool_run(&(struct work_batch){ .count = count,
                                        .threads = threads,
                                        .run = piece,
                                        .context = run,
                                        .cancelled = &run->loader->cancelled,
                                        .tick = log_progress,
                                        .tick_ms = progress_ms != 0 ? progress_ms : PROGRESS_MS });
}

static bool has_keystore(const struct key_entry *entry)
{
    return entry->keystore_path != NULL;
}

static bool has_key(const struct key_entry *entry)
{
    return entry->has_key;
}

static struct result load_all(struct run *run)
{
    const struct loader_settings *settings = run->loader->settings;
    atomic_store(&run->loader->done, 0);
    atomic_store(&run->loader->total, run->files.count);
    run_pool(run, run->files.count, settings->raw_concurrency, run_file);
    TRY(key_places_select(&run->files, has_keystore, &run->keystores));
    run_pool(run, run->keystores.count, settings->keystore_concurrency, run_keystore);
    ENSURE(!atomic_load(&run->loader->cancelled), UNAVAILABLE, "loading was cancelled");
    return OK;
}

/* A key belongs to the first of its places. */
static void report_duplicates(struct run *run, const struct key_places *places)
{
    const struct key_place *owner = places->items;
    for (size_t i = 1; i < places->count; i++) {
        const struct key_place *place = &places->items[i];
        if (!pubkey_equal(&owner->entry->pubkey, &place->entry->pubkey)) {
            owner = place;
        } else if (place->entry->error == NULL) {
            struct load_failure failure = {
                .result = FAIL(REFUSED, "the key is already loaded from this file"),
                .key = &place->entry->pubkey,
            };
            detail_set(&failure.detail, "%s", owner->file->path);
            key_load_failed(&run->load, place->file, place->entry, &failure);
        }
    }
}

static void remove_key(struct run *run, const struct pubkey *pubkey)
{
    char text[HEX_TEXT_SIZE(sizeof(pubkey->bytes))];
    if (is_ok(key_table_remove(run->loader->table, pubkey, KEY_ORIGIN_FILESYSTEM))) {
        hex_encode(pubkey->bytes, sizeof(pubkey->bytes), text);
        log_info("key removed: it is in no file any more", LOG_TEXT("key", text));
        run->removed++;
    }
}

/* Takes out the keys of this source that have no place. */
static struct result remove_gone(struct run *run, const struct key_places *places)
{
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    TRY(key_table_list(run->loader->table, &keys, &count));
    for (size_t i = 0; i < count; i++) {
        if (keys[i].origin == KEY_ORIGIN_FILESYSTEM &&
            key_places_find(places, &keys[i].pubkey) == NULL) {
            remove_key(run, &keys[i].pubkey);
        }
    }
    return OK;
}

static void take_error(struct loader_report *report, size_t *used, char **error)
{
    if (*error != NULL && *used < LOADER_ERRORS_KEPT) {
        report->error_texts[(*used)++] = STEAL(*error);
    }
}

static void take_errors(struct run *run, struct loader_report *out)
{
    size_t used = 0;
    for (size_t i = 0; i < run->files.count; i++) {
        struct key_file *file = &run->files.files[i];
        for (size_t j = 0; j < file->entry_count; j++) {
            take_error(out, &used, &file->entries[j].error);
        }
        take_error(out, &used, &file->error);
    }
}

static struct result load_and_settle(struct run *run)
{
    KEY_PLACES places = { .count = 0 };
    TRY(load_all(run));
    TRY(key_places_select(&run->files, has_key, &places));
    key_places_sort(&places);
    report_duplicates(run, &places);
    return remove_gone(run, &places);
}

static void write_report(struct run *run, uint64_t start_ns, struct loader_report *out)
{
    *out = (struct loader_report){
        .loaded = key_table_count_of(run->loader->table, KEY_ORIGIN_FILESYSTEM),
        .added = atomic_load(&run->load.added),
        .removed = run->removed,
        .errors = atomic_load(&run->load.errors),
        .duration_ns = clock_monotonic_ns() - start_ns,
    };
    take_errors(run, out);
    log_info("keys of the filesystem loaded", LOG_NUMBER("loaded", out->loaded),
             LOG_NUMBER("added", out->added), LOG_NUMBER("removed", out->removed),
             LOG_NUMBER("errors", out->errors),
             LOG_NUMBER("milliseconds", out->duration_ns / 1000000U));
}

static void run_done(struct run *run)
{
    key_files_done(&run->files);
    key_places_done(&run->keystores);
}

RESULT loader_run(struct loader *loader, struct loader_report *out, struct detail *detail)
{
    uint64_t start_ns = clock_monotonic_ns();
    CLEANUP(run_done) struct run run = { .loader = loader };
    run.files.max = LOADER_FILES_MAX;
    run.load = (struct key_load){ .table = loader->table,
                                  .gate = loader->settings->gate,
                                  .exposure = &loader->exposure,
                                  .cancelled = &loader->cancelled };
    TRY(scan(&run, detail));
    detail_set(detail, "%s", "");
    struct result result = load_and_settle(&run);
    if (is_ok(result)) {
        write_report(&run, start_ns, out);
    }
    /* Even after a failure: the entries that go on were moved here. */
    key_files_done(&loader->known);
    loader->known = run.files;
    run.files = (struct key_files){ .max = 0 };
    return result;
}
