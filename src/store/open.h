/* open.h: from the settings' names to a store. */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include "base/detail.h"
#include "base/result.h"
#include "slashing/store.h"

/* Opens the store of anti_slashing.backend `backend` ("sqlite", "noop") at `path`. As the backend's
 * own open function; BAD_INPUT for a name that is none. */
RESULT store_open(const char *backend, const char *path, bool create,
                  const struct root *genesis_validators_root, struct slashing_store **out,
                  struct detail *detail);

#endif
