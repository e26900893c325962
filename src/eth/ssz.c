#include "eth/ssz.h"

#include "base/decimal.h"
#include "base/hex.h"
#include "eth/merkle.h"
#include "eth/ssz_types.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum {
    UINT256_LIMBS = 8,   /* of 32 bits */
    UINT256_DIGITS = 78, /* of 2^256 - 1 */
};

/* What stays the same on the way through one value. */
struct walk {
    const struct preset *preset;
    struct detail *detail;
};

/* Hexadecimal text that was not decoded yet. */
struct hex {
    const char *digits; /* behind "0x" */
    size_t size;        /* bytes */
};

/* The recursion is as deep as the tables of types (ssz_types.h), whatever the value is. */
static struct result root_of(const struct walk *walk, const struct ssz_type *type,
                             const struct json *value, struct root *out);

RESULT ssz_uint64(const struct json *value, uint64_t *out)
{
    size_t size = 0;
    const char *text = json_as_text(value, &size);
    if (text != NULL) {
        return decimal_parse(text, size, out);
    }
    int64_t number = 0;
    ENSURE(value != NULL, BAD_INPUT, "missing");
    ENSURE(json_as_integer(value, &number), BAD_INPUT, "not a decimal number");
    ENSURE(number >= 0, BAD_INPUT, "a negative number");
    *out = (uint64_t)number;
    return OK;
}

static struct result hex_of(const struct json *value, struct hex *out)
{
    size_t text_size = 0;
    const char *text = json_as_text(value, &text_size);
    ENSURE(value != NULL, BAD_INPUT, "missing");
    ENSURE(text != NULL, BAD_INPUT, "not hexadecimal text");
    size_t size = 0;
    TRY(hex_decoded_size(text, text_size, &size));
    *out = (struct hex){ .digits = text + (text_size - 2 * size), .size = size };
    return OK;
}

RESULT ssz_bytes(const struct json *value, uint8_t *out, size_t size)
{
    struct hex hex;
    TRY(hex_of(value, &hex));
    ENSURE(hex.size == size, BAD_INPUT, "wrong number of hexadecimal digits");
    return hex_decode(hex.digits, 2 * size, out, size);
}

static uint64_t length_of(const struct ssz_type *type, const struct preset *preset)
{
    uint64_t scale = 1;
    switch (type->scale) {
    case SSZ_ONE:
        break;
    case SSZ_COMMITTEES:
        scale = preset->max_committees_per_slot;
        break;
    case SSZ_SYNC_SUBCOMMITTEES:
        scale = preset->sync_committee_size / SYNC_COMMITTEE_SUBNET_COUNT;
        break;
    }
    return type->length * scale;
}

static uint64_t ceil_div(uint64_t dividend, uint64_t divisor)
{
    return dividend / divisor + (dividend % divisor != 0);
}

/* Begins the tree of a list or vector whose limit is `limit` units of which `per_chunk` make a
 * chunk, or the progressive tree of one that has `count` of them. */
static struct result start_list(struct merkle *merkle, bool progressive, uint64_t limit,
                                uint64_t count, uint64_t per_chunk)
{
    if (progressive) {
        ENSURE(ceil_div(count, per_chunk) <= MERKLE_CHUNKS_MAX, LIMIT, "the list is too long");
        merkle_start_progressive(merkle);
        return OK;
    }
    ENSURE(count <= limit, BAD_INPUT, "more than the type's limit");
    merkle_start(merkle, ceil_div(limit, per_chunk));
    return OK;
}

/* uint256, and the other basic types, as little-endian bytes. */

static struct result uint256_digits(const char *text, size_t size,
                                    uint32_t limbs[static UINT256_LIMBS])
{
    ENSURE(size > 0, BAD_INPUT, "empty where a decimal number is needed");
    ENSURE(size <= UINT256_DIGITS, BAD_INPUT, "decimal number has more than 78 digits");
    for (size_t i = 0; i < size; i++) {
        ENSURE(text[i] >= '0' && text[i] <= '9', BAD_INPUT, "not a decimal number");
        uint64_t carry = (uint64_t)(text[i] - '0');
        for (size_t limb = 0; limb < UINT256_LIMBS; limb++) {
            carry += (uint64_t)limbs[limb] * 10;
            limbs[limb] = (uint32_t)carry;
            carry >>= 32;
        }
        ENSURE(carry == 0, BAD_INPUT, "number is over 2^256 - 1");
    }
    return OK;
}

static struct result encode_uint256(const struct json *value, uint8_t out[static 32])
{
    uint32_t limbs[UINT256_LIMBS] = { 0 };
    size_t size = 0;
    const char *text = json_as_text(value, &size);
    if (text != NULL) {
        TRY(uint256_digits(text, size, limbs));
    } else {
        uint64_t number = 0;
        TRY(ssz_uint64(value, &number));
        limbs[0] = (uint32_t)number;
        limbs[1] = (uint32_t)(number >> 32);
    }
    for (size_t i = 0; i < 32; i++) {
        out[i] = (uint8_t)(limbs[i / 4] >> (8 * (i % 4)));
    }
    return OK;
}

static struct result encode_uint(const struct ssz_type *type, const struct json *value,
                                 uint8_t *out)
{
    uint64_t number = 0;
    TRY(ssz_uint64(value, &number));
    for (uint32_t i = 0; i < type->length; i++) {
        out[i] = (uint8_t)number;
        number >>= 8;
    }
    ENSURE(number == 0 || type->length == sizeof(number), BAD_INPUT, "number is over its type");
    return OK;
}

static struct result encode_boolean(const struct json *value, uint8_t *out)
{
    bool truth = false;
    ENSURE(value != NULL, BAD_INPUT, "missing");
    ENSURE(json_as_boolean(value, &truth), BAD_INPUT, "not true or false");
    *out = truth;
    return OK;
}

/* Bytes of a basic type, 0 of any other. */
static size_t basic_size(const struct ssz_type *type)
{
    static const uint8_t sizes[] = { [SSZ_BOOLEAN] = 1, [SSZ_UINT256] = 32, [SSZ_CONTAINER] = 0 };
    return type->kind == SSZ_UINT ? type->length : sizes[type->kind];
}

static struct result encode_basic(const struct ssz_type *type, const struct json *value,
                                  uint8_t *out)
{
    if (type->kind == SSZ_UINT) {
        return encode_uint(type, value, out);
    }
    return type->kind == SSZ_BOOLEAN ? encode_boolean(value, out) : encode_uint256(value, out);
}

static struct result root_of_basic(const struct walk *walk, const struct ssz_type *type,
                                   const struct json *value, struct root *out)
{
    (void)walk;
    *out = (struct root){ 0 };
    return encode_basic(type, value, out->bytes);
}

/* Bytes and bits, decoded chunk by chunk. */

static struct result push_bytes(struct hex hex, struct merkle *merkle)
{
    for (size_t at = 0; at < hex.size; at += MERKLE_CHUNK_SIZE) {
        uint8_t chunk[MERKLE_CHUNK_SIZE] = { 0 };
        size_t left = hex.size - at;
        size_t size = left < sizeof(chunk) ? left : sizeof(chunk);
        TRY(hex_decode(hex.digits + 2 * at, 2 * size, chunk, size));
        merkle_push(merkle, chunk);
    }
    return OK;
}

static struct result root_of_byte_vector(const struct walk *walk, const struct ssz_type *type,
                                         const struct json *value, struct root *out)
{
    uint64_t length = length_of(type, walk->preset);
    if (length <= sizeof(out->bytes)) {
        *out = (struct root){ 0 };
        return ssz_bytes(value, out->bytes, length);
    }
    struct hex hex;
    TRY(hex_of(value, &hex));
    ENSURE(hex.size == length, BAD_INPUT, "wrong number of hexadecimal digits");
    struct merkle merkle;
    merkle_start(&merkle, ceil_div(length, MERKLE_CHUNK_SIZE));
    TRY(push_bytes(hex, &merkle));
    *out = merkle_finish(&merkle);
    return OK;
}

static struct result root_of_byte_list(const struct walk *walk, const struct ssz_type *type,
                                       const struct json *value, struct root *out)
{
    struct hex hex;
    TRY(hex_of(value, &hex));
    struct merkle merkle;
    TRY(start_list(&merkle, type->progressive, length_of(type, walk->preset), hex.size,
                   MERKLE_CHUNK_SIZE));
    TRY(push_bytes(hex, &merkle));
    struct root root = merkle_finish(&merkle);
    *out = merkle_mix_in(&root, hex.size);
    return OK;
}

/* Pushes the `bits` low bits of the text; the bits of the last byte above them are left out. */
static struct result push_bits(struct hex hex, uint64_t bits, struct merkle *merkle)
{
    struct hex whole = { .digits = hex.digits, .size = bits / 256 * MERKLE_CHUNK_SIZE };
    TRY(push_bytes(whole, merkle));
    size_t rest = ceil_div(bits, 8) - whole.size;
    if (rest == 0) {
        return OK;
    }
    uint8_t chunk[MERKLE_CHUNK_SIZE] = { 0 };
    TRY(hex_decode(hex.digits + 2 * whole.size, 2 * rest, chunk, rest));
    if (bits % 8 != 0) {
        chunk[rest - 1] &= (uint8_t)((1U << bits % 8) - 1);
    }
    merkle_push(merkle, chunk);
    return OK;
}

static struct result last_byte(struct hex hex, uint8_t *out)
{
    ENSURE(hex.size > 0, BAD_INPUT, "empty where bits are needed");
    return hex_decode(hex.digits + 2 * (hex.size - 1), 2, out, 1);
}

static struct result root_of_bitvector(const struct walk *walk, const struct ssz_type *type,
                                       const struct json *value, struct root *out)
{
    uint64_t bits = length_of(type, walk->preset);
    struct hex hex;
    TRY(hex_of(value, &hex));
    ENSURE(hex.size == ceil_div(bits, 8), BAD_INPUT, "wrong number of hexadecimal digits");
    uint8_t last = 0;
    TRY(last_byte(hex, &last));
    ENSURE(bits % 8 == 0 || last >> bits % 8 == 0, BAD_INPUT,
           "a bit behind the vector's end is set");
    struct merkle merkle;
    merkle_start(&merkle, ceil_div(bits, 256));
    TRY(push_bits(hex, bits, &merkle));
    *out = merkle_finish(&merkle);
    return OK;
}

/* The last byte's highest bit ends the list and is none of its bits. */
static struct result root_of_bitlist(const struct walk *walk, const struct ssz_type *type,
                                     const struct json *value, struct root *out)
{
    struct hex hex;
    TRY(hex_of(value, &hex));
    uint8_t last = 0;
    TRY(last_byte(hex, &last));
    ENSURE(last != 0, BAD_INPUT, "a list of bits without its end mark");
    uint64_t bits = 8 * (uint64_t)(hex.size - 1) + (31U - (unsigned)__builtin_clz(last));
    struct merkle merkle;
    TRY(start_list(&merkle, type->progressive, length_of(type, walk->preset), bits, 256));
    TRY(push_bits(hex, bits, &merkle));
    struct root root = merkle_finish(&merkle);
    *out = merkle_mix_in(&root, bits);
    return OK;
}

/* Vectors and lists. */

static struct result push_roots(const struct walk *walk, const struct ssz_type *element,
                                const struct json *array, struct merkle *merkle)
{
    size_t count = json_count(array);
    for (size_t i = 0; i < count; i++) {
        struct root root;
        struct result result = root_of(walk, element, json_item(array, i), &root);
        if (!is_ok(result)) {
            detail_prefix(walk->detail, "[%zu]", i);
            return result;
        }
        merkle_push(merkle, root.bytes);
    }
    return OK;
}

/* Elements of a basic type share chunks. */
static struct result push_packed(const struct walk *walk, const struct ssz_type *element,
                                 const struct json *array, struct merkle *merkle)
{
    size_t size = basic_size(element);
    size_t count = json_count(array);
    uint8_t chunk[MERKLE_CHUNK_SIZE] = { 0 };
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct result result = encode_basic(element, json_item(array, i), chunk + used);
        if (!is_ok(result)) {
            detail_prefix(walk->detail, "[%zu]", i);
            return result;
        }
        used += size;
        if (used == sizeof(chunk) || i + 1 == count) {
            merkle_push(merkle, chunk);
            memset(chunk, 0, sizeof(chunk));
            used = 0;
        }
    }
    return OK;
}

static struct result push_elements(const struct walk *walk, const struct ssz_type *element,
                                   const struct json *array, struct merkle *merkle)
{
    return basic_size(element) == 0 ? push_roots(walk, element, array, merkle)
                                    : push_packed(walk, element, array, merkle);
}

static uint64_t elements_per_chunk(const struct ssz_type *element)
{
    size_t size = basic_size(element);
    return size == 0 ? 1 : MERKLE_CHUNK_SIZE / size;
}

static struct result array_of(const struct json *value, size_t *count_out)
{
    ENSURE(value != NULL, BAD_INPUT, "missing");
    ENSURE(json_kind(value) == JSON_KIND_ARRAY, BAD_INPUT, "not an array");
    *count_out = json_count(value);
    return OK;
}

static struct result root_of_vector(const struct walk *walk, const struct ssz_type *type,
                                    const struct json *value, struct root *out)
{
    uint64_t length = length_of(type, walk->preset);
    size_t count = 0;
    TRY(array_of(value, &count));
    ENSURE(count == length, BAD_INPUT, "wrong number of elements");
    struct merkle merkle;
    merkle_start(&merkle, ceil_div(length, elements_per_chunk(type->element)));
    TRY(push_elements(walk, type->element, value, &merkle));
    *out = merkle_finish(&merkle);
    return OK;
}

static struct result root_of_list(const struct walk *walk, const struct ssz_type *type,
                                  const struct json *value, struct root *out)
{
    size_t count = 0;
    TRY(array_of(value, &count));
    struct merkle merkle;
    TRY(start_list(&merkle, type->progressive, length_of(type, walk->preset), count,
                   elements_per_chunk(type->element)));
    TRY(push_elements(walk, type->element, value, &merkle));
    struct root root = merkle_finish(&merkle);
    *out = merkle_mix_in(&root, count);
    return OK;
}

/* Containers. */

static struct result push_fields(const struct walk *walk, const struct ssz_type *type,
                                 const struct json *object, struct merkle *merkle)
{
    for (uint32_t i = 0; i < type->length; i++) {
        const struct ssz_field *field = &type->fields[i];
        struct root root;
        struct result result = root_of(walk, field->type, json_member(object, field->name), &root);
        if (!is_ok(result)) {
            detail_prefix(walk->detail, ".%s", field->name);
            return result;
        }
        merkle_push(merkle, root.bytes);
    }
    return OK;
}

static struct result root_of_container(const struct walk *walk, const struct ssz_type *type,
                                       const struct json *value, struct root *out)
{
    ENSURE(value != NULL, BAD_INPUT, "missing");
    ENSURE(json_kind(value) == JSON_KIND_OBJECT, BAD_INPUT, "not an object");
    struct merkle merkle;
    if (!type->progressive) {
        merkle_start(&merkle, type->length);
        TRY(push_fields(walk, type, value, &merkle));
        *out = merkle_finish(&merkle);
        return OK;
    }
    merkle_start_progressive(&merkle);
    TRY(push_fields(walk, type, value, &merkle));
    struct root root = merkle_finish(&merkle);
    /* The bits of the active fields, of which there are no others here, read as a number. */
    assert(type->length < 64);
    *out = merkle_mix_in(&root, (UINT64_C(1) << type->length) - 1);
    return OK;
}

static struct result root_of(const struct walk *walk, const struct ssz_type *type,
                             const struct json *value, struct root *out)
{
    static struct result (*const by_kind[])(const struct walk *, const struct ssz_type *,
                                            const struct json *, struct root *) = {
        [SSZ_UINT] = root_of_basic,          [SSZ_UINT256] = root_of_basic,
        [SSZ_BOOLEAN] = root_of_basic,       [SSZ_BYTE_VECTOR] = root_of_byte_vector,
        [SSZ_BYTE_LIST] = root_of_byte_list, [SSZ_BITVECTOR] = root_of_bitvector,
        [SSZ_BITLIST] = root_of_bitlist,     [SSZ_VECTOR] = root_of_vector,
        [SSZ_LIST] = root_of_list,           [SSZ_CONTAINER] = root_of_container,
    };
    return by_kind[type->kind](walk, type, value, out);
}

RESULT ssz_root(const struct ssz_type *type, const struct preset *preset, const struct json *value,
                struct root *out, struct detail *detail)
{
    struct walk walk = { .preset = preset, .detail = detail };
    struct root root;
    if (detail != NULL) {
        detail->text[0] = '\0';
    }
    TRY(root_of(&walk, type, value, &root));
    *out = root;
    return OK;
}
