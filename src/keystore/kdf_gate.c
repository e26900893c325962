#include "keystore/kdf_gate.h"

#include "base/cleanup.h"

#include <assert.h>

void kdf_gate_init(struct kdf_gate *gate, size_t max)
{
    *gate = (struct kdf_gate){ .max = max };
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

void kdf_gate_done(struct kdf_gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->mutex);
}

static bool fits(const struct kdf_gate *gate, size_t bytes)
{
    return bytes == 0 || gate->used == 0 ||
           (gate->used <= gate->max && bytes <= gate->max - gate->used);
}

bool kdf_gate_enter(struct kdf_gate *gate, size_t bytes)
{
    LOCK_SCOPE(&gate->mutex);
    while (!gate->closed && !fits(gate, bytes)) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    if (gate->closed) {
        return false;
    }
    gate->used += bytes;
    return true;
}

void kdf_gate_leave(struct kdf_gate *gate, size_t bytes)
{
    LOCK_SCOPE(&gate->mutex);
    assert(bytes <= gate->used);
    gate->used -= bytes;
    pthread_cond_broadcast(&gate->changed);
}

void kdf_gate_close(struct kdf_gate *gate)
{
    LOCK_SCOPE(&gate->mutex);
    gate->closed = true;
    pthread_cond_broadcast(&gate->changed);
}
