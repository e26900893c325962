/* value.h: one setting's value: from text, to text. What a value may be is in the table alone. The
 * `values` are the struct that the setting's offset is in, such as struct settings. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"
#include "config/settings.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    VALUE_TEXT_MAX = 4095, /* bytes of a text or a list's item: with its NUL, a path of PATH_MAX */
    VALUE_LIST_MAX = 1000, /* items of a list */
};

/* Puts the value that `text` spells into `values`, in place of the one there. A list's items are
 * divided by commas, with or without spaces around them. Failures leave the old value alone:
 * BAD_INPUT, LIMIT (text or list too long) with what was found and what is allowed in `detail`
 * (`= "80a" (takes 0 to 65535)`, `item 2`); UNAVAILABLE: no memory. */
RESULT value_read(const struct setting *setting, const char *text, size_t size, void *values,
                  struct detail *detail);

/* Appends a copy of one item, which may hold commas; `list` starts zeroed. Failures as above. */
RESULT value_list_append(struct text_list *list, const char *item, size_t size,
                         struct detail *detail);
void value_list_free(struct text_list *list); /* empty afterwards; accepts an empty list */

/* Puts the list in place of the one there; on OK `list` is empty afterwards. SETTING_LIST only.
 * BAD_INPUT: an empty list where that is no value. */
RESULT value_take_list(const struct setting *setting, struct text_list *list, void *values,
                       struct detail *detail);

/* Releases the value's memory; accepts one that was never set. */
void value_free(const struct setting *setting, void *values);

/* True when "" (no text, no items) is a value: the default is that, too. */
bool value_may_be_empty(const struct setting *setting);

/* Writes the value as a person would: 9000, true, mainnet, "" for none, [a, b]. */
void value_write(const struct setting *setting, const void *values, struct buf *out);

/* Writes what the setting takes: "0 to 65535", "true or false", "debug, info, warn or error". */
void value_write_takes(const struct setting *setting, struct buf *out);

#endif
