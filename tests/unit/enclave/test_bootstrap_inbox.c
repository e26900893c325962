#include "enclave/bootstrap_inbox.h"

#include "base/thread.h"
#include "harness.h"

#define INBOX(name)                                            \
    CLEANUP(bootstrap_inbox_done) struct bootstrap_inbox name; \
    bootstrap_inbox_init(&(name))

enum { PATIENCE_S = 60 };

static struct result configure(struct bootstrap_inbox *inbox, const char *text)
{
    return bootstrap_inbox_configure(inbox, (const uint8_t *)text, strlen(text));
}

static struct result credit(struct bootstrap_inbox *inbox, const char *text)
{
    return bootstrap_inbox_credit(inbox, (const uint8_t *)text, strlen(text));
}

TEST(the_configuration_is_handed_over_once_as_it_came)
{
    INBOX(inbox);
    SECRET_BLOCK got = { 0 };
    SECRET_BLOCK again = { 0 };
    struct detail detail = { "" };
    CHECK_OK(bootstrap_inbox_configure(&inbox, (const uint8_t *)"a\0b\n", 4));
    CHECK_OK(bootstrap_inbox_configuration(&inbox, 0, &got, &detail));
    CHECK(got.size == 4 && memcmp(got.data, "a\0b\n", 4) == 0);
    CHECK(inbox.configuration.data == NULL);
    CHECK_FAILS(REFUSED, bootstrap_inbox_configuration(&inbox, 0, &again, &detail));
    CHECK(again.data == NULL);
}

TEST(the_same_again_is_accepted_and_any_other_is_refused_fetched_or_not)
{
    INBOX(inbox);
    SECRET_BLOCK got = { 0 };
    static const char *const others[] = { "network: hoodj\n", "network: hoodi",
                                          "network: hoodi\n\n", "n" };
    CHECK_OK(configure(&inbox, "network: hoodi\n"));
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            CHECK_FAILS(REFUSED, configure(&inbox, others[i]));
        }
        CHECK_OK(configure(&inbox, "network: hoodi\n"));
        if (round == 0) {
            CHECK_OK(bootstrap_inbox_configuration(&inbox, 0, &got, NULL));
            CHECK_TEXT((const char *)got.data, "network: hoodi\n");
        }
    }
    CHECK(inbox.configuration.data == NULL); /* the same again is not kept again */
}

TEST(without_a_configuration_the_last_trouble_is_told)
{
    INBOX(inbox);
    SECRET_BLOCK out = { 0 };
    struct detail detail = { "before" };
    CHECK_FAILS(UNAVAILABLE, bootstrap_inbox_configuration(&inbox, 0, &out, &detail));
    CHECK_TEXT(detail.text, "");
    CHECK(bootstrap_inbox_set_trouble(&inbox, "first"));
    CHECK(bootstrap_inbox_set_trouble(&inbox, "second"));
    CHECK(!bootstrap_inbox_set_trouble(&inbox, "second"));
    CHECK_FAILS(UNAVAILABLE, bootstrap_inbox_configuration(&inbox, 0, &out, &detail));
    CHECK_TEXT(detail.text, "second");
    CHECK(out.data == NULL);
}

static void *configure_later(void *argument)
{
    struct result result = configure(argument, "late");
    return is_ok(result) ? argument : NULL;
}

TEST(who_waits_is_woken_by_the_configuration)
{
    INBOX(inbox);
    SECRET_BLOCK out = { 0 };
    pthread_t thread;
    void *done = NULL;
    CHECK_OK(thread_start(&thread, "later", configure_later, &inbox));
    struct result waited = bootstrap_inbox_configuration(&inbox, PATIENCE_S, &out, NULL);
    pthread_join(thread, &done);
    CHECK_OK(waited);
    CHECK_TEXT((const char *)out.data, "late");
    CHECK(done == &inbox);
}

TEST(credentials_are_the_last_that_came_and_may_be_asked_for_again)
{
    INBOX(inbox);
    SECRET_BLOCK none = { 0 };
    CHECK_FAILS(NOT_FOUND, bootstrap_inbox_credentials(&inbox, &none));
    CHECK_OK(credit(&inbox, "{\"first\":1}"));
    CHECK_OK(credit(&inbox, "{}"));
    for (size_t i = 0; i < 2; i++) {
        SECRET_BLOCK out = { 0 };
        CHECK_OK(bootstrap_inbox_credentials(&inbox, &out));
        CHECK(out.size == 2);
        CHECK_TEXT((const char *)out.data, "{}");
    }
    CHECK(none.data == NULL);
}

HARNESS_TESTS(T(the_configuration_is_handed_over_once_as_it_came),
              T(the_same_again_is_accepted_and_any_other_is_refused_fetched_or_not),
              T(without_a_configuration_the_last_trouble_is_told),
              T(who_waits_is_woken_by_the_configuration),
              T(credentials_are_the_last_that_came_and_may_be_asked_for_again))
