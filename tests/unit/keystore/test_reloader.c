#include "keystore/reloader.h"

#include "harness.h"
#include "loader_fixture.h"
#include "support/keystore_maker.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>

/* A fixture's loader in a reloader's hands; ended before the loader. */
#define RELOADER()                                                           \
    CLEANUP(reloader_free_ptr) struct reloader *reloader = NULL;             \
    CHECK_OK(loader_new(&fixture.settings, fixture.table, &fixture.loader)); \
    CHECK_OK(reloader_new(fixture.loader, &reloader))

static struct reload_status load(struct reloader *reloader)
{
    (void)reloader_start(reloader);
    reloader_wait(reloader);
    return reloader_status(reloader);
}

/* A load that stays where it is, until the gate is opened: its one keystore is of scrypt, and the
 * gate has no room left. */
static bool put_scrypt(struct fixture *fixture, uint32_t number)
{
    uint8_t secret[32];
    keystore_maker_secret(number, secret);
    const struct keystore_recipe recipe = {
        .n = 1024, .r = 8, .p = 1, .password = "the password", .secret = secret
    };
    CLEANUP(free_ptr) char *text = keystore_make(&recipe);
    return put_text(fixture, "keys/held.json", text) &&
           put_text(fixture, "keys/held.password", "the password") &&
           put_text(fixture, "keys/held.yaml",
                    "type: file-keystore\nkeyType: BLS\nkeystoreFile: held.json\n"
                    "keystorePasswordFile: held.password\n");
}

enum { GATE_SIZE = 64 * 1024 * 1024 }; /* the fixture's */

/* Waits until a load has read key 1 and stands before the held one. */
static bool is_held(struct reloader *reloader)
{
    struct reload_status status = reloader_status(reloader);
    for (int i = 0; i < 60000 && (status.done < 1 || status.total < 2); i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        status = reloader_status(reloader);
    }
    return status.state == RELOAD_RUNNING && status.done == 1 && status.total == 2;
}

TEST(nothing_is_loaded_until_it_is_asked_for)
{
    FIXTURE(4);
    CHECK(put_raw(&fixture, "one", 1));
    RELOADER();
    reloader_wait(reloader); /* nothing runs: returns at once */
    struct reload_status status = reloader_status(reloader);
    CHECK(status.state == RELOAD_IDLE && !status.ever_completed && status.finished_seconds == 0);
    CHECK(key_table_count(fixture.table) == 0);
}

TEST(a_load_is_reported_with_what_it_did)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1) && put_keystore(&fixture, "two", 2));
    RELOADER();
    uint64_t before = clock_wall_seconds();
    struct reload_status status = load(reloader);
    CHECK(status.state == RELOAD_COMPLETED && status.ever_completed);
    CHECK(status.loaded == 2 && status.errors == 0 && status.failures_total == 0);
    CHECK(status.done == 2 && status.total == 2);
    CHECK_TEXT(status.last_error, "");
    CHECK(status.finished_seconds >= before && status.finished_seconds <= clock_wall_seconds());
    CHECK(status.duration_ns > 0);
    CHECK(has_key(&fixture, 1) && has_key(&fixture, 2));
}

TEST(loading_again_follows_the_files)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1) && put_raw(&fixture, "two", 2));
    RELOADER();
    CHECK(load(reloader).loaded == 2);
    CHECK(take_away(&fixture, "keys/one.yaml") && put_raw(&fixture, "three", 3));
    CHECK(key_table_count(fixture.table) == 2); /* not before it is asked for */
    CHECK(load(reloader).loaded == 2);
    CHECK(!has_key(&fixture, 1) && has_key(&fixture, 2) && has_key(&fixture, 3));
}

TEST(bad_files_are_told_and_counted_and_forgotten_when_they_are_mended)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1) && put_text(&fixture, "keys/bad.yaml", "type: none\n"));
    RELOADER();
    struct reload_status status = load(reloader);
    CHECK(status.state == RELOAD_COMPLETED_WITH_ERRORS && status.ever_completed);
    CHECK(status.loaded == 1 && status.errors == 1 && status.failures_total == 1);
    CHECK(strstr(status.last_error, "bad.yaml") != NULL);
    status = load(reloader);
    CHECK(status.errors == 1 && status.failures_total == 2);
    CHECK(put_raw(&fixture, "bad", 2));
    status = load(reloader);
    CHECK(status.state == RELOAD_COMPLETED && status.errors == 0 && status.loaded == 2);
    CHECK(status.failures_total == 2); /* of all loads */
    CHECK_TEXT(status.last_error, "");
}

TEST(a_load_that_fails_changes_nothing_and_says_why)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1));
    RELOADER();
    struct temp_path gone = temp_path(&fixture.dir, "gone");
    fixture.paths[0] = gone.text;
    struct reload_status status = load(reloader);
    CHECK(status.state == RELOAD_FAILED && !status.ever_completed);
    CHECK(strstr(status.last_error, gone.text) != NULL);
    CHECK(status.finished_seconds != 0);
    fixture.paths[0] = fixture.keys.text;
    CHECK(load(reloader).state == RELOAD_COMPLETED);
    fixture.paths[0] = gone.text;
    status = load(reloader);
    CHECK(status.state == RELOAD_FAILED && status.ever_completed);
    CHECK(status.loaded == 1 && has_key(&fixture, 1));
    CHECK(strstr(status.last_error, gone.text) != NULL);
}

TEST(one_load_runs_at_a_time_and_shows_how_far_it_is)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1) && put_scrypt(&fixture, 2));
    RELOADER();
    CHECK(kdf_gate_enter(&fixture.gate, GATE_SIZE));
    CHECK(reloader_start(reloader));
    CHECK(is_held(reloader));
    struct reload_status status = reloader_status(reloader);
    CHECK(status.state == RELOAD_RUNNING && !status.ever_completed);
    for (int i = 0; i < 3; i++) {
        CHECK(!reloader_start(reloader));
    }
    kdf_gate_leave(&fixture.gate, GATE_SIZE);
    reloader_wait(reloader);
    status = reloader_status(reloader);
    CHECK(status.state == RELOAD_COMPLETED && status.loaded == 2 && status.done == 2);
    CHECK(reloader_start(reloader)); /* and then the next may begin */
    reloader_wait(reloader);
    CHECK(reloader_status(reloader).loaded == 2);
}

TEST(freeing_ends_a_load_that_waits)
{
    FIXTURE(8);
    CHECK(put_raw(&fixture, "one", 1) && put_scrypt(&fixture, 2));
    RELOADER();
    CHECK(kdf_gate_enter(&fixture.gate, GATE_SIZE));
    CHECK(reloader_start(reloader));
    CHECK(is_held(reloader));
    reloader_free(STEAL(reloader));
    kdf_gate_leave(&fixture.gate, GATE_SIZE);
    CHECK(has_key(&fixture, 1) && !has_key(&fixture, 2)); /* what was loaded stays */
    reloader_free(NULL);
}

struct waiter {
    struct reloader *reloader;
    enum reload_state seen;
};

static void *wait_and_see(void *context)
{
    struct waiter *waiter = context;
    reloader_wait(waiter->reloader);
    waiter->seen = reloader_status(waiter->reloader).state;
    return NULL;
}

TEST(all_who_wait_are_woken)
{
    FIXTURE(8);
    struct waiter waiters[4];
    pthread_t threads[4];
    CHECK(put_scrypt(&fixture, 2));
    RELOADER();
    CHECK(kdf_gate_enter(&fixture.gate, GATE_SIZE));
    CHECK(reloader_start(reloader));
    for (size_t i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){ .reloader = reloader };
        CHECK(pthread_create(&threads[i], NULL, wait_and_see, &waiters[i]) == 0);
    }
    kdf_gate_leave(&fixture.gate, GATE_SIZE);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(waiters[i].seen == RELOAD_COMPLETED);
    }
}

struct starter {
    struct reloader *reloader;
    atomic_size_t *started;
};

static void *start_often(void *context)
{
    struct starter *starter = context;
    for (size_t i = 0; i < 50; i++) {
        atomic_fetch_add(starter->started, reloader_start(starter->reloader));
        (void)reloader_status(starter->reloader);
    }
    return NULL;
}

/* Each load that was started found the one bad file: none was started and forgotten. */
TEST(every_load_that_was_started_is_run)
{
    FIXTURE(8);
    struct starter starters[4];
    pthread_t threads[4];
    atomic_size_t started = 0;
    CHECK(put_text(&fixture, "keys/bad.yaml", "type: none\n"));
    RELOADER();
    for (size_t i = 0; i < 4; i++) {
        starters[i] = (struct starter){ .reloader = reloader, .started = &started };
        CHECK(pthread_create(&threads[i], NULL, start_often, &starters[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    reloader_wait(reloader);
    CHECK(atomic_load(&started) > 0);
    CHECK(reloader_status(reloader).failures_total == atomic_load(&started));
}

TEST(each_state_has_a_name_of_its_own)
{
    for (enum reload_state i = RELOAD_IDLE; i <= RELOAD_FAILED; i++) {
        CHECK(reload_state_name(i) != NULL && reload_state_name(i)[0] != '\0');
        for (enum reload_state j = RELOAD_IDLE; j < i; j++) {
            CHECK(strcmp(reload_state_name(i), reload_state_name(j)) != 0);
        }
    }
    CHECK_TEXT(reload_state_name(RELOAD_COMPLETED_WITH_ERRORS), "completed_with_errors");
}

HARNESS_TESTS(T(nothing_is_loaded_until_it_is_asked_for), T(a_load_is_reported_with_what_it_did),
              T(loading_again_follows_the_files),
              T(bad_files_are_told_and_counted_and_forgotten_when_they_are_mended),
              T(a_load_that_fails_changes_nothing_and_says_why),
              T(one_load_runs_at_a_time_and_shows_how_far_it_is), T(freeing_ends_a_load_that_waits),
              T(all_who_wait_are_woken), T(every_load_that_was_started_is_run),
              T(each_state_has_a_name_of_its_own))
