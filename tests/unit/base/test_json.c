#include "base/json.h"
#include "base/random.h"
#include "base/thread.h"
#include "child.h"
#include "harness.h"

#include <malloc.h>
#include <stdlib.h>

/* The linker sends the base layer's malloc and free here (--wrap in meson.build). */
void *__real_malloc(size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void __wrap_free(void *block);

static _Thread_local size_t live;
static _Thread_local size_t peak;
static bool refuse_memory;
static _Thread_local const char *volatile marker; /* must be in no block that is freed */
static _Thread_local bool marker_seen;

void *__wrap_malloc(size_t size)
{
    void *block = refuse_memory ? NULL : __real_malloc(size);
    if (block != NULL) {
        live += malloc_usable_size(block);
        peak = live > peak ? live : peak;
        if (marker != NULL) { /* what is searched later must hold something, also for valgrind */
            memset(block, 0x5a, malloc_usable_size(block));
        }
    }
    return block;
}

void __wrap_free(void *block)
{
    if (block != NULL) {
        size_t size = malloc_usable_size(block);
        live -= size;
        marker_seen =
            marker_seen || (marker != NULL && memmem(block, size, marker, strlen(marker)) != NULL);
    }
    __real_free(block);
}

/* Parses from a block of exactly this size, so that a byte read behind it is found. */
static struct result parse(const char *text, size_t size, struct json **out, struct detail *detail)
{
    CLEANUP(free_ptr) char *exact = malloc(size == 0 ? 1 : size);
    memcpy(exact, text, size);
    return json_parse(exact, size, out, detail);
}

struct sized {
    const char *text;
    size_t size;
};
#define SIZED(literal)                 \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static bool all_refused(const struct sized *texts, size_t count)
{
    bool refused = true;
    for (size_t i = 0; i < count; i++) {
        CLEANUP(json_free_ptr) struct json *tree = NULL;
        struct detail detail = { "" };
        struct result parsed = parse(texts[i].text, texts[i].size, &tree, &detail);
        if (parsed.status != STATUS_BAD_INPUT || tree != NULL || detail.text[0] == '\0') {
            printf("# not refused: %s\n", texts[i].text);
            refused = false;
        }
    }
    return refused;
}
#define CHECK_ALL_REFUSED(texts) CHECK(all_refused(texts, sizeof(texts) / sizeof((texts)[0])))

TEST(refuses_what_is_not_json)
{
    static const struct sized texts[] = {
        SIZED(""),          SIZED(" "),       SIZED("{"),          SIZED("["),
        SIZED("]"),         SIZED("[1,]"),    SIZED("[,1]"),       SIZED("[1 2]"),
        SIZED("{,}"),       SIZED("{\"a\"}"), SIZED("{\"a\":}"),   SIZED("{a:1}"),
        SIZED("{1:1}"),     SIZED("nul"),     SIZED("True"),       SIZED("01"),
        SIZED("1."),        SIZED("+1"),      SIZED(".5"),         SIZED("1e"),
        SIZED("--1"),       SIZED("0x10"),    SIZED("NaN"),        SIZED("'a'"),
        SIZED("\"a"),       SIZED("\"\\x\""), SIZED("\"\\u12\""),  SIZED("\"\t\""),
        SIZED("\"\n\""),    SIZED("/**/1"),   SIZED("{\"a\":1,}"), SIZED("Infinity"),
        SIZED("{\"a\" 1}"), SIZED("[1}"),     SIZED("{]"),         SIZED("\xEF\xBB\xBF{}"),
    };
    CHECK_ALL_REFUSED(texts);
}

TEST(refuses_anything_behind_the_value)
{
    static const struct sized texts[] = { SIZED("1 1"),   SIZED("{} {}"),     SIZED("[]]"),
                                          SIZED("{},"),   SIZED("{}\0"),      SIZED("1\0"),
                                          SIZED("[1\0]"), SIZED("[true\0,1]") };
    CHECK_ALL_REFUSED(texts);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(json_parse(" {} \r\n\t", 7, &tree, NULL));
}

TEST(refuses_two_members_with_the_same_name)
{
    static const struct sized texts[] = {
        SIZED("{\"a\":1,\"a\":1}"),
        SIZED("{\"a\":1,\"\\u0061\":2}"),
        SIZED("[{\"b\":{\"slot\":\"1\",\"x\":0,\"slot\":\"2\"}}]"),
        SIZED("{\"\":1,\"\":2}"),
    };
    CHECK_ALL_REFUSED(texts);
}

TEST(refuses_bytes_that_are_not_utf8)
{
    static const struct sized texts[] = {
        SIZED("\"\xff\""),         SIZED("\"\x80\""),           SIZED("\"\xc0\xaf\""),
        SIZED("\"\xe0\x80\xaf\""), SIZED("\"\xed\xa0\x80\""),   SIZED("\"\xf4\x90\x80\x80\""),
        SIZED("\"\xe2\x82\""),     SIZED("\"\xf0\x9f\x92"),     SIZED("{\"\xff\":1}"),
        SIZED("\"\\ud800\""),      SIZED("\"\\udc00\\ud800\""),
    };
    CHECK_ALL_REFUSED(texts);
}

TEST(refuses_nul_in_texts_and_names)
{
    static const struct sized texts[] = { SIZED("\"a\\u0000b\""), SIZED("\"a\0b\""),
                                          SIZED("{\"a\\u0000\":1}"), SIZED("[\0]") };
    CHECK_ALL_REFUSED(texts);
}

/* '[' times `depth`, then ']' as often, and so much space that the tree is not too large for it. */
static struct result parse_nested(size_t depth)
{
    CLEANUP(free_ptr) char *text = malloc(16 * depth);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    memset(text, ' ', 16 * depth);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return json_parse(text, 16 * depth, &tree, NULL);
}

TEST(nests_2048_deep_and_no_deeper)
{
    CHECK_OK(parse_nested(2048));
    CHECK_FAILS(BAD_INPUT, parse_nested(2049));
    CHECK_FAILS(BAD_INPUT, parse_nested(20000));
}

TEST(integers_are_those_of_int64)
{
    static const struct sized outside[] = { SIZED("9223372036854775808"),
                                            SIZED("-9223372036854775809"),
                                            SIZED("99999999999999999999999"), SIZED("1e400") };
    CHECK_ALL_REFUSED(outside);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(
        json_parse("[9223372036854775807,-9223372036854775808,0,-1,1.0,1e2]", 55, &tree, NULL));
    static const int64_t wanted[] = { INT64_MAX, INT64_MIN, 0, -1 };
    for (size_t i = 0; i < 4; i++) {
        int64_t value = 99;
        CHECK(json_as_integer(json_item(tree, i), &value));
        CHECK(value == wanted[i]);
    }
    int64_t untouched = 99;
    CHECK(!json_as_integer(json_item(tree, 4), &untouched) && untouched == 99);
    CHECK(json_kind(json_item(tree, 5)) == JSON_KIND_REAL);
}

TEST(reads_exactly_the_size_it_is_given)
{
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(json_parse("12345", 2, &tree, NULL));
    int64_t value = 0;
    CHECK(json_as_integer(tree, &value) && value == 12);
    CHECK_FAILS(LIMIT, json_parse("12", (size_t)INT32_MAX + 1, &tree, NULL));
    CHECK_FAILS(BAD_INPUT, parse("\"12345\"", 6, &tree, NULL));
}

TEST(tells_the_place_and_the_reason)
{
    static const struct {
        struct sized input;
        const char *detail;
    } cases[] = {
        { SIZED("{\"a\" 1}"), "byte 6 (syntax error)" },
        { SIZED("{\"a\":1"), "byte 6 (ends too early)" },
        { SIZED("{} 1"), "byte 4 (something follows the value)" },
        { SIZED("[1,\"\xff\"]"), "byte 4 (not UTF-8)" },
        { SIZED("[1,\"\\u0000\"]"), "byte 11 (U+0000 in a string)" },
        { SIZED("{\"\\u0000\":1}"), "byte 9 (U+0000 in a name)" },
        { SIZED("{\"a\":1,\"a\":1}"), "byte 10 (two members have the same name)" },
        { SIZED("[9223372036854775808]"), "byte 20 (number out of range)" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *tree = NULL;
        struct detail detail = { "" };
        CHECK_FAILS(BAD_INPUT, parse(cases[i].input.text, cases[i].input.size, &tree, &detail));
        CHECK_TEXT(detail.text, cases[i].detail);
    }
}

/* A request with a password in it, spoiled at every place in several ways. */
TEST(a_detail_never_quotes_the_text)
{
    static const char request[] = "{\"passwords\":[\"hunter2\"],\"hunter2\":\"hunter2\"}";
    static const char spoilers[] = { '"', '{', '}', '[', ']', ',', ':', '\\', '\xff', 'z', '\n' };
    for (size_t at = 0; at < sizeof(request) - 1; at++) {
        for (size_t i = 0; i < sizeof(spoilers); i++) {
            char text[sizeof(request)];
            memcpy(text, request, sizeof(request));
            text[at] = spoilers[i];
            CLEANUP(json_free_ptr) struct json *tree = NULL;
            struct detail detail = { "" };
            struct result parsed = json_parse(text, sizeof(request) - 1, &tree, &detail);
            CHECK(is_ok(parsed) || strstr(detail.text, "byte ") == detail.text);
            CHECK(strstr(detail.text, "unt") == NULL && strstr(detail.text, "ter2") == NULL);
        }
    }
}

/* "[[],[],…,"AAA…"]" */
static struct result parse_bomb(size_t pairs, size_t letters, size_t *letters_out)
{
    size_t size = 1 + 3 * pairs + 1 + letters + 2;
    CLEANUP(free_ptr) char *text = malloc(size);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    char *next = text;
    *next++ = '[';
    for (size_t i = 0; i < pairs; i++) {
        next = mempcpy(next, "[],", 3);
    }
    *next++ = '"';
    memset(next, 'A', letters);
    memcpy(next + letters, "\"]", 2);
    TRY(json_parse(text, size, &tree, NULL));
    if (json_as_text(json_item(tree, pairs), letters_out) == NULL) {
        *letters_out = SIZE_MAX;
    }
    return OK;
}

TEST(a_tree_is_bounded_by_its_texts_size)
{
    size_t letters = 0;
    CHECK_FAILS(LIMIT, parse_bomb(50 * 1000, 0, &letters));
    for (size_t pairs = 10; pairs < 100 * 1000; pairs *= 3) {
        live = 0;
        peak = 0;
        struct result parsed = parse_bomb(pairs, 0, &letters);
        CHECK(is_ok(parsed) || parsed.status == STATUS_LIMIT);
        size_t text = 3 * pairs + 4;
        size_t bound =
            JSON_TREE_FACTOR * text > JSON_TREE_MIN ? JSON_TREE_FACTOR * text : JSON_TREE_MIN;
        CHECK(peak < bound + bound / 4 + text + 16 * 1024);
        CHECK(live == 0);
    }
}

/* The budget runs out at every possible place of a long string: a shortened text must not pass for
 * the whole, and nothing may be written where it should not. */
TEST(a_budget_that_ends_inside_a_string_ends_the_parsing)
{
    size_t refused = 0;
    for (size_t pairs = 512; pairs < 3000; pairs += 97) {
        for (size_t letters = 1000; letters < 16000; letters += 1021) {
            size_t got = 0;
            struct result parsed = parse_bomb(pairs, letters, &got);
            CHECK(is_ok(parsed) ? got == letters : parsed.status == STATUS_LIMIT);
            refused += !is_ok(parsed);
        }
    }
    CHECK(refused > 20);
}

TEST(ordinary_lists_fit_into_their_bound)
{
    static const char entry[] =
        "{\"signing_root\":\"0x4ff6f743a43f3b4f95350831aeaf0a122a1a392922c45d804280284a69eb850b\","
        "\"source_epoch\":\"2290\",\"target_epoch\":\"3007\"},";
    enum { COUNT = 1000 };
    size_t size = COUNT * (sizeof(entry) - 1) + 3;
    CLEANUP(free_ptr) char *text = malloc(size);
    char *next = text;
    *next++ = '[';
    for (size_t i = 0; i < COUNT; i++) {
        next = mempcpy(next, entry, sizeof(entry) - 1);
    }
    memcpy(next, "1]", 2);
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(json_parse(text, size, &tree, NULL));
    CHECK(json_count(tree) == COUNT + 1);
}

TEST(freed_memory_was_wiped)
{
    char secret[] = "....................................";
    static const char half[] = "{\"password\":[\"";
    char text[sizeof(half) + sizeof(secret) + 2];
    random_bytes(secret, 16);
    for (size_t i = 0; i < 16; i++) {
        secret[i] = (char)('a' + (secret[i] & 15)); /* so that it stands nowhere else in memory */
    }
    int size = snprintf(text, sizeof(text), "%s%s\"]}", half, secret);
    CHECK(size > 0);
    marker_seen = false;
    marker = secret;
    struct json *tree = NULL;
    struct result parsed = json_parse(text, (size_t)size, &tree, NULL);
    bool found =
        is_ok(parsed) &&
        strcmp(json_as_text(json_item(json_member(tree, "password"), 0), NULL), secret) == 0;
    json_free(tree);
    /* and after a failure */
    struct result cut = json_parse(text, (size_t)size - 1, &tree, NULL);
    marker = NULL;
    CHECK(found);
    CHECK(cut.status == STATUS_BAD_INPUT);
    CHECK(!marker_seen);
    char *proof = malloc(64); /* that the test would see it */
    memcpy(proof, secret, sizeof(secret));
    __asm__ __volatile__("" : : "r"(proof) : "memory"); /* the copy must not be optimised away */
    marker = secret;
    free(proof);
    marker = NULL;
    CHECK(marker_seen);
}

static void parse_without_memory(void *unused)
{
    (void)unused;
    struct json *tree = NULL;
    static char text[32 * 1024]; /* more than what a thread keeps of the tree before */
    memset(text, ' ', sizeof(text));
    for (size_t i = 0; i < sizeof(text); i += 2) {
        text[i] = i == 0 ? '[' : ',';
        text[i + 1] = '1';
    }
    text[sizeof(text) - 1] = ']';
    text[sizeof(text) - 2] = ' ';
    refuse_memory = true;
    (void)!is_ok(json_parse(text, sizeof(text), &tree, NULL));
}

TEST(aborts_when_the_system_has_no_memory)
{
    CHECK(child_signal(parse_without_memory, NULL) == SIGABRT);
}

TEST(accessors_answer_nothing_for_other_kinds)
{
    static const char text[] =
        "{\"n\":null,\"b\":true,\"i\":1,\"r\":1.5,\"s\":\"x\",\"a\":[0],\"o\":{\"k\":0}}";
    static const enum json_kind kinds[] = { JSON_KIND_NULL,  JSON_KIND_BOOLEAN, JSON_KIND_INTEGER,
                                            JSON_KIND_REAL,  JSON_KIND_STRING,  JSON_KIND_ARRAY,
                                            JSON_KIND_OBJECT };
    static const char names[][2] = { "n", "b", "i", "r", "s", "a", "o" };
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(json_parse(text, sizeof(text) - 1, &tree, NULL));
    CHECK(json_count(tree) == 7);
    for (size_t i = 0; i < 8; i++) {
        const struct json *value = i == 7 ? NULL : json_member(tree, names[i]);
        enum json_kind kind = i == 7 ? JSON_KIND_NULL : kinds[i];
        int64_t integer = 5;
        bool boolean = false;
        size_t size = 5;
        CHECK(json_kind(value) == kind);
        CHECK((json_as_text(value, &size) != NULL) == (kind == JSON_KIND_STRING));
        CHECK(size == (kind == JSON_KIND_STRING ? 1 : 5));
        CHECK(json_as_boolean(value, &boolean) == (kind == JSON_KIND_BOOLEAN));
        CHECK(boolean == (kind == JSON_KIND_BOOLEAN));
        CHECK(json_as_integer(value, &integer) == (kind == JSON_KIND_INTEGER));
        CHECK(integer == (kind == JSON_KIND_INTEGER ? 1 : 5));
        CHECK((json_item(value, 0) != NULL) == (kind == JSON_KIND_ARRAY));
        CHECK((json_member(value, "k") != NULL) == (kind == JSON_KIND_OBJECT));
        CHECK(json_count(value) == (kind == JSON_KIND_ARRAY || kind == JSON_KIND_OBJECT));
    }
    CHECK(json_item(json_member(tree, "a"), 1) == NULL);
    CHECK(json_member(tree, "missing") == NULL);
}

struct visits {
    size_t seen;
    size_t stop_at;
};

static struct result visit_member(const char *name, const struct json *value, void *context)
{
    struct visits *visits = context;
    int64_t number = -1;
    ENSURE(json_as_integer(value, &number), BAD_INPUT, "not a number");
    ENSURE(name[0] == 'a' + (char)number, BAD_INPUT, "name and value do not belong together");
    ENSURE(++visits->seen != visits->stop_at, REFUSED, "stop here");
    return OK;
}

TEST(each_visits_all_members_until_one_fails)
{
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CHECK_OK(json_parse("{\"a\":0,\"b\":1,\"c\":2}", 19, &tree, NULL));
    struct visits all = { .stop_at = 99 };
    CHECK_OK(json_each(tree, visit_member, &all));
    CHECK(all.seen == 3);
    struct visits some = { .stop_at = 2 };
    CHECK_FAILS(REFUSED, json_each(tree, visit_member, &some));
    CHECK(some.seen == 2);
    struct visits none = { .stop_at = 1 };
    CHECK_OK(json_each(NULL, visit_member, &none));
    CHECK_OK(json_each(json_member(tree, "a"), visit_member, &none));
}

/* Walks a text: every array by its elements, every other member as a value. Gives the number of
 * values. */
static struct result walk_array(struct json_stream *stream, size_t *values, struct detail *detail)
{
    TRY(json_stream_array(stream, detail));
    for (;;) {
        bool end = false;
        TRY(json_stream_element(stream, &end, detail));
        if (end) {
            return OK;
        }
        CLEANUP(json_free_ptr) struct json *value = NULL;
        TRY(json_stream_value(stream, &value, detail));
        ++*values;
    }
}

static struct result walk(const char *text, size_t size, size_t *values, struct detail *detail)
{
    CLEANUP(free_ptr) char *exact = malloc(size == 0 ? 1 : size);
    memcpy(exact, text, size);
    struct json_stream stream;
    TRY(json_stream_open(exact, size, &stream, detail));
    for (;;) {
        char name[8];
        bool end = false;
        TRY(json_stream_member(&stream, name, sizeof(name), &end, detail));
        if (end) {
            return OK;
        }
        if (strcmp(name, "array") == 0) {
            TRY(walk_array(&stream, values, detail));
            continue;
        }
        CLEANUP(json_free_ptr) struct json *value = NULL;
        TRY(json_stream_value(&stream, &value, detail));
        ++*values;
    }
}

TEST(a_stream_reads_what_is_json)
{
    static const struct {
        const char *text;
        size_t values;
    } cases[] = {
        { "{}", 0 },
        { " { \t} \r\n", 0 },
        { "{\"a\":1}", 1 },
        { "{\"a\":12,\"b\":-3.5,\"c\":true,\"d\":null,\"e\":\"x\"}", 5 },
        { "{\"array\":[]}", 0 },
        { "{\"array\":[],\"a\":1}", 1 },
        { "{ \"a\" : { \"b\" : [ 1 , 2 ] } , \"array\" : [ 1 , [ ] , { } , \"]\" ] , \"c\" : 1 } ",
          6 },
        { "{\"array\":[1,22,333],\"a\":4}", 4 },
        { "{\"\\u0061rray\":[1,2]}", 2 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t values = 0;
        CHECK_OK(walk(cases[i].text, strlen(cases[i].text), &values, NULL));
        CHECK(values == cases[i].values);
    }
}

TEST(a_stream_refuses_every_misplaced_sign)
{
    static const char *const texts[] = {
        "",
        " ",
        "[]",
        "1",
        "{",
        "}",
        "{}}",
        "{} x",
        "{},",
        "{,}",
        "{,\"a\":1}",
        "{\"a\":1,}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":",
        "{\"a\"",
        "{\"a",
        "{1:1}",
        "{a:1}",
        "{null:1}",
        "{[]:1}",
        "{\"a\":1]",
        "{\"a\":nul}",
        "{\"a\":01}",
        "{\"array\":",
        "{\"array\":{}}",
        "{\"array\":1}",
        "{\"array\":[",
        "{\"array\":[1",
        "{\"array\":[1,",
        "{\"array\":[1}",
        "{\"array\":[,1]}",
        "{\"array\":[1,]}",
        "{\"array\":[1,,2]}",
        "{\"array\":[1 2]}",
        "{\"array\":[1]]}",
        "{\"array\":[1],}",
        "{\"array\":[1] \"a\":1}",
        "{\"array\":[],,\"a\":1}",
        "{\"array\":[1]",
        "{\"a\":{\"b\":1,\"b\":2}}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t values = 0;
        struct detail detail = { "" };
        struct result walked = walk(texts[i], strlen(texts[i]), &values, &detail);
        if (walked.status != STATUS_BAD_INPUT || strncmp(detail.text, "byte ", 5) != 0) {
            printf("# %s gave \"%s\", detail \"%s\"\n", texts[i], walked.what, detail.text);
        }
        CHECK(walked.status == STATUS_BAD_INPUT);
        CHECK(strncmp(detail.text, "byte ", 5) == 0);
    }
}

TEST(a_stream_tells_the_place_in_the_whole_text)
{
    struct detail detail = { "" };
    size_t values = 0;
    CHECK_FAILS(BAD_INPUT, walk("{\"a\":1,\"array\":[1,tru]}", 23, &values, &detail));
    CHECK_TEXT(detail.text, "byte 21 (syntax error)");
    CHECK_FAILS(BAD_INPUT, walk("{\"a\":1;", 7, &values, &detail));
    CHECK_TEXT(detail.text, "byte 6 (',' expected)");
}

TEST(a_stream_cuts_long_names_and_shows_repeated_ones)
{
    static const char text[] = "{\"abcdefgh\":1,\"abc\":2,\"abc\":3}";
    static const char *const wanted[] = { "abc", "abc", "abc" };
    struct json_stream stream;
    CHECK_OK(json_stream_open(text, sizeof(text) - 1, &stream, NULL));
    for (size_t i = 0; i < 3; i++) {
        char name[4];
        bool end = true;
        CHECK_OK(json_stream_member(&stream, name, sizeof(name), &end, NULL));
        CHECK(!end);
        CHECK_TEXT(name, wanted[i]);
        CLEANUP(json_free_ptr) struct json *value = NULL;
        CHECK_OK(json_stream_value(&stream, &value, NULL));
        int64_t number = 0;
        CHECK(json_as_integer(value, &number) && number == (int64_t)i + 1);
    }
}

static void *parse_often(void *context)
{
    size_t *wrong = context;
    for (size_t i = 0; i < 20; i++) {
        size_t letters = 0;
        *wrong += parse_bomb(5000, 10, &letters).status != STATUS_LIMIT;
        *wrong += !is_ok(parse_bomb(50, 1000, &letters)) || letters != 1000;
    }
    return NULL;
}

TEST(budgets_of_threads_are_apart)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    size_t wrong[THREADS] = { 0 };
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_OK(thread_start(&threads[i], "parser", parse_often, &wrong[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(wrong[i] == 0);
    }
}

/* What json_dump() makes of a text, in at most `max` bytes. */
static const char *dumped(const char *text, size_t max)
{
    static char kept[200];
    CLEANUP(json_free_ptr) struct json *value = NULL;
    BUF out = BUF_INIT(max);
    if (!is_ok(json_parse(text, strlen(text), &value, NULL)) || !is_ok(json_dump(value, &out))) {
        return "";
    }
    snprintf(kept, sizeof(kept), "%s", out.data);
    return kept;
}

TEST(a_value_is_written_in_one_form)
{
    static const char text[] =
        " { \"b\" : [ 1 , null,true, 2.5 ] ,\n\"a\":\"\\u001b[1m\xc2\x9b\xc3\xa4\\\"\" } ";
    static const char wanted[] = "{\"b\":[1,null,true,2.5],\"a\":\"\\u001B[1m\\u009B\\u00E4\\\"\"}";
    CHECK_TEXT(dumped(text, 200), wanted);
    CHECK_TEXT(dumped(wanted, sizeof(wanted) - 1), wanted);
    CHECK_TEXT(dumped(wanted, sizeof(wanted) - 2), "");
    CHECK_TEXT(dumped("\"x\"", 10), "\"x\"");
}

HARNESS_TESTS(T(a_value_is_written_in_one_form), T(refuses_what_is_not_json),
              T(refuses_anything_behind_the_value), T(refuses_two_members_with_the_same_name),
              T(refuses_bytes_that_are_not_utf8), T(refuses_nul_in_texts_and_names),
              T(nests_2048_deep_and_no_deeper), T(integers_are_those_of_int64),
              T(reads_exactly_the_size_it_is_given), T(tells_the_place_and_the_reason),
              T(a_detail_never_quotes_the_text), T(a_tree_is_bounded_by_its_texts_size),
              T(a_budget_that_ends_inside_a_string_ends_the_parsing),
              T(ordinary_lists_fit_into_their_bound), T(freed_memory_was_wiped),
              T(aborts_when_the_system_has_no_memory), T(accessors_answer_nothing_for_other_kinds),
              T(each_visits_all_members_until_one_fails), T(a_stream_reads_what_is_json),
              T(a_stream_refuses_every_misplaced_sign),
              T(a_stream_tells_the_place_in_the_whole_text),
              T(a_stream_cuts_long_names_and_shows_repeated_ones), T(budgets_of_threads_are_apart))
