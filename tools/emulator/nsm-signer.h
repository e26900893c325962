/* nsm-signer.h: lets QEMU's security module have its attestation documents signed by somebody. */
#ifndef NSM_SIGNER_H
#define NSM_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sends the unsigned document to the UNIX socket that CHAMBER_NSM_SIGNER names and replaces it with
 * the answer; both go as a length of four bytes, big endian, and that many bytes. Without the
 * variable the document stays as it is. False: the signer did not answer, or with more than
 * `capacity` bytes or none. */
bool nsm_sign_document(uint8_t *document, size_t capacity, size_t *size);

#endif
