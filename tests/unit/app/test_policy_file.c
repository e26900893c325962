#include "app/policy_file.h"
#include "harness.h"

#define VALUE                                          \
    "0123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789ABCDEF0123456789abcdef"
#define OTHER                                          \
    "f123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789abcdef0123456789abcdef"

static struct result parse(const char *text, struct policy *out, struct detail *detail)
{
    return policy_file_parse("policy.yaml", text, strlen(text), out, detail);
}

TEST(yaml_and_json_say_the_same)
{
    static const char *const texts[] = {
        "pcrs:\n  0: [" VALUE ", " OTHER "]\n  \"16\":\n    - 0x" OTHER "\n"
        "max_age_seconds: 60\nallow_debug: true\n",
        "{\"allow_debug\": true, \"max_age_seconds\": 60, \"pcrs\": {\"16\": [\"" OTHER "\"],"
        "\n\t\"0\": [\"" VALUE "\", \"" OTHER "\"]}}\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct policy policy;
        struct pcr value;
        struct pcr other;
        CHECK_OK(pcr_parse(VALUE, strlen(VALUE), &value));
        CHECK_OK(pcr_parse(OTHER, strlen(OTHER), &other));
        CHECK_OK(parse(texts[i], &policy, NULL));
        CHECK(policy.max_age_seconds == 60 && policy.allow_debug);
        CHECK(policy.counts[0] == 2 && policy.counts[16] == 1 && policy.counts[8] == 0);
        CHECK(pcr_equal(&policy.values[0][0], &value) && pcr_equal(&policy.values[0][1], &other));
        CHECK(pcr_equal(&policy.values[16][0], &other));
    }
}

TEST(what_is_not_said_is_strict)
{
    struct policy policy;
    CHECK_OK(parse("pcrs: {8: [" VALUE "]}", &policy, NULL));
    CHECK(!policy.allow_debug && policy.max_age_seconds == POLICY_MAX_AGE_DEFAULT);
}

/* A wrong policy, and the line that the complaint names; 0: the file alone. */
static const struct {
    const char *text;
    unsigned line;
} wrong[] = {
    { "", 0 },
    { "# nothing\n", 0 },
    { "{}", 0 },
    { "- pcrs", 0 },
    { "pcrs", 0 },
    { "max_age_seconds: 60\n", 0 },
    { "pcrs: {3: [" VALUE "]}", 0 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_seconds: 0\n", 0 },
    { "pcrs: {0: [" VALUE "]}\n---\npcrs: {0: [" VALUE "]}\n", 0 },
    { "pcrs:\n", 1 },
    { "pcrs: [" VALUE "]\n", 1 },
    { "pcrs:\n  0: " VALUE "\n", 2 },
    { "pcrs:\n  0: []\n", 2 },
    { "pcrs:\n  0: [[" VALUE "]]\n", 2 },
    { "pcrs:\n  0: {a: b}\n", 2 },
    { "pcrs:\n  0:\n    - " VALUE "\n    - 12\n", 4 },
    { "pcrs:\n  0: [" VALUE "0]\n", 2 },
    { "pcrs:\n  0: [" VALUE ", " VALUE "]\n", 2 },
    { "pcrs:\n  32: [" VALUE "]\n", 2 },
    { "pcrs:\n  -1: [" VALUE "]\n", 2 },
    { "pcrs:\n  18446744073709551616: [" VALUE "]\n", 2 },
    { "pcrs:\n  PCR0: [" VALUE "]\n", 2 },
    { "pcrs:\n  [0]: [" VALUE "]\n", 2 },
    { "pcrs:\n  0: [" VALUE "]\n  0: [" OTHER "]\n", 3 },
    { "pcrs:\n  0: [" VALUE "]\n  \"00\": [" OTHER "]\n", 3 },
    { "pcrs: {0: [" VALUE "]}\npcrs: {0: [" VALUE "]}\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_second: 60\n", 2 },
    { "pcrs: {0: [" VALUE "]}\n\"max_age_seconds\\0\": 60\n", 2 },
    { "pcrs: {0: [" VALUE "]}\n{}: 60\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_seconds: 1h\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_seconds: -1\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_seconds: [60]\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nallow_debug: yes\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nallow_debug:\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nallow_debug: {}\n", 2 },
    { "pcrs: {0: [" VALUE "]\n", 2 },
    { "pcrs: {0: [" VALUE "]}\nmax_age_seconds: *age\n", 2 },
};

TEST(wrong_policies_are_refused_with_their_place)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct policy policy = { .max_age_seconds = 77 };
        struct detail detail = { "" };
        char place[64];
        CHECK_FAILS(BAD_INPUT, parse(wrong[i].text, &policy, &detail));
        CHECK(policy.max_age_seconds == 77);
        snprintf(place, sizeof(place), "policy.yaml line %u", wrong[i].line);
        if (wrong[i].line == 0) {
            CHECK(strncmp(detail.text, "policy.yaml", 11) == 0 &&
                  strstr(detail.text, "line") == NULL);
        } else {
            CHECK_TEXT(detail.text, place);
        }
    }
}

TEST(every_cut_of_a_policy_is_refused_or_whole)
{
    static const char text[] = "{\"pcrs\": {\"0\": [\"" VALUE "\"]}, \"max_age_seconds\": 60}";
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        struct policy policy;
        char *part = malloc(size > 0 ? size : 1);
        CHECK(part != NULL);
        memcpy(part, text, size);
        struct result result = policy_file_parse("policy", part, size, &policy, NULL);
        free(part);
        CHECK_FAILS(BAD_INPUT, result);
    }
}

TEST(bytes_that_are_no_text_are_refused)
{
    static const char *const wrong_bytes[] = { "\xff\xfe", "pcrs: \xc3", "\x01", "\x1b[0m: 1" };
    for (size_t i = 0; i < sizeof(wrong_bytes) / sizeof(wrong_bytes[0]); i++) {
        struct policy policy;
        CHECK_FAILS(BAD_INPUT, parse(wrong_bytes[i], &policy, NULL));
    }
}

TEST(a_file_that_is_not_there_is_named)
{
    struct policy policy;
    struct detail detail;
    CHECK_FAILS(NOT_FOUND, policy_file_read("/nonexistent/policy.yaml", &policy, &detail));
    CHECK(strstr(detail.text, "/nonexistent/policy.yaml") != NULL);
}

HARNESS_TESTS(T(yaml_and_json_say_the_same), T(what_is_not_said_is_strict),
              T(wrong_policies_are_refused_with_their_place),
              T(every_cut_of_a_policy_is_refused_or_whole), T(bytes_that_are_no_text_are_refused),
              T(a_file_that_is_not_there_is_named))
