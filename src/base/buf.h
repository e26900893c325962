/* buf.h: a byte buffer that grows up to a maximum that its maker states.
 * Failure sticks: after one append that did not fit, all later ones do nothing and buf_check() says
 * so; a caller appends freely and looks once. Not for secrets. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* `size` bytes and a NUL behind them once something was appended */
    size_t size;
    size_t capacity;
    size_t max;
    bool failed;
};

/* An empty buffer that will hold at most `max` bytes, fewer than PTRDIFF_MAX. Allocates nothing. */
#define BUF_INIT(max_size) ((struct buf){ .max = (max_size) })

/* Frees the memory; the buffer is empty afterwards, and a failure still sticks. */
void buf_free(struct buf *buf);

/* What is appended must not lie in the buffer itself. */
void buf_append(struct buf *buf, const void *bytes, size_t size);
void buf_append_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* LIMIT when an append would have passed `max`, or memory ran out. */
RESULT buf_check(const struct buf *buf);

/* Forgets all behind the first `size` bytes (at most those that are there), and the failure; keeps
 * the memory. */
void buf_truncate(struct buf *buf, size_t size);
void buf_clear(struct buf *buf); /* to nothing */

/* Hands the bytes over to the caller, who frees them; the buffer is empty afterwards. NULL when
 * nothing was ever appended. Look at buf_check() before. */
char *buf_take(struct buf *buf);

/* BUF name = BUF_INIT(n); is freed at the end of the scope. */
#define BUF CLEANUP(buf_free) struct buf

#endif
