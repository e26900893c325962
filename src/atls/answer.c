#include "atls/answer.h"

#include "base/hex.h"
#include "base/json.h"
#include "net/http_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct answer {
    struct http_answer *http;
};

struct answer *answer_new(void)
{
    CLEANUP(answer_free_ptr) struct answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        return NULL;
    }
    answer->http = http_answer_new(ANSWER_BODY_MAX);
    return answer->http == NULL ? NULL : STEAL(answer);
}

void answer_free(struct answer *answer)
{
    if (answer != NULL) {
        http_answer_free(answer->http);
        free(answer);
    }
}

/* Said as soon as it is known: a refusal may have a body without end. */
static struct result check_status(const struct answer *answer, struct detail *detail)
{
    unsigned status = http_answer_status(answer->http);
    detail_set(detail, "status %u", status);
    ENSURE(status != 404, REFUSED, "the server has no /attestation: is it in an enclave?");
    ENSURE(status != 503 && status != 429, UNAVAILABLE, "the server has no document for us now");
    ENSURE(status < 300 || status > 399, REFUSED, "the server sends us elsewhere");
    ENSURE(status == 0 || status == 200, REFUSED, "the server refuses to attest");
    return OK;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t size = strcspn(type, "; \t");
    return size == sizeof(json) - 1 && strncasecmp(type, json, size) == 0;
}

static struct result decode(const char *text, size_t text_size, struct buf *out)
{
    uint8_t bytes[DOCUMENT_MAX];
    size_t size = 0;
    ENSURE(text_size > 2 && memcmp(text, "0x", 2) == 0, BAD_INPUT,
           "the document is not hexadecimal with 0x");
    TRY(hex_decoded_size(text, text_size, &size));
    ENSURE(size <= sizeof(bytes), LIMIT, "the document is longer than 16 KiB");
    TRY(hex_decode(text, text_size, bytes, size));
    buf_append(out, bytes, size);
    return buf_check(out);
}

static struct result read_body(const struct answer *answer, struct buf *out, struct detail *detail)
{
    size_t size = 0;
    const char *body = http_answer_body(answer->http, &size);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    detail_set(detail, "%s", "");
    ENSURE(is_json(http_answer_type(answer->http)), BAD_INPUT, "the answer is not JSON");
    ENSURE(http_answer_keeps_alive(answer->http), BAD_INPUT,
           "the server does not keep the connection that it attests");
    TRY(json_parse(body, size, &tree, detail));
    detail_set(detail, "%s", "");
    size_t text_size = 0;
    const char *text = json_as_text(json_member(tree, "document"), &text_size);
    ENSURE(text != NULL && json_count(tree) == 1, BAD_INPUT, "the answer is not one document");
    return decode(text, text_size, out);
}

RESULT answer_feed(struct answer *answer, const void *bytes, size_t size, bool *whole_out,
                   struct buf *document, struct detail *detail)
{
    size_t used = 0;
    bool whole = false;
    *whole_out = false;
    detail_set(detail, "%s", "");
    struct result fed = http_answer_feed(answer->http, bytes, size, &used, &whole);
    TRY(check_status(answer, detail));
    detail_set(detail, "%s", "");
    TRY(fed);
    if (!whole) {
        return OK;
    }
    ENSURE(used == size, BAD_INPUT, "the server says more than it was asked");
    TRY(read_body(answer, document, detail));
    *whole_out = true;
    return OK;
}
