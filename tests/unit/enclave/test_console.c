#include "enclave/console.h"
#include "harness.h"

#include <unistd.h>

int __wrap_tcdrain(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

static char written[2 * CONSOLE_LINE_MAX];
static unsigned writes;
static int drained = -1;

int __wrap_tcdrain(int fd)
{
    drained = fd;
    return 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    if (fd != STDERR_FILENO) {
        return __real_write(fd, bytes, size);
    }
    writes++;
    snprintf(written, sizeof(written), "%.*s", (int)size, (const char *)bytes);
    return (ssize_t)size;
}

TEST(a_line_has_its_sender_and_its_end_and_is_one_write)
{
    writes = 0;
    console_say("entropy: %s", "done");
    CHECK_TEXT(written, "chamber-enclave: entropy: done\n");
    CHECK(writes == 1);
}

TEST(a_failure_names_its_step_place_and_reason)
{
    struct detail detail = { "/proc (No such device)" };
    console_say_failure("mounts", &detail, FAIL(UNAVAILABLE, "cannot be mounted"));
    CHECK_TEXT(written, "chamber-enclave: mounts: /proc (No such device): cannot be mounted\n");
    console_say_failure("entropy", NULL, FAIL(UNAVAILABLE, "not ready"));
    CHECK_TEXT(written, "chamber-enclave: entropy: not ready\n");
}

TEST(a_line_that_is_too_long_is_cut_and_still_a_line)
{
    char text[2 * CONSOLE_LINE_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    console_say("%s", text);
    CHECK(strlen(written) == CONSOLE_LINE_MAX - 1);
    CHECK(written[CONSOLE_LINE_MAX - 2] == '\n');
    CHECK(written[CONSOLE_LINE_MAX - 3] == 'x');
}

TEST(waiting_is_for_the_console)
{
    console_sync();
    CHECK(drained == STDERR_FILENO);
}

HARNESS_TESTS(T(a_line_has_its_sender_and_its_end_and_is_one_write),
              T(a_failure_names_its_step_place_and_reason),
              T(a_line_that_is_too_long_is_cut_and_still_a_line), T(waiting_is_for_the_console))
