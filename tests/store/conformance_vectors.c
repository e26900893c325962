/* The public interchange cases (eth-clients/slashing-protection-interchange-tests): each with both
 * columns of answers, for stores that keep every message ("complete") and for stores that keep only
 * watermarks
 * ("minimal", which pruning everything turns ours into), and with both policies for contradictory
 * data. */
#include "base/decimal.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "slashing/interchange.h"
#include "store/conformance.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

enum { CASES = 38, CASE_SIZE_MAX = 1 << 20 };

/* Where we are stricter than the column for complete stores, as EIP-3076 itself asks: a gap between
 * two imports is unknown territory. "Signing in this gap is not safe, and would violate conditions
 * (2), (4) and (5)", it says under "Advice for Complete Databases"; the marks that history_merge()
 * raises to the lowest of each import forbid it. The column allows it. */
static const struct {
    const char *name;
    size_t blocks; /* messages that the column allows and we refuse */
    size_t attestations;
} stricter[] = {
    { "multiple_interchanges_single_validator_single_message_gap", 3, 2 },
};

struct mode {
    enum conflict_policy policy;
    bool minimal;
};

/* What a run of one case showed. */
struct tally_of_case {
    size_t judged;
    size_t refused_imports;
    size_t stricter_blocks;
    size_t stricter_attestations;
};

static const char *folder;

static bool number_of(const struct json *object, const char *name, uint64_t *out)
{
    size_t size = 0;
    const char *text = json_as_text(json_member(object, name), &size);
    return text != NULL && is_ok(decimal_parse(text, size, out));
}

static bool bytes_of(const struct json *object, const char *name, uint8_t *out, size_t size)
{
    size_t text_size = 0;
    const char *text = json_as_text(json_member(object, name), &text_size);
    return text != NULL && is_ok(hex_decode(text, text_size, out, size));
}

/* The text of the object that follows the `index`th "interchange" in the file. */
static const char *interchange_text(const char *text, size_t index, size_t *size_out)
{
    const char *at = text;
    for (size_t i = 0; i <= index; i++) {
        at = strstr(at + 1, "\"interchange\":");
        if (at == NULL) {
            return NULL;
        }
    }
    at = strchr(at, '{');
    int depth = 0;
    for (const char *end = at; *end != '\0'; end++) { /* no braces in strings there */
        depth += (*end == '{') - (*end == '}');
        if (depth == 0) {
            *size_out = (size_t)(end - at) + 1;
            return at;
        }
    }
    return NULL;
}

/* Turns all records into watermarks, as a store that keeps nothing else would have done. */
static bool fold_all(struct slashing_store *store)
{
    bool more = true;
    while (more) {
        if (!is_ok(store->ops->prune(store, (struct epoch){ UINT64_MAX },
                                     (struct slot){ UINT64_MAX }, 1000, &more))) {
            return false;
        }
    }
    return true;
}

static bool read_message(const struct json *item, enum slashing_kind kind,
                         struct slashing_check *check)
{
    *check = (struct slashing_check){ .kind = kind };
    bool known = bytes_of(item, "pubkey", check->pubkey.bytes, sizeof(check->pubkey.bytes));
    if (kind == SLASHING_BLOCK) {
        check->block.has_root = true;
        return known && number_of(item, "slot", &check->block.slot.value) &&
               bytes_of(item, "signing_root", check->block.root.bytes, 32);
    }
    check->attestation.has_root = true;
    return known && number_of(item, "source_epoch", &check->attestation.source.value) &&
           number_of(item, "target_epoch", &check->attestation.target.value) &&
           bytes_of(item, "signing_root", check->attestation.root.bytes, 32);
}

/* Tries to sign the messages; false when an answer is laxer than the column. */
static bool try_messages(struct slashing_store *store, const struct json *messages,
                         enum slashing_kind kind, const struct mode *mode,
                         struct tally_of_case *tally)
{
    for (size_t i = 0; i < json_count(messages); i++) {
        const struct json *item = json_item(messages, i);
        struct slashing_check check;
        bool wanted = false;
        const char *column = mode->minimal ? "should_succeed" : "should_succeed_complete";
        if (!read_message(item, kind, &check) ||
            !json_as_boolean(json_member(item, column), &wanted)) {
            return false;
        }
        bool allowed = verdict_allows(decide(store, &check));
        if (allowed && !wanted) {
            printf("# message %zu of kind %d is allowed and should not be\n", i, (int)kind);
            return false;
        }
        if (!allowed && wanted) {
            *(kind == SLASHING_BLOCK ? &tally->stricter_blocks : &tally->stricter_attestations) +=
                1;
        }
        if (mode->minimal && !fold_all(store)) {
            return false;
        }
        tally->judged++;
    }
    return true;
}

static struct result import_step(struct slashing_store *store, const char *text, size_t index,
                                 const struct root *network, const struct mode *mode)
{
    size_t size = 0;
    struct interchange_summary summary;
    const char *part = interchange_text(text, index, &size);
    ENSURE(part != NULL, LIMIT, "no interchange in the case");
    const struct interchange_text order = {
        .text = part, .size = size, .genesis_validators_root = network, .policy = mode->policy
    };
    return interchange_import(store, &order, &summary, NULL);
}

/* `*go_on` is false when the rest of the case is void: its data was refused, as it may be. */
static bool run_step(struct slashing_store *store, const char *text, const struct json *step,
                     size_t index, const struct root *network, const struct mode *mode,
                     struct tally_of_case *tally, bool *go_on)
{
    bool should_succeed = false;
    bool slashable = false;
    if (!json_as_boolean(json_member(step, "should_succeed"), &should_succeed) ||
        !json_as_boolean(json_member(step, "contains_slashable_data"), &slashable)) {
        return false;
    }
    struct result imported = import_step(store, text, index, network, mode);
    if (!is_ok(imported)) {
        *go_on = false;
        tally->refused_imports++;
        bool may_be_refused = !should_succeed || (slashable && mode->policy == CONFLICT_REFUSE &&
                                                  imported.status == STATUS_REFUSED);
        return may_be_refused;
    }
    return should_succeed && (!mode->minimal || fold_all(store)) &&
           try_messages(store, json_member(step, "blocks"), SLASHING_BLOCK, mode, tally) &&
           try_messages(store, json_member(step, "attestations"), SLASHING_ATTESTATION, mode,
                        tally);
}

static bool run_case(const char *text, const struct json *root, const struct mode *mode,
                     struct tally_of_case *tally)
{
    struct root network;
    STORE *store = backend_open_fresh();
    const struct json *steps = json_member(root, "steps");
    bool held = store != NULL && json_count(steps) > 0 &&
                bytes_of(root, "genesis_validators_root", network.bytes, sizeof(network.bytes));
    bool go_on = true;
    for (size_t i = 0; held && go_on && i < json_count(steps); i++) {
        held = run_step(store, text, json_item(steps, i), i, &network, mode, tally, &go_on);
    }
    return held;
}

/* We are as strict as the column, or as much stricter as the table says. */
static bool is_as_strict_as_we_say(const char *name, const struct mode *mode,
                                   const struct tally_of_case *tally)
{
    size_t blocks = 0;
    size_t attestations = 0;
    for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++) {
        if (strcmp(stricter[i].name, name) == 0 && !mode->minimal) {
            blocks = stricter[i].blocks;
            attestations = stricter[i].attestations;
        }
    }
    return tally->stricter_blocks == blocks && tally->stricter_attestations == attestations;
}

static bool run_file(const char *name, const struct mode *mode, struct tally_of_case *sum)
{
    char path[PATH_MAX + NAME_MAX];
    SECRET_BLOCK text = { 0 };
    CLEANUP(json_free_ptr) struct json *root = NULL;
    struct tally_of_case tally = { .judged = 0 };
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!is_ok(file_read(path, CASE_SIZE_MAX, &text, NULL)) ||
        !is_ok(json_parse((const char *)text.data, text.size, &root, NULL))) {
        printf("# %s cannot be read\n", path);
        return false;
    }
    const char *case_name = json_as_text(json_member(root, "name"), NULL);
    bool held = case_name != NULL && run_case((const char *)text.data, root, mode, &tally);
    held = held && is_as_strict_as_we_say(case_name, mode, &tally);
    if (!held) {
        printf("# %s: stricter for %zu blocks and %zu attestations\n", name, tally.stricter_blocks,
               tally.stricter_attestations);
    }
    sum->judged += tally.judged;
    sum->refused_imports += tally.refused_imports;
    return held;
}

/* Runs all cases; false when one does not hold. */
static bool run_all(struct mode mode, struct tally_of_case *sum)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    size_t cases = 0;
    bool held = count >= 0;
    for (int i = 0; i < count; i++) {
        if (strstr(names[i]->d_name, ".json") != NULL) {
            held = run_file(names[i]->d_name, &mode, sum) && held;
            cases++;
        }
        free(names[i]);
    }
    free(names);
    printf("# %zu cases, %zu messages judged, %zu imports refused\n", cases, sum->judged,
           sum->refused_imports);
    return held && cases == CASES;
}

/* All data is imported but that of another network, so every message is judged. */
enum { MESSAGES = 150 };

TEST(complete_column_with_contradictions_raised_over)
{
    struct tally_of_case sum = { .judged = 0 };
    CHECK(run_all((struct mode){ CONFLICT_RAISE, .minimal = false }, &sum));
    CHECK(sum.refused_imports == 1 && sum.judged == MESSAGES);
}

TEST(minimal_column_with_contradictions_raised_over)
{
    struct tally_of_case sum = { .judged = 0 };
    CHECK(run_all((struct mode){ CONFLICT_RAISE, .minimal = true }, &sum));
    CHECK(sum.refused_imports == 1 && sum.judged == MESSAGES);
}

TEST(complete_column_with_contradictions_refused)
{
    struct tally_of_case sum = { .judged = 0 };
    CHECK(run_all((struct mode){ CONFLICT_REFUSE, .minimal = false }, &sum));
    CHECK(sum.refused_imports > 1 && sum.judged < MESSAGES && sum.judged > 0);
}

TEST(minimal_column_with_contradictions_refused)
{
    struct tally_of_case sum = { .judged = 0 };
    CHECK(run_all((struct mode){ CONFLICT_REFUSE, .minimal = true }, &sum));
    CHECK(sum.refused_imports >= 1 && sum.judged > 0);
}

static const struct harness_test tests[] = {
    T(complete_column_with_contradictions_raised_over),
    T(minimal_column_with_contradictions_raised_over),
    T(complete_column_with_contradictions_refused),
    T(minimal_column_with_contradictions_refused),
};

int main(int count, char **arguments)
{
    static char path[PATH_MAX];
    const char *vectors = getenv("CHAMBER_VECTORS");
    vectors = vectors == NULL && count > 1 ? arguments[1] : vectors;
    snprintf(path, sizeof(path), "%s/eip3076", vectors == NULL ? "." : vectors);
    folder = path;
    DIR *there = opendir(folder);
    if (there == NULL || backend_missing() != NULL) {
        printf("1..0 # SKIP %s\n",
               there == NULL ? "no vectors of EIP-3076 at CHAMBER_VECTORS" : backend_missing());
        return 0;
    }
    closedir(there);
    int failed = harness_run(tests, sizeof(tests) / sizeof(tests[0]));
    backend_discard();
    return failed;
}
