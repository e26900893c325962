/* image.h: enclave images (AWS's EIF, version 4): a header, then sections one behind the other. All
 * numbers are big endian. Pure: bytes in memory to sections and back.
 *
 * eif_read() takes whatever can be walked, so that foreign images can be described; what is wrong
 * with them is for eif/rules.h to say. Nothing may be trusted of an image that breaks a rule. */
#ifndef EIF_IMAGE_H
#define EIF_IMAGE_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum {
    EIF_VERSION = 4,
    EIF_HEADER_SIZE = 548,
    EIF_SECTION_HEADER_SIZE = 12,
    EIF_SECTIONS_MIN = 2, /* the format's bounds */
    EIF_SECTIONS_MAX = 32,
    EIF_SIZE_MAX = 1 << 30,     /* bytes of an image */
    EIF_CMDLINE_MAX = 4096 - 1, /* bytes that Linux has room for, without the NUL */
    EIF_FLAG_ARM64 = 1,         /* in the header's flags; without it: x86_64 */
};

/* Where the fields of the header are. */
enum {
    EIF_AT_MAGIC = 0x000,
    EIF_AT_VERSION = 0x004,
    EIF_AT_FLAGS = 0x006,
    EIF_AT_MEMORY = 0x008,
    EIF_AT_CPUS = 0x010,
    EIF_AT_RESERVED = 0x018,
    EIF_AT_COUNT = 0x01a,
    EIF_AT_OFFSETS = 0x01c, /* 32 numbers of 8 bytes: where a section's header is */
    EIF_AT_SIZES = 0x11c,   /* 32 numbers of 8 bytes: how many bytes follow that header */
    EIF_AT_UNUSED = 0x21c,
    EIF_AT_CRC = 0x220,
};

enum eif_type {
    EIF_KERNEL = 1,
    EIF_CMDLINE = 2,
    EIF_RAMDISK = 3,
    EIF_SIGNATURE = 4,
    EIF_METADATA = 5,
};

struct eif_section {
    enum eif_type type;
    uint16_t flags;
    const uint8_t *bytes; /* belong to whoever gave them */
    size_t size;
};

struct eif_image {
    uint16_t version;
    uint16_t flags;
    uint64_t memory; /* bytes that the enclave gets unless its launcher says otherwise */
    uint64_t cpus;
    struct eif_section sections[EIF_SECTIONS_MAX]; /* in the file's order */
    size_t section_count;
    const uint8_t *file; /* what was read, with its header; NULL in an image that was made here */
    size_t file_size;
    size_t end; /* where the last section ends in the file */
};

/* Walks the sections of `bytes`, which must outlive the image, up to their end; the header's own
 * count, places and sizes are not looked at. BAD_INPUT, with the place in `detail`: too short, no
 * image, a section of unknown type or one that ends behind the file. LIMIT: more than
 * EIF_SECTIONS_MAX sections or EIF_SIZE_MAX bytes. */
RESULT eif_read(const uint8_t *bytes, size_t size, struct eif_image *out, struct detail *detail);

/* The CRC-32 that the header states, and the one that the bytes of a read image have. */
uint32_t eif_stated_crc(const struct eif_image *image);
uint32_t eif_actual_crc(const struct eif_image *image);

/* Number `index` of the sections of one type; NULL: there are not so many. */
const struct eif_section *eif_find(const struct eif_image *image, enum eif_type type, size_t index);

/* An image of this version without sections, with the memory and CPUs that AWS's builder states. */
struct eif_image eif_new(uint16_t flags);

/* Adds a section behind the others. LIMIT: there are EIF_SECTIONS_MAX. */
RESULT eif_add(struct eif_image *image, enum eif_type type, const void *bytes, size_t size);

/* Appends the image's file. LIMIT: larger than `out` or EIF_SIZE_MAX. What it writes is what it was
 * given: whether that is a good image is for eif/rules.h to say. */
RESULT eif_write(const struct eif_image *image, struct buf *out);

#endif
