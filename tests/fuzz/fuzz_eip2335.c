/* fuzz_eip2335.c: a keystore that is accepted is within its bounds and reads the same a second
 * time; a password is refused as malformed exactly when it is not UTF-8 or too long. */
#include "keystore/eip2335.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_bounds(const struct eip2335 *keystore)
{
    must(keystore->salt_size >= 1 && keystore->salt_size <= sizeof(keystore->salt));
    must(strlen(keystore->path) <= EIP2335_PATH_MAX);
    if (keystore->kdf == EIP2335_PBKDF2) {
        must(keystore->rounds >= 1 && keystore->rounds <= EIP2335_PBKDF2_ROUNDS_MAX);
        return;
    }
    must(keystore->n > 1 && (keystore->n & (keystore->n - 1)) == 0);
    must(keystore->r >= 1 && keystore->p >= 1);
    must(128 * keystore->n * keystore->r <= EIP2335_SCRYPT_MEMORY_MAX);
    must(keystore->n * keystore->r * keystore->p <= EIP2335_SCRYPT_WORK_MAX);
    must(eip2335_memory(keystore) <= (size_t)EIP2335_SCRYPT_MEMORY_MAX + (16 << 20));
}

static bool is_password(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t length =
            utf8proc_iterate(text + at, (utf8proc_ssize_t)(size - at), &point);
        if (length <= 0) {
            return false;
        }
        at += (size_t)length;
    }
    return size <= EIP2335_PASSWORD_MAX;
}

static void try_password(struct eip2335 keystore, const uint8_t *password, size_t size)
{
    struct secret32 secret;
    keystore.rounds = 1;
    keystore.n = 2;
    keystore.r = 1;
    keystore.p = 1;
    struct result result = eip2335_decrypt(&keystore, password, size, &secret);
    must((result.status == STATUS_BAD_INPUT) == !is_password(password, size));
    must(result.status == STATUS_BAD_INPUT || result.status == STATUS_REFUSED || is_ok(result));
}

/* The text up to the first zero byte is the keystore, what follows is the password. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct eip2335 keystore;
    struct eip2335 again;
    struct detail detail = { "" };
    if (!started) {
        json_init();
        started = true;
    }
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t text_size = end != NULL ? (size_t)(end - data) : size;
    memset(&keystore, 0, sizeof(keystore));
    memset(&again, 0, sizeof(again));
    struct result result = eip2335_parse((const char *)data, text_size, &keystore, &detail);
    if (!is_ok(result)) {
        must(detail.text[0] != '\0');
        return 0;
    }
    check_bounds(&keystore);
    must(is_ok(eip2335_parse((const char *)data, text_size, &again, NULL)));
    must(memcmp(&keystore, &again, sizeof(keystore)) == 0);
    if (end != NULL) {
        try_password(keystore, end + 1, size - text_size - 1);
    }
    return 0;
}
