#include "eif/image.h"

#include "eif_test.h"
#include "harness.h"

#define COUNT(items) (sizeof(items) / sizeof((items)[0]))

/* The file of the image that the tests begin with. */
static struct result write_small(struct buf *out)
{
    struct eif_image image = test_image();
    return eif_write(&image, out);
}

static bool holds(const struct eif_section *section, const char *wanted)
{
    return section != NULL && section->size == strlen(wanted) &&
           memcmp(section->bytes, wanted, section->size) == 0;
}

TEST(a_small_image_is_these_bytes)
{
    static const uint8_t header[] = {
        '.', 'e', 'i', 'f', 0, 4, 0, 1, 0, 0, 0, 0, 0x40, 0,    0, 0, 0, 0, 0, 0, 0, 0,
        0,   2,   0,   0,   0, 2, 0, 0, 0, 0, 0, 0, 2,    0x24, 0, 0, 0, 0, 0, 0, 2, 0x31,
    };
    static const uint8_t sections[] = {
        0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'k', 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 'c', 'd',
    };
    /* Counted by Python's zlib.crc32() over the same bytes. */
    static const uint8_t checksum[] = { 0x69, 0x8c, 0x58, 0x0c };
    struct eif_image image = eif_new(EIF_FLAG_ARM64);
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_add(&image, EIF_KERNEL, "k", 1));
    CHECK_OK(eif_add(&image, EIF_CMDLINE, "cd", 2));
    CHECK_OK(eif_write(&image, &out));
    const uint8_t *file = (const uint8_t *)out.data;
    CHECK(out.size == EIF_HEADER_SIZE + sizeof(sections));
    CHECK(memcmp(file, header, sizeof(header)) == 0);
    for (size_t i = sizeof(header); i < EIF_AT_CRC; i++) {
        uint8_t byte = i == EIF_AT_SIZES + 7 ? 1 : i == EIF_AT_SIZES + 15 ? 2 : 0;
        CHECK(file[i] == byte);
    }
    CHECK(memcmp(file + EIF_AT_CRC, checksum, sizeof(checksum)) == 0);
    CHECK(memcmp(file + EIF_HEADER_SIZE, sections, sizeof(sections)) == 0);
}

TEST(what_was_written_is_read)
{
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image;
    CHECK_OK(write_small(&out));
    CHECK_OK(eif_read((const uint8_t *)out.data, out.size, &image, NULL));
    CHECK(image.version == 4 && image.flags == 0 && image.memory == 0x40000000 && image.cpus == 2);
    CHECK(image.section_count == 5 && image.end == out.size && image.file_size == out.size);
    CHECK(holds(eif_find(&image, EIF_KERNEL, 0), "kernel"));
    CHECK(holds(eif_find(&image, EIF_CMDLINE, 0), "console=ttyS0"));
    CHECK(holds(eif_find(&image, EIF_METADATA, 0), test_metadata));
    CHECK(holds(eif_find(&image, EIF_RAMDISK, 0), "first ramdisk"));
    CHECK(holds(eif_find(&image, EIF_RAMDISK, 1), "second"));
    CHECK(eif_find(&image, EIF_RAMDISK, 2) == NULL);
    CHECK(eif_find(&image, EIF_SIGNATURE, 0) == NULL);
    CHECK(eif_stated_crc(&image) == eif_actual_crc(&image));
    BUF again = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_write(&image, &again));
    CHECK(again.size == out.size && memcmp(again.data, out.data, out.size) == 0);
}

/* An image that ends between two sections is a shorter image, with a wrong checksum. Each other cut
 * is refused. */
TEST(an_image_cut_short_is_refused_or_has_another_checksum)
{
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(write_small(&out));
    for (size_t size = 0; size < out.size; size++) {
        CLEANUP(free_ptr) uint8_t *cut = calloc(1, size > 0 ? size : 1); /* of exactly its size */
        CHECK(cut != NULL);
        memcpy(cut, out.data, size);
        struct eif_image image;
        struct result read = eif_read(cut, size, &image, NULL);
        if (is_ok(read)) {
            CHECK(size >= EIF_HEADER_SIZE && size - image.end < EIF_SECTION_HEADER_SIZE);
            CHECK(eif_stated_crc(&image) != eif_actual_crc(&image));
            CHECK(image.section_count < 5);
        } else {
            CHECK(read.status == STATUS_BAD_INPUT);
        }
    }
}

TEST(what_is_no_image_is_refused)
{
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image;
    struct detail detail = { "" };
    CHECK_OK(write_small(&out));
    uint8_t *file = (uint8_t *)out.data;
    CHECK_FAILS(BAD_INPUT, eif_read(NULL, 0, &image, NULL));
    CHECK_FAILS(BAD_INPUT, eif_read(file, EIF_HEADER_SIZE - 1, &image, &detail));
    CHECK_TEXT(detail.text, "547 bytes");
    for (size_t i = 0; i < 4; i++) {
        file[i] ^= 1;
        CHECK_FAILS(BAD_INPUT, eif_read(file, out.size, &image, NULL));
        file[i] ^= 1;
    }
    /* Refused before a byte of it is looked at. */
    CHECK_FAILS(LIMIT, eif_read(file, (size_t)EIF_SIZE_MAX + 1, &image, NULL));
}

TEST(sections_of_unknown_type_or_impossible_size_are_refused_with_their_place)
{
    static const uint64_t sizes[] = {
        7, 1 << 30, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 11
    };
    static const uint16_t types[] = { 0, 6, 7, 255, 0x103 };
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image;
    struct detail detail = { "" };
    char place[64];
    CHECK_OK(write_small(&out));
    size_t last = out.size - 6 - EIF_SECTION_HEADER_SIZE;
    uint8_t *header = (uint8_t *)out.data + last;
    snprintf(place, sizeof(place), "section 4 at byte %zu", last);
    for (size_t i = 0; i < COUNT(types); i++) {
        test_put(header, 2, types[i]);
        CHECK_FAILS(BAD_INPUT, eif_read((uint8_t *)out.data, out.size, &image, &detail));
        CHECK_TEXT(detail.text, place);
    }
    test_put(header, 2, EIF_RAMDISK);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        test_put(header + 4, 8, sizes[i]);
        CHECK_FAILS(BAD_INPUT, eif_read((uint8_t *)out.data, out.size, &image, &detail));
        CHECK_TEXT(detail.text, place);
    }
    test_put(header + 4, 8, 6);
    CHECK_OK(eif_read((uint8_t *)out.data, out.size, &image, NULL));
}

TEST(thirty_two_sections_and_no_more)
{
    static const uint8_t another[EIF_SECTION_HEADER_SIZE] = { 0, EIF_RAMDISK };
    struct eif_image image = eif_new(0);
    BUF out = BUF_INIT(SMALL_IMAGE_MAX);
    for (size_t i = 0; i < EIF_SECTIONS_MAX; i++) {
        CHECK_OK(eif_add(&image, EIF_RAMDISK, "r", 1));
    }
    CHECK_FAILS(LIMIT, eif_add(&image, EIF_RAMDISK, "r", 1));
    CHECK_OK(eif_write(&image, &out));
    CHECK_OK(eif_read((const uint8_t *)out.data, out.size, &image, NULL));
    CHECK(image.section_count == EIF_SECTIONS_MAX);
    buf_append(&out, another, sizeof(another));
    CHECK_FAILS(LIMIT, eif_read((const uint8_t *)out.data, out.size, &image, NULL));
}

TEST(what_is_too_large_is_not_written)
{
    struct eif_image image = test_image();
    BUF narrow = BUF_INIT(EIF_HEADER_SIZE + 10);
    CHECK_FAILS(LIMIT, eif_write(&image, &narrow));
    BUF out = BUF_INIT((size_t)EIF_SIZE_MAX * 2);
    CHECK_OK(eif_add(&image, EIF_RAMDISK, "", EIF_SIZE_MAX));
    CHECK_FAILS(LIMIT, eif_write(&image, &out)); /* before a byte of it is touched */
    image.sections[image.section_count - 1].size = SIZE_MAX;
    CHECK_FAILS(LIMIT, eif_write(&image, &out));
    CHECK(out.size == 0);
}

TEST(an_image_may_stand_behind_other_bytes)
{
    BUF alone = BUF_INIT(SMALL_IMAGE_MAX);
    BUF behind = BUF_INIT(SMALL_IMAGE_MAX);
    buf_append(&behind, "12345", 5);
    CHECK_OK(write_small(&alone));
    CHECK_OK(write_small(&behind));
    CHECK(behind.size == alone.size + 5);
    CHECK(memcmp(behind.data + 5, alone.data, alone.size) == 0);
}

HARNESS_TESTS(T(a_small_image_is_these_bytes), T(what_was_written_is_read),
              T(an_image_cut_short_is_refused_or_has_another_checksum),
              T(what_is_no_image_is_refused),
              T(sections_of_unknown_type_or_impossible_size_are_refused_with_their_place),
              T(thirty_two_sections_and_no_more), T(what_is_too_large_is_not_written),
              T(an_image_may_stand_behind_other_bytes))
