#include "store/sqlite_wal.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_SIZE = 32,
    FRAME_HEADER_SIZE = 24,
    SALTS_SIZE = 8,
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 64 * 1024,
};

static const uint32_t magic =
    0x377f0682; /* its last bit: the words of the checksum are big-endian */

/* The running checksum over the header and all frames so far. */
struct sum {
    uint32_t a;
    uint32_t b;
    bool big_endian;
};

static uint32_t read_big(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t read_little(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

/* `size` is a multiple of 8. */
static void sum_add(struct sum *sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        const uint8_t *at = bytes + i;
        sum->a += (sum->big_endian ? read_big(at) : read_little(at)) + sum->b;
        sum->b += (sum->big_endian ? read_big(at + 4) : read_little(at + 4)) + sum->a;
    }
}

static bool sum_is(const struct sum *sum, const uint8_t *bytes)
{
    return sum->a == read_big(bytes) && sum->b == read_big(bytes + 4);
}

struct wal {
    sqlite3_file *file;
    sqlite3_int64 size;
    uint8_t salts[SALTS_SIZE]; /* of every frame that belongs to this header */
    size_t page_size;
    struct sum sum;
};

static struct result read_at(const struct wal *wal, sqlite3_int64 at, void *out, size_t size)
{
    int code = wal->file->pMethods->xRead(wal->file, out, (int)size, at);
    ENSURE(code == SQLITE_OK, UNAVAILABLE, "the -wal file of the database cannot be read");
    return OK;
}

static struct result damaged(void)
{
    return FAIL(UNAVAILABLE, "the -wal file that belongs to the database is damaged, and records "
                             "are lost with it: restore both files, or see \"slashing "
                             "accept-loss\" in docs/protection.md");
}

/* A header that does not fit its checksum may be one that the power cut tore apart: SQLite writes
 * it anew, over what was moved into the database before. `*fits_out` is false then. */
static struct result read_header(struct wal *wal, bool *fits_out)
{
    uint8_t header[HEADER_SIZE];
    if (wal->size < HEADER_SIZE) {
        return damaged();
    }
    TRY(read_at(wal, 0, header, sizeof(header)));
    if ((read_big(header) & ~1U) != magic) {
        return damaged();
    }
    wal->page_size = read_big(header + 8);
    memcpy(wal->salts, header + 16, SALTS_SIZE);
    wal->sum = (struct sum){ .big_endian = (header[3] & 1) != 0 };
    sum_add(&wal->sum, header, HEADER_SIZE - 8);
    *fits_out = wal->page_size >= PAGE_SIZE_MIN && wal->page_size <= PAGE_SIZE_MAX &&
                sum_is(&wal->sum, header + HEADER_SIZE - 8);
    return OK;
}

/* Whether the frame continues what was read so far. */
static bool continues(struct wal *wal, const uint8_t *frame)
{
    sum_add(&wal->sum, frame, 8);
    sum_add(&wal->sum, frame + FRAME_HEADER_SIZE, wal->page_size);
    return sum_is(&wal->sum, frame + 16);
}

/* Behind the first frame that does not fit there may be what the power cut tore apart: the frames
 * of one transaction, of which the last says that it is (a frame's second word). A commit syncs
 * before the next one writes, so whatever follows that one was promised. */
static struct result check_frames(struct wal *wal, uint8_t *frame)
{
    size_t size = FRAME_HEADER_SIZE + wal->page_size;
    bool whole = true;
    bool torn_is_over = false;
    for (sqlite3_int64 at = HEADER_SIZE; at + (sqlite3_int64)size <= wal->size;
         at += (sqlite3_int64)size) {
        TRY(read_at(wal, at, frame, size));
        if (memcmp(frame + 8, wal->salts, SALTS_SIZE) != 0) {
            whole = false; /* of an earlier use of the file, or never written */
            continue;
        }
        whole = whole && continues(wal, frame);
        if (torn_is_over) {
            return damaged();
        }
        torn_is_over = !whole && read_big(frame + 4) != 0;
    }
    return OK;
}

RESULT sqlite_wal_check(sqlite3 *handle)
{
    struct wal wal = { .size = 0 };
    int code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal.file);
    ENSURE(code == SQLITE_OK && wal.file != NULL && wal.file->pMethods != NULL, UNAVAILABLE,
           "the -wal file of the database cannot be read");
    code = wal.file->pMethods->xFileSize(wal.file, &wal.size);
    ENSURE(code == SQLITE_OK, UNAVAILABLE, "the -wal file of the database cannot be read");
    bool fits = false;
    TRY(read_header(&wal, &fits));
    if (!fits) {
        return OK;
    }
    CLEANUP(free_ptr) uint8_t *frame = calloc(1, FRAME_HEADER_SIZE + wal.page_size);
    ENSURE(frame != NULL, UNAVAILABLE, "out of memory");
    return check_frames(&wal, frame);
}
