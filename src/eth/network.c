#include "eth/network.h"

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/hex.h"
#include "eth/network_table.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

static const char *const fork_names[FORK_COUNT] = {
    [FORK_PHASE0] = "PHASE0",   [FORK_ALTAIR] = "ALTAIR", [FORK_BELLATRIX] = "BELLATRIX",
    [FORK_CAPELLA] = "CAPELLA", [FORK_DENEB] = "DENEB",   [FORK_ELECTRA] = "ELECTRA",
    [FORK_FULU] = "FULU",       [FORK_GLOAS] = "GLOAS",
};

const struct network *network_find(const char *name)
{
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        if (strcmp(network_table[i].name, name) == 0) {
            return &network_table[i];
        }
    }
    return NULL;
}

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < NETWORK_PRESET_COUNT; i++) {
        if (strcmp(network_presets[i].name, name) == 0) {
            return &network_presets[i];
        }
    }
    return NULL;
}

enum fork fork_find(const char *name)
{
    for (unsigned fork = 0; fork < FORK_COUNT; fork++) {
        if (strcmp(fork_names[fork], name) == 0) {
            return (enum fork)fork;
        }
    }
    return FORK_COUNT;
}

const char *fork_name(enum fork fork)
{
    return fork_names[fork];
}

static bool is_scheduled(const struct network *network, unsigned fork)
{
    return network->forks[fork].epoch.value != far_future_epoch.value;
}

enum fork network_fork_at(const struct network *network, struct epoch epoch)
{
    unsigned fork = FORK_COUNT - 1;
    while (fork > FORK_PHASE0 &&
           (!is_scheduled(network, fork) || network->forks[fork].epoch.value > epoch.value)) {
        fork--;
    }
    return (enum fork)fork;
}

/* Of two forks with one version, the first is the one that the file named. */
enum fork network_fork_of(const struct network *network, struct fork_version version)
{
    unsigned fork = FORK_PHASE0;
    while (fork < FORK_COUNT && !fork_version_equal(network->forks[fork].version, version)) {
        fork++;
    }
    return (enum fork)fork;
}

struct epoch network_epoch_of(const struct network *network, struct slot slot)
{
    return (struct epoch){ slot.value / network->preset->slots_per_epoch };
}

struct epoch network_epoch_at(const struct network *network, uint64_t seconds)
{
    if (seconds < network->genesis_time) {
        return (struct epoch){ 0 };
    }
    uint64_t slot = (seconds - network->genesis_time) / network->seconds_per_slot;
    return network_epoch_of(network, (struct slot){ slot });
}

/* Reading a config.yaml: one table of the names that are wanted. */

/* A network while its file is read. */
struct draft {
    struct network network;
    uint64_t slot_duration_ms;
    uint32_t given; /* bit i: settings[i] was read */
};

/* Readers of a scalar's text into the member of struct draft that `out` points to. */

static struct result read_name(const char *text, size_t size, void *out)
{
    ENSURE(size > 0, BAD_INPUT, "an empty name");
    ENSURE(size < NETWORK_NAME_SIZE, BAD_INPUT, "the name has more than 63 characters");
    for (size_t i = 0; i < size; i++) {
        ENSURE(text[i] > ' ' && text[i] <= '~', BAD_INPUT, "the name holds an unusual character");
    }
    char *name = out;
    memcpy(name, text, size);
    name[size] = '\0';
    return OK;
}

static struct result read_preset(const char *text, size_t size, void *out)
{
    const struct preset *preset = strlen(text) == size ? preset_find(text) : NULL;
    ENSURE(preset != NULL, BAD_INPUT, "not one of mainnet, minimal, gnosis");
    const struct preset **member = out;
    *member = preset;
    return OK;
}

static struct result read_number(const char *text, size_t size, void *out)
{
    return decimal_parse(text, size, out);
}

static struct result read_root(const char *text, size_t size, void *out)
{
    return hex_decode(text, size, out, sizeof(struct root));
}

static struct result read_version(const char *text, size_t size, void *out)
{
    return hex_decode(text, size, out, sizeof(struct fork_version));
}

struct setting {
    const char *name;
    struct result (*read)(const char *text, size_t size, void *out);
    size_t offset; /* in struct draft */
};

enum {
    ROW_SECONDS_PER_SLOT,
    ROW_SLOT_DURATION_MS,
    ROW_FIRST_NEEDED,   /* from here to the forks: names without which there is no network */
    ROW_FIRST_FORK = 7, /* from here on two rows a fork, the version's and the epoch's */
};

#define SETTING(text, function, member)                \
    {                                                  \
        text, function, offsetof(struct draft, member) \
    }
#define FORK_SETTINGS(fork)                                                           \
    SETTING(#fork "_FORK_VERSION", read_version, network.forks[FORK_##fork].version), \
        SETTING(#fork "_FORK_EPOCH", read_number, network.forks[FORK_##fork].epoch)

static const struct setting settings[] = {
    [ROW_SECONDS_PER_SLOT] = SETTING("SECONDS_PER_SLOT", read_number, network.seconds_per_slot),
    [ROW_SLOT_DURATION_MS] = SETTING("SLOT_DURATION_MS", read_number, slot_duration_ms),
    [ROW_FIRST_NEEDED] = SETTING("CONFIG_NAME", read_name, network.name),
    SETTING("PRESET_BASE", read_preset, network.preset),
    SETTING("GENESIS_TIME", read_number, network.genesis_time),
    SETTING("GENESIS_VALIDATORS_ROOT", read_root, network.genesis_validators_root),
    SETTING("GENESIS_FORK_VERSION", read_version, network.forks[FORK_PHASE0].version),
    [ROW_FIRST_FORK] = FORK_SETTINGS(ALTAIR),
    FORK_SETTINGS(BELLATRIX),
    FORK_SETTINGS(CAPELLA),
    FORK_SETTINGS(DENEB),
    FORK_SETTINGS(ELECTRA),
    FORK_SETTINGS(FULU),
    FORK_SETTINGS(GLOAS),
};
enum { SETTING_COUNT = sizeof(settings) / sizeof(settings[0]) };

_Static_assert(SETTING_COUNT == ROW_FIRST_FORK + 2 * (FORK_COUNT - 1), "every fork has its rows");
_Static_assert(SETTING_COUNT <= 32, "struct draft's `given` has a bit for every row");

static bool is_given(const struct draft *draft, size_t row)
{
    return (draft->given >> row & 1) != 0;
}

/* SETTING_COUNT: a name that is not wanted. */
static size_t setting_find(const yaml_event_t *name)
{
    const char *text = (const char *)name->data.scalar.value;
    size_t row = 0;
    while (row < SETTING_COUNT &&
           (strcmp(settings[row].name, text) != 0 || strlen(text) != name->data.scalar.length)) {
        row++;
    }
    return row;
}

static struct result take_setting(const yaml_event_t *value, size_t row, struct draft *draft)
{
    ENSURE(!is_given(draft, row), BAD_INPUT, "given twice");
    ENSURE(value->type == YAML_SCALAR_EVENT, BAD_INPUT, "not a single value");
    draft->given |= UINT32_C(1) << row;
    return settings[row].read((const char *)value->data.scalar.value, value->data.scalar.length,
                              (char *)draft + settings[row].offset);
}

struct stream {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    struct detail *detail;
};

static void stream_done(struct stream *stream)
{
    yaml_event_delete(&stream->event);
    yaml_parser_delete(&stream->parser);
}

static struct result next_event(struct stream *stream)
{
    yaml_event_delete(&stream->event);
    if (yaml_parser_parse(&stream->parser, &stream->event) == 0) {
        detail_set(stream->detail, "line %zu", stream->parser.problem_mark.line + 1);
        return FAIL(BAD_INPUT, "not valid YAML");
    }
    return OK;
}

static struct result expect(struct stream *stream, yaml_event_type_t type)
{
    TRY(next_event(stream));
    if (stream->event.type != type) {
        detail_set(stream->detail, "line %zu", stream->event.start_mark.line + 1);
        return FAIL(BAD_INPUT, "not one mapping of names to values");
    }
    return OK;
}

/* Goes over the value at hand, whatever it holds. */
static struct result skip_value(struct stream *stream)
{
    size_t depth = 0;
    for (;;) {
        yaml_event_type_t type = stream->event.type;
        depth += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
        depth -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
        if (depth == 0) {
            return OK;
        }
        ENSURE(depth <= NETWORK_FILE_DEPTH_MAX, LIMIT, "the network's configuration is too deep");
        TRY(next_event(stream));
    }
}

/* Reads the value of the name at hand. */
static struct result read_member(struct stream *stream, struct draft *draft)
{
    size_t line = stream->event.start_mark.line + 1;
    if (stream->event.type != YAML_SCALAR_EVENT) {
        detail_set(stream->detail, "line %zu", line);
        return FAIL(BAD_INPUT, "not one mapping of names to values");
    }
    size_t row = setting_find(&stream->event);
    TRY(next_event(stream));
    if (row == SETTING_COUNT) {
        return skip_value(stream);
    }
    struct result result = take_setting(&stream->event, row, draft);
    if (!is_ok(result)) {
        detail_set(stream->detail, "line %zu (%s)", line, settings[row].name);
    }
    return result;
}

static struct result read_settings(const char *yaml, size_t size, struct draft *draft,
                                   struct detail *detail)
{
    CLEANUP(stream_done) struct stream stream = { .detail = detail };
    ENSURE(yaml_parser_initialize(&stream.parser) == 1, UNAVAILABLE, "out of memory");
    yaml_parser_set_input_string(&stream.parser, (const unsigned char *)yaml, size);
    TRY(expect(&stream, YAML_STREAM_START_EVENT));
    TRY(expect(&stream, YAML_DOCUMENT_START_EVENT));
    TRY(expect(&stream, YAML_MAPPING_START_EVENT));
    TRY(next_event(&stream));
    while (stream.event.type != YAML_MAPPING_END_EVENT) {
        TRY(read_member(&stream, draft));
        TRY(next_event(&stream));
    }
    TRY(expect(&stream, YAML_DOCUMENT_END_EVENT));
    return expect(&stream, YAML_STREAM_END_EVENT);
}

static struct result wrong(size_t row, struct result result, struct detail *detail)
{
    detail_set(detail, "%s", settings[row].name);
    return result;
}

static struct result check_needed(const struct draft *draft, struct detail *detail)
{
    for (size_t row = ROW_FIRST_NEEDED; row < ROW_FIRST_FORK; row++) {
        if (!is_given(draft, row)) {
            return wrong(row, FAIL(BAD_INPUT, "missing"), detail);
        }
    }
    return OK;
}

/* Newer files have SLOT_DURATION_MS, older ones SECONDS_PER_SLOT, some both. */
static struct result settle_slot_time(struct draft *draft, struct detail *detail)
{
    uint64_t *seconds = &draft->network.seconds_per_slot;
    bool has_seconds = is_given(draft, ROW_SECONDS_PER_SLOT);
    bool has_ms = is_given(draft, ROW_SLOT_DURATION_MS);
    if (!has_seconds && !has_ms) {
        return wrong(ROW_SECONDS_PER_SLOT, FAIL(BAD_INPUT, "missing"), detail);
    }
    if (!has_seconds) {
        *seconds = draft->slot_duration_ms / 1000;
    }
    if (*seconds == 0) {
        return wrong(has_seconds ? ROW_SECONDS_PER_SLOT : ROW_SLOT_DURATION_MS,
                     FAIL(BAD_INPUT, "less than a second"), detail);
    }
    uint64_t ms = 0;
    if (has_ms && (__builtin_mul_overflow(*seconds, 1000, &ms) || ms != draft->slot_duration_ms)) {
        return wrong(ROW_SLOT_DURATION_MS, FAIL(BAD_INPUT, "not SECONDS_PER_SLOT in milliseconds"),
                     detail);
    }
    return OK;
}

static struct result settle_fork(struct draft *draft, unsigned fork, struct detail *detail)
{
    struct network *network = &draft->network;
    size_t version_row = ROW_FIRST_FORK + 2 * ((size_t)fork - 1);
    size_t epoch_row = version_row + 1;
    if (!is_given(draft, version_row) && !is_given(draft, epoch_row)) {
        network->forks[fork].version = network->forks[fork - 1].version;
        return OK;
    }
    if (!is_given(draft, version_row) || !is_given(draft, epoch_row)) {
        return wrong(is_given(draft, epoch_row) ? version_row : epoch_row,
                     FAIL(BAD_INPUT, "missing"), detail);
    }
    if ((unsigned)network_fork_of(network, network->forks[fork].version) < fork) {
        return wrong(version_row, FAIL(BAD_INPUT, "another fork has this version"), detail);
    }
    if (network->forks[fork].epoch.value < network->forks[fork - 1].epoch.value) {
        return wrong(epoch_row, FAIL(BAD_INPUT, "before the fork that precedes it"), detail);
    }
    return OK;
}

RESULT network_parse(const char *yaml, size_t size, struct network *out, struct detail *detail)
{
    ENSURE(size <= NETWORK_FILE_MAX, LIMIT, "the network's configuration is too long");
    struct draft draft = { 0 };
    for (unsigned fork = FORK_PHASE0 + 1; fork < FORK_COUNT; fork++) {
        draft.network.forks[fork].epoch = far_future_epoch;
    }
    TRY(read_settings(yaml, size, &draft, detail));
    TRY(check_needed(&draft, detail));
    TRY(settle_slot_time(&draft, detail));
    for (unsigned fork = FORK_PHASE0 + 1; fork < FORK_COUNT; fork++) {
        TRY(settle_fork(&draft, fork, detail));
    }
    *out = draft.network;
    return OK;
}
