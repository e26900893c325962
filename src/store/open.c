#include "store/open.h"

#include "store/noop.h"
#include "store/sqlite.h"

#include <string.h>

RESULT store_open(const char *backend, const char *path, bool create,
                  const struct root *genesis_validators_root, struct slashing_store **out,
                  struct detail *detail)
{
    if (strcmp(backend, "sqlite") == 0) {
        return sqlite_store_open(path, create, genesis_validators_root, out, detail);
    }
    if (strcmp(backend, "noop") == 0) {
        return noop_store_open(out);
    }
    detail_set(detail, "anti_slashing.backend %s", backend);
    return FAIL(BAD_INPUT, "no such backend");
}
