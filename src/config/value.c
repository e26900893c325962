#include "config/value.h"

#include "base/cleanup.h"
#include "base/decimal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_MAX = 40,  /* bytes of a wrong value that a detail repeats */
    TAKES_MAX = 128, /* bytes of what value_write_takes() says */
};

static void *place_of(const struct setting *setting, void *values)
{
    return (char *)values + setting->offset;
}

static const void *seen_at(const struct setting *setting, const void *values)
{
    return (const char *)values + setting->offset;
}

bool value_may_be_empty(const struct setting *setting)
{
    return setting->standard[0] == '\0';
}

/* Says `= "80a" (takes 0 to 65535)`. */
static void show_wrong(const struct setting *setting, const char *text, size_t size,
                       struct detail *detail)
{
    BUF takes = BUF_INIT(TAKES_MAX);
    value_write_takes(setting, &takes);
    const char *wanted = takes.data == NULL ? "" : takes.data;
    int shown = size > SHOWN_MAX ? SHOWN_MAX : (int)size;
    detail_set(detail, "= \"%.*s%s\" (takes %s)", shown, text, size > SHOWN_MAX ? "..." : "",
               wanted);
}

static bool equals(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncmp(text, word, size) == 0;
}

static bool has_control_character(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

/* What holds for texts and for items of lists. */
static struct result check_text(const char *text, size_t size)
{
    ENSURE(size <= VALUE_TEXT_MAX, LIMIT, "text is longer than 4095 bytes");
    ENSURE(!has_control_character(text, size), BAD_INPUT,
           "line breaks and other control characters are not allowed");
    ENSURE(size == 0 || (text[0] != ' ' && text[size - 1] != ' '), BAD_INPUT,
           "begins or ends with a space");
    return OK;
}

/* Puts a copy of a text that was checked into its place. */
static struct result store_text(const struct setting *setting, const char *text, size_t size,
                                void *values)
{
    char *copy = strndup(text, size);
    ENSURE(copy != NULL, UNAVAILABLE, "out of memory");
    char **place = place_of(setting, values);
    free(*place);
    *place = copy;
    return OK;
}

static struct result read_text(const struct setting *setting, const char *text, size_t size,
                               void *values)
{
    TRY(check_text(text, size));
    return store_text(setting, text, size, values);
}

static struct result read_choice(const struct setting *setting, const char *text, size_t size,
                                 void *values)
{
    const char *choice = setting->choices;
    while (*choice != '\0') {
        size_t length = strcspn(choice, "|");
        if (length == size && strncmp(choice, text, size) == 0) {
            return store_text(setting, text, size, values);
        }
        choice += length + (choice[length] == '|');
    }
    return FAIL(BAD_INPUT, "not one of the choices");
}

static bool is_all_digits(const char *text, size_t size)
{
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9') {
        digits++;
    }
    return digits == size;
}

static struct result read_number(const struct setting *setting, const char *text, size_t size,
                                 void *values)
{
    uint64_t number = 0;
    ENSURE(is_all_digits(text, size), BAD_INPUT, "not a whole number");
    /* YAML 1.1 takes 010 for eight, everybody else for ten. */
    ENSURE(size == 1 || text[0] != '0', BAD_INPUT, "a number must not begin with 0");
    ENSURE(is_ok(decimal_parse(text, size, &number)), BAD_INPUT, "number out of range");
    ENSURE(number >= setting->min && number <= setting->max, BAD_INPUT, "number out of range");
    *(uint64_t *)place_of(setting, values) = number;
    return OK;
}

static struct result read_boolean(const struct setting *setting, const char *text, size_t size,
                                  void *values)
{
    bool value = equals(text, size, "true");
    ENSURE(value || equals(text, size, "false"), BAD_INPUT, "neither true nor false");
    *(bool *)place_of(setting, values) = value;
    return OK;
}

static struct result append_copy(struct text_list *list, const char *item, size_t size)
{
    ENSURE(list->count < VALUE_LIST_MAX, LIMIT, "list has more than 1000 items");
    ENSURE(size > 0, BAD_INPUT, "empty item in a list");
    TRY(check_text(item, size));
    if (list->items == NULL) {
        list->items = calloc(VALUE_LIST_MAX, sizeof(list->items[0]));
        ENSURE(list->items != NULL, UNAVAILABLE, "out of memory");
    }
    char *copy = strndup(item, size);
    ENSURE(copy != NULL, UNAVAILABLE, "out of memory");
    list->items[list->count++] = copy;
    return OK;
}

RESULT value_list_append(struct text_list *list, const char *item, size_t size,
                         struct detail *detail)
{
    struct result result = append_copy(list, item, size);
    if (!is_ok(result)) {
        detail_set(detail, "item %zu", list->count + 1);
    }
    return result;
}

void value_list_free(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct text_list){ .items = NULL };
}

RESULT value_take_list(const struct setting *setting, struct text_list *list, void *values,
                       struct detail *detail)
{
    if (list->count == 0 && !value_may_be_empty(setting)) {
        detail_set(detail, "= []");
        return FAIL(BAD_INPUT, "empty");
    }
    struct text_list *place = place_of(setting, values);
    value_list_free(place);
    *place = *list;
    *list = (struct text_list){ .items = NULL };
    return OK;
}

/* Appends what is between two commas without the spaces around it. */
static struct result append_piece(struct text_list *list, const char *piece, size_t size,
                                  struct detail *detail)
{
    while (size > 0 && piece[0] == ' ') {
        piece++;
        size--;
    }
    while (size > 0 && piece[size - 1] == ' ') {
        size--;
    }
    return value_list_append(list, piece, size, detail);
}

static struct result read_list(const struct setting *setting, const char *text, size_t size,
                               void *values, struct detail *detail)
{
    CLEANUP(value_list_free) struct text_list list = { .items = NULL };
    const char *end = text + size;
    for (const char *piece = size == 0 ? NULL : text; piece != NULL;) {
        const char *comma = memchr(piece, ',', (size_t)(end - piece));
        const char *stop = comma == NULL ? end : comma;
        TRY(append_piece(&list, piece, (size_t)(stop - piece), detail));
        piece = comma == NULL ? NULL : comma + 1;
    }
    return value_take_list(setting, &list, values, detail);
}

static struct result (*const readers[])(const struct setting *setting, const char *text,
                                        size_t size, void *values) = {
    [SETTING_TEXT] = read_text,
    [SETTING_CHOICE] = read_choice,
    [SETTING_NUMBER] = read_number,
    [SETTING_BOOLEAN] = read_boolean,
};

RESULT value_read(const struct setting *setting, const char *text, size_t size, void *values,
                  struct detail *detail)
{
    if (setting->kind == SETTING_LIST) {
        return read_list(setting, text, size, values, detail);
    }
    struct result result = FAIL(BAD_INPUT, "empty");
    if (size > 0 || value_may_be_empty(setting)) {
        result = readers[setting->kind](setting, text, size, values);
    }
    if (!is_ok(result)) {
        show_wrong(setting, text, size, detail);
    }
    return result;
}

void value_free(const struct setting *setting, void *values)
{
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_CHOICE: {
        char **place = place_of(setting, values);
        free(STEAL(*place));
        return;
    }
    case SETTING_LIST:
        value_list_free(place_of(setting, values));
        return;
    case SETTING_NUMBER:
    case SETTING_BOOLEAN:
        return;
    }
}

static void write_list(const struct text_list *list, struct buf *out)
{
    buf_append_text(out, "[");
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", list->items[i]);
    }
    buf_append_text(out, "]");
}

void value_write(const struct setting *setting, const void *values, struct buf *out)
{
    const void *place = seen_at(setting, values);
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_CHOICE: {
        const char *text = *(char *const *)place;
        buf_append_text(out, text[0] == '\0' ? "\"\"" : text);
        return;
    }
    case SETTING_NUMBER:
        buf_printf(out, "%" PRIu64, *(const uint64_t *)place);
        return;
    case SETTING_BOOLEAN:
        buf_append_text(out, *(const bool *)place ? "true" : "false");
        return;
    case SETTING_LIST:
        write_list(place, out);
        return;
    }
}

/* "a|b|c" becomes "a, b or c". */
static void write_choices(const char *choices, struct buf *out)
{
    for (const char *c = choices; *c != '\0'; c++) {
        if (*c != '|') {
            buf_append(out, c, 1);
            continue;
        }
        buf_append_text(out, strchr(c + 1, '|') == NULL ? " or " : ", ");
    }
}

void value_write_takes(const struct setting *setting, struct buf *out)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        buf_append_text(out, "a text");
        return;
    case SETTING_CHOICE:
        write_choices(setting->choices, out);
        return;
    case SETTING_NUMBER:
        buf_printf(out, "%" PRIu64 " to %" PRIu64, setting->min, setting->max);
        return;
    case SETTING_BOOLEAN:
        buf_append_text(out, "true or false");
        return;
    case SETTING_LIST:
        buf_append_text(out, "a list of texts");
        return;
    }
}
