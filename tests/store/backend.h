/* backend.h: where the conformance suite gets its stores from. Each backend implements this in one
 * file, and every program of the suite is linked once with each. There is one place for one store.
 */
#ifndef TESTS_STORE_BACKEND_H
#define TESTS_STORE_BACKEND_H

#include "slashing/store.h"

/* Why this backend cannot be tested here, or NULL. */
const char *backend_missing(void);

/* A store that knows nothing; whatever was at the place is gone. NULL: failed, and said why. */
struct slashing_store *backend_open_fresh(void);

/* Closes the store and opens what it left. */
struct slashing_store *backend_reopen(struct slashing_store *store);

/* Removes what the last store left. */
void backend_discard(void);

#endif
