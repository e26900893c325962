#include "base/usage.h"

#include "harness.h"

#include "base/cleanup.h"
#include "base/thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MS = 1000 * 1000 };

/* The system as it is where /proc is not mounted, or no descriptor is left. */
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
static bool has_no_proc;

FILE *__wrap_fopen64(const char *path, const char *mode)
{
    errno = ENOENT;
    return has_no_proc ? NULL : __real_fopen64(path, mode);
}

DIR *__wrap_opendir(const char *path)
{
    errno = EMFILE;
    return has_no_proc ? NULL : __real_opendir(path);
}

static void *burn(void *context)
{
    volatile unsigned sink = 0;
    struct timespec now = { 0 };
    for (long start = -1; start < 0 || now.tv_nsec - start < 20 * MS;) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        start = start < 0 ? now.tv_nsec : start;
        sink++;
    }
    return context;
}

TEST(the_work_of_every_thread_is_counted)
{
    pthread_t thread;
    uint64_t before = usage_cpu_ns();
    CHECK(before > 0);
    CHECK_OK(thread_start(&thread, "burn", burn, NULL));
    pthread_join(thread, NULL);
    CHECK(usage_cpu_ns() >= before + 20 * MS);
}

/* The system's other count, which is coarser. */
TEST(only_cpu_time_is_counted)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    uint64_t microseconds = (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    uint64_t other = seconds * 1000 * MS + microseconds * 1000;
    uint64_t ours = usage_cpu_ns();
    CHECK(ours + 100 * MS > other && ours < other + 1000 * MS);
}

TEST(memory_that_is_written_is_resident)
{
    const size_t size = 64 * 1024 * 1024;
    uint64_t before = usage_resident_bytes();
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    uint64_t reserved = usage_resident_bytes();
    memset(memory, 0x5a, size);
    uint64_t after = usage_resident_bytes();
    munmap(memory, size);
    CHECK(before > 0);
    CHECK(reserved - before < size / 2 || reserved < before); /* bytes, and not of address space */
    CHECK(after > reserved + size / 2);
    CHECK(after < reserved + 16 * size); /* sanitizers take some for each byte */
}

/* Asked one by one. Valgrind's own are in the folder, but do not answer. */
TEST(the_number_of_open_files_is_that_of_the_descriptors_that_answer)
{
    uint64_t answering = 0;
    if (getenv("CHAMBER_VALGRIND") != NULL) {
        SKIP("valgrind has descriptors of its own");
    }
    for (int fd = 0; fd < 65536; fd++) {
        answering += fcntl(fd, F_GETFD) >= 0;
    }
    CHECK(usage_open_files() == answering);
}

TEST(open_files_are_counted_exactly_and_looking_leaves_none_open)
{
    uint64_t before = usage_open_files();
    int files[20];
    CHECK(before >= 1); /* this program's output */
    CHECK(usage_open_files() == before);
    for (size_t i = 0; i < 20; i++) {
        files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK(files[i] >= 0);
    }
    CHECK(usage_open_files() == before + 20);
    CHECK(usage_resident_bytes() > 0);
    CHECK(usage_open_files() == before + 20);
    for (size_t i = 0; i < 20; i++) {
        close(files[i]);
    }
    CHECK(usage_open_files() == before);
}

TEST(a_system_that_does_not_tell_gives_zero)
{
    has_no_proc = true;
    uint64_t resident = usage_resident_bytes();
    uint64_t open_files = usage_open_files();
    has_no_proc = false;
    CHECK(resident == 0 && open_files == 0);
}

HARNESS_TESTS(T(the_work_of_every_thread_is_counted), T(only_cpu_time_is_counted),
              T(memory_that_is_written_is_resident),
              T(the_number_of_open_files_is_that_of_the_descriptors_that_answer),
              T(open_files_are_counted_exactly_and_looking_leaves_none_open),
              T(a_system_that_does_not_tell_gives_zero))
