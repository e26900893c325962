/* eif_command.h: the actions of the subcommand eif, and what they print alike. */
#ifndef APP_EIF_COMMAND_H
#define APP_EIF_COMMAND_H

#include "app/command.h"
#include "base/file.h"
#include "base/json_write.h"
#include "eif/inspect.h"

#include <stdbool.h>
#include <stdint.h>

/* `arguments[0]` is the action's name; each gives the exit code. `--help` was seen to before. */
int eif_build(int count, char *const *arguments);
int eif_cpio(int count, char *const *arguments);
int eif_describe(int count, char *const *arguments);
int eif_verify(int count, char *const *arguments);
int eif_pcr(int count, char *const *arguments);

/* Maps an image and inspects it as of `now`. The report's image lives as long as the map. Fails as
 * file_map() and eif_inspect() do, with the path in `detail`. */
RESULT eif_inspect_file(const char *path, uint64_t now, struct file_map *map,
                        struct eif_report *out, struct detail *detail);

/* Writes the member "Measurements" as nitro-cli's build-enclave does. */
void eif_write_measurements(struct json_writer *writer, const struct eif_report *report);

/* Writes a register as a member with its 96 digits. */
void eif_write_pcr(struct json_writer *writer, unsigned index, const struct pcr *pcr);

/* What was written, and the end of the line, on stdout. LIMIT: not all of it fit into the buf. */
RESULT eif_print_json(const struct buf *text);

/* A line on stderr when the certificate of `path` has expired at `now`, or will soon: AWS's
 * launcher refuses an image then. */
void eif_warn_of_expiry(const char *path, const struct eif_certificate *certificate, uint64_t now);

/* A time as "2026-01-01T00:00:00Z", or in seconds since 1970. BAD_INPUT: neither. */
RESULT eif_read_time(const char *text, uint64_t *out);

#endif
