/* fuzz_hex.c: hex_decode() agrees with a slow twin on every text, and hex_encode() is its inverse.
 * The first byte of the input is the number of bytes that are wanted. */
#include "base/hex.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_WANTED = 255 };

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

/* The value of a digit, or 16. */
static unsigned slow_digit(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);
    return found == NULL ? 16 : (unsigned)(found - digits) % 16;
}

static bool slow_decode(const char *text, size_t text_size, uint8_t *out, size_t size)
{
    bool prefixed = text_size >= 2 && (memcmp(text, "0x", 2) == 0 || memcmp(text, "0X", 2) == 0);
    const char *digits = prefixed ? text + 2 : text;
    if (text_size - (size_t)(digits - text) != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned high = slow_digit(digits[2 * i]);
        unsigned low = slow_digit(digits[2 * i + 1]);
        if (high > 15 || low > 15) {
            return false;
        }
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t wanted = data[0];
    const char *text = (const char *)data + 1;
    size_t text_size = size - 1;
    uint8_t ours[SIZE_MAX_WANTED];
    uint8_t slow[SIZE_MAX_WANTED];
    bool decoded = is_ok(hex_decode(text, text_size, ours, wanted));
    hold(decoded == slow_decode(text, text_size, slow, wanted));
    if (decoded) {
        char again[HEX_TEXT_SIZE(SIZE_MAX_WANTED)];
        size_t told = SIZE_MAX;
        hold(memcmp(ours, slow, wanted) == 0);
        hold(is_ok(hex_decoded_size(text, text_size, &told)) && told == wanted);
        hex_encode(ours, wanted, again);
        hold(strlen(again) == 2 + 2 * wanted);
        hold(is_ok(hex_decode(again, strlen(again), ours, wanted)));
        hold(memcmp(ours, slow, wanted) == 0);
    }
    return 0;
}
