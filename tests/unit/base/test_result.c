#include "base/result.h"
#include "harness.h"

static RESULT give(struct result result)
{
    return result;
}

static RESULT try_then(struct result first, bool *went_on)
{
    *went_on = false;
    TRY(give(first));
    *went_on = true;
    return FAIL(LIMIT, "the end");
}

TEST(only_ok_is_ok)
{
    CHECK(is_ok(OK));
    CHECK(!is_ok(FAIL(BAD_INPUT, "")) && !is_ok(FAIL(NOT_FOUND, "")) && !is_ok(FAIL(REFUSED, "")));
    CHECK(!is_ok(FAIL(LIMIT, "")) && !is_ok(FAIL(UNAVAILABLE, "")));
    CHECK_TEXT(OK.what, "ok");
}

TEST(try_hands_a_failure_on_and_goes_on_otherwise)
{
    bool went_on = true;
    struct result tried = try_then(FAIL(REFUSED, "no"), &went_on);
    CHECK(tried.status == STATUS_REFUSED && !went_on);
    CHECK_TEXT(tried.what, "no");
    tried = try_then(OK, &went_on);
    CHECK(tried.status == STATUS_LIMIT && went_on);
}

static RESULT ensure_positive(int number)
{
    ENSURE(number > 0, BAD_INPUT, "not positive");
    return OK;
}

TEST(ensure_fails_when_its_claim_does)
{
    CHECK_OK(ensure_positive(1));
    struct result failed = ensure_positive(0);
    CHECK_FAILS(BAD_INPUT, failed);
    CHECK_TEXT(failed.what, "not positive");
}

HARNESS_TESTS(T(only_ok_is_ok), T(try_hands_a_failure_on_and_goes_on_otherwise),
              T(ensure_fails_when_its_claim_does))
