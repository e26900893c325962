#include "attest/document.h"

#include <string.h>

enum {
    COSE_SIGN1_TAG = 0xd2, /* tag 18 in its shortest form */
    COSE_SIGN1_ITEMS = 4,
};

const uint8_t document_protected[DOCUMENT_PROTECTED_SIZE] = { 0xa1, 0x01, 0x38, 0x22 };

/* One field of the payload, at the reader's place. */
struct field {
    const char *name;
    struct result (*read)(struct cbor_reader *reader, struct document *document);
    bool optional;
};

static struct result read_sized(struct cbor_reader *reader, size_t size_min, size_t size_max,
                                struct cbor_view *out)
{
    struct cbor_view view;
    TRY(cbor_read_bytes(reader, &view));
    ENSURE(view.size >= size_min, BAD_INPUT, "empty");
    ENSURE(view.size <= size_max, LIMIT, "too long");
    *out = view;
    return OK;
}

/* Absent fields are null in what the module writes. */
static struct result read_optional(struct cbor_reader *reader, size_t size_min, size_t size_max,
                                   struct cbor_view *out)
{
    enum cbor_kind kind;
    TRY(cbor_peek(reader, &kind));
    return kind == CBOR_KIND_NULL ? cbor_read_null(reader)
                                  : read_sized(reader, size_min, size_max, out);
}

static struct result read_module_id(struct cbor_reader *reader, struct document *document)
{
    struct cbor_view view;
    TRY(cbor_read_text(reader, &view));
    ENSURE(view.size > 0, BAD_INPUT, "empty");
    ENSURE(view.size <= DOCUMENT_MODULE_ID_MAX, LIMIT, "too long");
    for (size_t i = 0; i < view.size; i++) {
        ENSURE(view.bytes[i] > ' ' && view.bytes[i] <= '~', BAD_INPUT,
               "not printable ASCII without spaces");
    }
    document->module_id = view;
    return OK;
}

static struct result read_digest(struct cbor_reader *reader, struct document *document)
{
    (void)document;
    struct cbor_view view;
    TRY(cbor_read_text(reader, &view));
    ENSURE(cbor_view_is(view, "SHA384"), BAD_INPUT, "not SHA384");
    return OK;
}

static struct result read_timestamp(struct cbor_reader *reader, struct document *document)
{
    TRY(cbor_read_unsigned(reader, &document->timestamp_ms));
    ENSURE(document->timestamp_ms > 0, BAD_INPUT, "must not be 0");
    return OK;
}

static struct result read_pcr(struct cbor_reader *reader, struct document *document)
{
    uint64_t index = 0;
    struct cbor_view value;
    TRY(cbor_read_unsigned(reader, &index));
    ENSURE(index < PCR_COUNT, BAD_INPUT, "a register beyond 31");
    ENSURE(!document_has_pcr(document, (unsigned)index), BAD_INPUT, "a register is there twice");
    TRY(cbor_read_bytes(reader, &value));
    ENSURE(value.size == PCR_SIZE, BAD_INPUT, "a register of other than 48 bytes");
    memcpy(document->pcrs[index].bytes, value.bytes, PCR_SIZE);
    document->pcrs_there |= (uint32_t)1 << index;
    return OK;
}

static struct result read_pcrs(struct cbor_reader *reader, struct document *document)
{
    size_t count = 0;
    TRY(cbor_read_map(reader, &count));
    ENSURE(count > 0, BAD_INPUT, "empty");
    ENSURE(count <= PCR_COUNT, LIMIT, "too many");
    for (size_t i = 0; i < count; i++) {
        TRY(read_pcr(reader, document));
    }
    return OK;
}

static struct result read_certificate(struct cbor_reader *reader, struct document *document)
{
    return read_sized(reader, 1, DOCUMENT_CERTIFICATE_MAX, &document->certificate);
}

static struct result read_cabundle(struct cbor_reader *reader, struct document *document)
{
    size_t count = 0;
    TRY(cbor_read_array(reader, &count));
    ENSURE(count > 0, BAD_INPUT, "empty");
    ENSURE(count <= DOCUMENT_CABUNDLE_MAX, LIMIT, "too many certificates");
    for (size_t i = 0; i < count; i++) {
        TRY(read_sized(reader, 1, DOCUMENT_CERTIFICATE_MAX, &document->cabundle[i]));
    }
    document->cabundle_count = count;
    return OK;
}

static struct result read_public_key(struct cbor_reader *reader, struct document *document)
{
    return read_optional(reader, 1, DOCUMENT_PUBLIC_KEY_MAX, &document->public_key);
}

static struct result read_user_data(struct cbor_reader *reader, struct document *document)
{
    return read_optional(reader, 0, DOCUMENT_USER_DATA_MAX, &document->user_data);
}

static struct result read_nonce(struct cbor_reader *reader, struct document *document)
{
    return read_optional(reader, 0, DOCUMENT_NONCE_MAX, &document->nonce);
}

static const struct field fields[] = {
    { "module_id", read_module_id, false },
    { "digest", read_digest, false },
    { "timestamp", read_timestamp, false },
    { "pcrs", read_pcrs, false },
    { "certificate", read_certificate, false },
    { "cabundle", read_cabundle, false },
    { "public_key", read_public_key, true },
    { "user_data", read_user_data, true },
    { "nonce", read_nonce, true },
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

/* FIELDS when the name is none of them. */
static size_t find_field(struct cbor_view name)
{
    size_t i = 0;
    while (i < FIELDS && !cbor_view_is(name, fields[i].name)) {
        i++;
    }
    return i;
}

static bool is_among(struct cbor_view name, const struct cbor_view *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].size == name.size && memcmp(names[i].bytes, name.bytes, name.size) == 0) {
            return true;
        }
    }
    return false;
}

/* Reads the next field; `names` are those before it. */
static struct result read_field(struct cbor_reader *reader, struct cbor_view *names, size_t count,
                                struct document *document, struct detail *detail)
{
    TRY(cbor_read_text(reader, &names[count]));
    struct cbor_view name = names[count];
    detail_set(detail, "%.*s", (int)(name.size < 64 ? name.size : 64), (const char *)name.bytes);
    ENSURE(!is_among(name, names, count), BAD_INPUT, "the field is there twice");
    size_t known = find_field(name);
    return known < FIELDS ? fields[known].read(reader, document) : cbor_skip(reader);
}

static struct result read_payload(struct document *document, struct detail *detail)
{
    struct cbor_reader reader =
        cbor_shortest_reader_on(document->payload.bytes, document->payload.size);
    struct cbor_view names[DOCUMENT_FIELDS_MAX];
    size_t count = 0;
    detail_set(detail, "payload");
    TRY(cbor_read_map(&reader, &count));
    ENSURE(count <= DOCUMENT_FIELDS_MAX, LIMIT, "too many fields");
    for (size_t i = 0; i < count; i++) {
        detail_set(detail, "payload");
        TRY(read_field(&reader, names, i, document, detail));
    }
    detail_set(detail, "payload");
    TRY(cbor_read_end(&reader));
    for (size_t i = 0; i < FIELDS; i++) {
        struct cbor_view name = { (const uint8_t *)fields[i].name, strlen(fields[i].name) };
        detail_set(detail, "%s", fields[i].name);
        ENSURE(fields[i].optional || is_among(name, names, count), BAD_INPUT,
               "the field is missing");
    }
    return OK;
}

static struct result read_envelope(struct cbor_reader *reader, struct document *document)
{
    struct cbor_view view;
    size_t count = 0;
    TRY(cbor_read_array(reader, &count));
    ENSURE(count == COSE_SIGN1_ITEMS, BAD_INPUT, "not an array of four");
    TRY(cbor_read_bytes(reader, &view));
    ENSURE(view.size == DOCUMENT_PROTECTED_SIZE &&
               memcmp(view.bytes, document_protected, view.size) == 0,
           BAD_INPUT, "the protected header is not that of ES384 alone");
    TRY(cbor_read_map(reader, &count));
    ENSURE(count == 0, BAD_INPUT, "the unprotected header is not empty");
    TRY(cbor_read_bytes(reader, &document->payload));
    TRY(cbor_read_bytes(reader, &document->signature));
    ENSURE(document->signature.size == DOCUMENT_SIGNATURE_SIZE, BAD_INPUT,
           "a signature of other than 96 bytes");
    return cbor_read_end(reader);
}

RESULT document_parse(const void *bytes, size_t size, struct document *out, struct detail *detail)
{
    struct document document = { .timestamp_ms = 0 };
    const uint8_t *first = bytes;
    detail_set(detail, "COSE_Sign1");
    ENSURE(size > 0, BAD_INPUT, "no bytes");
    ENSURE(size <= DOCUMENT_MAX, LIMIT, "over 16384 bytes");
    size_t tag = first[0] == COSE_SIGN1_TAG ? 1 : 0;
    struct cbor_reader reader = cbor_shortest_reader_on(first + tag, size - tag);
    TRY(read_envelope(&reader, &document));
    TRY(read_payload(&document, detail));
    *out = document;
    return OK;
}

bool document_has_pcr(const struct document *document, unsigned index)
{
    return index < PCR_COUNT && (document->pcrs_there >> index & 1) != 0;
}

void document_write_signed(const struct document *document, struct buf *out)
{
    cbor_write_array(out, COSE_SIGN1_ITEMS);
    cbor_write_text(out, "Signature1");
    cbor_write_bytes(out, document_protected, sizeof(document_protected));
    cbor_write_bytes(out, NULL, 0);
    cbor_write_bytes(out, document->payload.bytes, document->payload.size);
}
