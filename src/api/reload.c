#include "api/routes.h"

#include "base/clock.h"
#include "base/json_write.h"

/* {"code", "status", "message"}: the union of what Web3Signer's versions answer. */
static void respond_status(struct http_exchange *exchange, unsigned code, const char *status,
                           const char *message)
{
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_number(&writer, "code", code);
    json_write_text(&writer, "status", status);
    json_write_text(&writer, "message", message);
    json_write_close(&writer, '}');
    respond_json(exchange, code, &body);
}

void api_reload(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    atomic_store(&api->reload_asked, true);
    if (!reloader_start(api->reloader)) {
        respond_status(exchange, 409, "error", "keys are being loaded already; try again later");
        return;
    }
    respond_status(exchange, 202, "accepted",
                   "keys are loaded in the background; GET /reload tells how it goes");
}

void api_reload_status(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    struct reload_status status = reloader_status(api->reloader);
    (void)parameter;
    BUF body = BUF_INIT(HTTP_RESPONSE_BODY_MAX);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "status", reload_state_name(status.state));
    if (status.finished_seconds > 0) {
        char when[CLOCK_TEXT_SIZE];
        clock_format(status.finished_seconds, when);
        json_write_text(&writer, "lastOperationTime", when);
    }
    if (status.last_error[0] != '\0') {
        json_write_text(&writer, "lastError", status.last_error);
    }
    json_write_close(&writer, '}');
    respond_json(exchange, 200, &body);
}
