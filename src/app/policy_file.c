#include "app/policy_file.h"

#include "base/decimal.h"
#include "base/file.h"

#include <string.h>
#include <yaml.h>

/* Where we are, and what is filled. */
struct reading {
    const char *name;
    yaml_document_t *yaml;
    struct policy policy;
    unsigned keys_seen;      /* bit i: keys[i] */
    uint32_t registers_seen; /* bit i: register i */
    struct detail *detail;
};

static void parser_done(yaml_parser_t *parser)
{
    yaml_parser_delete(parser);
}

static void document_done(yaml_document_t *document)
{
    yaml_document_delete(document);
}

/* Says where what is wrong stands. */
static void at(const struct reading *reading, const yaml_node_t *node)
{
    detail_set(reading->detail, "%s line %zu", reading->name, node->start_mark.line + 1);
}

static bool is_scalar(const yaml_node_t *node, const char *text)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(text) &&
           memcmp(node->data.scalar.value, text, strlen(text)) == 0;
}

static struct result read_decimal(const yaml_node_t *node, uint64_t *out)
{
    ENSURE(node->type == YAML_SCALAR_NODE, BAD_INPUT, "not a number");
    return decimal_parse((const char *)node->data.scalar.value, node->data.scalar.length, out);
}

static struct result read_value(struct reading *reading, unsigned index, const yaml_node_t *node)
{
    struct pcr value;
    at(reading, node);
    ENSURE(node->type == YAML_SCALAR_NODE, BAD_INPUT, "not a value of 96 hexadecimal digits");
    ENSURE(
        is_ok(pcr_parse((const char *)node->data.scalar.value, node->data.scalar.length, &value)),
        BAD_INPUT, "not a value of 96 hexadecimal digits");
    return policy_allow(&reading->policy, index, &value);
}

static struct result read_register(struct reading *reading, const yaml_node_t *key,
                                   const yaml_node_t *values)
{
    uint64_t index = 0;
    at(reading, key);
    ENSURE(is_ok(read_decimal(key, &index)) && index < PCR_COUNT, BAD_INPUT,
           "registers are numbered 0 to 31");
    ENSURE((reading->registers_seen >> index & 1) == 0, BAD_INPUT, "the register is there twice");
    reading->registers_seen |= (uint32_t)1 << index;
    ENSURE(values->type == YAML_SEQUENCE_NODE, BAD_INPUT, "not a list of values: [\"…\", …]");
    ENSURE(values->data.sequence.items.start < values->data.sequence.items.top, BAD_INPUT,
           "a register without a value");
    for (yaml_node_item_t *item = values->data.sequence.items.start;
         item < values->data.sequence.items.top; item++) {
        TRY(read_value(reading, (unsigned)index, yaml_document_get_node(reading->yaml, *item)));
    }
    return OK;
}

static struct result read_registers(struct reading *reading, const yaml_node_t *node)
{
    ENSURE(node->type == YAML_MAPPING_NODE, BAD_INPUT, "not registers with their values");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        TRY(read_register(reading, yaml_document_get_node(reading->yaml, pair->key),
                          yaml_document_get_node(reading->yaml, pair->value)));
    }
    return OK;
}

static struct result read_max_age(struct reading *reading, const yaml_node_t *node)
{
    ENSURE(is_ok(read_decimal(node, &reading->policy.max_age_seconds)), BAD_INPUT,
           "not a number of seconds");
    return OK;
}

static struct result read_allow_debug(struct reading *reading, const yaml_node_t *node)
{
    reading->policy.allow_debug = is_scalar(node, "true");
    ENSURE(reading->policy.allow_debug || is_scalar(node, "false"), BAD_INPUT,
           "neither true nor false");
    return OK;
}

static const struct {
    const char *name;
    struct result (*read)(struct reading *reading, const yaml_node_t *node);
} keys[] = {
    { "pcrs", read_registers },
    { "max_age_seconds", read_max_age },
    { "allow_debug", read_allow_debug },
};

static struct result read_key(struct reading *reading, const yaml_node_t *key,
                              const yaml_node_t *value)
{
    at(reading, key);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (is_scalar(key, keys[i].name)) {
            ENSURE((reading->keys_seen >> i & 1) == 0, BAD_INPUT, "the key is there twice");
            reading->keys_seen |= 1U << i;
            return keys[i].read(reading, value);
        }
    }
    return FAIL(BAD_INPUT, "unknown key: there are pcrs, max_age_seconds and allow_debug");
}

static struct result read_document(struct reading *reading)
{
    const yaml_node_t *root = yaml_document_get_root_node(reading->yaml);
    detail_set(reading->detail, "%s", reading->name);
    ENSURE(root != NULL, BAD_INPUT, "an empty policy");
    ENSURE(root->type == YAML_MAPPING_NODE, BAD_INPUT, "a policy begins with pcrs:");
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        TRY(read_key(reading, yaml_document_get_node(reading->yaml, pair->key),
                     yaml_document_get_node(reading->yaml, pair->value)));
    }
    struct result checked = policy_check(&reading->policy, reading->detail);
    if (!is_ok(checked)) {
        detail_prefix(reading->detail, "%s: ", reading->name);
    }
    return checked;
}

/* The parser's next document, which has no root when there is none. */
static struct result load(yaml_parser_t *parser, const char *name, yaml_document_t *out,
                          struct detail *detail)
{
    if (yaml_parser_load(parser, out) == 1) {
        return OK;
    }
    *out = (yaml_document_t){ .nodes = { .start = NULL } };
    detail_set(detail, "%s line %zu", name, parser->problem_mark.line + 1);
    ENSURE(parser->error != YAML_MEMORY_ERROR, UNAVAILABLE, "out of memory");
    return FAIL(BAD_INPUT, "not YAML, nor JSON");
}

RESULT policy_file_parse(const char *name, const void *bytes, size_t size, struct policy *out,
                         struct detail *detail)
{
    CLEANUP(parser_done) yaml_parser_t parser = { .error = YAML_NO_ERROR };
    CLEANUP(document_done) yaml_document_t yaml = { .nodes = { .start = NULL } };
    CLEANUP(document_done) yaml_document_t second = { .nodes = { .start = NULL } };
    detail_set(detail, "%s", name);
    ENSURE(size > 0, BAD_INPUT, "an empty policy");
    ENSURE(yaml_parser_initialize(&parser) == 1, UNAVAILABLE, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, bytes, size);
    TRY(load(&parser, name, &yaml, detail));
    struct reading reading = { .name = name, .yaml = &yaml, .detail = detail };
    policy_init(&reading.policy);
    TRY(read_document(&reading));
    TRY(load(&parser, name, &second, detail));
    detail_set(detail, "%s", name);
    ENSURE(yaml_document_get_root_node(&second) == NULL, BAD_INPUT, "more than one document");
    *out = reading.policy;
    return OK;
}

RESULT policy_file_read(const char *path, struct policy *out, struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, POLICY_FILE_MAX, &text, detail));
    return policy_file_parse(path, text.data, text.size, out, detail);
}
