/* fuzz_signing_request.c: a body is read or refused and never more; what resolves, resolves to the
 * same again, also when the body names that root, and is refused when the body names any other. */
#include "base/buf.h"
#include "base/hex.h"
#include "eth/signing_request.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBER_MAX = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char devnet_yaml[] =
    "PRESET_BASE: minimal\nCONFIG_NAME: devnet\nSECONDS_PER_SLOT: 6\nGENESIS_TIME: 0\n"
    "GENESIS_VALIDATORS_ROOT: 0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\n"
    "GENESIS_FORK_VERSION: 0x00000001\nALTAIR_FORK_VERSION: 0x01000001\nALTAIR_FORK_EPOCH: 0\n"
    "BELLATRIX_FORK_VERSION: 0x02000001\nBELLATRIX_FORK_EPOCH: 0\n"
    "CAPELLA_FORK_VERSION: 0x03000001\nCAPELLA_FORK_EPOCH: 10\n";

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A refusal is the body's fault, and what is said of it fits on a line. */
static void require_refusal(struct result result, const struct detail *detail)
{
    require(result.status == STATUS_BAD_INPUT || result.status == STATUS_LIMIT);
    require(memchr(detail->text, '\0', sizeof(detail->text)) != NULL);
    for (const char *at = detail->text; *at != '\0'; at++) {
        require(*at >= ' ' && *at <= '~');
    }
}

static bool same_target(const struct signing_target *a, const struct signing_target *b)
{
    return root_equal(&a->signing_root, &b->signing_root) &&
           a->has_genesis_validators_root == b->has_genesis_validators_root &&
           root_equal(&a->genesis_validators_root, &b->genesis_validators_root) &&
           a->protection == b->protection && a->slot.value == b->slot.value &&
           a->source.value == b->source.value && a->target.value == b->target.value;
}

/* The body with one more member, which names `root`. The body is an object that has members. */
static struct result resolve_naming(const struct buf *body, const char *spelling,
                                    const struct root *root, const struct network *network,
                                    struct signing_target *out)
{
    char text[HEX_TEXT_SIZE(sizeof(*root))];
    BUF named = BUF_INIT(body->size + MEMBER_MAX);
    size_t start = (size_t)(strchr(body->data, '{') - body->data) + 1;
    hex_encode(root->bytes, sizeof(root->bytes), text);
    buf_printf(&named, "{\"%s\":\"%s\",", spelling, text);
    buf_append(&named, body->data + start, body->size - start);
    TRY(buf_check(&named));
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    TRY(signing_request_parse(named.data, named.size, &request, NULL));
    return signing_request_resolve(&request, network, out, NULL);
}

static void check_naming(const struct buf *body, const struct signing_request *request,
                         const struct network *network, const struct signing_target *target)
{
    static const char *const spellings[] = { "signingRoot", "signing_root" };
    for (size_t i = 0; i < 2; i++) {
        if (json_member(request->body, spellings[i]) != NULL) {
            continue;
        }
        struct signing_target named;
        require(is_ok(resolve_naming(body, spellings[i], &target->signing_root, network, &named)));
        require(same_target(target, &named));
        struct root other = target->signing_root;
        other.bytes[body->size % sizeof(other.bytes)] ^= (uint8_t)(1U << body->size % 8);
        struct result result = resolve_naming(body, spellings[i], &other, network, &named);
        require(result.status == STATUS_BAD_INPUT);
    }
}

static void check_body(const struct buf *body, const struct network *network)
{
    struct detail detail = { .text = "" };
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    struct result result = signing_request_parse(body->data, body->size, &request, &detail);
    if (!is_ok(result)) {
        require_refusal(result, &detail);
        return;
    }
    struct signing_target target;
    result = signing_request_resolve(&request, network, &target, &detail);
    if (!is_ok(result)) {
        require_refusal(result, &detail);
        return;
    }
    struct signing_target again;
    require(is_ok(signing_request_resolve(&request, network, &again, NULL)));
    require(same_target(&target, &again));
    check_naming(body, &request, network, &target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct network devnet;
    if (devnet.preset == NULL) {
        json_init();
        require(is_ok(network_parse(devnet_yaml, sizeof(devnet_yaml) - 1, &devnet, NULL)));
    }
    BUF body = BUF_INIT(size);
    buf_append(&body, data, size);
    if (is_ok(buf_check(&body)) && body.data != NULL) {
        check_body(&body, network_find("mainnet"));
        check_body(&body, &devnet);
    }
    return 0;
}
