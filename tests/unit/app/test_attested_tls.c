#include "app/attested_tls.h"

#include "../attest/module.h"
#include "harness.h"

#include <stdatomic.h>
#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000, MINUTE = 60, KEY_MAX = 256 };

static const uint8_t configuration[SHA384_SIZE] = { 1, 2, 3 };

/* Seconds since 1970, for the server and the module. */
static atomic_uint_fast64_t now;
static struct detail detail;

static uint64_t tell_now(void)
{
    return atomic_load(&now);
}

/* A server with a module, at MAKER_NOW. */
struct place {
    struct module module;
    struct attested_tls_settings settings;
    struct attested_tls *tls;
};

static void place_done(struct place *place)
{
    attested_tls_free(place->tls);
    module_done(&place->module);
}

static void place_init(struct place *place, int64_t leaf_until)
{
    memset(place, 0, sizeof(*place));
    atomic_store(&now, MAKER_NOW);
    module_init(&place->module, configuration, -MAKER_HOUR, leaf_until);
    place->settings = (struct attested_tls_settings){
        .attestor = module_attestor(&place->module),
        .now_seconds = tell_now,
    };
    memcpy(place->settings.configuration, configuration, SHA384_SIZE);
}

static struct result place_open(struct place *place)
{
    return attested_tls_new(&place->settings, &place->tls, &detail);
}

#define PLACE(name, leaf_until)            \
    CLEANUP(place_done) struct place name; \
    place_init(&name, leaf_until)

/* No renewal is under way: the module's clock may be set. */
static void go_to(struct place *place, uint64_t seconds)
{
    atomic_store(&now, MAKER_NOW + seconds);
    place->module.now_seconds = MAKER_NOW + seconds;
}

/* The public key in the slot; empty when that is. */
struct shown {
    char key[KEY_MAX];
    size_t size;
};

static struct shown shown_by(struct place *place)
{
    struct shown shown = { .size = 0 };
    BUF key = BUF_INIT(KEY_MAX);
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = tls_slot_take(attested_tls_slot(place->tls));
    if (context != NULL) {
        tls_context_key(context, &key);
        memcpy(shown.key, key.data, key.size);
        shown.size = key.size;
    }
    return shown;
}

static bool is_same(const struct shown *a, const struct shown *b)
{
    return a->size == b->size && memcmp(a->key, b->key, a->size) == 0;
}

/* Runs until something else is shown than `before`. */
static bool changes(struct place *place, const struct shown *before)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        attested_tls_run(place->tls);
        struct shown shown = shown_by(place);
        if (!is_same(&shown, before)) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

/* Runs once, and waits until what that began is done: how often the module was asked since. */
static unsigned calls_of_one_run(struct place *place)
{
    unsigned before = atomic_load(&place->module.calls);
    attested_tls_run(place->tls);
    attested_tls_free(STEAL(place->tls));
    return atomic_load(&place->module.calls) - before;
}

TEST(the_first_identity_is_there_at_once)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    CHECK(shown_by(&place).size > 0);
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + MAKER_HOUR);
    CHECK(attested_tls_attestor(place.tls)->context == &place.module);
    CHECK(memcmp(attested_tls_configuration(place.tls), configuration, SHA384_SIZE) == 0);
}

TEST(without_a_first_identity_there_is_no_server)
{
    PLACE(place, 2 * MAKER_HOUR);
    place.module.result = FAIL(UNAVAILABLE, "no module");
    CHECK_FAILS(UNAVAILABLE, place_open(&place));
    CHECK(place.tls == NULL);
    place.module.result = OK;
    place.module.configuration = pcr_of("other", 5);
    CHECK_FAILS(REFUSED, place_open(&place));
    CHECK(strncmp(detail.text, "configuration", 13) == 0);
}

/* Whether the module is asked again `seconds` after the first time. */
static bool renews_at(int64_t leaf_until, unsigned renew_s, uint64_t seconds)
{
    PLACE(place, leaf_until);
    place.settings.renew_s = renew_s;
    if (!is_ok(place_open(&place))) {
        abort();
    }
    go_to(&place, seconds);
    return calls_of_one_run(&place) == 1;
}

TEST(it_is_renewed_after_half_an_hour)
{
    CHECK(!renews_at(2 * MAKER_HOUR, 0, 0));
    CHECK(!renews_at(2 * MAKER_HOUR, 0, 30 * MINUTE - 1));
    CHECK(renews_at(2 * MAKER_HOUR, 0, 30 * MINUTE));
    CHECK(!renews_at(2 * MAKER_HOUR, 7, 6));
    CHECK(renews_at(2 * MAKER_HOUR, 7, 7));
}

TEST(it_is_renewed_a_quarter_of_an_hour_before_the_leaf_ends)
{
    CHECK(!renews_at(40 * MINUTE, 0, 25 * MINUTE - 1));
    CHECK(renews_at(40 * MINUTE, 0, 25 * MINUTE));
    CHECK(!renews_at(45 * MINUTE, 0, 30 * MINUTE - 1)); /* both at once */
    CHECK(renews_at(45 * MINUTE, 0, 30 * MINUTE));
}

TEST(a_leaf_that_ends_soon_is_asked_for_again_and_again)
{
    static const int64_t left[] = { 15 * MINUTE + 5, 15 * MINUTE, 5 * MINUTE, 20 };
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        CHECK(!renews_at(left[i], 0, ATTESTED_TLS_RETRY_S - 1));
        CHECK(renews_at(left[i], 0, ATTESTED_TLS_RETRY_S));
    }
}

TEST(a_clock_that_went_back_renews)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    struct shown first = shown_by(&place);
    go_to(&place, (uint64_t)-1);
    CHECK(changes(&place, &first));
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + MAKER_HOUR - 1);
}

TEST(a_renewal_has_a_new_key_and_leaves_the_old_one_to_its_connections)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    struct shown first = shown_by(&place);
    CLEANUP(tls_context_release_ptr)
    struct tls_context *held = tls_slot_take(attested_tls_slot(place.tls));
    BUF key = BUF_INIT(KEY_MAX);
    go_to(&place, 30 * MINUTE);
    CHECK(changes(&place, &first));
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + 30 * MINUTE + MAKER_HOUR);
    tls_context_key(held, &key);
    CHECK(key.size == first.size && memcmp(key.data, first.key, key.size) == 0);
    CHECK(atomic_load(&place.module.calls) == 2);
    struct shown second = shown_by(&place);
    go_to(&place, 60 * MINUTE);
    CHECK(changes(&place, &second));
    struct shown third = shown_by(&place);
    CHECK(third.size > 0 && !is_same(&third, &first));
}

/* Runs until the module was asked so often in all, and what it said was taken note of: then the
 * next renewal is not due at once. */
static bool is_asked(struct place *place, unsigned calls)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        attested_tls_run(place->tls);
        if (atomic_load(&place->module.calls) == calls && !attested_tls_is_renewing(place->tls)) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

TEST(a_renewal_that_fails_is_tried_again_after_a_while_and_the_old_identity_stays)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    struct shown first = shown_by(&place);
    place.module.result = FAIL(UNAVAILABLE, "not now");
    go_to(&place, 30 * MINUTE);
    CHECK(is_asked(&place, 2));
    struct shown after = shown_by(&place);
    CHECK(is_same(&first, &after));
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + MAKER_HOUR);
    go_to(&place, 30 * MINUTE + ATTESTED_TLS_RETRY_S - 1);
    attested_tls_run(place.tls);
    CHECK(!attested_tls_is_renewing(place.tls));
    place.module.result = OK;
    go_to(&place, 30 * MINUTE + ATTESTED_TLS_RETRY_S);
    CHECK(changes(&place, &first));
    CHECK(atomic_load(&place.module.calls) == 3);
}

TEST(an_identity_that_has_expired_leaves_the_slot_empty_until_there_is_another)
{
    static const struct shown nothing;
    PLACE(place, 50 * MINUTE);
    CHECK_OK(place_open(&place));
    struct shown first = shown_by(&place);
    place.module.result = FAIL(UNAVAILABLE, "not now");
    go_to(&place, 50 * MINUTE - 1);
    CHECK(is_asked(&place, 2));
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + 50 * MINUTE);
    go_to(&place, 50 * MINUTE);
    attested_tls_run(place.tls);
    struct shown after = shown_by(&place);
    CHECK(first.size > 0 && after.size == 0);
    CHECK(attested_tls_expiry(place.tls) == 0);
    maker_done(&place.module.chain);
    place.module.chain = maker_plans();
    maker_make(&place.module.chain);
    place.module.result = OK;
    go_to(&place, 51 * MINUTE);
    CHECK(changes(&place, &nothing));
    CHECK(attested_tls_expiry(place.tls) == MAKER_NOW + 51 * MINUTE + MAKER_HOUR);
}

/* Lines on stderr while 31 renewals fail. */
static size_t lines_of_failures(struct place *place)
{
    char line[512];
    size_t lines = 0;
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    place->module.result = FAIL(UNAVAILABLE, "not now");
    dup2(fileno(file), STDERR_FILENO);
    for (unsigned i = 0; i <= ATTESTED_TLS_TOLD_EACH; i++) {
        go_to(place, 30 * MINUTE + i * ATTESTED_TLS_RETRY_S);
        lines += is_asked(place, 2 + i) ? 0 : 1000;
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        lines += strstr(line, "could not be renewed") != NULL && strstr(line, "not now") != NULL;
    }
    fclose(file);
    return lines;
}

TEST(failures_are_logged_but_not_each_of_them)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    CHECK(lines_of_failures(&place) == 2);
}

/* A module that does not answer before it is let. */
static atomic_bool is_let;
static atomic_uint waiting;

static struct result attest_when_let(void *context, const struct attestation_claims *claims,
                                     struct buf *out)
{
    const struct attestor module = module_attestor(context);
    atomic_fetch_add(&waiting, 1);
    for (int i = 0; i < PATIENCE_MS && !atomic_load(&is_let); i++) {
        usleep(1000);
    }
    return module.attest(module.context, claims, out);
}

TEST(a_module_that_takes_its_time_holds_up_nobody)
{
    PLACE(place, 2 * MAKER_HOUR);
    place.settings.attestor.attest = attest_when_let;
    atomic_store(&is_let, true);
    CHECK_OK(place_open(&place));
    struct shown first = shown_by(&place);
    atomic_store(&is_let, false);
    go_to(&place, 30 * MINUTE);
    for (int i = 0; i < 100; i++) {
        attested_tls_run(place.tls); /* one renewal at a time */
    }
    CHECK(attested_tls_is_renewing(place.tls));
    struct shown meanwhile = shown_by(&place);
    CHECK(is_same(&first, &meanwhile));
    atomic_store(&is_let, true);
    CHECK(changes(&place, &first));
    CHECK(atomic_load(&waiting) == 2);
}

TEST(what_is_being_made_when_the_server_ends_is_waited_for)
{
    PLACE(place, 2 * MAKER_HOUR);
    CHECK_OK(place_open(&place));
    go_to(&place, 30 * MINUTE);
    CHECK(calls_of_one_run(&place) == 1);
    attested_tls_free(NULL);
}

HARNESS_TESTS(T(the_first_identity_is_there_at_once),
              T(without_a_first_identity_there_is_no_server), T(it_is_renewed_after_half_an_hour),
              T(it_is_renewed_a_quarter_of_an_hour_before_the_leaf_ends),
              T(a_leaf_that_ends_soon_is_asked_for_again_and_again),
              T(a_clock_that_went_back_renews),
              T(a_renewal_has_a_new_key_and_leaves_the_old_one_to_its_connections),
              T(a_renewal_that_fails_is_tried_again_after_a_while_and_the_old_identity_stays),
              T(an_identity_that_has_expired_leaves_the_slot_empty_until_there_is_another),
              T(failures_are_logged_but_not_each_of_them),
              T(a_module_that_takes_its_time_holds_up_nobody),
              T(what_is_being_made_when_the_server_ends_is_waited_for))
