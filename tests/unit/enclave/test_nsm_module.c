#include "enclave/nsm.h"
#include "enclave/nsm_module.h"
#include "harness.h"

struct result __wrap_nsm_open(const char *path, struct nsm *out, struct detail *detail);
struct result __wrap_nsm_describe(const struct nsm *nsm, struct nsm_description *out);
struct result __wrap_nsm_random(const struct nsm *nsm, void *out, size_t size);
struct result __wrap_nsm_attest(const struct nsm *nsm, const struct attestation_claims *claims,
                                struct buf *out);

enum { FD = 4711 };

static struct result answer;
static const char *opened;
static struct nsm_description description;
static size_t drawn;
static bool claimed;
static bool right_device;

struct result __wrap_nsm_open(const char *path, struct nsm *out, struct detail *detail)
{
    (void)detail;
    opened = path;
    TRY(answer);
    out->fd = FD;
    return OK;
}

struct result __wrap_nsm_describe(const struct nsm *nsm, struct nsm_description *out)
{
    right_device = nsm->fd == FD;
    TRY(answer);
    *out = description;
    return OK;
}

struct result __wrap_nsm_random(const struct nsm *nsm, void *out, size_t size)
{
    right_device = nsm->fd == FD;
    TRY(answer);
    memset(out, 0x5a, size);
    drawn = size;
    return OK;
}

struct result __wrap_nsm_attest(const struct nsm *nsm, const struct attestation_claims *claims,
                                struct buf *out)
{
    right_device = nsm->fd == FD;
    claimed = claims->nonce.bytes != NULL || claims->user_data.bytes != NULL ||
              claims->public_key.bytes != NULL;
    TRY(answer);
    buf_append_text(out, "no document");
    return OK;
}

static struct security_module module;

TEST(the_device_is_opened_by_its_path_and_a_failure_is_told)
{
    struct detail detail = { "" };
    answer = FAIL(NOT_FOUND, "none here");
    CHECK_FAILS(NOT_FOUND, nsm_module_open(&module, &detail));
    CHECK(module.describe == NULL);
    answer = OK;
    CHECK_OK(nsm_module_open(&module, &detail));
    CHECK_TEXT(opened, "/dev/nsm");
}

TEST(a_description_is_told_as_it_is)
{
    struct security_module_facts facts = { 0 };
    answer = OK;
    description = (struct nsm_description){ .pcr_count = 77, .locked = 0x8001 };
    CHECK_OK(module.describe(module.context, &facts));
    CHECK(facts.pcrs_max == 77 && facts.pcrs_locked == 0x8001 && right_device);
}

TEST(random_bytes_fill_a_draw)
{
    uint8_t bytes[SECURITY_MODULE_RANDOM_SIZE] = { 0 };
    CHECK_OK(module.random(module.context, bytes));
    CHECK(drawn == sizeof(bytes) && bytes[0] == 0x5a && bytes[255] == 0x5a && right_device);
}

TEST(what_is_no_document_tells_no_time)
{
    uint64_t ms = 7;
    CHECK_FAILS(BAD_INPUT, module.timestamp(module.context, &ms));
    CHECK(ms == 7 && !claimed && right_device);
}

TEST(the_modules_failures_are_told)
{
    struct security_module_facts facts = { 0 };
    uint8_t bytes[SECURITY_MODULE_RANDOM_SIZE];
    uint64_t ms = 7;
    answer = FAIL(UNAVAILABLE, "no answer");
    CHECK_FAILS(UNAVAILABLE, module.describe(module.context, &facts));
    CHECK_FAILS(UNAVAILABLE, module.random(module.context, bytes));
    CHECK_FAILS(UNAVAILABLE, module.timestamp(module.context, &ms));
    CHECK(ms == 7);
}

HARNESS_TESTS(T(the_device_is_opened_by_its_path_and_a_failure_is_told),
              T(a_description_is_told_as_it_is), T(random_bytes_fill_a_draw),
              T(what_is_no_document_tells_no_time), T(the_modules_failures_are_told))
