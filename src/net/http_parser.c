#include "net/http_parser.h"

#include "base/secret.h"

#include <assert.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIELD_NAME_MAX = 32 };

/* The header fields that somebody asks for. */
enum field {
    FIELD_OTHER,
    FIELD_ACCEPT,
    FIELD_CONTENT_TYPE,
    FIELD_AUTHORIZATION,
    FIELD_EXPECT,
    FIELD_ORIGIN,
    FIELD_TRANSFER_ENCODING,
};

struct http_parser {
    llhttp_t native;
    struct http_body_budget *budget;
    struct http_request *request; /* NULL between requests */
    size_t announced;             /* Content-Length; 0 without */
    size_t target_size;
    size_t head_size;
    size_t field_count;
    char field_name[FIELD_NAME_MAX + 1];
    size_t field_name_size; /* over FIELD_NAME_MAX: the name is cut, the field is none of ours */
    enum field field;
    char expect[FIELD_NAME_MAX + 1];
    char transfer_encoding[FIELD_NAME_MAX + 1];
    bool in_head; /* of the request; false between requests, in a body and in its trailer */
    bool at_line_start;
    bool wants_continue;
    unsigned refusal_status; /* 0: llhttp refused */
    const char *refusal_reason;
};

static int refuse(struct http_parser *parser, unsigned status, const char *reason)
{
    parser->refusal_status = status;
    parser->refusal_reason = reason;
    return HPE_USER;
}

static int on_message_begin(llhttp_t *native)
{
    struct http_parser *parser = native->data;
    parser->request = calloc(1, sizeof(*parser->request));
    parser->announced = 0;
    parser->target_size = 0;
    parser->head_size = 0;
    parser->field_count = 0;
    parser->field_name_size = 0;
    parser->field = FIELD_OTHER;
    parser->expect[0] = '\0';
    parser->transfer_encoding[0] = '\0';
    parser->in_head = true;
    parser->wants_continue = false;
    return parser->request == NULL ? refuse(parser, 503, "out of memory") : 0;
}

static int on_url(llhttp_t *native, const char *at, size_t size)
{
    struct http_parser *parser = native->data;
    if (size > HTTP_TARGET_MAX - parser->target_size) {
        return refuse(parser, 414, "the request target is longer than 512 bytes");
    }
    memcpy(parser->request->path + parser->target_size, at, size);
    parser->target_size += size;
    return 0;
}

/* Splits the target, which stands in `path`, at its first '?', after taking the scheme and host off
 * the absolute form that proxies use. */
static int on_url_complete(llhttp_t *native)
{
    struct http_parser *parser = native->data;
    struct http_request *request = parser->request;
    const char *target = request->path;
    char copy[HTTP_TARGET_MAX + 1];
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        const char *authority = strchr(target, ':') + 3;
        target = authority + strcspn(authority, "/?");
    }
    if (*target != '/') {
        return refuse(parser, 400, "the request target does not begin with '/'");
    }
    memcpy(copy, target, strlen(target) + 1);
    size_t path_size = strcspn(copy, "?");
    if (copy[path_size] == '?') {
        memcpy(request->query, copy + path_size + 1, strlen(copy + path_size + 1) + 1);
    }
    copy[path_size] = '\0';
    memcpy(request->path, copy, path_size + 1);
    return 0;
}

static int count_head(struct http_parser *parser, size_t size)
{
    parser->head_size += size;
    if (parser->head_size > HTTP_HEAD_MAX) {
        return refuse(parser, 431, "the header fields are longer than 16 KiB");
    }
    return 0;
}

static int on_header_field(llhttp_t *native, const char *at, size_t size)
{
    struct http_parser *parser = native->data;
    size_t room = FIELD_NAME_MAX - parser->field_name_size;
    if (parser->field_name_size <= FIELD_NAME_MAX) {
        memcpy(parser->field_name + parser->field_name_size, at, size < room ? size : room);
        parser->field_name_size += size < room ? size : room + 1;
    }
    return count_head(parser, size);
}

static enum field find_field(const struct http_parser *parser)
{
    static const struct {
        const char *name;
        enum field field;
    } known[] = {
        { "accept", FIELD_ACCEPT },
        { "content-type", FIELD_CONTENT_TYPE },
        { "authorization", FIELD_AUTHORIZATION },
        { "expect", FIELD_EXPECT },
        { "origin", FIELD_ORIGIN },
        { "transfer-encoding", FIELD_TRANSFER_ENCODING },
    };
    if (!parser->in_head) { /* behind a chunked body: none of the head's (RFC 9110, 6.5.1) */
        return FIELD_OTHER;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (parser->field_name_size == strlen(known[i].name) &&
            strncasecmp(parser->field_name, known[i].name, parser->field_name_size) == 0) {
            return known[i].field;
        }
    }
    return FIELD_OTHER;
}

/* Where the value of the field at hand is kept, and how much of it; NULL: it is not kept. */
static char *field_value(struct http_parser *parser, size_t *max_out)
{
    switch (parser->field) {
    case FIELD_ACCEPT:
        *max_out = HTTP_ACCEPT_MAX;
        return parser->request->accept;
    case FIELD_CONTENT_TYPE:
        *max_out = HTTP_CONTENT_TYPE_MAX;
        return parser->request->content_type;
    case FIELD_AUTHORIZATION:
        *max_out = HTTP_AUTHORIZATION_MAX;
        return parser->request->authorization;
    case FIELD_EXPECT:
        *max_out = FIELD_NAME_MAX;
        return parser->expect;
    case FIELD_TRANSFER_ENCODING:
        *max_out = FIELD_NAME_MAX;
        return parser->transfer_encoding;
    case FIELD_ORIGIN:
    case FIELD_OTHER:
        break;
    }
    return NULL;
}

static int append_value(struct http_parser *parser, const char *at, size_t size)
{
    size_t max = 0;
    char *value = field_value(parser, &max);
    if (value == NULL) {
        return 0;
    }
    size_t used = strlen(value);
    if (size > max - used) {
        return refuse(parser, 431, "a header field is too long");
    }
    memcpy(value + used, at, size);
    value[used + size] = '\0';
    return 0;
}

static int on_header_field_complete(llhttp_t *native)
{
    struct http_parser *parser = native->data;
    if (++parser->field_count > HTTP_FIELDS_MAX) {
        return refuse(parser, 431, "more than 100 header fields");
    }
    parser->field = find_field(parser);
    parser->request->has_origin = parser->request->has_origin || parser->field == FIELD_ORIGIN;
    parser->field_name_size = 0;
    size_t max = 0;
    const char *value = field_value(parser, &max);
    if (value == NULL || value[0] == '\0') {
        return 0;
    }
    if (parser->field != FIELD_ACCEPT) {
        return refuse(parser, 400, "a header field that may stand once stands twice");
    }
    return append_value(parser, ",", 1);
}

static int on_header_value(llhttp_t *native, const char *at, size_t size)
{
    struct http_parser *parser = native->data;
    int refused = count_head(parser, size);
    return refused != 0 ? refused : append_value(parser, at, size);
}

/* They would else be the one thing that a client may send without end. */
static int on_chunk_extension(llhttp_t *native, const char *at, size_t size)
{
    (void)at;
    return count_head(native->data, size);
}

static enum http_method method_of(const llhttp_t *native)
{
    switch (native->method) {
    case HTTP_GET:
        return METHOD_GET;
    case HTTP_HEAD:
        return METHOD_HEAD;
    case HTTP_POST:
        return METHOD_POST;
    case HTTP_PUT:
        return METHOD_PUT;
    case HTTP_PATCH:
        return METHOD_PATCH;
    case HTTP_DELETE:
        return METHOD_DELETE;
    case HTTP_OPTIONS:
        return METHOD_OPTIONS;
    default:
        return METHOD_OTHER;
    }
}

/* Refuses what two readers of the same bytes might take for requests of different lengths. */
static int check_transfer_encoding(struct http_parser *parser)
{
    if ((parser->native.flags & F_CHUNKED) == 0) {
        return 0; /* there is none, or llhttp refuses it, because the end could not be found */
    }
    if (parser->native.http_minor == 0) {
        return refuse(parser, 400, "HTTP/1.0 knows no Transfer-Encoding");
    }
    if (strcasecmp(parser->transfer_encoding, "chunked") != 0) {
        return refuse(parser, 501, "the only transfer coding known is chunked");
    }
    return 0;
}

static int on_headers_complete(llhttp_t *native)
{
    struct http_parser *parser = native->data;
    parser->in_head = false;
    parser->request->method = method_of(native);
    parser->request->keep_alive = llhttp_should_keep_alive(native) != 0;
    if (native->http_major != 1) {
        return refuse(parser, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    if (native->method == HTTP_CONNECT) {
        return refuse(parser, 405, "this is not a proxy");
    }
    if (native->content_length > parser->budget->body_max) {
        return refuse(parser, 413, "the body is longer than server.max_body_bytes");
    }
    parser->announced = native->content_length;
    int refused = check_transfer_encoding(parser);
    if (refused != 0) {
        return refused;
    }
    if (parser->expect[0] != '\0' && strcasecmp(parser->expect, "100-continue") != 0) {
        return refuse(parser, 417, "the only expectation known is 100-continue");
    }
    bool has_body = native->content_length > 0 || (native->flags & F_CHUNKED) != 0;
    parser->wants_continue = has_body && parser->expect[0] != '\0' && native->http_minor > 0;
    /* JDK clients offer an upgrade to HTTP/2 with every request; a server may ignore the offer. */
    native->upgrade = 0;
    return 0;
}

/* Bytes that a body of this capacity must leave to small ones: large bodies must not keep ordinary
 * requests out. */
static size_t untouchable(const struct http_body_budget *budget, size_t capacity)
{
    return capacity > HTTP_BODY_SMALL_MAX + 1 ? budget->reserved : 0;
}

static bool take_budget(struct http_body_budget *budget, size_t size)
{
    size_t untouched = untouchable(budget, size);
    size_t left = atomic_load(&budget->left);
    do {
        if (left < untouched || size > left - untouched) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&budget->left, &left, left - size));
    return true;
}

static void wipe_body(struct http_request *request, struct http_body_budget *budget)
{
    if (request->body != NULL) {
        secret_wipe(request->body, request->body_size);
        free(request->body);
        atomic_fetch_add(&budget->left, request->body_capacity);
        request->body = NULL;
        request->body_capacity = 0;
    }
}

/* A small body gets what it announced at once; others grow, never past the longest body. */
static size_t next_capacity(const struct http_parser *parser, size_t needed)
{
    size_t capacity = parser->request->body_capacity;
    if (capacity == 0) {
        bool small = parser->announced <= HTTP_BODY_SMALL_MAX;
        capacity = (small ? parser->announced : HTTP_BODY_SMALL_MAX) + 1;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    size_t most = parser->budget->body_max + 1;
    return capacity < most ? capacity : most;
}

/* Makes room for `extra` more bytes of body and a NUL. */
static int reserve_body(struct http_parser *parser, size_t extra)
{
    struct http_request *request = parser->request;
    size_t needed = request->body_size + extra + 1;
    if (needed <= request->body_capacity) {
        return 0;
    }
    size_t capacity = next_capacity(parser, needed);
    if (!take_budget(parser->budget, capacity)) {
        return refuse(parser, 503, "too many large requests at once; try again");
    }
    char *body = calloc(1, capacity);
    if (body == NULL) {
        atomic_fetch_add(&parser->budget->left, capacity);
        return refuse(parser, 503, "out of memory");
    }
    if (request->body != NULL) {
        memcpy(body, request->body, request->body_size);
    }
    wipe_body(request, parser->budget);
    request->body = body;
    request->body_capacity = capacity;
    return 0;
}

static int on_body(llhttp_t *native, const char *at, size_t size)
{
    struct http_parser *parser = native->data;
    struct http_request *request = parser->request;
    if (size > parser->budget->body_max - request->body_size) {
        return refuse(parser, 413, "the body is longer than server.max_body_bytes");
    }
    int refused = reserve_body(parser, size);
    if (refused != 0) {
        return refused;
    }
    memcpy(request->body + request->body_size, at, size);
    request->body_size += size;
    return 0;
}

static int on_message_complete(llhttp_t *native)
{
    (void)native;
    return HPE_PAUSED;
}

static llhttp_settings_t callbacks = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct http_parser *http_parser_new(struct http_body_budget *budget)
{
    struct http_parser *parser = calloc(1, sizeof(*parser));
    if (parser != NULL) {
        llhttp_init(&parser->native, HTTP_REQUEST, &callbacks);
        parser->native.data = parser;
        parser->budget = budget;
    }
    return parser;
}

void http_parser_free(struct http_parser *parser)
{
    if (parser != NULL) {
        http_request_free(parser->request, parser->budget);
        free(parser);
    }
}

/* A line that begins with space continues the field before it, says old HTTP. llhttp joins them;
 * others do not, and would see other fields than we do (RFC 9112, 5.2). */
static bool is_folded(const struct http_parser *parser, char first)
{
    return parser->in_head && parser->at_line_start && (first == ' ' || first == '\t');
}

/* Heads go to llhttp line by line, so that the beginning of each line can be looked at; bodies
 * whole. */
static llhttp_errno_t execute(struct http_parser *parser, const char *bytes, size_t size)
{
    llhttp_errno_t error = HPE_OK;
    size_t done = 0;
    while (error == HPE_OK && done < size) {
        const char *from = bytes + done;
        bool whole = parser->request != NULL && !parser->in_head;
        const char *line_end = whole ? NULL : memchr(from, '\n', size - done);
        size_t piece = line_end == NULL ? size - done : (size_t)(line_end - from) + 1;
        if (is_folded(parser, *from)) {
            return (llhttp_errno_t)refuse(parser, 400, "a header field is folded over two lines");
        }
        error = llhttp_execute(&parser->native, from, piece);
        parser->at_line_start = line_end != NULL;
        done += piece;
    }
    return error;
}

enum http_parser_state http_parser_feed(struct http_parser *parser, const char *bytes, size_t size,
                                        size_t *used_out)
{
    llhttp_errno_t error = execute(parser, bytes, size);
    *used_out = size;
    if (error == HPE_PAUSED) {
        *used_out = (size_t)(llhttp_get_error_pos(&parser->native) - bytes);
        return HTTP_PARSER_DONE;
    }
    if (error != HPE_OK) {
        if (parser->request != NULL) { /* others may need the memory while this client is told */
            wipe_body(parser->request, parser->budget);
        }
        return HTTP_PARSER_FAILED;
    }
    if (parser->wants_continue && parser->request->body_size == 0) {
        parser->wants_continue = false;
        return HTTP_PARSER_CONTINUE;
    }
    return HTTP_PARSER_MORE;
}

bool http_parser_is_idle(const struct http_parser *parser)
{
    return parser->request == NULL;
}

struct http_request *http_parser_take(struct http_parser *parser)
{
    struct http_request *request = parser->request;
    assert(request != NULL);
    parser->request = NULL;
    llhttp_resume(&parser->native);
    return request;
}

void http_request_free(struct http_request *request, struct http_body_budget *budget)
{
    if (request == NULL) {
        return;
    }
    wipe_body(request, budget);
    secret_wipe(request->authorization, sizeof(request->authorization));
    free(request);
}

struct http_response http_parser_refusal(const struct http_parser *parser)
{
    struct http_response response;
    char text[128];
    if (parser->refusal_status != 0) {
        response = http_error(parser->refusal_status, parser->refusal_reason);
    } else if (llhttp_get_errno(&parser->native) == HPE_INVALID_METHOD) {
        response = http_error(501, "unknown HTTP method");
    } else if (llhttp_get_errno(&parser->native) == HPE_INVALID_VERSION) {
        response = http_error(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else {
        snprintf(text, sizeof(text), "malformed HTTP request: %s",
                 llhttp_get_error_reason(&parser->native));
        response = http_error(400, text);
    }
    response.close = true;
    response.retry_after_seconds = response.status == 503 ? 1 : 0;
    return response;
}
