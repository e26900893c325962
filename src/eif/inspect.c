#include "eif/inspect.h"

#include <assert.h>

static void add_finding(struct eif_report *report, const char *what, const struct detail *where)
{
    assert(report->finding_count < EIF_FINDINGS_MAX);
    struct eif_finding *finding = &report->findings[report->finding_count++];
    finding->what = what;
    finding->where = where == NULL ? (struct detail){ "" } : *where;
}

static void add_failure(struct eif_report *report, struct result result, const struct detail *where)
{
    if (!is_ok(result)) {
        add_finding(report, result.what, where);
    }
}

static void inspect_shape(struct eif_report *report)
{
    const char *broken[EIF_RULES_MAX];
    size_t count = eif_rules_broken(&report->image, broken);
    for (size_t i = 0; i < count; i++) {
        add_finding(report, broken[i], NULL);
    }
}

static void inspect_certificate(struct eif_report *report, uint64_t now)
{
    const struct eif_certificate *certificate = report->signature->certificate;
    struct detail where = { "" };
    add_failure(report, eif_certificate_check_dates(certificate, now, &where), &where);
}

static void inspect_signature(struct eif_report *report, uint64_t now)
{
    const struct eif_section *section = eif_find(&report->image, EIF_SIGNATURE, 0);
    struct detail where = { "" };
    report->is_signed = section != NULL;
    if (section == NULL) {
        return;
    }
    add_failure(report,
                eif_signature_read(section->bytes, section->size, &report->signature, &where),
                &where);
    if (report->signature == NULL) {
        return; /* just said why */
    }
    size_t findings = report->finding_count;
    add_failure(report, eif_signature_check(report->signature, &report->measurements.image), NULL);
    report->signature_holds = report->finding_count == findings;
    inspect_certificate(report, now);
}

static void inspect_metadata(struct eif_report *report)
{
    const struct eif_section *section = eif_find(&report->image, EIF_METADATA, 0);
    struct detail where = { "" };
    if (section == NULL) {
        return; /* a rule says so */
    }
    add_failure(report,
                eif_metadata_read(section->bytes, section->size, &report->metadata_tree,
                                  &report->metadata, &where),
                &where);
    if (report->metadata_tree == NULL) {
        detail_prefix(&report->findings[report->finding_count - 1].where, "metadata, ");
    }
}

RESULT eif_inspect(const uint8_t *bytes, size_t size, uint64_t now, struct eif_report *out,
                   struct detail *detail)
{
    struct eif_report report = { .finding_count = 0 };
    TRY(eif_read(bytes, size, &report.image, detail));
    report.measurements = eif_measure(&report.image);
    inspect_shape(&report);
    inspect_signature(&report, now);
    inspect_metadata(&report);
    *out = report;
    return OK;
}

void eif_report_done(struct eif_report *report)
{
    eif_signature_free(report->signature);
    json_free(report->metadata_tree);
    *report = (struct eif_report){ .finding_count = 0 };
}

bool eif_report_pcr(const struct eif_report *report, unsigned index, struct pcr *out)
{
    switch (index) {
    case PCR_IMAGE:
        *out = report->measurements.image;
        return true;
    case PCR_KERNEL:
        *out = report->measurements.kernel;
        return true;
    case PCR_APPLICATION:
        *out = report->measurements.application;
        return true;
    case PCR_SIGNER:
        if (report->signature == NULL) {
            return false;
        }
        *out = report->signature->certificate->pcr;
        return true;
    default:
        return false;
    }
}

void eif_report_expect(struct eif_report *report, unsigned index, const struct pcr *wanted)
{
    struct pcr value;
    struct detail where = { "" };
    detail_set(&where, "PCR%u", index);
    if (!eif_report_pcr(report, index, &value)) {
        add_finding(report, "the image is not signed", &where);
    } else if (!pcr_equal(&value, wanted)) {
        add_finding(report, "it is not the one that was demanded", &where);
    }
}
