#include "store/backend.h"
#include "store/place.h"
#include "store/sqlite.h"

static const struct root network = { { 0x5a } };

const char *backend_missing(void)
{
    return NULL;
}

static struct slashing_store *open_store(bool create)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    struct result opened =
        sqlite_store_open(place_path("slashing.sqlite"), create, &network, &store, &detail);
    if (!is_ok(opened)) {
        printf("# %s: %s\n", detail.text, opened.what);
    }
    return store;
}

struct slashing_store *backend_open_fresh(void)
{
    backend_discard();
    return open_store(true);
}

struct slashing_store *backend_reopen(struct slashing_store *store)
{
    slashing_store_close(store);
    return open_store(false);
}

void backend_discard(void)
{
    (void)place_path("");
    place_empty();
}
