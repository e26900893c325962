#include "eif/rules.h"

#include "eif/signature.h"
#include "eif_test.h"
#include "harness.h"

#define COUNT(items) (sizeof(items) / sizeof((items)[0]))

static const char checksum[] = "the checksum is wrong: the image is damaged or was changed";
static const char count[] = "the header counts other sections than there are";
static const char table[] = "the header's table places sections where they are not";
static const char behind[] = "there are bytes behind the last section";
static const char order[] = "kernel, command line and ramdisks are in another order";
static const char alignment[] = "a bare cpio ramdisk does not begin at a multiple of 4 bytes";
static const char metadata[] = "it has no metadata, or more than once";

/* The rules that a file breaks, one behind the other. */
static const char *broken_in(const struct buf *file)
{
    static char text[1024];
    const char *broken[EIF_RULES_MAX];
    struct eif_image image;
    text[0] = '\0';
    if (!is_ok(eif_read((const uint8_t *)file->data, file->size, &image, NULL))) {
        return "cannot be read";
    }
    size_t broken_count = eif_rules_broken(&image, broken);
    for (size_t i = 0; i < broken_count; i++) {
        size_t size = strlen(text);
        snprintf(text + size, sizeof(text) - size, "%s%s", i == 0 ? "" : "; ", broken[i]);
    }
    return text;
}

static const char *broken_by(const struct eif_image *image)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    return is_ok(eif_write(image, &file)) ? broken_in(&file) : "cannot be written";
}

TEST(a_small_image_breaks_no_rule)
{
    struct eif_image image = test_image();
    CHECK_TEXT(broken_by(&image), "");
    image.flags = EIF_FLAG_ARM64;
    image.memory = 0;
    image.cpus = UINT64_MAX;
    CHECK_OK(eif_add(&image, EIF_SIGNATURE, "s", 1));
    CHECK_TEXT(broken_by(&image), "");
}

/* The checksum is made right again, as whoever changes an image would. */
TEST(each_wrong_field_of_the_header_is_noticed)
{
    static const struct {
        size_t at;
        size_t size;
        uint64_t value;
        const char *broken;
    } cases[] = {
        { EIF_AT_VERSION, 2, 3, "its version is not 4" },
        { EIF_AT_VERSION, 2, 5, "its version is not 4" },
        { EIF_AT_FLAGS, 2, 2, "the header has unknown flags" },
        { EIF_AT_FLAGS, 2, 0x8001, "the header has unknown flags" },
        { EIF_AT_RESERVED, 2, 1, "reserved fields of the header are not zero" },
        { EIF_AT_UNUSED, 4, 1, "reserved fields of the header are not zero" },
        { EIF_AT_COUNT, 2, 0, count },
        { EIF_AT_COUNT, 2, 1, count },
        { EIF_AT_COUNT, 2, 4, count },
        { EIF_AT_COUNT, 2, 6, count },
        { EIF_AT_COUNT, 2, 33, count },
        { EIF_AT_COUNT, 2, 0x105, count },
        { EIF_AT_OFFSETS, 8, 0, table },
        { EIF_AT_OFFSETS, 8, 549, table },
        { EIF_AT_OFFSETS + 8, 8, 548, table }, /* two sections in one place */
        { EIF_AT_OFFSETS + 32, 8, UINT64_MAX, table },
        { EIF_AT_OFFSETS + 40, 8, 1, table }, /* of a section that is not there */
        { EIF_AT_OFFSETS + 248, 8, 1, table },
        { EIF_AT_SIZES, 8, 5, table },
        { EIF_AT_SIZES, 8, 7, table },
        { EIF_AT_SIZES + 32, 8, UINT64_MAX, table },
        { EIF_AT_SIZES + 40, 8, 1, table },
        { EIF_AT_SIZES + 248, 8, 1, table },
        { EIF_HEADER_SIZE + 2, 2, 1, "a section has unknown flags" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct eif_image image = test_image();
        BUF file = BUF_INIT(SMALL_IMAGE_MAX);
        CHECK_OK(eif_write(&image, &file));
        test_put((uint8_t *)file.data + cases[i].at, cases[i].size, cases[i].value);
        CHECK(strncmp(broken_in(&file), checksum, strlen(checksum)) == 0);
        test_fix_crc((uint8_t *)file.data, file.size);
        CHECK_TEXT(broken_in(&file), cases[i].broken);
    }
}

TEST(each_flipped_bit_spoils_the_checksum_or_the_walk)
{
    struct eif_image image = test_image();
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_write(&image, &file));
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        char *byte = &file.data[bit / 8];
        *byte = (char)(*byte ^ 1 << bit % 8);
        CHECK(strcmp(broken_in(&file), "cannot be read") == 0 ||
              strstr(broken_in(&file), checksum) != NULL);
        *byte = (char)(*byte ^ 1 << bit % 8);
    }
    CHECK_TEXT(broken_in(&file), "");
}

TEST(bytes_behind_the_last_section_are_noticed)
{
    for (size_t more = 1; more < EIF_SECTION_HEADER_SIZE; more++) {
        static const char zeros[EIF_SECTION_HEADER_SIZE];
        struct eif_image image = test_image();
        BUF file = BUF_INIT(SMALL_IMAGE_MAX);
        CHECK_OK(eif_write(&image, &file));
        buf_append(&file, zeros, more);
        CHECK_TEXT(broken_in(&file), behind);
    }
}

/* A section that the header does not know of: a loader would not see it, a reader would. */
TEST(a_section_behind_those_of_the_table_is_noticed)
{
    static const uint8_t ramdisk[] = { 0, EIF_RAMDISK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x' };
    struct eif_image image = test_image();
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_write(&image, &file));
    buf_append(&file, ramdisk, sizeof(ramdisk));
    test_fix_crc((uint8_t *)file.data, file.size);
    CHECK(strstr(broken_in(&file), count) != NULL && strstr(broken_in(&file), table) != NULL);
}

#define SECTION(name, text)                                                            \
    {                                                                                  \
        .type = EIF_##name, .bytes = (const uint8_t *)(text), .size = sizeof(text) - 1 \
    }

static const struct {
    struct eif_section sections[6];
    size_t count;
    const char *broken;
} line_ups[] = {
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, ""), SECTION(METADATA, "m") }, 3, "" },
    { { SECTION(METADATA, "m"), SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"),
        SECTION(RAMDISK, "r") },
      4,
      "" },
    { { SECTION(CMDLINE, "c"), SECTION(METADATA, "m"), SECTION(RAMDISK, "r") },
      3,
      "it has no kernel, or more than one" },
    { { SECTION(KERNEL, "k"), SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m") },
      4,
      "it has no kernel, or more than one" },
    { { SECTION(KERNEL, "k"), SECTION(METADATA, "m"), SECTION(RAMDISK, "r") },
      3,
      "it has no command line, or more than one" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(CMDLINE, "c"),
        SECTION(METADATA, "m") },
      4,
      "it has no command line, or more than one" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(RAMDISK, "r") }, 3, metadata },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(METADATA, "m") },
      4,
      metadata },
    { { SECTION(CMDLINE, "c"), SECTION(KERNEL, "k"), SECTION(METADATA, "m") }, 3, order },
    { { SECTION(RAMDISK, "r"), SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"),
        SECTION(METADATA, "m") },
      4,
      order },
    { { SECTION(KERNEL, "k"), SECTION(RAMDISK, "r"), SECTION(CMDLINE, "c"),
        SECTION(METADATA, "m") },
      4,
      order },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(SIGNATURE, "s"),
        SECTION(METADATA, "m") },
      4,
      "the signature is not the last section" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(SIGNATURE, "s"), SECTION(SIGNATURE, "s") },
      5,
      "the signature is not the last section" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c\0"), SECTION(METADATA, "m") },
      3,
      "there is a NUL in the command line" },
    { { SECTION(KERNEL, ""), SECTION(CMDLINE, "c"), SECTION(METADATA, "m") },
      3,
      "a section is empty" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"), SECTION(RAMDISK, "") },
      4,
      "a section is empty" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(RAMDISK, "12345678"), SECTION(RAMDISK, "070701") },
      5,
      "" },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(RAMDISK, "123456789"), SECTION(RAMDISK, "070701") },
      5,
      alignment },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(RAMDISK, "123456"), SECTION(RAMDISK, "070701") },
      5,
      alignment },
    { { SECTION(KERNEL, "k"), SECTION(CMDLINE, "c"), SECTION(METADATA, "m"),
        SECTION(RAMDISK, "123456"), SECTION(RAMDISK, "12"), SECTION(RAMDISK, "070701") },
      6,
      "" },
};

TEST(sections_are_there_as_often_as_they_must_and_in_their_order)
{
    for (size_t i = 0; i < COUNT(line_ups); i++) {
        struct eif_image image = eif_new(0);
        memcpy(image.sections, line_ups[i].sections, sizeof(line_ups[i].sections));
        image.section_count = line_ups[i].count;
        CHECK_TEXT(broken_by(&image), line_ups[i].broken);
    }
}

TEST(an_image_of_one_section_or_none_is_noticed)
{
    struct eif_image image = eif_new(0);
    CHECK(strstr(broken_by(&image), "it has fewer than 2 sections") != NULL);
    CHECK_OK(eif_add(&image, EIF_KERNEL, "k", 1));
    CHECK(strstr(broken_by(&image), "it has fewer than 2 sections") != NULL);
    CHECK_OK(eif_add(&image, EIF_CMDLINE, "c", 1));
    CHECK(strstr(broken_by(&image), "it has fewer than 2 sections") == NULL);
}

/* Images of version 3 had no metadata. */
TEST(an_older_image_needs_no_metadata)
{
    struct eif_image image = eif_new(0);
    image.version = 3;
    CHECK_OK(eif_add(&image, EIF_KERNEL, "k", 1));
    CHECK_OK(eif_add(&image, EIF_CMDLINE, "c", 1));
    CHECK_TEXT(broken_by(&image), "its version is not 4");
}

TEST(command_line_and_signature_have_their_bounds)
{
    static char bytes[EIF_SIGNATURE_MAX + 1];
    memset(bytes, 'c', sizeof(bytes));
    struct eif_image image = test_image();
    image.sections[1].bytes = (const uint8_t *)bytes;
    image.sections[1].size = EIF_CMDLINE_MAX;
    CHECK_TEXT(broken_by(&image), "");
    image.sections[1].size = EIF_CMDLINE_MAX + 1;
    CHECK_TEXT(broken_by(&image), "the command line is longer than 4095 bytes");
    image = test_image();
    CHECK_OK(eif_add(&image, EIF_SIGNATURE, bytes, EIF_SIGNATURE_MAX));
    CHECK_TEXT(broken_by(&image), "");
    image.sections[5].size++;
    CHECK_TEXT(broken_by(&image), "the signature section is larger than 32 KiB");
}

HARNESS_TESTS(T(a_small_image_breaks_no_rule), T(each_wrong_field_of_the_header_is_noticed),
              T(each_flipped_bit_spoils_the_checksum_or_the_walk),
              T(bytes_behind_the_last_section_are_noticed),
              T(a_section_behind_those_of_the_table_is_noticed),
              T(sections_are_there_as_often_as_they_must_and_in_their_order),
              T(an_image_of_one_section_or_none_is_noticed), T(an_older_image_needs_no_metadata),
              T(command_line_and_signature_have_their_bounds))
