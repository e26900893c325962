#include "app/development.h"

#include "base/hex.h"
#include "base/log.h"

#include <string.h>

void development_warn(void)
{
    log_error("DEVELOPMENT IMAGE: IT PROTECTS NOTHING. Its keys stand in its configuration, and it "
              "forgets what it signed when it ends. Never give it a key that has a stake");
}

static RESULT load_key(const char *text, struct key_table *keys)
{
    SECRET secret;
    TRY(hex_decode(text, strlen(text), secret.bytes, sizeof(secret.bytes)));
    return key_table_add(keys, &secret, NULL, KEY_ORIGIN_MEMORY, "", NULL);
}

RESULT development_load_keys(const struct settings *settings, struct key_table *keys,
                             struct detail *detail)
{
    for (size_t i = 0; i < settings->development.keys.count; i++) {
        detail_set(detail, "development.keys, item %zu", i + 1);
        TRY(load_key(settings->development.keys.items[i], keys));
    }
    return OK;
}
