/* POST /eth/v1/keystores: slashing data first, then the keys. A key whose slashing data cannot be
 * imported is not imported. */
#include "api/keymanager.h"

#include "api/routes.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "keystore/unlock.h"
#include "keystore/work_pool.h"
#include "slashing/interchange.h"

#include <stdlib.h>
#include <string.h>

/* One keystore of the request. */
struct import_item {
    const struct json *keystore; /* text */
    const struct json *password; /* text */
    struct unlocked *key;        /* in the import's block */
    bool is_open;                /* the key is there */
    struct item_result result;
};

struct import {
    struct api *api;
    uint64_t deadline_ns;
    struct import_item *items;
    size_t count;
    struct secret_block keys;  /* `count` struct unlocked */
    struct history *histories; /* of the request's slashing data */
    size_t history_count;
    size_t history_capacity;
};

static void import_done(struct import *import)
{
    for (size_t i = 0; i < import->history_count; i++) {
        history_done(&import->histories[i]);
    }
    free(import->histories);
    free(import->items);
    secret_block_free(&import->keys);
}

static struct result copy_records(const struct history *from, struct history *to)
{
    for (size_t i = 0; i < from->block_count; i++) {
        TRY(history_add_block(to, &from->blocks[i]));
    }
    for (size_t i = 0; i < from->attestation_count; i++) {
        TRY(history_add_attestation(to, &from->attestations[i]));
    }
    return OK;
}

static struct result keep_history(const struct history *history, void *context)
{
    struct import *import = context;
    if (import->history_count == import->history_capacity) {
        size_t capacity = import->history_capacity * 2 + 16;
        struct history *grown = calloc(capacity, sizeof(*grown));
        ENSURE(grown != NULL, UNAVAILABLE, "out of memory");
        if (import->history_count > 0) {
            memcpy(grown, import->histories, import->history_count * sizeof(*grown));
        }
        free(import->histories);
        import->histories = grown;
        import->history_capacity = capacity;
    }
    struct history *kept = &import->histories[import->history_count++];
    *kept = (struct history){ .pubkey = history->pubkey };
    return copy_records(history, kept);
}

static int compare_pubkeys(const void *a, const void *b)
{
    const struct history *left = a;
    const struct history *right = b;
    return memcmp(left->pubkey.bytes, right->pubkey.bytes, sizeof(left->pubkey.bytes));
}

/* Sorts the histories, and makes one of those of one key: merging many one by one would keep the
 * committer, so every signature, for a time that grows with their square. */
static struct result unite_histories(struct import *import)
{
    struct history *histories = import->histories;
    size_t kept = 0;
    if (import->history_count == 0) {
        return OK;
    }
    qsort(histories, import->history_count, sizeof(*histories), compare_pubkeys);
    for (size_t i = 1; i < import->history_count; i++) {
        if (pubkey_equal(&histories[kept].pubkey, &histories[i].pubkey)) {
            TRY(copy_records(&histories[i], &histories[kept]));
            history_done(&histories[i]);
        } else if (++kept < i) {
            histories[kept] = histories[i];
            histories[i] = (struct history){ .block_count = 0 };
        }
    }
    import->history_count = kept + 1;
    return OK;
}

/* A file that cannot be read as a whole refuses the request as a whole: nothing is imported. */
static struct result read_slashing_data(struct import *import, const struct json *body,
                                        struct detail *detail)
{
    const struct json *member = json_member(body, "slashing_protection");
    size_t size = 0;
    const char *text = json_as_text(member, &size);
    if (json_kind(member) == JSON_KIND_NULL) {
        return OK;
    }
    detail_set(detail, "slashing_protection");
    ENSURE(text != NULL, BAD_INPUT, "not a text");
    struct result read = interchange_read(
        text, size, &import->api->network->genesis_validators_root, keep_history, import, detail);
    if (!is_ok(read)) {
        detail_prefix(detail, "slashing_protection: ");
        return read;
    }
    return unite_histories(import);
}

static struct result read_body(struct import *import, const struct json *body,
                               struct detail *detail)
{
    const struct json *keystores = NULL;
    const struct json *passwords = NULL;
    size_t items_max = import->api->key_manager.items_max;
    TRY(keymanager_texts(body, "keystores", items_max, &keystores, detail));
    TRY(keymanager_texts(body, "passwords", items_max, &passwords, detail));
    detail_set(detail, "%zu keystores, %zu passwords", json_count(keystores),
               json_count(passwords));
    ENSURE(json_count(keystores) == json_count(passwords), BAD_INPUT,
           "there must be one password for each keystore");
    import->count = json_count(keystores);
    import->items = calloc(import->count + 1, sizeof(*import->items));
    ENSURE(import->items != NULL &&
               secret_block_new(import->count * sizeof(struct unlocked), &import->keys),
           UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < import->count; i++) {
        import->items[i].keystore = json_item(keystores, i);
        import->items[i].password = json_item(passwords, i);
        import->items[i].key = (struct unlocked *)(void *)import->keys.data + i;
    }
    return read_slashing_data(import, body, detail);
}

static struct unlock_text text_of(const struct json *string)
{
    struct unlock_text text = { .at = NULL };
    text.at = json_as_text(string, &text.size);
    return text;
}

static struct result open_keystore(const struct import *import, struct import_item *item,
                                   struct detail *detail)
{
    ENSURE(clock_monotonic_ns() < import->deadline_ns, UNAVAILABLE,
           "http.key_manager_api.request_timeout_seconds has passed; send fewer keystores at once");
    return unlock_keystore(text_of(item->keystore), text_of(item->password), import->api->kdf_gate,
                           item->key, detail);
}

static void open_item(size_t index, void *context)
{
    const struct import *import = context;
    struct import_item *item = &import->items[index];
    struct detail detail = { "" };
    struct result opened = open_keystore(import, item, &detail);
    item->is_open = is_ok(opened);
    if (!item->is_open) {
        item_fail(&item->result, &detail, opened);
    }
}

/* What the committer's thread does for one key. */
struct import_call {
    const struct import *import;
    const struct import_item *item;
    struct detail *detail;
};

static struct result merge_history(struct slashing_store *store, const struct import_call *call)
{
    const struct import *import = call->import;
    const struct history wanted = { .pubkey = call->item->key->pubkey };
    const struct history *found = NULL;
    if (import->history_count > 0) {
        found = bsearch(&wanted, import->histories, import->history_count, sizeof(wanted),
                        compare_pubkeys);
    }
    return found == NULL ? OK
                         : store->ops->import_history(store, found, CONFLICT_REFUSE, call->detail);
}

static struct result import_history(struct slashing_store *store, const struct import_call *call)
{
    TRY(store->ops->import_begin(store));
    struct result merged = merge_history(store, call);
    struct result ended = store->ops->import_end(store, is_ok(merged));
    return is_ok(merged) ? ended : merged;
}

/* A key that was deleted once signs again only after its slashing data is in; so does one whose
 * file has come back since, which is a duplicate. All of it is one call of the committer, as a
 * deletion is: a key that was half imported while it was half deleted would be loaded, and refused
 * by the store for ever. */
static struct result add_key(struct slashing_store *store, void *context)
{
    const struct import_call *call = context;
    const struct unlocked *key = call->item->key;
    struct key_table *keys = call->import->api->keys;
    TRY(import_history(store, call));
    TRY(store->ops->set_enabled(store, &key->pubkey, true));
    CLEANUP(key_release_ptr) struct key *loaded = key_table_acquire(keys, &key->pubkey);
    ENSURE(loaded == NULL, REFUSED, "already loaded");
    return key_table_add(keys, &key->secret, &key->pubkey, KEY_ORIGIN_MEMORY, key->path, NULL);
}

static void add_item(const struct import *import, struct import_item *item)
{
    struct detail detail = { "" };
    char text[HEX_TEXT_SIZE(sizeof(struct pubkey))];
    struct import_call call = { .import = import, .item = item, .detail = &detail };
    struct result added = committer_call(import->api->committer, add_key, &call);
    hex_encode(item->key->pubkey.bytes, sizeof(item->key->pubkey.bytes), text);
    if (is_ok(added)) {
        item->result.status = ITEM_IMPORTED;
        log_info("key imported", LOG_TEXT("pubkey", text));
    } else if (added.status == STATUS_REFUSED && detail.text[0] == '\0') {
        item->result.status = ITEM_DUPLICATE;
    } else {
        item_fail(&item->result, &detail, added);
    }
}

static struct http_response tell(const struct import *import)
{
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_open(&writer, "data", '[');
    for (size_t i = 0; i < import->count; i++) {
        item_write(&writer, &import->items[i].result);
    }
    json_write_close(&writer, ']');
    json_write_close(&writer, '}');
    return json_response(200, &body);
}

static struct result run_import(struct import *import, const struct http_request *request,
                                struct detail *detail)
{
    static const atomic_bool never = false;
    CLEANUP(json_free_ptr) struct json *body = NULL;
    TRY(json_parse(request->body == NULL ? "" : request->body, request->body_size, &body, detail));
    TRY(read_body(import, body, detail));
    const struct work_batch work = { .count = import->count,
                                     .threads = import->count,
                                     .run = open_item,
                                     .context = import,
                                     .cancelled = &never };
    work_pool_run(&work);
    for (size_t i = 0; i < import->count; i++) {
        if (import->items[i].is_open) {
            add_item(import, &import->items[i]);
        }
    }
    return OK;
}

static struct http_response import_keystores(struct api *api, const struct http_exchange *exchange)
{
    CLEANUP(import_done)
    struct import import = { .api = api,
                             .deadline_ns =
                                 http_exchange_start_ns(exchange) + api->key_manager.timeout_ns };
    struct detail detail = { "" };
    struct result ran = run_import(&import, http_exchange_request(exchange), &detail);
    if (!is_ok(ran)) {
        char line[DETAIL_SIZE + 128];
        detail_line(&detail, ran, line, sizeof(line));
        return error_response(ran.status == STATUS_UNAVAILABLE ? 503 : 400, line);
    }
    return tell(&import);
}

void api_keystores_import(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    respond_later(api, exchange, import_keystores, &api->key_manager_writes,
                  api->key_manager.writes_max);
}
