#include "base/hex.h"

#include "base/secret.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

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

/* Eight characters are worked on at once, each in a byte of its own, without a branch or a table:
 * digits may be secret. */
static const uint64_t ones = 0x0101010101010101U;
static const uint64_t high_bits = 0x8080808080808080U;

/* The high bit of each byte in which low <= byte <= high. No byte may have it set before. */
static uint64_t in_range(uint64_t bytes, unsigned char low, unsigned char high)
{
    return (bytes + (0x80U - low) * ones) & ~(bytes + (0x7fU - high) * ones) & high_bits;
}

/* Four bytes from eight digits. Not zero when one of them is none. */
static uint64_t decode_eight(const char digits[static 8], uint8_t out[static 4])
{
    uint64_t bytes = 0;
    memcpy(&bytes, digits, sizeof(bytes));
    bytes = le64toh(bytes);
    uint64_t wrong = bytes & high_bits;
    bytes &= ~high_bits;
    uint64_t decimal = in_range(bytes, '0', '9');
    uint64_t letter = in_range(bytes | 0x20U * ones, 'a', 'f');
    wrong |= ~(decimal | letter) & high_bits;
    uint64_t values = (bytes & 0x0fU * ones) + (letter >> 7) * 9U;
    values = values << 4 | values >> 8; /* in every other byte: a digit and the one behind it */
    for (size_t i = 0; i < 4; i++) {
        out[i] = (uint8_t)(values >> 16 * i);
    }
    return wrong;
}

/* The same for fewer than eight. */
static uint64_t decode_rest(const char *digits, uint8_t *out, size_t size)
{
    char padded[8] = "00000000";
    uint8_t bytes[4];
    memcpy(padded, digits, 2 * size);
    uint64_t wrong = decode_eight(padded, bytes);
    memcpy(out, bytes, size);
    secret_wipe(padded, sizeof(padded));
    secret_wipe(bytes, sizeof(bytes));
    return wrong;
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
    uint64_t wrong = 0;
    size_t whole = size - size % 4;
    for (size_t i = 0; i < whole; i += 4) {
        wrong |= decode_eight(text + 2 * i, out + i);
    }
    if (whole < size) {
        wrong |= decode_rest(text + 2 * whole, out + whole, size - whole);
    }
    bool valid = wrong == 0;
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
