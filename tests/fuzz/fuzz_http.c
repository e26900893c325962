/* fuzz_http.c: the same bytes give the same requests, and are refused or not, however they are
 * split; limits hold; all body memory comes back. */
#include "base/buf.h"
#include "net/http_parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The memory is enough for one body in any pieces, so it never runs out. */
enum { BODY_MAX = 3000, MEMORY = 256 * 1024, TRANSCRIPT_MAX = 64 * 1024 * 1024 };

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

/* Sizes of the pieces in which a text is fed. */
struct split {
    size_t piece;  /* 0: pseudo-random ones of up to 64 bytes */
    uint32_t seed; /* for those */
};

static size_t next_piece(struct split *split, size_t left)
{
    size_t piece = split->piece;
    if (piece == 0) {
        split->seed = split->seed * 1664525U + 1013904223U;
        piece = 1 + (split->seed >> 26);
    }
    return piece < left ? piece : left;
}

static void check_request(const struct http_request *request)
{
    hold(request->path[0] == '/' && strchr(request->path, '?') == NULL);
    hold(strlen(request->path) + strlen(request->query) <= HTTP_TARGET_MAX);
    hold(strlen(request->accept) <= HTTP_ACCEPT_MAX);
    hold(strlen(request->content_type) <= HTTP_CONTENT_TYPE_MAX);
    hold(strlen(request->authorization) <= HTTP_AUTHORIZATION_MAX);
    hold(request->body_size <= BODY_MAX);
    hold(request->body_size == 0 || request->body[request->body_size] == '\0');
}

static void write_request(struct buf *out, const struct http_request *request)
{
    buf_printf(out, "%s %d path %s query %s accept %s type %s authorization %s body %zu ",
               http_method_name(request->method), request->keep_alive, request->path,
               request->query, request->accept, request->content_type, request->authorization,
               request->body_size);
    buf_append(out, request->body, request->body_size);
    buf_append_text(out, "\n");
}

/* What reading a text came to. */
struct transcript {
    struct buf text;   /* the requests, and how the text ends */
    unsigned refusal;  /* the status it was refused with, or 0 */
    bool over_a_limit; /* and whether that is because something is too long */
};

static void note_refusal(struct transcript *out, const struct http_parser *parser)
{
    struct http_response response = http_parser_refusal(parser);
    out->refusal = response.status;
    out->over_a_limit = response.status == 413 || response.status == 414 || response.status == 431;
    hold(response.status >= 400 && response.status != 503 &&
         http_reason(response.status)[0] != '\0');
    hold(response.close && response.body.size > 0);
    buf_free(&response.body);
}

/* Feeds all of the text and writes what came of it. */
static void read_all(struct transcript *out, const uint8_t *text, size_t size, struct split split)
{
    struct http_body_budget budget = { .body_max = BODY_MAX };
    atomic_store(&budget.left, MEMORY);
    struct http_parser *parser = http_parser_new(&budget);
    enum http_parser_state state = HTTP_PARSER_MORE;
    while (size > 0 && state != HTTP_PARSER_FAILED) {
        size_t used = 0;
        size_t piece = next_piece(&split, size);
        state = http_parser_feed(parser, (const char *)text, piece, &used);
        hold(used == piece || (state == HTTP_PARSER_DONE && used < piece));
        text += used;
        size -= used;
        if (state == HTTP_PARSER_DONE) {
            struct http_request *request = http_parser_take(parser);
            check_request(request);
            write_request(&out->text, request);
            http_request_free(request, &budget);
            hold(atomic_load(&budget.left) == MEMORY);
        }
        hold(state != HTTP_PARSER_DONE || http_parser_is_idle(parser));
    }
    if (state == HTTP_PARSER_FAILED) {
        note_refusal(out, parser);
        buf_append_text(&out->text, "refused");
    } else {
        buf_append_text(&out->text, http_parser_is_idle(parser) ? "idle" : "waiting");
    }
    http_parser_free(parser);
    hold(atomic_load(&budget.left) == MEMORY);
}

/* Of two faults the one that is seen first tells: in small pieces that may be a limit, which the
 * parser looks at between pieces, rather than a wrong byte behind it. */
static bool is_same(const struct transcript *whole, const struct transcript *parts)
{
    return whole->text.size == parts->text.size &&
           memcmp(whole->text.data, parts->text.data, whole->text.size) == 0 &&
           (whole->refusal == parts->refusal || parts->over_a_limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct split splits[] = { { 1, 0 }, { 2, 0 }, { 0, (uint32_t)size }, { 0, 1 } };
    struct transcript whole = { .text = BUF_INIT(TRANSCRIPT_MAX) };
    read_all(&whole, data, size, (struct split){ .piece = SIZE_MAX });
    hold(is_ok(buf_check(&whole.text)));
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        struct transcript parts = { .text = BUF_INIT(TRANSCRIPT_MAX) };
        read_all(&parts, data, size, splits[i]);
        hold(is_same(&whole, &parts));
        buf_free(&parts.text);
    }
    buf_free(&whole.text);
    return 0;
}
