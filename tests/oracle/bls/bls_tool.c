/* Our side of the comparison; the same lines in and out as oracle.js. */
#include "base/hex.h"
#include "bls/bls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void decode(const char *text, uint8_t *out, size_t size)
{
    if (!is_ok(hex_decode(text, strlen(text), out, size))) {
        fprintf(stderr, "bls_tool: not %zu bytes of hexadecimal: %s\n", size, text);
        exit(2);
    }
}

static void print_signature(const char *secret_text, const char *message_text)
{
    uint8_t secret[BLS_SECRET_SIZE];
    uint8_t message[BLS_MESSAGE_SIZE];
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    uint8_t signature[BLS_SIGNATURE_SIZE];
    char pubkey_text[HEX_TEXT_SIZE(BLS_PUBKEY_SIZE)];
    char signature_text[HEX_TEXT_SIZE(BLS_SIGNATURE_SIZE)];
    struct bls_point point;
    decode(secret_text, secret, sizeof(secret));
    decode(message_text, message, sizeof(message));
    if (!is_ok(bls_public_key(secret, pubkey))) {
        fprintf(stderr, "bls_tool: no secret key: %s\n", secret_text);
        exit(2);
    }
    bls_hash(message, &point);
    bls_sign(secret, &point, signature);
    hex_encode(pubkey, sizeof(pubkey), pubkey_text);
    hex_encode(signature, sizeof(signature), signature_text);
    printf("%s %s\n", pubkey_text + 2, signature_text + 2);
}

static void print_verdict(const char *pubkey_text, const char *message_text,
                          const char *signature_text)
{
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    uint8_t message[BLS_MESSAGE_SIZE];
    uint8_t signature[BLS_SIGNATURE_SIZE];
    decode(pubkey_text, pubkey, sizeof(pubkey));
    decode(message_text, message, sizeof(message));
    decode(signature_text, signature, sizeof(signature));
    puts(bls_verify(pubkey, message, signature) ? "true" : "false");
}

int main(void)
{
    char line[1024];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char words[4][256] = { "" };
        int count = sscanf(line, "%255s %255s %255s %255s", words[0], words[1], words[2], words[3]);
        if (count == 3 && strcmp(words[0], "sign") == 0) {
            print_signature(words[1], words[2]);
        } else if (count == 4 && strcmp(words[0], "verify") == 0) {
            print_verdict(words[1], words[2], words[3]);
        } else {
            fprintf(stderr, "bls_tool: not understood: %s", line);
            return 2;
        }
    }
    return 0;
}
