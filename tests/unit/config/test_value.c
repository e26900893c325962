#include "config/value.h"
#include "support.h"

static const struct setting text = { .name = "t",
                                     .kind = SETTING_TEXT,
                                     .offset = offsetof(struct settings, network),
                                     .standard = "default" };
static const struct setting optional_text = {
    .name = "o", .kind = SETTING_TEXT, .offset = offsetof(struct settings, network), .standard = ""
};
static const struct setting choice = { .name = "c",
                                       .kind = SETTING_CHOICE,
                                       .offset = offsetof(struct settings, network),
                                       .standard = "info",
                                       .choices = "debug|info|error" };
static const struct setting number = { .name = "n",
                                       .kind = SETTING_NUMBER,
                                       .offset = offsetof(struct settings, signing.workers),
                                       .standard = "10",
                                       .min = 10,
                                       .max = 65535 };
static const struct setting boolean = { .name = "b",
                                        .kind = SETTING_BOOLEAN,
                                        .offset = offsetof(struct settings, metrics.enabled),
                                        .standard = "false" };
static const struct setting list = { .name = "l",
                                     .kind = SETTING_LIST,
                                     .offset = offsetof(struct settings, filesystem.paths),
                                     .standard = "" };
static const struct setting full_list = { .name = "f",
                                          .kind = SETTING_LIST,
                                          .offset = offsetof(struct settings, filesystem.paths),
                                          .standard = "active" };

static void done(struct settings *settings)
{
    value_free(&text, settings);
    value_free(&list, settings);
}

#define SETTINGS CLEANUP(done) struct settings

static struct result set(const struct setting *setting, const char *value,
                         struct settings *settings)
{
    return value_read(setting, value, strlen(value), settings, NULL);
}

/* The error line for a value; "ok" when there is none. */
static const char *judge(const struct setting *setting, const char *value)
{
    SETTINGS settings = { .network = NULL };
    struct detail detail = { .text = "" };
    return line_of(value_read(setting, value, strlen(value), &settings, &detail), &detail);
}

TEST(reads_texts)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&text, "mainnet", &settings));
    CHECK_TEXT(settings.network, "mainnet");
    CHECK_OK(set(&text, "a b, c: \"d\" # \xc3\xa4", &settings));
    CHECK_TEXT(settings.network, "a b, c: \"d\" # \xc3\xa4");
}

TEST(reads_only_as_far_as_the_size_says)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(value_read(&text, "mainnet", 4, &settings, NULL));
    CHECK_TEXT(settings.network, "main");
    CHECK_OK(value_read(&choice, "information", 4, &settings, NULL));
    CHECK_TEXT(settings.network, "info");
    CHECK_OK(value_read(&number, "12345", 2, &settings, NULL));
    CHECK(settings.signing.workers == 12);
    CHECK_OK(value_read(&boolean, "trueish", 4, &settings, NULL));
    CHECK(settings.metrics.enabled);
    CHECK_OK(value_read(&list, "a,b,  c", 3, &settings, NULL));
    CHECK(settings.filesystem.paths.count == 2);
    CHECK_FAILS(BAD_INPUT, value_read(&list, "a,b,  c", 5, &settings, NULL));
}

TEST(refuses_texts_that_no_terminal_should_see)
{
    static const char *const wrong[] = { "a\nb", "a\n", "\ta", "a\x1b[31m", "a\x7f", "\r" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        SETTINGS settings = { .network = NULL };
        CHECK_FAILS(BAD_INPUT, set(&text, wrong[i], &settings));
        CHECK_FAILS(BAD_INPUT, set(&list, wrong[i], &settings));
    }
    SETTINGS settings = { .network = NULL };
    CHECK_FAILS(BAD_INPUT, value_read(&text, "a\0b", 3, &settings, NULL));
    CHECK_FAILS(BAD_INPUT, value_read(&choice, "info\0", 5, &settings, NULL));
    CHECK_FAILS(BAD_INPUT, value_read(&boolean, "true\0", 5, &settings, NULL));
    CHECK_FAILS(BAD_INPUT, value_read(&number, "10\0", 3, &settings, NULL));
    CHECK_FAILS(BAD_INPUT, value_read(&list, "a\0b", 3, &settings, NULL));
}

TEST(refuses_spaces_around_a_text)
{
    CHECK_TEXT(judge(&text, " a"), "= \" a\" (takes a text): begins or ends with a space");
    CHECK_TEXT(judge(&text, "a "), "= \"a \" (takes a text): begins or ends with a space");
    CHECK_TEXT(judge(&text, " "), "= \" \" (takes a text): begins or ends with a space");
}

TEST(a_text_may_be_empty_when_its_default_is)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&optional_text, "", &settings));
    CHECK_TEXT(settings.network, "");
    CHECK_TEXT(judge(&text, ""), "= \"\" (takes a text): empty");
    CHECK(value_may_be_empty(&optional_text) && !value_may_be_empty(&text));
}

TEST(a_text_has_its_limit)
{
    SETTINGS settings = { .network = NULL };
    CLEANUP(free_ptr) char *most = repeat('a', VALUE_TEXT_MAX);
    CLEANUP(free_ptr) char *more = repeat('a', VALUE_TEXT_MAX + 1);
    CHECK_OK(set(&text, most, &settings));
    CHECK(strlen(settings.network) == VALUE_TEXT_MAX);
    CHECK_FAILS(LIMIT, set(&text, more, &settings));
    CHECK(strlen(settings.network) == VALUE_TEXT_MAX);
    CHECK_OK(set(&list, most, &settings));
    CHECK_FAILS(LIMIT, set(&list, more, &settings));
}

TEST(reads_each_choice_and_nothing_else)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&choice, "debug", &settings));
    CHECK_OK(set(&choice, "error", &settings));
    CHECK_OK(set(&choice, "info", &settings));
    CHECK_TEXT(settings.network, "info");
    static const char *const wrong[] = {
        "", "inf", "infos", "Info", "debug|info", "info|", "debug|info|error", "|", " info"
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(BAD_INPUT, set(&choice, wrong[i], &settings));
    }
    CHECK_TEXT(settings.network, "info");
    CHECK_TEXT(judge(&choice, "warn"),
               "= \"warn\" (takes debug, info or error): not one of the choices");
}

TEST(reads_numbers_within_the_range)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&number, "10", &settings));
    CHECK(settings.signing.workers == 10);
    CHECK_OK(set(&number, "65535", &settings));
    CHECK(settings.signing.workers == 65535);
    CHECK_TEXT(judge(&number, "9"), "= \"9\" (takes 10 to 65535): number out of range");
    CHECK_TEXT(judge(&number, "65536"), "= \"65536\" (takes 10 to 65535): number out of range");
}

TEST(reads_numbers_strictly)
{
    static const char *const wrong[] = {
        "-1",
        "+10",
        " 10",
        "10 ",
        "1e3",
        "10.0",
        "0x10",
        "1_000",
        "ten",
        "10k",
        "010",
        "00010",
        "099999",
        "true",
        "10,",
        "10s",
        "\xd9\xa1\xd9\xa0",
        "18446744073709551616",
        "18446744073709551626",
        "99999999999999999999999999",
    };
    SETTINGS settings = { .signing.workers = 77 };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(BAD_INPUT, set(&number, wrong[i], &settings));
    }
    CHECK(settings.signing.workers == 77);
    CHECK_TEXT(judge(&number, "80a"), "= \"80a\" (takes 10 to 65535): not a whole number");
    CHECK_TEXT(judge(&number, "18446744073709551616"),
               "= \"18446744073709551616\" (takes 10 to 65535): number out of range");
    CHECK_TEXT(judge(&number, "012"),
               "= \"012\" (takes 10 to 65535): a number must not begin with 0");
    CHECK_TEXT(judge(&number, ""), "= \"\" (takes 10 to 65535): empty");
}

TEST(zero_is_a_number)
{
    struct setting from_zero = number;
    from_zero.min = 0;
    SETTINGS settings = { .signing.workers = 77 };
    CHECK_OK(set(&from_zero, "0", &settings));
    CHECK(settings.signing.workers == 0);
    CHECK_FAILS(BAD_INPUT, set(&from_zero, "00", &settings));
}

TEST(reads_true_and_false_only)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&boolean, "true", &settings));
    CHECK(settings.metrics.enabled);
    static const char *const wrong[] = { "",   "True", "TRUE", "yes", "on",     "1",
                                         "no", "off",  "0",    "tru", "falsey", "n" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(BAD_INPUT, set(&boolean, wrong[i], &settings));
    }
    CHECK(settings.metrics.enabled);
    CHECK_OK(set(&boolean, "false", &settings));
    CHECK(!settings.metrics.enabled);
    CHECK_TEXT(judge(&boolean, "yes"), "= \"yes\" (takes true or false): neither true nor false");
}

TEST(divides_lists_at_commas)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&list, "./a,  ./b c ,./d", &settings));
    CHECK(settings.filesystem.paths.count == 3);
    CHECK_TEXT(settings.filesystem.paths.items[0], "./a");
    CHECK_TEXT(settings.filesystem.paths.items[1], "./b c");
    CHECK_TEXT(settings.filesystem.paths.items[2], "./d");
    CHECK_OK(set(&list, "one", &settings));
    CHECK(settings.filesystem.paths.count == 1);
    CHECK_OK(set(&list, "", &settings));
    CHECK(settings.filesystem.paths.count == 0);
}

TEST(refuses_empty_items_and_keeps_the_old_list)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&list, "old", &settings));
    static const char *const wrong[] = { ",", "a,", ",a", "a,,b", " ", "a, ,b" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(BAD_INPUT, set(&list, wrong[i], &settings));
    }
    CHECK(settings.filesystem.paths.count == 1);
    CHECK_TEXT(settings.filesystem.paths.items[0], "old");
    CHECK_TEXT(judge(&list, "a,,b"), "item 2: empty item in a list");
}

TEST(a_list_has_its_limit)
{
    CLEANUP(free_ptr) char *commas = repeat(',', 2 * VALUE_LIST_MAX);
    for (size_t i = 0; i < 2 * VALUE_LIST_MAX; i += 2) {
        commas[i] = 'a';
    }
    SETTINGS settings = { .network = NULL };
    CHECK_OK(value_read(&list, commas, 2 * VALUE_LIST_MAX - 1, &settings, NULL));
    CHECK(settings.filesystem.paths.count == VALUE_LIST_MAX);
    struct text_list *full = &settings.filesystem.paths;
    struct detail detail = { .text = "" };
    struct result refused = value_list_append(full, "b", 1, &detail);
    CHECK(refused.status == STATUS_LIMIT);
    CHECK_TEXT(line_of(refused, &detail), "item 1001: list has more than 1000 items");
    CHECK(full->count == VALUE_LIST_MAX);
}

TEST(an_item_of_a_list_may_hold_commas)
{
    SETTINGS settings = { .network = NULL };
    struct text_list *paths = &settings.filesystem.paths;
    CHECK_OK(value_list_append(paths, "a,b", 3, NULL));
    CHECK(paths->count == 1);
    CHECK_TEXT(paths->items[0], "a,b");
    CHECK_FAILS(BAD_INPUT, value_list_append(paths, "", 0, NULL));
    CHECK_FAILS(BAD_INPUT, value_list_append(paths, " a", 2, NULL));
    CHECK(paths->count == 1);
}

TEST(a_taken_list_is_empty_afterwards)
{
    SETTINGS settings = { .network = NULL };
    CHECK_OK(set(&list, "old,older", &settings));
    CLEANUP(value_list_free) struct text_list items = { .items = NULL };
    CHECK_OK(value_list_append(&items, "new", 3, NULL));
    CHECK_OK(value_take_list(&list, &items, &settings, NULL));
    CHECK(items.items == NULL && items.count == 0);
    CHECK(settings.filesystem.paths.count == 1);
    CHECK_TEXT(settings.filesystem.paths.items[0], "new");
}

TEST(a_list_may_be_empty_when_its_default_is)
{
    SETTINGS settings = { .network = NULL };
    struct text_list none = { .items = NULL };
    CHECK_OK(set(&full_list, "old", &settings));
    CHECK_FAILS(BAD_INPUT, set(&full_list, "", &settings));
    struct detail detail = { .text = "" };
    CHECK_TEXT(line_of(value_take_list(&full_list, &none, &settings, &detail), &detail),
               "= []: empty");
    CHECK(settings.filesystem.paths.count == 1);
    CHECK_OK(value_take_list(&list, &none, &settings, NULL));
    CHECK(settings.filesystem.paths.count == 0);
}

TEST(a_wrong_value_is_shown_cut_and_printable)
{
    CLEANUP(free_ptr) char *endless = repeat('7', 100 * 1000);
    CHECK_TEXT(judge(&number, endless), "= \"7777777777777777777777777777777777777777...\" "
                                        "(takes 10 to 65535): number out of range");
    CHECK_TEXT(judge(&number, "\x1b[2J"), "= \"?[2J\" (takes 10 to 65535): not a whole number");
}

static const char *written(const struct setting *setting, const struct settings *settings)
{
    static char copy[256];
    BUF out = BUF_INIT(sizeof(copy) - 1);
    value_write(setting, settings, &out);
    snprintf(copy, sizeof(copy), "%s", out.data);
    return copy;
}

TEST(writes_values)
{
    SETTINGS settings = { .signing.workers = UINT64_MAX };
    CHECK_TEXT(written(&number, &settings), "18446744073709551615");
    CHECK_TEXT(written(&boolean, &settings), "false");
    CHECK_TEXT(written(&list, &settings), "[]");
    CHECK_OK(set(&list, "a,b", &settings));
    CHECK_TEXT(written(&list, &settings), "[a, b]");
    CHECK_OK(set(&optional_text, "", &settings));
    CHECK_TEXT(written(&text, &settings), "\"\"");
    CHECK_OK(set(&choice, "debug", &settings));
    CHECK_TEXT(written(&choice, &settings), "debug");
}

static const char *takes(const struct setting *setting)
{
    static char copy[256];
    BUF out = BUF_INIT(sizeof(copy) - 1);
    value_write_takes(setting, &out);
    snprintf(copy, sizeof(copy), "%s", out.data);
    return copy;
}

TEST(says_what_a_setting_takes)
{
    struct setting one_choice = choice;
    one_choice.choices = "only";
    struct setting two_choices = choice;
    two_choices.choices = "a|b";
    CHECK_TEXT(takes(&text), "a text");
    CHECK_TEXT(takes(&number), "10 to 65535");
    CHECK_TEXT(takes(&boolean), "true or false");
    CHECK_TEXT(takes(&list), "a list of texts");
    CHECK_TEXT(takes(&one_choice), "only");
    CHECK_TEXT(takes(&two_choices), "a or b");
    CHECK_TEXT(takes(&choice), "debug, info or error");
}

TEST(frees_what_was_never_set)
{
    struct settings settings = { .network = NULL };
    value_free(&text, &settings);
    value_free(&choice, &settings);
    value_free(&number, &settings);
    value_free(&boolean, &settings);
    value_free(&list, &settings);
    CHECK(settings.network == NULL);
}

HARNESS_TESTS(T(reads_texts), T(reads_only_as_far_as_the_size_says),
              T(refuses_texts_that_no_terminal_should_see), T(refuses_spaces_around_a_text),
              T(a_text_may_be_empty_when_its_default_is), T(a_text_has_its_limit),
              T(reads_each_choice_and_nothing_else), T(reads_numbers_within_the_range),
              T(reads_numbers_strictly), T(zero_is_a_number), T(reads_true_and_false_only),
              T(divides_lists_at_commas), T(refuses_empty_items_and_keeps_the_old_list),
              T(a_list_has_its_limit), T(an_item_of_a_list_may_hold_commas),
              T(a_taken_list_is_empty_afterwards), T(a_list_may_be_empty_when_its_default_is),
              T(a_wrong_value_is_shown_cut_and_printable), T(writes_values),
              T(says_what_a_setting_takes), T(frees_what_was_never_set))
