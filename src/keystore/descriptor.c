#include "keystore/descriptor.h"

#include "base/hex.h"

#include <string.h>
#include <strings.h>
#include <yaml.h>

enum field {
    FIELD_TYPE,
    FIELD_KEY_TYPE,
    FIELD_PRIVATE_KEY,
    FIELD_KEYSTORE_FILE,
    FIELD_PASSWORD_FILE,
    FIELD_COUNT, /* also: none of them */
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_TYPE] = "type",
    [FIELD_KEY_TYPE] = "keyType",
    [FIELD_PRIVATE_KEY] = "privateKey",
    [FIELD_KEYSTORE_FILE] = "keystoreFile",
    [FIELD_PASSWORD_FILE] = "keystorePasswordFile",
};

/* Web3Signer's other key sources: who comes from there learns that it is not his spelling. */
static const char *const unsupported_types[] = {
    "hashicorp",  "azure-secret", "azure-key", "aws-secret", "aws-kms",
    "gcp-secret", "yubihsm",      "yubihsm2",  "usb-armory", "interlock",
};

enum { HEX_RUN_MIN = 8 };

struct reader {
    yaml_parser_t parser;
    const char *text;   /* the caller's */
    const char *masked; /* libyaml's: as long, so that places are the same */
    size_t size;
    struct detail *detail;
};

/* What was found in a document. */
struct document {
    struct descriptor_text fields[FIELD_COUNT];
    bool given[FIELD_COUNT];
    struct result problem; /* the first one */
    struct detail place;   /* of it */
};

static bool is_hex_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Writes the text as libyaml gets it. Digits of longer hexadecimal runs become '0', which is as
 * good a part of a YAML scalar as they are; bytes outside ASCII become '_', so that libyaml's count
 * of characters is a count of bytes. */
static void mask(const char *text, size_t size, char *out)
{
    for (size_t i = 0; i < size;) {
        size_t run = 0;
        while (i + run < size && is_hex_digit(text[i + run])) {
            run++;
        }
        if (run == 0) {
            out[i] = (text[i] & 0x80) != 0 ? '_' : text[i];
            i++;
            continue;
        }
        for (size_t end = i + run; i < end; i++) {
            out[i] = run >= HEX_RUN_MIN ? '0' : text[i];
        }
    }
}

#define EVENT CLEANUP(yaml_event_delete) yaml_event_t

static struct result next_event(struct reader *reader, yaml_event_t *event)
{
    const yaml_parser_t *parser = &reader->parser;
    if (yaml_parser_parse(&reader->parser, event) != 1) {
        ENSURE(parser->error != YAML_MEMORY_ERROR, UNAVAILABLE, "out of memory");
        const char *reason = parser->problem != NULL ? parser->problem : "unreadable";
        detail_set(reader->detail, "line %zu (%s)", parser->problem_mark.line + 1, reason);
        return FAIL(BAD_INPUT, "not valid YAML");
    }
    ENSURE(event->type != YAML_NO_EVENT, BAD_INPUT, "YAML that ends too early");
    detail_set(reader->detail, "line %zu", event->start_mark.line + 1);
    ENSURE(event->type != YAML_ALIAS_EVENT, BAD_INPUT, "YAML aliases are not supported here");
    return OK;
}

/* The scalar in the caller's text: the bytes before its end, when they are what libyaml read.
 * False: it was written with escapes, in a block or over several lines. */
static bool find_text(const struct reader *reader, const yaml_event_t *scalar,
                      struct descriptor_text *out)
{
    bool plain = scalar->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool quoted = scalar->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                  scalar->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    size_t size = scalar->data.scalar.length;
    size_t end = scalar->end_mark.index - (quoted ? 1 : 0);
    if ((!plain && !quoted) || end > reader->size || size > end) {
        return false;
    }
    *out = (struct descriptor_text){ reader->text + end - size, size };
    return memcmp(reader->masked + end - size, scalar->data.scalar.value, size) == 0;
}

static bool text_is(struct descriptor_text text, const char *wanted)
{
    return text.size == strlen(wanted) && memcmp(text.at, wanted, text.size) == 0;
}

static enum field find_field(const struct reader *reader, const yaml_event_t *key)
{
    struct descriptor_text name = { NULL, 0 };
    if (key->type != YAML_SCALAR_EVENT || !find_text(reader, key, &name)) {
        return FIELD_COUNT;
    }
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (text_is(name, field_names[i])) {
            return (enum field)i;
        }
    }
    return FIELD_COUNT;
}

static int nesting_change(yaml_event_type_t type)
{
    if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
        return 1;
    }
    return type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT ? -1 : 0;
}

/* Goes over the rest of the node that begins with the event. */
static struct result skip_node(struct reader *reader, const yaml_event_t *start)
{
    int depth = nesting_change(start->type);
    while (depth > 0) {
        EVENT event = { .type = YAML_NO_EVENT };
        TRY(next_event(reader, &event));
        depth += nesting_change(event.type);
        ENSURE(depth <= DESCRIPTOR_NESTING_MAX, LIMIT, "YAML is nested too deeply");
    }
    return OK;
}

static void note_problem(struct document *document, enum field field, struct result problem)
{
    if (is_ok(document->problem)) {
        document->problem = problem;
        detail_set(&document->place, "%s", field == FIELD_COUNT ? "" : field_names[field]);
    }
}

static void take_value(const struct reader *reader, enum field field, const yaml_event_t *value,
                       struct document *document)
{
    struct descriptor_text text = { NULL, 0 };
    if (value->type != YAML_SCALAR_EVENT) {
        note_problem(document, field, FAIL(BAD_INPUT, "not a text"));
    } else if (!find_text(reader, value, &text)) {
        note_problem(document, field, FAIL(BAD_INPUT, "must be on one line, without escapes"));
    } else if (document->given[field]) {
        note_problem(document, field, FAIL(BAD_INPUT, "the member is there twice"));
    }
    document->given[field] = true;
    document->fields[field] = text;
}

static struct result read_mapping(struct reader *reader, struct document *document)
{
    for (;;) { /* each round takes something of the text */
        EVENT key = { .type = YAML_NO_EVENT };
        EVENT value = { .type = YAML_NO_EVENT };
        TRY(next_event(reader, &key));
        if (key.type == YAML_MAPPING_END_EVENT) {
            return OK;
        }
        enum field field = find_field(reader, &key);
        TRY(skip_node(reader, &key));
        TRY(next_event(reader, &value));
        if (field != FIELD_COUNT) {
            take_value(reader, field, &value, document);
        }
        TRY(skip_node(reader, &value));
    }
}

static struct result read_key_type(const struct document *document)
{
    struct descriptor_text text = document->fields[FIELD_KEY_TYPE];
    if (!document->given[FIELD_KEY_TYPE] ||
        (text.size == 3 && strncasecmp(text.at, "BLS", 3) == 0)) {
        return OK;
    }
    ENSURE(text.size != 9 || strncasecmp(text.at, "SECP256K1", 9) != 0, BAD_INPUT,
           "SECP256K1 keys are not supported: validators sign with BLS keys");
    return FAIL(BAD_INPUT, "must be BLS");
}

/* Says whether a file's type can be used. Other text than names we know is not repeated: it might
 * be a key in the wrong place. */
static struct result read_type(struct document *document, enum descriptor_type *out)
{
    struct descriptor_text text = document->fields[FIELD_TYPE];
    ENSURE(text.size > 0, BAD_INPUT, "the member is missing or empty");
    for (size_t i = 0; i < sizeof(unsupported_types) / sizeof(unsupported_types[0]); i++) {
        if (text_is(text, unsupported_types[i])) {
            detail_set(&document->place, "type %s", unsupported_types[i]);
            return FAIL(BAD_INPUT, "keys from this source are not supported here; use file-raw or "
                                   "file-keystore");
        }
    }
    bool raw = text_is(text, "file-raw");
    ENSURE(raw || text_is(text, "file-keystore"), BAD_INPUT, "must be file-raw or file-keystore");
    *out = raw ? DESCRIPTOR_RAW : DESCRIPTOR_KEYSTORE;
    return OK;
}

static struct result read_private_key(struct document *document, struct secret32 *out)
{
    struct descriptor_text text = document->fields[FIELD_PRIVATE_KEY];
    detail_set(&document->place, "%s", field_names[FIELD_PRIVATE_KEY]);
    ENSURE(text.size > 0, BAD_INPUT, "the member is missing or empty");
    struct result result = hex_decode(text.at, text.size, out->bytes, sizeof(out->bytes));
    ENSURE(is_ok(result), BAD_INPUT, "must be 64 hexadecimal digits");
    return OK;
}

static struct result read_file_name(struct document *document, enum field field,
                                    struct descriptor_text *out)
{
    detail_set(&document->place, "%s", field_names[field]);
    ENSURE(document->fields[field].size > 0, BAD_INPUT, "the member is missing or empty");
    *out = document->fields[field];
    return OK;
}

static struct result judge(struct document *document, struct descriptor *out,
                           struct secret32 *secret)
{
    TRY(document->problem);
    detail_set(&document->place, "%s", field_names[FIELD_TYPE]);
    TRY(read_type(document, &out->type));
    detail_set(&document->place, "%s", field_names[FIELD_KEY_TYPE]);
    TRY(read_key_type(document));
    if (out->type == DESCRIPTOR_RAW) {
        out->secret = secret;
        return read_private_key(document, secret);
    }
    TRY(read_file_name(document, FIELD_KEYSTORE_FILE, &out->keystore_file));
    return read_file_name(document, FIELD_PASSWORD_FILE, &out->password_file);
}

/* Reads the document whose start was read. `empty_out`: it is the one that "---" at a file's end
 * makes. */
static struct result read_document(struct reader *reader, struct document *out, bool *empty_out)
{
    EVENT root = { .type = YAML_NO_EVENT };
    EVENT end = { .type = YAML_NO_EVENT };
    out->problem = OK;
    TRY(next_event(reader, &root));
    *empty_out = root.type == YAML_SCALAR_EVENT && root.data.scalar.length == 0;
    if (root.type == YAML_MAPPING_START_EVENT) {
        TRY(read_mapping(reader, out));
    } else {
        note_problem(out, FIELD_COUNT, FAIL(BAD_INPUT, "the document is not a mapping"));
        TRY(skip_node(reader, &root));
    }
    return next_event(reader, &end);
}

static struct result read_all(struct reader *reader, descriptor_visit *visit, void *context)
{
    size_t used = 0;
    for (size_t number = 1;; number++) {
        EVENT start = { .type = YAML_NO_EVENT };
        struct document document = { .problem = OK };
        struct descriptor descriptor = { .document = number };
        bool empty = false;
        TRY(next_event(reader, &start));
        if (start.type == YAML_STREAM_END_EVENT) {
            break;
        }
        ENSURE(number <= DESCRIPTOR_DOCUMENTS_MAX, LIMIT, "over 10000 documents in one file");
        TRY(read_document(reader, &document, &empty));
        if (!empty) {
            SECRET secret;
            struct result verdict = judge(&document, &descriptor, &secret);
            if (!is_ok(verdict)) {
                descriptor = (struct descriptor){ .document = number };
            }
            visit(&descriptor, verdict, &document.place, context);
            used++;
        }
    }
    detail_set(reader->detail, "%s", "");
    ENSURE(used > 0, BAD_INPUT, "no key descriptor in the file");
    return OK;
}

RESULT descriptor_each(const char *text, size_t size, descriptor_visit *visit, void *context,
                       struct detail *detail)
{
    static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark of some editors */
    ENSURE(size <= DESCRIPTOR_SIZE_MAX, LIMIT, "the file is too large");
    if (size >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        size -= 3;
    }
    SECRET_BLOCK masked = { 0 };
    ENSURE(secret_block_new(size, &masked), UNAVAILABLE, "out of memory");
    mask(text, size, (char *)masked.data);
    struct reader reader = {
        .text = text, .masked = (const char *)masked.data, .size = size, .detail = detail
    };
    ENSURE(yaml_parser_initialize(&reader.parser) == 1, UNAVAILABLE, "out of memory");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, masked.data, size);
    EVENT start = { .type = YAML_NO_EVENT };
    struct result result = next_event(&reader, &start);
    if (is_ok(result)) {
        result = read_all(&reader, visit, context);
    }
    yaml_parser_delete(&reader.parser);
    return result;
}
