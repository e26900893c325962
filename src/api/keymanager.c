#include "api/keymanager.h"

#include "api/routes.h"
#include "base/hex.h"

#include <stdio.h>

enum { LISTED_KEY_SIZE = 512 };

void item_fail(struct item_result *item, const struct detail *detail, struct result result)
{
    item->status = ITEM_ERROR;
    detail_line(detail, result, item->message, sizeof(item->message));
}

void item_write(struct json_writer *writer, const struct item_result *item)
{
    static const char *const names[] = {
        [ITEM_IMPORTED] = "imported",   [ITEM_DUPLICATE] = "duplicate",
        [ITEM_DELETED] = "deleted",     [ITEM_NOT_ACTIVE] = "not_active",
        [ITEM_NOT_FOUND] = "not_found", [ITEM_ERROR] = "error",
    };
    json_write_open(writer, NULL, '{');
    json_write_text(writer, "status", names[item->status]);
    json_write_text(writer, "message", item->message);
    json_write_close(writer, '}');
}

RESULT keymanager_texts(const struct json *body, const char *name, size_t items_max,
                        const struct json **out, struct detail *detail)
{
    const struct json *array = json_member(body, name);
    detail_set(detail, "%s", name);
    ENSURE(json_kind(array) == JSON_KIND_ARRAY, BAD_INPUT, "missing or not an array");
    ENSURE(json_count(array) <= items_max, BAD_INPUT,
           "more items than http.key_manager_api.max_items_per_request");
    for (size_t i = 0; i < json_count(array); i++) {
        detail_set(detail, "%s[%zu]", name, i);
        ENSURE(json_kind(json_item(array, i)) == JSON_KIND_STRING, BAD_INPUT, "not a text");
    }
    *out = array;
    return OK;
}

RESULT keymanager_pubkey(const struct json *text, struct pubkey *out)
{
    size_t size = 0;
    const char *hex = json_as_text(text, &size);
    ENSURE(hex != NULL, BAD_INPUT, "not a text");
    return hex_decode(hex, size, out->bytes, sizeof(out->bytes));
}

static void write_key(struct json_writer *writer, const struct key_info *key)
{
    json_write_open(writer, NULL, '{');
    json_write_hex(writer, "validating_pubkey", key->pubkey.bytes, sizeof(key->pubkey.bytes));
    if (key->path[0] != '\0') {
        json_write_text(writer, "derivation_path", key->path);
    }
    json_write_boolean(writer, "readonly", key->origin != KEY_ORIGIN_MEMORY);
    json_write_close(writer, '}');
}

static struct http_response list_keystores(struct api *api, const struct http_exchange *exchange)
{
    (void)exchange;
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    if (!is_ok(key_table_list(api->keys, &keys, &count))) {
        return error_response(503, "out of memory");
    }
    BUF body = BUF_INIT(LISTED_KEY_SIZE * (count + 1));
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_open(&writer, "data", '[');
    for (size_t i = 0; i < count; i++) {
        write_key(&writer, &keys[i]);
    }
    json_write_close(&writer, ']');
    json_write_close(&writer, '}');
    return json_response(200, &body);
}

void api_keystores_list(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    respond_later(api, exchange, list_keystores, &api->key_manager_reads,
                  api->key_manager.reads_max);
}
