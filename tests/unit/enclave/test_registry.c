#include "enclave/registry.h"

#include "base/file.h"
#include "base/usage.h"
#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A runtime directory of its own. */
struct bench {
    struct registry registry;
    struct enclave_record record;
    struct enclave_record found;
    bool alive;
    struct detail detail;
};

static bool bench_init(struct bench *bench)
{
    char folder[] = "/tmp/enclave-registry-XXXXXX";
    *bench = (struct bench){ .record = { .name = "one", .image = "/i" } };
    return mkdtemp(folder) != NULL &&
           is_ok(registry_open(folder, false, &bench->registry, &bench->detail));
}

static char *path_of(const struct bench *bench, const char *name, const char *suffix)
{
    char *path = calloc(1, PATH_MAX);
    (void)!registry_path(&bench->registry, name, suffix, path, PATH_MAX);
    return path;
}

static void remove_file(const struct bench *bench, const char *name, const char *suffix)
{
    CLEANUP(free_ptr) char *path = path_of(bench, name, suffix);
    (void)unlink(path);
}

static void bench_done(struct bench *bench)
{
    registry_remove(&bench->registry, "one");
    registry_remove(&bench->registry, "two");
    remove_file(bench, "", "lock");
    if (rmdir(bench->registry.folder) != 0) {
        printf("# left in %s\n", bench->registry.folder);
    }
}

#define BENCH(name)                        \
    CLEANUP(bench_done) struct bench name; \
    CHECK(bench_init(&(name)))

static struct result find(struct bench *bench, const char *name)
{
    return registry_find(&bench->registry, name, &bench->found, &bench->alive, &bench->detail);
}

/* A record of a process that is no more. */
static struct enclave_record of_the_dead(const struct bench *bench)
{
    struct enclave_record record = bench->record;
    record.launcher = fork();
    if (record.launcher == 0) {
        _exit(0);
    }
    (void)waitpid(record.launcher, NULL, 0);
    record.launcher_start = 1;
    return record;
}

TEST(a_claimed_name_is_found_alive_until_it_is_removed)
{
    BENCH(bench);
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CHECK(bench.record.launcher == getpid() && bench.record.launcher_start > 0);
    CHECK_OK(find(&bench, "one"));
    CHECK(bench.alive && bench.found.launcher == getpid());
    registry_remove(&bench.registry, "one");
    CHECK_FAILS(NOT_FOUND, find(&bench, "one"));
}

TEST(a_records_file_is_the_owners_alone)
{
    BENCH(bench);
    struct stat info;
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CLEANUP(free_ptr) char *path = path_of(&bench, "one", ".json");
    CHECK(stat(path, &info) == 0 && (info.st_mode & 07777) == 0600);
}

TEST(a_name_is_claimed_once)
{
    BENCH(bench);
    struct enclave_record second = bench.record;
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CHECK_FAILS(REFUSED, registry_claim(&bench.registry, &second, &bench.detail));
    snprintf(second.name, sizeof(second.name), "two");
    CHECK_OK(registry_claim(&bench.registry, &second, &bench.detail));
}

TEST(what_a_dead_launcher_left_is_found_dead_and_gives_its_name_back)
{
    BENCH(bench);
    struct enclave_record dead = of_the_dead(&bench);
    CHECK_OK(registry_save(&bench.registry, &dead, &bench.detail));
    CLEANUP(free_ptr) char *socket = path_of(&bench, "one", REGISTRY_DEVICE);
    CHECK_OK(file_write(socket, "", 0, &bench.detail));
    CHECK_OK(find(&bench, "one"));
    CHECK(!bench.alive && registry_open_launcher(&dead) == -1);
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CHECK_OK(find(&bench, "one"));
    CHECK(bench.alive && access(socket, F_OK) != 0);
}

TEST(only_a_dead_launchers_record_is_removed_for_it)
{
    BENCH(bench);
    struct enclave_record dead = of_the_dead(&bench);
    CHECK_FAILS(NOT_FOUND, registry_remove_dead(&bench.registry, "one", &bench.detail));
    CHECK_OK(registry_save(&bench.registry, &dead, &bench.detail));
    CHECK_OK(registry_remove_dead(&bench.registry, "one", &bench.detail));
    CHECK_FAILS(NOT_FOUND, find(&bench, "one"));
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CHECK_FAILS(REFUSED, registry_remove_dead(&bench.registry, "one", &bench.detail));
    CHECK_OK(find(&bench, "one"));
    CHECK(bench.alive);
}

TEST(a_process_that_got_the_dead_launchers_number_is_not_it)
{
    BENCH(bench);
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    struct enclave_record other = bench.record;
    other.launcher_start++;
    CHECK(registry_open_launcher(&other) == -1);
    CHECK_OK(registry_save(&bench.registry, &other, &bench.detail));
    CHECK_OK(find(&bench, "one"));
    CHECK(!bench.alive);
    other.launcher = getppid(); /* another process, which lives */
    CHECK(registry_open_launcher(&other) == -1);
}

TEST(a_launchers_descriptor_is_readable_when_it_ended)
{
    if (getenv("CHAMBER_VALGRIND") != NULL) {
        SKIP("valgrind does not know pidfd_open()");
    }
    BENCH(bench);
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct enclave_record own = bench.record;
        struct result claimed = registry_claim(&bench.registry, &own, &bench.detail);
        (void)!write(ends[1], "x", 1);
        pause();
        _exit(is_ok(claimed) ? 0 : 1);
    }
    char byte = 0;
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK_OK(find(&bench, "one"));
    CHECK(bench.alive && bench.found.launcher == child);
    CLEANUP(fd_close_ptr) int launcher = registry_open_launcher(&bench.found);
    struct pollfd ended = { .fd = launcher, .events = POLLIN };
    CHECK(launcher >= 0 && poll(&ended, 1, 0) == 0);
    CHECK(kill(child, SIGKILL) == 0 && poll(&ended, 1, 60 * 1000) == 1);
    CHECK_OK(find(&bench, "one")); /* dead, although nobody has reaped it yet */
    CHECK(!bench.alive);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_OK(find(&bench, "one"));
    CHECK(!bench.alive);
    close(ends[0]);
    close(ends[1]);
}

TEST(names_are_listed_sorted_and_other_files_are_not)
{
    BENCH(bench);
    CLEANUP(free_ptr) char(*names)[RECORD_NAME_MAX + 1] = NULL;
    size_t count = 0;
    const char *const others[] = { "UPPER.json", "x.txt", ".json", "one.json.XYZ" };
    snprintf(bench.record.name, sizeof(bench.record.name), "two");
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    snprintf(bench.record.name, sizeof(bench.record.name), "one");
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CLEANUP(free_ptr) char *path = path_of(&bench, "", others[i]);
        CHECK_OK(file_write(path, "{}", 2, &bench.detail));
    }
    CHECK_OK(registry_names(&bench.registry, &names, &count, &bench.detail));
    CHECK(count == 2);
    CHECK_TEXT(names[0], "one");
    CHECK_TEXT(names[1], "two");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        remove_file(&bench, "", others[i]);
    }
}

TEST(a_file_that_is_no_record_is_refused_and_never_replaced)
{
    BENCH(bench);
    const char *const texts[] = { "", "{}", "\xff", "{\"name\":\"one\"}" };
    CLEANUP(free_ptr) char *path = path_of(&bench, "one", ".json");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_OK(file_write(path, texts[i], strlen(texts[i]), &bench.detail));
        CHECK_FAILS(BAD_INPUT, find(&bench, "one"));
        CHECK(strstr(bench.detail.text, path) != NULL);
        CHECK_FAILS(BAD_INPUT, registry_claim(&bench.registry, &bench.record, &bench.detail));
    }
}

TEST(a_record_under_anothers_name_is_refused)
{
    BENCH(bench);
    CHECK_OK(registry_claim(&bench.registry, &bench.record, &bench.detail));
    CLEANUP(free_ptr) char *one = path_of(&bench, "one", ".json");
    CLEANUP(free_ptr) char *two = path_of(&bench, "two", ".json");
    CHECK(rename(one, two) == 0);
    CHECK_FAILS(BAD_INPUT, find(&bench, "two"));
}

TEST(names_that_are_paths_are_refused)
{
    BENCH(bench);
    const char *const names[] = { "", "../one", "a/b", ".", "ONE", "a.json" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK_FAILS(BAD_INPUT, find(&bench, names[i]));
        snprintf(bench.record.name, sizeof(bench.record.name), "%s", names[i]);
        CHECK_FAILS(BAD_INPUT, registry_claim(&bench.registry, &bench.record, &bench.detail));
    }
    snprintf(bench.record.name, sizeof(bench.record.name), "one");
}

TEST(a_directory_that_others_may_write_to_is_refused)
{
    BENCH(bench);
    struct registry registry;
    const mode_t modes[] = { 0770, 0702, 0777, 01777 };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        CHECK(chmod(bench.registry.folder, modes[i]) == 0);
        CHECK_FAILS(REFUSED, registry_open(bench.registry.folder, true, &registry, &bench.detail));
    }
    CHECK(chmod(bench.registry.folder, 0755) == 0);
    CHECK_OK(registry_open(bench.registry.folder, true, &registry, &bench.detail));
}

TEST(a_directory_is_made_only_when_asked_for_and_only_for_the_owner)
{
    BENCH(bench);
    struct registry registry;
    struct stat info;
    CLEANUP(free_ptr) char *path = path_of(&bench, "new", "");
    CHECK_FAILS(NOT_FOUND, registry_open(path, false, &registry, &bench.detail));
    mode_t before = umask(0);
    struct result opened = registry_open(path, true, &registry, &bench.detail);
    umask(before);
    CHECK_OK(opened);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 07777) == 0700);
    CHECK(rmdir(path) == 0);
}

TEST(what_is_no_directory_is_refused)
{
    struct registry registry;
    struct detail detail;
    CLEANUP(free_ptr) char *longer = calloc(1, PATH_MAX);
    memset(longer, 'a', PATH_MAX - 10);
    CHECK_FAILS(BAD_INPUT, registry_open("", true, &registry, &detail));
    CHECK_FAILS(BAD_INPUT, registry_open("/dev/null", true, &registry, &detail));
    CHECK_FAILS(BAD_INPUT, registry_open(longer, true, &registry, &detail));
    CHECK_FAILS(UNAVAILABLE, registry_open("/proc/nothing/here", true, &registry, &detail));
}

HARNESS_TESTS(T(a_claimed_name_is_found_alive_until_it_is_removed),
              T(a_records_file_is_the_owners_alone), T(a_name_is_claimed_once),
              T(what_a_dead_launcher_left_is_found_dead_and_gives_its_name_back),
              T(only_a_dead_launchers_record_is_removed_for_it),
              T(a_process_that_got_the_dead_launchers_number_is_not_it),
              T(a_launchers_descriptor_is_readable_when_it_ended),
              T(names_are_listed_sorted_and_other_files_are_not),
              T(a_file_that_is_no_record_is_refused_and_never_replaced),
              T(a_record_under_anothers_name_is_refused), T(names_that_are_paths_are_refused),
              T(a_directory_that_others_may_write_to_is_refused),
              T(a_directory_is_made_only_when_asked_for_and_only_for_the_owner),
              T(what_is_no_directory_is_refused))
