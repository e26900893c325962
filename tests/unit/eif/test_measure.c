#include "eif/measure.h"

#include "base/hex.h"
#include "base/sha384.h"
#include "eif_test.h"
#include "harness.h"

/* A register that was extended once with the hash of a text. */
static struct pcr register_of(const char *text)
{
    uint8_t hash[SHA384_SIZE];
    sha384(text, strlen(text), hash);
    return pcr_of(hash, sizeof(hash));
}

static bool is(struct pcr pcr, const char *text)
{
    struct pcr wanted = register_of(text);
    return pcr_equal(&pcr, &wanted);
}

TEST(registers_hold_the_sections_that_they_are_of)
{
    struct eif_image image = test_image();
    struct eif_measurements all = eif_measure(&image);
    CHECK(is(all.image, "kernelconsole=ttyS0first ramdisksecond"));
    CHECK(is(all.kernel, "kernelconsole=ttyS0first ramdisk"));
    CHECK(is(all.application, "second"));
    CHECK_OK(eif_add(&image, EIF_RAMDISK, "third", 5));
    all = eif_measure(&image);
    CHECK(is(all.image, "kernelconsole=ttyS0first ramdisksecondthird"));
    CHECK(is(all.kernel, "kernelconsole=ttyS0first ramdisk"));
    CHECK(is(all.application, "secondthird"));
}

/* What AWS's tools give for every image with one ramdisk. */
TEST(without_a_second_ramdisk_the_application_has_the_known_value)
{
    struct eif_image image = test_image();
    struct pcr wanted;
    static const char value[] = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
                                "10edb30948c90ba67310f7b964fc500a";
    image.section_count = 4;
    struct eif_measurements one = eif_measure(&image);
    CHECK_OK(pcr_parse(value, strlen(value), &wanted));
    CHECK(pcr_equal(&one.application, &wanted));
    CHECK(pcr_equal(&one.image, &one.kernel));
}

/* Computed by Python's hashlib over the same bytes. */
TEST(registers_of_a_small_image_have_the_values_computed_elsewhere)
{
    static const char value[] = "982f741a3a281373725056def087cbb2cad6bde7aabeb52bc930e60684ab0de4"
                                "73c76645dac727b2241f2c7d8d8688d6";
    struct eif_image image = test_image();
    struct eif_measurements all = eif_measure(&image);
    struct pcr wanted;
    CHECK_OK(pcr_parse(value, strlen(value), &wanted));
    CHECK(pcr_equal(&all.image, &wanted));
}

TEST(header_metadata_and_signature_are_not_measured)
{
    struct eif_image image = test_image();
    struct eif_measurements before = eif_measure(&image);
    image.flags = EIF_FLAG_ARM64;
    image.memory = 1;
    image.cpus = 1;
    image.version = 3;
    image.sections[2].size--;
    CHECK_OK(eif_add(&image, EIF_SIGNATURE, "s", 1));
    struct eif_measurements after = eif_measure(&image);
    CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

/* PCR0 alone does not tell where a section ends: PCR1 and PCR2 do. */
TEST(each_byte_changes_the_registers_that_it_is_measured_in)
{
    struct eif_image image = test_image();
    struct eif_measurements before = eif_measure(&image);
    image.sections[3].bytes = (const uint8_t *)"first ramdis";
    image.sections[3].size = 12;
    image.sections[4].bytes = (const uint8_t *)"ksecond";
    image.sections[4].size = 7;
    struct eif_measurements moved = eif_measure(&image);
    CHECK(pcr_equal(&moved.image, &before.image));
    CHECK(!pcr_equal(&moved.kernel, &before.kernel));
    CHECK(!pcr_equal(&moved.application, &before.application));
    static const struct {
        size_t section;
        bool kernel;
        bool application;
    } cases[] = { { 0, true, false }, { 1, true, false }, { 3, true, false }, { 4, false, true } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        image = test_image();
        image.sections[cases[i].section].size--;
        struct eif_measurements changed = eif_measure(&image);
        CHECK(!pcr_equal(&changed.image, &before.image));
        CHECK(pcr_equal(&changed.kernel, &before.kernel) == !cases[i].kernel);
        CHECK(pcr_equal(&changed.application, &before.application) == !cases[i].application);
    }
}

HARNESS_TESTS(T(registers_hold_the_sections_that_they_are_of),
              T(without_a_second_ramdisk_the_application_has_the_known_value),
              T(registers_of_a_small_image_have_the_values_computed_elsewhere),
              T(header_metadata_and_signature_are_not_measured),
              T(each_byte_changes_the_registers_that_it_is_measured_in))
