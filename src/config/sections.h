/* sections.h: the levels that settings stand below: "key_sources", "key_sources.filesystem". */
#ifndef CONFIG_SECTIONS_H
#define CONFIG_SECTIONS_H

#include "config/settings.h"

#include <stddef.h>

struct section {
    const char *name;
    const char *help; /* one line */
};

extern const struct section sections_table[];
extern const size_t sections_table_size;

/* The section of that dotted name of `size` bytes. NULL: none. */
const struct section *sections_find(const struct schema *schema, const char *name, size_t size);

/* The section that a setting stands in. NULL: none, it stands at the top. */
const struct section *sections_of(const struct schema *schema, const struct setting *setting);

/* The length of what stands before the last dot: 6 in "server.listen_port"; 0: there is no dot. */
size_t sections_name_length(const char *name);

#endif
