/* noop.h: a slashing store that remembers nothing and allows everything. For tests on networks
 * where nothing is at stake; the caller says so loudly. */
#ifndef STORE_NOOP_H
#define STORE_NOOP_H

#include "slashing/store.h"

RESULT noop_store_open(struct slashing_store **out);

#endif
