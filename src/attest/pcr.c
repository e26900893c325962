#include "attest/pcr.h"

#include "base/hex.h"
#include "base/sha384.h"

#include <string.h>

enum { NAME_MAX_SIZE = 2048 };

void pcr_extend(struct pcr *pcr, const void *data, size_t size)
{
    CLEANUP(sha384_free_ptr) struct sha384 *hash = sha384_new();
    sha384_add(hash, pcr->bytes, sizeof(pcr->bytes));
    sha384_add(hash, data, size);
    sha384_value(hash, pcr->bytes);
}

struct pcr pcr_of(const void *data, size_t size)
{
    struct pcr pcr = { { 0 } };
    pcr_extend(&pcr, data, size);
    return pcr;
}

RESULT pcr_of_name(const char *name, struct pcr *out)
{
    size_t size = strlen(name);
    ENSURE(size > 0 && size <= NAME_MAX_SIZE, BAD_INPUT, "not 1 to 2048 characters");
    for (size_t i = 0; i < size; i++) {
        ENSURE(name[i] > ' ' && name[i] <= '~', BAD_INPUT, "not printable ASCII without spaces");
    }
    *out = pcr_of(name, size);
    return OK;
}

bool pcr_is_zero(const struct pcr *pcr)
{
    static const struct pcr zero;
    return pcr_equal(pcr, &zero);
}

bool pcr_equal(const struct pcr *a, const struct pcr *b)
{
    unsigned different = 0;
    for (size_t i = 0; i < PCR_SIZE; i++) {
        different |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    }
    return different == 0;
}

RESULT pcr_parse(const char *text, size_t size, struct pcr *out)
{
    return hex_decode(text, size, out->bytes, sizeof(out->bytes));
}
