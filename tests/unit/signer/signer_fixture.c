#include "signer_fixture.h"

#include "waiting.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "signer/authorize.h"
#include "store/memory_store.h"
#include "store/place.h"
#include "store/sqlite.h"
#include "support/keystore_maker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------- what the tests have in hand
 */

void __real_bls_sign(const uint8_t *secret, const struct bls_point *message, uint8_t *signature);
void __wrap_bls_sign(const uint8_t *secret, const struct bls_point *message, uint8_t *signature);
void __real_committer_submit(struct committer *committer, struct pending_check *pending,
                             bool urgent);
void __wrap_committer_submit(struct committer *committer, struct pending_check *pending,
                             bool urgent);
uint64_t __real_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void);
struct result __wrap_authorize_caller(const char *authorization);
struct result __wrap_authorize_operation(const char *authorization, const struct pubkey *pubkey,
                                         enum operation operation);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

static struct {
    pthread_mutex_t mutex; /* guards all below, and all answers */
    pthread_cond_t changed;
    bool hold_signing;
    size_t signing; /* workers that are held */
    size_t signed_count;
} stage = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static atomic_uint_fast64_t clock_stands; /* 0: it runs */
static atomic_size_t urgent_checks;
static atomic_int caller_status;
static atomic_int operation_status;
static atomic_bool no_threads;
static _Thread_local size_t failing_allocation;

void __wrap_bls_sign(const uint8_t *secret, const struct bls_point *message, uint8_t *signature)
{
    {
        LOCK_SCOPE(&stage.mutex);
        stage.signing++;
        pthread_cond_broadcast(&stage.changed);
        while (stage.hold_signing) {
            pthread_cond_wait(&stage.changed, &stage.mutex);
        }
        stage.signing--;
        stage.signed_count++;
    }
    __real_bls_sign(secret, message, signature);
}

void signing_hold(bool hold)
{
    LOCK_SCOPE(&stage.mutex);
    stage.hold_signing = hold;
    pthread_cond_broadcast(&stage.changed);
}

bool signing_wait(size_t workers)
{
    struct timespec limit = waiting_limit();
    LOCK_SCOPE(&stage.mutex);
    while (stage.signing < workers && waiting_goes_on(&stage.changed, &stage.mutex, &limit)) {
    }
    return stage.signing >= workers;
}

size_t signing_count(void)
{
    LOCK_SCOPE(&stage.mutex);
    return stage.signed_count;
}

void __wrap_committer_submit(struct committer *committer, struct pending_check *pending,
                             bool urgent)
{
    atomic_fetch_add(&urgent_checks, urgent);
    __real_committer_submit(committer, pending, urgent);
}

size_t urgent_count(void)
{
    return atomic_load(&urgent_checks);
}

uint64_t __wrap_clock_monotonic_ns(void)
{
    uint64_t stands = atomic_load(&clock_stands);
    return stands != 0 ? stands : __real_clock_monotonic_ns();
}

/* A day after the machine's start at least, so that requests can be old. */
void clock_stands_at(uint64_t ns)
{
    static const uint64_t origin = UINT64_C(86400) * 1000 * 1000 * 1000;
    atomic_store(&clock_stands, origin + ns);
}

struct result __wrap_authorize_caller(const char *authorization)
{
    return strcmp(authorization, "the test's") != 0
               ? FAIL(REFUSED, "the header field was lost on the way")
               : (struct result){ (enum status)atomic_load(&caller_status), "the caller's policy" };
}

struct result __wrap_authorize_operation(const char *authorization, const struct pubkey *pubkey,
                                         enum operation operation)
{
    struct pubkey first = fixture_pubkey(0);
    bool is_for_it = pubkey_equal(pubkey, &first) && operation == OPERATION_ATTESTATION &&
                     strcmp(authorization, "the test's") == 0;
    enum status status = is_for_it ? (enum status)atomic_load(&operation_status) : STATUS_OK;
    return (struct result){ status, "the operation's policy" };
}

void policy_set(enum status caller, enum status operation)
{
    atomic_store(&caller_status, (int)caller);
    atomic_store(&operation_status, (int)operation);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (failing_allocation > 0 && --failing_allocation == 0) {
        return NULL;
    }
    return __real_calloc(count, size);
}

void memory_fails_at(size_t nth)
{
    failing_allocation = nth;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return atomic_load(&no_threads) ? EAGAIN
                                    : __real_pthread_create(thread, attributes, run, argument);
}

void threads_fail(bool fail)
{
    atomic_store(&no_threads, fail);
}

static void stage_reset(void)
{
    static bool is_made;
    if (!is_made) {
        waiting_cond_init(&stage.changed);
        is_made = true;
    }
    stage.hold_signing = false;
    stage.signed_count = 0;
    atomic_store(&clock_stands, 0);
    atomic_store(&urgent_checks, 0);
    policy_set(STATUS_OK, STATUS_OK);
    memory_fails_at(0);
    threads_fail(false);
}

/* ------------------------------------------------------------------------------------- the parts
 */

static void secret_number(uint32_t number, struct secret32 *out)
{
    keystore_maker_secret(number, out->bytes);
}

struct pubkey fixture_pubkey(uint32_t number)
{
    static struct pubkey known[64]; /* deriving takes its time */
    static atomic_bool is_known[64];
    SECRET secret;
    struct pubkey pubkey = { { 0 } };
    assert(number < 64);
    if (atomic_load(&is_known[number])) {
        return known[number];
    }
    secret_number(number, &secret);
    struct result derived = bls_public_key(secret.bytes, pubkey.bytes);
    assert(is_ok(derived));
    LOCK_SCOPE(&stage.mutex);
    if (!atomic_load(&is_known[number])) {
        known[number] = pubkey;
        atomic_store(&is_known[number], true);
    }
    return pubkey;
}

bool fixture_add_key(struct fixture *fixture, uint32_t number, enum status wanted)
{
    SECRET secret;
    secret_number(number, &secret);
    return key_table_add(fixture->settings.keys, &secret, NULL, KEY_ORIGIN_MEMORY, "", NULL)
               .status == wanted;
}

static struct result open_store(const struct fixture *fixture, bool in_memory,
                                struct held_store **out)
{
    struct slashing_store *inner = NULL;
    struct detail detail = { "" };
    place_in_memory();
    const char *path = place_path("slashing.sqlite");
    place_empty();
    struct result opened =
        in_memory
            ? memory_store_open(&inner)
            : sqlite_store_open(path, true, &fixture->settings.network->genesis_validators_root,
                                &inner, &detail);
    if (!is_ok(opened)) {
        printf("# %s: %s\n", detail.text, opened.what);
        return opened;
    }
    *out = held_store_new(inner);
    return *out != NULL ? OK : FAIL(UNAVAILABLE, "out of memory");
}

static struct result open_parts(struct fixture *fixture, const struct fixture_plan *plan)
{
    struct signer_settings *settings = &fixture->settings;
    TRY(vault_new(plan->keys, VAULT_LOCK_OPTIONAL, &fixture->vault));
    TRY(key_table_new(fixture->vault, &settings->keys));
    for (uint32_t i = 0; i < plan->keys; i++) {
        ENSURE(fixture_add_key(fixture, i, STATUS_OK), UNAVAILABLE, "a key was not added");
    }
    TRY(open_store(fixture, plan->in_memory, &fixture->store));
    TRY(committer_new(&fixture->store->base, &settings->committer));
    return signer_new(settings, &fixture->signer);
}

bool fixture_open(struct fixture *fixture, const struct fixture_plan *plan)
{
    stage_reset();
    fixture->settings = (struct signer_settings){
        .network = network_find("mainnet"),
        .workers = plan->workers,
        .queue_limit = plan->queue_limit != 0 ? plan->queue_limit : 100000,
        .deadline_ns = plan->deadline_ns,
    };
    struct result opened = open_parts(fixture, plan);
    if (!is_ok(opened)) {
        printf("# %s\n", opened.what);
    }
    return is_ok(opened);
}

void fixture_stop_signer(struct fixture *fixture)
{
    signer_stop(fixture->signer);
}

void fixture_stop_committer(struct fixture *fixture)
{
    committer_free(STEAL(fixture->settings.committer));
}

static void free_requests(struct fixture *fixture)
{
    while (fixture->requests != NULL) {
        struct request *request = fixture->requests;
        fixture->requests = request->next;
        free(request->identifier);
        free(request->body);
        free(request);
    }
}

void fixture_close(struct fixture *fixture)
{
    signing_hold(false);
    if (fixture->store != NULL) {
        held_store_hold(fixture->store, HELD_NOWHERE);
    }
    fixture_stop_signer(fixture);
    fixture_stop_committer(fixture);
    signer_free(fixture->signer);
    slashing_store_close(fixture->store == NULL ? NULL : &fixture->store->base);
    key_table_free(fixture->settings.keys);
    vault_free(fixture->vault);
    free_requests(fixture);
}

struct look {
    struct pubkey pubkey;
    struct record_counts counts;
};

static struct result count_records(struct slashing_store *store, void *context)
{
    struct look *look = context;
    CLEANUP(history_done) struct history history = { .block_count = 0 };
    struct result loaded = store->ops->load_history(store, &look->pubkey, &history);
    look->counts.blocks = history.block_count;
    look->counts.attestations = history.attestation_count;
    return loaded.status == STATUS_NOT_FOUND ? OK : loaded;
}

struct record_counts fixture_records(struct fixture *fixture, uint32_t number)
{
    struct look look = { .pubkey = fixture_pubkey(number) };
    struct result looked = committer_call(fixture->settings.committer, count_records, &look);
    assert(is_ok(looked));
    return look.counts;
}

/* ---------------------------------------------------------------------------------- the requests
 */

#define FORK_INFO                                                                           \
    "\"fork_info\":{\"fork\":{\"previous_version\":\"0x04000000\","                         \
    "\"current_version\":\"0x05000000\",\"epoch\":\"364032\"},\"genesis_validators_root\":" \
    "\"0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95\"}"

static char *taken(struct buf *text)
{
    struct result fits = buf_check(text);
    assert(is_ok(fits));
    return buf_take(text);
}

char *vote_body(uint64_t source, uint64_t target, unsigned variant)
{
    BUF text = BUF_INIT(4096);
    buf_printf(&text,
               "{\"type\":\"ATTESTATION\"," FORK_INFO ",\"attestation\":{\"slot\":\"%" PRIu64
               "\",\"index\":\"0\",\"beacon_block_root\":\"0x%064x\",\"source\":{\"epoch\":"
               "\"%" PRIu64 "\",\"root\":\"0x%064x\"},\"target\":{\"epoch\":\"%" PRIu64
               "\",\"root\":\"0x%064x\"}}}",
               target * 32, variant, source, 1U, target, 2U);
    return taken(&text);
}

char *block_body(uint64_t slot, unsigned variant)
{
    BUF text = BUF_INIT(4096);
    buf_printf(&text,
               "{\"type\":\"BLOCK_V2\"," FORK_INFO
               ",\"beacon_block\":{\"version\":\"ELECTRA\",\"block_header\":{\"slot\":\"%" PRIu64
               "\",\"proposer_index\":\"5\",\"parent_root\":\"0x%064x\",\"state_root\":\"0x%064x\","
               "\"body_root\":\"0x%064x\"}}}",
               slot, 3U, 4U, variant);
    return taken(&text);
}

char *randao_body(uint64_t epoch)
{
    BUF text = BUF_INIT(4096);
    buf_printf(&text,
               "{\"type\":\"RANDAO_REVEAL\"," FORK_INFO ",\"randao_reveal\":{\"epoch\":\"%" PRIu64
               "\"}}",
               epoch);
    return taken(&text);
}

static struct root resolve(const struct fixture *fixture, const char *body)
{
    struct signing_request request = { 0 };
    struct signing_target target = { .protection = PROTECTION_NONE };
    struct result resolved = signing_request_parse(body, strlen(body), &request, NULL);
    if (is_ok(resolved)) {
        resolved = signing_request_resolve(&request, fixture->settings.network, &target, NULL);
    }
    signing_request_done(&request);
    return is_ok(resolved) ? target.signing_root : (struct root){ { 0 } };
}

/* Takes the answer over, and takes away at once all that the signer must not touch any more. */
static void on_done(const struct sign_answer *answer, void *context)
{
    struct request *request = context;
    bool recorded = held_store_has(request->fixture->store, &request->pubkey, &request->root);
    LOCK_SCOPE(&stage.mutex);
    request->answers++;
    request->was_recorded = recorded;
    request->answer = *answer;
    snprintf(request->reason, sizeof(request->reason), "%s", answer->reason);
    request->answer.reason = request->reason;
    free(STEAL(request->body));
    free(STEAL(request->identifier));
    pthread_cond_broadcast(&stage.changed);
}

static void enlist(struct request *request)
{
    LOCK_SCOPE(&stage.mutex);
    request->next = request->fixture->requests;
    request->fixture->requests = request;
}

struct request *fixture_ask_as(struct fixture *fixture, const char *identifier, char *body,
                               uint64_t age_ns)
{
    struct request *request = calloc(1, sizeof(*request));
    assert(request != NULL);
    request->fixture = fixture;
    request->identifier = strdup(identifier);
    request->body = body;
    request->root = resolve(fixture, body);
    if (!is_ok(hex_decode(identifier, strlen(identifier), request->pubkey.bytes, 48))) {
        request->pubkey = (struct pubkey){ { 0 } };
    }
    enlist(request);
    const struct sign_input input = {
        .identifier = request->identifier,
        .body = body,
        .body_size = strlen(body),
        .authorization = "the test's",
        .start_ns = clock_monotonic_ns() - age_ns,
        .done = on_done,
        .context = request,
    };
    signer_sign(fixture->signer, &input);
    return request;
}

struct request *fixture_ask(struct fixture *fixture, uint32_t number, char *body)
{
    char identifier[HEX_TEXT_SIZE(48)];
    struct pubkey pubkey = fixture_pubkey(number);
    hex_encode(pubkey.bytes, sizeof(pubkey.bytes), identifier);
    return fixture_ask_as(fixture, identifier, body, 0);
}

bool is_answered(struct request *request)
{
    struct timespec limit = waiting_limit();
    LOCK_SCOPE(&stage.mutex);
    while (request->answers == 0 && waiting_goes_on(&stage.changed, &stage.mutex, &limit)) {
    }
    return request->answers > 0;
}

bool is_waiting(struct request *request)
{
    LOCK_SCOPE(&stage.mutex);
    return request->answers == 0;
}

static bool was(bool fine, struct request *request)
{
    if (!fine) {
        printf("# answered %zu times; %s: %s\n", request->answers,
               sign_status_name(request->answer.status), request->reason);
    }
    return fine;
}

bool is_signed(struct request *request)
{
    bool answered = is_answered(request);
    LOCK_SCOPE(&stage.mutex);
    return was(
        answered && request->answers == 1 && request->answer.status == SIGN_OK &&
            request->reason[0] == '\0' &&
            bls_verify(request->pubkey.bytes, request->root.bytes, request->answer.signature.bytes),
        request);
}

bool is_refused(struct request *request, enum sign_status status, const char *words)
{
    static const struct signature none;
    bool answered = is_answered(request);
    LOCK_SCOPE(&stage.mutex);
    return was(answered && request->answers == 1 && request->answer.status == status &&
                   strstr(request->reason, words) != NULL && request->reason[0] != '\0' &&
                   memcmp(&request->answer.signature, &none, sizeof(none)) == 0,
               request);
}

bool all_answered_once(struct fixture *fixture)
{
    LOCK_SCOPE(&stage.mutex);
    bool once = true;
    for (struct request *at = fixture->requests; at != NULL; at = at->next) {
        once = was(at->answers == 1, at) && once;
    }
    return once;
}
