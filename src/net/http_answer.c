#include "net/http_answer.h"

#include "base/buf.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char type_name[] = "content-type";

struct http_answer {
    llhttp_t native;
    size_t body_max;
    size_t total; /* bytes read so far */
    bool in_head;
    unsigned status;
    bool keeps_alive;
    char name[sizeof(type_name)]; /* of the header field at hand, cut */
    size_t name_size;             /* what it would be */
    char type[HTTP_ANSWER_TYPE_MAX + 1];
    unsigned types; /* fields of that name */
    struct buf body;
    struct result refusal; /* of ours, whatever llhttp makes of it; OK at first */
};

static int refuse(struct http_answer *answer, struct result refusal)
{
    answer->refusal = refusal;
    return HPE_USER;
}

static int on_header_field(llhttp_t *native, const char *at, size_t size)
{
    struct http_answer *answer = native->data;
    for (size_t i = 0; i < size; i++) {
        if (answer->name_size < sizeof(answer->name) - 1) {
            answer->name[answer->name_size] = at[i];
        }
        answer->name_size++;
    }
    return 0;
}

static bool is_type(const struct http_answer *answer)
{
    return answer->in_head && answer->name_size == sizeof(type_name) - 1 &&
           strncasecmp(answer->name, type_name, sizeof(type_name) - 1) == 0;
}

static int on_header_field_complete(llhttp_t *native)
{
    struct http_answer *answer = native->data;
    answer->types += is_type(answer);
    return 0;
}

static int on_header_value(llhttp_t *native, const char *at, size_t size)
{
    struct http_answer *answer = native->data;
    size_t used = strlen(answer->type);
    if (!is_type(answer)) {
        return 0;
    }
    if (answer->types > 1 || size > HTTP_ANSWER_TYPE_MAX - used || memchr(at, '\0', size) != NULL) {
        return refuse(answer, FAIL(BAD_INPUT, "the answer's Content-Type is none"));
    }
    memcpy(answer->type + used, at, size);
    answer->type[used + size] = '\0';
    return 0;
}

static int on_header_value_complete(llhttp_t *native)
{
    struct http_answer *answer = native->data;
    answer->name_size = 0;
    return 0;
}

static int on_headers_complete(llhttp_t *native)
{
    struct http_answer *answer = native->data;
    answer->in_head = false;
    answer->status = native->status_code;
    answer->keeps_alive = llhttp_should_keep_alive(native) != 0;
    if (native->http_major != 1 || native->http_minor != 1) {
        return refuse(answer, FAIL(BAD_INPUT, "the answer is not HTTP/1.1"));
    }
    if (native->status_code < 200) {
        return refuse(answer, FAIL(BAD_INPUT, "an interim answer that nobody asked for"));
    }
    if ((native->flags & (F_CHUNKED | F_CONTENT_LENGTH)) == 0) {
        return refuse(answer, FAIL(BAD_INPUT, "the answer does not say how long it is"));
    }
    if (native->content_length > answer->body_max) {
        return refuse(answer, FAIL(LIMIT, "the answer is too long"));
    }
    return 0;
}

static int on_body(llhttp_t *native, const char *at, size_t size)
{
    struct http_answer *answer = native->data;
    buf_append(&answer->body, at, size);
    return is_ok(buf_check(&answer->body)) ? 0
                                           : refuse(answer, FAIL(LIMIT, "the answer is too long"));
}

static int on_message_complete(llhttp_t *native)
{
    (void)native;
    return HPE_PAUSED;
}

static llhttp_settings_t callbacks = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct http_answer *http_answer_new(size_t body_max)
{
    struct http_answer *answer = calloc(1, sizeof(*answer));
    if (answer != NULL) {
        llhttp_init(&answer->native, HTTP_RESPONSE, &callbacks);
        answer->native.data = answer;
        answer->body_max = body_max;
        answer->body = BUF_INIT(body_max);
        answer->in_head = true;
        answer->refusal = OK;
    }
    return answer;
}

void http_answer_free(struct http_answer *answer)
{
    if (answer != NULL) {
        buf_free(&answer->body);
        free(answer);
    }
}

/* Bytes that may still come. */
static size_t room(const struct http_answer *answer)
{
    size_t max = HTTP_ANSWER_HEAD_MAX + (answer->in_head ? 0 : 2 * answer->body_max);
    return max > answer->total ? max - answer->total : 0;
}

RESULT http_answer_feed(struct http_answer *answer, const char *bytes, size_t size,
                        size_t *used_out, bool *whole_out)
{
    size_t done = 0;
    *whole_out = false;
    while (done < size) {
        size_t piece = size - done < room(answer) ? size - done : room(answer);
        ENSURE(piece > 0, LIMIT, "the answer is too long");
        llhttp_errno_t error = llhttp_execute(&answer->native, bytes + done, piece);
        if (error == HPE_PAUSED) {
            *used_out = (size_t)(llhttp_get_error_pos(&answer->native) - bytes);
            *whole_out = true;
            return OK;
        }
        TRY(answer->refusal);
        ENSURE(error == HPE_OK, BAD_INPUT, "the answer is not HTTP/1.1");
        answer->total += piece;
        done += piece;
    }
    *used_out = size;
    return OK;
}

unsigned http_answer_status(const struct http_answer *answer)
{
    return answer->status;
}

const char *http_answer_type(const struct http_answer *answer)
{
    return answer->type;
}

bool http_answer_keeps_alive(const struct http_answer *answer)
{
    return answer->keeps_alive;
}

const char *http_answer_body(const struct http_answer *answer, size_t *size_out)
{
    *size_out = answer->body.size;
    return answer->body.size == 0 ? "" : answer->body.data;
}
