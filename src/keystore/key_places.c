#include "keystore/key_places.h"

#include <stdlib.h>
#include <string.h>

void key_places_done(struct key_places *places)
{
    free(places->items);
    *places = (struct key_places){ .count = 0 };
}

static void append_file(struct key_places *places, struct key_file *file,
                        bool (*is_so)(const struct key_entry *entry))
{
    for (size_t i = 0; i < file->entry_count; i++) {
        if (is_so(&file->entries[i])) {
            places->items[places->count++] = (struct key_place){ file, &file->entries[i] };
        }
    }
}

RESULT key_places_select(const struct key_files *files,
                         bool (*is_so)(const struct key_entry *entry), struct key_places *out)
{
    size_t max = 1; /* so that there is something to allocate */
    for (size_t i = 0; i < files->count; i++) {
        max += files->files[i].entry_count;
    }
    struct key_places places = { .items = calloc(max, sizeof(*places.items)) };
    ENSURE(places.items != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < files->count; i++) {
        append_file(&places, &files->files[i], is_so);
    }
    *out = places;
    return OK;
}

static int compare_pubkeys(const struct pubkey *a, const struct pubkey *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Files, and entries of a file, lie in memory in their order. */
static int compare_places(const void *a, const void *b)
{
    const struct key_place *left = a;
    const struct key_place *right = b;
    int order = compare_pubkeys(&left->entry->pubkey, &right->entry->pubkey);
    if (order != 0 || left->entry == right->entry) {
        return order;
    }
    if (left->file != right->file) {
        return left->file < right->file ? -1 : 1;
    }
    return left->entry < right->entry ? -1 : 1;
}

void key_places_sort(struct key_places *places)
{
    qsort(places->items, places->count, sizeof(*places->items), compare_places);
}

static int compare_key_with_place(const void *key, const void *place)
{
    return compare_pubkeys(key, &((const struct key_place *)place)->entry->pubkey);
}

const struct key_place *key_places_find(const struct key_places *places,
                                        const struct pubkey *pubkey)
{
    return bsearch(pubkey, places->items, places->count, sizeof(*places->items),
                   compare_key_with_place);
}
