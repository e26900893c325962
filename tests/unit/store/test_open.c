#include "store/open.h"

#include "sqlite_test.h"

static struct result open_as(const char *backend, bool create, struct slashing_store **out,
                             struct detail *detail)
{
    return store_open(backend, database_path(), create, &test_network, out, detail);
}

TEST(each_name_gives_the_backend_of_that_name)
{
    static const char *const names[] = { "sqlite", "noop" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        STORE *store = NULL;
        struct detail detail = { "" };
        (void)database_path();
        place_empty();
        CHECK_OK(open_as(names[i], true, &store, &detail));
        CHECK_TEXT(store->ops->name, names[i]);
        CHECK(exists(database_path()) == (i == 0));
    }
}

/* A mistake in the name must never end with the store that allows everything. */
TEST(a_name_that_is_none_is_refused_and_opens_nothing)
{
    static const char *const names[] = { "",     "SQLite",  "sqlite ", " noop",   "noo",
                                         "none", "sqlite3", "memory",  "postgres" };
    (void)database_path();
    place_empty();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct slashing_store *store = NULL;
        struct detail detail = { "" };
        char line[DETAIL_SIZE];
        snprintf(line, sizeof(line), "anti_slashing.backend %s", names[i]);
        CHECK_FAILS(BAD_INPUT, open_as(names[i], true, &store, &detail));
        CHECK(store == NULL);
        CHECK_TEXT(detail.text, line);
        CHECK_FAILS(BAD_INPUT, open_as(names[i], true, &store, NULL));
    }
    CHECK(!exists(database_path()));
}

TEST(path_creation_and_network_reach_the_backend)
{
    static const struct root other_network = { { 0x5b } };
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    (void)database_path();
    place_empty();
    CHECK_FAILS(NOT_FOUND, open_as("sqlite", false, &store, &detail));
    CHECK_TEXT(detail.text, database_path());
    CHECK_OK(open_as("sqlite", true, &store, &detail));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    slashing_store_close(store);
    store = NULL;
    CHECK_FAILS(BAD_INPUT,
                store_open("sqlite", database_path(), true, &other_network, &store, &detail));
    CHECK(store == NULL);
    CHECK_OK(open_as("sqlite", false, &store, &detail));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

HARNESS_TESTS(T(each_name_gives_the_backend_of_that_name),
              T(a_name_that_is_none_is_refused_and_opens_nothing),
              T(path_creation_and_network_reach_the_backend))
