/* development.h: the development image, in which the enclave can be tried without a shared store
 * and without custody: its configuration may hold keys (development.keys), and its slashing
 * protection may be SQLite in the enclave's memory. It protects nothing: whoever writes the
 * configuration knows the keys, and whoever restarts the enclave makes it forget what it signed.
 *
 * It is made with meson's option development_image, which no release has; without it, none of this
 * is in the program. Every line of its log says so. */
#ifndef APP_DEVELOPMENT_H
#define APP_DEVELOPMENT_H

#include "base/detail.h"
#include "base/result.h"
#include "config/settings.h"
#include "keystore/key_table.h"

#ifdef CHAMBER_DEVELOPMENT

void development_warn(void);

/* Adds the keys of development.keys. BAD_INPUT: one that is none, or is there twice. */
RESULT development_load_keys(const struct settings *settings, struct key_table *keys,
                             struct detail *detail);

#else

static inline void development_warn(void)
{
}

static inline RESULT development_load_keys(const struct settings *settings, struct key_table *keys,
                                           struct detail *detail)
{
    (void)settings;
    (void)keys;
    (void)detail;
    return OK;
}

#endif
#endif
