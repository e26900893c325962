/* eth_test.h: what the tests of the eth layer share. JSON is written with ' in place of ", and
 * roots are compared as text. */
#ifndef TESTS_UNIT_ETH_TEST_H
#define TESTS_UNIT_ETH_TEST_H

#include "base/hex.h"
#include "eth/network.h"
#include "harness.h"

#include <stdlib.h>

/* A heap copy with every ' turned into ". */
static inline char *quoted(const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; at != NULL && *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    return copy;
}

/* NULL when the text is not JSON. */
static inline struct json *json_of(const char *text)
{
    CLEANUP(free_ptr) char *copy = quoted(text);
    struct json *value = NULL;
    return is_ok(json_parse(copy, strlen(copy), &value, NULL)) ? value : NULL;
}

__attribute__((nonnull)) static inline bool root_is(const struct root *root, const char *text)
{
    char got[HEX_TEXT_SIZE(sizeof(*root))];
    hex_encode(root->bytes, sizeof(root->bytes), got);
    if (strcmp(got, text) != 0) {
        printf("# root %s, wanted %s\n", got, text);
    }
    return strcmp(got, text) == 0;
}

#endif
