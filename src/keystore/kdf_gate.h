/* kdf_gate.h: bounds the memory that all key derivations of a load take together: scrypt takes 256
 * MiB for a key, and there may be many threads. */
#ifndef KEYSTORE_KDF_GATE_H
#define KEYSTORE_KDF_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct kdf_gate {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    size_t max;
    size_t used;
    bool closed;
};

/* At most `max` bytes at once. */
void kdf_gate_init(struct kdf_gate *gate, size_t max);
void kdf_gate_done(struct kdf_gate *gate);

/* Waits until `bytes` more fit; what is over the bound by itself runs when nothing else does.
 * Whoever needs 0 never waits. False: the gate was closed, and kdf_gate_leave() must not be called.
 */
bool kdf_gate_enter(struct kdf_gate *gate, size_t bytes);
void kdf_gate_leave(struct kdf_gate *gate, size_t bytes);

/* Turns away all who wait and all who come. */
void kdf_gate_close(struct kdf_gate *gate);

#endif
