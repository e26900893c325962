/* yaml_reader.h: the settings file's YAML. A deliberately small part of YAML: one document of
 * nested mappings, scalars, and sequences of scalars; no anchors, aliases or tags; no key twice.
 * How deep it may nest is bounded by the settings' names, as unknown names are refused where they
 * begin. */
#ifndef CONFIG_YAML_READER_H
#define CONFIG_YAML_READER_H

#include "base/detail.h"
#include "base/result.h"
#include "config/config.h"

#include <stddef.h>

/* Assigns what `size` bytes of YAML say to `config`. `name` is the file's, for origins and
 * details, which repeat its last 120 bytes.
 * BAD_INPUT, or LIMIT for a text or list that is too long, with `<name> line N` in `detail`;
 * UNAVAILABLE: no memory. After a failure some of the settings have their new values. */
RESULT yaml_reader_read(struct config *config, const char *name, const void *yaml, size_t size,
                        struct detail *detail);

#endif
