/* key_files.h: the files of the filesystem key sources, and for each the keys that were found in
 * it: what a load begins with, fills in, and compares itself with the next time. Not thread-safe as
 * a whole; different files may be worked on by different threads. */
#ifndef KEYSTORE_KEY_FILES_H
#define KEYSTORE_KEY_FILES_H

#include "base/detail.h"
#include "base/result.h"
#include "eth/types.h"
#include "keystore/file_id.h"

#include <stdbool.h>
#include <stddef.h>

/* One key's place: a document of a descriptor, or a keystore of a bulk directory. */
struct key_entry {
    size_t document;     /* 1, 2, … in a descriptor; 0 for a bulk keystore */
    char *keystore_path; /* NULL: no keystore is behind it */
    char *password_path; /* with `keystore_path` */
    struct file_id
        keystore_id; /* of the two files when the key was last read from them; else zero */
    struct file_id password_id;
    bool has_key;        /* the key below is in the table because of this entry */
    bool is_of_keystore; /* … and it was read from `keystore_path` */
    struct pubkey pubkey;
    char *error; /* why this load could not use it, or NULL */
};

enum key_file_kind { KEY_FILE_DESCRIPTOR, KEY_FILE_KEYSTORE, KEY_FILE_KIND_COUNT };

struct key_file {
    enum key_file_kind kind;
    char *path;
    struct file_id id;
    bool complete; /* all documents were understood, and all raw keys loaded */
    char *error;   /* why it could not be read to its end, or NULL */
    struct key_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
};

struct key_directory {
    enum key_file_kind kind;
    struct file_id id;
};

struct key_files {
    size_t max; /* files that may be added */
    struct key_file *files;
    size_t count;
    size_t capacity;
    struct key_directory *directories; /* that were added */
    size_t directory_count;
    size_t directory_capacity;
};

void key_files_done(struct key_files *files);

/* Adds the files of a directory (not of folders in it, not hidden ones) that end in .yaml or .yml,
 * or in .json, in either case. A directory that was added for this kind before adds nothing.
 * UNAVAILABLE, with `detail`: it cannot be read, or no memory. LIMIT: more than `max` files. */
RESULT key_files_add_directory(struct key_files *files, enum key_file_kind kind, const char *path,
                               struct detail *detail);

/* Puts them in the order of their paths, which is also that in which duplicates are judged. */
void key_files_sort(struct key_files *files);

/* The file of this path, or NULL. The files must be sorted. */
struct key_file *key_files_find(const struct key_files *files, const char *path);

/* The entry of this document, or NULL. `file` may be NULL. */
struct key_entry *key_file_find(const struct key_file *file, size_t document);

/* A new empty entry, valid until the next is added; documents come in their order. NULL: no memory.
 */
struct key_entry *key_file_add(struct key_file *file, size_t document);

/* Moves the entries of documents from `first` on to the end of `to`'s, without their errors. False:
 * no memory, and they stay. `from` may be NULL. */
bool key_file_move(struct key_file *to, struct key_file *from, size_t first);

#endif
