/* names.h: a setting's three names (in the file, in the environment, on the command line), and what
 * to say to a name that is none. */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

#include "base/detail.h"
#include "base/result.h"
#include "config/settings.h"

#include <stdbool.h>
#include <stddef.h>

/* server.listen_port, CONTAINMENT_SERVER__LISTEN_PORT, --server-listen-port */
enum spelling { SPELLING_FILE, SPELLING_ENVIRONMENT, SPELLING_FLAG };

enum { NAMES_SIZE = 96 }; /* the longest name in any spelling, with its NUL */

/* What names of this spelling begin with: "", "CONTAINMENT_", "--". */
const char *names_prefix(enum spelling spelling);

/* Writes the dotted `name` as it is spelled there, cut to NAMES_SIZE. */
void names_spell(enum spelling spelling, const char *name, char out[static NAMES_SIZE]);

/* The setting of that name or further flag; environment names in any case. NULL: none. */
const struct setting *names_find(const struct schema *schema, enum spelling spelling,
                                 const char *name, size_t size);

/* Names of earlier versions. */
struct names_rename {
    const char *old_name; /* dotted */
    const char *new_name; /* of a setting, or of a section whose settings all moved along */
};

extern const struct names_rename names_renames[];
extern const size_t names_renames_size;

/* True when `name` is of an earlier version: `detail` is `<name> (now <new name>)`. */
bool names_moved(const struct schema *schema, enum spelling spelling, const char *name,
                 struct detail *detail);

/* Sets `detail` to `<name> (did you mean <nearest>?)`, or to the name when nothing is near. */
void names_suggest(const struct schema *schema, enum spelling spelling, const char *name,
                   struct detail *detail);

/* BAD_INPUT for a name that is no setting's, by the two above. */
RESULT names_refuse(const struct schema *schema, enum spelling spelling, const char *name,
                    struct detail *detail);

#endif
