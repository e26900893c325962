#include "store/sqlite.h"

#include "store/sqlite_decide.h"
#include "store/sqlite_import.h"
#include "store/sqlite_layout.h"
#include "store/sqlite_load.h"
#include "store/sqlite_prune.h"
#include "store/sqlite_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* OK when a change may begin. */
static struct result check_ready(struct sqlite_store *store)
{
    ENSURE(!store->is_importing, UNAVAILABLE, "an import is under way");
    return sqlite_db_usable(&store->db);
}

/* Ends the transaction that `done` is the outcome of. */
static struct result finish(struct sqlite_store *store, struct result done)
{
    if (is_ok(done)) {
        done = sqlite_store_commit(store);
    } else {
        sqlite_store_rollback(store);
    }
    sqlite_db_checkpoint(&store->db);
    return done;
}

static struct result load_history(struct slashing_store *base, const struct pubkey *pubkey,
                                  struct history *out)
{
    CLEANUP(history_done) struct history history = { .block_count = 0 };
    TRY(sqlite_db_usable(&sqlite_store_of(base)->db));
    TRY(sqlite_read_history(base, pubkey, &history));
    *out = history;
    history = (struct history){ .block_count = 0 };
    return OK;
}

static struct result next_pubkey(struct sqlite_store *store, bool *found, struct pubkey *pubkey)
{
    const struct pubkey last = *pubkey;
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_NEXT_PUBKEY);
    sqlite_give_bytes(&use, last.bytes, *found ? sizeof(last.bytes) : 0); /* no bytes come first */
    TRY(sqlite_step(&use, found));
    return *found ? sqlite_pubkey(&use, 0, pubkey) : OK;
}

static struct result each_validator(struct slashing_store *base,
                                    struct result (*visit)(const struct pubkey *pubkey,
                                                           void *context),
                                    void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct pubkey pubkey = { { 0 } };
    bool found = false;
    TRY(sqlite_db_usable(&store->db));
    TRY(next_pubkey(store, &found, &pubkey));
    while (found) {
        TRY(visit(&pubkey, context));
        TRY(next_pubkey(store, &found, &pubkey));
    }
    return OK;
}

static struct result change_enabled(struct sqlite_store *store, const struct pubkey *pubkey,
                                    bool enabled)
{
    struct validator *validator = NULL;
    TRY(sqlite_store_change_validator(store, pubkey, &validator));
    validator->enabled = enabled;
    return OK;
}

static struct result set_enabled(struct slashing_store *base, const struct pubkey *pubkey,
                                 bool enabled)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(check_ready(store));
    TRY(sqlite_store_begin(store));
    return finish(store, change_enabled(store, pubkey, enabled));
}

static struct result load_ceiling(struct slashing_store *base, struct ceiling *out)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(sqlite_db_usable(&store->db));
    *out = store->whole.ceiling;
    return OK;
}

static struct result save_ceiling(struct slashing_store *base, const struct ceiling *ceiling)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(check_ready(store));
    TRY(sqlite_store_begin(store));
    store->whole.ceiling = *ceiling;
    return finish(store, OK);
}

static struct result prune(struct slashing_store *base, struct epoch target_below,
                           struct slot slot_below, size_t rows_max, bool *more_out)
{
    struct sqlite_store *store = sqlite_store_of(base);
    bool more = false;
    TRY(check_ready(store));
    TRY(sqlite_store_begin(store));
    TRY(finish(store, sqlite_prune(store, target_below, slot_below, rows_max, &more)));
    *more_out = more;
    return OK;
}

static struct result health(struct slashing_store *base, struct detail *detail)
{
    struct sqlite_store *store = sqlite_store_of(base);
    uint64_t bytes = 0;
    detail_set(detail, "%s", store->path);
    TRY(sqlite_db_usable(&store->db));
    TRY(sqlite_file_free_bytes(store->path, &bytes));
    detail_set(detail, "%s (%" PRIu64 " bytes free)", store->path, bytes);
    ENSURE(bytes >= SQLITE_STORE_FREE_BYTES_MIN, UNAVAILABLE, "the disk of the database is full");
    detail_set(detail, "%s", "");
    return OK;
}

static void release(struct sqlite_store *store, bool clean)
{
    sqlite_queries_done(&store->queries);
    sqlite_db_close(&store->db, clean);
    validator_table_done(&store->table);
    free(store);
}

/* The mark goes before the -wal does; where the mark cannot be taken off, both stay. */
static bool take_out_of_use(struct sqlite_store *store)
{
    if (!is_ok(sqlite_db_usable(&store->db)) || !is_ok(sqlite_store_begin(store))) {
        return false;
    }
    store->whole.in_use = false;
    return is_ok(sqlite_store_commit(store));
}

static void close_store(struct slashing_store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite_store_rollback(store); /* of an import that was never ended */
    release(store, take_out_of_use(store));
}

static const struct slashing_store_ops ops = {
    .name = "sqlite",
    .decide = sqlite_decide,
    .import_begin = sqlite_import_begin,
    .import_history = sqlite_import_history,
    .import_end = sqlite_import_end,
    .load_history = load_history,
    .each_validator = each_validator,
    .set_enabled = set_enabled,
    .prune = prune,
    .load_ceiling = load_ceiling,
    .save_ceiling = save_ceiling,
    .health = health,
    .close = close_store,
};

static struct result open_file(const struct sqlite_file *file, bool accept_loss,
                               const struct root *genesis_validators_root,
                               struct slashing_store **out, struct detail *detail)
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    ENSURE(store != NULL, UNAVAILABLE, "out of memory");
    store->base.ops = &ops;
    memcpy(store->path, file->path, sizeof(store->path));
    struct result loaded =
        sqlite_load(store, genesis_validators_root, file->has_wal, accept_loss, detail);
    if (!is_ok(loaded)) {
        sqlite_store_rollback(store);
        release(store, false);
        return loaded;
    }
    *out = &store->base;
    return OK;
}

static struct result find_and_open(const char *path, bool create, bool accept_loss,
                                   const struct root *genesis_validators_root,
                                   struct slashing_store **out, struct detail *detail)
{
    struct sqlite_file file;
    TRY(sqlite_file_inspect(path, &file, detail));
    if (!file.exists) {
        ENSURE(create, NOT_FOUND, "no such database");
        /* SQLite would play it into the new file. */
        ENSURE(!file.has_wal, UNAVAILABLE,
               "the database is missing but its -wal file is there; restore the database");
        TRY(sqlite_layout_create(file.path, genesis_validators_root, detail));
    }
    TRY(open_file(&file, accept_loss, genesis_validators_root, out, detail));
    if (file.is_exposed) {
        detail_set(detail, ": anybody may replace the database, its directory is writable by all");
    }
    return OK;
}

RESULT sqlite_store_open(const char *path, bool create, const struct root *genesis_validators_root,
                         struct slashing_store **out, struct detail *detail)
{
    struct detail own = { "" }; /* parts of the message are made before the path */
    detail = detail == NULL ? &own : detail;
    struct result opened = find_and_open(path, create, false, genesis_validators_root, out, detail);
    if (!is_ok(opened) || detail->text[0] != '\0') {
        detail_prefix(detail, "%s", path);
    }
    return opened;
}

static struct result check_pages(struct sqlite_store *store, struct detail *detail)
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(store->db.handle, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool whole = said != NULL && strcmp(said, "ok") == 0;
    if (!whole) {
        detail_set(detail, "%s (%s)", store->path, said == NULL ? "no answer" : said);
    }
    sqlite3_finalize(statement);
    return whole ? OK : sqlite_db_failure(&store->db, SQLITE_CORRUPT);
}

struct check {
    struct slashing_store *store;
    struct detail *detail;
};

static struct result check_validator(const struct pubkey *pubkey, void *context)
{
    const struct check *check = context;
    CLEANUP(history_done) struct history history = { .block_count = 0 };
    TRY(load_history(check->store, pubkey, &history));
    ENSURE(history_is_clean(&history, check->detail), UNAVAILABLE,
           "records that contradict each other");
    return OK;
}

RESULT sqlite_store_check(struct slashing_store *base, struct detail *detail)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct check check = { .store = base, .detail = detail };
    detail_set(detail, "%s", store->path);
    TRY(check_ready(store));
    TRY(check_pages(store, detail));
    return each_validator(base, check_validator, &check);
}

RESULT sqlite_store_accept_loss(const char *path, const struct root *genesis_validators_root,
                                struct detail *detail)
{
    struct slashing_store *store = NULL;
    struct result opened =
        find_and_open(path, false, true, genesis_validators_root, &store, detail);
    if (!is_ok(opened)) {
        detail_prefix(detail, "%s", path);
        return opened;
    }
    close_store(store);
    return OK;
}
