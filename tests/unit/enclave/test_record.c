#include "enclave/record.h"

#include "harness.h"

static struct enclave_record example(void)
{
    return (struct enclave_record){
        .name = "one-2",
        .launcher = 4711,
        .launcher_start = 123456789,
        .started = 1790000000,
        .cid = 4294967294,
        .memory = (uint64_t)1 << 40,
        .cpus = { 2, 3 },
        .cpu_count = 2,
        .running = true,
        .debug = true,
        .image = "/tmp/\"quoted\"\n\x1b[31m\xc3\xa4.eif",
        .console = "",
        .vsock = "",
    };
}

static struct result read_text(const char *text, struct enclave_record *out, struct detail *detail)
{
    return record_read(text, strlen(text), out, detail);
}

/* The example's JSON with `from` replaced by `to`. */
static char *with(const char *from, const char *to)
{
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    BUF changed = BUF_INIT(RECORD_TEXT_MAX);
    struct enclave_record record = example();
    record_write(&record, true, &text);
    const char *at = strstr(text.data, from);
    if (at == NULL) {
        return NULL;
    }
    buf_append(&changed, text.data, (size_t)(at - text.data));
    buf_append_text(&changed, to);
    buf_append_text(&changed, at + strlen(from));
    return buf_take(&changed);
}

TEST(names_are_safe_parts_of_a_path)
{
    const char *const good[] = { "a", "0", "chamber-1", "abcdefghijklmnopqrstuvwxyz012345" };
    const char *const bad[] = { "",
                                "-a",
                                ".",
                                "..",
                                "a/b",
                                "A",
                                "a.b",
                                "a b",
                                "a\n",
                                "\xc3\xa4",
                                "abcdefghijklmnopqrstuvwxyz0123456" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK(record_name_is_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!record_name_is_valid(bad[i]));
    }
}

TEST(what_is_written_is_read_back)
{
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    struct enclave_record record = example();
    struct enclave_record back = { .name = "" };
    struct detail detail;
    record_write(&record, true, &text);
    CHECK_OK(buf_check(&text));
    CHECK(strchr(text.data, '\n') == NULL && strchr(text.data, '\x1b') == NULL);
    CHECK_OK(record_read(text.data, text.size, &back, &detail));
    BUF again = BUF_INIT(RECORD_TEXT_MAX);
    record_write(&back, true, &again);
    CHECK_TEXT(again.data, text.data);
    CHECK_TEXT(back.image, record.image);
    CHECK(back.launcher == 4711 && back.launcher_start == 123456789 && back.running && back.debug);
    CHECK(back.cid == 4294967294 && back.memory == (uint64_t)1 << 40 && back.cpus[1] == 3);
}

TEST(an_emulated_one_has_a_number_of_cpus_and_no_ids)
{
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    struct enclave_record record = example();
    struct enclave_record back = { .name = "" };
    struct detail detail;
    record.emulated = true;
    record.running = false;
    record_write(&record, true, &text);
    CHECK(strstr(text.data, "\"cpu_count\":2,\"cpu_ids\":[]") != NULL);
    CHECK_OK(record_read(text.data, text.size, &back, &detail));
    CHECK(back.cpu_count == 2 && !back.running && back.emulated);
}

TEST(a_dead_one_is_said_to_be_dead_and_is_no_record_of_a_file)
{
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    struct enclave_record record = example();
    struct detail detail;
    record_write(&record, false, &text);
    CHECK(strstr(text.data, "\"state\":\"dead\"") != NULL);
    CHECK_FAILS(BAD_INPUT, record_read(text.data, text.size, &record, &detail));
}

TEST(what_is_wrong_is_refused_and_named)
{
    const struct {
        const char *from;
        const char *to;
        const char *named;
    } wrong[] = {
        { "\"one-2\"", "\"../x\"", "name" },
        { "\"one-2\"", "\"\"", "name" },
        { "\"one-2\"", "7", "name" },
        { "\"running\"", "\"runs\"", "state" },
        { "\"running\"", "\"running or so\"", "state" },
        { ":4711", ":1", "pid" }, /* init must never be sent a signal */
        { ":4711", ":0", "pid" },
        { ":4711", ":-1", "pid" }, /* nor everybody */
        { ":4711", ":2147483648", "pid" },
        { ":4711", ":\"4711\"", "pid" },
        { ":123456789", ":-1", "pid_start_ticks" },
        { ":4294967294", ":4294967296", "cid" },
        { ":1099511627776", ":-5", "memory_bytes" },
        { ":1099511627776", ":1.5", "memory_bytes" },
        { ":1790000000", ":null", "started_at_seconds" },
        { "\"cpu_count\":2", "\"cpu_count\":129", "cpu_count" },
        { "\"cpu_count\":2", "\"cpu_count\":3", "cpu_ids" },
        { "[2,3]", "[2,-3]", "cpu_ids" },
        { "[2,3]", "[2,4294967296]", "cpu_ids" },
        { "[2,3]", "2", "cpu_ids" },
        { "\"debug\":true", "\"debug\":1", "debug" },
        { "\"emulated\":false", "\"emulated\":null", "emulated" },
        { "\"console\":\"\"", "\"console\":[]", "console" },
        { "\"vsock\":", "\"vsocks\":", "vsock" },
    };
    struct enclave_record record;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct detail detail = { "" };
        CLEANUP(free_ptr) char *text = with(wrong[i].from, wrong[i].to);
        CHECK(text != NULL);
        CHECK_FAILS(BAD_INPUT, read_text(text, &record, &detail));
        if (strcmp(detail.text, wrong[i].named) != 0) {
            printf("# case %zu: %s\n", i, detail.text);
        }
        CHECK_TEXT(detail.text, wrong[i].named);
    }
}

TEST(texts_that_do_not_fit_are_refused)
{
    struct enclave_record record;
    struct detail detail;
    CLEANUP(free_ptr) char *longer = calloc(1, RECORD_SOCKET_MAX + 64);
    snprintf(longer, RECORD_SOCKET_MAX + 64, "\"vsock\":\"%0*d\"", RECORD_SOCKET_MAX, 0);
    CLEANUP(free_ptr) char *fits = with("\"vsock\":\"\"", longer);
    CHECK_OK(read_text(fits, &record, &detail));
    snprintf(longer, RECORD_SOCKET_MAX + 64, "\"vsock\":\"%0*d\"", RECORD_SOCKET_MAX + 1, 0);
    CLEANUP(free_ptr) char *over = with("\"vsock\":\"\"", longer);
    CHECK_FAILS(BAD_INPUT, read_text(over, &record, &detail));
}

TEST(what_is_no_record_at_all_is_refused)
{
    const char *const texts[] = {
        "", "{", "[]", "null", "{}", "\"one\"", "{}{}", "{\"name\":\"a\"}"
    };
    struct enclave_record record;
    struct detail detail;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_FAILS(BAD_INPUT, read_text(texts[i], &record, &detail));
    }
    CLEANUP(free_ptr) char *spaces = calloc(1, RECORD_TEXT_MAX + 2);
    memset(spaces, ' ', RECORD_TEXT_MAX + 1);
    CHECK_FAILS(LIMIT, read_text(spaces, &record, &detail));
}

HARNESS_TESTS(T(names_are_safe_parts_of_a_path), T(what_is_written_is_read_back),
              T(an_emulated_one_has_a_number_of_cpus_and_no_ids),
              T(a_dead_one_is_said_to_be_dead_and_is_no_record_of_a_file),
              T(what_is_wrong_is_refused_and_named), T(texts_that_do_not_fit_are_refused),
              T(what_is_no_record_at_all_is_refused))
