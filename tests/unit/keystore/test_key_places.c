#include "keystore/key_places.h"

#include "base/cleanup.h"
#include "harness.h"

#include <stdint.h>
#include <stdlib.h>

enum { FILES = 3, DOCUMENTS = 4 };

/* Three files of four documents; the keys are given as first bytes, 0 for none. */
static bool make_files(struct key_files *files, const uint8_t keys[FILES][DOCUMENTS])
{
    files->files = calloc(FILES, sizeof(*files->files));
    files->count = files->files != NULL ? FILES : 0;
    for (size_t i = 0; i < files->count; i++) {
        for (size_t j = 0; j < DOCUMENTS; j++) {
            struct key_entry *entry = key_file_add(&files->files[i], j + 1);
            if (entry == NULL) {
                return false;
            }
            entry->has_key = keys[i][j] != 0;
            entry->pubkey.bytes[0] = keys[i][j];
        }
    }
    return files->count == FILES;
}

static bool has_key(const struct key_entry *entry)
{
    return entry->has_key;
}

static bool never(const struct key_entry *entry)
{
    (void)entry;
    return false;
}

static const uint8_t keys[FILES][DOCUMENTS] = { { 9, 3, 0, 5 }, { 0, 3, 200, 9 }, { 3, 1, 9, 0 } };

#define KEY_FILES                                                      \
    CLEANUP(key_files_done) struct key_files files = { .max = FILES }; \
    CHECK(make_files(&files, keys))

TEST(entries_are_selected_in_order)
{
    static const uint8_t wanted[] = { 9, 3, 5, 3, 200, 9, 3, 1, 9 };
    KEY_FILES;
    KEY_PLACES places = { .count = 0 };
    CHECK_OK(key_places_select(&files, has_key, &places));
    CHECK(places.count == sizeof(wanted));
    for (size_t i = 0; i < places.count; i++) {
        CHECK(places.items[i].entry->pubkey.bytes[0] == wanted[i]);
        CHECK(key_file_find(places.items[i].file, places.items[i].entry->document) ==
              places.items[i].entry);
    }
}

TEST(sorting_keeps_the_order_of_files_among_equals)
{
    static const struct {
        uint8_t key;
        size_t file;
        size_t document;
    } wanted[] = { { 1, 2, 2 }, { 3, 0, 2 }, { 3, 1, 2 }, { 3, 2, 1 },  { 5, 0, 4 },
                   { 9, 0, 1 }, { 9, 1, 4 }, { 9, 2, 3 }, { 200, 1, 3 } };
    KEY_FILES;
    KEY_PLACES places = { .count = 0 };
    CHECK_OK(key_places_select(&files, has_key, &places));
    key_places_sort(&places);
    CHECK(places.count == sizeof(wanted) / sizeof(wanted[0]));
    for (size_t i = 0; i < places.count; i++) {
        CHECK(places.items[i].entry->pubkey.bytes[0] == wanted[i].key);
        CHECK(places.items[i].file == &files.files[wanted[i].file]);
        CHECK(places.items[i].entry->document == wanted[i].document);
    }
}

TEST(keys_are_found_and_others_are_not)
{
    KEY_FILES;
    KEY_PLACES places = { .count = 0 };
    CHECK_OK(key_places_select(&files, has_key, &places));
    key_places_sort(&places);
    for (unsigned first = 0; first < 256; first++) {
        struct pubkey pubkey = { { (uint8_t)first } };
        bool there = first == 1 || first == 3 || first == 5 || first == 9 || first == 200;
        CHECK((key_places_find(&places, &pubkey) != NULL) == there);
        pubkey.bytes[47] = 1;
        CHECK(key_places_find(&places, &pubkey) == NULL);
    }
}

TEST(none_is_no_failure)
{
    KEY_FILES;
    struct pubkey pubkey = { { 9 } };
    KEY_PLACES places = { .count = 0 };
    CHECK_OK(key_places_select(&files, never, &places));
    key_places_sort(&places);
    CHECK(places.count == 0);
    CHECK(key_places_find(&places, &pubkey) == NULL);
}

HARNESS_TESTS(T(entries_are_selected_in_order), T(sorting_keeps_the_order_of_files_among_equals),
              T(keys_are_found_and_others_are_not), T(none_is_no_failure))
