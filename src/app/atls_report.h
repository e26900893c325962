/* atls_report.h: what the check of an enclave's evidence found, for a person or a program. */
#ifndef APP_ATLS_REPORT_H
#define APP_ATLS_REPORT_H

#include "attest/verifier.h"
#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

enum { ATLS_REPORT_MAX = 64 * 1024 }; /* bytes that the buf should allow */

/* What is told. */
struct atls_finding {
    struct result result; /* of the verifier, with its detail */
    const struct detail *detail;
    const struct report *report;
    uint64_t at_seconds; /* the time that was checked for */
    bool of_server;      /* `report` is of the certificate of a server, which was asked … */
    const struct report *attestation; /* … and gave this document; NULL: none to look at */
};

/* The verdict first, with the reason when it is a refusal; then a warning when the root was not
 * AWS's or the enclave is in debug mode, each check, and what the document says. */
void atls_report_text(const struct atls_finding *finding, struct buf *out);

/* The same as one JSON object; docs/attestation.md describes it. */
void atls_report_json(const struct atls_finding *finding, struct buf *out);

#endif
