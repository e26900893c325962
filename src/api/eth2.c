#include "api/routes.h"

#include "base/json_write.h"

/* Bytes of one key in the list: two quotes, 0x, 96 digits and a comma. */
enum { LISTED_KEY_SIZE = 101 };

static struct http_response list_public_keys(struct api *api, const struct http_exchange *exchange)
{
    (void)exchange;
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    if (!is_ok(key_table_list(api->keys, &keys, &count))) {
        return error_response(503, "out of memory");
    }
    BUF body = BUF_INIT(LISTED_KEY_SIZE * count + 2);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_hex(&writer, NULL, keys[i].pubkey.bytes, sizeof(keys[i].pubkey.bytes));
    }
    json_write_close(&writer, ']');
    return json_response(200, &body);
}

void api_public_keys(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    respond_later(api, exchange, list_public_keys, NULL, 0);
}

static struct result load_ceiling(struct slashing_store *store, void *context)
{
    return store->ops->load_ceiling(store, context);
}

static struct http_response high_watermark(struct api *api, const struct http_exchange *exchange)
{
    (void)exchange;
    struct ceiling ceiling = { 0 };
    if (!is_ok(committer_call(api->committer, load_ceiling, &ceiling))) {
        return error_response(503, "the slashing protection store cannot be read");
    }
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    if (ceiling.has_epoch) {
        json_write_decimal(&writer, "epoch", ceiling.epoch.value);
    }
    if (ceiling.has_slot) {
        json_write_decimal(&writer, "slot", ceiling.slot.value);
    }
    json_write_close(&writer, '}');
    return json_response(200, &body);
}

void api_high_watermark(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    respond_later(api, exchange, high_watermark, NULL, 0);
}
