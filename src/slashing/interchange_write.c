#include "slashing/interchange_write.h"

#include "base/json_write.h"

/* What of a history goes into the file: the records from here on, and before them the marks where
 * no record stands for them. */
struct extract {
    struct watermarks marks;
    size_t first_block;
    size_t first_attestation;
    bool has_block_mark;
    bool has_attestation_mark;
};

static void extract_blocks(const struct history *history, struct extract *extract)
{
    if (!history->marks.has_block) {
        return;
    }
    uint64_t mark = history->marks.block_slot.value;
    size_t first = 0;
    while (first < history->block_count && history->blocks[first].slot.value < mark) {
        first++;
    }
    extract->first_block = first;
    extract->has_block_mark =
        first == history->block_count || history->blocks[first].slot.value != mark;
}

/* Records below the marks cannot go along: the lowest of a file binds its importer, so they would
 * free what the marks forbid. Instead the marks rise over them, which leaves a run of records that
 * are all at or above both marks, so in no conflict with them. */
static void extract_attestations(const struct history *history, struct extract *extract)
{
    struct watermarks *marks = &extract->marks;
    if (!marks->has_attestation) {
        return;
    }
    /* A source mark above the target mark (from a file with such an entry) is no valid record. */
    watermarks_cover_attestation(marks, marks->source, marks->source);
    size_t first = 0;
    for (; first < history->attestation_count; first++) {
        const struct signed_attestation *record = &history->attestations[first];
        if (record->target.value >= marks->target.value &&
            record->source.value >= marks->source.value) {
            break;
        }
        watermarks_cover_attestation(marks, record->source, record->target);
    }
    extract->first_attestation = first;
    extract->has_attestation_mark =
        first == history->attestation_count ||
        history->attestations[first].target.value != marks->target.value;
}

static void write_block(struct json_writer *json, const struct signed_block *block)
{
    json_write_open(json, NULL, '{');
    json_write_decimal(json, "slot", block->slot.value);
    if (block->has_root) {
        json_write_hex(json, "signing_root", block->root.bytes, sizeof(block->root.bytes));
    }
    json_write_close(json, '}');
}

static void write_attestation(struct json_writer *json,
                              const struct signed_attestation *attestation)
{
    json_write_open(json, NULL, '{');
    json_write_decimal(json, "source_epoch", attestation->source.value);
    json_write_decimal(json, "target_epoch", attestation->target.value);
    if (attestation->has_root) {
        json_write_hex(json, "signing_root", attestation->root.bytes,
                       sizeof(attestation->root.bytes));
    }
    json_write_close(json, '}');
}

static void write_blocks(struct json_writer *json, const struct history *history,
                         const struct extract *extract, struct interchange_summary *summary)
{
    json_write_open(json, "signed_blocks", '[');
    if (extract->has_block_mark) {
        write_block(json, &(struct signed_block){ .slot = extract->marks.block_slot });
    }
    for (size_t i = extract->first_block; i < history->block_count; i++) {
        write_block(json, &history->blocks[i]);
    }
    json_write_close(json, ']');
    summary->blocks += history->block_count - extract->first_block + extract->has_block_mark;
}

static void write_attestations(struct json_writer *json, const struct history *history,
                               const struct extract *extract, struct interchange_summary *summary)
{
    json_write_open(json, "signed_attestations", '[');
    if (extract->has_attestation_mark) {
        write_attestation(json, &(struct signed_attestation){ .source = extract->marks.source,
                                                              .target = extract->marks.target });
    }
    for (size_t i = extract->first_attestation; i < history->attestation_count; i++) {
        write_attestation(json, &history->attestations[i]);
    }
    json_write_close(json, ']');
    summary->attestations +=
        history->attestation_count - extract->first_attestation + extract->has_attestation_mark;
}

void interchange_write_begin(struct interchange_writer *writer, struct buf *out,
                             const struct root *genesis_validators_root)
{
    *writer = (struct interchange_writer){ .out = out };
    struct json_writer json = JSON_WRITER(out);
    json_write_open(&json, NULL, '{');
    json_write_open(&json, "metadata", '{');
    json_write_decimal(&json, "interchange_format_version", INTERCHANGE_VERSION);
    json_write_hex(&json, "genesis_validators_root", genesis_validators_root->bytes,
                   sizeof(genesis_validators_root->bytes));
    json_write_close(&json, '}');
    json_write_open(&json, "data", '[');
    buf_append_text(out, "\n");
}

void interchange_write_history(struct interchange_writer *writer, const struct history *history)
{
    struct extract extract = { .marks = history->marks };
    extract_blocks(history, &extract);
    extract_attestations(history, &extract);
    struct json_writer json = JSON_WRITER(writer->out);
    json.comma = writer->summary.validators > 0;
    json_write_open(&json, NULL, '{');
    json_write_hex(&json, "pubkey", history->pubkey.bytes, sizeof(history->pubkey.bytes));
    write_blocks(&json, history, &extract, &writer->summary);
    write_attestations(&json, history, &extract, &writer->summary);
    json_write_close(&json, '}');
    buf_append_text(writer->out, "\n");
    writer->summary.validators++;
}

void interchange_write_end(struct interchange_writer *writer)
{
    buf_append_text(writer->out, "]}\n");
}
