/* memory_store.h: the reference that real stores are held to: histories in memory, every message
 * judged against all records by the rules alone, nothing clever. Gone when closed. */
#ifndef TESTS_STORE_MEMORY_STORE_H
#define TESTS_STORE_MEMORY_STORE_H

#include "slashing/store.h"

RESULT memory_store_open(struct slashing_store **out);

#endif
