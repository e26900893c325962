/* health.h: what /healthcheck knows. Others write it when it changes, so that answering never waits
 * for a store. Thread-safe. */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "base/detail.h"
#include "base/result.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A store that has not been heard of for so long is down: a disk that hangs says nothing. */
enum { HEALTH_SILENCE_SECONDS = 10 };

struct health {
    pthread_mutex_t mutex;
    uint64_t heard_ns; /* when the store said something last, in clock_monotonic_ns() */
    bool store_is_up;
    char store_reason[DETAIL_SIZE]; /* why not; empty when it is */
    uint64_t database_bytes;        /* of the store's file, 0 where it is no file */
    uint64_t disk_free_bytes;       /* where that file is */
};

/* The store counts as down until somebody says otherwise. */
void health_init(struct health *health);

/* What the store's own health() said last; due every few seconds. */
void health_set_store(struct health *health, struct result result, const struct detail *detail);

/* Refreshed every metrics.refresh_interval_seconds. */
void health_set_disk(struct health *health, uint64_t database_bytes, uint64_t disk_free_bytes);
void health_disk(struct health *health, uint64_t *database_bytes_out,
                 uint64_t *disk_free_bytes_out);

/* Whether records can be made; if not, `reason_out` says why. */
bool health_store_is_up(struct health *health, char reason_out[static DETAIL_SIZE]);

#endif
