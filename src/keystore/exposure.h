/* exposure.h: remembers which directories hold secret files that others than their owner may read,
 * so that each is told of once. Thread-safe. */
#ifndef KEYSTORE_EXPOSURE_H
#define KEYSTORE_EXPOSURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum exposure_kind { EXPOSURE_PASSWORD, EXPOSURE_RAW_KEY, EXPOSURE_KIND_COUNT };

enum { EXPOSURE_DIRECTORIES_MAX = 64 }; /* of a kind; further ones are not told of */

struct exposure {
    pthread_mutex_t mutex;
    char *directories[EXPOSURE_KIND_COUNT][EXPOSURE_DIRECTORIES_MAX];
    size_t counts[EXPOSURE_KIND_COUNT];
};

void exposure_init(struct exposure *exposure);
void exposure_done(struct exposure *exposure);

/* True when the file is the first of its kind and directory: tell of it. */
bool exposure_note(struct exposure *exposure, enum exposure_kind kind, const char *path);

/* "password", "private key": what such a file holds. */
const char *exposure_kind_name(enum exposure_kind kind);

#endif
