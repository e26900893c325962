#include "app/atls_report.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/json_write.h"

#include <stdio.h>

enum { LINE_SIZE = 2 * DETAIL_SIZE };

static const char *const outcomes[] = {
    [CHECK_NOT_REACHED] = "not reached",
    [CHECK_NOT_ASKED] = "not asked",
    [CHECK_HELD] = "held",
    [CHECK_REFUSED] = "refused",
};

static const char development_warning[] =
    "DEVELOPMENT ROOT: whoever has its key can make such evidence; it proves nothing about an "
    "enclave of AWS";
static const char debug_warning[] =
    "DEBUG MODE: the parent instance can read this enclave's console and change its code";

static bool is_debug(const struct report *report)
{
    return report->has_document && pcr_is_zero(&report->document.pcrs[PCR_IMAGE]);
}

/* Hexadecimal without 0x, as AWS's tools write registers and hashes. */
static void append_hex(const uint8_t *bytes, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++) {
        buf_printf(out, "%02x", bytes[i]);
    }
}

static void timestamp_of(const struct document *document, char out[static CLOCK_TEXT_SIZE])
{
    clock_format(document->timestamp_ms / 1000, out);
}

static void write_checks(const struct report *report, struct buf *out)
{
    for (unsigned i = 0; i < CHECKS; i++) {
        const struct check_report *check = &report->checks[i];
        char line[LINE_SIZE];
        buf_printf(out, "  %-11s  %s", outcomes[check->outcome], check_name((enum check)i));
        if (check->outcome == CHECK_REFUSED) {
            detail_line(&check->detail, check->result, line, sizeof(line));
            buf_printf(out, ": %s", line);
        }
        buf_append_text(out, "\n");
    }
}

static void write_view(const char *name, struct cbor_view view, struct buf *out)
{
    if (view.bytes != NULL) {
        buf_printf(out, "  %-11s  ", name);
        append_hex(view.bytes, view.size, out);
        buf_append_text(out, "\n");
    }
}

static void write_document(const struct report *report, struct buf *out)
{
    const struct document *document = &report->document;
    char text[CLOCK_TEXT_SIZE];
    timestamp_of(document, text);
    buf_printf(out, "  %-11s  %.*s\n  %-11s  %s\n", "module_id", (int)document->module_id.size,
               (const char *)document->module_id.bytes, "timestamp", text);
    if (report->has_leaf) {
        clock_format(report->leaf.not_after, text);
        buf_printf(out, "  %-11s  %s\n", "valid until", text);
    }
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        if (document_has_pcr(document, i)) {
            char name[sizeof("PCR31")];
            snprintf(name, sizeof(name), "PCR%u", i);
            write_view(name, (struct cbor_view){ document->pcrs[i].bytes, PCR_SIZE }, out);
        }
    }
    write_view("public_key", document->public_key, out);
    write_view("user_data", document->user_data, out);
    write_view("nonce", document->nonce, out);
}

/* That document says the same as the certificate's, or is refused. */
static void write_attestation(const struct report *attestation, struct buf *out)
{
    buf_append_text(out, "checks of the fresh document on this connection\n");
    if (attestation != NULL) {
        write_checks(attestation, out);
    } else {
        buf_printf(out, "  %-11s\n", outcomes[CHECK_NOT_REACHED]);
    }
}

void atls_report_text(const struct atls_finding *finding, struct buf *out)
{
    const struct report *report = finding->report;
    char line[LINE_SIZE];
    char at[CLOCK_TEXT_SIZE];
    detail_line(finding->detail, finding->result, line, sizeof(line));
    clock_format(finding->at_seconds, at);
    if (is_ok(finding->result)) {
        buf_printf(out, "accepted: everything held at %s\n", at);
    } else {
        buf_printf(out, "refused: %s (at %s)\n", line, at);
    }
    if (report->development_root) {
        buf_printf(out, "%s\n", development_warning);
    }
    if (is_debug(report)) {
        buf_printf(out, "%s\n", debug_warning);
    }
    buf_append_text(out, finding->of_server ? "checks of the certificate\n" : "checks\n");
    write_checks(report, out);
    if (finding->of_server) {
        write_attestation(finding->attestation, out);
    }
    if (report->has_document) {
        buf_append_text(out,
                        is_ok(finding->result) ? "the document says\n" : "the document claims\n");
        write_document(report, out);
    }
}

static void json_view(struct json_writer *writer, const char *name, const struct cbor_view *view)
{
    if (view->bytes == NULL) {
        json_write_text(writer, name, NULL);
    } else {
        json_write_hex(writer, name, view->bytes, view->size);
    }
}

static void json_pcr(struct json_writer *writer, const char *name, const uint8_t *bytes)
{
    char text[HEX_TEXT_SIZE(PCR_SIZE)];
    hex_encode(bytes, PCR_SIZE, text);
    json_write_text(writer, name, text + 2);
}

static void json_checks(struct json_writer *writer, const struct report *report)
{
    json_write_open(writer, "checks", '[');
    for (unsigned i = 0; i < CHECKS; i++) {
        const struct check_report *check = &report->checks[i];
        char line[LINE_SIZE];
        detail_line(&check->detail, check->result, line, sizeof(line));
        json_write_open(writer, NULL, '{');
        json_write_text(writer, "name", check_name((enum check)i));
        json_write_text(writer, "outcome", outcomes[check->outcome]);
        json_write_text(writer, "reason", check->outcome == CHECK_REFUSED ? line : NULL);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
}

static void json_document(struct json_writer *writer, const struct document *document)
{
    char text[DOCUMENT_MODULE_ID_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", (int)document->module_id.size,
             (const char *)document->module_id.bytes);
    json_write_open(writer, "document", '{');
    json_write_text(writer, "module_id", text);
    timestamp_of(document, text);
    json_write_text(writer, "timestamp", text);
    json_write_number(writer, "timestamp_ms", document->timestamp_ms);
    json_write_open(writer, "pcrs", '{');
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        if (document_has_pcr(document, i)) {
            snprintf(text, sizeof(text), "%u", i);
            json_pcr(writer, text, document->pcrs[i].bytes);
        }
    }
    json_write_close(writer, '}');
    json_view(writer, "public_key", &document->public_key);
    json_view(writer, "user_data", &document->user_data);
    json_view(writer, "nonce", &document->nonce);
    json_write_close(writer, '}');
}

static void json_time(struct json_writer *writer, const char *name, bool known, uint64_t seconds)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format(seconds, text);
    json_write_text(writer, name, known ? text : NULL);
}

/* What is said of one document, by members of the same names for both tiers. */
static void json_report(struct json_writer *writer, const struct report *report)
{
    json_checks(writer, report);
    json_time(writer, "valid_until", report->has_leaf, report->leaf.not_after);
    if (report->has_document) {
        json_document(writer, &report->document);
    } else {
        json_write_text(writer, "document", NULL);
    }
}

static void json_attestation(struct json_writer *writer, const struct report *attestation)
{
    if (attestation == NULL) {
        json_write_text(writer, "attestation", NULL);
        return;
    }
    json_write_open(writer, "attestation", '{');
    json_report(writer, attestation);
    json_write_close(writer, '}');
}

void atls_report_json(const struct atls_finding *finding, struct buf *out)
{
    struct json_writer writer = JSON_WRITER(out);
    const struct report *report = finding->report;
    bool accepted = is_ok(finding->result);
    char line[LINE_SIZE];
    detail_line(finding->detail, finding->result, line, sizeof(line));
    json_write_open(&writer, NULL, '{');
    json_write_boolean(&writer, "verified", accepted);
    json_write_text(&writer, "reason", accepted ? NULL : line);
    json_time(&writer, "at", true, finding->at_seconds);
    json_write_boolean(&writer, "development_root", report->development_root);
    json_write_boolean(&writer, "debug_mode", is_debug(report));
    json_report(&writer, report);
    if (report->has_configuration) {
        json_pcr(&writer, "configuration", report->configuration);
    } else {
        json_write_text(&writer, "configuration", NULL);
    }
    if (finding->of_server) {
        json_attestation(&writer, finding->attestation);
    }
    json_write_close(&writer, '}');
    buf_append_text(out, "\n");
}
