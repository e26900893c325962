#include "base/hex.h"

#include "base/secret.h"

#include <stdbool.h>

void hex_encode(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    *out++ = '0';
    *out++ = 'x';
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

/* All ones when low <= c <= high, else zero, without a branch. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    return 0U - (((c - low) | (high - c)) >> 31 ^ 1U);
}

/* The digit's value; values above 15 say that it is none. */
static unsigned digit_value(char character)
{
    unsigned c = (unsigned char)character;
    unsigned decimal = in_range(c, '0', '9');
    unsigned letter = in_range(c | 0x20U, 'a', 'f');
    unsigned value = (decimal & (c - '0')) | (letter & ((c | 0x20U) - 'a' + 10U));
    return value | (~(decimal | letter) & 0x100U);
}

static bool has_prefix(const char *text, size_t text_size)
{
    return text_size >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

RESULT hex_decode(const char *text, size_t text_size, uint8_t *out, size_t size)
{
    ENSURE(size <= SIZE_MAX / 2, LIMIT, "too much hexadecimal");
    /* Only where a prefix must be are two characters looked at: digits may be secret. */
    if (text_size >= 2 && text_size - 2 == 2 * size) {
        ENSURE(has_prefix(text, text_size), BAD_INPUT, "wrong number of hexadecimal digits");
        text += 2;
        text_size -= 2;
    }
    ENSURE(text_size == 2 * size, BAD_INPUT, "wrong number of hexadecimal digits");
    unsigned wrong = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned high = digit_value(text[2 * i]);
        unsigned low = digit_value(text[2 * i + 1]);
        wrong |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    bool valid = wrong <= 15;
    DECLASSIFY(valid);
    ENSURE(valid, BAD_INPUT, "not hexadecimal, or too few digits behind \"0x\"");
    return OK;
}

RESULT hex_decoded_size(const char *text, size_t text_size, size_t *size_out)
{
    size_t digits = has_prefix(text, text_size) ? text_size - 2 : text_size;
    ENSURE(digits % 2 == 0, BAD_INPUT, "odd number of hexadecimal digits");
    *size_out = digits / 2;
    return OK;
}
