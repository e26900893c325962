/* certificate.h: the certificate that an image is signed with. Its hash is PCR8, so that it names
 * whoever signs; nobody looks at who issued it. AWS's launcher refuses an image whose certificate
 * has expired. */
#ifndef EIF_CERTIFICATE_H
#define EIF_CERTIFICATE_H

#include "attest/pcr.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/json_write.h"
#include "base/result.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

enum { EIF_CERTIFICATE_MAX = 16 * 1024 }; /* bytes of PEM */

/* The curves of COSE's ECDSA (RFC 9053, 2.1), each with its hash. */
struct eif_curve {
    const char *name;   /* "P-384" */
    const char *group;  /* OpenSSL's */
    const char *digest; /* OpenSSL's */
    int64_t algorithm;  /* COSE's number of both */
    size_t size;        /* bytes of each half of a signature */
};

struct eif_certificate {
    X509 *x509;
    EVP_PKEY *key;
    const struct eif_curve *curve;
    uint64_t not_before; /* seconds since 1970 */
    uint64_t not_after;
    struct pcr pcr; /* PCR8 */
};

/* Reads the first certificate of a PEM text, as AWS's tools do. BAD_INPUT: there is none, its key
 * is not on P-256, P-384 or P-521, its dates are none or before 1970. LIMIT: over
 * EIF_CERTIFICATE_MAX. */
RESULT eif_certificate_read(const void *pem, size_t size, struct eif_certificate **out,
                            struct detail *detail);
void eif_certificate_free(struct eif_certificate *certificate); /* accepts NULL */
DEFINE_CLEANUP(struct eif_certificate, eif_certificate_free);

/* REFUSED, with the date in `detail`: the certificate does not hold yet at `now` (seconds since
 * 1970), or no longer. */
RESULT eif_certificate_check_dates(const struct eif_certificate *certificate, uint64_t now,
                                   struct detail *detail);

/* Writes the object that nitro-cli's describe-eif calls SigningCertificate. */
void eif_certificate_write_json(const struct eif_certificate *certificate,
                                struct json_writer *writer);

#endif
