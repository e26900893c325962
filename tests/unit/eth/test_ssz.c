#include "eth/ssz.h"

#include "base/sha256.h"
#include "eth/merkle.h"
#include "eth/ssz_types.h"
#include "eth_test.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* Types of the test's own: one of each kind. */
static const struct ssz_type uint8 = { .kind = SSZ_UINT, .length = 1 };
static const struct ssz_type uint64 = { .kind = SSZ_UINT, .length = 8 };
static const struct ssz_type uint256 = { .kind = SSZ_UINT256 };
static const struct ssz_type boolean = { .kind = SSZ_BOOLEAN };
static const struct ssz_type bytes4 = { .kind = SSZ_BYTE_VECTOR, .length = 4 };
static const struct ssz_type bytes48 = { .kind = SSZ_BYTE_VECTOR, .length = 48 };
static const struct ssz_type list_of_64_bytes = { .kind = SSZ_BYTE_LIST, .length = 64 };
static const struct ssz_type progressive_bytes = { .kind = SSZ_BYTE_LIST, .progressive = true };
static const struct ssz_type ten_bits = { .kind = SSZ_BITVECTOR, .length = 10 };
static const struct ssz_type bits_512 = { .kind = SSZ_BITVECTOR, .length = 512 };
static const struct ssz_type eight_bits_at_most = { .kind = SSZ_BITLIST, .length = 8 };
static const struct ssz_type bits_512_at_most = { .kind = SSZ_BITLIST, .length = 512 };
static const struct ssz_type progressive_bits = { .kind = SSZ_BITLIST, .progressive = true };
static const struct ssz_type three_numbers = { .kind = SSZ_VECTOR,
                                               .length = 3,
                                               .element = &uint64 };
static const struct ssz_type eight_numbers = { .kind = SSZ_LIST, .length = 8, .element = &uint64 };
static const struct ssz_type small_numbers = { .kind = SSZ_LIST, .length = 40, .element = &uint8 };
static const struct ssz_type committee_list = {
    .kind = SSZ_LIST,
    .length = 1,
    .scale = SSZ_COMMITTEES,
    .element = &uint64,
};
static const struct ssz_field pair_fields[] = { { "a", &uint64 }, { "b", &bytes4 } };
static const struct ssz_type pair = { .kind = SSZ_CONTAINER, .length = 2, .fields = pair_fields };
static const struct ssz_type pairs = { .kind = SSZ_LIST, .length = 3, .element = &pair };
static const struct ssz_type progressive_pairs = {
    .kind = SSZ_LIST,
    .progressive = true,
    .element = &pair,
};
static const struct ssz_field outer_fields[] = { { "inner", &pair }, { "list", &pairs } };
static const struct ssz_type outer = { .kind = SSZ_CONTAINER, .length = 2, .fields = outer_fields };
static const struct ssz_type progressive_outer = {
    .kind = SSZ_CONTAINER,
    .progressive = true,
    .length = 2,
    .fields = outer_fields,
};

static struct result root_of(const struct ssz_type *type, const char *text, struct root *out,
                             struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *value = json_of(text);
    ENSURE(value != NULL, UNAVAILABLE, "the test's text is not JSON");
    return ssz_root(type, preset_find("mainnet"), value, out, detail);
}

/* The root of the bytes that `text` stands for, padded, as one chunk. */
static bool chunk_is(const struct ssz_type *type, const char *text, const char *chunk)
{
    struct root root;
    char padded[HEX_TEXT_SIZE(32)];
    snprintf(padded, sizeof(padded), "0x%-64s", chunk);
    for (char *at = padded; *at != '\0'; at++) {
        *at = *at == ' ' ? '0' : *at;
    }
    return is_ok(root_of(type, text, &root, NULL)) && root_is(&root, padded);
}

static struct root hash_of(const struct root *left, const struct root *right)
{
    struct root root;
    sha256_pair(left->bytes, right->bytes, root.bytes);
    return root;
}

static struct root chunk_of(const char *text)
{
    struct root root = { 0 };
    struct result result = hex_decode(text, strlen(text), root.bytes, strlen(text) / 2);
    return is_ok(result) ? root : (struct root){ { 0xff, 0xff } };
}

static bool same(const struct ssz_type *type, const char *text, struct root wanted)
{
    char wanted_text[HEX_TEXT_SIZE(sizeof(wanted))];
    struct root root;
    hex_encode(wanted.bytes, sizeof(wanted.bytes), wanted_text);
    return is_ok(root_of(type, text, &root, NULL)) && root_is(&root, wanted_text);
}

struct refusal {
    const struct ssz_type *type;
    const char *text;
    const char *place;
};

/* Index of the first case that is not refused in its place; `count` when all are. */
static size_t first_accepted(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct root root = { { 0x77 } };
        struct detail detail = { .text = "stale" };
        struct result result = root_of(cases[i].type, cases[i].text, &root, &detail);
        if (result.status != STATUS_BAD_INPUT || strcmp(detail.text, cases[i].place) != 0 ||
            root.bytes[0] != 0x77) {
            printf("# case %zu, %.80s: %d \"%s\" at \"%s\"\n", i, cases[i].text, (int)result.status,
                   result.what, detail.text);
            return i;
        }
    }
    return count;
}

TEST(numbers_are_little_endian_in_one_chunk)
{
    CHECK(chunk_is(&uint64, "'0'", ""));
    CHECK(chunk_is(&uint64, "'258'", "0201"));
    CHECK(chunk_is(&uint64, "258", "0201"));
    CHECK(chunk_is(&uint64, "'18446744073709551615'", "ffffffffffffffff"));
    CHECK(chunk_is(&uint64, "9223372036854775807", "ffffffffffffff7f"));
    CHECK(chunk_is(&uint8, "'255'", "ff"));
    CHECK(chunk_is(&uint256, "'18446744073709551616'", "000000000000000001"));
    CHECK(chunk_is(&uint256, "4294967297", "0100000001"));
    CHECK(chunk_is(&uint256,
                   "'1157920892373161954235709850086879078532699846656405640394575840079131296399"
                   "35'",
                   "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"));
    CHECK(chunk_is(&boolean, "true", "01"));
    CHECK(chunk_is(&boolean, "false", "00"));
}

TEST(what_is_no_number_of_the_type_is_refused)
{
    static const struct refusal cases[] = {
        { &uint64, "'18446744073709551616'", "" },
        { &uint64, "'000000000000000000001'", "" },
        { &uint64, "''", "" },
        { &uint64, "'-1'", "" },
        { &uint64, "'+1'", "" },
        { &uint64, "' 1'", "" },
        { &uint64, "'1 '", "" },
        { &uint64, "'1.0'", "" },
        { &uint64, "'1e3'", "" },
        { &uint64, "'0x10'", "" },
        { &uint64, "-1", "" },
        { &uint64, "1.0", "" },
        { &uint64, "1e3", "" },
        { &uint64, "true", "" },
        { &uint64, "null", "" },
        { &uint64, "[1]", "" },
        { &uint64, "{'1':1}", "" },
        { &uint8, "'256'", "" },
        { &uint8, "256", "" },
        { &uint256, "''", "" },
        { &uint256, "'1x'", "" },
        { &uint256, "-1", "" },
        { &uint256, "null", "" },
        { &uint256,
          "'115792089237316195423570985008687907853269984665640564039457584007913129639936'", "" },
        { &uint256,
          "'999999999999999999999999999999999999999999999999999999999999999999999999999999'", "" },
        { &uint256,
          "'0000000000000000000000000000000000000000000000000000000000000000000000000000001'", "" },
        { &boolean, "'true'", "" },
        { &boolean, "1", "" },
        { &boolean, "null", "" },
    };
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(bytes_come_with_or_without_0x_in_either_case)
{
    CHECK(chunk_is(&bytes4, "'0x01aBcDeF'", "01abcdef"));
    CHECK(chunk_is(&bytes4, "'01AbCdEf'", "01abcdef"));
    CHECK(chunk_is(&bytes4, "'0X01ABCDEF'", "01abcdef"));
}

TEST(byte_vectors_over_a_chunk_are_trees)
{
    struct root left = chunk_of("0101010101010101010101010101010101010101010101010101010101010101");
    struct root right = chunk_of("02020202020202020202020202020202");
    CHECK(same(&bytes48,
               "'0x0101010101010101010101010101010101010101010101010101010101010101"
               "02020202020202020202020202020202'",
               hash_of(&left, &right)));
}

TEST(bytes_of_another_size_or_kind_are_refused)
{
    static const struct refusal cases[] = {
        { &bytes4, "'0x01abcd'", "" },
        { &bytes4, "'0x01abcdef00'", "" },
        { &bytes4, "'0x01abcde'", "" },
        { &bytes4, "'0x01abcdeg'", "" },
        { &bytes4, "'0x0x01abcd'", "" },
        { &bytes4, "'0x'", "" },
        { &bytes4, "''", "" },
        { &bytes4, "' 01abcde'", "" },
        { &bytes4, "28036591", "" },
        { &bytes4, "null", "" },
        { &bytes4, "['0x01abcdef']", "" },
        { &bytes48, "'0x01abcdef'", "" },
    };
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(byte_lists_mix_in_their_length)
{
    struct root zero = { 0 };
    struct root empty = hash_of(&zero, &zero);
    CHECK(same(&list_of_64_bytes, "'0x'", merkle_mix_in(&empty, 0)));
    CHECK(same(&list_of_64_bytes, "''", merkle_mix_in(&empty, 0)));
    struct root chunk = chunk_of("aabb");
    struct root two = hash_of(&chunk, &zero);
    CHECK(same(&list_of_64_bytes, "'0xaabb'", merkle_mix_in(&two, 2)));
    CHECK(same(&progressive_bytes, "'0x'", merkle_mix_in(&zero, 0)));
    CHECK(same(&progressive_bytes, "'0xaabb'", merkle_mix_in(&two, 2)));
}

/* A byte list's text with `size` bytes, in quotes. */
static const char *text_of_bytes(size_t size)
{
    static char text[2 * 200 + 8];
    snprintf(text, sizeof(text), "'0x%0*d'", (int)(2 * size), 0);
    return size == 0 ? "'0x'" : text;
}

TEST(a_byte_list_has_its_limit_and_not_one_byte_more)
{
    struct root root;
    CHECK_OK(root_of(&list_of_64_bytes, text_of_bytes(64), &root, NULL));
    CHECK_FAILS(BAD_INPUT, root_of(&list_of_64_bytes, text_of_bytes(65), &root, NULL));
    CHECK_OK(root_of(&progressive_bytes, text_of_bytes(200), &root, NULL));
    CHECK_FAILS(BAD_INPUT, root_of(&list_of_64_bytes, "'0x0'", &root, NULL));
    CHECK_FAILS(BAD_INPUT, root_of(&list_of_64_bytes, "'0xzz'", &root, NULL));
    CHECK_FAILS(BAD_INPUT, root_of(&progressive_bytes, "'0xzz'", &root, NULL));
}

/* JSON text of `bytes` zero bytes. */
static struct result root_of_zeros(const struct ssz_type *type, size_t bytes, struct root *out)
{
    size_t size = 2 * bytes + 2;
    CLEANUP(free_ptr) char *text = malloc(size);
    CLEANUP(json_free_ptr) struct json *value = NULL;
    ENSURE(text != NULL, UNAVAILABLE, "out of memory");
    memset(text, '0', size);
    text[0] = text[size - 1] = '"';
    TRY(json_parse(text, size, &value, NULL));
    return ssz_root(type, preset_find("mainnet"), value, out, NULL);
}

TEST(a_list_without_a_limit_ends_where_the_trees_end)
{
    struct root root;
    size_t most = (size_t)MERKLE_CHUNKS_MAX * MERKLE_CHUNK_SIZE;
    if (harness_rounds(10) < 10) {
        SKIP("32 MiB of hexadecimal are too many for valgrind");
    }
    CHECK_OK(root_of_zeros(&progressive_bytes, most, &root));
    CHECK_FAILS(LIMIT, root_of_zeros(&progressive_bytes, most + 1, &root));
}

TEST(bit_vectors_have_exactly_their_bits)
{
    static const struct refusal cases[] = {
        { &ten_bits, "'0xff'", "" },   { &ten_bits, "'0xff0300'", "" },
        { &ten_bits, "'0xff04'", "" }, { &ten_bits, "'0xff83'", "" },
        { &ten_bits, "'0xff0g'", "" }, { &ten_bits, "'0xgg03'", "" },
        { &ten_bits, "'0x'", "" },     { &ten_bits, "1023", "" },
        { &ten_bits, "[true]", "" },   { &bits_512, "'0xff'", "" },
    };
    CHECK(chunk_is(&ten_bits, "'0xff03'", "ff03"));
    CHECK(chunk_is(&ten_bits, "'0x0002'", "0002"));
    struct root ones = chunk_of("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    CHECK(same(&bits_512,
               "'0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
               "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'",
               hash_of(&ones, &ones)));
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(bit_lists_end_at_their_highest_bit)
{
    struct root zero = { 0 };
    struct root one = chunk_of("01");
    struct root seven = chunk_of("7f");
    struct root eight = chunk_of("ff");
    CHECK(same(&eight_bits_at_most, "'0x01'", merkle_mix_in(&zero, 0)));
    CHECK(same(&eight_bits_at_most, "'0x02'", merkle_mix_in(&zero, 1)));
    CHECK(same(&eight_bits_at_most, "'0x03'", merkle_mix_in(&one, 1)));
    CHECK(same(&eight_bits_at_most, "'0xff'", merkle_mix_in(&seven, 7)));
    CHECK(same(&eight_bits_at_most, "'0xff01'", merkle_mix_in(&eight, 8)));
    CHECK(same(&progressive_bits, "'0x01'", merkle_mix_in(&zero, 0)));
    struct root progressive = hash_of(&one, &zero);
    CHECK(same(&progressive_bits, "'0x03'", merkle_mix_in(&progressive, 1)));
}

TEST(a_bit_list_that_ends_with_a_full_chunk_has_no_chunk_for_the_end_mark)
{
    struct root zero = { 0 };
    struct root ones = chunk_of("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    struct root tree = hash_of(&ones, &zero);
    CHECK(same(&bits_512_at_most,
               "'0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff01'",
               merkle_mix_in(&tree, 256)));
    CHECK(same(&progressive_bits,
               "'0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff01'",
               merkle_mix_in(&tree, 256)));
}

TEST(bit_lists_over_their_limit_or_without_an_end_are_refused)
{
    static const struct refusal cases[] = {
        { &eight_bits_at_most, "'0xff02'", "" }, { &eight_bits_at_most, "'0xffff'", "" },
        { &eight_bits_at_most, "'0x'", "" },     { &eight_bits_at_most, "''", "" },
        { &eight_bits_at_most, "'0x00'", "" },   { &eight_bits_at_most, "'0xff00'", "" },
        { &eight_bits_at_most, "'0x1'", "" },    { &eight_bits_at_most, "'0xg1'", "" },
        { &eight_bits_at_most, "1", "" },        { &progressive_bits, "'0x'", "" },
        { &progressive_bits, "'0xff00'", "" },   { &progressive_bits, "'0xgg01'", "" },
    };
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(numbers_in_lists_share_chunks)
{
    struct root first =
        chunk_of("0100000000000000020000000000000003000000000000000400000000000000");
    struct root second = chunk_of("05");
    struct root zero = { 0 };
    struct root tree = hash_of(&first, &second);
    CHECK(same(&eight_numbers, "['1','2',3,4,'5']", merkle_mix_in(&tree, 5)));
    struct root full = hash_of(&first, &zero);
    CHECK(same(&eight_numbers, "['1','2','3','4']", merkle_mix_in(&full, 4)));
    struct root small = chunk_of("0102");
    struct root small_tree = hash_of(&small, &zero);
    CHECK(same(&small_numbers, "['1','2']", merkle_mix_in(&small_tree, 2)));
    CHECK(same(&three_numbers, "[1,2,3]",
               chunk_of("010000000000000002000000000000000300000000000000")));
    struct root empty = hash_of(&zero, &zero);
    CHECK(same(&eight_numbers, "[]", merkle_mix_in(&empty, 0)));
}

TEST(lists_and_vectors_of_another_length_or_kind_are_refused)
{
    static const struct refusal cases[] = {
        { &eight_numbers, "[1,2,3,4,5,6,7,8,9]", "" },
        { &eight_numbers, "[1,2,-3]", "[2]" },
        { &eight_numbers, "[1,[2]]", "[1]" },
        { &eight_numbers, "{'0':1}", "" },
        { &eight_numbers, "'0x01'", "" },
        { &eight_numbers, "null", "" },
        { &three_numbers, "[1,2]", "" },
        { &three_numbers, "[1,2,3,4]", "" },
        { &three_numbers, "[]", "" },
        { &three_numbers, "[1,2,null]", "[2]" },
        { &pairs, "[{'a':1,'b':'0x00000000'},[]]", "[1]" },
    };
    struct root root;
    CHECK_OK(root_of(&eight_numbers, "[1,2,3,4,5,6,7,8]", &root, NULL));
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(a_limit_that_the_preset_sets_follows_the_preset)
{
    struct root root;
    CLEANUP(json_free_ptr) struct json *five = json_of("[1,2,3,4,5]");
    CLEANUP(json_free_ptr) struct json *four = json_of("[1,2,3,4]");
    CHECK_OK(ssz_root(&committee_list, preset_find("mainnet"), five, &root, NULL));
    CHECK_OK(ssz_root(&committee_list, preset_find("minimal"), four, &root, NULL));
    CHECK_FAILS(BAD_INPUT, ssz_root(&committee_list, preset_find("minimal"), five, &root, NULL));
}

TEST(containers_take_their_members_in_the_type_s_order)
{
    struct root a = chunk_of("07");
    struct root b = chunk_of("01020304");
    CHECK(same(&pair, "{'b':'0x01020304','x':[{}],'a':'7'}", hash_of(&a, &b)));
}

TEST(progressive_kinds_mix_in_their_length_and_their_active_fields)
{
    struct root zero = { 0 };
    struct root a = chunk_of("07");
    struct root b = chunk_of("01020304");
    struct root element = hash_of(&a, &b);
    struct root first = hash_of(&element, &zero);
    CHECK(same(&progressive_pairs, "[{'a':7,'b':'0x01020304'}]", merkle_mix_in(&first, 1)));

    /* The first field is alone in the first subtree, the second the first of four in the second. */
    struct root zero_pair = hash_of(&zero, &zero);
    struct root list = hash_of(&zero_pair, &zero_pair);
    list = merkle_mix_in(&list, 0);
    struct root left = hash_of(&list, &zero);
    struct root subtree = hash_of(&left, &zero_pair);
    struct root spine = hash_of(&subtree, &zero);
    spine = hash_of(&element, &spine);
    CHECK(same(&progressive_outer, "{'inner':{'a':7,'b':'0x01020304'},'list':[]}",
               merkle_mix_in(&spine, 3)));
}

TEST(the_place_of_what_is_wrong_is_named)
{
    static const struct refusal cases[] = {
        { &outer, "{'list':[]}", ".inner" },
        { &outer, "{'inner':null,'list':[]}", ".inner" },
        { &outer, "{'inner':[],'list':[]}", ".inner" },
        { &outer, "{'inner':{'a':1},'list':[]}", ".inner.b" },
        { &outer, "{'inner':{'A':1,'b':'0x00000000'},'list':[]}", ".inner.a" },
        { &outer, "{'inner':{'a':1,'b':'0x00000000'}}", ".list" },
        { &outer,
          "{'inner':{'a':1,'b':'0x00000000'},'list':[{'a':1,'b':'0x00000000'},{'a':1,'b':'0x'}]}",
          ".list[1].b" },
        { &outer, "{'inner':{'a':1,'b':'0x00000000'},'list':[0,0,0,0]}", ".list" },
        { &outer, "[]", "" },
        { &outer, "null", "" },
        { &progressive_outer, "{'inner':{'a':1,'b':'0x00000000'}}", ".list" },
        { &progressive_pairs, "[{'a':1}]", "[0].b" },
    };
    CHECK(first_accepted(cases, COUNT_OF(cases)) == COUNT_OF(cases));
}

TEST(an_absent_value_is_refused_by_every_kind)
{
    static const struct ssz_type *const types[] = {
        &uint64,        &uint256,
        &boolean,       &bytes4,
        &bytes48,       &ten_bits,
        &pair,          &three_numbers,
        &eight_numbers, &eight_bits_at_most,
        &outer,         &list_of_64_bytes,
    };
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct root root;
        struct result result = ssz_root(types[i], preset_find("mainnet"), NULL, &root, NULL);
        CHECK(result.status == STATUS_BAD_INPUT);
        CHECK_TEXT(result.what, "missing");
    }
}

HARNESS_TESTS(T(numbers_are_little_endian_in_one_chunk),
              T(what_is_no_number_of_the_type_is_refused),
              T(bytes_come_with_or_without_0x_in_either_case),
              T(byte_vectors_over_a_chunk_are_trees), T(bytes_of_another_size_or_kind_are_refused),
              T(byte_lists_mix_in_their_length), T(a_byte_list_has_its_limit_and_not_one_byte_more),
              T(a_list_without_a_limit_ends_where_the_trees_end),
              T(bit_vectors_have_exactly_their_bits), T(bit_lists_end_at_their_highest_bit),
              T(a_bit_list_that_ends_with_a_full_chunk_has_no_chunk_for_the_end_mark),
              T(bit_lists_over_their_limit_or_without_an_end_are_refused),
              T(numbers_in_lists_share_chunks),
              T(lists_and_vectors_of_another_length_or_kind_are_refused),
              T(a_limit_that_the_preset_sets_follows_the_preset),
              T(containers_take_their_members_in_the_type_s_order),
              T(progressive_kinds_mix_in_their_length_and_their_active_fields),
              T(the_place_of_what_is_wrong_is_named), T(an_absent_value_is_refused_by_every_kind))
