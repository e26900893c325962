/* keymanager.h: what the three Key Manager routes share. Internal to src/api.
 * They follow ethereum/keymanager-APIs (flows/README.md, keymanager-oapi.yaml), with the answers
 * that Web3Signer gives. Keys that come this way live in memory until the signer stops. */
#ifndef API_KEYMANAGER_H
#define API_KEYMANAGER_H

#include "base/detail.h"
#include "base/json.h"
#include "base/json_write.h"
#include "eth/types.h"

/* What became of one item of a request. */
enum item_status {
    ITEM_IMPORTED,
    ITEM_DUPLICATE,
    ITEM_DELETED,
    ITEM_NOT_ACTIVE, /* no such key here, but slashing data of it */
    ITEM_NOT_FOUND,
    ITEM_ERROR,
};

struct item_result {
    enum item_status status;
    char message[DETAIL_SIZE]; /* "" where there is nothing to say */
};

void item_fail(struct item_result *item, const struct detail *detail, struct result result);

/* {"status", "message"} as an element of an array. */
void item_write(struct json_writer *writer, const struct item_result *item);

/* The array `name` of an object, of at most `items_max` texts. BAD_INPUT names it. */
RESULT keymanager_texts(const struct json *body, const char *name, size_t items_max,
                        const struct json **out, struct detail *detail);

/* A public key in hexadecimal. */
RESULT keymanager_pubkey(const struct json *text, struct pubkey *out);

#endif
