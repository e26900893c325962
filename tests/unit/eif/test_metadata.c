#include "eif/metadata.h"

#include "eif_test.h"
#include "harness.h"

static const struct eif_metadata small = {
    .name = "n",
    .version = "v",
    .build_time = "t",
    .build_tool = "b",
    .build_tool_version = "w",
    .operating_system = "o",
    .kernel_version = "k",
};

static struct result read_text(const char *text, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    struct eif_metadata metadata;
    return eif_metadata_read((const uint8_t *)text, strlen(text), &tree, &metadata, detail);
}

TEST(metadata_is_written_in_one_form)
{
    BUF out = BUF_INIT(EIF_METADATA_MAX);
    CHECK_OK(eif_metadata_write(&small, &out));
    CHECK_TEXT(out.data, test_metadata);
}

TEST(what_was_written_is_read)
{
    static const char custom[] = "{ \"a\": [1, \"\xc3\xa4\"] }";
    struct eif_metadata metadata = small;
    struct eif_metadata read;
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    CLEANUP(json_free_ptr) struct json *added = NULL;
    BUF out = BUF_INIT(EIF_METADATA_MAX);
    CHECK_OK(json_parse(custom, strlen(custom), &added, NULL));
    metadata.custom = added;
    metadata.name = "\"\\ \n\xc3\xa4";
    CHECK_OK(eif_metadata_write(&metadata, &out));
    CHECK(strstr(out.data, "\"CustomMetadata\":{\"a\":[1,\"\\u00E4\"]}}") != NULL);
    CHECK_OK(eif_metadata_read((const uint8_t *)out.data, out.size, &tree, &read, NULL));
    CHECK_TEXT(read.name, metadata.name);
    CHECK_TEXT(read.version, "v");
    CHECK_TEXT(read.build_time, "t");
    CHECK_TEXT(read.build_tool, "b");
    CHECK_TEXT(read.build_tool_version, "w");
    CHECK_TEXT(read.operating_system, "o");
    CHECK_TEXT(read.kernel_version, "k");
    CHECK(json_count(json_member(read.custom, "a")) == 2);
    CHECK(json_kind(read.docker) == JSON_KIND_OBJECT && json_count(read.docker) == 0);
}

static void collect(const char *name, const char *value, void *context)
{
    struct buf *out = context;
    buf_printf(out, "%s=%s ", name, value);
}

TEST(the_builders_texts_are_visited_in_order)
{
    BUF out = BUF_INIT(1000);
    eif_metadata_each_build_text(&small, collect, &out);
    CHECK_TEXT(out.data, "BuildTime=t BuildTool=b BuildToolVersion=w OperatingSystem=o "
                         "KernelVersion=k ");
}

TEST(metadata_without_a_member_is_refused_with_its_name)
{
    static const char *const names[] = {
        "ImageName",        "ImageVersion",    "BuildTime",     "BuildTool",
        "BuildToolVersion", "OperatingSystem", "KernelVersion",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[sizeof(test_metadata)];
        char quoted[64];
        struct detail detail = { "" };
        memcpy(text, test_metadata, sizeof(text));
        snprintf(quoted, sizeof(quoted), "\"%s\"", names[i]);
        char *place = strstr(text, quoted);
        place[1] = '?';
        CHECK_FAILS(BAD_INPUT, read_text(text, &detail));
        CHECK_TEXT(detail.text, names[i]);
        place[1] = names[i][0];
        CHECK_OK(read_text(text, NULL));
        char *value = strchr(place, ':') + 1;
        memcpy(value, "123", 3); /* a number where a text must be */
        CHECK_FAILS(BAD_INPUT, read_text(text, &detail));
        CHECK_TEXT(detail.text, names[i]);
    }
}

TEST(what_is_no_metadata_is_refused)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "null",
        "{}",
        "{",
        "\"ImageName\"",
        "{\"ImageName\":null}",
        "{\"ImageName\":\"n\",\"ImageName\":\"n\"}",
        "{\"ImageName\":\"\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(BAD_INPUT, read_text(wrong[i], NULL));
    }
    CHECK_FAILS(BAD_INPUT, read_text("{\"BuildMetadata\":[]}", NULL));
}

TEST(metadata_is_bounded)
{
    static char text[EIF_METADATA_MAX + 1];
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    struct eif_metadata metadata;
    memset(text, ' ', sizeof(text));
    memcpy(text, test_metadata, sizeof(test_metadata) - 1);
    CHECK_OK(eif_metadata_read((const uint8_t *)text, EIF_METADATA_MAX, &tree, &metadata, NULL));
    struct json *untouched = NULL;
    CHECK_FAILS(LIMIT, eif_metadata_read((const uint8_t *)text, EIF_METADATA_MAX + 1, &untouched,
                                         &metadata, NULL));
    CHECK(untouched == NULL);
    memset(text, 'n', sizeof(text));
    text[EIF_METADATA_MAX] = '\0';
    metadata = small;
    metadata.name = text;
    BUF out = BUF_INIT((size_t)2 * EIF_METADATA_MAX);
    CHECK_FAILS(LIMIT, eif_metadata_write(&metadata, &out));
    CHECK(out.size == 0);
}

HARNESS_TESTS(T(metadata_is_written_in_one_form), T(what_was_written_is_read),
              T(the_builders_texts_are_visited_in_order),
              T(metadata_without_a_member_is_refused_with_its_name),
              T(what_is_no_metadata_is_refused), T(metadata_is_bounded))
