#include "api/health.h"

#include "api/routes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_write.h"

#include <stdio.h>

void health_init(struct health *health)
{
    pthread_mutex_init(&health->mutex, NULL);
    health->heard_ns = clock_monotonic_ns();
    health->store_is_up = false;
    health->database_bytes = 0;
    health->disk_free_bytes = 0;
    snprintf(health->store_reason, sizeof(health->store_reason), "not opened yet");
}

void health_set_store(struct health *health, struct result result, const struct detail *detail)
{
    LOCK_SCOPE(&health->mutex);
    health->heard_ns = clock_monotonic_ns();
    health->store_is_up = is_ok(result);
    health->store_reason[0] = '\0';
    if (!is_ok(result)) {
        detail_line(detail, result, health->store_reason, sizeof(health->store_reason));
    }
}

void health_set_disk(struct health *health, uint64_t database_bytes, uint64_t disk_free_bytes)
{
    LOCK_SCOPE(&health->mutex);
    health->database_bytes = database_bytes;
    health->disk_free_bytes = disk_free_bytes;
}

void health_disk(struct health *health, uint64_t *database_bytes_out, uint64_t *disk_free_bytes_out)
{
    LOCK_SCOPE(&health->mutex);
    *database_bytes_out = health->database_bytes;
    *disk_free_bytes_out = health->disk_free_bytes;
}

bool health_store_is_up(struct health *health, char reason_out[static DETAIL_SIZE])
{
    const uint64_t second_ns = 1000000000U;
    LOCK_SCOPE(&health->mutex);
    uint64_t silence_s = (clock_monotonic_ns() - health->heard_ns) / second_ns;
    if (silence_s > HEALTH_SILENCE_SECONDS) {
        snprintf(reason_out, DETAIL_SIZE, "the store does not answer; look at its disk");
        return false;
    }
    snprintf(reason_out, DETAIL_SIZE, "%s", health->store_reason);
    return health->store_is_up;
}

void api_upcheck(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)api;
    (void)parameter;
    bool json = http_accepts(http_exchange_request(exchange)->accept, "application/json", false);
    struct http_response response = json ? http_text(200, CONTENT_TYPE_JSON, "{\"status\":\"OK\"}")
                                         : http_text(200, CONTENT_TYPE_TEXT, "OK");
    http_respond(exchange, &response);
}

static const char *up_or_down(bool up)
{
    return up ? "UP" : "DOWN";
}

/* Opens {"id", "status"; the caller closes it. */
static void write_check(struct json_writer *writer, const char *id, bool up)
{
    json_write_open(writer, NULL, '{');
    json_write_text(writer, "id", id);
    json_write_text(writer, "status", up_or_down(up));
}

static void write_store_check(struct json_writer *writer, bool up, const char *reason)
{
    write_check(writer, "slashing-protection-db-health-check", up);
    if (!up) {
        json_write_open(writer, "data", '{');
        json_write_text(writer, "reason", reason);
        json_write_close(writer, '}');
    }
    json_write_close(writer, '}');
}

static void write_keys_check(struct json_writer *writer, bool up, const struct reload_status *keys)
{
    write_check(writer, "keys-check", up);
    json_write_open(writer, "checks", '[');
    write_check(writer, "config-files-loading", up);
    json_write_open(writer, "data", '{');
    json_write_number(writer, "keys-loaded", up ? keys->loaded : keys->done);
    json_write_number(writer, "error-count", keys->errors);
    json_write_text(writer, "state", reload_state_name(keys->state));
    json_write_close(writer, '}');
    json_write_close(writer, '}');
    json_write_close(writer, ']');
    json_write_close(writer, '}');
}

/* Ready means: records can be made, and the keys of the filesystem were loaded. Bad key files are
 * told but do not make the signer unready: the other keys sign. */
void api_healthcheck(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    char reason[DETAIL_SIZE];
    struct reload_status keys = reloader_status(api->reloader);
    bool store_up = health_store_is_up(api->health, reason);
    bool keys_up = keys.ever_completed;
    bool up = store_up && keys_up;
    (void)parameter;
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "status", up_or_down(up));
    json_write_open(&writer, "checks", '[');
    write_check(&writer, "default-check", true);
    json_write_close(&writer, '}');
    write_store_check(&writer, store_up, reason);
    write_keys_check(&writer, keys_up, &keys);
    json_write_close(&writer, ']');
    json_write_text(&writer, "outcome", up_or_down(up));
    json_write_close(&writer, '}');
    respond_json(exchange, up ? 200 : 503, &body);
}
