#include "eif/cpio.h"
#include "harness.h"

enum { ROOM = 1 << 24 };

#define COUNT(entries) (sizeof(entries) / sizeof((entries)[0]))
#define ZEROS_8        "00000000"
#define ZEROS_32       ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8

/* What writing a single entry of this name gives. */
static struct result write_named(const char *name, struct detail *detail)
{
    const struct cpio_entry entry = { .name = name, .kind = CPIO_FILE };
    BUF out = BUF_INIT(ROOM);
    return cpio_write(&entry, 1, &out, detail);
}

/* Inode, mode, owner, group, links, time, size, two numbers of a device, two of the entry's own,
 * size of the name, sum. */
TEST(an_archive_is_these_bytes)
{
    static const struct cpio_entry entries[] = {
        { .name = "dev", .kind = CPIO_DIRECTORY, .mode = 0755 },
        { .name = "dev/c", .kind = CPIO_CHARACTER_DEVICE, .mode = 0600, .major = 5, .minor = 1 },
        { .name = "init", .kind = CPIO_FILE, .mode = 0700, .bytes = "#!\n12", .size = 5 },
        { .name = "sh", .kind = CPIO_SYMLINK, .mode = 0777, .bytes = "init", .size = 4 },
    };
    static const char wanted[] =
        "070701"
        "00000001"
        "000041ED" ZEROS_8 ZEROS_8 "00000002" ZEROS_8 ZEROS_32 ZEROS_8 "00000004" ZEROS_8
        "dev\0\0\0"
        "070701"
        "00000002"
        "00002180" ZEROS_8 ZEROS_8 "00000001" ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 "00000005"
        "00000001"
        "00000006" ZEROS_8 "dev/c\0"
        "070701"
        "00000003"
        "000081C0" ZEROS_8 ZEROS_8 "00000001" ZEROS_8 "00000005" ZEROS_32 "00000005" ZEROS_8
        "init\0\0#!\n12\0\0\0"
        "070701"
        "00000004"
        "0000A1FF" ZEROS_8 ZEROS_8 "00000001" ZEROS_8 "00000004" ZEROS_32 "00000003" ZEROS_8
        "sh\0\0\0\0init"
        "070701" ZEROS_32 "00000001" ZEROS_8 ZEROS_32 ZEROS_8 "0000000B" ZEROS_8
        "TRAILER!!!\0\0\0\0";
    BUF out = BUF_INIT(ROOM);
    CHECK_OK(cpio_write(entries, COUNT(entries), &out, NULL));
    CHECK(out.size == sizeof(wanted) - 1);
    CHECK(memcmp(out.data, wanted, out.size) == 0);
}

TEST(alignment_counts_from_the_archives_own_beginning)
{
    static const struct cpio_entry entry = {
        .name = "a", .kind = CPIO_FILE, .bytes = "x", .size = 1
    };
    BUF alone = BUF_INIT(ROOM);
    BUF behind = BUF_INIT(ROOM);
    buf_append(&behind, "?", 1);
    CHECK_OK(cpio_write(&entry, 1, &alone, NULL));
    CHECK_OK(cpio_write(&entry, 1, &behind, NULL));
    CHECK(alone.size % CPIO_ALIGNMENT == 0);
    CHECK(behind.size == alone.size + 1);
    CHECK(memcmp(behind.data + 1, alone.data, alone.size) == 0);
}

TEST(names_that_are_no_place_in_an_image_are_refused)
{
    static const char *const wrong[] = {
        "",    "/",    "/init", "a/",   "a//b",   ".",     "..",
        "./a", "../a", "a/.",   "a/..", "a/../b", "a/./b", "TRAILER!!!",
    };
    static const char *const fine[] = { "a", "...", ".a", "..a", "a.", " ", "\xff", "TRAILER!!" };
    struct detail detail = { "" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(BAD_INPUT, write_named(wrong[i], &detail));
        CHECK_TEXT(detail.text, wrong[i]);
    }
    for (size_t i = 0; i < COUNT(fine); i++) {
        CHECK_OK(write_named(fine[i], NULL));
    }
}

TEST(a_name_has_room_up_to_its_limit)
{
    char name[CPIO_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[CPIO_NAME_MAX] = '\0';
    CHECK_OK(write_named(name, NULL));
    name[CPIO_NAME_MAX] = 'a';
    name[CPIO_NAME_MAX + 1] = '\0';
    CHECK_FAILS(LIMIT, write_named(name, NULL));
}

#define FILE_ENTRY(text)                  \
    {                                     \
        .name = (text), .kind = CPIO_FILE \
    }
#define DIRECTORY_ENTRY(text)                  \
    {                                          \
        .name = (text), .kind = CPIO_DIRECTORY \
    }

TEST(each_name_is_there_once_and_behind_its_folder)
{
    static const struct cpio_entry link = {
        .name = "a", .kind = CPIO_SYMLINK, .bytes = ".", .size = 1
    };
    static const struct cpio_entry wrong[][2] = {
        { FILE_ENTRY("a/b"), DIRECTORY_ENTRY("a/b") },
        { FILE_ENTRY("a"), FILE_ENTRY("a/b") },
        { DIRECTORY_ENTRY("ab"), FILE_ENTRY("a/b") },
        { DIRECTORY_ENTRY("A"), FILE_ENTRY("a/b") },
        { DIRECTORY_ENTRY("a"), FILE_ENTRY("a/c/a/b") },
        { DIRECTORY_ENTRY("b"), FILE_ENTRY("a/b") },
    };
    struct detail detail = { "" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        BUF out = BUF_INIT(ROOM);
        CHECK_FAILS(BAD_INPUT, cpio_write(wrong[i], 2, &out, &detail));
        CHECK(strstr(detail.text, "a/b") != NULL);
    }
    const struct cpio_entry behind_link[] = { link, FILE_ENTRY("a/b") };
    const struct cpio_entry twice[] = { link, DIRECTORY_ENTRY("a") };
    const struct cpio_entry fine[] = { DIRECTORY_ENTRY("a"), FILE_ENTRY("a/b") };
    BUF out = BUF_INIT(ROOM);
    CHECK_FAILS(BAD_INPUT, cpio_write(behind_link, 2, &out, NULL));
    CHECK_FAILS(BAD_INPUT, cpio_write(twice, 2, &out, &detail));
    CHECK_TEXT(detail.text, "a");
    CHECK_OK(cpio_write(fine, 2, &out, NULL));
}

TEST(modes_and_targets_have_their_bounds)
{
    static char target[CPIO_NAME_MAX + 1];
    static const struct {
        struct cpio_entry entry;
        enum status status;
    } cases[] = {
        { { .name = "a", .kind = CPIO_FILE, .mode = CPIO_MODE_MAX }, STATUS_OK },
        { { .name = "a", .kind = CPIO_FILE, .mode = CPIO_MODE_MAX + 1 }, STATUS_BAD_INPUT },
        { { .name = "a", .kind = CPIO_SYMLINK, .bytes = "" }, STATUS_BAD_INPUT },
        { { .name = "a", .kind = CPIO_SYMLINK, .bytes = "b\0c", .size = 3 }, STATUS_BAD_INPUT },
        { { .name = "a", .kind = CPIO_SYMLINK, .bytes = target, .size = CPIO_NAME_MAX },
          STATUS_OK },
        { { .name = "a", .kind = CPIO_SYMLINK, .bytes = target, .size = CPIO_NAME_MAX + 1 },
          STATUS_LIMIT },
        { { .name = "a", .kind = CPIO_FILE, .bytes = "", .size = (size_t)UINT32_MAX + 1 },
          STATUS_LIMIT },
    };
    memset(target, 'b', sizeof(target));
    for (size_t i = 0; i < COUNT(cases); i++) {
        BUF out = BUF_INIT(ROOM);
        CHECK(cpio_write(&cases[i].entry, 1, &out, NULL).status == cases[i].status);
    }
}

TEST(entries_and_bytes_are_bounded)
{
    static struct cpio_entry entries[CPIO_ENTRIES_MAX + 1];
    static char names[CPIO_ENTRIES_MAX + 1][8];
    for (size_t i = 0; i < COUNT(entries); i++) {
        snprintf(names[i], sizeof(names[i]), "%zu", i);
        entries[i] = (struct cpio_entry){ .name = names[i], .kind = CPIO_FILE };
    }
    BUF out = BUF_INIT(ROOM);
    CHECK_FAILS(LIMIT, cpio_write(entries, CPIO_ENTRIES_MAX + 1, &out, NULL));
    CHECK(out.size == 0);
    CHECK_OK(cpio_write(entries, CPIO_ENTRIES_MAX, &out, NULL));
    BUF exact = BUF_INIT(out.size);
    CHECK_OK(cpio_write(entries, CPIO_ENTRIES_MAX, &exact, NULL));
    BUF narrow = BUF_INIT(out.size - 1);
    CHECK_FAILS(LIMIT, cpio_write(entries, CPIO_ENTRIES_MAX, &narrow, NULL));
}

TEST(an_archive_of_nothing_is_its_end)
{
    BUF out = BUF_INIT(ROOM);
    CHECK_OK(cpio_write(NULL, 0, &out, NULL));
    CHECK(out.size == 124 && strcmp(out.data + 110, "TRAILER!!!") == 0);
}

HARNESS_TESTS(T(an_archive_is_these_bytes), T(alignment_counts_from_the_archives_own_beginning),
              T(names_that_are_no_place_in_an_image_are_refused),
              T(a_name_has_room_up_to_its_limit), T(each_name_is_there_once_and_behind_its_folder),
              T(modes_and_targets_have_their_bounds), T(entries_and_bytes_are_bounded),
              T(an_archive_of_nothing_is_its_end))
