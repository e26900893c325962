/* console_view.h: an enclave's console, made harmless: what it writes comes from inside, and must
 * not steer the terminal that it is shown on. */
#ifndef ENCLAVE_CONSOLE_VIEW_H
#define ENCLAVE_CONSOLE_VIEW_H

#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONSOLE_VIEW_CHUNK = 4096, CONSOLE_VIEW_PORT_BASE = 10000 };

/* Replaces every byte that is not printable ASCII, a newline or a tab with '?', and leaves out the
 * carriage returns that serial lines send before newlines. Gives the new size. */
size_t console_view_neutralise(char *bytes, size_t size);

/* Copies what `from` has now (one chunk at most) to `to`, neutralised unless `raw`. False: its end,
 * or either failed. */
bool console_view_copy(int from, int to, bool raw);

/* Connects to the console of an enclave of that CID, which must be in debug mode. UNAVAILABLE. */
RESULT console_view_connect(uint64_t cid, int *out, struct detail *detail);

/* Copies a file that grows, from its beginning, until `life` is readable; then the rest of it.
 * UNAVAILABLE: the file cannot be read, with its name. */
RESULT console_view_follow(const char *path, int life, int to, bool raw, struct detail *detail);

#endif
