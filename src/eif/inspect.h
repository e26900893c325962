/* inspect.h: all that can be said of an enclave image: what describing it shows, and what verifying
 * it refuses. */
#ifndef EIF_INSPECT_H
#define EIF_INSPECT_H

#include "base/detail.h"
#include "base/json.h"
#include "base/result.h"
#include "eif/image.h"
#include "eif/measure.h"
#include "eif/metadata.h"
#include "eif/rules.h"
#include "eif/signature.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    EIF_FINDINGS_MAX = EIF_RULES_MAX + 8,
    EIF_EXPIRY_WARNING_S = 90 * 86400, /* a certificate that ends within this time is mentioned */
};

/* What is wrong with an image. */
struct eif_finding {
    const char *what;
    struct detail where; /* may be empty */
};

struct eif_report {
    struct eif_image image;
    struct eif_measurements measurements;
    bool is_signed;
    struct eif_signature *signature; /* NULL: unsigned, or it could not be read */
    bool signature_holds;            /* made over this PCR0 by the certificate's key; dates apart */
    struct json *metadata_tree;      /* NULL: none, or it could not be read */
    struct eif_metadata metadata;    /* texts in the tree */
    struct eif_finding findings[EIF_FINDINGS_MAX]; /* empty: all is as it must be */
    size_t finding_count;
};

/* Looks at a whole image, which must outlive the report, as of `now` (seconds since 1970). Fails
 * only when the sections cannot be walked, as eif_read() does; all else becomes a finding. The
 * caller ends the report with eif_report_done(). */
RESULT eif_inspect(const uint8_t *bytes, size_t size, uint64_t now, struct eif_report *out,
                   struct detail *detail);
void eif_report_done(struct eif_report *report);

/* The value of PCR0, 1, 2 or 8; false: the image has none, as an unsigned one has no PCR8. */
bool eif_report_pcr(const struct eif_report *report, unsigned index, struct pcr *out);

/* Adds a finding for a register that is not `wanted`. */
void eif_report_expect(struct eif_report *report, unsigned index, const struct pcr *wanted);

#endif
