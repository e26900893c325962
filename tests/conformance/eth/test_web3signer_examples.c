/* The request examples of Web3Signer's OpenAPI file, each of which says what root must come out.
 * They are read from $CHAMBER_VECTORS/signing, or from the folder that the build passes. */
#include "base/file.h"
#include "base/hex.h"
#include "eth/signing_request.h"
#include "harness.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20, NAME_SIZE = 64, EXAMPLES = 25 };

static const char minimal_yaml[] =
    "PRESET_BASE: minimal\nCONFIG_NAME: minimal\nSECONDS_PER_SLOT: 6\nGENESIS_TIME: 1578009600\n"
    "GENESIS_FORK_VERSION: 0x00000001\nGENESIS_VALIDATORS_ROOT: "
    "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673\n";

/* The examples are of different networks and times; those not named here are mainnet's and right.
 */
static const struct quirk {
    const char *name;
    bool minimal;          /* made with the minimal preset and its genesis version */
    bool camel_case;       /* member names that the API no longer has: refused as they are */
    const char *real_root; /* the example's own is known to be wrong */
} quirks[] = {
    { .name = "BLOCK_V2 (ALTAIR)", .minimal = true },
    { .name = "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", .minimal = true },
    { .name = "VALIDATOR_REGISTRATION", .minimal = true },
    { .name = "BLOCK (DEPRECATED)", .camel_case = true },
    { .name = "AGGREGATION_SLOT", .camel_case = true },
    { .name = "AGGREGATE_AND_PROOF_V2 (FULU)",
      .real_root = "0x1180bcb41bda522b3420274c6e4931c37ecf4eef99a57e4d04fc81e82b2ced40" },
    { .name = "AGGREGATE_AND_PROOF_V2 (ELECTRA)",
      .real_root = "0x1180bcb41bda522b3420274c6e4931c37ecf4eef99a57e4d04fc81e82b2ced40" },
};

static const struct quirk *quirk_find(const char *name)
{
    static const struct quirk none;
    for (size_t i = 0; i < sizeof(quirks) / sizeof(quirks[0]); i++) {
        if (strcmp(quirks[i].name, name) == 0) {
            return &quirks[i];
        }
    }
    return &none;
}

static const char *examples_path(void)
{
    static char path[PATH_MAX];
    const char *folder = getenv("CHAMBER_VECTORS");
    folder = folder != NULL ? folder : VECTORS_DEFAULT;
    snprintf(path, sizeof(path), "%s/signing/web3signer-examples.json", folder);
    return path;
}

static bool is_word_start(char before, char letter)
{
    return isupper((unsigned char)letter) &&
           (islower((unsigned char)before) || isdigit((unsigned char)before));
}

/* camelCase to snake_case, in a copy that the caller frees. No value looks like camelCase. */
static char *snake_case(const char *text, size_t size, size_t *size_out)
{
    char *out = malloc(2 * size);
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < size; i++) {
        if (i > 0 && is_word_start(text[i - 1], text[i])) {
            out[used++] = '_';
            out[used++] = (char)tolower((unsigned char)text[i]);
        } else {
            out[used++] = text[i];
        }
    }
    *size_out = used;
    return out;
}

static struct result resolve(const char *body, size_t size, const struct network *network,
                             struct detail *detail)
{
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    struct signing_target target;
    TRY(signing_request_parse(body, size, &request, detail));
    return signing_request_resolve(&request, network, &target, detail);
}

/* The body carries its root, so it is right when it resolves. */
static bool holds(const char *name, const char *body, size_t size)
{
    struct network minimal;
    struct detail detail = { .text = "" };
    const struct quirk *quirk = quirk_find(name);
    struct result result = network_parse(minimal_yaml, sizeof(minimal_yaml) - 1, &minimal, NULL);
    const struct network *network = quirk->minimal ? &minimal : network_find("mainnet");
    if (!is_ok(result)) {
        return false;
    }
    result = resolve(body, size, network, &detail);
    if (quirk->camel_case) {
        bool is_refused = strcmp(detail.text, "fork_info.fork.previous_version") == 0;
        size_t snake_size = 0;
        CLEANUP(free_ptr) char *snake = snake_case(body, size, &snake_size);
        return is_refused && snake != NULL && is_ok(resolve(snake, snake_size, network, &detail));
    }
    if (quirk->real_root != NULL) {
        return result.status == STATUS_BAD_INPUT && strstr(detail.text, "computed") != NULL &&
               strstr(detail.text, quirk->real_root) != NULL;
    }
    if (!is_ok(result)) {
        printf("# %s: %s\n", detail.text, result.what);
    }
    return is_ok(result);
}

TEST(every_example_gives_its_root)
{
    SECRET_BLOCK file = { 0 };
    CHECK_OK(file_read(examples_path(), FILE_MAX, &file, NULL));
    struct json_stream stream;
    CHECK_OK(json_stream_open((const char *)file.data, file.size, &stream, NULL));
    size_t count = 0;
    for (bool end = false;; count++) {
        char name[NAME_SIZE];
        CHECK_OK(json_stream_member(&stream, name, sizeof(name), &end, NULL));
        if (end) {
            break;
        }
        size_t start = stream.position;
        CLEANUP(json_free_ptr) struct json *value = NULL;
        CHECK_OK(json_stream_value(&stream, &value, NULL));
        printf("# %s\n", name);
        CHECK(holds(name, stream.text + start, stream.position - start));
    }
    CHECK(count == EXAMPLES);
}

int main(void)
{
    if (access(examples_path(), R_OK) != 0) {
        printf("1..1\nok 1 # SKIP %s is not there\n", examples_path());
        return 0;
    }
    static const struct harness_test tests[] = { T(every_example_gives_its_root) };
    return harness_run(tests, 1);
}
