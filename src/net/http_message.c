#include "net/http_message.h"

#include "base/json_write.h"

#include <string.h>
#include <strings.h>

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {
        [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
        [METHOD_PUT] = "PUT",         [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
        [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "other",
    };
    return names[method];
}

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

struct http_response http_error(unsigned status, const char *message)
{
    struct http_response response = {
        .status = status,
        .content_type = CONTENT_TYPE_JSON,
        .body = BUF_INIT(HTTP_RESPONSE_BODY_MAX),
    };
    struct json_writer writer = JSON_WRITER(&response.body);
    json_write_open(&writer, NULL, '{');
    json_write_number(&writer, "code", status);
    json_write_text(&writer, "message", message);
    json_write_close(&writer, '}');
    return response;
}

struct http_response http_text(unsigned status, const char *content_type, const char *text)
{
    struct http_response response = {
        .status = status,
        .content_type = content_type,
        .body = BUF_INIT(HTTP_RESPONSE_BODY_MAX),
    };
    buf_append_text(&response.body, text);
    return response;
}

/* The media type at the start of `element` (one element of the list, `size` bytes), without its
 * parameters and the space around it. */
static size_t trim_element(const char **element, size_t size)
{
    const char *end = memchr(*element, ';', size);
    size = end == NULL ? size : (size_t)(end - *element);
    while (size > 0 && (**element == ' ' || **element == '\t')) {
        (*element)++;
        size--;
    }
    while (size > 0 && ((*element)[size - 1] == ' ' || (*element)[size - 1] == '\t')) {
        size--;
    }
    return size;
}

static bool is_text(const char *element, size_t size, const char *text)
{
    return strlen(text) == size && strncasecmp(element, text, size) == 0;
}

bool http_accepts(const char *accept, const char *media_type, bool wildcards)
{
    size_t family = strcspn(media_type, "/") + 1; /* "application/" */
    while (*accept != '\0') {
        size_t size = strcspn(accept, ",");
        const char *element = accept;
        size_t trimmed = trim_element(&element, size);
        bool family_wildcard = trimmed == family + 1 && element[family] == '*' &&
                               strncasecmp(element, media_type, family) == 0;
        if (is_text(element, trimmed, media_type) ||
            (wildcards && (is_text(element, trimmed, "*/*") || family_wildcard))) {
            return true;
        }
        accept += size;
        accept += *accept == ',' ? 1 : 0;
    }
    return false;
}
