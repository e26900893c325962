#include "base/vault.h"

#include <assert.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { SLOT_SIZE = sizeof(struct secret32), NO_SLOT = UINT32_MAX };

struct vault {
    pthread_mutex_t mutex; /* guards what changes below, but for `locked` and a taken slot's own */
    enum vault_lock lock;
    atomic_bool locked;
    size_t page_size;
    size_t mapping_size; /* guard page, slots, guard page */
    uint8_t *mapping;
    uint8_t *slots;
    size_t slots_max;
    size_t slots_open;   /* slots on pages that are usable */
    size_t slots_fresh;  /* slots that were taken at least once */
    bool *taken;         /* of each slot; one that is given back twice would be two keys' */
    uint32_t *free_list; /* erased slots, the last one is taken first */
    size_t free_count;
};

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

RESULT vault_new(size_t slots_max, enum vault_lock lock, struct vault **out)
{
    ENSURE(slots_max > 0, BAD_INPUT, "a vault needs at least one slot");
    ENSURE(slots_max <= VAULT_SLOTS_MAX, LIMIT, "more keys than a vault can hold");
    CLEANUP(vault_free_ptr) struct vault *vault = calloc(1, sizeof(*vault));
    ENSURE(vault != NULL, UNAVAILABLE, "out of memory");
    pthread_mutex_init(&vault->mutex, NULL);
    vault->lock = lock;
    atomic_init(&vault->locked, true);
    vault->slots_max = slots_max;
    vault->page_size = (size_t)sysconf(_SC_PAGESIZE);
    vault->taken = calloc(slots_max, sizeof(*vault->taken));
    vault->free_list = calloc(slots_max, sizeof(*vault->free_list));
    ENSURE(vault->taken != NULL, UNAVAILABLE, "out of memory");
    ENSURE(vault->free_list != NULL, UNAVAILABLE, "out of memory");
    size_t inner = round_up(slots_max * SLOT_SIZE, vault->page_size);
    void *mapping = mmap(NULL, inner + 2 * vault->page_size, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ENSURE(mapping != MAP_FAILED, UNAVAILABLE, "no address space for the key vault");
    vault->mapping = mapping;
    vault->mapping_size = inner + 2 * vault->page_size;
    vault->slots = vault->mapping + vault->page_size;
    *out = STEAL(vault);
    return OK;
}

void vault_free(struct vault *vault)
{
    if (vault == NULL) {
        return;
    }
    if (vault->mapping != NULL) {
        secret_wipe(vault->slots, vault->slots_open * SLOT_SIZE);
        munmap(vault->mapping, vault->mapping_size);
    }
    free(vault->taken);
    free(vault->free_list);
    pthread_mutex_destroy(&vault->mutex);
    free(vault);
}

static struct result protect_page(struct vault *vault, uint8_t *page)
{
    size_t size = vault->page_size;
    ENSURE(mprotect(page, size, PROT_READ | PROT_WRITE) == 0, UNAVAILABLE,
           "no memory for the key vault");
    ENSURE(madvise(page, size, MADV_DONTDUMP) == 0, UNAVAILABLE,
           "the kernel refuses MADV_DONTDUMP for the key vault");
    ENSURE(madvise(page, size, MADV_WIPEONFORK) == 0, UNAVAILABLE,
           "the kernel refuses MADV_WIPEONFORK for the key vault");
    if (mlock(page, size) == 0) {
        return OK;
    }
    ENSURE(vault->lock == VAULT_LOCK_OPTIONAL, UNAVAILABLE,
           "cannot lock the key vault in memory: raise RLIMIT_MEMLOCK (ulimit -l, or LimitMEMLOCK= "
           "in the systemd unit)");
    atomic_store(&vault->locked, false);
    return OK;
}

static struct result open_next_page(struct vault *vault)
{
    uint8_t *page = vault->slots + vault->slots_open * SLOT_SIZE;
    TRY(protect_page(vault, page));
    vault->slots_open += vault->page_size / SLOT_SIZE;
    return OK;
}

RESULT vault_put(struct vault *vault, const struct secret32 *secret, uint32_t *slot_out)
{
    LOCK_SCOPE(&vault->mutex);
    uint32_t slot = NO_SLOT;
    if (vault->free_count > 0) {
        slot = vault->free_list[--vault->free_count];
    } else {
        ENSURE(vault->slots_fresh < vault->slots_max, LIMIT, "the key vault is full");
        if (vault->slots_fresh == vault->slots_open) {
            TRY(open_next_page(vault));
        }
        slot = (uint32_t)vault->slots_fresh++;
    }
    memcpy(vault->slots + (size_t)slot * SLOT_SIZE, secret->bytes, SLOT_SIZE);
    vault->taken[slot] = true;
    *slot_out = slot;
    return OK;
}

const uint8_t *vault_get(const struct vault *vault, uint32_t slot)
{
    assert(slot < vault->slots_max);
    assert(vault->taken[slot]);
    return vault->slots + (size_t)slot * SLOT_SIZE;
}

void vault_erase(struct vault *vault, uint32_t slot)
{
    LOCK_SCOPE(&vault->mutex);
    assert(slot < vault->slots_max);
    assert(vault->taken[slot]);
    vault->taken[slot] = false;
    secret_wipe(vault->slots + (size_t)slot * SLOT_SIZE, SLOT_SIZE);
    vault->free_list[vault->free_count++] = slot;
}

bool vault_is_locked(const struct vault *vault)
{
    return atomic_load(&vault->locked);
}
