#include "base/file.h"
#include "child.h"
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { NOBODY = 65534 };

/* The linker sends the base layer's calls here (--wrap in meson.build). */
ssize_t __real_read(int fd, void *out, size_t size);
ssize_t __wrap_read(int fd, void *out, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

/* What goes wrong. */
static enum trouble {
    NOTHING,
    READ_FAILS,
    READ_ENDS_EARLY,
    READ_GIVES_LITTLE,
    READ_IS_INTERRUPTED,
    DISK_IS_FULL,
    WRITE_TAKES_LITTLE,
    WRITE_IS_INTERRUPTED,
    FILE_SYNC_FAILS,
    DIRECTORY_SYNC_FAILS,
    RENAME_FAILS,
} trouble;
static bool interrupted;
static bool synced; /* the last fsync of a file came after the last write to it */

static int fail_with(int reason)
{
    errno = reason;
    return -1;
}

ssize_t __wrap_read(int fd, void *out, size_t size)
{
    interrupted = !interrupted;
    if (trouble == READ_FAILS || (trouble == READ_IS_INTERRUPTED && interrupted)) {
        return fail_with(trouble == READ_FAILS ? EIO : EINTR);
    }
    if (trouble == READ_ENDS_EARLY) {
        return 0;
    }
    return __real_read(fd, out, trouble == READ_GIVES_LITTLE ? 1 : size);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    interrupted = !interrupted;
    synced = false;
    if (trouble == DISK_IS_FULL || (trouble == WRITE_IS_INTERRUPTED && interrupted)) {
        return fail_with(trouble == DISK_IS_FULL ? ENOSPC : EINTR);
    }
    return __real_write(fd, bytes, trouble == WRITE_TAKES_LITTLE ? 1 : size);
}

int __wrap_fsync(int fd)
{
    struct stat info = { 0 };
    bool directory = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    if (trouble == (directory ? DIRECTORY_SYNC_FAILS : FILE_SYNC_FAILS)) {
        return fail_with(EIO);
    }
    synced = true;
    return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return trouble == RENAME_FAILS || !synced ? fail_with(EXDEV) : __real_rename(from, to);
}

/* A directory of its own for each test, removed with what is in it. */
static void remove_directory(char (*path)[64])
{
    DIR *entries = opendir(*path);
    const struct dirent *entry = NULL;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries != NULL) {
        closedir(entries);
    }
    rmdir(*path);
}
#define DIRECTORY(name)                                            \
    CLEANUP(remove_directory) char name[64];                       \
    snprintf(name, sizeof(name), "%s/test_file.XXXXXX", P_tmpdir); \
    CHECK(mkdtemp(name) != NULL)

/* Joins into a static text, good until the next call. */
static const char *in(const char *directory, const char *name)
{
    static char path[100];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static size_t count_files(const char *directory)
{
    size_t count = 0;
    DIR *entries = opendir(directory);
    const struct dirent *entry = NULL;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (entries != NULL) {
        closedir(entries);
    }
    return count;
}

static bool holds(const char *path, const char *wanted)
{
    SECRET_BLOCK block = { 0 };
    return is_ok(file_read(path, 1000, &block, NULL)) && block.size == strlen(wanted) &&
           memcmp(block.data, wanted, block.size) == 0;
}

TEST(reads_what_was_written_and_only_the_owner_may)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    mode_t before = umask(0);
    struct result written = file_write(path, "secret\0x", 8, NULL);
    umask(before);
    CHECK_OK(written);
    SECRET_BLOCK block = { 0 };
    CHECK_OK(file_read(path, 8, &block, NULL));
    CHECK(block.size == 8 && memcmp(block.data, "secret\0x", 9) == 0);
    struct stat info = { 0 };
    CHECK(stat(path, &info) == 0 && (info.st_mode & 07777) == 0600);
    CHECK_OK(file_write(path, "", 0, NULL));
    CHECK(holds(path, ""));
    CHECK(count_files(directory) == 1);
}

TEST(a_file_of_its_limit_is_read_and_one_byte_more_refused)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    struct detail detail = { "" };
    CHECK_OK(file_write(path, "12345", 5, NULL));
    struct secret_block untouched = { 0 };
    CHECK_FAILS(LIMIT, file_read(path, 4, &untouched, &detail));
    CHECK(untouched.data == NULL);
    CHECK_TEXT(detail.text, path);
    CHECK_FAILS(LIMIT, file_read(path, 0, &untouched, NULL));
    SECRET_BLOCK block = { 0 };
    CHECK_OK(file_read(path, 5, &block, NULL));
    SECRET_BLOCK again = { 0 };
    CHECK_OK(file_read(path, SIZE_MAX, &again, NULL));
}

TEST(names_what_is_missing)
{
    DIRECTORY(directory);
    struct detail detail = { "" };
    struct secret_block block = { 0 };
    CHECK_FAILS(NOT_FOUND, file_read(in(directory, "none"), 10, &block, &detail));
    CHECK(strstr(detail.text, "/none (No such file or directory)") != NULL);
    CHECK_FAILS(NOT_FOUND, file_read("", 10, &block, &detail));
    CHECK_OK(file_write(in(directory, "file"), "x", 1, NULL));
    CHECK_FAILS(UNAVAILABLE, file_read(in(directory, "file/none"), 10, &block, &detail));
    CHECK(strstr(detail.text, "(Not a directory)") != NULL);
    CHECK_FAILS(UNAVAILABLE, file_write(in(directory, "none/file"), "x", 1, &detail));
    CHECK(strstr(detail.text, "/none/file (No such file or directory)") != NULL);
}

TEST(reads_through_symbolic_links_but_not_in_circles)
{
    DIRECTORY(directory);
    char target[PATH_MAX];
    struct secret_block block = { 0 };
    snprintf(target, sizeof(target), "%s", in(directory, "target"));
    CHECK_OK(file_write(target, "x", 1, NULL));
    CHECK(symlink(target, in(directory, "link")) == 0);
    CHECK(holds(in(directory, "link"), "x"));
    CHECK(symlink("circle", in(directory, "circle")) == 0);
    CHECK_FAILS(UNAVAILABLE, file_read(in(directory, "circle"), 10, &block, NULL));
    CHECK(symlink("nowhere", in(directory, "dangling")) == 0);
    CHECK_FAILS(NOT_FOUND, file_read(in(directory, "dangling"), 10, &block, NULL));
    /* Writing takes the link's place and leaves its target alone. */
    CHECK_OK(file_write(in(directory, "link"), "new", 3, NULL));
    CHECK(holds(target, "x"));
    CHECK(holds(in(directory, "link"), "new"));
}

/* A hang would be found by the runner's time limit. */
TEST(refuses_what_is_not_a_regular_file_at_once)
{
    DIRECTORY(directory);
    struct detail detail = { "" };
    struct secret_block block = { 0 };
    CHECK(mkfifo(in(directory, "fifo"), 0600) == 0);
    CHECK_FAILS(BAD_INPUT, file_read(in(directory, "fifo"), 10, &block, &detail));
    CHECK(strstr(detail.text, "/fifo") != NULL);
    CHECK_FAILS(BAD_INPUT, file_read(directory, 1000000, &block, NULL));
    CHECK_FAILS(BAD_INPUT, file_read("/dev/zero", 10, &block, NULL));
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in(directory, "socket"));
    CLEANUP(fd_close_ptr) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK_FAILS(BAD_INPUT, file_read(address.sun_path, 10, &block, NULL));
    CHECK(block.data == NULL);
}

TEST(a_read_goes_on_until_all_is_there)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    CHECK_OK(file_write(path, "12345", 5, NULL));
    trouble = READ_GIVES_LITTLE;
    bool little = holds(path, "12345");
    trouble = READ_IS_INTERRUPTED;
    interrupted = false; /* so the next call is */
    bool with_interruptions = holds(path, "12345");
    trouble = NOTHING;
    CHECK(little);
    CHECK(with_interruptions);
}

TEST(a_read_that_fails_says_why)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    struct detail detail = { "" };
    struct secret_block block = { 0 };
    CHECK_OK(file_write(path, "12345", 5, NULL));
    trouble = READ_FAILS;
    struct result failed = file_read(path, 10, &block, &detail);
    trouble = NOTHING;
    CHECK_FAILS(UNAVAILABLE, failed);
    CHECK(strstr(detail.text, "/a (Input/output error)") != NULL);
    trouble = READ_ENDS_EARLY;
    failed = file_read(path, 10, &block, &detail);
    trouble = NOTHING;
    CHECK_FAILS(UNAVAILABLE, failed);
    CHECK_TEXT(failed.what, "the file shrank while it was read");
    CHECK(block.data == NULL);
}

TEST(a_write_goes_on_until_all_is_there)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    trouble = WRITE_TAKES_LITTLE;
    struct result little = file_write(path, "12345", 5, NULL);
    trouble = NOTHING;
    CHECK_OK(little);
    CHECK(holds(path, "12345"));
    trouble = WRITE_IS_INTERRUPTED;
    interrupted = false; /* so the next call is */
    struct result with_interruptions = file_write(path, "67890", 5, NULL);
    trouble = NOTHING;
    CHECK_OK(with_interruptions);
    CHECK(holds(path, "67890"));
}

TEST(the_old_file_survives_every_failure)
{
    static const struct {
        enum trouble trouble;
        const char *reason;
        const char *afterwards;
    } cases[] = {
        { DISK_IS_FULL, "(No space left on device)", "old" },
        { FILE_SYNC_FAILS, "(Input/output error)", "old" },
        { RENAME_FAILS, "(Invalid cross-device link)", "old" },
        { DIRECTORY_SYNC_FAILS, "(Input/output error)", "new" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        DIRECTORY(directory);
        const char *path = in(directory, "a");
        struct detail detail = { "" };
        CHECK_OK(file_write(path, "old", 3, NULL));
        trouble = cases[i].trouble;
        struct result written = file_write(path, "new", 3, &detail);
        trouble = NOTHING;
        CHECK_FAILS(UNAVAILABLE, written);
        CHECK(strstr(detail.text, "/a (") != NULL);
        CHECK(strstr(detail.text, cases[i].reason) != NULL);
        CHECK(holds(path, cases[i].afterwards));
        CHECK(count_files(directory) == 1); /* and nothing is left beside it */
    }
}

TEST(files_left_by_an_earlier_crash_are_not_in_the_way)
{
    DIRECTORY(directory);
    char name[32];
    snprintf(name, sizeof(name), "a.%ld.tmp", (long)getpid());
    CHECK_OK(file_write(in(directory, name), "other", 5, NULL));
    CHECK_OK(file_write(in(directory, "a"), "new", 3, NULL));
    CHECK(holds(in(directory, name), "other"));
}

TEST(syncs_the_directory_that_a_file_is_in)
{
    DIRECTORY(directory);
    CHECK_OK(file_sync_directory_of(in(directory, "a")));
    CHECK_OK(file_sync_directory_of("a"));
    CHECK_OK(file_sync_directory_of("/a"));
    errno = 0;
    CHECK_FAILS(UNAVAILABLE, file_sync_directory_of(in(directory, "none/a")));
    CHECK(errno == ENOENT);
    trouble = DIRECTORY_SYNC_FAILS;
    errno = 0;
    struct result failed = file_sync_directory_of(in(directory, "a"));
    trouble = NOTHING;
    CHECK_FAILS(UNAVAILABLE, failed);
    CHECK(errno == EIO);
    char path[PATH_MAX + 10];
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    CHECK_FAILS(UNAVAILABLE, file_sync_directory_of(path));
    CHECK(errno == ENAMETOOLONG);
}

static void write_bare_name(void *directory)
{
    if (chdir(directory) != 0) {
        _exit(2);
    }
    _exit(is_ok(file_write("bare", "x", 1, NULL)) ? 0 : 1);
}

TEST(a_name_without_directory_is_in_the_current_one)
{
    DIRECTORY(directory);
    CHECK(child_exit(write_bare_name, directory) == 0);
    CHECK(holds(in(directory, "bare"), "x"));
}

TEST(a_path_of_any_length_is_handled)
{
    DIRECTORY(directory);
    char path[PATH_MAX + 10];
    struct detail detail = { "" };
    struct secret_block block = { 0 };
    for (size_t length = PATH_MAX - 12; length < sizeof(path); length++) {
        memset(path, '/', length);
        memcpy(path, directory, strlen(directory));
        path[length - 1] = 'a';
        path[length] = '\0';
        CHECK(!is_ok(file_read(path, 10, &block, &detail)));
        struct result written = file_write(path, "x", 1, &detail);
        CHECK(written.status == (length + 7 < PATH_MAX ? STATUS_OK : STATUS_BAD_INPUT));
        CHECK(strncmp(detail.text, directory, strlen(directory)) == 0);
        unlink(path);
    }
}

static void write_into_a_directory_of_others(void *path)
{
    if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        _exit(2);
    }
    struct detail detail = { "" };
    struct result written = file_write(path, "x", 1, &detail);
    bool told = strstr(detail.text, "(Permission denied)") != NULL;
    _exit(written.status == STATUS_UNAVAILABLE && told ? 0 : 1);
}

TEST(a_directory_that_may_not_be_written_is_told)
{
    DIRECTORY(directory);
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", in(directory, "a"));
    CHECK(chmod(directory, 0555) == 0);
    CHECK(child_exit(write_into_a_directory_of_others, path) == 0);
    char in_the_root[] = "/test_file";
    CHECK(child_exit(write_into_a_directory_of_others, in_the_root) == 0);
    CHECK(count_files(directory) == 0);
}

struct writer {
    char path[PATH_MAX];
};

static void write_often(void *context)
{
    const struct writer *writer = context;
    char text[5000];
    for (size_t i = 0; i < 30; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        if (!is_ok(file_write(writer->path, text, sizeof(text), NULL))) {
            _exit(1);
        }
    }
}

static bool is_uniform(const struct secret_block *block)
{
    for (size_t i = 1; i < block->size; i++) {
        if (block->data[i] != block->data[0]) {
            return false;
        }
    }
    return true;
}

/* A reader beside a writer sees one whole version or another, never a mixture and never nothing. */
TEST(a_reader_never_sees_half_a_file)
{
    DIRECTORY(directory);
    struct writer writer;
    snprintf(writer.path, sizeof(writer.path), "%s", in(directory, "a"));
    write_often(&writer);
    pid_t pid = fork();
    if (pid == 0) {
        write_often(&writer);
        _exit(0);
    }
    int status = -1;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        SECRET_BLOCK block = { 0 };
        CHECK_OK(file_read(writer.path, 5000, &block, NULL));
        CHECK(block.size == 5000 && is_uniform(&block));
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(what_is_public_is_readable_for_all_whatever_the_umask)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    mode_t before = umask(077);
    struct result written = file_write_public(path, "x", 1, NULL);
    umask(before);
    CHECK_OK(written);
    struct stat info = { 0 };
    CHECK(stat(path, &info) == 0 && (info.st_mode & 07777) == 0644);
    CHECK(holds(path, "x"));
    CHECK(count_files(directory) == 1);
}

TEST(a_map_holds_what_the_file_does)
{
    DIRECTORY(directory);
    const char *path = in(directory, "a");
    struct detail detail = { "" };
    CHECK_OK(file_write(path, "12345", 5, NULL));
    CLEANUP(file_unmap) struct file_map map = { 0 };
    CHECK_FAILS(LIMIT, file_map(path, 4, &map, &detail));
    CHECK_TEXT(detail.text, path);
    CHECK(map.bytes == NULL);
    CHECK_OK(file_map(path, 5, &map, &detail));
    CHECK(map.size == 5 && memcmp(map.bytes, "12345", 5) == 0);
    CHECK_OK(file_write(path, "", 0, NULL)); /* another file: this one stays as it was */
    CHECK(memcmp(map.bytes, "12345", 5) == 0);
    CLEANUP(file_unmap) struct file_map empty = { 0 };
    CHECK_OK(file_map(path, 5, &empty, NULL));
    CHECK(empty.bytes == NULL && empty.size == 0);
    CHECK_FAILS(NOT_FOUND, file_map(in(directory, "none"), 5, &empty, &detail));
    CHECK_FAILS(BAD_INPUT, file_map(directory, 1000000, &empty, &detail));
    file_unmap(&map);
    CHECK(map.bytes == NULL && map.size == 0);
    file_unmap(&map);
}

HARNESS_TESTS(T(what_is_public_is_readable_for_all_whatever_the_umask),
              T(a_map_holds_what_the_file_does), T(reads_what_was_written_and_only_the_owner_may),
              T(a_file_of_its_limit_is_read_and_one_byte_more_refused), T(names_what_is_missing),
              T(reads_through_symbolic_links_but_not_in_circles),
              T(refuses_what_is_not_a_regular_file_at_once), T(a_read_goes_on_until_all_is_there),
              T(a_read_that_fails_says_why), T(a_write_goes_on_until_all_is_there),
              T(the_old_file_survives_every_failure),
              T(files_left_by_an_earlier_crash_are_not_in_the_way),
              T(syncs_the_directory_that_a_file_is_in),
              T(a_name_without_directory_is_in_the_current_one), T(a_path_of_any_length_is_handled),
              T(a_directory_that_may_not_be_written_is_told), T(a_reader_never_sees_half_a_file))
