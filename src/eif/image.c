#include "eif/image.h"

#include <string.h>
#include <zlib.h>

static const uint8_t magic[] = { '.', 'e', 'i', 'f' };

enum { DEFAULT_MEMORY = 1 << 30, DEFAULT_CPUS = 2 };

static uint64_t read_number(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void write_number(uint8_t *out, size_t size, uint64_t value)
{
    for (size_t i = size; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

/* Reads the section at `image->end` and goes behind it. */
static struct result read_section(struct eif_image *image)
{
    const uint8_t *header = image->file + image->end;
    size_t left = image->file_size - image->end - EIF_SECTION_HEADER_SIZE;
    uint64_t type = read_number(header, 2);
    uint64_t size = read_number(header + 4, 8);
    ENSURE(image->section_count < EIF_SECTIONS_MAX, LIMIT, "more than 32 sections");
    ENSURE(type >= EIF_KERNEL && type <= EIF_METADATA, BAD_INPUT, "a section of unknown type");
    ENSURE(size <= left, BAD_INPUT, "a section ends behind the file");
    image->sections[image->section_count++] = (struct eif_section){
        .type = (enum eif_type)type,
        .flags = (uint16_t)read_number(header + 2, 2),
        .bytes = header + EIF_SECTION_HEADER_SIZE,
        .size = (size_t)size,
    };
    image->end += EIF_SECTION_HEADER_SIZE + (size_t)size;
    return OK;
}

RESULT eif_read(const uint8_t *bytes, size_t size, struct eif_image *out, struct detail *detail)
{
    detail_set(detail, "%zu bytes", size);
    ENSURE(size >= EIF_HEADER_SIZE, BAD_INPUT, "too short for an enclave image");
    ENSURE(size <= EIF_SIZE_MAX, LIMIT, "larger than 1 GiB");
    detail_set(detail, "%s", "");
    ENSURE(memcmp(bytes + EIF_AT_MAGIC, magic, sizeof(magic)) == 0, BAD_INPUT,
           "not an enclave image: it does not begin with \".eif\"");
    struct eif_image image = {
        .version = (uint16_t)read_number(bytes + EIF_AT_VERSION, 2),
        .flags = (uint16_t)read_number(bytes + EIF_AT_FLAGS, 2),
        .memory = read_number(bytes + EIF_AT_MEMORY, 8),
        .cpus = read_number(bytes + EIF_AT_CPUS, 8),
        .file = bytes,
        .file_size = size,
        .end = EIF_HEADER_SIZE,
    };
    while (size - image.end >= EIF_SECTION_HEADER_SIZE) {
        detail_set(detail, "section %zu at byte %zu", image.section_count, image.end);
        TRY(read_section(&image));
    }
    *out = image;
    return OK;
}

/* CRC-32 of ISO 3309 over the header up to its CRC, and all sections. */
static uint32_t crc_of(const uint8_t *header, const uint8_t *sections, size_t size)
{
    uLong crc = crc32_z(0, header, EIF_AT_CRC);
    return (uint32_t)crc32_z(crc, sections, size);
}

uint32_t eif_stated_crc(const struct eif_image *image)
{
    return (uint32_t)read_number(image->file + EIF_AT_CRC, 4);
}

uint32_t eif_actual_crc(const struct eif_image *image)
{
    return crc_of(image->file, image->file + EIF_HEADER_SIZE, image->end - EIF_HEADER_SIZE);
}

const struct eif_section *eif_find(const struct eif_image *image, enum eif_type type, size_t index)
{
    for (size_t i = 0; i < image->section_count; i++) {
        if (image->sections[i].type == type && index-- == 0) {
            return &image->sections[i];
        }
    }
    return NULL;
}

struct eif_image eif_new(uint16_t flags)
{
    return (struct eif_image){
        .version = EIF_VERSION,
        .flags = flags,
        .memory = DEFAULT_MEMORY,
        .cpus = DEFAULT_CPUS,
    };
}

RESULT eif_add(struct eif_image *image, enum eif_type type, const void *bytes, size_t size)
{
    ENSURE(image->section_count < EIF_SECTIONS_MAX, LIMIT, "more than 32 sections");
    image->sections[image->section_count++] =
        (struct eif_section){ .type = type, .bytes = bytes, .size = size };
    return OK;
}

static void fill_header(const struct eif_image *image, uint8_t header[static EIF_HEADER_SIZE])
{
    uint64_t offset = EIF_HEADER_SIZE;
    memset(header, 0, EIF_HEADER_SIZE);
    memcpy(header + EIF_AT_MAGIC, magic, sizeof(magic));
    write_number(header + EIF_AT_VERSION, 2, image->version);
    write_number(header + EIF_AT_FLAGS, 2, image->flags);
    write_number(header + EIF_AT_MEMORY, 8, image->memory);
    write_number(header + EIF_AT_CPUS, 8, image->cpus);
    write_number(header + EIF_AT_COUNT, 2, image->section_count);
    for (size_t i = 0; i < image->section_count; i++) {
        write_number(header + EIF_AT_OFFSETS + 8 * i, 8, offset);
        write_number(header + EIF_AT_SIZES + 8 * i, 8, image->sections[i].size);
        offset += EIF_SECTION_HEADER_SIZE + image->sections[i].size;
    }
}

static void append_section(const struct eif_section *section, struct buf *out)
{
    uint8_t header[EIF_SECTION_HEADER_SIZE];
    write_number(header, 2, section->type);
    write_number(header + 2, 2, section->flags);
    write_number(header + 4, 8, section->size);
    buf_append(out, header, sizeof(header));
    buf_append(out, section->bytes, section->size);
}

static struct result check_size(const struct eif_image *image)
{
    size_t left = EIF_SIZE_MAX - EIF_HEADER_SIZE - EIF_SECTIONS_MAX * EIF_SECTION_HEADER_SIZE;
    for (size_t i = 0; i < image->section_count; i++) {
        ENSURE(image->sections[i].size <= left, LIMIT, "the image is larger than 1 GiB");
        left -= image->sections[i].size;
    }
    return OK;
}

RESULT eif_write(const struct eif_image *image, struct buf *out)
{
    uint8_t header[EIF_HEADER_SIZE];
    size_t begin = out->size;
    TRY(check_size(image));
    fill_header(image, header);
    buf_append(out, header, sizeof(header));
    for (size_t i = 0; i < image->section_count; i++) {
        append_section(&image->sections[i], out);
    }
    TRY(buf_check(out));
    uint8_t *file = (uint8_t *)out->data + begin;
    const uint8_t *sections = file + EIF_HEADER_SIZE;
    write_number(file + EIF_AT_CRC, 4, crc_of(file, sections, out->size - begin - EIF_HEADER_SIZE));
    return OK;
}
