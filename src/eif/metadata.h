/* metadata.h: the JSON section that says what an image is and how it was built. It is not measured:
 * whoever holds the image can change it. */
#ifndef EIF_METADATA_H
#define EIF_METADATA_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/json.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum { EIF_METADATA_MAX = 1 << 20 };

/* All members are there, as AWS's reader wants; the texts of one that was read live as long as its
 * tree. */
struct eif_metadata {
    const char *name;
    const char *version;
    const char *build_time; /* RFC 3339 */
    const char *build_tool;
    const char *build_tool_version;
    const char *operating_system;
    const char *kernel_version;
    const struct json *custom; /* what the user adds; NULL: nothing */
    const struct json *docker; /* read only: what nitro-cli says of the container */
};

/* Appends the section: the same metadata gives the same bytes. LIMIT: over EIF_METADATA_MAX. */
RESULT eif_metadata_write(const struct eif_metadata *metadata, struct buf *out);

/* Reads a section; the caller frees the tree. BAD_INPUT, with the member in `detail`: not JSON, a
 * member is missing or no text. LIMIT: over EIF_METADATA_MAX. */
RESULT eif_metadata_read(const uint8_t *bytes, size_t size, struct json **tree_out,
                         struct eif_metadata *out, struct detail *detail);

/* Calls `visit` with name and value of each text that builders put below "BuildMetadata". */
void eif_metadata_each_build_text(const struct eif_metadata *metadata,
                                  void (*visit)(const char *name, const char *value, void *context),
                                  void *context);

#endif
