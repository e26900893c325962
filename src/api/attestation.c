#include "api/attestation.h"

#include "api/routes.h"
#include "attest/document.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/tasks.h"

#include <stdlib.h>
#include <string.h>

struct attestation {
    struct attestor attestor;
    uint8_t configuration[SHA384_SIZE];
    struct tasks *tasks;
};

/* A request that waits for its document: what only the connection's own thread could tell. The
 * exporter's bytes are no secret: the document is made of them. */
struct waiting {
    struct task task;
    const struct attestation *attestation;
    struct http_exchange *exchange;
    struct attestation_nonce nonce;
    uint8_t user_data[ATTESTATION_USER_DATA_SIZE];
    uint8_t key[EVIDENCE_SPKI_MAX]; /* of the certificate that the client was shown */
    size_t key_size;
};

RESULT attestation_new(const struct attestor *attestor,
                       const uint8_t configuration[static SHA384_SIZE], struct attestation **out)
{
    CLEANUP(attestation_free_ptr) struct attestation *made = calloc(1, sizeof(*made));
    ENSURE(made != NULL, UNAVAILABLE, "out of memory");
    made->attestor = *attestor;
    memcpy(made->configuration, configuration, SHA384_SIZE);
    TRY(tasks_new(1, ATTESTATION_WAITING_MAX, &made->tasks));
    *out = STEAL(made);
    return OK;
}

void attestation_free(struct attestation *attestation)
{
    if (attestation != NULL) {
        tasks_free(attestation->tasks);
        free(attestation);
    }
}

static struct result read_nonce(const struct json *body, struct attestation_nonce *out,
                                struct detail *detail)
{
    size_t text_size = 0;
    size_t size = 0;
    const char *text = json_as_text(json_member(body, "nonce"), &text_size);
    ENSURE(json_kind(body) == JSON_KIND_OBJECT, BAD_INPUT, "not an object");
    detail_set(detail, "nonce");
    ENSURE(text != NULL, BAD_INPUT, "missing, or not a text");
    TRY(hex_decoded_size(text, text_size, &size));
    ENSURE(size >= ATTESTATION_NONCE_MIN && size <= ATTESTATION_NONCE_MAX, BAD_INPUT,
           "not 16 to 64 bytes in hexadecimal");
    TRY(hex_decode(text, text_size, out->bytes, size));
    out->size = size;
    detail_set(detail, "body");
    ENSURE(json_count(body) == 1, BAD_INPUT, "there is something beside the nonce");
    return OK;
}

RESULT attestation_read(const char *body, size_t size, struct attestation_nonce *out,
                        struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *parsed = NULL;
    detail_set(detail, "body");
    ENSURE(size <= ATTESTATION_BODY_MAX, LIMIT, "more than 1024 bytes");
    TRY(json_parse(body, size, &parsed, detail));
    detail_set(detail, "body");
    return read_nonce(parsed, out, detail);
}

static struct http_response document_response(const struct buf *document)
{
    BUF body = BUF_INIT(2 * DOCUMENT_MAX + 64);
    struct json_writer writer = JSON_WRITER(&body);
    json_write_open(&writer, NULL, '{');
    json_write_hex(&writer, "document", (const uint8_t *)document->data, document->size);
    json_write_close(&writer, '}');
    return json_response(200, &body);
}

static struct result attest(const struct waiting *waiting, struct buf *out)
{
    const struct attestor *attestor = &waiting->attestation->attestor;
    const struct attestation_claims claims = {
        .user_data = { waiting->user_data, sizeof(waiting->user_data) },
        .nonce = { waiting->nonce.bytes, waiting->nonce.size },
        .public_key = { waiting->key, waiting->key_size },
    };
    TRY(attestor->attest(attestor->context, &claims, out));
    return buf_check(out);
}

static struct result answer(const struct waiting *waiting, struct http_response *out)
{
    BUF document = BUF_INIT(DOCUMENT_MAX);
    TRY(attest(waiting, &document));
    *out = document_response(&document);
    return OK;
}

static struct http_response refusal(const struct waiting *waiting, struct result result)
{
    if (log_request_allowed()) {
        log_warn("no attestation document",
                 LOG_TEXT("request", http_exchange_id(waiting->exchange)),
                 LOG_TEXT("reason", result.what));
    }
    return error_response(503, "the security module gave no document; try again");
}

static void run_waiting(struct task *task)
{
    CLEANUP(free_ptr) struct waiting *waiting = (struct waiting *)task;
    struct http_response response = { 0 };
    struct result result = answer(waiting, &response);
    if (!is_ok(result)) {
        response = refusal(waiting, result);
    }
    http_respond(waiting->exchange, &response);
}

/* What binds the document to this connection. */
static struct result bind(struct waiting *waiting)
{
    uint8_t exported[ATTESTATION_EXPORTER_SIZE];
    BUF key = BUF_INIT(EVIDENCE_SPKI_MAX);
    TRY(http_exchange_export_key(waiting->exchange, ATTESTATION_EXPORTER_LABEL,
                                 waiting->nonce.bytes, waiting->nonce.size, exported,
                                 sizeof(exported)));
    TRY(http_exchange_server_key(waiting->exchange, &key));
    memcpy(waiting->key, key.data, key.size);
    waiting->key_size = key.size;
    evidence_user_data((struct cbor_view){ waiting->key, waiting->key_size },
                       waiting->attestation->configuration, waiting->user_data);
    memcpy(waiting->user_data + EVIDENCE_USER_DATA_SIZE, exported, sizeof(exported));
    return OK;
}

static void refuse_binding(struct http_exchange *exchange, struct result result)
{
    if (result.status == STATUS_REFUSED) {
        respond_error(exchange, 403, "attestation is answered over attested TLS only");
    } else {
        respond_error(exchange, 503, "this connection cannot be attested now; try again");
    }
}

static void begin(const struct attestation *attestation, struct http_exchange *exchange,
                  const struct attestation_nonce *nonce)
{
    CLEANUP(free_ptr) struct waiting *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL) {
        respond_error(exchange, 503, "out of memory");
        return;
    }
    *waiting = (struct waiting){
        .task.run = run_waiting,
        .attestation = attestation,
        .exchange = exchange,
        .nonce = *nonce,
    };
    struct result bound = bind(waiting);
    if (!is_ok(bound)) {
        refuse_binding(exchange, bound);
        return;
    }
    if (!tasks_push(attestation->tasks, &waiting->task)) {
        respond_error(exchange, 503, "too many attestations are asked for at once; try again");
        return;
    }
    waiting = NULL; /* the task's; it may be gone already */
}

void api_attestation(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct attestation_nonce nonce = { .size = 0 };
    struct detail detail = { "" };
    char line[2 * DETAIL_SIZE];
    (void)parameter;
    struct result read = attestation_read(request->body == NULL ? "" : request->body,
                                          request->body_size, &nonce, &detail);
    if (!is_ok(read)) {
        detail_line(&detail, read, line, sizeof(line));
        respond_error(exchange, request->body_size > ATTESTATION_BODY_MAX ? 413 : 400, line);
        return;
    }
    begin(api->attestation, exchange, &nonce);
}
