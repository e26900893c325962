/* support.h: what the tests of this layer have in common. */
#ifndef TESTS_CONFIG_SUPPORT_H
#define TESTS_CONFIG_SUPPORT_H

#include "base/cleanup.h"
#include "config/config.h"
#include "harness.h"

#include <assert.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CONFIG       CLEANUP(config_free_ptr) struct config *

static inline struct config *new_config(void)
{
    struct config *config = NULL;
    struct result made = config_new(&config);
    assert(is_ok(made));
    return config;
}

/* The line that a person would read, valid until the next call; "ok" when there is none. */
static inline const char *line_of(struct result result, const struct detail *detail)
{
    static char line[1024];
    detail_line(is_ok(result) ? NULL : detail, result, line, sizeof(line));
    return line;
}

/* `size` times the letter, NUL-terminated; the caller frees it. */
static inline char *repeat(char letter, size_t size)
{
    char *text = calloc(1, size + 1);
    assert(text != NULL);
    memset(text, letter, size);
    return text;
}

#endif
