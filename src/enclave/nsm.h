/* nsm.h: the Nitro security module of this enclave: registers, random numbers, attestation
 * documents. Its language is CBOR, as AWS's nitro-enclaves-nsm-api writes it; answers are taken
 * strictly: the fields that are asked for, each once, in any order and with others beside them.
 *
 * The driver answers one request after the other and may take two minutes for one: not for threads
 * that must not wait. All calls may come from any thread.
 *
 * What every call may give beside its own: UNAVAILABLE, no answer came, or the module said
 * InternalError or InvalidResponse; BAD_INPUT, an answer that is none, or the module said
 * InvalidArgument, InvalidIndex or InvalidOperation; LIMIT, it said InputTooLarge or
 * BufferTooSmall; REFUSED, it said ReadOnlyIndex: the register is locked. */
#ifndef ENCLAVE_NSM_H
#define ENCLAVE_NSM_H

#include "attest/attestor.h"
#include "attest/document.h"
#include "attest/pcr.h"
#include "base/buf.h"
#include "base/cbor.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSM_DEVICE "/dev/nsm"

enum {
    NSM_REQUEST_MAX = 0x1000, /* bytes; the driver takes no more */
    NSM_RESPONSE_MAX = 0x3000,
    NSM_RANDOM_MAX = 256, /* bytes of one answer */
    /* Bytes that one nsm_extend_pcr() takes: the request, less what surrounds them. */
    NSM_EXTEND_MAX = NSM_REQUEST_MAX - 64,
};

struct nsm_response {
    uint8_t bytes[NSM_RESPONSE_MAX];
    size_t size;
};

/* The way to a module. nsm_open() gives the device's; a test may give another. */
struct nsm {
    /* Sends a request and waits for the answer. */
    struct result (*exchange)(const struct nsm *nsm, struct cbor_view request,
                              struct nsm_response *out);
    int fd;        /* of the device; -1: none */
    void *context; /* for an exchange that is not the device's */
};

/* Opens the module at `path` (NSM_DEVICE). NOT_FOUND: there is none, this is no enclave;
 * UNAVAILABLE: the system's reason is in `detail`. */
RESULT nsm_open(const char *path, struct nsm *out, struct detail *detail);

/* Accepts one that nsm_open() did not open. */
void nsm_close(struct nsm *nsm);

struct nsm_description {
    uint16_t version[3];                        /* major, minor, patch */
    char module_id[DOCUMENT_MODULE_ID_MAX + 1]; /* "i-…-enc…", printable ASCII */
    unsigned pcr_count;                         /* PCR_COUNT at least */
    uint32_t locked;                            /* bit i: register i is locked */
};

/* BAD_INPUT also for a module whose registers are not SHA-384's or are fewer than PCR_COUNT. */
RESULT nsm_describe(const struct nsm *nsm, struct nsm_description *out);

/* Fills `out` with the module's random numbers, in as many requests as it takes. After a failure
 * `out` is undefined. */
RESULT nsm_random(const struct nsm *nsm, void *out, size_t size);

RESULT nsm_describe_pcr(const struct nsm *nsm, unsigned index, struct pcr *value_out,
                        bool *locked_out);

/* Extends a register and gives its new value. LIMIT: more than NSM_EXTEND_MAX bytes. */
RESULT nsm_extend_pcr(const struct nsm *nsm, unsigned index, const void *data, size_t size,
                      struct pcr *value_out);

/* From now on the register cannot be changed, and is part of every document. */
RESULT nsm_lock_pcr(const struct nsm *nsm, unsigned index);

/* Appends an attestation document to `out`. LIMIT: a claim is too long, or `out` is full. */
RESULT nsm_attest(const struct nsm *nsm, const struct attestation_claims *claims, struct buf *out);

/* The module as a maker of documents. `nsm` must outlive it. */
struct attestor nsm_attestor(struct nsm *nsm);

#endif
