#include "keystore/load_failure.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/log.h"

#include <limits.h>
#include <string.h>

enum { LINE_MAX_BYTES = 3 * PATH_MAX, REASON_SIZE = 512, LOG_FIELDS_MAX = 5 };

static void make_printable(char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if ((*text >= 0 && *text < ' ') || *text == 0x7f) {
            *text = '?';
        }
    }
}

/* "<detail>: <what>", less the file's own name at its start, and what becomes of keys that it gave.
 */
static void write_reason(const struct load_failure *failure, char out[static REASON_SIZE])
{
    struct detail detail = failure->detail;
    size_t path_size = strlen(failure->path);
    if (strncmp(detail.text, failure->path, path_size) == 0) {
        const char *rest = failure->detail.text + path_size;
        detail_set(&detail, "%s", rest + strspn(rest, ": "));
    }
    detail_line(&detail, failure->result, out, REASON_SIZE);
    size_t used = strlen(out);
    if (failure->keys_kept == 1) {
        snprintf(out + used, REASON_SIZE - used, "; the key loaded from it before stays");
    } else if (failure->keys_kept > 1) {
        snprintf(out + used, REASON_SIZE - used, "; %zu keys loaded from it before stay",
                 failure->keys_kept);
    }
}

static void write_log(const struct load_failure *failure, const char *key, const char *reason)
{
    struct log_field fields[LOG_FIELDS_MAX];
    size_t count = 0;
    fields[count++] = LOG_TEXT("file", failure->path);
    if (failure->document > 0) {
        fields[count++] = LOG_NUMBER("document", failure->document);
    }
    if (failure->key != NULL) {
        fields[count++] = LOG_TEXT("key", key);
    }
    fields[count++] = LOG_TEXT("reason", reason);
    fields[count] = (struct log_field){ .name = NULL };
    log_write(LOG_LEVEL_WARN, "a key could not be loaded", fields);
}

char *load_failure_report(const struct load_failure *failure)
{
    char reason[REASON_SIZE];
    char key[HEX_TEXT_SIZE(sizeof(failure->key->bytes))] = "";
    BUF line = BUF_INIT(LINE_MAX_BYTES);
    write_reason(failure, reason);
    buf_append_text(&line, failure->path);
    if (failure->document > 0) {
        buf_printf(&line, ", document %zu", failure->document);
    }
    if (failure->key != NULL) {
        hex_encode(failure->key->bytes, sizeof(failure->key->bytes), key);
        buf_printf(&line, ", key %s", key);
    }
    buf_printf(&line, ": %s", reason);
    write_log(failure, key, reason);
    make_printable(line.data);
    return is_ok(buf_check(&line)) ? buf_take(&line) : NULL;
}
