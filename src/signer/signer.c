/* The way of a signing request:
 *
 * - signer_sign(): admission; a bounded number of requests is under way.
 * - prepare(): caller, body, key, signing root, network; then the check goes to the committer …
 * - compute(): … while a worker computes the signature, whichever is done first.
 * - leave(): the later of the two answers; a signature passes only beside a durable record.
 */
#include "signer/signer.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/secret.h"
#include "bls/bls.h"
#include "signer/authorize.h"
#include "signer/message_cache.h"
#include "signer/workers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct signer {
    struct signer_settings settings;
    struct workers *workers;
    struct message_cache *messages;
    atomic_size_t in_flight;
    struct signer_metrics metrics;
};

/* One request under way. Two sides work on it, the committer and a worker; each leaves once. */
struct job {
    struct work work;             /* first: the workers hand it back */
    struct pending_check pending; /* its record, when the operation needs one */
    struct signer *signer;
    struct sign_input input;
    enum operation operation; /* OPERATION_COUNT: not understood */
    struct signing_target target;
    struct key *key;
    atomic_int sides; /* that have not left yet */
    bool is_late;     /* the worker's side gave up */
    struct signature signature;
    char reason[SIGNER_REASON_SIZE];
};

static struct job *job_of_pending(struct pending_check *pending)
{
    return (struct job *)((char *)pending - offsetof(struct job, pending));
}

static struct job *job_of_work(struct work *work)
{
    return (struct job *)((char *)work - offsetof(struct job, work));
}

static bool needs_record(const struct job *job)
{
    return job->target.protection != PROTECTION_NONE;
}

/* Answers and forgets the request. The one place where requests end. */
static void answer(struct job *job, enum sign_status status)
{
    struct signer *signer = job->signer;
    struct sign_answer given = { .status = status, .reason = job->reason };
    if (status == SIGN_OK) {
        given.signature = job->signature;
        latency_observe(&signer->metrics.duration[job->operation],
                        clock_monotonic_ns() - job->input.start_ns);
    }
    atomic_fetch_add_explicit(&signer->metrics.requests[job->operation][status], 1,
                              memory_order_relaxed);
    key_release(job->key);
    atomic_fetch_sub(&signer->in_flight, 1); /* before the client can ask for the place again */
    job->input.done(&given, job->input.context);
    secret_wipe(&job->signature, sizeof(job->signature));
    free(job);
}

static void explain(struct job *job, const struct detail *detail, struct result result)
{
    detail_line(detail, result, job->reason, sizeof(job->reason));
}

/* Says which record is in the way, so that an operator can tell a double vote from a lost clock. */
static void explain_refusal(struct job *job)
{
    const struct slashing_check *check = &job->pending.check;
    const char *why = verdict_text(check->verdict);
    if (check->kind == SLASHING_BLOCK) {
        snprintf(job->reason, sizeof(job->reason), "slashing protection: %s (slot %" PRIu64 ")",
                 why, check->block.slot.value);
        return;
    }
    int used = snprintf(job->reason, sizeof(job->reason),
                        "slashing protection: %s (source %" PRIu64 ", target %" PRIu64 ")", why,
                        check->attestation.source.value, check->attestation.target.value);
    bool has_conflict = check->verdict == VERDICT_DOUBLE_VOTE ||
                        check->verdict == VERDICT_SURROUNDS || check->verdict == VERDICT_SURROUNDED;
    if (has_conflict && used > 0 && (size_t)used < sizeof(job->reason)) {
        snprintf(job->reason + used, sizeof(job->reason) - (size_t)used,
                 "; signed before: source %" PRIu64 ", target %" PRIu64,
                 check->conflicting_attestation.source.value,
                 check->conflicting_attestation.target.value);
    }
}

static bool is_past_deadline(const struct job *job)
{
    uint64_t deadline_ns = job->signer->settings.deadline_ns;
    return deadline_ns != 0 && clock_monotonic_ns() - job->input.start_ns > deadline_ns;
}

/* What a judged and computed request is answered with. A signature passes under two verdicts only,
 * and both mean that its record is durable. */
static enum sign_status conclude(struct job *job)
{
    if (needs_record(job) && job->pending.check.verdict == VERDICT_STORE_FAILED) {
        explain(job, NULL,
                FAIL(UNAVAILABLE, "slashing protection could not record the message; nothing was "
                                  "signed"));
        return SIGN_STORE_FAILED;
    }
    if (needs_record(job) && !verdict_allows(job->pending.check.verdict)) {
        explain_refusal(job);
        return SIGN_SLASHABLE;
    }
    if (job->is_late || is_past_deadline(job)) { /* it may have waited for its record */
        explain(job, NULL,
                FAIL(UNAVAILABLE,
                     "the request waited longer than signing.deadline_seconds; nothing "
                     "was signed"));
        return SIGN_LATE;
    }
    if (needs_record(job) && job->pending.check.verdict == VERDICT_REPEAT) {
        atomic_fetch_add_explicit(&job->signer->metrics.repeats, 1, memory_order_relaxed);
    }
    return SIGN_OK;
}

/* One side is done with the request; the later one answers. */
static void leave(struct job *job)
{
    if (atomic_fetch_sub(&job->sides, 1) == 1) {
        answer(job, conclude(job));
    }
}

/* The committer's side: the verdict stands, and is durable where it allows. */
static void on_decided(struct pending_check *pending)
{
    leave(job_of_pending(pending));
}

/* True when the committer left before us and its verdict forbids the signature. */
static bool is_refused_already(struct job *job)
{
    return needs_record(job) && atomic_load(&job->sides) == 1 &&
           !verdict_allows(job->pending.check.verdict);
}

/* The worker's side. The signature stays in the job until the record is durable. */
static void compute(struct work *work)
{
    struct job *job = job_of_work(work);
    if (needs_record(job)) {
        committer_urge(job->signer->settings.committer, &job->pending);
    }
    job->is_late = is_past_deadline(job);
    if (job->is_late || is_refused_already(job)) {
        leave(job);
        return;
    }
    struct bls_point message;
    message_cache_get(job->signer->messages, &job->target.signing_root, &message);
    bls_sign(key_secret(job->key), &message, job->signature.bytes);
    leave(job);
}

static void make_check(struct job *job)
{
    struct slashing_check *check = &job->pending.check;
    const struct signing_target *target = &job->target;
    job->pending.decided = on_decided;
    check->pubkey = *key_pubkey(job->key);
    if (target->protection == PROTECTION_BLOCK) {
        check->kind = SLASHING_BLOCK;
        check->block = (struct signed_block){ .slot = target->slot,
                                              .root = target->signing_root,
                                              .has_root = true };
        return;
    }
    check->kind = SLASHING_ATTESTATION;
    check->attestation = (struct signed_attestation){ .source = target->source,
                                                      .target = target->target,
                                                      .root = target->signing_root,
                                                      .has_root = true };
}

/* Sets both sides going. An idle server commits at once, beside the signature; a busy one when the
 * signature's turn comes. */
static void protect_and_sign(struct job *job)
{
    struct signer *signer = job->signer;
    bool record = needs_record(job);
    atomic_store(&job->sides, record ? 2 : 1);
    job->work.run = compute;
    if (record) {
        make_check(job);
        bool idle = workers_are_idle(signer->workers);
        committer_submit(signer->settings.committer, &job->pending, idle);
    }
    workers_push(signer->workers, LANE_SIGN, &job->work);
}

static struct result find_key(struct job *job, struct detail *detail)
{
    struct pubkey pubkey;
    const char *identifier = job->input.identifier;
    struct result decoded =
        hex_decode(identifier, strlen(identifier), pubkey.bytes, sizeof(pubkey.bytes));
    if (!is_ok(decoded)) {
        detail_set(detail, "public key in the path");
        return decoded;
    }
    job->key = key_table_acquire(job->signer->settings.keys, &pubkey);
    ENSURE(job->key != NULL, NOT_FOUND, "the public key is not loaded");
    return OK;
}

static struct result check_network(const struct job *job, struct detail *detail)
{
    const struct network *network = job->signer->settings.network;
    const struct signing_target *target = &job->target;
    if (!target->has_genesis_validators_root ||
        root_equal(&target->genesis_validators_root, &network->genesis_validators_root)) {
        return OK;
    }
    char given[HEX_TEXT_SIZE(sizeof(struct root))];
    hex_encode(target->genesis_validators_root.bytes, sizeof(struct root), given);
    detail_set(detail, "genesis_validators_root %s", given);
    return FAIL(REFUSED, "not the network that this signer serves");
}

static enum sign_status status_of(struct result result)
{
    static const enum sign_status statuses[] = {
        [STATUS_OK] = SIGN_OK,
        [STATUS_BAD_INPUT] = SIGN_BAD_REQUEST,
        [STATUS_NOT_FOUND] = SIGN_UNKNOWN_KEY,
        [STATUS_REFUSED] = SIGN_FORBIDDEN,
        [STATUS_LIMIT] = SIGN_BAD_REQUEST,
        [STATUS_UNAVAILABLE] = SIGN_OVERLOADED,
    };
    return statuses[result.status];
}

/* Everything that is decided before a record or a signature is made, in this order. */
static struct result examine(struct job *job, struct signing_request *request,
                             struct detail *detail)
{
    const struct sign_input *input = &job->input;
    TRY(signing_request_parse(input->body, input->body_size, request, detail));
    job->operation = request->operation;
    TRY(find_key(job, detail));
    TRY(authorize_operation(input->authorization, key_pubkey(job->key), job->operation));
    TRY(signing_request_resolve(request, job->signer->settings.network, &job->target, detail));
    return check_network(job, detail);
}

static void prepare(struct job *job)
{
    struct detail detail = { "" };
    struct signing_request request = { 0 };
    struct result examined = authorize_caller(job->input.authorization);
    if (!is_ok(examined)) {
        explain(job, NULL, examined);
        answer(job, SIGN_UNAUTHORIZED);
        return;
    }
    examined = examine(job, &request, &detail);
    signing_request_done(&request);
    if (!is_ok(examined)) {
        explain(job, &detail, examined);
        answer(job, status_of(examined));
        return;
    }
    protect_and_sign(job);
}

static void prepare_on_worker(struct work *work)
{
    prepare(job_of_work(work));
}

/* Takes a place among the requests under way, or says that there is none. */
static bool admit(struct signer *signer)
{
    if (atomic_fetch_add(&signer->in_flight, 1) < signer->settings.queue_limit) {
        return true;
    }
    atomic_fetch_sub(&signer->in_flight, 1);
    return false;
}

static void refuse_admission(struct signer *signer, const struct sign_input *input)
{
    const struct sign_answer answer_now = { .status = SIGN_OVERLOADED,
                                            .reason = "too many requests are waiting; try again" };
    atomic_fetch_add(&signer->metrics.requests[OPERATION_COUNT][SIGN_OVERLOADED], 1);
    input->done(&answer_now, input->context);
}

void signer_sign(struct signer *signer, const struct sign_input *input)
{
    if (!admit(signer)) {
        refuse_admission(signer, input);
        return;
    }
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        atomic_fetch_sub(&signer->in_flight, 1);
        refuse_admission(signer, input);
        return;
    }
    job->signer = signer;
    job->input = *input;
    job->operation = OPERATION_COUNT;
    if (input->body_size > SIGNER_INLINE_BODY_MAX) {
        job->work.run = prepare_on_worker;
        workers_push(signer->workers, LANE_BULK, &job->work);
        return;
    }
    prepare(job);
}

RESULT signer_new(const struct signer_settings *settings, struct signer **out)
{
    CLEANUP(signer_free_ptr) struct signer *signer = calloc(1, sizeof(*signer));
    ENSURE(signer != NULL, UNAVAILABLE, "out of memory");
    signer->settings = *settings;
    TRY(message_cache_new(&signer->messages));
    TRY(workers_new(settings->workers, &signer->workers));
    *out = STEAL(signer);
    return OK;
}

void signer_stop(struct signer *signer)
{
    if (signer != NULL) {
        workers_free(signer->workers);
        signer->workers = NULL;
    }
}

void signer_free(struct signer *signer)
{
    if (signer == NULL) {
        return;
    }
    signer_stop(signer);
    assert(atomic_load(&signer->in_flight) == 0);
    message_cache_free(signer->messages);
    free(signer);
}

const struct signer_metrics *signer_metrics(const struct signer *signer)
{
    return &signer->metrics;
}

struct signer_load signer_load(struct signer *signer)
{
    struct signer_load load = {
        .in_flight = atomic_load(&signer->in_flight),
        .waiting = workers_waiting(signer->workers, LANE_SIGN) +
                   workers_waiting(signer->workers, LANE_BULK),
        .limit = signer->settings.queue_limit,
        .workers = workers_count(signer->workers),
    };
    message_cache_counts(signer->messages, &load.message_hits, &load.message_misses);
    return load;
}

const char *sign_status_name(enum sign_status status)
{
    static const char *const names[SIGN_STATUS_COUNT] = {
        [SIGN_OK] = "signed",
        [SIGN_BAD_REQUEST] = "bad_request",
        [SIGN_UNAUTHORIZED] = "unauthorized",
        [SIGN_FORBIDDEN] = "forbidden",
        [SIGN_UNKNOWN_KEY] = "unknown_key",
        [SIGN_SLASHABLE] = "slashable",
        [SIGN_OVERLOADED] = "overloaded",
        [SIGN_LATE] = "late",
        [SIGN_STORE_FAILED] = "store_failed",
    };
    return names[status];
}
