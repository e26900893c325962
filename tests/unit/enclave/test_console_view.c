#include "enclave/console_view.h"

#include "harness.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static size_t neutralised(char *text, size_t size)
{
    size_t kept = console_view_neutralise(text, size);
    text[kept] = '\0';
    return kept;
}

TEST(only_printable_bytes_newlines_and_tabs_pass)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[2] = { (char)byte, '\0' };
        size_t size = neutralised(text, 1);
        bool passes = (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\t';
        CHECK(size == (byte == '\r' ? 0U : 1U));
        CHECK(byte == '\r' || text[0] == (passes ? (char)byte : '?'));
    }
}

TEST(a_sequence_that_steers_a_terminal_becomes_harmless)
{
    char text[] = "a\x1b]0;owned\x07\r\nb\x9b"
                  "31m\x7f";
    neutralised(text, sizeof(text) - 1);
    CHECK_TEXT(text, "a?]0;owned?\nb?31m?");
}

/* Copies `size` bytes through a pipe into a pipe; gives what came out. */
static size_t copied(const char *bytes, size_t size, bool raw, char *out, size_t out_size)
{
    int in[2];
    int through[2];
    if (pipe(in) != 0 || pipe(through) != 0 || write(in[1], bytes, size) != (ssize_t)size) {
        return 0;
    }
    close(in[1]);
    while (console_view_copy(in[0], through[1], raw)) {
    }
    close(through[1]);
    close(in[0]);
    ssize_t got = read(through[0], out, out_size);
    close(through[0]);
    return got < 0 ? 0 : (size_t)got;
}

TEST(a_copy_is_neutralised_unless_it_is_raw)
{
    const char bytes[] = "x\x1b[2J\r\n";
    char out[64];
    CHECK(copied(bytes, sizeof(bytes) - 1, false, out, sizeof(out)) == 6);
    CHECK(memcmp(out, "x?[2J\n", 6) == 0);
    CHECK(copied(bytes, sizeof(bytes) - 1, true, out, sizeof(out)) == sizeof(bytes) - 1);
    CHECK(memcmp(out, bytes, sizeof(bytes) - 1) == 0);
}

TEST(more_than_a_chunk_is_copied_whole)
{
    enum { SIZE = 3 * CONSOLE_VIEW_CHUNK + 1 };
    CLEANUP(free_ptr) char *bytes = calloc(1, SIZE);
    CLEANUP(free_ptr) char *out = calloc(1, SIZE + 1);
    memset(bytes, 'y', SIZE);
    CHECK(copied(bytes, SIZE, false, out, SIZE + 1) == SIZE);
    CHECK(memcmp(bytes, out, SIZE) == 0);
}

TEST(what_cannot_be_read_or_written_ends_the_copy)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(!console_view_copy(-1, ends[1], false));
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(!console_view_copy(ends[0], -1, false));
    close(ends[0]);
    close(ends[1]);
}

TEST(a_console_that_is_not_there_is_named)
{
    struct detail detail;
    int console = -1;
    CHECK_FAILS(UNAVAILABLE, console_view_connect(77, &console, &detail));
    CHECK(console == -1 && strstr(detail.text, "CID 77") != NULL);
}

TEST(a_file_is_followed_to_its_end_when_the_enclave_has_ended)
{
    char path[] = "/tmp/enclave-console-XXXXXX";
    int ends[2];
    char out[64] = "";
    struct detail detail;
    int file = mkstemp(path);
    CLEANUP(fd_close_ptr) int life = eventfd(1, EFD_CLOEXEC);
    CHECK(file >= 0 && pipe(ends) == 0 && write(file, "all\x1b of it", 10) == 10);
    struct result followed = console_view_follow(path, life, ends[1], false, &detail);
    unlink(path);
    CHECK_OK(followed);
    CHECK(read(ends[0], out, sizeof(out)) == 10);
    CHECK_TEXT(out, "all? of it");
    struct result gone = console_view_follow(path, life, ends[1], false, &detail);
    CHECK(gone.status == STATUS_UNAVAILABLE && strstr(detail.text, path) != NULL);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

HARNESS_TESTS(T(only_printable_bytes_newlines_and_tabs_pass),
              T(a_sequence_that_steers_a_terminal_becomes_harmless),
              T(a_copy_is_neutralised_unless_it_is_raw), T(more_than_a_chunk_is_copied_whole),
              T(what_cannot_be_read_or_written_ends_the_copy),
              T(a_console_that_is_not_there_is_named),
              T(a_file_is_followed_to_its_end_when_the_enclave_has_ended))
