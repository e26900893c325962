/* fuzz_document.c: all that document_parse() gives lies within the input and within its bounds, a
 * tag 18 before the document changes nothing of it, and nothing made without AWS's keys verifies.
 */
#include "attest/verifier.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static void hold_within(struct cbor_view view, size_t min, size_t max, const uint8_t *data,
                        size_t size)
{
    hold(view.bytes >= data && view.bytes <= data + size);
    hold(view.size <= (size_t)(data + size - view.bytes));
    hold(view.size >= min && view.size <= max);
}

static void hold_optional(struct cbor_view view, size_t min, size_t max, const uint8_t *data,
                          size_t size)
{
    if (view.bytes == NULL) {
        hold(view.size == 0);
    } else {
        hold_within(view, min, max, data, size);
    }
}

static void check_views(const struct document *document, const uint8_t *data, size_t size)
{
    static const struct pcr zero;
    hold_within(document->payload, 1, DOCUMENT_MAX, data, size);
    hold_within(document->signature, DOCUMENT_SIGNATURE_SIZE, DOCUMENT_SIGNATURE_SIZE, data, size);
    hold_within(document->module_id, 1, DOCUMENT_MODULE_ID_MAX, data, size);
    hold_within(document->certificate, 1, DOCUMENT_CERTIFICATE_MAX, data, size);
    hold(document->cabundle_count >= 1 && document->cabundle_count <= DOCUMENT_CABUNDLE_MAX);
    for (size_t i = 0; i < document->cabundle_count; i++) {
        hold_within(document->cabundle[i], 1, DOCUMENT_CERTIFICATE_MAX, data, size);
    }
    hold_optional(document->public_key, 1, DOCUMENT_PUBLIC_KEY_MAX, data, size);
    hold_optional(document->user_data, 0, DOCUMENT_USER_DATA_MAX, data, size);
    hold_optional(document->nonce, 0, DOCUMENT_NONCE_MAX, data, size);
    hold(document->timestamp_ms > 0 && document->pcrs_there != 0);
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        hold(document_has_pcr(document, i) || pcr_equal(&document->pcrs[i], &zero));
    }
}

/* The same bytes with a tag before them, or without the one that is there. */
static void check_tag(const struct document *document, const uint8_t *data, size_t size)
{
    struct document other;
    uint8_t *tagged = malloc(size + 1);
    hold(tagged != NULL);
    tagged[0] = 0xd2;
    memcpy(tagged + 1, data, size);
    bool is_tagged = data[0] == 0xd2;
    struct result parsed = is_tagged ? document_parse(data + 1, size - 1, &other, NULL)
                                     : document_parse(tagged, size + 1, &other, NULL);
    hold(is_ok(parsed) || size == DOCUMENT_MAX);
    if (is_ok(parsed)) {
        hold(other.payload.size == document->payload.size &&
             memcmp(other.payload.bytes, document->payload.bytes, other.payload.size) == 0);
        hold(other.pcrs_there == document->pcrs_there);
    }
    free(tagged);
}

static void check_not_verified(const uint8_t *data, size_t size, bool is_document)
{
    static struct policy policy;
    static struct report report;
    const struct pcr zero = { { 0 } };
    struct detail detail;
    policy_init(&policy);
    policy.allow_debug = true;
    hold(is_ok(policy_allow(&policy, PCR_IMAGE, &zero)));
    const struct expectations wanted = { .policy = &policy, .now_seconds = 1780315800 };
    struct cbor_view view = { data, size };
    hold(!is_ok(verifier_check_document(view, &wanted, &report, &detail)));
    hold(report.has_document == is_document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document document;
    struct detail detail = { "" };
    bool parsed = is_ok(document_parse(data, size, &document, &detail));
    hold(parsed || detail.text[0] != '\0');
    if (parsed) {
        check_views(&document, data, size);
        check_tag(&document, data, size);
    }
    check_not_verified(data, size, parsed);
    return 0;
}
