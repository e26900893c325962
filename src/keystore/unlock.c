#include "keystore/unlock.h"

#include "bls/bls.h"

#include <string.h>

static struct result decrypt(const struct eip2335 *keystore, struct unlock_text password,
                             struct kdf_gate *gate, struct secret32 *secret_out)
{
    size_t memory = eip2335_memory(keystore);
    ENSURE(kdf_gate_enter(gate, memory), UNAVAILABLE, "the signer is stopping");
    struct result decrypted =
        eip2335_decrypt(keystore, (const uint8_t *)password.at, password.size, secret_out);
    kdf_gate_leave(gate, memory);
    return decrypted;
}

RESULT unlock_keystore(struct unlock_text text, struct unlock_text password, struct kdf_gate *gate,
                       struct unlocked *out, struct detail *detail)
{
    SECRET secret;
    struct eip2335 keystore;
    struct pubkey pubkey;
    TRY(eip2335_parse(text.at, text.size, &keystore, detail));
    detail_set(detail, "%s", ""); /* what fails from here on is no member's fault */
    TRY(decrypt(&keystore, password, gate, &secret));
    TRY(bls_public_key(secret.bytes, pubkey.bytes));
    ENSURE(!keystore.has_pubkey || pubkey_equal(&keystore.pubkey, &pubkey), BAD_INPUT,
           "the keystore's pubkey is not that of its secret key");
    out->secret = secret;
    out->pubkey = pubkey;
    memcpy(out->path, keystore.path, sizeof(out->path));
    return OK;
}
