#include "keystore/key_load.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "keystore/descriptor.h"
#include "keystore/password_file.h"

#include <limits.h>
#include <string.h>

void key_load_failed(struct key_load *load, struct key_file *file, struct key_entry *entry,
                     struct load_failure *failure)
{
    failure->path = file->path;
    failure->document = entry != NULL ? entry->document : 0;
    char **error = entry != NULL ? &entry->error : &file->error;
    free(*error);
    *error = load_failure_report(failure);
    atomic_fetch_add(&load->errors, 1);
}

bool key_load_holds(struct key_table *table, const struct pubkey *pubkey)
{
    CLEANUP(key_release_ptr) struct key *key = key_table_acquire(table, pubkey);
    return key != NULL && key_origin_of(key) == KEY_ORIGIN_FILESYSTEM;
}

/* Adds the key; that it is there already, from this source, is as good. */
static struct result add_key(struct key_load *load, const struct secret32 *secret,
                             const struct pubkey *claimed, const char *path,
                             struct pubkey *pubkey_out)
{
    struct result result =
        key_table_add(load->table, secret, claimed, KEY_ORIGIN_FILESYSTEM, path, pubkey_out);
    if (result.status == STATUS_REFUSED) {
        ENSURE(key_load_holds(load->table, pubkey_out), REFUSED,
               "the key is already loaded from another source");
        return OK;
    }
    if (is_ok(result)) {
        atomic_fetch_add(&load->added, 1);
    }
    return result;
}

static void warn_if_exposed(struct key_load *load, enum exposure_kind kind, const char *path,
                            const struct file_id *id)
{
    if (file_id_is_exposed(id) && exposure_note(load->exposure, kind, path)) {
        log_warn("others than its owner may read a secret file; chmod 600 it and its like",
                 LOG_TEXT("file", path), LOG_TEXT("holds", exposure_kind_name(kind)));
    }
}

/* A descriptor on its way in. */
struct descriptor_load {
    struct key_load *load;
    struct key_file *file;
    const struct key_file *before;
    bool out_of_memory;
};

/* A file's name in a descriptor: absolute, or beside the descriptor. NULL: too long, or no memory.
 */
static char *resolve(const struct key_file *file, struct descriptor_text name)
{
    const char *slash = strrchr(file->path, '/');
    size_t directory_size = slash != NULL ? (size_t)(slash - file->path) + 1 : 0;
    BUF path = BUF_INIT(PATH_MAX);
    if (name.at[0] != '/') {
        buf_append(&path, file->path, directory_size);
    }
    buf_append(&path, name.at, name.size);
    return is_ok(buf_check(&path)) ? buf_take(&path) : NULL;
}

static struct result name_files(const struct descriptor_load *context,
                                const struct descriptor *descriptor, struct key_entry *entry,
                                struct detail *detail)
{
    CLEANUP(free_ptr) char *keystore = resolve(context->file, descriptor->keystore_file);
    detail_set(detail, "keystoreFile");
    ENSURE(keystore != NULL, LIMIT, "the file name is too long");
    CLEANUP(free_ptr) char *password = resolve(context->file, descriptor->password_file);
    detail_set(detail, "keystorePasswordFile");
    ENSURE(password != NULL, LIMIT, "the file name is too long");
    entry->keystore_path = STEAL(keystore);
    entry->password_path = STEAL(password);
    return OK;
}

/* `pubkey_out` is written when the secret is a key, whether it could be added or not. */
static struct result load_raw(const struct descriptor_load *context, const struct secret32 *secret,
                              struct key_entry *entry, struct pubkey *pubkey_out)
{
    warn_if_exposed(context->load, EXPOSURE_RAW_KEY, context->file->path, &context->file->id);
    TRY(add_key(context->load, secret, NULL, "", pubkey_out));
    entry->has_key = true;
    entry->pubkey = *pubkey_out;
    return OK;
}

/* Takes over what the last run knew of the document. */
static void inherit(const struct descriptor_load *context, struct key_entry *entry)
{
    const struct key_entry *old = key_file_find(context->before, entry->document);
    if (old == NULL || !old->has_key || !key_load_holds(context->load->table, &old->pubkey)) {
        return;
    }
    entry->has_key = true;
    entry->pubkey = old->pubkey;
    entry->keystore_id = old->keystore_id;
    entry->password_id = old->password_id;
    entry->is_of_keystore = old->is_of_keystore && entry->keystore_path != NULL &&
                            strcmp(entry->keystore_path, old->keystore_path) == 0;
}

static void load_document(const struct descriptor *descriptor, struct result verdict,
                          const struct detail *detail, void *user)
{
    struct descriptor_load *context = user;
    struct key_entry *entry = key_file_add(context->file, descriptor->document);
    if (entry == NULL) {
        context->out_of_memory = true;
        return;
    }
    struct load_failure failure = { .result = verdict, .detail = *detail };
    struct pubkey pubkey;
    if (is_ok(verdict) && descriptor->type == DESCRIPTOR_KEYSTORE) {
        failure.result = name_files(context, descriptor, entry, &failure.detail);
    }
    inherit(context, entry);
    if (is_ok(verdict) && descriptor->type == DESCRIPTOR_RAW) {
        failure.result = load_raw(context, descriptor->secret, entry, &pubkey);
    }
    if (!is_ok(failure.result)) {
        failure.key = failure.result.status == STATUS_REFUSED ? &pubkey : NULL;
        failure.keys_kept = entry->has_key ? 1 : 0;
        key_load_failed(context->load, context->file, entry, &failure);
    }
}

static struct result read_descriptor(struct descriptor_load *context, struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(context->file->path, DESCRIPTOR_SIZE_MAX, &text, detail));
    TRY(descriptor_each((const char *)text.data, text.size, load_document, context, detail));
    ENSURE(!context->out_of_memory, UNAVAILABLE, "out of memory");
    return OK;
}

static bool is_as_before(const struct key_load *load, const struct key_file *file,
                         const struct key_file *before)
{
    if (before == NULL || !before->complete || !file_id_equal(&file->id, &before->id)) {
        return false;
    }
    for (size_t i = 0; i < before->entry_count; i++) {
        const struct key_entry *entry = &before->entries[i];
        if (entry->keystore_path == NULL && !key_load_holds(load->table, &entry->pubkey)) {
            return false;
        }
    }
    return true;
}

static size_t count_errors(const struct key_file *file)
{
    size_t count = 0;
    for (size_t i = 0; i < file->entry_count; i++) {
        count += file->entries[i].error != NULL;
    }
    return count;
}

static size_t count_keys(const struct key_file *file, size_t first)
{
    size_t count = 0;
    for (size_t i = first; i < file->entry_count; i++) {
        count += file->entries[i].has_key;
    }
    return count;
}

/* What comes behind the place that could not be read stays as it was, unless the file is gone. */
static void keep_rest(struct key_load *load, struct key_file *file, struct key_file *before,
                      struct load_failure *failure)
{
    size_t read = file->entry_count;
    size_t next = read > 0 ? file->entries[read - 1].document + 1 : 0;
    if (failure->result.status != STATUS_NOT_FOUND && !key_file_move(file, before, next)) {
        failure->result = FAIL(UNAVAILABLE, "out of memory");
    }
    failure->keys_kept = count_keys(file, read);
    key_load_failed(load, file, NULL, failure);
}

void key_load_descriptor(struct key_load *load, struct key_file *file, struct key_file *before)
{
    struct descriptor_load context = { .load = load, .file = file, .before = before };
    struct load_failure failure = { .result = OK };
    failure.result = file_id_read(file->path, &file->id, &failure.detail);
    bool same = is_ok(failure.result) && is_as_before(load, file, before);
    if (same && key_file_move(file, before, 0)) {
        file->complete = true;
        return;
    }
    if (is_ok(failure.result)) {
        failure.result = read_descriptor(&context, &failure.detail);
    }
    file->complete = is_ok(failure.result) && count_errors(file) == 0;
    if (!is_ok(failure.result)) {
        keep_rest(load, file, before, &failure);
    }
}

/* A keystore on its way in. */
struct keystore_load {
    struct eip2335 keystore;
    bool read; /* `keystore` is filled in */
    struct pubkey pubkey;
};

static struct result read_keystore(const struct key_entry *entry, struct keystore_load *out,
                                   struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(entry->keystore_path, EIP2335_JSON_MAX, &text, detail));
    struct result result =
        eip2335_parse((const char *)text.data, text.size, &out->keystore, detail);
    if (!is_ok(result)) {
        detail_prefix(detail, "%s: ", entry->keystore_path);
    }
    out->read = is_ok(result);
    return result;
}

static struct result decrypt(struct key_load *load, const struct eip2335 *keystore,
                             const struct secret_block *password, struct secret32 *out)
{
    size_t memory = eip2335_memory(keystore);
    ENSURE(kdf_gate_enter(load->gate, memory), UNAVAILABLE, "loading was cancelled");
    struct result result = eip2335_decrypt(keystore, password->data, password->size, out);
    kdf_gate_leave(load->gate, memory);
    return result;
}

static struct result load_keystore(struct key_load *load, const struct key_entry *entry,
                                   const struct file_id *password_id, struct keystore_load *out,
                                   struct detail *detail)
{
    SECRET_BLOCK password = { 0 };
    SECRET secret;
    TRY(read_keystore(entry, out, detail));
    TRY(password_file_read(entry->password_path, &password, detail));
    warn_if_exposed(load, EXPOSURE_PASSWORD, entry->password_path, password_id);
    bool lines = memchr(password.data, '\n', password.size) != NULL;
    detail_set(detail, "%s%s", entry->password_path,
               lines ? " (of more than one line, which together are taken as the password)" : "");
    TRY(decrypt(load, &out->keystore, &password, &secret));
    detail_set(detail, "%s", entry->keystore_path);
    const struct pubkey *claimed = out->keystore.has_pubkey ? &out->keystore.pubkey : NULL;
    return add_key(load, &secret, claimed, out->keystore.path, &out->pubkey);
}

static bool keystore_is_as_before(const struct key_load *load, const struct key_entry *entry,
                                  const struct file_id *keystore_id,
                                  const struct file_id *password_id)
{
    return entry->has_key && file_id_equal(keystore_id, &entry->keystore_id) &&
           file_id_equal(password_id, &entry->password_id) &&
           key_load_holds(load->table, &entry->pubkey);
}

/* The entry holds what the two files held when they were these. */
static void note_loaded(struct key_entry *entry, const struct pubkey *pubkey,
                        const struct file_id *keystore_id, const struct file_id *password_id)
{
    entry->has_key = true;
    entry->is_of_keystore = true;
    entry->pubkey = *pubkey;
    entry->keystore_id = *keystore_id;
    entry->password_id = *password_id;
}

/* A key stays when its keystore cannot be used now, and goes when the keystore is gone. That a name
 * is wrong, in a descriptor that was changed, is not the keystore's end. */
static bool keeps_key(const struct key_load *load, const struct key_entry *entry, bool gone)
{
    return entry->has_key && !(gone && entry->is_of_keystore) &&
           key_load_holds(load->table, &entry->pubkey);
}

void key_load_keystore(struct key_load *load, struct key_file *file, struct key_entry *entry)
{
    struct file_id keystore_id = { 0 };
    struct file_id password_id = { 0 };
    struct keystore_load loaded = { .read = false };
    struct load_failure failure = { .result = OK };
    failure.result = file_id_read(entry->keystore_path, &keystore_id, &failure.detail);
    bool gone = failure.result.status == STATUS_NOT_FOUND;
    if (is_ok(failure.result)) {
        failure.result = file_id_read(entry->password_path, &password_id, &failure.detail);
    }
    if (is_ok(failure.result)) {
        if (keystore_is_as_before(load, entry, &keystore_id, &password_id)) {
            return;
        }
        failure.result = load_keystore(load, entry, &password_id, &loaded, &failure.detail);
    }
    if (is_ok(failure.result)) {
        note_loaded(entry, &loaded.pubkey, &keystore_id, &password_id);
        return;
    }
    entry->has_key = keeps_key(load, entry, gone);
    failure.keys_kept = entry->has_key ? 1 : 0;
    failure.key = loaded.read && loaded.keystore.has_pubkey ? &loaded.keystore.pubkey : NULL;
    if (!atomic_load(load->cancelled)) {
        key_load_failed(load, file, entry, &failure);
    }
}
