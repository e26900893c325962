/* configuration.h: measures the enclave's configuration: its SHA-384 is extended into register 16,
 * which is then locked. So every attestation document tells which configuration this enclave was
 * given, and a key's policy can demand it (architecture.md 10). */
#ifndef ENCLAVE_CONFIGURATION_H
#define ENCLAVE_CONFIGURATION_H

#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"
#include "enclave/nsm.h"

#include <stddef.h>
#include <stdint.h>

/* Before anything of the configuration is used. `digest_out`: SHA-384 of the bytes. REFUSED: the
 * register has been extended or locked before, or has another value afterwards than it must have;
 * others: those of nsm.h. After a failure the configuration must not be used. */
RESULT configuration_measure(const struct nsm *nsm, const void *bytes, size_t size,
                             uint8_t digest_out[static SHA384_SIZE], struct detail *detail);

#endif
