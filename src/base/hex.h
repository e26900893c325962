/* hex.h: hexadecimal, as the Ethereum APIs write bytes. Decoding does not branch on the digits'
 * values, so secret keys may go through it. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

/* Characters that hex_encode() writes for `size` bytes, with "0x" and the NUL. */
#define HEX_TEXT_SIZE(size) (2 + 2 * (size) + 1)

/* Writes "0x", 2 * size lowercase digits and a NUL: HEX_TEXT_SIZE(size) characters. */
void hex_encode(const uint8_t *bytes, size_t size, char *out);

/* Decodes exactly `size` bytes from `text_size` characters, with or without "0x", digits of either
 * case. Any other length or character is BAD_INPUT and leaves `out` undefined. */
RESULT hex_decode(const char *text, size_t text_size, uint8_t *out, size_t size);

/* Bytes that `text` stands for when it is hexadecimal of even length; the digits are not looked at.
 * An odd number of digits is BAD_INPUT. */
RESULT hex_decoded_size(const char *text, size_t text_size, size_t *size_out);

#endif
