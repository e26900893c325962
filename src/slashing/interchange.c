#include "slashing/interchange.h"

#include "base/decimal.h"
#include "base/hex.h"
#include "base/json.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum {
    MEMBER_NAME_SIZE = 32,      /* longer than any name we look for */
    ENTRY_TEXT_MAX = INT32_MAX, /* one validator with HISTORY_RECORDS_MAX of both kinds fits */
};

struct reader {
    const struct root *genesis_validators_root;
    struct result (*visit)(const struct history *history, void *context);
    void *context;
    struct detail *detail;
};

static struct result read_number(const struct json *value, uint64_t *out)
{
    size_t size = 0;
    const char *text = json_as_text(value, &size);
    if (text != NULL) {
        return decimal_parse(text, size, out);
    }
    int64_t integer = 0;
    ENSURE(json_as_integer(value, &integer), BAD_INPUT, "not a decimal number");
    ENSURE(integer >= 0, BAD_INPUT, "number is below zero");
    *out = (uint64_t)integer;
    return OK;
}

static struct result read_bytes(const struct json *value, uint8_t *out, size_t size)
{
    size_t text_size = 0;
    const char *text = json_as_text(value, &text_size);
    ENSURE(text != NULL, BAD_INPUT, "not a hexadecimal string");
    return hex_decode(text, text_size, out, size);
}

static struct result require(const struct json *object, const char *name, const struct json **out)
{
    *out = json_member(object, name);
    ENSURE(*out != NULL, BAD_INPUT, "is missing");
    return OK;
}

static struct result number_member(const struct json *object, const char *name, uint64_t *out,
                                   struct detail *detail)
{
    const struct json *value = NULL;
    detail_set(detail, ".%s", name);
    TRY(require(object, name, &value));
    return read_number(value, out);
}

/* A root that is absent, or null, is unknown. */
static struct result root_member(const struct json *object, struct root *out, bool *has_out,
                                 struct detail *detail)
{
    const struct json *value = json_member(object, "signing_root");
    *has_out = json_kind(value) != JSON_KIND_NULL;
    if (!*has_out) {
        return OK;
    }
    detail_set(detail, ".signing_root");
    return read_bytes(value, out->bytes, sizeof(out->bytes));
}

static struct result read_block(const struct json *item, struct history *history,
                                struct detail *detail)
{
    struct signed_block block = { .has_root = false };
    TRY(number_member(item, "slot", &block.slot.value, detail));
    TRY(root_member(item, &block.root, &block.has_root, detail));
    detail_set(detail, "%s", "");
    return history_add_block(history, &block);
}

static struct result read_attestation(const struct json *item, struct history *history,
                                      struct detail *detail)
{
    struct signed_attestation attestation = { .has_root = false };
    TRY(number_member(item, "source_epoch", &attestation.source.value, detail));
    TRY(number_member(item, "target_epoch", &attestation.target.value, detail));
    TRY(root_member(item, &attestation.root, &attestation.has_root, detail));
    detail_set(detail, "%s", "");
    return history_add_attestation(history, &attestation);
}

static struct result read_records(const struct json *entry, const char *name,
                                  struct result (*read_record)(const struct json *item,
                                                               struct history *history,
                                                               struct detail *detail),
                                  struct history *history, struct detail *detail)
{
    const struct json *records = NULL;
    detail_set(detail, ".%s", name);
    TRY(require(entry, name, &records));
    ENSURE(json_kind(records) == JSON_KIND_ARRAY, BAD_INPUT, "not an array");
    size_t count = json_count(records);
    for (size_t i = 0; i < count; i++) {
        struct result read = read_record(json_item(records, i), history, detail);
        if (!is_ok(read)) {
            detail_prefix(detail, ".%s[%zu]", name, i);
            return read;
        }
    }
    return OK;
}

static struct result read_entry(const struct json *entry, struct history *history,
                                struct detail *detail)
{
    const struct json *pubkey = NULL;
    detail_set(detail, ".pubkey");
    TRY(require(entry, "pubkey", &pubkey));
    TRY(read_bytes(pubkey, history->pubkey.bytes, sizeof(history->pubkey.bytes)));
    TRY(read_records(entry, "signed_blocks", read_block, history, detail));
    return read_records(entry, "signed_attestations", read_attestation, history, detail);
}

static struct result visit_entry(const struct reader *reader, const struct json *entry,
                                 size_t index)
{
    CLEANUP(history_done) struct history history = { .block_count = 0 };
    struct result read = read_entry(entry, &history, reader->detail);
    if (!is_ok(read)) {
        detail_prefix(reader->detail, "data[%zu]", index);
        return read;
    }
    detail_set(reader->detail, "%s", "");
    struct result visited = reader->visit(&history, reader->context);
    if (!is_ok(visited)) {
        detail_prefix(reader->detail, "data[%zu]: ", index);
    }
    return visited;
}

/* Goes through the array at hand. With `visit` false only its form is looked at. */
static struct result read_data(const struct reader *reader, struct json_stream *stream, bool visit)
{
    TRY(json_stream_array(stream, reader->detail));
    for (size_t index = 0;; index++) {
        bool end = false;
        TRY(json_stream_element(stream, &end, reader->detail));
        if (end) {
            return OK;
        }
        ENSURE(index < INTERCHANGE_VALIDATORS_MAX, LIMIT, "too many validators in one file");
        CLEANUP(json_free_ptr) struct json *entry = NULL;
        TRY(json_stream_value(stream, &entry, reader->detail));
        if (visit) {
            TRY(visit_entry(reader, entry, index));
        }
    }
}

static struct result check_network(const struct reader *reader, const struct json *metadata)
{
    const struct json *value = NULL;
    struct root root;
    detail_set(reader->detail, "metadata.genesis_validators_root");
    TRY(require(metadata, "genesis_validators_root", &value));
    TRY(read_bytes(value, root.bytes, sizeof(root.bytes)));
    if (root_equal(&root, reader->genesis_validators_root)) {
        return OK;
    }
    char theirs[HEX_TEXT_SIZE(sizeof(root.bytes))];
    char ours[HEX_TEXT_SIZE(sizeof(root.bytes))];
    hex_encode(root.bytes, sizeof(root.bytes), theirs);
    hex_encode(reader->genesis_validators_root->bytes, sizeof(root.bytes), ours);
    detail_set(reader->detail, "metadata.genesis_validators_root is %s, this network's is %s",
               theirs, ours);
    return FAIL(BAD_INPUT, "the file belongs to another network");
}

static struct result read_metadata(const struct reader *reader, struct json_stream *stream)
{
    CLEANUP(json_free_ptr) struct json *metadata = NULL;
    TRY(json_stream_value(stream, &metadata, reader->detail));
    const struct json *value = NULL;
    uint64_t version = 0;
    detail_set(reader->detail, "metadata.interchange_format_version");
    TRY(require(metadata, "interchange_format_version", &value));
    TRY(read_number(value, &version));
    ENSURE(version == INTERCHANGE_VERSION, BAD_INPUT, "only version 5 is understood");
    return check_network(reader, metadata);
}

static struct result skip_value(struct json_stream *stream, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *value = NULL;
    return json_stream_value(stream, &value, detail);
}

/* How far the two members of the file were read. */
struct progress {
    bool has_metadata;
    bool has_data;
    struct json_stream waiting; /* data that came before the metadata, to be read in the end */
    bool is_waiting;
};

static struct result read_member(const struct reader *reader, struct json_stream *stream,
                                 const char *name, struct progress *progress)
{
    if (strcmp(name, "metadata") == 0) {
        detail_set(reader->detail, "metadata");
        ENSURE(!progress->has_metadata, BAD_INPUT, "is there twice");
        progress->has_metadata = true;
        return read_metadata(reader, stream);
    }
    if (strcmp(name, "data") == 0) {
        detail_set(reader->detail, "data");
        ENSURE(!progress->has_data, BAD_INPUT, "is there twice");
        progress->has_data = true;
        progress->is_waiting = !progress->has_metadata;
        progress->waiting = *stream;
        return read_data(reader, stream, progress->has_metadata);
    }
    return skip_value(stream, reader->detail);
}

RESULT interchange_read(const char *text, size_t size, const struct root *genesis_validators_root,
                        struct result (*visit)(const struct history *history, void *context),
                        void *context, struct detail *detail)
{
    const struct reader reader = { genesis_validators_root, visit, context, detail };
    struct progress progress = { .has_data = false };
    struct json_stream stream;
    TRY(json_stream_open(text, size, &stream, detail));
    for (;;) {
        char name[MEMBER_NAME_SIZE];
        bool end = false;
        TRY(json_stream_member(&stream, name, sizeof(name), &end, detail));
        if (end) {
            break;
        }
        TRY(read_member(&reader, &stream, name, &progress));
    }
    detail_set(detail, progress.has_metadata ? "data" : "metadata");
    ENSURE(progress.has_metadata && progress.has_data, BAD_INPUT, "is missing");
    return progress.is_waiting ? read_data(&reader, &progress.waiting, true) : OK;
}

struct import {
    struct slashing_store *store;
    enum conflict_policy policy;
    struct interchange_summary summary;
    struct detail *detail;
};

static struct result import_history(const struct history *history, void *context)
{
    struct import *import = context;
    TRY(import->store->ops->import_history(import->store, history, import->policy, import->detail));
    import->summary.validators++;
    import->summary.blocks += history->block_count;
    import->summary.attestations += history->attestation_count;
    return OK;
}

RESULT interchange_import(struct slashing_store *store, const struct interchange_text *text,
                          struct interchange_summary *summary_out, struct detail *detail)
{
    struct import import = { .store = store, .policy = text->policy, .detail = detail };
    detail_set(detail, "%s", "");
    TRY(store->ops->import_begin(store));
    struct result read = interchange_read(text->text, text->size, text->genesis_validators_root,
                                          import_history, &import, detail);
    struct result ended = store->ops->import_end(store, is_ok(read) && !text->dry_run);
    TRY(read);
    detail_set(detail, "%s", "");
    TRY(ended);
    *summary_out = import.summary;
    return OK;
}

struct export
{
    struct slashing_store *store;
    struct interchange_writer writer;
    FILE *out;
    struct detail *detail;
};

/* Hands what is in the buffer to the stream. */
static struct result flush(struct export *export)
{
    struct buf *text = export->writer.out;
    ENSURE(is_ok(buf_check(text)), UNAVAILABLE, "out of memory");
    if (fwrite(text->data, 1, text->size, export->out) != text->size) {
        detail_set(export->detail, "%s", strerror(errno));
        return FAIL(UNAVAILABLE, "cannot write the export");
    }
    buf_clear(text);
    return OK;
}

static struct result export_validator(const struct pubkey *pubkey, void *context)
{
    struct export *export = context;
    CLEANUP(history_done) struct history history = { .block_count = 0 };
    struct result loaded = export->store->ops->load_history(export->store, pubkey, &history);
    if (loaded.status == STATUS_NOT_FOUND) {
        return OK;
    }
    TRY(loaded);
    interchange_write_history(&export->writer, &history);
    return flush(export);
}

static struct result export_validators(struct export *export,
                                       const struct interchange_selection *selection)
{
    if (selection->pubkeys == NULL) {
        return export->store->ops->each_validator(export->store, export_validator, export);
    }
    for (size_t i = 0; i < selection->pubkey_count; i++) {
        TRY(export_validator(&selection->pubkeys[i], export));
    }
    return OK;
}

RESULT interchange_export(struct slashing_store *store,
                          const struct interchange_selection *selection, FILE *out,
                          struct interchange_summary *summary_out, struct detail *detail)
{
    BUF text = BUF_INIT(ENTRY_TEXT_MAX);
    struct export export = { .store = store, .out = out, .detail = detail };
    detail_set(detail, "%s", "");
    interchange_write_begin(&export.writer, &text, selection->genesis_validators_root);
    TRY(export_validators(&export, selection));
    interchange_write_end(&export.writer);
    TRY(flush(&export));
    if (fflush(out) != 0) {
        detail_set(detail, "%s", strerror(errno));
        return FAIL(UNAVAILABLE, "cannot write the export");
    }
    *summary_out = export.writer.summary;
    return OK;
}
