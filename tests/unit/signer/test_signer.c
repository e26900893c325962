#include "signer/signer.h"

#include "eth/bodies.h"
#include "harness.h"
#include "signer_fixture.h"

#include "base/hex.h"

#include <assert.h>
#include <stdlib.h>

#define E FIXTURE_EPOCH
/* A fork_info of a network (mainnet's versions under another genesis_validators_root). */
#define FOREIGN "'0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe96'"

/* A copy with " for ', and the first `from` replaced; the caller or fixture_ask() frees it. */
static char *with(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert(at != NULL);
    size_t size = strlen(text) + strlen(to) + 1;
    char *copy = calloc(1, size);
    assert(copy != NULL);
    snprintf(copy, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    for (char *quote = copy; (quote = strchr(quote, '\'')) != NULL;) {
        *quote = '"';
    }
    return copy;
}

static char *body_text(enum body body)
{
    return with(bodies[body].text, "", "");
}

/* What was refused before it came to a check left no trace in the store and no signature. */
static bool nothing_was_done(struct fixture *fixture)
{
    return held_store_checks(fixture->store) == 0 && signing_count() == 0;
}

static uint64_t counted(const struct fixture *fixture, enum operation operation,
                        enum sign_status status)
{
    return atomic_load(&signer_metrics(fixture->signer)->requests[operation][status]);
}

/* ----------------------------------------------------------------------------- what is signed */

TEST(every_kind_of_message_is_signed_over_the_root_known_for_it)
{
    FIXTURE(.keys = BODY_COUNT, .workers = 2);
    for (uint32_t i = 0; i < BODY_COUNT; i++) {
        struct root known;
        struct request *request = fixture_ask(&fixture, i, body_text(i));
        CHECK_OK(hex_decode(bodies[i].root, strlen(bodies[i].root), known.bytes, 32));
        CHECK(root_equal(&request->root, &known));
        CHECK(is_signed(request));
    }
}

TEST(blocks_and_attestations_are_recorded_and_nothing_else_is)
{
    FIXTURE(.keys = BODY_COUNT, .workers = 2);
    for (uint32_t i = 0; i < BODY_COUNT; i++) {
        struct request *request = fixture_ask(&fixture, i, body_text(i));
        bool is_block = i == BODY_BLOCK || i == BODY_HEADER;
        bool is_vote = i == BODY_ATTESTATION;
        CHECK(is_signed(request));
        CHECK(request->was_recorded == (is_block || is_vote));
        struct record_counts records = fixture_records(&fixture, i);
        CHECK(records.blocks == is_block && records.attestations == is_vote);
    }
    CHECK(held_store_checks(fixture.store) == 3);
}

TEST(the_very_message_is_signed_again_alike_from_one_record)
{
    FIXTURE(.keys = 1, .workers = 2);
    struct request *vote[2];
    struct request *block[2];
    for (size_t i = 0; i < 2; i++) {
        vote[i] = fixture_ask(&fixture, 0, vote_body(E, E + 1, 1));
        CHECK(is_signed(vote[i]));
        block[i] = fixture_ask(&fixture, 0, block_body(32 * E, 1));
        CHECK(is_signed(block[i]));
    }
    CHECK(memcmp(&vote[0]->answer.signature, &vote[1]->answer.signature, 96) == 0);
    CHECK(memcmp(&block[0]->answer.signature, &block[1]->answer.signature, 96) == 0);
    struct record_counts records = fixture_records(&fixture, 0);
    CHECK(records.blocks == 1 && records.attestations == 1);
    CHECK(atomic_load(&signer_metrics(fixture.signer)->repeats) == 2);
}

TEST(one_root_is_hashed_once_for_all_keys_and_each_signs_for_itself)
{
    enum { KEYS = 20 };
    FIXTURE(.keys = KEYS, .workers = 4);
    struct request *requests[KEYS];
    for (uint32_t i = 0; i < KEYS; i++) {
        requests[i] = fixture_ask(&fixture, i, vote_body(E, E + 1, 1));
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        CHECK(is_signed(requests[i]));
        CHECK(requests[i]->was_recorded);
        CHECK(root_equal(&requests[i]->root, &requests[0]->root));
        for (uint32_t j = 0; j < i; j++) {
            CHECK(memcmp(&requests[i]->answer.signature, &requests[j]->answer.signature, 96) != 0);
        }
    }
    struct signer_load load = signer_load(fixture.signer);
    CHECK(load.message_misses == 1 && load.message_hits == KEYS - 1);
}

/* -------------------------------------------------------------------------------- what is not */

struct collision {
    const char *words;
    uint64_t source, target; /* of the second vote, after one from 10 to 20; target 0: a block */
    uint64_t slot;           /* of the second block, after one at 100 */
};

static const struct collision collisions[] = {
    { "another attestation was signed for this target", 10, 20, 0 },
    { "source 8, target 22); signed before: source 10, target 20", 8, 22, 0 },
    { "source 12, target 18); signed before: source 10, target 20", 12, 18, 0 },
    { "(source 19, target 18)", 19, 18, 0 },
    { "another block was signed for this slot", 0, 0, 100 },
    { "(slot 99)", 0, 0, 99 },
};

static char *collision_body(const struct collision *collision, unsigned variant)
{
    return collision->target != 0 ? vote_body(collision->source, collision->target, variant)
                                  : block_body(collision->slot, variant);
}

/* Against the real store, whichever side of a request is done first. */
TEST(what_slashing_protection_refuses_is_not_signed)
{
    for (size_t i = 0; i < sizeof(collisions) / sizeof(collisions[0]); i++) {
        for (int committer_first = 0; committer_first < 2; committer_first++) {
            FIXTURE(.keys = 1, .workers = 1);
            CHECK(is_signed(fixture_ask(&fixture, 0, vote_body(10, 20, 1))));
            CHECK(is_signed(fixture_ask(&fixture, 0, block_body(100, 1))));
            signing_hold(committer_first != 0);
            struct request *before = fixture_ask(&fixture, 0, randao_body(E));
            struct request *refused = fixture_ask(&fixture, 0, collision_body(&collisions[i], 2));
            struct record_counts records = fixture_records(&fixture, 0);
            CHECK(committer_first == 0 || is_waiting(refused));
            signing_hold(false);
            CHECK(is_signed(before));
            CHECK(is_refused(refused, SIGN_SLASHABLE, collisions[i].words));
            CHECK(strncmp(refused->reason, "slashing protection: ", 21) == 0);
            CHECK(records.blocks == 1 && records.attestations == 1);
            CHECK(!refused->was_recorded);
            CHECK(committer_first == 0 || signing_count() == 3); /* it was not even computed */
        }
    }
}

struct variation {
    const char *from;
    const char *to;
    enum sign_status status;
    const char *words;
};

/* Of the attestation in bodies.h. */
static const struct variation variations[] = {
    { MAINNET_ROOT, FOREIGN, SIGN_FORBIDDEN,
      "genesis_validators_root 0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe96: "
      "not the network that this signer serves" },
    { "{'type'", "{'signingRoot':" R("00") ",'type'", SIGN_BAD_REQUEST,
      "signingRoot 0x0000000000000000000000000000000000000000000000000000000000000000, computed "
      "0xed4461ffbeae1eb7fa7de9d2f99748c6f2dc4c538c71a565495242b430524217" },
    { "{'type'", "{'signing_root':" R("ed") ",'type'", SIGN_BAD_REQUEST, "computed 0xed4461ff" },
    { "{'type'", "{'signingRoot':'0x00','type'", SIGN_BAD_REQUEST, "signingRoot" },
    { "'fork_info'", "'no_fork'", SIGN_BAD_REQUEST, "fork_info" },
    { "'ATTESTATION'", "'TREASURE_MAP'", SIGN_BAD_REQUEST, "type" },
    { "'type'", "'tip'", SIGN_BAD_REQUEST, "type" },
    { "'ATTESTATION'", "'RANDAO_REVEAL'", SIGN_BAD_REQUEST, "randao_reveal" },
    { "'epoch':'364033'", "'epoch':'-1'", SIGN_BAD_REQUEST, "attestation.target.epoch" },
    { "'epoch':'364033'", "'epoch':'18446744073709551616'", SIGN_BAD_REQUEST,
      "attestation.target.epoch" },
    { "'source':{", "'sorcery':{", SIGN_BAD_REQUEST, "attestation.source" },
    { "}}}", "}}", SIGN_BAD_REQUEST, "" },
    { "{'type'", "{'type':'BLOCK','type'", SIGN_BAD_REQUEST, "" },
};

TEST(what_is_not_understood_or_of_another_network_is_neither_recorded_nor_signed)
{
    FIXTURE(.keys = 1, .workers = 1);
    for (size_t i = 0; i < sizeof(variations) / sizeof(variations[0]); i++) {
        const struct variation *at = &variations[i];
        char *body = with(bodies[BODY_ATTESTATION].text, at->from, at->to);
        struct request *request = fixture_ask(&fixture, 0, body);
        CHECK(!is_waiting(request)); /* such an answer takes nobody's time */
        CHECK(is_refused(request, at->status, at->words));
    }
    CHECK(is_refused(fixture_ask(&fixture, 0, strdup("")), SIGN_BAD_REQUEST, ""));
    CHECK(is_refused(fixture_ask(&fixture, 0, strdup("[]")), SIGN_BAD_REQUEST, ""));
    CHECK(nothing_was_done(&fixture));
}

/* Every kind that says of which network it is. */
TEST(the_network_guard_holds_for_every_kind_of_message)
{
    FIXTURE(.keys = 1, .workers = 1);
    size_t guarded = 0;
    for (enum body i = 0; i < BODY_COUNT; i++) {
        if (strstr(bodies[i].text, MAINNET_ROOT) != NULL) {
            char *body = with(bodies[i].text, MAINNET_ROOT, FOREIGN);
            CHECK(is_refused(fixture_ask(&fixture, 0, body), SIGN_FORBIDDEN, "not the network"));
            guarded++;
        }
    }
    CHECK(guarded == BODY_COUNT - 3); /* deposits, registrations and builder requests do not */
    CHECK(nothing_was_done(&fixture));
}

TEST(the_root_that_a_request_names_may_be_the_right_one)
{
    FIXTURE(.keys = 1, .workers = 1);
    char named[100];
    snprintf(named, sizeof(named), "{'signingRoot':'%s','type'", bodies[BODY_ATTESTATION].root);
    char *body = with(bodies[BODY_ATTESTATION].text, "{'type'", named);
    CHECK(is_signed(fixture_ask(&fixture, 0, body)));
}

TEST(a_key_is_named_by_its_48_bytes_in_hexadecimal)
{
    FIXTURE(.keys = 1, .workers = 1);
    char right[HEX_TEXT_SIZE(48)];
    char wrong[HEX_TEXT_SIZE(48) + 2];
    struct pubkey pubkey = fixture_pubkey(0);
    hex_encode(pubkey.bytes, 48, right);
    static const char *const endings[] = { "", "0", "00", "zz", " " };
    for (size_t i = 1; i < sizeof(endings) / sizeof(endings[0]); i++) {
        snprintf(wrong, sizeof(wrong), "%.*s%s", (int)(i == 3 ? 96 : 98), right, endings[i]);
        CHECK(is_refused(fixture_ask_as(&fixture, wrong, randao_body(E), 0), SIGN_BAD_REQUEST,
                         "public key"));
    }
    right[97] = right[97] == '0' ? '1' : '0';
    CHECK(is_refused(fixture_ask_as(&fixture, right, randao_body(E), 0), SIGN_UNKNOWN_KEY,
                     "not loaded"));
    CHECK(is_refused(fixture_ask_as(&fixture, "", randao_body(E), 0), SIGN_BAD_REQUEST, ""));
    CHECK(is_refused(fixture_ask_as(&fixture, "0x", randao_body(E), 0), SIGN_BAD_REQUEST, ""));
    CHECK(nothing_was_done(&fixture));
    hex_encode(pubkey.bytes, 48, right);
    CHECK(is_signed(fixture_ask_as(&fixture, right, randao_body(E), 0)));
    CHECK(is_signed(fixture_ask_as(&fixture, right + 2, randao_body(E), 0))); /* without 0x */
}

/* The reason of a refusal is that refusal's, with nothing in it of what was read before. */
TEST(a_key_that_is_not_loaded_is_told_alike_for_every_kind_of_message)
{
    FIXTURE(.keys = 1, .workers = 1);
    for (enum body i = 0; i < BODY_COUNT; i++) {
        struct request *request = fixture_ask(&fixture, 1, body_text(i));
        CHECK(is_refused(request, SIGN_UNKNOWN_KEY, ""));
        CHECK_TEXT(request->reason, "the public key is not loaded");
    }
    CHECK(nothing_was_done(&fixture));
}

TEST(an_unknown_caller_is_turned_away_before_the_body_is_read)
{
    FIXTURE(.keys = 1, .workers = 1);
    policy_set(STATUS_REFUSED, STATUS_OK);
    CHECK(is_refused(fixture_ask(&fixture, 0, vote_body(E, E + 1, 1)), SIGN_UNAUTHORIZED,
                     "the caller's policy"));
    CHECK(is_refused(fixture_ask(&fixture, 0, strdup("{")), SIGN_UNAUTHORIZED,
                     "the caller's policy"));
    policy_set(STATUS_UNAVAILABLE, STATUS_OK); /* whatever is wrong with it */
    CHECK(is_refused(fixture_ask(&fixture, 0, vote_body(E, E + 1, 1)), SIGN_UNAUTHORIZED, ""));
    CHECK(nothing_was_done(&fixture));
    CHECK(counted(&fixture, OPERATION_COUNT, SIGN_UNAUTHORIZED) == 3);
}

TEST(a_caller_who_may_not_gets_no_record_and_no_signature)
{
    FIXTURE(.keys = 2, .workers = 1);
    policy_set(STATUS_OK, STATUS_REFUSED); /* attestations of key 0 */
    struct request *refused = fixture_ask(&fixture, 0, vote_body(E, E + 1, 1));
    CHECK(is_refused(refused, SIGN_FORBIDDEN, ""));
    CHECK_TEXT(refused->reason, "the operation's policy");
    CHECK(nothing_was_done(&fixture));
    CHECK(is_signed(fixture_ask(&fixture, 0, randao_body(E))));
    CHECK(is_signed(fixture_ask(&fixture, 1, vote_body(E, E + 1, 1))));
}

/* ------------------------------------------------------------------------------- the rest of it */

static char *padded(char *body, size_t size)
{
    char *text = calloc(1, size + 1);
    assert(text != NULL);
    memset(text, ' ', size);
    memcpy(text, body, strlen(body));
    free(body);
    return text;
}

/* Up to the limit a body is read at once; one byte longer, and it waits for a worker. */
TEST(long_bodies_are_read_by_a_worker)
{
    FIXTURE(.keys = 1, .workers = 1);
    char *short_one =
        padded(with(bodies[BODY_ATTESTATION].text, MAINNET_ROOT, FOREIGN), SIGNER_INLINE_BODY_MAX);
    char *long_one = padded(with(bodies[BODY_ATTESTATION].text, MAINNET_ROOT, FOREIGN),
                            SIGNER_INLINE_BODY_MAX + 1);
    signing_hold(true);
    struct request *before = fixture_ask(&fixture, 0, randao_body(E));
    CHECK(signing_wait(1));
    CHECK(!is_waiting(fixture_ask(&fixture, 0, short_one)));
    struct request *bad = fixture_ask(&fixture, 0, long_one);
    struct request *good =
        fixture_ask(&fixture, 0, padded(vote_body(E, E + 1, 1), 4 * SIGNER_INLINE_BODY_MAX));
    CHECK(is_waiting(bad) && is_waiting(good));
    CHECK(signer_load(fixture.signer).waiting == 2);
    signing_hold(false);
    CHECK(is_refused(bad, SIGN_FORBIDDEN, "not the network"));
    CHECK(is_signed(good) && good->was_recorded);
    CHECK(is_signed(before));
}

TEST(every_outcome_is_counted_under_its_operation)
{
    FIXTURE(.keys = 1, .workers = 1);
    CHECK(is_signed(fixture_ask(&fixture, 0, vote_body(E, E + 1, 1))));
    CHECK(is_answered(fixture_ask(&fixture, 0, vote_body(E, E + 1, 2))));
    CHECK(is_answered(fixture_ask(&fixture, 0, strdup("{}"))));
    CHECK(is_answered(fixture_ask_as(&fixture, "0x", randao_body(E), 0)));
    CHECK(counted(&fixture, OPERATION_ATTESTATION, SIGN_OK) == 1);
    CHECK(counted(&fixture, OPERATION_ATTESTATION, SIGN_SLASHABLE) == 1);
    CHECK(counted(&fixture, OPERATION_COUNT, SIGN_BAD_REQUEST) == 1);
    CHECK(counted(&fixture, OPERATION_RANDAO_REVEAL, SIGN_BAD_REQUEST) == 1);
    uint64_t sum = 0;
    uint64_t observed = 0;
    for (size_t i = 0; i <= OPERATION_COUNT; i++) {
        for (size_t j = 0; j < SIGNER_METRIC_STATUSES; j++) {
            sum += atomic_load(&signer_metrics(fixture.signer)->requests[i][j]);
        }
    }
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        const struct signer_metrics *metrics = signer_metrics(fixture.signer);
        observed += atomic_load(&metrics->duration[OPERATION_ATTESTATION].buckets[i]);
    }
    CHECK(sum == 4);
    CHECK(observed == counted(&fixture, OPERATION_ATTESTATION, SIGN_OK));
}

TEST(each_status_has_a_name_of_its_own)
{
    for (enum sign_status i = 0; i < SIGN_STATUS_COUNT; i++) {
        CHECK(sign_status_name(i) != NULL && sign_status_name(i)[0] != '\0');
        for (enum sign_status j = 0; j < i; j++) {
            CHECK(strcmp(sign_status_name(i), sign_status_name(j)) != 0);
        }
    }
    _Static_assert((int)SIGN_STATUS_COUNT <= (int)SIGNER_METRIC_STATUSES, "all have a counter");
}

TEST(a_signer_that_cannot_start_says_so_and_leaves_nothing_behind)
{
    FIXTURE(.keys = 1, .workers = 2);
    struct signer_settings settings = fixture.settings;
    struct signer *signer = NULL;
    struct result result = OK;
    settings.workers = 0;
    CHECK_FAILS(BAD_INPUT, signer_new(&settings, &signer));
    settings.workers = 2;
    threads_fail(true);
    result = signer_new(&settings, &signer);
    threads_fail(false);
    CHECK_FAILS(UNAVAILABLE, result);
    size_t failures = 0;
    do {
        memory_fails_at(++failures);
        result = signer_new(&settings, &signer);
        memory_fails_at(0);
        CHECK(is_ok(result) || (result.status == STATUS_UNAVAILABLE && signer == NULL));
    } while (!is_ok(result) && failures < 100);
    CHECK(failures > 4); /* the signer, its cache, its workers and their threads */
    signer_free(signer);
    signer_stop(NULL);
    signer_free(NULL);
}

TEST(memory_that_runs_out_is_an_overload)
{
    FIXTURE(.keys = 1, .workers = 1, .queue_limit = 1);
    static const struct signature none;
    CHECK(is_signed(fixture_ask(&fixture, 0, randao_body(E))));
    memory_fails_at(2); /* the first is the test's */
    struct request *request = fixture_ask(&fixture, 0, randao_body(E));
    memory_fails_at(0);
    CHECK(is_refused(request, SIGN_OVERLOADED, "try again"));
    CHECK(memcmp(&request->answer.signature, &none, 96) == 0);
    CHECK(is_signed(fixture_ask(&fixture, 0, randao_body(E)))); /* its place was given back */
}

HARNESS_TESTS(T(every_kind_of_message_is_signed_over_the_root_known_for_it),
              T(blocks_and_attestations_are_recorded_and_nothing_else_is),
              T(the_very_message_is_signed_again_alike_from_one_record),
              T(one_root_is_hashed_once_for_all_keys_and_each_signs_for_itself),
              T(what_slashing_protection_refuses_is_not_signed),
              T(what_is_not_understood_or_of_another_network_is_neither_recorded_nor_signed),
              T(the_network_guard_holds_for_every_kind_of_message),
              T(the_root_that_a_request_names_may_be_the_right_one),
              T(a_key_is_named_by_its_48_bytes_in_hexadecimal),
              T(a_key_that_is_not_loaded_is_told_alike_for_every_kind_of_message),
              T(an_unknown_caller_is_turned_away_before_the_body_is_read),
              T(a_caller_who_may_not_gets_no_record_and_no_signature),
              T(long_bodies_are_read_by_a_worker), T(every_outcome_is_counted_under_its_operation),
              T(each_status_has_a_name_of_its_own),
              T(a_signer_that_cannot_start_says_so_and_leaves_nothing_behind),
              T(memory_that_runs_out_is_an_overload))
