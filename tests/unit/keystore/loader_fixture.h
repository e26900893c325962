/* loader_fixture.h: a loader with a folder of its own: keys/ for descriptors, bulk/ for keystores
 * and passwords/ for their passwords. Keys are those of keystore_maker_secret(). */
#ifndef TESTS_UNIT_KEYSTORE_LOADER_FIXTURE_H
#define TESTS_UNIT_KEYSTORE_LOADER_FIXTURE_H

#include "base/cleanup.h"
#include "base/hex.h"
#include "keystore/loader.h"
#include "temp_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fixture {
    struct temp_dir dir;
    struct temp_path keys;
    struct temp_path bulk;
    struct temp_path passwords;
    const char *paths[2];
    struct kdf_gate gate;            /* of 64 MiB */
    struct loader_settings settings; /* keys/ only; may be changed until the first run */
    struct vault *vault;
    struct key_table *table;
    struct loader *loader;
    struct loader_report report; /* of the last run */
    struct detail detail;
};

/* False: it could not be set up. */
bool fixture_open(struct fixture *fixture, size_t slots);
void fixture_close(struct fixture *fixture);

#define FIXTURE(slots)                                                  \
    CLEANUP(fixture_close) struct fixture fixture = { .loader = NULL }; \
    CHECK(fixture_open(&fixture, slots))

/* Also reads bulk/, with passwords/. */
void fixture_use_bulk(struct fixture *fixture);

/* Runs the loader; its report and detail are in the fixture. */
RESULT fixture_run(struct fixture *fixture);

/* Each gives false when the files could not be written. Names are without a folder and ending. */
bool put_text(struct fixture *fixture, const char *path, const char *text); /* "keys/a.yaml" */
bool put_raw(struct fixture *fixture, const char *name, uint32_t number);
bool put_keystore(struct fixture *fixture, const char *name, uint32_t number);
bool put_bulk(struct fixture *fixture, const char *name, uint32_t number);
bool take_away(struct fixture *fixture, const char *path);

/* The password of key `number` in these files. */
enum { PASSWORD_SIZE = 32 };
void password_number(uint32_t number, char out[static PASSWORD_SIZE]);

/* A descriptor's text for the raw key; in memory that the caller frees. */
char *raw_text(uint32_t number);

/* "0x…" of the public key. */
struct pubkey_text {
    char text[HEX_TEXT_SIZE(48)];
};
struct pubkey pubkey_number(uint32_t number);
struct pubkey_text pubkey_text_number(uint32_t number);

/* True when the table has the key from the filesystem. */
bool has_key(const struct fixture *fixture, uint32_t number);

/* The first error of the last run that has this text in it, or NULL. */
const char *find_error(const struct fixture *fixture, const char *part);
/* Prints the errors of the last run, for a test that fails. */
void print_errors(const struct fixture *fixture);

/* What was written to stderr between the two, into `out` (cut to `size`). Not nested. */
bool stderr_capture_begin(const struct fixture *fixture);
bool stderr_capture_end(const struct fixture *fixture, char *out, size_t size);

#endif
