/* sqlite_decide.h: the store's decide(): judging a batch from memory where memory is enough, and
 * making it durable in one transaction. */
#ifndef STORE_SQLITE_DECIDE_H
#define STORE_SQLITE_DECIDE_H

#include "slashing/store.h"

#include <stddef.h>

/* As slashing_store_ops.decide says. */
void sqlite_decide(struct slashing_store *base, struct slashing_check *const checks[],
                   size_t count);

#endif
