#include "eif/rules.h"

#include "eif/signature.h"

#include <stdbool.h>
#include <string.h>

static size_t count_of(const struct eif_image *image, enum eif_type type)
{
    size_t count = 0;
    while (eif_find(image, type, count) != NULL) {
        count++;
    }
    return count;
}

static uint64_t number_at(const struct eif_image *image, size_t at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | image->file[at + i];
    }
    return value;
}

static bool has_right_crc(const struct eif_image *image)
{
    return eif_stated_crc(image) == eif_actual_crc(image);
}

static bool has_version(const struct eif_image *image)
{
    return image->version == EIF_VERSION;
}

static bool has_known_flags(const struct eif_image *image)
{
    return (image->flags & ~EIF_FLAG_ARM64) == 0;
}

static bool has_zero_reserve(const struct eif_image *image)
{
    return number_at(image, EIF_AT_RESERVED, 2) == 0 && number_at(image, EIF_AT_UNUSED, 4) == 0;
}

static bool has_right_count(const struct eif_image *image)
{
    return number_at(image, EIF_AT_COUNT, 2) == image->section_count;
}

static bool has_enough_sections(const struct eif_image *image)
{
    return image->section_count >= EIF_SECTIONS_MIN;
}

/* The table of the header against the walk; its rows without a section are zero. */
static bool has_right_table(const struct eif_image *image)
{
    uint64_t offset = EIF_HEADER_SIZE;
    for (size_t i = 0; i < EIF_SECTIONS_MAX; i++) {
        bool is_used = i < image->section_count;
        uint64_t size = is_used ? image->sections[i].size : 0;
        if (number_at(image, EIF_AT_OFFSETS + 8 * i, 8) != (is_used ? offset : 0) ||
            number_at(image, EIF_AT_SIZES + 8 * i, 8) != size) {
            return false;
        }
        offset += EIF_SECTION_HEADER_SIZE + size;
    }
    return true;
}

static bool has_no_section_flags(const struct eif_image *image)
{
    for (size_t i = 0; i < image->section_count; i++) {
        if (image->sections[i].flags != 0) {
            return false;
        }
    }
    return true;
}

static bool ends_with_its_sections(const struct eif_image *image)
{
    return image->end == image->file_size;
}

static bool has_one_kernel(const struct eif_image *image)
{
    return count_of(image, EIF_KERNEL) == 1;
}

static bool has_one_cmdline(const struct eif_image *image)
{
    return count_of(image, EIF_CMDLINE) == 1;
}

static bool has_one_metadata(const struct eif_image *image)
{
    return image->version != EIF_VERSION || count_of(image, EIF_METADATA) == 1;
}

/* Kernel, command line, ramdisks: one behind the other they are what is measured. */
static bool has_measured_order(const struct eif_image *image)
{
    enum eif_type last = EIF_KERNEL;
    for (size_t i = 0; i < image->section_count; i++) {
        enum eif_type type = image->sections[i].type;
        bool is_measured = type == EIF_KERNEL || type == EIF_CMDLINE || type == EIF_RAMDISK;
        if (is_measured && type < last) {
            return false;
        }
        last = is_measured ? type : last;
    }
    return true;
}

static bool has_last_signature(const struct eif_image *image)
{
    const struct eif_section *signature = eif_find(image, EIF_SIGNATURE, 0);
    return signature == NULL || signature == &image->sections[image->section_count - 1];
}

static bool has_small_signature(const struct eif_image *image)
{
    const struct eif_section *signature = eif_find(image, EIF_SIGNATURE, 0);
    return signature == NULL || signature->size <= EIF_SIGNATURE_MAX;
}

static bool has_clean_cmdline(const struct eif_image *image)
{
    const struct eif_section *cmdline = eif_find(image, EIF_CMDLINE, 0);
    return cmdline == NULL || cmdline->size == 0 ||
           memchr(cmdline->bytes, '\0', cmdline->size) == NULL;
}

static bool has_short_cmdline(const struct eif_image *image)
{
    const struct eif_section *cmdline = eif_find(image, EIF_CMDLINE, 0);
    return cmdline == NULL || cmdline->size <= EIF_CMDLINE_MAX;
}

static bool has_no_empty_section(const struct eif_image *image)
{
    for (size_t i = 0; i < image->section_count; i++) {
        if (image->sections[i].size == 0 && image->sections[i].type != EIF_CMDLINE) {
            return false;
        }
    }
    return true;
}

/* Linux unpacks all ramdisks as one run of bytes, and finds a bare archive only at a multiple of
 * four. */
static bool has_aligned_ramdisks(const struct eif_image *image)
{
    static const char bare[] = "0707";
    size_t at = 0;
    const struct eif_section *ramdisk = NULL;
    for (size_t i = 0; (ramdisk = eif_find(image, EIF_RAMDISK, i)) != NULL; i++) {
        bool is_bare = ramdisk->size >= sizeof(bare) - 1 &&
                       memcmp(ramdisk->bytes, bare, sizeof(bare) - 1) == 0;
        if (is_bare && at % 4 != 0) {
            return false;
        }
        at += ramdisk->size;
    }
    return true;
}

static const struct {
    bool (*holds)(const struct eif_image *image);
    const char *what;
} rules[] = {
    { has_right_crc, "the checksum is wrong: the image is damaged or was changed" },
    { has_right_count, "the header counts other sections than there are" },
    { has_right_table, "the header's table places sections where they are not" },
    { ends_with_its_sections, "there are bytes behind the last section" },
    { has_enough_sections, "it has fewer than 2 sections" },
    { has_one_kernel, "it has no kernel, or more than one" },
    { has_one_cmdline, "it has no command line, or more than one" },
    { has_measured_order, "kernel, command line and ramdisks are in another order" },
    { has_last_signature, "the signature is not the last section" },
    { has_small_signature, "the signature section is larger than 32 KiB" },
    { has_clean_cmdline, "there is a NUL in the command line" },
    { has_short_cmdline, "the command line is longer than 4095 bytes" },
    { has_no_empty_section, "a section is empty" },
    { has_aligned_ramdisks, "a bare cpio ramdisk does not begin at a multiple of 4 bytes" },
    { has_version, "its version is not 4" },
    { has_one_metadata, "it has no metadata, or more than once" },
    { has_known_flags, "the header has unknown flags" },
    { has_zero_reserve, "reserved fields of the header are not zero" },
    { has_no_section_flags, "a section has unknown flags" },
};

size_t eif_rules_broken(const struct eif_image *image, const char *out[static EIF_RULES_MAX])
{
    size_t count = 0;
    _Static_assert(sizeof(rules) / sizeof(rules[0]) <= EIF_RULES_MAX, "room for all");
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i].holds(image)) {
            out[count++] = rules[i].what;
        }
    }
    return count;
}
