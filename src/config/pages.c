#include "config/pages.h"

#include "base/cleanup.h"
#include "config/names.h"
#include "config/sections.h"
#include "config/value.h"

#include <assert.h>
#include <string.h>

enum {
    WIDTH = 100,
    PARAGRAPH_MAX = 2048, /* bytes of a setting's help with what is added to it */
};

/* A line break of the text itself; an empty line keeps what of the prefix can be seen. */
static void break_line(struct buf *out, const char *prefix, bool empty)
{
    size_t size = strlen(prefix);
    while (size > 0 && prefix[size - 1] == ' ') {
        size--;
    }
    buf_append(out, prefix, empty ? size : 0);
    buf_append_text(out, "\n");
}

/* Writes the text in lines of at most WIDTH that each begin with `prefix`. */
static void write_wrapped(struct buf *out, const char *prefix, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (column > 0 && column + 1 + word > WIDTH) {
            break_line(out, prefix, false);
            column = 0;
        }
        if (word > 0) {
            buf_append_text(out, column == 0 ? prefix : " ");
            buf_append(out, text, word);
            column += word + (column == 0 ? strlen(prefix) : 1);
        }
        text += word;
        if (*text == '\n') {
            break_line(out, prefix, column == 0);
            column = 0;
        }
        text += *text != '\0';
    }
    break_line(out, prefix, false);
}

/* True when the setting is the first of its section in the table, or in none. */
static bool begins_section(const struct schema *schema, size_t index)
{
    const struct setting *setting = &schema->settings[index];
    const struct section *section = sections_of(schema, setting);
    return index == 0 || section == NULL || section != sections_of(schema, setting - 1);
}

/* True when the help does not say already what the setting takes. */
static bool has_range(const struct setting *setting)
{
    return setting->kind == SETTING_NUMBER || setting->kind == SETTING_CHOICE;
}

static void write_argument(const struct setting *setting, struct buf *out)
{
    static const char *const arguments[] = {
        [SETTING_TEXT] = " <text>",          [SETTING_CHOICE] = "",
        [SETTING_NUMBER] = " <number>",      [SETTING_LIST] = " <text,...>",
        [SETTING_BOOLEAN] = "[=true|false]",
    };
    if (setting->kind == SETTING_CHOICE) {
        buf_printf(out, " <%s>", setting->choices);
    }
    buf_append_text(out, arguments[setting->kind]);
}

static void write_flags(const struct setting *setting, struct buf *out)
{
    char flag[NAMES_SIZE];
    names_spell(SPELLING_FLAG, setting->name, flag);
    buf_printf(out, "  %s", flag);
    write_argument(setting, out);
    if (setting->flag != NULL) {
        buf_printf(out, ", %s", setting->flag);
        write_argument(setting, out);
    }
    buf_append_text(out, "\n");
}

static void write_default(const struct setting *setting, struct buf *out)
{
    if (value_may_be_empty(setting)) {
        buf_append_text(out, "      [no default]\n");
        return;
    }
    buf_printf(out, "      [default: %s", setting->standard);
    if (setting->kind == SETTING_NUMBER) {
        buf_append_text(out, "; ");
        value_write_takes(setting, out);
    }
    buf_append_text(out, "]\n");
}

void config_help_of(const struct schema *schema, struct buf *out)
{
    for (size_t i = 0; i < *schema->settings_size; i++) {
        const struct setting *setting = &schema->settings[i];
        const struct section *section = sections_of(schema, setting);
        bool begins = begins_section(schema, i);
        buf_append_text(out, i > 0 && begins ? "\n" : "");
        if (begins && section == NULL) {
            buf_printf(out, "%s\n", setting->name);
        } else if (begins) {
            buf_printf(out, "%s: %s\n", section->name, section->help);
        }
        write_flags(setting, out);
        write_wrapped(out, "      ", setting->help);
        write_default(setting, out);
    }
}

static void write_indent(size_t levels, struct buf *out)
{
    buf_printf(out, "%*s", (int)(2 * levels), "");
}

/* Levels are indented by two spaces, comments included. */
static const char *comment_prefix(size_t levels)
{
    static const char deepest[] = "                # ";
    size_t size = 2 * levels + strlen("# ");
    assert(size < sizeof(deepest));
    return deepest + sizeof(deepest) - 1 - size;
}

/* Opens the setting's sections, except those that are open already; gives the number of all. */
static size_t open_sections(const struct schema *schema, size_t index, struct buf *out)
{
    const char *name = schema->settings[index].name;
    const char *before = index == 0 ? "" : schema->settings[index - 1].name;
    size_t levels = 0;
    const char *level = name;
    for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(level, '.')) {
        size_t length = (size_t)(dot - name);
        if (strncmp(name, before, length + 1) != 0) {
            buf_append_text(out, "\n");
            write_wrapped(out, comment_prefix(levels), sections_find(schema, name, length)->help);
            write_indent(levels, out);
            buf_printf(out, "%.*s:\n", (int)(dot - level), level);
        }
        levels++;
        level = dot + 1;
    }
    return levels;
}

/* A list's default, an item a line. */
static void write_items(const char *standard, size_t levels, struct buf *out)
{
    for (const char *item = standard; *item != '\0';) {
        size_t size = strcspn(item, ",");
        write_indent(levels, out);
        buf_printf(out, "- %.*s\n", (int)size, item);
        item += size;
        item += strspn(item, ", ");
    }
}

static void write_example(const struct schema *schema, size_t index, struct buf *out)
{
    const struct setting *setting = &schema->settings[index];
    size_t levels = open_sections(schema, index, out);
    BUF text = BUF_INIT(PARAGRAPH_MAX);
    buf_append_text(&text, setting->help);
    if (has_range(setting)) {
        buf_append_text(&text, " Takes ");
        value_write_takes(setting, &text);
        buf_append_text(&text, ".");
    }
    out->failed = out->failed || text.failed;
    buf_append_text(out, levels == 0 ? "\n" : "");
    write_wrapped(out, comment_prefix(levels), text.data == NULL ? "" : text.data);
    write_indent(levels, out);
    size_t length = sections_name_length(setting->name);
    const char *key = setting->name + length + (length > 0);
    if (setting->example != NULL) {
        buf_printf(out, "#%s: %s\n", key, setting->example);
    } else if (setting->kind == SETTING_LIST) {
        buf_printf(out, "%s:\n", key);
        write_items(setting->standard, levels + 1, out);
    } else {
        buf_printf(out, "%s: %s\n", key, setting->standard);
    }
}

void config_example_of(const struct schema *schema, struct buf *out)
{
    write_wrapped(out, comment_prefix(0), schema->example_header);
    for (size_t i = 0; i < *schema->settings_size; i++) {
        write_example(schema, i, out);
    }
}

void config_help(struct buf *out)
{
    config_help_of(&settings_schema, out);
}

void config_example(struct buf *out)
{
    config_example_of(&settings_schema, out);
}

static void write_type(const struct setting *setting, struct buf *out)
{
    static const char *const types[] = {
        [SETTING_TEXT] = "a text",           [SETTING_CHOICE] = "",
        [SETTING_NUMBER] = "a number, ",     [SETTING_LIST] = "a list of texts",
        [SETTING_BOOLEAN] = "true or false",
    };
    buf_append_text(out, types[setting->kind]);
    if (has_range(setting)) {
        value_write_takes(setting, out);
    }
}

static void write_row(const char *title, const char *value, struct buf *out)
{
    buf_printf(out, "| %s | `%s` |\n", title, value);
}

static void write_reference(const struct setting *setting, struct buf *out)
{
    char spelled[NAMES_SIZE];
    const char *heading = sections_of(&settings_schema, setting) == NULL ? "##" : "###";
    buf_printf(out, "\n%s `%s`\n\n", heading, setting->name);
    write_wrapped(out, "", setting->help);
    buf_append_text(out, "\n| | |\n| --- | --- |\n| Takes | ");
    write_type(setting, out);
    buf_append_text(out, " |\n");
    if (value_may_be_empty(setting)) {
        buf_append_text(out, "| Default | none |\n");
        write_row("Example", setting->example, out);
    } else {
        write_row("Default", setting->standard, out);
    }
    names_spell(SPELLING_ENVIRONMENT, setting->name, spelled);
    write_row("Environment", spelled, out);
    names_spell(SPELLING_FLAG, setting->name, spelled);
    write_row("Flag", spelled, out);
    if (setting->flag != NULL) {
        write_row("Also", setting->flag, out);
    }
}

static void write_preamble(struct buf *out)
{
    static const char preamble[] =
        "# Configuration\n\n"
        "A setting's value comes from the first of these places that has one:\n\n"
        "1. the command line: `--server-listen-port 9000`;\n"
        "2. the environment: `CONTAINMENT_SERVER__LISTEN_PORT=9000`;\n"
        "3. the YAML file that `--config` or `CONTAINMENT_CONFIG` names;\n"
        "4. the default.\n\n"
        "`containment-chamber server --config config.yaml --check-config` says whether the "
        "settings "
        "are right, shows each with the place that it came from, and starts nothing. "
        "`containment-chamber server --print-example-config` writes a file with every setting and "
        "its default; `--print-config-reference` writes this page.\n\n"
        "No mistake is passed over. An unknown name, a value of the wrong kind or out of range, "
        "and "
        "a setting that appears twice in one place are errors that name the line, the variable or "
        "the flag.\n\n"
        "## How to write settings\n\n"
        "**In the file**, names nest: `server.listen_port` is `listen_port`, indented, below "
        "`server:`. A list is a YAML list; a single value is a list of one. Quotes make no "
        "difference, except that `\"\"` is an empty text, while a name with nothing after it, `~` "
        "and `null` are errors. The file holds one YAML document without anchors, aliases and "
        "tags.\n\n"
        "**In the environment**, two underscores separate levels, commas the items of a list; case "
        "does not matter. Other variables that begin with `CONTAINMENT_` are errors, except those "
        "that Kubernetes makes for a service whose name begins with `containment-` "
        "(`CONTAINMENT_CHAMBER_SERVICE_HOST`, `CONTAINMENT_CHAMBER_PORT`, ...).\n\n"
        "**On the command line**, a value follows its flag or an `=`, and commas separate the "
        "items "
        "of a list. A setting that takes `true` or `false` may stand alone: "
        "`--memory-allow-unlocked` is `--memory-allow-unlocked=true`.\n\n"
        "A number is written in decimal digits, without a leading zero, a sign or a unit. A text "
        "has at most 4095 bytes, a list 1000 items, the file 1 MiB.";
    write_wrapped(out, "", preamble);
}

static void write_renames(struct buf *out)
{
    buf_append_text(out, "\n## Names of earlier versions\n\n"
                         "They are refused, and the error names the new one.\n\n"
                         "| earlier | now |\n| --- | --- |\n");
    for (size_t i = 0; i < names_renames_size; i++) {
        const char *new = names_renames[i].new_name;
        const char *all = sections_find(&settings_schema, new, strlen(new)) == NULL ? "" : ".*";
        buf_printf(out, "| `%s%s` | `%s%s` |\n", names_renames[i].old_name, all, new, all);
    }
}

void config_reference(struct buf *out)
{
    write_preamble(out);
    for (size_t i = 0; i < settings_table_size; i++) {
        const struct section *section = sections_of(&settings_schema, &settings_table[i]);
        if (begins_section(&settings_schema, i) && section != NULL) {
            buf_printf(out, "\n## `%s`\n\n%s\n", section->name, section->help);
        }
        write_reference(&settings_table[i], out);
    }
    write_renames(out);
}
