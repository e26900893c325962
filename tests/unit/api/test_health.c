#include "api/health.h"
#include "api/routes.h"
#include "exchange.h"
#include "harness.h"

#include "base/json.h"
#include "base/thread.h"

#include <stdlib.h>
#include <unistd.h>

TEST(the_store_counts_as_down_until_it_was_asked)
{
    struct health health;
    char reason[DETAIL_SIZE];
    health_init(&health);
    CHECK(!health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "not opened yet");
}

TEST(the_reason_is_told_while_it_is_down_and_forgotten_when_it_is_up)
{
    struct health health;
    struct detail detail = { "" };
    char reason[DETAIL_SIZE];
    health_init(&health);
    detail_set(&detail, "db.sqlite");
    health_set_store(&health, FAIL(UNAVAILABLE, "the disk is full"), &detail);
    CHECK(!health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "db.sqlite: the disk is full");
    health_set_store(&health, OK, &detail); /* what a detail says after OK means nothing */
    CHECK(health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "");
    health_set_store(&health, FAIL(UNAVAILABLE, "gone again"), NULL);
    CHECK(!health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "gone again");
}

TEST(a_store_that_says_nothing_for_long_is_down_until_it_speaks)
{
    static const uint64_t second_ns = 1000000000U;
    struct health health;
    char reason[DETAIL_SIZE];
    health_init(&health);
    health_set_store(&health, OK, NULL);
    health.heard_ns -= (HEALTH_SILENCE_SECONDS + 1) * second_ns;
    CHECK(!health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "the store does not answer; look at its disk");
    health_set_store(&health, FAIL(UNAVAILABLE, "the disk is full"), NULL);
    CHECK(!health_store_is_up(&health, reason));
    CHECK_TEXT(reason, "the disk is full");
    health_set_store(&health, OK, NULL);
    CHECK(health_store_is_up(&health, reason));
}

TEST(a_long_reason_is_cut_and_not_more)
{
    struct health health;
    struct detail detail;
    char reason[DETAIL_SIZE];
    health_init(&health);
    memset(detail.text, 'x', sizeof(detail.text) - 1);
    detail.text[sizeof(detail.text) - 1] = '\0';
    health_set_store(&health, FAIL(UNAVAILABLE, "the disk is full"), &detail);
    CHECK(!health_store_is_up(&health, reason));
    CHECK(strlen(reason) == DETAIL_SIZE - 1);
}

TEST(disk_figures_are_kept_whole)
{
    struct health health;
    uint64_t database = 1;
    uint64_t disk_free = 1;
    health_init(&health);
    health_disk(&health, &database, &disk_free);
    CHECK(database == 0 && disk_free == 0);
    health_set_disk(&health, UINT64_MAX, (uint64_t)5 << 40);
    health_disk(&health, &database, &disk_free);
    CHECK(database == UINT64_MAX);
    CHECK(disk_free == (uint64_t)5 << 40);
}

static void *change_often(void *context)
{
    struct detail detail = { "detail" };
    for (uint64_t i = 0; i < 2000; i++) {
        health_set_store(context, i % 2 == 0 ? OK : FAIL(UNAVAILABLE, "down"), &detail);
        health_set_disk(context, i, i);
    }
    return NULL;
}

TEST(readers_never_see_half_of_a_change)
{
    struct health health;
    pthread_t writer;
    health_init(&health);
    health_set_store(&health, OK, NULL);
    CHECK_OK(thread_start(&writer, "writer", change_often, &health));
    bool whole = true;
    for (int i = 0; i < 2000; i++) {
        char reason[DETAIL_SIZE];
        uint64_t database = 0;
        uint64_t disk_free = 0;
        bool up = health_store_is_up(&health, reason);
        whole = whole && strcmp(reason, up ? "" : "detail: down") == 0;
        health_disk(&health, &database, &disk_free);
        whole = whole && database == disk_free;
    }
    pthread_join(writer, NULL);
    CHECK(whole);
}

TEST(upcheck_answers_text_unless_json_is_named)
{
    static const struct {
        const char *accept;
        const char *body;
    } cases[] = {
        { "", "OK" },
        { "*/*", "OK" },
        { "text/plain", "OK" },
        { "application/json", "{\"status\":\"OK\"}" },
        { "text/html, Application/JSON;q=0.9", "{\"status\":\"OK\"}" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXCHANGE(exchange, METHOD_GET, "/upcheck");
        snprintf(exchange.request.accept, sizeof(exchange.request.accept), "%s", cases[i].accept);
        api_upcheck(NULL, &exchange, ""); /* it must need nothing */
        CHECK(exchange_status(&exchange) == 200);
        CHECK_TEXT(exchange_body(&exchange), cases[i].body);
        CHECK_TEXT(exchange.response.content_type,
                   cases[i].body[0] == '{' ? CONTENT_TYPE_JSON : CONTENT_TYPE_TEXT);
    }
}

/* A reloader over one directory (NULL: none), and the health that /healthcheck speaks of. */
struct place {
    struct health health;
    struct vault *vault;
    struct key_table *keys;
    const char *path;
    struct kdf_gate gate;
    struct loader_settings settings;
    struct loader *loader;
    struct api api;
};

static void place_close(struct place *place)
{
    reloader_free(place->api.reloader);
    loader_free(place->loader);
    key_table_free(place->keys);
    vault_free(place->vault);
}

static struct result place_open(struct place *place, const char *path)
{
    *place = (struct place){ .path = path };
    health_init(&place->health);
    kdf_gate_init(&place->gate, 1 << 20);
    place->settings = (struct loader_settings){ .paths = &place->path,
                                                .path_count = path == NULL ? 0 : 1,
                                                .keystore_concurrency = 1,
                                                .raw_concurrency = 1,
                                                .gate = &place->gate };
    TRY(vault_new(16, VAULT_LOCK_OPTIONAL, &place->vault));
    TRY(key_table_new(place->vault, &place->keys));
    TRY(loader_new(&place->settings, place->keys, &place->loader));
    place->api.health = &place->health;
    return reloader_new(place->loader, &place->api.reloader);
}

static void load_keys(struct place *place)
{
    (void)reloader_start(place->api.reloader);
    reloader_wait(place->api.reloader);
}

/* What /healthcheck says, in one line: status, store, keys, loaded, errors, state, reason. */
static const char *healthcheck(struct place *place)
{
    static char line[1024];
    EXCHANGE(exchange, METHOD_GET, "/healthcheck");
    api_healthcheck(&place->api, &exchange, "");
    unsigned status = exchange_status(&exchange);
    CLEANUP(json_free_ptr) struct json *body = NULL;
    if (!is_ok(
            json_parse(exchange_body(&exchange), strlen(exchange_body(&exchange)), &body, NULL))) {
        return "no JSON";
    }
    const struct json *checks = json_member(body, "checks");
    const struct json *store = json_item(checks, 1);
    const struct json *keys = json_item(checks, 2);
    const struct json *data = json_member(json_item(json_member(keys, "checks"), 0), "data");
    const char *outcome = json_as_text(json_member(body, "outcome"), NULL);
    const char *all = json_as_text(json_member(body, "status"), NULL);
    const char *reason = json_as_text(json_member(json_member(store, "data"), "reason"), NULL);
    int64_t loaded = -1;
    int64_t errors = -1;
    (void)json_as_integer(json_member(data, "keys-loaded"), &loaded);
    (void)json_as_integer(json_member(data, "error-count"), &errors);
    if (outcome == NULL || all == NULL || strcmp(outcome, all) != 0) {
        return "outcome and status differ";
    }
    snprintf(line, sizeof(line), "%u %s store=%s keys=%s loaded=%d errors=%d %s %s", status, all,
             json_as_text(json_member(store, "status"), NULL),
             json_as_text(json_member(keys, "status"), NULL), (int)loaded, (int)errors,
             json_as_text(json_member(data, "state"), NULL), reason == NULL ? "" : reason);
    return line;
}

TEST(ready_means_store_up_and_keys_loaded)
{
    CLEANUP(place_close) struct place place;
    CHECK_OK(place_open(&place, NULL));
    CHECK_TEXT(healthcheck(&place),
               "503 DOWN store=DOWN keys=DOWN loaded=0 errors=0 idle not opened yet");
    health_set_store(&place.health, OK, NULL);
    CHECK_TEXT(healthcheck(&place), "503 DOWN store=UP keys=DOWN loaded=0 errors=0 idle ");
    load_keys(&place);
    CHECK_TEXT(healthcheck(&place), "200 UP store=UP keys=UP loaded=0 errors=0 completed ");
    health_set_store(&place.health, FAIL(UNAVAILABLE, "the disk is full"), NULL);
    CHECK_TEXT(healthcheck(&place),
               "503 DOWN store=DOWN keys=UP loaded=0 errors=0 completed the disk is full");
}

TEST(keys_that_could_not_be_looked_for_are_not_ready)
{
    CLEANUP(place_close) struct place place;
    CHECK_OK(place_open(&place, "/nowhere/at/all"));
    health_set_store(&place.health, OK, NULL);
    load_keys(&place);
    const char *line = healthcheck(&place);
    CHECK(strncmp(line, "503 DOWN store=UP keys=DOWN loaded=0 ", 37) == 0);
    CHECK(strstr(line, " failed ") != NULL);
}

static bool write_bad_key(const char *folder)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/bad.yaml", folder);
    FILE *file = fopen(path, "wxe");
    bool written = file != NULL && fputs("type: nonsense\n", file) > 0;
    return file != NULL && fclose(file) == 0 && written;
}

static void remove_bad_key(const char *folder)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/bad.yaml", folder);
    (void)remove(path);
    (void)rmdir(folder);
}

TEST(a_bad_key_file_is_told_and_the_others_still_sign)
{
    char folder[] = "/tmp/chamber-health-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    CHECK(write_bad_key(folder));
    CLEANUP(place_close) struct place place;
    CHECK_OK(place_open(&place, folder));
    health_set_store(&place.health, OK, NULL);
    load_keys(&place);
    remove_bad_key(folder);
    CHECK_TEXT(healthcheck(&place),
               "200 UP store=UP keys=UP loaded=0 errors=1 completed_with_errors ");
}

HARNESS_TESTS(T(the_store_counts_as_down_until_it_was_asked),
              T(the_reason_is_told_while_it_is_down_and_forgotten_when_it_is_up),
              T(a_store_that_says_nothing_for_long_is_down_until_it_speaks),
              T(a_long_reason_is_cut_and_not_more), T(disk_figures_are_kept_whole),
              T(readers_never_see_half_of_a_change), T(upcheck_answers_text_unless_json_is_named),
              T(ready_means_store_up_and_keys_loaded),
              T(keys_that_could_not_be_looked_for_are_not_ready),
              T(a_bad_key_file_is_told_and_the_others_still_sign))
