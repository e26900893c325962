#include "keystore/exposure.h"

#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

void exposure_init(struct exposure *exposure)
{
    *exposure = (struct exposure){ .counts = { 0 } };
    pthread_mutex_init(&exposure->mutex, NULL);
}

void exposure_done(struct exposure *exposure)
{
    for (size_t kind = 0; kind < EXPOSURE_KIND_COUNT; kind++) {
        for (size_t i = 0; i < exposure->counts[kind]; i++) {
            free(exposure->directories[kind][i]);
        }
    }
    pthread_mutex_destroy(&exposure->mutex);
}

bool exposure_note(struct exposure *exposure, enum exposure_kind kind, const char *path)
{
    assert(kind < EXPOSURE_KIND_COUNT);
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    LOCK_SCOPE(&exposure->mutex);
    for (size_t i = 0; i < exposure->counts[kind]; i++) {
        const char *known = exposure->directories[kind][i];
        if (strlen(known) == length && memcmp(known, path, length) == 0) {
            return false;
        }
    }
    if (exposure->counts[kind] == EXPOSURE_DIRECTORIES_MAX) {
        return false;
    }
    char *directory = strndup(path, length);
    if (directory == NULL) {
        return false;
    }
    exposure->directories[kind][exposure->counts[kind]++] = directory;
    return true;
}

const char *exposure_kind_name(enum exposure_kind kind)
{
    static const char *const names[] = {
        [EXPOSURE_PASSWORD] = "password", [EXPOSURE_RAW_KEY] = "private key"
    };
    assert(kind < EXPOSURE_KIND_COUNT);
    return names[kind];
}
