#include "eth/signing_request.h"

#include "bodies.h"
#include "eth_test.h"
#include "refusals.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

enum { TEXT_SIZE = 16384 };

/* The text with its first `from` replaced; a test that replaces nothing would test nothing. */
static const char *with(const char *text, const char *from, const char *to)
{
    static char out[4][TEXT_SIZE];
    static unsigned turn;
    char *next = out[turn++ % 4];
    const char *at = strstr(text, from);
    if (at == NULL) {
        printf("# \"%s\" is not in the body\n", from);
        return "not JSON";
    }
    int size = snprintf(next, TEXT_SIZE, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return size < TEXT_SIZE ? next : "not JSON";
}

/* The body with another first member. */
static const char *with_member(const char *text, const char *member)
{
    static char start[TEXT_SIZE];
    snprintf(start, sizeof(start), "{%s,", member);
    return with(text, "{", start);
}

static struct result resolve_on(const char *network, const char *text, struct signing_target *out,
                                struct detail *detail)
{
    CLEANUP(free_ptr) char *body = quoted(text);
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    TRY(signing_request_parse(body, strlen(body), &request, detail));
    return signing_request_resolve(&request, network_find(network), out, detail);
}

static struct result resolve(const char *text, struct signing_target *out, struct detail *detail)
{
    return resolve_on("mainnet", text, out, detail);
}

static bool gives(const char *text, const char *root)
{
    struct signing_target target;
    struct detail detail = { .text = "" };
    struct result result = resolve(text, &target, &detail);
    if (!is_ok(result)) {
        printf("# %s: %s\n", detail.text, result.what);
    }
    return is_ok(result) && root_is(&target.signing_root, root);
}

/* The body gives its own root in spite of the change. */
static bool unchanged(enum body body, const char *from, const char *to)
{
    return gives(with(bodies[body].text, from, to), bodies[body].root);
}

/* `what` may be NULL: in whatever words. */
static bool refused(const char *text, const char *place, const char *what)
{
    struct signing_target target = { .slot = { 77 } };
    struct detail detail = { .text = "" };
    struct result result = resolve(text, &target, &detail);
    bool is_refused = result.status == STATUS_BAD_INPUT && target.slot.value == 77 &&
                      strcmp(detail.text, place) == 0 &&
                      (what == NULL || strcmp(result.what, what) == 0);
    if (!is_refused) {
        printf("# status %d \"%s\" at \"%s\"\n", (int)result.status, result.what, detail.text);
    }
    return is_refused;
}

TEST(every_kind_of_request_gives_the_known_root)
{
    for (size_t i = 0; i < BODY_COUNT; i++) {
        CHECK(gives(bodies[i].text, bodies[i].root));
    }
}

TEST(a_request_that_names_its_root_under_either_spelling_is_taken)
{
    char member[256];
    for (size_t i = 0; i < BODY_COUNT; i++) {
        snprintf(member, sizeof(member), "'signingRoot':'%s'", bodies[i].root);
        CHECK(gives(with_member(bodies[i].text, member), bodies[i].root));
        snprintf(member, sizeof(member), "'signing_root':'%s'", bodies[i].root + 2);
        CHECK(gives(with_member(bodies[i].text, member), bodies[i].root));
        snprintf(member, sizeof(member), "'signing_root':'%s','signingRoot':'%s'", bodies[i].root,
                 bodies[i].root);
        CHECK(gives(with_member(bodies[i].text, member), bodies[i].root));
        CHECK(gives(with_member(bodies[i].text, "'signing_root':null,'signingRoot':null"),
                    bodies[i].root));
    }
}

#define OTHER_ROOT "0x9900000000000000000000000000000000000000000000000000000000000099"

TEST(a_request_that_names_another_root_is_refused_with_both)
{
    for (size_t i = 0; i < BODY_COUNT; i++) {
        char wanted[DETAIL_SIZE];
        snprintf(wanted, sizeof(wanted), "signingRoot " OTHER_ROOT ", computed %s", bodies[i].root);
        struct signing_target target;
        struct detail detail = { .text = "" };
        struct result result = resolve(
            with_member(bodies[i].text, "'signingRoot':'" OTHER_ROOT "'"), &target, &detail);
        CHECK(result.status == STATUS_BAD_INPUT);
        CHECK_TEXT(result.what, "the signing root is not that of the object");
        CHECK(strncmp(detail.text, wanted, strlen(wanted)) == 0);
        CHECK(resolve(with_member(bodies[i].text, "'signing_root':'" OTHER_ROOT "'"), &target, NULL)
                  .status == STATUS_BAD_INPUT);
    }
}

TEST(a_root_that_differs_in_any_one_digit_is_another)
{
    char member[256];
    for (size_t i = 0; i < 64; i++) {
        struct signing_target target;
        snprintf(member, sizeof(member), "'signingRoot':'%s'", bodies[BODY_ATTESTATION].root);
        char *digit = member + sizeof("'signingRoot':'0x") - 1 + i;
        *digit = *digit == '0' ? '1' : '0';
        CHECK_FAILS(BAD_INPUT,
                    resolve(with_member(bodies[BODY_ATTESTATION].text, member), &target, NULL));
    }
}

TEST(spellings_that_name_two_roots_are_refused_even_when_one_is_right)
{
    char member[256];
    const char *root = bodies[BODY_RANDAO].root;
    const char *text = bodies[BODY_RANDAO].text;
    snprintf(member, sizeof(member), "'signingRoot':'%s','signing_root':'" OTHER_ROOT "'", root);
    CHECK(refused(with_member(text, member), "signing_root", "differs from signingRoot"));
    snprintf(member, sizeof(member), "'signing_root':'%s','signingRoot':'" OTHER_ROOT "'", root);
    CHECK(refused(with_member(text, member), "signing_root", "differs from signingRoot"));
}

TEST(a_root_that_is_none_is_refused)
{
    const char *text = bodies[BODY_RANDAO].text;
    const char *digits = "wrong number of hexadecimal digits";
    CHECK(refused(with_member(text, "'signingRoot':'0x12'"), "signingRoot", digits));
    CHECK(refused(with_member(text, "'signing_root':''"), "signing_root", digits));
    CHECK(refused(with_member(text, "'signingRoot':7"), "signingRoot", "not hexadecimal text"));
    CHECK(refused(with_member(text, "'signingRoot':[]"), "signingRoot", "not hexadecimal text"));
}

TEST(blocks_and_attestations_say_what_slashing_protection_needs)
{
    struct signing_target target;
    CHECK_OK(resolve(bodies[BODY_HEADER].text, &target, NULL));
    CHECK(target.protection == PROTECTION_BLOCK && target.slot.value == 11649024);
    CHECK_OK(resolve(bodies[BODY_BLOCK].text, &target, NULL));
    CHECK(target.protection == PROTECTION_BLOCK && target.slot.value == 11649024);
    CHECK_OK(resolve(bodies[BODY_ATTESTATION].text, &target, NULL));
    CHECK(target.protection == PROTECTION_ATTESTATION);
    CHECK(target.source.value == 364031 && target.target.value == 364033);
}

TEST(all_other_requests_are_not_protected)
{
    for (size_t i = 0; i < BODY_COUNT; i++) {
        struct signing_target target;
        CHECK_OK(resolve(bodies[i].text, &target, NULL));
        bool slashable = i == BODY_BLOCK || i == BODY_HEADER || i == BODY_ATTESTATION;
        CHECK((target.protection != PROTECTION_NONE) == slashable);
    }
}

TEST(full_64_bit_slots_and_epochs_survive)
{
    struct signing_target target;
    CHECK_OK(resolve(with(bodies[BODY_HEADER].text, "'11649024'", "'18446744073709551615'"),
                     &target, NULL));
    CHECK(target.slot.value == UINT64_MAX);
    const char *text = with(bodies[BODY_ATTESTATION].text, "'364031'", "'18446744073709551614'");
    CHECK_OK(resolve(with(text, "'364033'", "'18446744073709551615'"), &target, NULL));
    CHECK(target.source.value == UINT64_MAX - 1 && target.target.value == UINT64_MAX);
}

TEST(the_network_s_root_is_the_request_s_where_the_domain_is_made_of_it)
{
    for (size_t i = 0; i < BODY_COUNT; i++) {
        struct signing_target target;
        bool bound = i != BODY_DEPOSIT && i != BODY_REGISTRATION && i != BODY_AUTH;
        CHECK_OK(resolve(bodies[i].text, &target, NULL));
        CHECK(target.has_genesis_validators_root == bound);
        CHECK(!bound || root_is(&target.genesis_validators_root,
                                "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe"
                                "95"));
    }
}

TEST(clients_may_write_the_same_request_differently)
{
    CHECK(unchanged(BODY_ATTESTATION, "'ATTESTATION'", "'attestation'"));
    CHECK(unchanged(BODY_ATTESTATION, "'ATTESTATION'", "'Attestation'"));
    CHECK(unchanged(BODY_ATTESTATION, "'364031'", "364031"));
    CHECK(unchanged(BODY_ATTESTATION, "'11649056'", "'0000011649056'"));
    CHECK(unchanged(BODY_ATTESTATION, "'0x1111", "'1111"));
    CHECK(unchanged(BODY_ATTESTATION, "'0x4b363db94e", "'0X4B363DB94E"));
    CHECK(unchanged(BODY_ATTESTATION, "'index'", "'unknown':{'slot':[1]},'index'"));
    CHECK(unchanged(BODY_ATTESTATION, "{", "{'unknown':null,'block':{},"));
    CHECK(unchanged(BODY_HEADER, "'version'", "'proofs':[],'version'"));
    CHECK(unchanged(BODY_DEPOSIT, "'deposit':{", "'fork_info':null,'deposit':{"));
}

TEST(types_and_members_have_the_spellings_that_clients_use)
{
    CHECK(unchanged(BODY_PAYLOAD_ATTESTATION, "'PAYLOAD_ATTESTATION_MESSAGE'",
                    "'PAYLOAD_ATTESTATION'"));
    CHECK(unchanged(BODY_PAYLOAD_ATTESTATION, "'payload_attestation_message'",
                    "'payload_attestation_data'"));
    CHECK(unchanged(BODY_AUTH, "'BUILDER_REQUEST_AUTH'", "'REQUEST_AUTH'"));
    CHECK(unchanged(BODY_AUTH, "'builder_request_auth'", "'request_auth'"));
    CHECK(unchanged(BODY_BLS_CHANGE, "'bls_to_execution_change'", "'BLS_TO_EXECUTION_CHANGE'"));
    CHECK(unchanged(BODY_AUTH, "'builder_request_auth'",
                    "'request_auth':null,'builder_request_auth'"));
}

TEST(an_object_given_under_two_names_is_refused)
{
    CHECK(refused(with(bodies[BODY_AUTH].text, "'builder_request_auth'",
                       "'request_auth':{'data':'0x','slot':'1'},'builder_request_auth'"),
                  "request_auth", "given under two names"));
}

/* `{"version":…,"data":object}` made bare: the wrapper is cut off the body's end too. */
static const char *unwrapped(enum body body, const char *wrapper)
{
    static char out[TEXT_SIZE];
    snprintf(out, sizeof(out), "%s", with(bodies[body].text, wrapper, ""));
    out[strlen(out) - 1] = '\0';
    return out;
}

TEST(wrapped_objects_may_be_bare)
{
    static const enum body gloas[] = { BODY_BID, BODY_PAYLOAD_ATTESTATION, BODY_PREFERENCES,
                                       BODY_ENVELOPE, BODY_AUTH };
    for (size_t i = 0; i < COUNT_OF(gloas); i++) {
        CHECK(gives(unwrapped(gloas[i], "{'version':'GLOAS','data':"), bodies[gloas[i]].root));
    }
    CHECK(gives(unwrapped(BODY_AGGREGATE_ELECTRA, "{'version':'ELECTRA','data':"),
                bodies[BODY_AGGREGATE_ELECTRA].root));
    CHECK(unchanged(BODY_BID, "'version':'GLOAS',", ""));
    CHECK(unchanged(BODY_BID, "'version':'GLOAS',", "'version':null,"));
}

TEST(both_aggregate_types_take_both_shapes)
{
    CHECK(unchanged(BODY_AGGREGATE, "'AGGREGATE_AND_PROOF'", "'AGGREGATE_AND_PROOF_V2'"));
    CHECK(unchanged(BODY_AGGREGATE_ELECTRA, "'AGGREGATE_AND_PROOF_V2'", "'AGGREGATE_AND_PROOF'"));
    CHECK(unchanged(BODY_AGGREGATE_GLOAS, "'AGGREGATE_AND_PROOF_V2'", "'AGGREGATE_AND_PROOF'"));
}

TEST(an_aggregate_s_version_decides_its_shape)
{
    const char *electra = bodies[BODY_AGGREGATE_ELECTRA].text;
    const char *phase0[] = { "PHASE0", "ALTAIR", "BELLATRIX", "CAPELLA", "DENEB" };
    for (size_t i = 0; i < COUNT_OF(phase0); i++) {
        CHECK(gives(with(electra, "ELECTRA", phase0[i]), bodies[BODY_AGGREGATE].root));
    }
    CHECK(gives(with(electra, "ELECTRA", "FULU"), bodies[BODY_AGGREGATE_ELECTRA].root));
    CHECK(gives(with(electra, "ELECTRA", "GLOAS"), bodies[BODY_AGGREGATE_GLOAS].root));
    CHECK(gives(with(electra, "ELECTRA", "HEZE"), bodies[BODY_AGGREGATE_GLOAS].root));
}

TEST(without_a_version_the_network_s_gloas_fork_decides_an_aggregate_s_shape)
{
    const char *text = with(bodies[BODY_AGGREGATE_GLOAS].text, "0x05000000", "0x07000000");
    struct signing_target with_version;
    struct signing_target without;
    const char *bare = with(text, "'version':'GLOAS',", "");
    CHECK_OK(resolve(text, &with_version, NULL));
    CHECK_OK(resolve(bare, &without, NULL));
    CHECK(root_equal(&with_version.signing_root, &without.signing_root));
    /* The version is another network's Gloas there, so the object decides. */
    CHECK_OK(resolve_on("sepolia", bare, &without, NULL));
    CHECK(!root_equal(&with_version.signing_root, &without.signing_root));
}

TEST(what_belongs_to_gloas_is_refused_under_earlier_and_unknown_forks)
{
    static const enum body gloas[] = { BODY_BID, BODY_ENVELOPE, BODY_PAYLOAD_ATTESTATION,
                                       BODY_PREFERENCES, BODY_AUTH };
    static const char *const places[] = {
        "execution_payload_bid.version",       "execution_payload_envelope.version",
        "payload_attestation_message.version", "proposer_preferences.version",
        "builder_request_auth.version",
    };
    for (size_t i = 0; i < COUNT_OF(gloas); i++) {
        const char *text = bodies[gloas[i]].text;
        CHECK(
            refused(with(text, "'GLOAS'", "'FULU'"), places[i], "a fork before the type's first"));
        CHECK(refused(with(text, "'GLOAS'", "'gloas'"), places[i], "not a known fork"));
        CHECK(refused(with(text, "'GLOAS'", "7"), places[i], "not the name of a fork"));
        if (gloas[i] != BODY_BID) {
            CHECK(unchanged(gloas[i], "'GLOAS'", "'HEZE'"));
        }
    }
    CHECK(refused(with(bodies[BODY_BID].text, "'GLOAS'", "'HEZE'"), places[0],
                  "a fork whose object is not known yet"));
}

TEST(headers_are_taken_from_bellatrix_to_heze)
{
    static const char *const later[] = { "BELLATRIX", "CAPELLA", "DENEB", "FULU", "GLOAS", "HEZE" };
    for (size_t i = 0; i < COUNT_OF(later); i++) {
        CHECK(unchanged(BODY_HEADER, "ELECTRA", later[i]));
    }
}

TEST(whole_blocks_are_taken_in_phase_0_and_altair)
{
    const char *text = with(bodies[BODY_BLOCK].text, "'BLOCK'", "'BLOCK_V2'");
    text = with(text, "'block':{", "'beacon_block':{'version':'PHASE0','block':{");
    char wrapped[TEXT_SIZE];
    snprintf(wrapped, sizeof(wrapped), "%s}", text);
    CHECK(gives(wrapped, bodies[BODY_BLOCK].root));
    CHECK(refused(with(wrapped, "PHASE0", "ALTAIR"), "beacon_block.block.body.sync_aggregate",
                  "missing"));
    CHECK(refused(with(wrapped, "PHASE0", "BELLATRIX"), "beacon_block.block_header", "missing"));
    CHECK(refused(with(wrapped, "'block':{", "'block_header':{"), "beacon_block.block", "missing"));
}

TEST(an_exit_s_named_root_decides_between_its_two_domains)
{
    /* The root under Electra's version, which the fork has: what a client from before EIP-7044
     * names. */
    const char *by_fork = "0x7e169de296896051a5553bb949ac5807de7c8f7e2d72ec966e5e65941d28ab1e";
    struct signing_target target;
    char member[256];
    const char *text = bodies[BODY_EXIT].text;
    CHECK_OK(resolve(with(text, "0x05000000", "0x03000000"), &target, NULL));
    CHECK(root_is(&target.signing_root, bodies[BODY_EXIT].root));
    snprintf(member, sizeof(member), "'signingRoot':'%s'", by_fork);
    CHECK(gives(with_member(text, member), by_fork));
    snprintf(member, sizeof(member), "'signing_root':'%s'", bodies[BODY_EXIT].root);
    CHECK(gives(with_member(text, member), bodies[BODY_EXIT].root));
    snprintf(member, sizeof(member), "signingRoot " OTHER_ROOT ", computed %s or %s",
             bodies[BODY_EXIT].root, by_fork);
    CHECK(refused(with_member(text, "'signingRoot':'" OTHER_ROOT "'"), member,
                  "the signing root is not that of the object"));
}

TEST(a_change_of_credentials_is_under_the_network_s_own_genesis)
{
    struct signing_target target;
    const char *text = bodies[BODY_BLS_CHANGE].text;
    CHECK_OK(resolve(with(text, "4b363db94e", "0000000000"), &target, NULL));
    CHECK(root_is(&target.signing_root, bodies[BODY_BLS_CHANGE].root));
    CHECK(target.has_genesis_validators_root);
    CHECK(target.genesis_validators_root.bytes[0] == 0);
    CHECK_OK(resolve(with(text, FORK_INFO ",", ""), &target, NULL));
    CHECK(root_is(&target.signing_root, bodies[BODY_BLS_CHANGE].root));
    CHECK(!target.has_genesis_validators_root);
    CHECK(refused(with(text, "'epoch':'364032'", "'epoch':'x'"), "fork_info.fork.epoch",
                  "not a decimal number"));
}

TEST(fork_info_does_not_matter_where_the_domain_has_none)
{
    static const enum body unbound[] = { BODY_DEPOSIT, BODY_REGISTRATION, BODY_AUTH };
    for (size_t i = 0; i < COUNT_OF(unbound); i++) {
        const char *text = bodies[unbound[i]].text;
        const char *root = bodies[unbound[i]].root;
        CHECK(gives(with_member(text, FORK_INFO), root));
        CHECK(gives(with_member(text, "'fork_info':{'fork':7}"), root));
        CHECK(gives(with_member(text, "'fork_info':'none'"), root));
    }
}

TEST(a_registration_is_under_the_network_s_genesis_version_and_a_deposit_under_its_own)
{
    struct signing_target mainnet;
    struct signing_target sepolia;
    CHECK_OK(resolve(bodies[BODY_REGISTRATION].text, &mainnet, NULL));
    CHECK_OK(resolve_on("sepolia", bodies[BODY_REGISTRATION].text, &sepolia, NULL));
    CHECK(!root_equal(&mainnet.signing_root, &sepolia.signing_root));
    CHECK_OK(resolve_on("sepolia", bodies[BODY_DEPOSIT].text, &sepolia, NULL));
    CHECK(root_is(&sepolia.signing_root, bodies[BODY_DEPOSIT].root));
    CHECK_OK(
        resolve(with(bodies[BODY_DEPOSIT].text, "'0x00000000'", "'0x90000069'"), &mainnet, NULL));
    CHECK(!root_equal(&mainnet.signing_root, &sepolia.signing_root));
}

TEST(the_fork_s_epoch_divides_its_versions_by_the_object_s_epoch)
{
    /* The versions exchanged, the fork an epoch later: the same version applies. */
    static const struct {
        enum body body;
        const char *epoch;
    } cases[] = {
        { BODY_ATTESTATION, "'epoch':'364034'" }, { BODY_AGGREGATION_SLOT, "'epoch':'364031'" },
        { BODY_HEADER, "'epoch':'364033'" },      { BODY_RANDAO, "'epoch':'364033'" },
        { BODY_AGGREGATE, "'epoch':'364034'" },   { BODY_CONTRIBUTION, "'epoch':'364033'" },
        { BODY_BID, "'epoch':'364033'" },         { BODY_ENVELOPE, "'epoch':'364033'" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = with(bodies[cases[i].body].text, "'previous_version'", "'swap'");
        text = with(text, "'current_version'", "'previous_version'");
        text = with(text, "'swap'", "'current_version'");
        CHECK(gives(with(text, "'epoch':'364032'", cases[i].epoch), bodies[cases[i].body].root));
    }
}

TEST(what_is_missing_or_wrong_is_refused_in_its_place)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        printf("# case %zu: %s\n", i, refusals[i].place);
        CHECK(refused(with(bodies[refusals[i].body].text, refusals[i].from, refusals[i].to),
                      refusals[i].place, refusals[i].what));
    }
}

static struct result parse(const char *text, size_t size)
{
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    return signing_request_parse(text, size, &request, NULL);
}

TEST(what_is_no_object_is_refused)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[]",
        "[{}]",
        "null",
        "7",
        "\"BLOCK\"",
        "{}",
        "{\"type\"}",
        "{} {}",
        "{\"type\":\"RANDAO_REVEAL\",\"type\":\"RANDAO_REVEAL\"}",
        "{\"type\":\"RANDAO_REVEAL\",\"randao_reveal\":{\"epoch\":1,\"epoch\":1}}",
        "{\"type\":\"RANDAO_REVEAL\",\"randao_reveal\":{\"epoch\":18446744073709551615}}",
        "{\"type\":\"RANDAO_REVEAL\",\"randao_reveal\":{\"epoch\":1}}x",
        "{\"type\":\"RANDAO_\\u0000REVEAL\"}",
        "\xff",
        "{\"type\":\"\xff\"}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        printf("# case %zu\n", i);
        CHECK_FAILS(BAD_INPUT, parse(texts[i], strlen(texts[i])));
    }
}

/* A randao reveal whose epoch is `open`, many times, and as often `close`. */
static struct result parse_nested(char open, char close, size_t depth)
{
    static const char head[] = "{\"type\":\"RANDAO_REVEAL\",\"randao_reveal\":{\"epoch\":";
    size_t size = sizeof(head) - 1 + 2 * depth + 2;
    CLEANUP(free_ptr) char *text = malloc(size);
    ENSURE(text != NULL, UNAVAILABLE, "out of memory");
    memcpy(text, head, sizeof(head) - 1);
    memset(text + sizeof(head) - 1, open, depth);
    memset(text + sizeof(head) - 1 + depth, close, depth);
    memcpy(text + size - 2, "}}", 2);
    return parse(text, size);
}

TEST(deep_and_wide_bodies_are_refused)
{
    CHECK_OK(parse_nested('[', ']', 100));
    CHECK(!is_ok(parse_nested('[', ']', 5000)));
    CHECK_FAILS(BAD_INPUT, parse_nested('[', ']', 1000000));
    size_t size = 1 << 20;
    CLEANUP(free_ptr) char *wide = malloc(size);
    CHECK(wide != NULL);
    for (size_t i = 0; i < size; i++) {
        wide[i] = "[],"[i % 3];
    }
    wide[0] = '[';
    wide[1] = '7';
    CHECK_FAILS(LIMIT, parse(wide, size));
}

TEST(a_request_may_be_resolved_again_and_on_another_network)
{
    CLEANUP(free_ptr) char *body = quoted(bodies[BODY_ATTESTATION].text);
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    CHECK_OK(signing_request_parse(body, strlen(body), &request, NULL));
    CHECK(request.operation == OPERATION_ATTESTATION);
    CHECK(request.version == NULL);
    memset(body, 'x', strlen(body)); /* the request does not point into the text */
    for (size_t i = 0; i < 3; i++) {
        struct signing_target target;
        CHECK_OK(signing_request_resolve(&request, network_find(i == 1 ? "hoodi" : "mainnet"),
                                         &target, NULL));
        CHECK(root_is(&target.signing_root, bodies[BODY_ATTESTATION].root));
    }
}

TEST(a_failed_parse_leaves_the_output_alone_and_a_done_request_is_empty)
{
    struct signing_request request = { .operation = OPERATION_DEPOSIT };
    CHECK_FAILS(BAD_INPUT, signing_request_parse("{}", 2, &request, NULL));
    CHECK(request.operation == OPERATION_DEPOSIT && request.body == NULL);
    signing_request_done(&request);
    signing_request_done(&request);
    CHECK(request.body == NULL);
}

TEST(operations_have_their_names)
{
    CHECK_TEXT(operation_name(OPERATION_BLOCK_V2), "BLOCK_V2");
    CHECK_TEXT(operation_name(OPERATION_PAYLOAD_ATTESTATION_MESSAGE),
               "PAYLOAD_ATTESTATION_MESSAGE");
    CHECK(operation_find("block_v2") == OPERATION_BLOCK_V2);
    CHECK(operation_find("REQUEST_AUTH") == OPERATION_BUILDER_REQUEST_AUTH);
    CHECK(operation_find("") == OPERATION_COUNT);
    CHECK(operation_find("BLOCK_V") == OPERATION_COUNT);
    CHECK(operation_find("BLOCK_V22") == OPERATION_COUNT);
}

HARNESS_TESTS(T(every_kind_of_request_gives_the_known_root),
              T(a_request_that_names_its_root_under_either_spelling_is_taken),
              T(a_request_that_names_another_root_is_refused_with_both),
              T(a_root_that_differs_in_any_one_digit_is_another),
              T(spellings_that_name_two_roots_are_refused_even_when_one_is_right),
              T(a_root_that_is_none_is_refused),
              T(blocks_and_attestations_say_what_slashing_protection_needs),
              T(all_other_requests_are_not_protected), T(full_64_bit_slots_and_epochs_survive),
              T(the_network_s_root_is_the_request_s_where_the_domain_is_made_of_it),
              T(clients_may_write_the_same_request_differently),
              T(types_and_members_have_the_spellings_that_clients_use),
              T(an_object_given_under_two_names_is_refused), T(wrapped_objects_may_be_bare),
              T(both_aggregate_types_take_both_shapes), T(an_aggregate_s_version_decides_its_shape),
              T(without_a_version_the_network_s_gloas_fork_decides_an_aggregate_s_shape),
              T(what_belongs_to_gloas_is_refused_under_earlier_and_unknown_forks),
              T(headers_are_taken_from_bellatrix_to_heze),
              T(whole_blocks_are_taken_in_phase_0_and_altair),
              T(an_exit_s_named_root_decides_between_its_two_domains),
              T(a_change_of_credentials_is_under_the_network_s_own_genesis),
              T(fork_info_does_not_matter_where_the_domain_has_none),
              T(a_registration_is_under_the_network_s_genesis_version_and_a_deposit_under_its_own),
              T(the_fork_s_epoch_divides_its_versions_by_the_object_s_epoch),
              T(what_is_missing_or_wrong_is_refused_in_its_place), T(what_is_no_object_is_refused),
              T(deep_and_wide_bodies_are_refused),
              T(a_request_may_be_resolved_again_and_on_another_network),
              T(a_failed_parse_leaves_the_output_alone_and_a_done_request_is_empty),
              T(operations_have_their_names))
