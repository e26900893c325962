#include "keystore/descriptor.h"

#include "base/buf.h"
#include "base/hex.h"
#include "harness.h"
#include "memory_scan.h"

#include <stdint.h>
#include <stdlib.h>

#define KEY_1 "25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
#define KEY_2 "51d0b65185db6989ab0b560d6deed19c7ead0e24b9b6372cbecb1f26bdfad000"
/* The usual name of a keystore: as long a run of digits as a key. */
#define PUBKEY                                                                                     \
    "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b42" \
    "0d07"

enum { SEEN_MAX = 8 };

struct seen_document {
    size_t document;
    enum status status;
    const char *what;
    struct detail place;
    char secret[HEX_TEXT_SIZE(32)]; /* "" when there is none */
    char keystore_file[160];
    char password_file[160];
};

struct seen {
    size_t count;
    struct seen_document documents[SEEN_MAX];
};

static void copy_text(struct descriptor_text text, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)text.size, text.at != NULL ? text.at : "");
}

static void see(const struct descriptor *descriptor, struct result verdict,
                const struct detail *detail, void *context)
{
    struct seen *seen = context;
    if (seen->count++ >= SEEN_MAX) {
        return;
    }
    struct seen_document *out = &seen->documents[seen->count - 1];
    out->document = descriptor->document;
    out->status = verdict.status;
    out->what = verdict.what;
    out->place = *detail;
    if (descriptor->secret != NULL) {
        hex_encode(descriptor->secret->bytes, 32, out->secret);
    }
    copy_text(descriptor->keystore_file, out->keystore_file, sizeof(out->keystore_file));
    copy_text(descriptor->password_file, out->password_file, sizeof(out->password_file));
}

static struct result read_text(const char *text, struct seen *seen, struct detail *detail)
{
    *seen = (struct seen){ .count = 0 };
    return descriptor_each(text, strlen(text), see, seen, detail);
}

TEST(a_raw_key_is_read_in_every_usual_spelling)
{
    static const char *const texts[] = {
        "type: file-raw\nkeyType: BLS\nprivateKey: " KEY_1 "\n",
        "type: \"file-raw\"\nkeyType: \"BLS\"\nprivateKey: \"0x" KEY_1 "\"\n",
        "---\ntype: 'file-raw'\nprivateKey: '0X" KEY_1 "'\n...\n",
        "privateKey: " KEY_1 "\ntype: file-raw",
        "\xef\xbb\xbftype: file-raw\r\nprivateKey:   0x" KEY_1 "   # mine\r\n",
        "{type: file-raw, keyType: bls, privateKey: " KEY_1 "}",
        "{\"type\":\"file-raw\",\"keyType\":\"BLS\",\"privateKey\":\"" KEY_1 "\"}",
        "# caf\xc3\xa9 \xe2\x82\xac\ntype: file-raw\nlabel: \xf0\x9f\x94\x91 "
        "\"\\u00e9\"\nprivateKey: " KEY_1 "\n",
        "? type\n: file-raw\n? privateKey\n: " KEY_1 "\n",
        "type: !!str file-raw\nprivateKey: !!str \"" KEY_1 "\"\n",
        "type: &a file-raw\nother: [1, {x: [2]}]\n? [complex, two]\n: key\nprivateKey:\n    " KEY_1
        "\n",
        "%YAML 1.1\n---\ntype: file-raw\nprivateKey: " KEY_1 "\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct seen seen;
        struct detail detail = { "" };
        struct result result = read_text(texts[i], &seen, &detail);
        if (!is_ok(result) || seen.documents[0].status != STATUS_OK) {
            printf("# text %zu: %s: %s; %s: %s\n", i, detail.text, result.what,
                   seen.documents[0].place.text, seen.documents[0].what);
        }
        CHECK(is_ok(result) && seen.count == 1);
        CHECK(seen.documents[0].document == 1 && seen.documents[0].status == STATUS_OK);
        CHECK_TEXT(seen.documents[0].secret, "0x" KEY_1);
        CHECK_TEXT(seen.documents[0].keystore_file, "");
    }
}

TEST(a_keystore_is_named_as_it_was_written)
{
    static const struct {
        const char *text;
        const char *keystore_file;
        const char *password_file;
    } cases[] = {
        { "type: file-keystore\nkeystoreFile: " PUBKEY ".json\nkeystorePasswordFile: " PUBKEY
          ".password\n",
          PUBKEY ".json", PUBKEY ".password" },
        { "type: \"file-keystore\"\nkeyType: \"BLS\"\nkeystoreFile: \"0x" PUBKEY
          ".json\"\nkeystorePasswordFile: '/run/secrets/p w'\n",
          "0x" PUBKEY ".json", "/run/secrets/p w" },
        { "keystorePasswordFile: caf\xc3\xa9 0123456789abcdef.txt\nkeystoreFile: a: b\\c\n"
          "type: file-keystore",
          NULL, NULL },
        { "keystorePasswordFile: caf\xc3\xa9 0123456789abcdef.txt\nkeystoreFile: a:b\\c'd\n"
          "type: file-keystore",
          "a:b\\c'd", "caf\xc3\xa9 0123456789abcdef.txt" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen;
        struct result result = read_text(cases[i].text, &seen, NULL);
        if (cases[i].keystore_file == NULL) {
            CHECK(result.status == STATUS_BAD_INPUT);
            continue;
        }
        CHECK_OK(result);
        CHECK(seen.count == 1 && seen.documents[0].status == STATUS_OK);
        CHECK_TEXT(seen.documents[0].keystore_file, cases[i].keystore_file);
        CHECK_TEXT(seen.documents[0].password_file, cases[i].password_file);
        CHECK_TEXT(seen.documents[0].secret, "");
    }
}

TEST(documents_are_visited_in_order_and_a_bad_one_stops_nothing)
{
    struct seen seen;
    CHECK_OK(read_text("type: file-raw\nprivateKey: " KEY_1 "\n"
                       "---\n"
                       "type: file-raw\nprivateKey: oops\n"
                       "---\n"
                       "---\n" /* an empty document counts and is not visited */
                       "type: file-raw\nprivateKey: " KEY_2 "\n"
                       "---\n",
                       &seen, NULL));
    CHECK(seen.count == 3);
    CHECK(seen.documents[0].document == 1 && seen.documents[0].status == STATUS_OK);
    CHECK_TEXT(seen.documents[0].secret, "0x" KEY_1);
    CHECK(seen.documents[1].document == 2 && seen.documents[1].status == STATUS_BAD_INPUT);
    CHECK_TEXT(seen.documents[1].place.text, "privateKey");
    CHECK_TEXT(seen.documents[1].secret, "");
    CHECK(seen.documents[2].document == 4 && seen.documents[2].status == STATUS_OK);
    CHECK_TEXT(seen.documents[2].secret, "0x" KEY_2);
}

/* Documents that cannot be used: the member is named, and what is wrong with it. */
static const struct {
    const char *place;
    const char *what; /* a part of the reason */
    const char *text;
} unusable[] = {
    { "type", "missing", "keyType: BLS\nprivateKey: " KEY_1 },
    { "type", "missing", "type:\nprivateKey: " KEY_1 },
    { "type", "must be", "type: file-rav\nprivateKey: " KEY_1 },
    { "type", "must be", "type: FILE-RAW\nprivateKey: " KEY_1 },
    { "type", "must be", "type: " KEY_1 },
    { "type", "not a text", "type: [file-raw]\nprivateKey: " KEY_1 },
    { "type", "not a text", "type: {a: file-raw}\nprivateKey: " KEY_1 },
    { "type", "not a text", "type: [x]\nkeyType: [x]\nprivateKey: [x]" }, /* the first counts */
    { "type", "twice", "type: file-raw\ntype: file-raw\nprivateKey: " KEY_1 },
    { "type", "without escapes", "type: \"file\\x2draw\"\nprivateKey: " KEY_1 },
    { "type hashicorp", "not supported", "type: hashicorp\ntoken: x" },
    { "type aws-secret", "not supported", "type: aws-secret\nregion: {x: [y]}" },
    { "type azure-key", "not supported", "type: azure-key" },
    { "type gcp-secret", "not supported", "type: \"gcp-secret\"" },
    { "type yubihsm", "not supported", "type: yubihsm" },
    { "keyType", "SECP256K1", "type: file-raw\nkeyType: SECP256K1\nprivateKey: " KEY_1 },
    { "keyType", "SECP256K1", "type: file-keystore\nkeyType: secp256k1\nkeystoreFile: a" },
    { "keyType", "must be BLS", "type: file-raw\nkeyType: ED25519\nprivateKey: " KEY_1 },
    { "keyType", "must be BLS", "type: file-raw\nkeyType: BLS12\nprivateKey: " KEY_1 },
    { "keyType", "must be BLS", "type: file-raw\nkeyType:\nprivateKey: " KEY_1 },
    { "privateKey", "missing", "type: file-raw" },
    { "privateKey", "missing", "type: file-raw\nprivateKey: \"\"" },
    { "privateKey", "missing", "type: file-raw\nkeystoreFile: a\nkeystorePasswordFile: b" },
    { "privateKey", "missing", "type: file-raw\nprivatekey: " KEY_1 },
    { "privateKey", "64 hex", "type: file-raw\nprivateKey: " KEY_1 "0" },
    { "privateKey", "64 hex", "type: file-raw\nprivateKey: 0x" },
    { "privateKey", "64 hex", "type: file-raw\nprivateKey: 0x0x" KEY_1 },
    { "privateKey", "64 hex", "type: file-raw\nprivateKey: 123" },
    { "privateKey", "64 hex", "type: file-raw\nprivateKey: \"" KEY_1 " \"" },
    { "privateKey", "64 hex",
      "type: file-raw\nprivateKey: "
      "g5295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866" },
    { "privateKey", "one line", "type: file-raw\nprivateKey: |\n  " KEY_1 },
    { "privateKey", "one line", "type: file-raw\nprivateKey: >-\n  " KEY_1 },
    { "privateKey", "one line",
      "type: file-raw\nprivateKey: "
      "\"\\x325295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866\"" },
    { "privateKey", "one line",
      "type: file-raw\nprivateKey: \"25295f0d1d592a90b333e26e85149708\\\n  "
      "208e9f8e8bc18f6c77bd62f8ad7a6866\"" },
    { "privateKey", "one line",
      "type: file-raw\nprivateKey: 25295f0d1d592a90b333e26e85149708\n  "
      "208e9f8e8bc18f6c77bd62f8ad7a6866" },
    { "privateKey", "not a text", "type: file-raw\nprivateKey: [" KEY_1 "]" },
    { "privateKey", "twice", "type: file-raw\nprivateKey: " KEY_1 "\nprivateKey: " KEY_2 },
    { "keystoreFile", "missing", "type: file-keystore\nkeystorePasswordFile: b" },
    { "keystoreFile", "missing", "type: file-keystore\nkeystoreFile:\nkeystorePasswordFile: b" },
    { "keystoreFile", "one line", "type: file-keystore\nkeystoreFile: 'it''s'" },
    { "keystorePasswordFile", "missing", "type: file-keystore\nkeystoreFile: a" },
    { "keystorePasswordFile", "not a text",
      "type: file-keystore\nkeystoreFile: a\nkeystorePasswordFile: {b: c}" },
    { "", "not a mapping", "- type: file-raw\n  privateKey: " KEY_1 },
    { "", "not a mapping", "type" },
    { "", "not a mapping", "\"" KEY_1 "\"" },
};

TEST(what_is_wrong_with_a_document_is_said_by_member)
{
    for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
        struct seen seen;
        struct result result = read_text(unusable[i].text, &seen, NULL);
        bool good = is_ok(result) && seen.count == 1 &&
                    seen.documents[0].status == STATUS_BAD_INPUT &&
                    strcmp(seen.documents[0].place.text, unusable[i].place) == 0 &&
                    strstr(seen.documents[0].what, unusable[i].what) != NULL;
        if (!good) {
            printf("# %s: %s: %s\n", unusable[i].text, seen.documents[0].place.text,
                   seen.documents[0].what);
        }
        CHECK(good);
        CHECK_TEXT(seen.documents[0].secret, "");
    }
}

/* Files that end the reading, after what came before was visited. */
TEST(text_that_is_not_yaml_is_refused_with_its_line)
{
    static const struct {
        const char *place;
        size_t visited;
        const char *text;
    } cases[] = {
        { "line 3", 0, "type: file-raw\nprivateKey: \"" KEY_1 "\n" },
        { "line 2", 0, "type: file-raw\n\tprivateKey: " KEY_1 "\n" },
        { "line 2", 0, "{type: file-raw" },
        { "line 1", 0, "[type: file-raw}" },
        { "line 2", 0, "type: &a file-raw\nprivateKey: *a\n" },
        { "line 3", 0, "type: file-raw\nx: &a y\n*a : z\n" },
        { "line 4", 1, "type: file-raw\nprivateKey: " KEY_1 "\n---\n: : :\n" },
        { "line 5", 1, "type: file-raw\nprivateKey: " KEY_1 "\n---\ntype: \"\n" },
        { "", 0, "" },
        { "", 0, "\n\n# nothing\n" },
        { "", 0, "---\n---\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen;
        struct detail detail = { "" };
        struct result result = read_text(cases[i].text, &seen, &detail);
        if (result.status != STATUS_BAD_INPUT || seen.count != cases[i].visited ||
            strncmp(detail.text, cases[i].place, strlen(cases[i].place)) != 0) {
            printf("# case %zu: %s: %s\n", i, detail.text, result.what);
        }
        CHECK(result.status == STATUS_BAD_INPUT && seen.count == cases[i].visited);
        CHECK(strncmp(detail.text, cases[i].place, strlen(cases[i].place)) == 0);
    }
}

TEST(bytes_that_are_no_text_are_refused)
{
    static const char zero[] = "type: file-raw\0\nprivateKey: " KEY_1;
    static const char wide[] = "\xff\xfet\0y\0p\0e\0:\0 \0x\0";
    struct seen seen = { .count = 0 };
    CHECK_FAILS(BAD_INPUT, descriptor_each(zero, sizeof(zero) - 1, see, &seen, NULL));
    CHECK_FAILS(BAD_INPUT, descriptor_each(wide, sizeof(wide) - 1, see, &seen, NULL));
    CHECK(seen.count == 0);
}

static void append_times(struct buf *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        buf_append_text(out, text);
    }
}

/* "\L" is two bytes that stand for three. */
TEST(escapes_that_grow_are_refused)
{
    BUF text = BUF_INIT(DESCRIPTOR_SIZE_MAX);
    struct seen seen;
    buf_append_text(&text, "? \"");
    append_times(&text, "\\L", 3000);
    buf_append_text(&text, "\"\n: x\ntype: file-raw\nprivateKey: \"\\L\"\n");
    CHECK_OK(read_text(text.data, &seen, NULL));
    CHECK(seen.count == 1 && seen.documents[0].status == STATUS_BAD_INPUT);
    CHECK_TEXT(seen.documents[0].place.text, "privateKey");
}

TEST(no_reason_repeats_what_may_be_a_key)
{
    struct seen seen;
    struct detail detail = { "" };
    for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
        CHECK_OK(read_text(unusable[i].text, &seen, &detail));
        CHECK(strstr(seen.documents[0].place.text, "25295f0d") == NULL);
        CHECK(strstr(detail.text, "25295f0d") == NULL);
    }
    CHECK_FAILS(BAD_INPUT, read_text("type: x\n" KEY_1 "\n", &seen, &detail));
    CHECK(strstr(detail.text, "25295f0d") == NULL);
}

static void count_documents(const struct descriptor *descriptor, struct result verdict,
                            const struct detail *detail, void *context)
{
    size_t *count = context;
    (void)descriptor;
    (void)verdict;
    (void)detail;
    (*count)++;
}

TEST(documents_are_bounded_at_the_limit)
{
    BUF text = BUF_INIT(DESCRIPTOR_SIZE_MAX);
    size_t count = 0;
    append_times(&text, "---\ntype: x\n", DESCRIPTOR_DOCUMENTS_MAX);
    CHECK_OK(descriptor_each(text.data, text.size, count_documents, &count, NULL));
    CHECK(count == DESCRIPTOR_DOCUMENTS_MAX);
    append_times(&text, "---\n", 1);
    count = 0;
    CHECK_FAILS(LIMIT, descriptor_each(text.data, text.size, count_documents, &count, NULL));
    CHECK(count == DESCRIPTOR_DOCUMENTS_MAX);
}

TEST(nesting_is_bounded_at_the_limit)
{
    for (size_t depth = DESCRIPTOR_NESTING_MAX; depth <= DESCRIPTOR_NESTING_MAX + 1; depth++) {
        BUF text = BUF_INIT(4096);
        size_t count = 0;
        buf_append_text(&text, "type: x\nother: ");
        append_times(&text, "[", depth);
        append_times(&text, "]", depth);
        struct result result = descriptor_each(text.data, text.size, count_documents, &count, NULL);
        CHECK(result.status == (depth <= DESCRIPTOR_NESTING_MAX ? STATUS_OK : STATUS_LIMIT));
    }
}

TEST(files_are_bounded_at_the_limit)
{
    BUF text = BUF_INIT(DESCRIPTOR_SIZE_MAX + 1);
    size_t count = 0;
    buf_append_text(&text, "type: x\n#");
    while (text.size < DESCRIPTOR_SIZE_MAX) {
        buf_append_text(&text, "#");
    }
    CHECK_OK(descriptor_each(text.data, text.size, count_documents, &count, NULL));
    CHECK(count == 1);
    buf_append_text(&text, "#");
    CHECK_FAILS(LIMIT, descriptor_each(text.data, text.size, count_documents, &count, NULL));
}

/* The digits of a private key, masked for memory_scan(): written nowhere else in this program. */
static const uint8_t masked_digits[64] = {
#define D(c) (uint8_t)((c) ^ MEMORY_SCAN_MASK)
    D('1'), D('7'), D('c'), D('4'), D('e'), D('9'), D('0'), D('b'), D('6'), D('a'), D('8'),
    D('d'), D('3'), D('f'), D('5'), D('2'), D('8'), D('b'), D('e'), D('1'), D('0'), D('7'),
    D('9'), D('d'), D('c'), D('6'), D('4'), D('a'), D('5'), D('f'), D('3'), D('2'), D('e'),
    D('0'), D('7'), D('b'), D('9'), D('4'), D('d'), D('1'), D('a'), D('c'), D('f'), D('8'),
    D('6'), D('2'), D('3'), D('5'), D('b'), D('7'), D('1'), D('0'), D('e'), D('d'), D('4'),
    D('9'), D('c'), D('a'), D('f'), D('6'), D('5'), D('8'), D('3'), D('2'),
};
/* The first of the bytes that they stand for. */
static const uint8_t masked_bytes[16] = {
    D(0x17), D(0xc4), D(0xe9), D(0x0b), D(0x6a), D(0x8d), D(0x3f), D(0x52),
    D(0x8b), D(0xe1), D(0x07), D(0x9d), D(0xc6), D(0x4a), D(0x5f), D(0x32),
};
#undef D

/* A descriptor with that key between the two texts, a space behind every `group` digits, in secret
 * memory. */
static struct secret_block text_with_key(const char *before, const char *after, size_t group)
{
    struct secret_block block = { .data = NULL };
    if (!secret_block_new(strlen(before) + 2 * 64 + strlen(after), &block)) {
        return block;
    }
    char *out = (char *)block.data;
    memcpy(out, before, strlen(before));
    out += strlen(before);
    for (size_t i = 0; i < 64; i++) {
        *out++ = (char)(masked_digits[i] ^ MEMORY_SCAN_MASK);
        if ((i + 1) % group == 0) {
            *out++ = ' ';
        }
    }
    memcpy(out, after, strlen(after));
    block.size = (size_t)(out - (char *)block.data) + strlen(after);
    return block;
}

struct witness {
    size_t copies; /* of the digits, during the visit */
    enum status status;
};

static void look(const struct descriptor *descriptor, struct result verdict,
                 const struct detail *detail, void *context)
{
    struct witness *witness = context;
    (void)descriptor;
    (void)detail;
    witness->status = verdict.status;
    witness->copies = memory_scan(masked_digits, 8);
}

TEST(a_private_key_leaves_no_copy_behind)
{
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind hides ours");
    }
    static const struct {
        const char *before;
        const char *after;
        enum status status;
        size_t group;
    } cases[] = {
        { "type: file-raw\nprivateKey: ", "\n", STATUS_OK, 65 },
        { "type: file-raw\nprivateKey: ", "\n", STATUS_BAD_INPUT, 8 },
        { "type: file-raw\nprivateKey: ", "\n", STATUS_BAD_INPUT, 16 },
        { "type: file-raw\nprivateKey: \"0x", "\"\n", STATUS_OK, 65 },
        { "type: file-raw\nprivateKey: ", "g\n", STATUS_BAD_INPUT, 65 },
        { "type: file-raw\nprivateKey: |\n  ", "\n", STATUS_BAD_INPUT, 65 },
        { "type: file-raw\nprivateKey: \"\\x20", "\"\n", STATUS_BAD_INPUT, 65 },
        { "type: ", "\n", STATUS_BAD_INPUT, 65 },
        { "type: x\nother: [1, ", "]\n", STATUS_BAD_INPUT, 65 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct secret_block block = text_with_key(cases[i].before, cases[i].after, cases[i].group);
        struct witness witness = { 0 };
        CHECK(block.data != NULL);
        CHECK_OK(descriptor_each((const char *)block.data, block.size, look, &witness, NULL));
        CHECK(witness.status == cases[i].status);
        secret_block_free(&block);
        CHECK(witness.copies == 1); /* in the block itself: the search finds what there is */
        CHECK(memory_scan(masked_digits, 8) == 0);
        CHECK(memory_scan(masked_bytes, 16) == 0);
    }
}

HARNESS_TESTS(T(a_private_key_leaves_no_copy_behind), T(a_raw_key_is_read_in_every_usual_spelling),
              T(a_keystore_is_named_as_it_was_written),
              T(documents_are_visited_in_order_and_a_bad_one_stops_nothing),
              T(what_is_wrong_with_a_document_is_said_by_member),
              T(text_that_is_not_yaml_is_refused_with_its_line),
              T(bytes_that_are_no_text_are_refused), T(escapes_that_grow_are_refused),
              T(no_reason_repeats_what_may_be_a_key), T(documents_are_bounded_at_the_limit),
              T(nesting_is_bounded_at_the_limit), T(files_are_bounded_at_the_limit))
