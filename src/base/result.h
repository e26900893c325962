/* result.h: what a fallible function returns. The class decides what the caller does, the text says
 * why. */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>

enum status {
    STATUS_OK = 0,
    STATUS_BAD_INPUT,   /* what came from outside is wrong; sending it again will not help */
    STATUS_NOT_FOUND,   /* a well-formed name of something that is not here */
    STATUS_REFUSED,     /* understood and denied: slashing protection, guard, policy */
    STATUS_LIMIT,       /* a bound of ours was reached */
    STATUS_UNAVAILABLE, /* something we need is missing or broken now; later may work */
};

struct result {
    enum status status;
    const char *what; /* a literal: never data, never a secret; never NULL */
};

/* Marks a function whose result must be looked at; ignoring it does not compile. */
#define RESULT __attribute__((warn_unused_result)) struct result

#define OK             ((struct result){ STATUS_OK, "ok" })
#define FAIL(st, text) ((struct result){ STATUS_##st, "" text }) /* "" : only a literal fits */

/* Hands a failure of `call` to our caller. */
#define TRY(call)                           \
    do {                                    \
        struct result try_result_ = (call); \
        if (!is_ok(try_result_)) {          \
            return try_result_;             \
        }                                   \
    } while (0)

/* Fails unless the outside kept `cond`. A broken invariant of ours is an assert() instead. */
#define ENSURE(cond, st, text)     \
    do {                           \
        if (!(cond)) {             \
            return FAIL(st, text); \
        }                          \
    } while (0)

static inline bool is_ok(struct result result)
{
    return result.status == STATUS_OK;
}

#endif
