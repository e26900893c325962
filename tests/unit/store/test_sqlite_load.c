#include "store/sqlite_load.h"

#include "sqlite_test.h"

TEST(a_database_of_ours_opens)
{
    CHECK(make_database());
    for (int times = 0; times < 3; times++) {
        CHECK(OPENS_WITH(OK, NULL));
    }
}

TEST(another_network_is_refused_naming_both)
{
    CHECK(make_database());
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    struct root other = { { 0x77 } };
    CHECK_FAILS(BAD_INPUT, sqlite_store_open(database_path(), true, &other, &store, &detail));
    CHECK(strstr(detail.text, "root 0x5a00") != NULL && strstr(detail.text, "not 0x7700") != NULL);
    CHECK(OPENS_WITH(OK, NULL));
}

TEST(rows_that_were_changed_by_hand_are_noticed)
{
    static const char *const changes[] = {
        "DELETE FROM attestations WHERE validator = 3",
        "DELETE FROM blocks",
        "UPDATE attestations SET root = zeroblob(32) WHERE validator = 1",
        "UPDATE attestations SET root = NULL WHERE validator = 1",
        "UPDATE attestations SET source = source - 1 WHERE target = -9223372036854775800",
        "UPDATE attestations SET source = source + 3 WHERE target = -9223372036854775800",
        "UPDATE attestations SET target = target + 100 WHERE target = -9223372036854775796",
        "UPDATE attestations SET root = x'00' WHERE validator = 1",
        "UPDATE attestations SET validator = 9 WHERE validator = 8",
        "UPDATE attestations SET validator = 0 WHERE validator = 8",
        "UPDATE blocks SET slot = slot + 1 WHERE validator = 1",
        "UPDATE blocks SET validator = 99 WHERE validator = 1",
        "UPDATE validators SET enabled = 0 WHERE id = 1",
        "UPDATE validators SET target = target - 1 WHERE id = 1",
        "UPDATE validators SET target = NULL WHERE id = 1",
        "UPDATE validators SET source = NULL, target = NULL WHERE id = 1",
        "UPDATE validators SET block_slot = NULL WHERE id = 1",
        "UPDATE validators SET pubkey = x'00' WHERE id = 1",
        "UPDATE validators SET pubkey = zeroblob(48) WHERE id = 1",
        "UPDATE validators SET id = 77 WHERE id = 8",
        "DELETE FROM validators WHERE id = 8",
        "INSERT INTO validators VALUES (9, zeroblob(48), 1, NULL, NULL, NULL)",
        "INSERT INTO blocks VALUES (1, 5, NULL)",
        "UPDATE store SET ceiling_slot = NULL",
        "UPDATE store SET ceiling_slot = ceiling_slot - 1",
        "UPDATE store SET ceiling_epoch = 5",
        "UPDATE store SET tally_rows = tally_rows + 1",
        "UPDATE store SET tally_sum = tally_sum + 1",
        "DELETE FROM store",
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        CHECK(make_database());
        CHECK(run_sql(changes[i]));
        bool noticed = OPENS_WITH(UNAVAILABLE, "the database is damaged");
        if (!noticed) {
            printf("# %s\n", changes[i]);
        }
        CHECK(noticed);
        CHECK(OPENS_WITH(UNAVAILABLE, "the database is damaged")); /* and stays so */
    }
}

/* Rows that our own functions wrote, so that the tally is right, and that no run of the rules
 * gives. */
static bool make_contradiction(const struct signed_attestation *votes, size_t count, uint32_t id)
{
    struct slashing_store *base = NULL;
    bool made = make_database() && is_ok(open_database(&base, NULL)) &&
                is_ok(sqlite_store_begin(sqlite_store_of(base)));
    for (size_t i = 0; made && i < count; i++) {
        made = is_ok(sqlite_store_add_attestation(sqlite_store_of(base), id, &votes[i]));
    }
    made = made && is_ok(sqlite_store_commit(sqlite_store_of(base)));
    slashing_store_close(base);
    return made;
}

TEST(records_that_contradict_each_other_are_noticed_though_the_tally_is_right)
{
    const struct signed_attestation clean = vote_of(12, 13, 1);
    const struct signed_attestation around = vote_of(10, 14, 1);
    const struct signed_attestation inside[] = { vote_of(12, 20, 1), vote_of(13, 19, 1) };
    const struct signed_attestation turned = vote_of(30, 13, 1);
    CHECK(make_contradiction(&clean, 1, 1));
    CHECK(OPENS_WITH(OK, NULL));
    CHECK(make_contradiction(&around, 1, 1));
    CHECK(OPENS_WITH(UNAVAILABLE, "attestations: two that contradict each other"));
    CHECK(make_contradiction(inside, 2, 1));
    CHECK(OPENS_WITH(UNAVAILABLE, "attestations: two that contradict each other"));
    CHECK(make_contradiction(&turned, 1, 1));
    CHECK(OPENS_WITH(UNAVAILABLE, "attestations: two that contradict each other"));
    CHECK(make_contradiction(&clean, 1, 99));
    CHECK(OPENS_WITH(UNAVAILABLE, "attestations: rows out of order"));
}

TEST(records_without_a_watermark_are_noticed_though_the_tally_is_right)
{
    struct slashing_store *base = fresh_store();
    CHECK(base != NULL);
    struct pubkey pubkey = key_of(1);
    struct signed_attestation vote = vote_of(1, 2, 1);
    CHECK_OK(base->ops->set_enabled(base, &pubkey, true));
    CHECK_OK(sqlite_store_begin(sqlite_store_of(base)));
    CHECK_OK(sqlite_store_add_attestation(sqlite_store_of(base), 1, &vote));
    CHECK_OK(sqlite_store_commit(sqlite_store_of(base)));
    slashing_store_close(base);
    CHECK(OPENS_WITH(UNAVAILABLE, "attestations: an attestation without a watermark"));
    base = fresh_store();
    CHECK(base != NULL);
    struct signed_block block = block_of(5, 1);
    CHECK_OK(base->ops->set_enabled(base, &pubkey, true));
    CHECK_OK(sqlite_store_begin(sqlite_store_of(base)));
    CHECK_OK(sqlite_store_add_block(sqlite_store_of(base), 1, &block));
    CHECK_OK(sqlite_store_commit(sqlite_store_of(base)));
    slashing_store_close(base);
    CHECK(OPENS_WITH(UNAVAILABLE, "blocks: a block without a watermark"));
}

static size_t read_database(uint8_t *out, size_t size_max)
{
    FILE *file = fopen(database_path(), "r");
    size_t size = file == NULL ? 0 : fread(out, 1, size_max, file);
    if (file != NULL) {
        fclose(file);
    }
    return size;
}

enum { DATABASE_MAX = 1 << 18 };
static uint8_t whole[DATABASE_MAX];
static uint8_t damaged[DATABASE_MAX];

TEST(a_file_that_was_cut_anywhere_is_noticed)
{
    CHECK(make_database());
    size_t size = read_database(whole, sizeof(whole));
    CHECK(size > 8192 && size < sizeof(whole));
    for (size_t cut = 0; cut < size; cut += cut % 4096 == 0 || cut % 4096 == 4095 ? 1 : 819) {
        place_empty();
        CHECK(write_database(whole, cut));
        struct slashing_store *store = NULL;
        struct result opened = open_database(&store, NULL);
        CHECK(!is_ok(opened));
    }
    place_empty();
    CHECK(write_database(whole, size));
    CHECK(OPENS_WITH(OK, NULL));
}

static bool holds_everything(struct slashing_store *store)
{
    struct ceiling ceiling = { .has_slot = false };
    if (!is_ok(store->ops->load_ceiling(store, &ceiling)) || !ceiling.has_slot ||
        ceiling.slot.value != UINT64_MAX || ceiling.has_epoch) {
        return false;
    }
    for (uint64_t epoch = 1; epoch <= 12; epoch++) {
        for (uint32_t key = 1; key <= 8; key++) {
            if (decide_vote(store, key, epoch - 1, epoch, epoch + key) != VERDICT_REPEAT ||
                decide_vote(store, key, epoch - 1, epoch, 99) != VERDICT_DOUBLE_VOTE ||
                (epoch % 4 == 0 &&
                 decide_block(store, key, epoch * 32 + key, epoch) != VERDICT_REPEAT)) {
                return false;
            }
        }
    }
    return true;
}

/* Wherever a byte is changed: either the opening says so, or nothing that matters was changed. */
TEST(a_byte_that_was_changed_anywhere_is_noticed_or_does_not_matter)
{
    CHECK(make_database());
    size_t size = read_database(whole, sizeof(whole));
    struct dice dice = { 64738 };
    size_t noticed = 0;
    size_t rounds = harness_rounds(2000);
    for (size_t tries = 0; tries < rounds; tries++) {
        size_t at = tries < 100 ? tries : dice_roll(&dice, size);
        memcpy(damaged, whole, size);
        damaged[at] ^= (uint8_t)(1 + dice_roll(&dice, 255));
        place_empty();
        CHECK(write_database(damaged, size));
        struct slashing_store *store = NULL;
        struct result opened = open_database(&store, NULL);
        bool harmless = is_ok(opened) && holds_everything(store);
        if (is_ok(opened)) {
            slashing_store_close(store);
        }
        if (is_ok(opened) && !harmless) {
            printf("# byte %zu\n", at);
        }
        CHECK(!is_ok(opened) || harmless);
        noticed += !is_ok(opened);
    }
    CHECK(noticed > rounds / 10);
}

TEST(a_page_that_was_lost_is_noticed)
{
    CHECK(make_database());
    size_t size = read_database(whole, sizeof(whole));
    struct dice dice = { 1541 };
    for (size_t page = 0; page < size; page += 4096) {
        for (size_t other = 0; other <= size;
             other += 4096) { /* zeroed, or another page's contents */
            if (dice_roll(&dice, 100) >= harness_rounds(100)) {
                continue;
            }
            memcpy(damaged, whole, size);
            if (other == size) {
                memset(damaged + page, 0, 4096);
            } else {
                memcpy(damaged + page, whole + other, 4096);
            }
            place_empty();
            CHECK(write_database(damaged, size));
            struct slashing_store *store = NULL;
            struct result opened = open_database(&store, NULL);
            bool harmless = is_ok(opened) && holds_everything(store);
            if (is_ok(opened)) {
                slashing_store_close(store);
            }
            CHECK(harmless || !is_ok(opened));
        }
    }
}

/* A copy that was made of the database alone while a signer used it, or a -wal that was tidied
 * away. */
TEST(a_database_without_the_wal_that_belongs_to_it_is_refused)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    size_t size = read_database(whole, sizeof(whole));
    slashing_store_close(store);
    place_empty();
    CHECK(write_database(whole, size));
    CHECK(OPENS_WITH(UNAVAILABLE, "-wal"));
    FILE *empty = fopen(wal_path(), "w");
    CHECK(empty != NULL && fclose(empty) == 0);
    CHECK(OPENS_WITH(UNAVAILABLE, "-wal"));
    CHECK_OK(sqlite_store_accept_loss(database_path(), &test_network, NULL));
    CHECK(OPENS_WITH(OK, NULL));
}

TEST(a_wal_without_its_database_is_not_played_into_a_new_one)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    abandon(store);
    CHECK(unlink(database_path()) == 0 && exists(wal_path()));
    struct detail detail = { "" };
    CHECK_FAILS(UNAVAILABLE,
                sqlite_store_open(database_path(), true, &test_network, &store, &detail));
    CHECK(strstr(detail.text, database_path()) != NULL);
    CHECK(!exists(database_path()) && exists(wal_path()));
}

TEST(an_opening_that_fails_leaves_the_wal_where_it_is)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    abandon(store);
    struct root other = { { 0x77 } };
    CHECK_FAILS(BAD_INPUT, sqlite_store_open(database_path(), true, &other, &store, NULL));
    CHECK(exists(wal_path()));
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

int main(void)
{
    static const struct harness_test tests[] = {
        T(a_database_of_ours_opens),
        T(another_network_is_refused_naming_both),
        T(rows_that_were_changed_by_hand_are_noticed),
        T(records_that_contradict_each_other_are_noticed_though_the_tally_is_right),
        T(records_without_a_watermark_are_noticed_though_the_tally_is_right),
        T(a_file_that_was_cut_anywhere_is_noticed),
        T(a_byte_that_was_changed_anywhere_is_noticed_or_does_not_matter),
        T(a_page_that_was_lost_is_noticed),
        T(a_database_without_the_wal_that_belongs_to_it_is_refused),
        T(a_wal_without_its_database_is_not_played_into_a_new_one),
        T(an_opening_that_fails_leaves_the_wal_where_it_is)
    };
    place_in_memory(); /* thousands of databases */
    return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
