/* pages.h: what people read of the table of settings. All is written at 100 columns or less, but
 * for the rows of the reference's tables. */
#ifndef CONFIG_PAGES_H
#define CONFIG_PAGES_H

#include "base/buf.h"
#include "config/settings.h"

enum { PAGES_MAX = 256 * 1024 }; /* bytes that suffice for any page */

/* The flags with their help, for `server --help`. */
void config_help(struct buf *out);

/* config.example.yaml: every setting with its help; it loads, and gives the defaults. */
void config_example(struct buf *out);

/* The same two for another table of settings. */
void config_help_of(const struct schema *schema, struct buf *out);
void config_example_of(const struct schema *schema, struct buf *out);

/* docs/configuration.md. */
void config_reference(struct buf *out);

#endif
