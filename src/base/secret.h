/* secret.h: small secrets on the stack, wiped at the end of their scope, compared in constant time.
 * Long-lived secrets belong in a vault (base/vault.h). */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct secret32 {
    uint8_t bytes[32];
};

/* Wipes in a way that the compiler may not drop and that sanitizers see, unlike explicit_bzero. */
static inline void secret_wipe(void *bytes, size_t size)
{
    if (size == 0) {
        return;
    }
    memset(bytes, 0, size);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

static inline void secret32_wipe(struct secret32 *secret)
{
    secret_wipe(secret->bytes, sizeof(secret->bytes));
}

/* SECRET key; declares a struct secret32 that is wiped when the scope ends. */
#define SECRET CLEANUP(secret32_wipe) struct secret32

/* Says that a variable made of secrets is public from here on, such as whether a key is valid at
 * all. It means something only to the constant-time test (tests/ctime), which defines
 * CHAMBER_CTIME. */
#ifdef CHAMBER_CTIME
#include <valgrind/memcheck.h>
#define DECLASSIFY(variable) VALGRIND_MAKE_MEM_DEFINED(&(variable), sizeof(variable))
#else
#define DECLASSIFY(variable) (void)(variable)
#endif

/* Compares `size` bytes in a time that depends on `size` only. */
bool secret_equal(const void *a, const void *b, size_t size);

/* A heap block for secrets of unknown length (passwords, file contents): locked where the limit
 * allows, kept out of core files, wiped when freed. */
struct secret_block {
    uint8_t *data; /* `size` bytes and one NUL behind them; NULL when empty */
    size_t size;
};

/* Gives a zeroed block of `size` bytes. False: no memory. */
bool secret_block_new(size_t size, struct secret_block *out);
/* Wipes and frees; the block is empty afterwards. Accepts an empty block. */
void secret_block_free(struct secret_block *block);

/* SECRET_BLOCK name = { 0 }; is freed, so wiped, at the end of the scope. */
#define SECRET_BLOCK CLEANUP(secret_block_free) struct secret_block

#endif
