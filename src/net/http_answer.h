/* http_answer.h: from bytes to the one answer of an HTTP/1.1 server that a client of ours waits
 * for, by llhttp in its strict mode. Everything is bounded; knows no sockets. */
#ifndef NET_HTTP_ANSWER_H
#define NET_HTTP_ANSWER_H

#include "base/cleanup.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the head. All of an answer, with what chunks cost, is at most this and twice the body.
 */
enum { HTTP_ANSWER_HEAD_MAX = 16 * 1024, HTTP_ANSWER_TYPE_MAX = 128 };

struct http_answer;

/* A body of at most `body_max` bytes. NULL: no memory. */
struct http_answer *http_answer_new(size_t body_max);
void http_answer_free(struct http_answer *answer); /* accepts NULL */
DEFINE_CLEANUP(struct http_answer, http_answer_free);

/* Reads on. `*whole_out`: the answer is complete, and bytes behind it were not taken: `*used_out`.
 * BAD_INPUT: not HTTP/1.1, an interim answer, or one whose end only the connection's end tells;
 * LIMIT: too long. Nothing can be read after a failure or the end. */
RESULT http_answer_feed(struct http_answer *answer, const char *bytes, size_t size,
                        size_t *used_out, bool *whole_out);

/* Once the head was read, 0 before; it may be long before the body's end. */
unsigned http_answer_status(const struct http_answer *answer);

/* Of a complete answer. */
const char *http_answer_type(const struct http_answer *answer); /* Content-Type, "" without */
bool http_answer_keeps_alive(const struct http_answer *answer);
const char *http_answer_body(const struct http_answer *answer, size_t *size_out);

#endif
