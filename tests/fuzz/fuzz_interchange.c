/* Whatever is imported and exported again imports to the same history, which refuses at least as
 * much; and a file that contradicts nothing means the same under both policies. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "slashing/interchange.h"
#include "store/memory_store.h"
#include "store/messages.h"

#include <stdio.h>
#include <stdlib.h>

#define STORE   CLEANUP(slashing_store_close_ptr) struct slashing_store
#define HISTORY CLEANUP(history_done) struct history

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct root network = { { 0 } };

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static struct slashing_store *new_store(void)
{
    struct slashing_store *store = NULL;
    require(is_ok(memory_store_open(&store)), "memory");
    return store;
}

static struct result import_text(struct slashing_store *store, const char *text, size_t size,
                                 enum conflict_policy policy)
{
    struct interchange_summary summary;
    struct detail detail;
    const struct interchange_text order = {
        .text = text, .size = size, .genesis_validators_root = &network, .policy = policy
    };
    return interchange_import(store, &order, &summary, &detail);
}

static void export_text(struct slashing_store *store, char **text_out, size_t *size_out)
{
    const struct interchange_selection everything = { .genesis_validators_root = &network };
    struct interchange_summary summary;
    FILE *stream = open_memstream(text_out, size_out);
    require(stream != NULL, "memory");
    require(is_ok(interchange_export(store, &everything, stream, &summary, NULL)),
            "an export of what was imported");
    fclose(stream);
}

static enum verdict judge(const struct history *history, const struct signed_attestation *wanted)
{
    static const struct ceiling none;
    return rules_attestation(&history->marks, &none, history->attestations,
                             history->attestation_count, wanted, NULL);
}

/* Near these epochs, what the loose history refuses the strict one refuses. */
static void compare_around(const struct history *strict, const struct history *loose,
                           struct epoch source, struct epoch target)
{
    for (uint64_t at = 0; at < 9; at++) {
        struct signed_attestation wanted =
            vote_of(source.value + at % 3 - 1, target.value + at / 3 - 1, 77);
        require(verdict_allows(judge(loose, &wanted)) || !verdict_allows(judge(strict, &wanted)),
                "refusals are kept");
    }
}

struct pair {
    struct slashing_store *strict;
    struct slashing_store *loose;
};

enum { PROBES = 4 }; /* records of each validator */

static struct result compare_validator(const struct pubkey *pubkey, void *context)
{
    const struct pair *pair = context;
    HISTORY strict = { .block_count = 0 };
    HISTORY loose = { .block_count = 0 };
    TRY(pair->strict->ops->load_history(pair->strict, pubkey, &strict));
    TRY(pair->loose->ops->load_history(pair->loose, pubkey, &loose));
    require(history_is_clean(&loose, NULL) && history_is_clean(&strict, NULL), "clean histories");
    require(!loose.marks.has_block || (strict.marks.has_block && strict.marks.block_slot.value >=
                                                                     loose.marks.block_slot.value),
            "the mark of blocks is kept");
    compare_around(&strict, &loose, loose.marks.source, loose.marks.target);
    for (size_t i = 0; i < loose.attestation_count && i < PROBES; i++) {
        compare_around(&strict, &loose, loose.attestations[i].source, loose.attestations[i].target);
    }
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    if (!is_ready) {
        json_init();
        is_ready = true;
    }
    const char *text = (const char *)data;
    STORE *raised = new_store();
    STORE *refused = new_store();
    STORE *again = new_store();
    CLEANUP(free_ptr) char *first = NULL;
    CLEANUP(free_ptr) char *other = NULL;
    CLEANUP(free_ptr) char *second = NULL;
    size_t first_size = 0;
    size_t other_size = 0;
    size_t second_size = 0;
    struct result imported = import_text(raised, text, size, CONFLICT_RAISE);
    struct result strictly = import_text(refused, text, size, CONFLICT_REFUSE);
    require(imported.status != STATUS_REFUSED, "raising refuses nothing");
    require(strictly.status == imported.status || strictly.status == STATUS_REFUSED,
            "both policies read the same");
    if (!is_ok(imported)) {
        return 0;
    }
    export_text(raised, &first, &first_size);
    require(is_ok(import_text(again, first, first_size, CONFLICT_REFUSE)),
            "an export contradicts nothing");
    export_text(again, &second, &second_size);
    require(first_size == second_size && memcmp(first, second, first_size) == 0, "a round trip");
    if (is_ok(strictly)) {
        export_text(refused, &other, &other_size);
        require(first_size == other_size && memcmp(first, other, first_size) == 0,
                "without contradictions policies agree");
    }
    struct pair pair = { .strict = again, .loose = raised };
    require(is_ok(raised->ops->each_validator(raised, compare_validator, &pair)), "a visit");
    return 0;
}
