#include "signer/message_cache.h"

struct entry {
    struct root signing_root;
    struct bls_point point;
    uint64_t used; /* when, on the cache's own clock; 0: never filled */
    bool computing;
};

struct message_cache {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t computed;
    uint64_t clock;
    uint64_t hits;
    uint64_t misses;
    struct entry entries[MESSAGE_CACHE_ENTRIES];
};

RESULT message_cache_new(struct message_cache **out)
{
    struct message_cache *cache = calloc(1, sizeof(*cache));
    ENSURE(cache != NULL, UNAVAILABLE, "out of memory");
    pthread_mutex_init(&cache->mutex, NULL);
    pthread_cond_init(&cache->computed, NULL);
    *out = cache;
    return OK;
}

void message_cache_free(struct message_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    pthread_cond_destroy(&cache->computed);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

static struct entry *find(struct message_cache *cache, const struct root *signing_root)
{
    for (size_t i = 0; i < MESSAGE_CACHE_ENTRIES; i++) {
        struct entry *entry = &cache->entries[i];
        if (entry->used != 0 && root_equal(&entry->signing_root, signing_root)) {
            return entry;
        }
    }
    return NULL;
}

/* The entry that was used longest ago and that nobody is filling; NULL when all are being filled.
 */
static struct entry *find_victim(struct message_cache *cache)
{
    struct entry *victim = NULL;
    for (size_t i = 0; i < MESSAGE_CACHE_ENTRIES; i++) {
        struct entry *entry = &cache->entries[i];
        if (!entry->computing && (victim == NULL || entry->used < victim->used)) {
            victim = entry;
        }
    }
    return victim;
}

/* True: `out` is filled. False: the caller computes, and then fills `*reserved_out` if that is not
 * NULL. */
static bool look_up(struct message_cache *cache, const struct root *signing_root,
                    struct bls_point *out, struct entry **reserved_out)
{
    LOCK_SCOPE(&cache->mutex);
    struct entry *entry = find(cache, signing_root);
    while (entry != NULL && entry->computing) {
        pthread_cond_wait(&cache->computed, &cache->mutex);
        entry = find(cache, signing_root); /* it may have been reused meanwhile */
    }
    if (entry != NULL) {
        cache->hits++;
        entry->used = ++cache->clock;
        *out = entry->point;
        return true;
    }
    cache->misses++;
    *reserved_out = find_victim(cache);
    if (*reserved_out != NULL) {
        (*reserved_out)->signing_root = *signing_root;
        (*reserved_out)->used = ++cache->clock;
        (*reserved_out)->computing = true;
    }
    return false;
}

static void fill(struct message_cache *cache, struct entry *entry, const struct bls_point *point)
{
    LOCK_SCOPE(&cache->mutex);
    entry->point = *point;
    entry->computing = false;
    pthread_cond_broadcast(&cache->computed);
}

void message_cache_get(struct message_cache *cache, const struct root *signing_root,
                       struct bls_point *out)
{
    struct entry *reserved = NULL;
    if (look_up(cache, signing_root, out, &reserved)) {
        return;
    }
    bls_hash(signing_root->bytes, out);
    if (reserved != NULL) {
        fill(cache, reserved, out);
    }
}

void message_cache_counts(struct message_cache *cache, uint64_t *hits_out, uint64_t *misses_out)
{
    LOCK_SCOPE(&cache->mutex);
    *hits_out = cache->hits;
    *misses_out = cache->misses;
}
