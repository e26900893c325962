/* evidence.h: attestation documents in X.509 certificates: the extension id-pe-cmw of RFC 9999
 * (RATS conceptual messages wrapper), and how a document is bound to the certificate's key and to
 * the enclave's configuration.
 *
 * The extension's value is the DER of an OCTET STRING that holds the CBOR of
 *   [ "application/aws-nitro-document", document, 4 ]
 * (4 says "evidence"; it may be left out). The document's public_key is the certificate's
 * subjectPublicKeyInfo, and its user_data, with `label` = "containment-chamber/atls/v1" in ASCII:
 *   label || SHA-384(label || subjectPublicKeyInfo) || SHA-384(configuration) */
#ifndef ATTEST_EVIDENCE_H
#define ATTEST_EVIDENCE_H

#include "base/buf.h"
#include "base/cbor.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define EVIDENCE_LABEL     "containment-chamber/atls/v1"
#define EVIDENCE_OID       "1.3.6.1.5.5.7.1.35" /* id-pe-cmw */
#define EVIDENCE_TYPE_NAME "application/aws-nitro-document"

enum {
    EVIDENCE_CMW_EVIDENCE = 4,            /* the indicator's bit */
    EVIDENCE_CERTIFICATE_MAX = 32 * 1024, /* bytes of DER */
    EVIDENCE_SPKI_MAX = 1024,
    EVIDENCE_LABEL_SIZE = sizeof(EVIDENCE_LABEL) - 1,
    EVIDENCE_USER_DATA_SIZE = EVIDENCE_LABEL_SIZE + 2 * SHA384_SIZE,
};

/* What the enclave puts into the document for its key. */
void evidence_user_data(struct cbor_view spki, const uint8_t configuration[static SHA384_SIZE],
                        uint8_t out[static EVIDENCE_USER_DATA_SIZE]);

/* Checks that `user_data` is such for `spki`, whatever the configuration, whose SHA-384 it gives.
 * REFUSED otherwise. */
RESULT evidence_user_data_check(struct cbor_view user_data, struct cbor_view spki,
                                uint8_t configuration_out[static SHA384_SIZE]);

/* Appends the extension's value (what the extension's own OCTET STRING holds). */
RESULT evidence_write_extension(struct cbor_view document, struct buf *out);
/* The document in such a value, a view of it. BAD_INPUT for anything that is written otherwise. */
RESULT evidence_read_extension(struct cbor_view value, struct cbor_view *document_out);

/* A certificate that may carry a document. */
struct evidence {
    X509 *certificate;
    uint8_t spki[EVIDENCE_SPKI_MAX]; /* its subjectPublicKeyInfo, DER */
    size_t spki_size;
};

/* From DER, or from PEM that holds one certificate. BAD_INPUT, LIMIT; UNAVAILABLE: no memory. */
RESULT evidence_read(const void *bytes, size_t size, struct evidence *out);
/* From a certificate at hand, as TLS gives it: takes a reference of its own. */
RESULT evidence_of(X509 *certificate, struct evidence *out);
void evidence_done(struct evidence *evidence); /* accepts a zeroed one */

/* The document that it carries, a view of the certificate. REFUSED: none, or several. */
RESULT evidence_document(const struct evidence *evidence, struct cbor_view *document_out);

/* REFUSED unless it is signed by its own key, of P-256 or P-384, and says that it is its own
 * issuer. */
RESULT evidence_check_self_signed(const struct evidence *evidence);

#endif
