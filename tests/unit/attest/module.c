#include "module.h"

void module_init(struct module *module, const uint8_t configuration[static SHA384_SIZE],
                 int64_t leaf_from, int64_t leaf_until)
{
    *module = (struct module){
        .chain = maker_plans(),
        .now_seconds = MAKER_NOW,
        .image = pcr_of("image", 5),
        .configuration = pcr_of(configuration, SHA384_SIZE),
        .result = OK,
    };
    module->chain.plans[MAKER_LEAF].not_before = leaf_from;
    module->chain.plans[MAKER_LEAF].not_after = leaf_until;
    maker_make(&module->chain);
}

void module_done(struct module *module)
{
    maker_done(&module->chain);
}

static struct result attest(void *context, const struct attestation_claims *asked, struct buf *out)
{
    struct module *module = context;
    atomic_fetch_add(&module->calls, 1);
    TRY(module->result);
    struct maker_claims claims = {
        .timestamp_ms = module->now_seconds * 1000,
        .public_key = asked->public_key,
        .user_data = asked->user_data,
        .nonce = asked->nonce,
        .image = module->image,
        .configuration = module->configuration,
    };
    if (module->change != NULL) {
        module->change(&claims);
    }
    maker_sign(&module->chain, &claims, out);
    return buf_check(out);
}

struct attestor module_attestor(struct module *module)
{
    return (struct attestor){ .attest = attest, .context = module };
}
