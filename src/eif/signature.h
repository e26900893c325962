/* signature.h: the section that says who vouches for an image: CBOR around a certificate and a
 * COSE_Sign1 (RFC 9052) over PCR0. Byte strings in it are arrays of numbers, as AWS's tools write
 * them. */
#ifndef EIF_SIGNATURE_H
#define EIF_SIGNATURE_H

#include "attest/pcr.h"
#include "base/buf.h"
#include "base/cbor.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "eif/certificate.h"

#include <stddef.h>
#include <stdint.h>

enum {
    EIF_SIGNATURE_MAX = 32 * 1024, /* bytes of the section */
    EIF_COSE_MAX = 1024,           /* bytes of the COSE_Sign1 */
};

struct eif_signature {
    struct eif_certificate *certificate;
    struct pcr value; /* the PCR0 that it vouches for; true only after the check */
    uint8_t cose[EIF_COSE_MAX];
    size_t cose_size;
    struct cbor_view header; /* parts of `cose` */
    struct cbor_view payload;
    struct cbor_view mark; /* the signature itself */
};

/* Reads a section. BAD_INPUT, with the part in `detail`: not of the form, not for PCR0, or the
 * algorithm is not that of the certificate's key. LIMIT: a part is too large. */
RESULT eif_signature_read(const uint8_t *bytes, size_t size, struct eif_signature **out,
                          struct detail *detail);
void eif_signature_free(struct eif_signature *signature); /* accepts NULL */
DEFINE_CLEANUP(struct eif_signature, eif_signature_free);

/* REFUSED: it vouches for another image than the one with this PCR0, or the certificate's key did
 * not sign it. The certificate's dates are not looked at: eif_certificate_check_dates(). */
RESULT eif_signature_check(const struct eif_signature *signature, const struct pcr *pcr0);

/* The parts of a COSE_Sign1, for whoever signs: the header and the payload, and what the signature
 * is over (RFC 9052, 4.4). */
void eif_signature_header(const struct eif_curve *curve, struct buf *out);
void eif_signature_payload(const struct pcr *pcr0, struct buf *out);
void eif_signature_message(struct cbor_view header, struct cbor_view payload, struct buf *out);

/* The section around a COSE_Sign1. */
void eif_signature_section(const void *pem, size_t pem_size, const void *cose, size_t cose_size,
                           struct buf *out);

#endif
