#include "app/bench_bare.h"
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t count_files(const char *folder)
{
    DIR *directory = opendir(folder);
    size_t count = 0;
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count - 2; /* . and .. */
}

TEST(every_figure_is_measured_and_nothing_is_left_behind)
{
    char folder[] = "/tmp/chamber-bare-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    struct bench_bare bare = { 0 };
    struct result ran = bench_bare_run(folder, &bare);
    size_t left = count_files(folder);
    rmdir(folder);
    CHECK_OK(ran);
    CHECK(left == 0);
    struct bench_bare_cpu cpu = { 0 };
    CHECK_OK(bench_bare_cpu_run(&cpu));
    CHECK(cpu.hash_ns > 0);
    CHECK(cpu.sign_ns > 0);
    CHECK(bare.signature_p50_ns > 0);
    CHECK(bare.signature_p50_ns <= bare.signature_p99_ns);
    CHECK(bare.write_p50_ns > 0);
    CHECK(bare.write_p50_ns <= bare.write_p99_ns);
}

TEST(a_directory_that_cannot_be_written_is_an_error)
{
    struct bench_bare bare = { 0 };
    char file[] = "/tmp/chamber-bare-XXXXXX";
    CHECK_FAILS(UNAVAILABLE, bench_bare_run("/nowhere/at/all", &bare));
    int fd = mkstemp(file);
    CHECK(fd >= 0);
    close(fd);
    struct result ran = bench_bare_run(file, &bare); /* a file is no directory */
    unlink(file);
    CHECK(ran.status == STATUS_UNAVAILABLE);
    CHECK(bare.write_p99_ns == 0);
}

TEST(a_file_that_is_there_is_neither_written_nor_removed)
{
    char folder[] = "/tmp/chamber-bare-XXXXXX";
    char path[64];
    struct stat info = { 0 };
    struct bench_bare bare = { 0 };
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/bench-write.tmp", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, "mine", 4) == 4;
    close(fd);
    struct result ran = bench_bare_run(folder, &bare);
    bool there = stat(path, &info) == 0;
    unlink(path);
    rmdir(folder);
    CHECK(written && there && info.st_size == 4);
    CHECK(ran.status == STATUS_UNAVAILABLE);
}

HARNESS_TESTS(T(every_figure_is_measured_and_nothing_is_left_behind),
              T(a_directory_that_cannot_be_written_is_an_error),
              T(a_file_that_is_there_is_neither_written_nor_removed))
