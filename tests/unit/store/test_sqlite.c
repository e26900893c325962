#include "store/sqlite.h"

#include "sqlite_test.h"

#include <signal.h>
#include <sys/wait.h>

static mode_t mode_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(all_files_are_private_whatever_the_umask)
{
    mode_t before = umask(0);
    STORE *store = fresh_store();
    umask(before);
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK(mode_of(database_path()) == 0600 && mode_of(wal_path()) == 0600);
}

TEST(a_database_is_made_only_when_asked)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    (void)database_path();
    place_empty();
    CHECK_FAILS(NOT_FOUND,
                sqlite_store_open(database_path(), false, &test_network, &store, &detail));
    CHECK_TEXT(detail.text, database_path());
    CHECK(!exists(database_path()));
    CHECK_FAILS(UNAVAILABLE,
                sqlite_store_open(place_path("no/folder"), true, &test_network, &store, &detail));
    CHECK(strstr(detail.text, "no/folder (No such file or directory)") != NULL);
}

TEST(a_second_opening_in_the_process_is_refused_and_does_not_disturb_the_first)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    struct slashing_store *second = NULL;
    struct detail detail = { "" };
    CHECK_FAILS(UNAVAILABLE, open_database(&second, &detail));
    CHECK(strstr(detail.text, database_path()) == detail.text);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK_FAILS(UNAVAILABLE, open_database(&second, NULL));
}

/* A child that opens the store; its status says how that went. */
static int open_in_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct slashing_store *store = NULL;
        struct detail detail = { "" };
        char holder[64];
        struct result opened = open_database(&store, &detail);
        snprintf(holder, sizeof(holder), " (held by process %d)", (int)getppid());
        bool named = strstr(detail.text, holder) != NULL;
        _exit(is_ok(opened) ? 1 : opened.status == STATUS_UNAVAILABLE && named ? 2 : 3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_second_process_is_refused_and_told_who_holds_the_database)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(open_in_child() == 2);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK(open_in_child() == 2);
    slashing_store_close(store);
    CHECK(open_in_child() == 1); /* which left without closing: a crash */
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

/* Root may write anywhere, so another user tries. Its status: how opening went. */
static int open_as_nobody(bool create)
{
    pid_t child = fork();
    if (child == 0) {
        struct slashing_store *store = NULL;
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(99);
        }
        struct result opened =
            sqlite_store_open(database_path(), create, &test_network, &store, NULL);
        _exit(is_ok(opened) ? 1 : 10 + (int)opened.status);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(what_cannot_be_written_is_not_opened)
{
    struct slashing_store *store = fresh_store();
    char folder[PATH_MAX];
    CHECK(store != NULL);
    slashing_store_close(store);
    snprintf(folder, sizeof(folder), "%s", place_path("."));
    CHECK(chmod(folder, 0555) == 0 && chmod(database_path(), 0444) == 0);
    int read_only = open_as_nobody(false);
    int read_only_folder = chmod(database_path(), 0666) == 0 ? open_as_nobody(false) : 0;
    CHECK(unlink(database_path()) == 0 || geteuid() != 0);
    int nothing_there = open_as_nobody(true);
    CHECK(chmod(folder, 0700) == 0);
    CHECK(read_only == 10 + STATUS_UNAVAILABLE);
    CHECK(read_only_folder == 10 + STATUS_UNAVAILABLE);
    CHECK(geteuid() != 0 || nothing_there == 10 + STATUS_UNAVAILABLE);
}

TEST(a_warning_comes_with_an_opening_that_is_exposed)
{
    struct slashing_store *store = fresh_store();
    struct detail detail = { "stale" };
    char folder[PATH_MAX];
    CHECK(store != NULL);
    slashing_store_close(store);
    CHECK_OK(open_database(&store, &detail));
    slashing_store_close(store);
    CHECK_TEXT(detail.text, "");
    snprintf(folder, sizeof(folder), "%s", place_path("."));
    CHECK(chmod(folder, 0777) == 0);
    struct result opened = open_database(&store, &detail);
    CHECK(chmod(folder, 0700) == 0);
    CHECK_OK(opened);
    CHECK(strstr(detail.text, "writable by all") != NULL);
    slashing_store_close(store);
}

TEST(the_thorough_check_finds_what_contradicts)
{
    struct slashing_store *store = fresh_store();
    struct detail detail = { "" };
    char sql[160];
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 4, 5, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 5, 6, 1) == VERDICT_NEW);
    CHECK_OK(sqlite_store_check(store, &detail));
    CHECK_OK(sqlite_store_check(store, NULL));
    snprintf(sql, sizeof(sql), "UPDATE attestations SET source = %lld WHERE target = %lld",
             (long long)sqlite_from_u64(1), (long long)sqlite_from_u64(6));
    CHECK(run_inside(store, sql));
    CHECK_FAILS(UNAVAILABLE, sqlite_store_check(store, &detail));
    CHECK(strstr(detail.text, "source 4 to target 5") != NULL);
    abandon(store);
}

TEST(the_thorough_check_finds_a_damaged_page)
{
    struct slashing_store *store = fresh_store();
    struct detail detail = { "" };
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 4, 5, 1) == VERDICT_NEW);
    CHECK(run_inside(store, "PRAGMA ignore_check_constraints = ON;"
                            "INSERT INTO store VALUES (2, zeroblob(32), 0, 0, 0, NULL, NULL);"
                            "PRAGMA ignore_check_constraints = OFF"));
    CHECK_FAILS(UNAVAILABLE, sqlite_store_check(store, &detail));
    CHECK(strstr(detail.text, "CHECK constraint failed in store") != NULL);
    abandon(store);
}

TEST(accepting_a_loss_needs_a_database_of_the_network)
{
    struct detail detail = { "" };
    struct root other = { { 0x77 } };
    (void)database_path();
    place_empty();
    CHECK_FAILS(NOT_FOUND, sqlite_store_accept_loss(database_path(), &test_network, &detail));
    CHECK_TEXT(detail.text, database_path());
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK_FAILS(UNAVAILABLE, sqlite_store_accept_loss(database_path(), &test_network, NULL));
    slashing_store_close(store);
    CHECK_FAILS(BAD_INPUT, sqlite_store_accept_loss(database_path(), &other, NULL));
    CHECK_OK(sqlite_store_accept_loss(database_path(), &test_network, NULL));
}

TEST(closing_nothing_is_fine)
{
    slashing_store_close(NULL);
}

HARNESS_TESTS(T(all_files_are_private_whatever_the_umask), T(a_database_is_made_only_when_asked),
              T(a_second_opening_in_the_process_is_refused_and_does_not_disturb_the_first),
              T(a_second_process_is_refused_and_told_who_holds_the_database),
              T(what_cannot_be_written_is_not_opened),
              T(a_warning_comes_with_an_opening_that_is_exposed),
              T(the_thorough_check_finds_what_contradicts),
              T(the_thorough_check_finds_a_damaged_page),
              T(accepting_a_loss_needs_a_database_of_the_network), T(closing_nothing_is_fine))
