/* fuzz_descriptor.c: documents are visited in order and within their limit; a private key that is
 * read is written in the text; and a keystore's name is what libyaml makes of the unmasked text. */
#include "keystore/descriptor.h"

#include "base/hex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES_MAX = 64 };

struct name {
    size_t document;
    struct descriptor_text text;
};

struct visit {
    const char *text;
    size_t size;
    size_t last; /* document */
    struct name names[NAMES_MAX];
    size_t name_count;
};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void must_be_inside(const struct visit *visit, struct descriptor_text text)
{
    must(text.size > 0 && text.at >= visit->text);
    must(text.at + text.size <= visit->text + visit->size);
}

static void must_be_written(const struct visit *visit, const struct secret32 *secret)
{
    char digits[HEX_TEXT_SIZE(32)];
    hex_encode(secret->bytes, 32, digits);
    for (size_t at = 0; at + 64 <= visit->size; at++) {
        if (strncasecmp(visit->text + at, digits + 2, 64) == 0) {
            return;
        }
    }
    abort();
}

static void look(const struct descriptor *descriptor, struct result verdict,
                 const struct detail *detail, void *context)
{
    struct visit *visit = context;
    must(descriptor->document > visit->last);
    must(descriptor->document <= DESCRIPTOR_DOCUMENTS_MAX);
    must(strlen(detail->text) < sizeof(detail->text));
    visit->last = descriptor->document;
    if (!is_ok(verdict)) {
        must(descriptor->secret == NULL && descriptor->keystore_file.at == NULL);
    } else if (descriptor->type == DESCRIPTOR_RAW) {
        must_be_written(visit, descriptor->secret);
    } else {
        must_be_inside(visit, descriptor->keystore_file);
        must_be_inside(visit, descriptor->password_file);
        if (visit->name_count < NAMES_MAX) {
            visit->names[visit->name_count++] =
                (struct name){ descriptor->document, descriptor->keystore_file };
        }
    }
}

/* The text of `keystoreFile` in the document's top level, or NULL. */
static const yaml_node_t *find_name(yaml_document_t *document)
{
    const yaml_node_t *root = yaml_document_get_root_node(document);
    if (root == NULL || root->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(document, pair->key);
        if (key->type == YAML_SCALAR_NODE && key->data.scalar.length == 12 &&
            memcmp(key->data.scalar.value, "keystoreFile", 12) == 0) {
            return yaml_document_get_node(document, pair->value);
        }
    }
    return NULL;
}

static void compare(const struct visit *visit, size_t number, yaml_document_t *document)
{
    for (size_t i = 0; i < visit->name_count; i++) {
        if (visit->names[i].document == number) {
            const yaml_node_t *name = find_name(document);
            must(name != NULL && name->type == YAML_SCALAR_NODE);
            must(name->data.scalar.length == visit->names[i].text.size);
            must(memcmp(name->data.scalar.value, visit->names[i].text.at,
                        visit->names[i].text.size) == 0);
        }
    }
}

/* The slow twin: libyaml's own documents of the text as it is. */
static void compare_all(const struct visit *visit)
{
    yaml_parser_t parser;
    yaml_document_t document;
    bool more = true;
    must(yaml_parser_initialize(&parser) == 1);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)visit->text, visit->size);
    for (size_t number = 1; more && number <= visit->last; number++) {
        more = yaml_parser_load(&parser, &document) == 1;
        if (more) {
            compare(visit, number, &document);
            yaml_document_delete(&document);
        }
    }
    yaml_parser_delete(&parser);
}

static bool is_ascii(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct visit visit = { .text = (const char *)data, .size = size };
    struct result result = descriptor_each((const char *)data, size, look, &visit, NULL);
    must(!is_ok(result) || visit.last > 0);
    if (visit.name_count > 0 && is_ascii(data, size)) {
        compare_all(&visit);
    }
    return 0;
}
