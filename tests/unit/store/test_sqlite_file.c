#include "store/sqlite_file.h"

#include "sqlite_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static bool make_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, mode) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_mode & 07777 : 0;
}

static struct result inspect(const char *path, struct sqlite_file *out)
{
    struct detail detail;
    return sqlite_file_inspect(path, out, &detail);
}

TEST(a_file_that_is_not_there_is_no_failure)
{
    struct sqlite_file file;
    (void)database_path();
    place_empty();
    CHECK_OK(inspect(database_path(), &file));
    CHECK(!file.exists && !file.has_wal && !file.is_exposed);
    CHECK_TEXT(file.path, database_path());
}

TEST(relative_paths_are_never_uris)
{
    struct sqlite_file file;
    CHECK_OK(inspect("file:nowhere?mode=memory", &file));
    CHECK_TEXT(file.path, "./file:nowhere?mode=memory");
    CHECK(!file.exists);
}

TEST(paths_that_lead_elsewhere_are_refused)
{
    struct sqlite_file file;
    char *long_path = calloc(1, PATH_MAX + 2);
    place_empty();
    CHECK(make_file(database_path(), "x", 0600));
    CHECK(symlink(database_path(), place_path("symbolic")) == 0);
    CHECK_FAILS(BAD_INPUT, inspect(place_path("symbolic"), &file));
    CHECK(symlink("nowhere", place_path("dangling")) == 0);
    CHECK_FAILS(BAD_INPUT, inspect(place_path("dangling"), &file));
    CHECK(link(database_path(), place_path("hard")) == 0);
    CHECK_FAILS(BAD_INPUT, inspect(place_path("hard"), &file));
    CHECK_FAILS(BAD_INPUT, inspect(database_path(), &file));
    CHECK(unlink(place_path("hard")) == 0);
    CHECK_OK(inspect(database_path(), &file));
    CHECK(mkfifo(place_path("fifo"), 0600) == 0);
    CHECK_FAILS(BAD_INPUT, inspect(place_path("fifo"), &file));
    CHECK_FAILS(BAD_INPUT, inspect("/", &file));
    CHECK_FAILS(BAD_INPUT, inspect("", &file));
    memset(long_path, 'a', PATH_MAX + 1);
    CHECK_FAILS(BAD_INPUT, inspect(long_path, &file));
    free(long_path);
    CHECK_FAILS(UNAVAILABLE, inspect("/dev/null/below", &file));
}

TEST(an_empty_file_is_a_lost_one)
{
    struct sqlite_file file;
    place_empty();
    CHECK(make_file(database_path(), "", 0600));
    CHECK_FAILS(UNAVAILABLE, inspect(database_path(), &file));
}

TEST(rights_of_others_are_taken_away)
{
    struct sqlite_file file;
    place_empty();
    CHECK(make_file(database_path(), "x", 0664) && make_file(wal_path(), "x", 0666));
    CHECK_OK(inspect(database_path(), &file));
    CHECK(file.exists && file.has_wal);
    CHECK(mode_of(database_path()) == 0600 && mode_of(wal_path()) == 0600);
    CHECK(make_file(wal_path(), "", 0600));
    CHECK_OK(inspect(database_path(), &file));
    CHECK(!file.has_wal);
}

TEST(a_folder_that_anybody_may_write_is_noticed)
{
    struct sqlite_file file;
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", place_path("."));
    place_empty();
    static const struct {
        mode_t mode;
        bool exposed;
    } cases[] = { { 0700, false }, { 0770, false }, { 0777, true }, { 01777, false } };
    for (size_t i = 0; i < 4; i++) {
        CHECK(chmod(folder, cases[i].mode) == 0);
        CHECK_OK(inspect(database_path(), &file));
        CHECK(file.is_exposed == cases[i].exposed);
    }
    CHECK(chmod(folder, 0700) == 0);
}

static struct result write_word(const char *path, void *context)
{
    ENSURE(strcmp(path, database_path()) != 0, BAD_INPUT, "not beside");
    ENSURE(mode_of(path) == 0600, BAD_INPUT, "not private from the first moment");
    ENSURE(!exists(database_path()), BAD_INPUT, "there too early");
    ENSURE(make_file(path, context, 0600), UNAVAILABLE, "cannot write");
    return OK;
}

static size_t files_in_place(void)
{
    size_t count = 0;
    DIR *folder = opendir(place_folder);
    for (struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

TEST(a_new_file_appears_whole_and_private)
{
    char word[] = "word";
    place_empty();
    mode_t before = umask(0);
    struct result created = sqlite_file_create(database_path(), write_word, word, NULL);
    umask(before);
    CHECK_OK(created);
    CHECK(mode_of(database_path()) == 0600 && files_in_place() == 1);
}

static struct result race(const char *path, void *context)
{
    TRY(write_word(path, context));
    ENSURE(make_file(database_path(), "theirs", 0600), UNAVAILABLE, "cannot write");
    return OK;
}

TEST(somebody_elses_new_file_is_not_replaced)
{
    char word[] = "ours";
    char text[10] = "";
    place_empty();
    CHECK_OK(sqlite_file_create(database_path(), race, word, NULL));
    FILE *file = fopen(database_path(), "r");
    CHECK(file != NULL && fgets(text, sizeof(text), file) != NULL && fclose(file) == 0);
    CHECK_TEXT(text, "theirs");
    CHECK(files_in_place() == 1);
}

static struct result give_up(const char *path, void *context)
{
    (void)path;
    (void)context;
    return FAIL(UNAVAILABLE, "no");
}

TEST(a_creation_that_fails_leaves_nothing)
{
    struct detail detail = { "" };
    place_empty();
    CHECK_FAILS(UNAVAILABLE, sqlite_file_create(database_path(), give_up, NULL, NULL));
    CHECK(files_in_place() == 0);
    CHECK_FAILS(UNAVAILABLE, sqlite_file_create("/nowhere/at/all", write_word, NULL, &detail));
    CHECK_TEXT(detail.text, " (No such file or directory)");
}

/* A process that holds a lock on the file until its end of the pipe is closed. */
static pid_t start_holder(int ends[2])
{
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        int fd = open(database_path(), O_RDWR);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        char byte = fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
        (void)!write(ends[1], &byte, 1);
        pause();
        _exit(0);
    }
    char byte = 'n';
    return read(ends[0], &byte, 1) == 1 && byte == 'y' ? child : -1;
}

TEST(the_holder_of_the_lock_is_named)
{
    struct detail detail = { "stale" };
    char wanted[64];
    int ends[2];
    place_empty();
    CHECK(make_file(database_path(), "x", 0600));
    sqlite_file_name_holder(database_path(), &detail);
    CHECK_TEXT(detail.text, "");
    pid_t holder = start_holder(ends);
    CHECK(holder > 0);
    sqlite_file_name_holder(database_path(), &detail);
    snprintf(wanted, sizeof(wanted), " (held by process %d)", (int)holder);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    CHECK_TEXT(detail.text, wanted);
    sqlite_file_name_holder(place_path("nowhere"), &detail);
    CHECK_TEXT(detail.text, "");
}

TEST(free_bytes_are_told)
{
    uint64_t bytes = 0;
    CHECK_OK(sqlite_file_free_bytes(place_path("."), &bytes));
    CHECK(bytes > 0);
    CHECK_FAILS(UNAVAILABLE, sqlite_file_free_bytes("/nowhere/at/all", &bytes));
}

HARNESS_TESTS(T(a_file_that_is_not_there_is_no_failure), T(relative_paths_are_never_uris),
              T(paths_that_lead_elsewhere_are_refused), T(an_empty_file_is_a_lost_one),
              T(rights_of_others_are_taken_away), T(a_folder_that_anybody_may_write_is_noticed),
              T(a_new_file_appears_whole_and_private), T(somebody_elses_new_file_is_not_replaced),
              T(a_creation_that_fails_leaves_nothing), T(the_holder_of_the_lock_is_named),
              T(free_bytes_are_told))
