/* What the signer does in which order: nothing leaves before its record is durable, whatever waits,
 * fails, is late or goes away meanwhile. */
#include "harness.h"
#include "signer_fixture.h"
#include "waiting.h"

#include "base/hex.h"
#include "base/thread.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define E      FIXTURE_EPOCH
#define SECOND (UINT64_C(1000) * 1000 * 1000)

/* A message that needs a record: an attestation or a block. */
static char *message(bool block, uint64_t number, unsigned variant)
{
    return block ? block_body(E * UINT64_C(32) + number, variant)
                 : vote_body(E, E + number, variant);
}

/* With one worker: all that was queued before is done, and the worker has let go of it. */
static bool worker_is_past(struct fixture *fixture)
{
    return is_signed(fixture_ask(fixture, 0, randao_body(E)));
}

/* A worker that computes until signing_hold(false); with the only one, nothing else is computed. */
static struct request *occupy_worker(struct fixture *fixture)
{
    signing_hold(true);
    struct request *request = fixture_ask(fixture, 0, randao_body(E));
    return signing_wait(1) ? request : NULL;
}

/* ------------------------------------------------------------------------- before the record */

TEST(a_computed_signature_waits_for_its_record_to_be_made_and_durable)
{
    for (int block = 0; block < 2; block++) {
        FIXTURE(.keys = 1, .workers = 1);
        held_store_hold(fixture.store, HELD_BEFORE);
        struct request *request = fixture_ask(&fixture, 0, message(block != 0, 1, 1));
        CHECK(held_store_wait(fixture.store, HELD_BEFORE));
        CHECK(worker_is_past(&fixture));
        CHECK(signing_count() == 2);
        CHECK(is_waiting(request) && held_store_count(fixture.store) == 0);
        held_store_hold(fixture.store, HELD_AFTER); /* it is durable, and nobody knows */
        CHECK(held_store_wait(fixture.store, HELD_AFTER));
        CHECK(held_store_count(fixture.store) == 1);
        CHECK(worker_is_past(&fixture));
        CHECK(is_waiting(request));
        held_store_hold(fixture.store, HELD_NOWHERE);
        CHECK(is_signed(request) && request->was_recorded);
    }
}

TEST(a_durable_record_waits_for_its_signature)
{
    FIXTURE(.keys = 1, .workers = 1);
    struct request *before = occupy_worker(&fixture);
    CHECK(before != NULL);
    struct request *request = fixture_ask(&fixture, 0, message(false, 1, 1));
    CHECK(fixture_records(&fixture, 0).attestations == 1);
    CHECK(is_waiting(request) && signing_count() == 0);
    signing_hold(false);
    CHECK(is_signed(request) && is_signed(before));
}

TEST(what_needs_no_record_does_not_wait_for_the_store)
{
    FIXTURE(.keys = 1, .workers = 1);
    held_store_hold(fixture.store, HELD_BEFORE);
    struct request *held = fixture_ask(&fixture, 0, message(false, 1, 1));
    CHECK(held_store_wait(fixture.store, HELD_BEFORE));
    CHECK(is_signed(fixture_ask(&fixture, 0, randao_body(E))));
    CHECK(is_waiting(held));
}

/* Records that are not asked for at once are made together when the first signature's turn comes.
 */
TEST(requests_that_queue_share_a_commit)
{
    enum { COUNT = 40 };
    FIXTURE(.keys = 1, .workers = 1);
    struct request *requests[COUNT];
    struct request *before = occupy_worker(&fixture);
    CHECK(before != NULL);
    for (uint64_t i = 0; i < COUNT; i++) {
        requests[i] = fixture_ask(&fixture, 0, message(false, i + 1, 1));
    }
    CHECK(urgent_count() == 0 && held_store_batches(fixture.store) == 0);
    signing_hold(false);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(is_signed(requests[i]) && requests[i]->was_recorded);
    }
    CHECK(held_store_batches(fixture.store) == 1 && held_store_checks(fixture.store) == COUNT);
}

/* The worker that was busy with the request before falls asleep sooner or later. */
TEST(an_idle_signer_has_the_record_made_beside_the_signature)
{
    FIXTURE(.keys = 1, .workers = 1);
    for (uint64_t i = 1; i <= 60000 && urgent_count() == 0; i++) {
        CHECK(is_signed(fixture_ask(&fixture, 0, message(false, i, 1))));
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    CHECK(urgent_count() == 1);
}

/* ------------------------------------------------------------------------- a store that fails */

/* One that made no record, and one that made it and cannot tell; whichever side is done first. */
TEST(without_a_durable_record_there_is_no_signature_and_later_there_is)
{
    for (unsigned i = 0; i < 8; i++) {
        bool block = (i & 1) != 0;
        bool worker_first = (i & 2) != 0;
        enum held_fault fault = (i & 4) != 0 ? HELD_FAILS_AFTER : HELD_FAILS;
        FIXTURE(.keys = 1, .workers = 1);
        held_store_set_fault(fixture.store, fault);
        if (worker_first) {
            held_store_hold(fixture.store, HELD_AFTER);
        } else {
            CHECK(occupy_worker(&fixture) != NULL);
        }
        struct request *failed = fixture_ask(&fixture, 0, message(block, 1, 1));
        if (worker_first) {
            CHECK(worker_is_past(&fixture));
        } else {
            (void)fixture_records(&fixture, 0); /* the verdict is there */
        }
        CHECK(is_waiting(failed));
        held_store_hold(fixture.store, HELD_NOWHERE);
        signing_hold(false);
        CHECK(is_refused(failed, SIGN_STORE_FAILED, "could not record"));
        CHECK(worker_is_past(&fixture));
        CHECK(signing_count() == (worker_first ? 3 : 2)); /* in vain, or not at all */
        held_store_set_fault(fixture.store, HELD_NO_FAULT);
        struct request *again = fixture_ask(&fixture, 0, message(block, 1, 1));
        CHECK(is_signed(again) && again->was_recorded);
        struct request *other = fixture_ask(&fixture, 0, message(block, 1, 2));
        CHECK(is_refused(other, SIGN_SLASHABLE, "another"));
    }
}

TEST(a_batch_that_fails_is_answered_request_by_request)
{
    enum { COUNT = 20 };
    FIXTURE(.keys = COUNT, .workers = 1);
    struct request *requests[COUNT];
    CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 1, 1))));
    CHECK(occupy_worker(&fixture) != NULL);
    held_store_set_fault(fixture.store, HELD_FAILS_AFTER);
    for (uint32_t i = 0; i < COUNT; i++) {
        requests[i] = fixture_ask(&fixture, i, message(false, 1, i == 0 ? 2 : 1));
    }
    signing_hold(false);
    CHECK(is_refused(requests[0], SIGN_SLASHABLE, "another attestation")); /* failure or not */
    for (size_t i = 1; i < COUNT; i++) {
        CHECK(is_refused(requests[i], SIGN_STORE_FAILED, "could not record"));
    }
    CHECK(all_answered_once(&fixture));
}

/* ----------------------------------------------------------------------------------- deadlines */

TEST(a_request_is_late_one_nanosecond_after_its_deadline)
{
    FIXTURE(.keys = 1, .workers = 1, .deadline_ns = 12 * SECOND);
    clock_stands_at(0);
    char identifier[HEX_TEXT_SIZE(48)];
    struct pubkey pubkey = fixture_pubkey(0);
    hex_encode(pubkey.bytes, 48, identifier);
    CHECK(is_signed(fixture_ask_as(&fixture, identifier, randao_body(E), 12 * SECOND)));
    CHECK(is_signed(fixture_ask_as(&fixture, identifier, message(false, 1, 1), 12 * SECOND)));
    size_t computed = signing_count();
    for (uint64_t age = 12 * SECOND + 1; age < 9000 * SECOND; age *= 3) {
        char *body = message(false, age % 1000, 1);
        CHECK(is_refused(fixture_ask_as(&fixture, identifier, randao_body(E), age), SIGN_LATE,
                         "signing.deadline_seconds"));
        CHECK(is_refused(fixture_ask_as(&fixture, identifier, body, age), SIGN_LATE, ""));
    }
    CHECK(signing_count() == computed);
}

TEST(without_a_deadline_nothing_is_late)
{
    FIXTURE(.keys = 1, .workers = 1);
    clock_stands_at(0);
    char identifier[HEX_TEXT_SIZE(48)];
    struct pubkey pubkey = fixture_pubkey(0);
    hex_encode(pubkey.bytes, 48, identifier);
    CHECK(is_signed(fixture_ask_as(&fixture, identifier, message(false, 1, 1), 9000 * SECOND)));
}

/* It passes while the request waits for a worker; its record is made before that, or after. The
 * same message is signed when it is asked for again: its record is its own. */
TEST(a_deadline_that_passes_in_the_queue_costs_the_signature_and_not_the_next)
{
    for (int recorded_before = 0; recorded_before < 2; recorded_before++) {
        FIXTURE(.keys = 1, .workers = 1, .deadline_ns = 12 * SECOND);
        clock_stands_at(0);
        struct request *before = occupy_worker(&fixture);
        CHECK(before != NULL);
        struct request *late = fixture_ask(&fixture, 0, message(false, 1, 1));
        struct request *late_too = fixture_ask(&fixture, 0, message(true, 1, 1));
        struct request *late_three = fixture_ask(&fixture, 0, randao_body(E + 1));
        if (recorded_before != 0) {
            CHECK(fixture_records(&fixture, 0).attestations == 1);
        }
        clock_stands_at(12 * SECOND + 1);
        signing_hold(false);
        CHECK(is_answered(before));
        CHECK(is_refused(late, SIGN_LATE, "signing.deadline_seconds"));
        CHECK(is_refused(late_too, SIGN_LATE, "signing.deadline_seconds"));
        CHECK(is_refused(late_three, SIGN_LATE, "signing.deadline_seconds"));
        CHECK(signing_count() == 1);
        CHECK(is_refused(fixture_ask(&fixture, 0, message(false, 1, 2)), SIGN_SLASHABLE, ""));
        CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 1, 1))));
        CHECK(is_signed(fixture_ask(&fixture, 0, message(true, 1, 1))));
    }
}

/* It passes while the computed signature waits for its record, before that is made or after. */
TEST(a_deadline_that_passes_while_the_store_works_costs_the_signature_too)
{
    for (int recorded_before = 0; recorded_before < 2; recorded_before++) {
        enum held_place place = recorded_before != 0 ? HELD_AFTER : HELD_BEFORE;
        FIXTURE(.keys = 1, .workers = 1, .deadline_ns = 12 * SECOND);
        clock_stands_at(0);
        held_store_hold(fixture.store, place);
        struct request *late = fixture_ask(&fixture, 0, message(false, 1, 1));
        CHECK(held_store_wait(fixture.store, place));
        CHECK(worker_is_past(&fixture));
        clock_stands_at(12 * SECOND + 1);
        CHECK(is_waiting(late));
        held_store_hold(fixture.store, HELD_NOWHERE);
        CHECK(is_refused(late, SIGN_LATE, "signing.deadline_seconds"));
        CHECK(late->was_recorded);
        CHECK(is_refused(fixture_ask(&fixture, 0, message(false, 1, 2)), SIGN_SLASHABLE, ""));
        CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 1, 1))));
        CHECK(fixture_records(&fixture, 0).attestations == 1);
    }
}

/* What slashing protection refuses is told as that, however late: sending it again will not help.
 */
TEST(a_refusal_or_a_failure_outweighs_lateness)
{
    FIXTURE(.keys = 1, .workers = 1, .deadline_ns = 12 * SECOND);
    clock_stands_at(0);
    CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 1, 1))));
    CHECK(occupy_worker(&fixture) != NULL);
    struct request *slashable = fixture_ask(&fixture, 0, message(false, 1, 2));
    (void)fixture_records(&fixture, 0);
    held_store_set_fault(fixture.store, HELD_FAILS);
    struct request *failed = fixture_ask(&fixture, 0, message(false, 2, 1));
    clock_stands_at(100 * SECOND);
    signing_hold(false);
    CHECK(is_refused(slashable, SIGN_SLASHABLE, "another attestation"));
    CHECK(is_refused(failed, SIGN_STORE_FAILED, "could not record"));
}

/* ----------------------------------------------------------------------------------- admission */

TEST(one_request_more_than_the_limit_is_refused_at_once_and_leaves_no_trace)
{
    FIXTURE(.keys = 1, .workers = 1, .queue_limit = 3);
    struct request *admitted[3];
    held_store_hold(fixture.store, HELD_BEFORE);
    for (uint64_t i = 0; i < 3; i++) {
        admitted[i] = fixture_ask(&fixture, 0, message(false, i + 1, 1));
        CHECK(is_waiting(admitted[i]));
    }
    CHECK(signer_load(fixture.signer).in_flight == 3 && signer_load(fixture.signer).limit == 3);
    for (int i = 0; i < 5; i++) {
        struct request *refused = fixture_ask(&fixture, 0, message(false, 4, 1));
        CHECK(!is_waiting(refused));
        CHECK(is_refused(refused, SIGN_OVERLOADED, "try again"));
        refused = fixture_ask(&fixture, 0, strdup("not even JSON"));
        CHECK(is_refused(refused, SIGN_OVERLOADED, "try again"));
    }
    CHECK(signer_load(fixture.signer).in_flight == 3);
    held_store_hold(fixture.store, HELD_NOWHERE);
    for (size_t i = 0; i < 3; i++) {
        CHECK(is_signed(admitted[i]));
    }
    CHECK(fixture_records(&fixture, 0).attestations == 3);
    CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 4, 1))));
    const struct signer_metrics *metrics = signer_metrics(fixture.signer);
    CHECK(atomic_load(&metrics->requests[OPERATION_COUNT][SIGN_OVERLOADED]) == 10);
}

/* With a client for each place, each sending its next request after its answer, nobody is refused.
 */
TEST(an_answered_request_has_given_its_place_back)
{
    FIXTURE(.keys = 1, .workers = 1, .queue_limit = 1);
    const uint64_t rounds = harness_rounds(300);
    for (uint64_t i = 1; i <= rounds; i++) {
        CHECK(is_signed(
            fixture_ask(&fixture, 0, i % 2 == 0 ? randao_body(E) : message(false, i, 1))));
    }
}

/* ------------------------------------------------------------------------------- keys that go */

/* Its secret stays where it is until the last signature under way is computed; then its place in
 * the vault, the only one, is free. */
TEST(a_key_that_is_removed_finishes_what_is_under_way_and_is_gone)
{
    FIXTURE(.keys = 1, .workers = 1);
    struct pubkey pubkey = fixture_pubkey(0);
    struct request *computing = occupy_worker(&fixture);
    CHECK(computing != NULL);
    struct request *queued = fixture_ask(&fixture, 0, message(false, 1, 1));
    CHECK_OK(key_table_remove(fixture.settings.keys, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK(fixture_add_key(&fixture, 1, STATUS_LIMIT));
    struct request *next = fixture_ask(&fixture, 0, message(false, 2, 1));
    CHECK(is_refused(next, SIGN_UNKNOWN_KEY, "not loaded"));
    signing_hold(false);
    CHECK(is_signed(computing));
    CHECK(is_signed(queued) && queued->was_recorded);
    CHECK(fixture_add_key(&fixture, 1, STATUS_OK));
    CHECK(is_signed(fixture_ask(&fixture, 1, message(false, 1, 2))));
    CHECK(is_refused(fixture_ask(&fixture, 0, randao_body(E)), SIGN_UNKNOWN_KEY, "not loaded"));
}

TEST(a_key_is_let_go_whatever_the_answer)
{
    FIXTURE(.keys = 1, .workers = 1, .deadline_ns = SECOND);
    clock_stands_at(0);
    struct pubkey pubkey = fixture_pubkey(0);
    char identifier[HEX_TEXT_SIZE(48)];
    hex_encode(pubkey.bytes, 48, identifier);
    CHECK(is_signed(fixture_ask(&fixture, 0, message(false, 1, 1))));
    CHECK(is_answered(fixture_ask(&fixture, 0, message(false, 1, 2)))); /* slashable */
    CHECK(is_answered(fixture_ask(&fixture, 0, strdup("{}"))));
    CHECK(is_answered(fixture_ask(&fixture, 0, strdup("{\"type\":\"ATTESTATION\"}"))));
    CHECK(is_answered(fixture_ask_as(&fixture, identifier, randao_body(E), SECOND + 1)));
    held_store_set_fault(fixture.store, HELD_FAILS);
    CHECK(is_answered(fixture_ask(&fixture, 0, message(false, 2, 1))));
    CHECK_OK(key_table_remove(fixture.settings.keys, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK(fixture_add_key(&fixture, 1, STATUS_OK)); /* the vault's only place is free */
}

/* --------------------------------------------------------------------------- clients that leave */

/* The signer does not know of it: its answer is thrown away. What it recorded hurts nobody. */
TEST(a_client_that_left_and_asks_again_gets_the_signature_of_the_one_record)
{
    FIXTURE(.keys = 1, .workers = 1);
    held_store_hold(fixture.store, HELD_BEFORE);
    struct request *left = fixture_ask(&fixture, 0, message(false, 1, 1));
    CHECK(held_store_wait(fixture.store, HELD_BEFORE));
    struct request *again = fixture_ask(&fixture, 0, message(false, 1, 1));
    struct request *other = fixture_ask(&fixture, 0, message(false, 1, 2));
    held_store_hold(fixture.store, HELD_NOWHERE);
    CHECK(is_signed(again) && again->was_recorded);
    CHECK(is_refused(other, SIGN_SLASHABLE, "another attestation"));
    CHECK(is_signed(left));
    CHECK(memcmp(&left->answer.signature, &again->answer.signature, 96) == 0);
    CHECK(fixture_records(&fixture, 0).attestations == 1);
}

/* -------------------------------------------------------------------------------------- the end */

static char *long_body(char *body)
{
    size_t size = SIGNER_INLINE_BODY_MAX + 1000;
    char *text = calloc(1, size + 1);
    assert(text != NULL);
    memset(text, ' ', size);
    memcpy(text, body, strlen(body));
    free(body);
    return text;
}

/* Requests in every state: waiting for a worker, being computed, not yet read, waiting for their
 * record. */
TEST(stopping_answers_all_that_is_under_way_once)
{
    enum { COUNT = 60 };
    FIXTURE(.keys = 4, .workers = 2);
    struct request *requests[COUNT];
    held_store_hold(fixture.store, HELD_BEFORE);
    signing_hold(true);
    for (uint32_t i = 0; i < COUNT; i++) {
        char *body = i % 5 == 0 ? randao_body(E) : message(i % 2 == 0, i, 1);
        requests[i] = fixture_ask(&fixture, i % 4, i % 3 == 0 ? long_body(body) : body);
    }
    CHECK(signing_wait(2));
    signing_hold(false);
    fixture_stop_signer(&fixture);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK(is_waiting(requests[i]) == (i % 5 != 0));
    }
    held_store_hold(fixture.store, HELD_NOWHERE);
    fixture_stop_committer(&fixture);
    CHECK(all_answered_once(&fixture));
    for (uint32_t i = 0; i < COUNT; i++) {
        bool is_fine = requests[i]->answer.status == SIGN_OK;
        bool was_refused = requests[i]->answer.status == SIGN_SLASHABLE;
        CHECK(is_fine ? is_signed(requests[i]) : was_refused); /* they came in any order */
        CHECK(requests[i]->was_recorded == (is_fine && i % 5 != 0));
    }
}

TEST(stopping_while_the_store_fails_answers_too)
{
    FIXTURE(.keys = 1, .workers = 1);
    held_store_set_fault(fixture.store, HELD_FAILS);
    held_store_hold(fixture.store, HELD_BEFORE);
    struct request *requests[10];
    for (uint64_t i = 0; i < 10; i++) {
        requests[i] = fixture_ask(&fixture, 0, message(false, i + 1, 1));
    }
    fixture_stop_signer(&fixture);
    held_store_hold(fixture.store, HELD_NOWHERE);
    fixture_stop_committer(&fixture);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK(is_refused(requests[i], SIGN_STORE_FAILED, "could not record"));
    }
}

/* --------------------------------------------------------------------------- all of it at once */

enum { ASKERS = 4, ASKED = 120, KEYS = 3 };

struct asker {
    struct fixture *fixture;
    uint64_t seed;
    struct request *requests[ASKED];
    struct {
        uint32_t key;
        bool block;
        uint64_t number; /* the slot's, or the target's */
        unsigned variant;
    } asked[ASKED];
};

static uint64_t roll(uint64_t *state, uint64_t sides)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % sides;
}

static void *ask_much(void *context)
{
    struct asker *asker = context;
    for (size_t i = 0; i < ASKED; i++) {
        asker->asked[i].key = (uint32_t)roll(&asker->seed, KEYS);
        asker->asked[i].block = roll(&asker->seed, 2) == 0;
        asker->asked[i].number = 1 + i / 4;
        asker->asked[i].variant = (unsigned)roll(&asker->seed, 3);
        char *body =
            message(asker->asked[i].block, asker->asked[i].number, asker->asked[i].variant);
        body = roll(&asker->seed, 8) == 0 ? long_body(body) : body;
        asker->requests[i] = fixture_ask(asker->fixture, asker->asked[i].key, body);
    }
    return NULL;
}

static bool is_allowed_once(struct asker *askers, uint32_t key, bool block, uint64_t number)
{
    unsigned signed_variants = 0;
    for (size_t i = 0; i < ASKERS * (size_t)ASKED; i++) {
        struct asker *asker = &askers[i / ASKED];
        size_t at = i % ASKED;
        if (asker->asked[at].key == key && asker->asked[at].block == block &&
            asker->asked[at].number == number && asker->requests[at]->answer.status == SIGN_OK) {
            signed_variants |= 1U << asker->asked[at].variant;
        }
    }
    return (signed_variants & (signed_variants - 1)) == 0;
}

/* Many clients want contradicting messages signed by few keys, while every other commit fails. Of
 * what contradicts each other at most one is signed, and nothing without a durable record. */
TEST(under_load_and_failures_nothing_slashable_and_nothing_unrecorded_is_signed)
{
    static struct asker askers[ASKERS];
    pthread_t threads[ASKERS];
    FIXTURE(.keys = KEYS, .workers = 3, .in_memory = true);
    held_store_set_fault(fixture.store, HELD_FAILS_BY_TURN);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){ .fixture = &fixture, .seed = 31337 + i };
        CHECK_OK(thread_start(&threads[i], "asker", ask_much, &askers[i]));
    }
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    fixture_stop_signer(&fixture);
    fixture_stop_committer(&fixture);
    CHECK(all_answered_once(&fixture));
    size_t outcomes[SIGN_STATUS_COUNT] = { 0 };
    size_t verified = 0;
    for (size_t i = 0; i < ASKERS * (size_t)ASKED; i++) {
        struct request *request = askers[i / ASKED].requests[i % ASKED];
        outcomes[request->answer.status]++;
        if (request->answer.status == SIGN_OK) {
            CHECK(request->was_recorded);
            CHECK(verified++ >= harness_rounds(ASKERS * (size_t)ASKED) || is_signed(request));
        }
    }
    CHECK(outcomes[SIGN_OK] > 0 && outcomes[SIGN_SLASHABLE] > 0);
    CHECK(outcomes[SIGN_OK] + outcomes[SIGN_SLASHABLE] + outcomes[SIGN_STORE_FAILED] ==
          ASKERS * (size_t)ASKED);
    for (uint32_t key = 0; key < KEYS; key++) {
        for (uint64_t number = 1; number <= ASKED; number++) {
            CHECK(is_allowed_once(askers, key, true, number));
            CHECK(is_allowed_once(askers, key, false, number));
        }
    }
}

HARNESS_TESTS(T(a_computed_signature_waits_for_its_record_to_be_made_and_durable),
              T(a_durable_record_waits_for_its_signature),
              T(what_needs_no_record_does_not_wait_for_the_store),
              T(requests_that_queue_share_a_commit),
              T(an_idle_signer_has_the_record_made_beside_the_signature),
              T(without_a_durable_record_there_is_no_signature_and_later_there_is),
              T(a_batch_that_fails_is_answered_request_by_request),
              T(a_request_is_late_one_nanosecond_after_its_deadline),
              T(without_a_deadline_nothing_is_late),
              T(a_deadline_that_passes_in_the_queue_costs_the_signature_and_not_the_next),
              T(a_deadline_that_passes_while_the_store_works_costs_the_signature_too),
              T(a_refusal_or_a_failure_outweighs_lateness),
              T(one_request_more_than_the_limit_is_refused_at_once_and_leaves_no_trace),
              T(an_answered_request_has_given_its_place_back),
              T(a_key_that_is_removed_finishes_what_is_under_way_and_is_gone),
              T(a_key_is_let_go_whatever_the_answer),
              T(a_client_that_left_and_asks_again_gets_the_signature_of_the_one_record),
              T(stopping_answers_all_that_is_under_way_once),
              T(stopping_while_the_store_fails_answers_too),
              T(under_load_and_failures_nothing_slashable_and_nothing_unrecorded_is_signed))
