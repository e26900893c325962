/* operation.h: what each operation of signing_request.h signs: one table, for signing_request.c.
 * Follows reference signers.md sections 1.2 and 2. Data only. */
#ifndef ETH_OPERATION_H
#define ETH_OPERATION_H

#include "eth/signing_request.h"
#include "eth/ssz_types.h"

#include <stdint.h>

/* How the object stands in the body. */
enum operation_shape {
    SHAPE_BARE,      /* the payload is the object */
    SHAPE_VERSIONED, /* the payload is the object, or {"version","data"} with the object in it */
    SHAPE_BLOCK,     /* {"version","block"} or {"version","block_header"}, as the version demands */
};

/* Which fork version and genesis validators root the domain is made of. */
enum operation_domain {
    DOMAIN_OF_FORK,    /* fork_info's version at the object's epoch, fork_info's root */
    DOMAIN_OF_EXIT,    /* EIP-7044: see fork_info.c */
    DOMAIN_OF_GENESIS, /* the network's genesis version and root */
    DOMAIN_OF_BUILDER, /* the network's genesis version, no root: fork_info does not matter */
    DOMAIN_OF_DEPOSIT, /* the request's genesis_fork_version, no root */
};

enum { OPERATION_PATH_MAX = 3 };

struct operation_info {
    const char *type[2];   /* spellings of the body's `type`; the first is the operation's name */
    const char *member[2]; /* names of the payload's member */
    enum operation_shape shape;
    enum operation_domain domain;
    uint32_t domain_type;
    enum protection protection;
    const struct ssz_type *object; /* NULL: the version decides */
    const char *only;              /* the object's one member that is hashed; NULL: all of it */
    const char *slot[OPERATION_PATH_MAX];  /* where the slot stands that the epoch is taken from */
    const char *epoch[OPERATION_PATH_MAX]; /* or where the epoch itself stands */
    unsigned version_min;                  /* of {"version","data"} */
    unsigned version_max;
};

/* The values of `version`: the forks, and the one after them, of which only what did not change
 * since Gloas is signed. */
enum { VERSION_HEZE = FORK_COUNT, VERSION_COUNT };

struct version_info {
    const struct ssz_type *block;     /* of beacon_block.block; NULL: beacon_block.block_header */
    const struct ssz_type *aggregate; /* of aggregate_and_proof */
};

extern const struct operation_info operation_table[OPERATION_COUNT];
extern const struct version_info version_table[VERSION_COUNT];

/* VERSION_COUNT when `name` (upper case) is none. */
unsigned version_find(const char *name);

#endif
