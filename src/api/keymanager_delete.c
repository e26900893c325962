/* DELETE /eth/v1/keystores: a key is stopped for good, then its slashing data is exported. Stopped
 * means: taken out of the key table, and refused by the store from then on, so that a request that
 * was under way cannot get a signature that is not in the export. */
#include "api/keymanager.h"

#include "api/routes.h"
#include "base/hex.h"
#include "base/log.h"
#include "slashing/interchange.h"

#include <stdio.h>

struct delete_item {
    struct pubkey pubkey;
    bool is_valid; /* the text was a public key */
    struct item_result result;
    struct history history;
    bool has_history;
};

struct deletion {
    struct api *api;
    struct delete_item *items;
    size_t count;
};

static void deletion_done(struct deletion *deletion)
{
    for (size_t i = 0; i < deletion->count; i++) {
        history_done(&deletion->items[i].history);
    }
    free(deletion->items);
}

static struct result read_body(struct deletion *deletion, const struct json *body,
                               struct detail *detail)
{
    const struct json *pubkeys = NULL;
    TRY(keymanager_texts(body, "pubkeys", deletion->api->key_manager.items_max, &pubkeys, detail));
    deletion->items = calloc(json_count(pubkeys) + 1, sizeof(*deletion->items));
    ENSURE(deletion->items != NULL, UNAVAILABLE, "out of memory");
    deletion->count = json_count(pubkeys);
    for (size_t i = 0; i < deletion->count; i++) {
        struct delete_item *item = &deletion->items[i];
        struct result read = keymanager_pubkey(json_item(pubkeys, i), &item->pubkey);
        item->is_valid = is_ok(read);
        if (!item->is_valid) {
            item_fail(&item->result, NULL, read);
        }
    }
    return OK;
}

/* What the committer's thread does for one key. */
struct delete_call {
    struct api *api;
    struct delete_item *item;
};

static struct result load(struct slashing_store *store, struct delete_item *item)
{
    struct result loaded = store->ops->load_history(store, &item->pubkey, &item->history);
    item->has_history = is_ok(loaded);
    return loaded.status == STATUS_NOT_FOUND ? OK : loaded;
}

/* A key whose slashing data is handed out stays stopped, loaded or not: the next signer goes on
 * from that data. All in one call of the committer: no check, and no import of the key, comes
 * between. */
static struct result stop_key(struct slashing_store *store, void *context)
{
    const struct delete_call *call = context;
    struct delete_item *item = call->item;
    struct result removed = key_table_remove(call->api->keys, &item->pubkey, KEY_ORIGIN_MEMORY);
    ENSURE(removed.status != STATUS_REFUSED, REFUSED,
           "the key is read-only: it comes from a file; remove the file and reload");
    if (is_ok(removed)) {
        item->result.status = ITEM_DELETED;
        TRY(store->ops->set_enabled(store, &item->pubkey, false));
        return load(store, item);
    }
    TRY(load(store, item));
    item->result.status = item->has_history ? ITEM_NOT_ACTIVE : ITEM_NOT_FOUND;
    return item->has_history ? store->ops->set_enabled(store, &item->pubkey, false) : OK;
}

static void delete_item(struct api *api, struct delete_item *item)
{
    struct delete_call call = { .api = api, .item = item };
    struct result stopped = committer_call(api->committer, stop_key, &call);
    if (!is_ok(stopped)) {
        item_fail(&item->result, NULL, stopped);
        item->has_history = false; /* it may not leave: the key may go on signing */
        return;
    }
    if (item->result.status == ITEM_DELETED) {
        char text[HEX_TEXT_SIZE(sizeof(struct pubkey))];
        hex_encode(item->pubkey.bytes, sizeof(item->pubkey.bytes), text);
        log_info("key deleted", LOG_TEXT("pubkey", text));
    }
}

/* True when the request named the key before, so that its history is written already. */
static bool is_repeated(const struct deletion *deletion, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        const struct delete_item *item = &deletion->items[i];
        if (item->has_history && pubkey_equal(&item->pubkey, &deletion->items[index].pubkey)) {
            return true;
        }
    }
    return false;
}

static void write_interchange(const struct deletion *deletion, struct buf *out)
{
    struct interchange_writer writer;
    interchange_write_begin(&writer, out, &deletion->api->network->genesis_validators_root);
    for (size_t i = 0; i < deletion->count; i++) {
        if (deletion->items[i].has_history && !is_repeated(deletion, i)) {
            interchange_write_history(&writer, &deletion->items[i].history);
        }
    }
    interchange_write_end(&writer);
}

static struct http_response tell(const struct deletion *deletion)
{
    BUF interchange = BUF_INIT(HTTP_RESPONSE_BODY_MAX / 4);
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    write_interchange(deletion, &interchange);
    if (!is_ok(buf_check(&interchange))) {
        return error_response(500, "the keys are deleted, but their slashing data is too long to "
                                   "send; use 'containment-chamber slashing export'");
    }
    json_write_open(&writer, NULL, '{');
    json_write_open(&writer, "data", '[');
    for (size_t i = 0; i < deletion->count; i++) {
        item_write(&writer, &deletion->items[i].result);
    }
    json_write_close(&writer, ']');
    json_write_text(&writer, "slashing_protection", interchange.data);
    json_write_close(&writer, '}');
    return json_response(200, &body);
}

static struct result run_deletion(struct deletion *deletion, const struct http_request *request,
                                  struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *body = NULL;
    TRY(json_parse(request->body == NULL ? "" : request->body, request->body_size, &body, detail));
    TRY(read_body(deletion, body, detail));
    for (size_t i = 0; i < deletion->count; i++) {
        if (deletion->items[i].is_valid) {
            delete_item(deletion->api, &deletion->items[i]);
        }
    }
    return OK;
}

static struct http_response delete_keystores(struct api *api, const struct http_exchange *exchange)
{
    CLEANUP(deletion_done) struct deletion deletion = { .api = api };
    struct detail detail = { "" };
    struct result ran = run_deletion(&deletion, http_exchange_request(exchange), &detail);
    if (!is_ok(ran)) {
        char line[DETAIL_SIZE + 128];
        detail_line(&detail, ran, line, sizeof(line));
        return error_response(ran.status == STATUS_UNAVAILABLE ? 503 : 400, line);
    }
    return tell(&deletion);
}

void api_keystores_delete(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    respond_later(api, exchange, delete_keystores, &api->key_manager_reads,
                  api->key_manager.reads_max);
}
