/* signer.h: signing an image with a certificate and its private key, both PEM. Only P-384 keys
 * sign: the curve of AWS's own documents. A signature differs each time; the registers do not. */
#ifndef EIF_SIGNER_H
#define EIF_SIGNER_H

#include "attest/pcr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "eif/certificate.h"

struct eif_signer; /* holds the private key, and wipes it in the end */

/* BAD_INPUT, with "certificate" or "private key" in `detail`: no such thing in the text, a key that
 * is encrypted, on another curve than P-384, or not that of the certificate. */
RESULT eif_signer_new(const struct secret_block *certificate, const struct secret_block *key,
                      struct eif_signer **out, struct detail *detail);
void eif_signer_free(struct eif_signer *signer); /* accepts NULL */
DEFINE_CLEANUP(struct eif_signer, eif_signer_free);

const struct eif_certificate *eif_signer_certificate(const struct eif_signer *signer);

/* Appends the signature section of an image with this PCR0. It holds the certificate and nothing
 * else of the text that it came in. UNAVAILABLE: OpenSSL could not sign. */
RESULT eif_signer_sign(const struct eif_signer *signer, const struct pcr *pcr0, struct buf *out);

#endif
