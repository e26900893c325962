/* fuzz_attestation.c: the body of POST /attestation is refused, or it is an object in which those
 * bytes stand in hexadecimal that were read as the nonce, 16 to 64 of them.
 */
#include "api/attestation.h"
#include "base/hex.h"
#include "base/json.h"

#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool initialised;
    if (!initialised) {
        json_init();
        initialised = true;
    }
    struct attestation_nonce nonce = { .size = 0 };
    struct detail detail = { .text = "" };
    struct result result = attestation_read((const char *)data, size, &nonce, &detail);
    if (!is_ok(result)) {
        require(result.status == STATUS_BAD_INPUT || result.status == STATUS_LIMIT);
        return 0;
    }
    require(size <= ATTESTATION_BODY_MAX);
    require(nonce.size >= ATTESTATION_NONCE_MIN && nonce.size <= ATTESTATION_NONCE_MAX);
    char hex[HEX_TEXT_SIZE(ATTESTATION_NONCE_MAX)];
    CLEANUP(json_free_ptr) struct json *body = NULL;
    hex_encode(nonce.bytes, nonce.size, hex);
    require(is_ok(json_parse((const char *)data, size, &body, NULL)));
    const char *text = json_as_text(json_member(body, "nonce"), NULL);
    require(text != NULL && json_count(body) == 1);
    bool has_prefix = strncasecmp(text, "0x", 2) == 0;
    require(strcasecmp(text + (has_prefix ? 2 : 0), hex + 2) == 0);
    return 0;
}
