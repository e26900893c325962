#include "base/decimal.h"

#include <string.h>

RESULT decimal_parse(const char *text, size_t text_size, uint64_t *out)
{
    ENSURE(text_size > 0, BAD_INPUT, "empty where a decimal number is needed");
    ENSURE(text_size < DECIMAL_TEXT_SIZE, BAD_INPUT, "decimal number has more than 20 digits");
    uint64_t value = 0;
    for (size_t i = 0; i < text_size; i++) {
        ENSURE(text[i] >= '0' && text[i] <= '9', BAD_INPUT, "not a decimal number");
        ENSURE(!__builtin_mul_overflow(value, 10, &value), BAD_INPUT, "number is over 2^64 - 1");
        ENSURE(!__builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value), BAD_INPUT,
               "number is over 2^64 - 1");
    }
    *out = value;
    return OK;
}

RESULT decimal_scan(const char *text, uint64_t *out, const char **end_out)
{
    text += strspn(text, " \t");
    size_t digits = strspn(text, "0123456789");
    TRY(decimal_parse(text, digits, out));
    *end_out = text + digits;
    return OK;
}
