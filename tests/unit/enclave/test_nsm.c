#include "base/hex.h"
#include "enclave/nsm.h"
#include "harness.h"

/* A module that answers with what a test gives it, and keeps what it was asked. */
struct fake {
    const char *answers[4]; /* hexadecimal, one a request; NULL: no answer comes */
    size_t asked;
    uint8_t request[NSM_REQUEST_MAX];
    size_t request_size;
};

static struct result fake_exchange(const struct nsm *nsm, struct cbor_view request,
                                   struct nsm_response *out)
{
    struct fake *fake = nsm->context;
    if (request.size > sizeof(fake->request) || fake->asked >= 4) {
        abort();
    }
    memcpy(fake->request, request.bytes, request.size);
    fake->request_size = request.size;
    const char *answer = fake->answers[fake->asked++];
    ENSURE(answer != NULL, UNAVAILABLE, "no answer");
    out->size = strlen(answer) / 2;
    return hex_decode(answer, strlen(answer), out->bytes, out->size);
}

static struct nsm module_of(struct fake *fake)
{
    return (struct nsm){ .exchange = fake_exchange, .fd = -1, .context = fake };
}

static bool was_asked(const struct fake *fake, const char *hex)
{
    uint8_t wanted[NSM_REQUEST_MAX];
    size_t size = strlen(hex) / 2;
    return is_ok(hex_decode(hex, strlen(hex), wanted, size)) && fake->request_size == size &&
           memcmp(fake->request, wanted, size) == 0;
}

#define X16           "00112233445566778899aabbccddeeff"
#define X48           X16 X16 X16
#define DESCRIBE_HEAD "a16b44657363726962654e534da7"
#define DESCRIBE_PCR  "a16b4465736372696265504352"
#define EXTEND        "a169457874656e64504352"
#define ATTEST        "a16b4174746573746174696f6e"
#define RANDOM        "a16947657452616e646f6d"
#define DATA          "6464617461"
#define LOCK          "646c6f636b"
#define ERROR         "a1654572726f72"

/* {version_major: 1, version_minor: 2, version_patch: 3, module_id: "i-0-enc1", max_pcrs: 32, */
#define VERSION_MAJOR "6d76657273696f6e5f6d616a6f72"
#define VERSION_MINOR "6d76657273696f6e5f6d696e6f72"
#define VERSION_PATCH "6d76657273696f6e5f7061746368"
#define VERSIONS      VERSION_MAJOR "01" VERSION_MINOR "02" VERSION_PATCH "03"
#define MODULE        "696d6f64756c655f6964"
#define MODULE_ID     MODULE "68692d302d656e6331"
#define MAX_PCRS      "686d61785f70637273"
#define LOCKED_PCRS   "6b6c6f636b65645f70637273"
#define DIGEST        "66646967657374"
#define SHA384_TEXT   "66534841333834"
#define DESCRIPTION \
    DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "83000f10" DIGEST SHA384_TEXT

TEST(a_description_is_asked_for_and_read)
{
    struct fake fake = { .answers = { DESCRIPTION } };
    struct nsm nsm = module_of(&fake);
    struct nsm_description found;
    CHECK_OK(nsm_describe(&nsm, &found));
    CHECK(was_asked(&fake, "6b44657363726962654e534d"));
    CHECK(found.version[0] == 1 && found.version[1] == 2 && found.version[2] == 3);
    CHECK_TEXT(found.module_id, "i-0-enc1");
    CHECK(found.pcr_count == 32);
    CHECK(found.locked == ((1U << 0) | (1U << 15) | (1U << 16)));
}

static const struct {
    const char *answer;
    enum status status;
} bad_descriptions[] = {
    { "", STATUS_BAD_INPUT },
    { "f6", STATUS_BAD_INPUT },
    { "a0", STATUS_BAD_INPUT },
    { "6b44657363726962654e534d", STATUS_BAD_INPUT }, /* the bare name, as for locks */
    { DESCRIBE_PCR "a0", STATUS_BAD_INPUT },          /* of another command */
    { "a16b44657363726962654e534da0", STATUS_BAD_INPUT },
    { DESCRIPTION "00", STATUS_BAD_INPUT },
    /* without the digest */
    { "a16b44657363726962654e534da6" VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "80",
      STATUS_BAD_INPUT },
    /* the digest twice */
    { "a16b44657363726962654e534da8" VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS
      "80" DIGEST SHA384_TEXT DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT },
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "80" DIGEST "66534841323536",
      STATUS_BAD_INPUT }, /* SHA256 */
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "181f" LOCKED_PCRS "80" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* 31 registers */
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1a00010020" LOCKED_PCRS "80" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* 65568 registers, which 16 bits would make 32 of */
    { DESCRIBE_HEAD VERSIONS MODULE "60" MAX_PCRS "1820" LOCKED_PCRS "80" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* no name */
    { DESCRIBE_HEAD VERSIONS MODULE "6220"
                                    "0a" MAX_PCRS "1820" LOCKED_PCRS "80" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* a name with a line's end */
    { DESCRIBE_HEAD VERSIONS MODULE "4169" MAX_PCRS "1820" LOCKED_PCRS "80" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* a name of bytes */
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "8120" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* -1 is locked */
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "83000f", STATUS_BAD_INPUT },
    { DESCRIBE_HEAD VERSIONS MODULE_ID MAX_PCRS "1820" LOCKED_PCRS "9fff" DIGEST SHA384_TEXT,
      STATUS_BAD_INPUT }, /* an indefinite length */
    { ERROR "6d496e7465726e616c4572726f72", STATUS_UNAVAILABLE },
    { NULL, STATUS_UNAVAILABLE },
};

TEST(a_description_that_is_none_is_refused)
{
    for (size_t i = 0; i < sizeof(bad_descriptions) / sizeof(bad_descriptions[0]); i++) {
        struct fake fake = { .answers = { bad_descriptions[i].answer } };
        struct nsm nsm = module_of(&fake);
        struct nsm_description found = { .pcr_count = 77 };
        struct result result = nsm_describe(&nsm, &found);
        if (result.status != bad_descriptions[i].status || found.pcr_count != 77) {
            printf("# answer %zu: %s\n", i, result.what);
        }
        CHECK(result.status == bad_descriptions[i].status);
        CHECK(found.pcr_count == 77); /* nothing is given out after a failure */
    }
}

TEST(every_cut_of_a_description_is_refused)
{
    size_t whole = strlen(DESCRIPTION);
    for (size_t size = 0; size < whole; size += 2) {
        char cut[sizeof(DESCRIPTION)];
        snprintf(cut, sizeof(cut), "%.*s", (int)size, DESCRIPTION);
        struct fake fake = { .answers = { cut } };
        struct nsm nsm = module_of(&fake);
        struct nsm_description found;
        CHECK_FAILS(BAD_INPUT, nsm_describe(&nsm, &found));
    }
}

/* A later module may have more registers, and say more of itself. */
TEST(what_is_new_in_a_description_is_passed_over)
{
    struct fake fake = { .answers = { "a16b44657363726962654e534da8"
                                      "636e6577a1613182f5f6" VERSIONS MODULE_ID MAX_PCRS
                                      "1840" LOCKED_PCRS "8200183f" DIGEST SHA384_TEXT } };
    struct nsm nsm = module_of(&fake);
    struct nsm_description found;
    CHECK_OK(nsm_describe(&nsm, &found));
    CHECK(found.pcr_count == 64);
    CHECK(found.locked == 1);
}

TEST(every_name_of_an_error_has_its_class)
{
    static const struct {
        const char *answer;
        enum status status;
    } errors[] = {
        { ERROR "6f496e76616c6964417267756d656e74", STATUS_BAD_INPUT },   /* InvalidArgument */
        { ERROR "6c496e76616c6964496e646578", STATUS_BAD_INPUT },         /* InvalidIndex */
        { ERROR "70496e76616c69644f7065726174696f6e", STATUS_BAD_INPUT }, /* InvalidOperation */
        { ERROR "6f496e76616c6964526573706f6e7365", STATUS_UNAVAILABLE }, /* InvalidResponse */
        { ERROR "6d526561644f6e6c79496e646578", STATUS_REFUSED },         /* ReadOnlyIndex */
        { ERROR "6e427566666572546f6f536d616c6c", STATUS_LIMIT },         /* BufferTooSmall */
        { ERROR "6d496e707574546f6f4c61726765", STATUS_LIMIT },           /* InputTooLarge */
        { ERROR "6d496e7465726e616c4572726f72", STATUS_UNAVAILABLE },     /* InternalError */
        { ERROR "6753756363657373", STATUS_BAD_INPUT },                   /* Success */
        { ERROR "60", STATUS_BAD_INPUT },
        { ERROR "f6", STATUS_BAD_INPUT },
        { ERROR "6d526561644f6e6c79496e64657800", STATUS_BAD_INPUT }, /* and a byte behind it */
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct fake fake = { .answers = { errors[i].answer, errors[i].answer } };
        struct nsm nsm = module_of(&fake);
        struct pcr value;
        CHECK(nsm_extend_pcr(&nsm, 16, "", 0, &value).status == errors[i].status);
        CHECK(nsm_lock_pcr(&nsm, 16).status == errors[i].status);
    }
}

TEST(a_register_is_asked_for_and_read_whatever_the_order)
{
    struct fake fake = { .answers = { DESCRIBE_PCR "a2" DATA "5830" X48 LOCK "f5",
                                      DESCRIBE_PCR "a2" LOCK "f4" DATA "590030" X48 } };
    struct nsm nsm = module_of(&fake);
    struct pcr value;
    struct pcr wanted;
    bool locked = false;
    CHECK_OK(pcr_parse(X48, 96, &wanted));
    CHECK_OK(nsm_describe_pcr(&nsm, 0, &value, &locked));
    CHECK(was_asked(&fake, "a16b4465736372696265504352a165696e64657800"));
    CHECK(locked && pcr_equal(&value, &wanted));
    CHECK_OK(nsm_describe_pcr(&nsm, 31, &value, &locked));
    CHECK(was_asked(&fake, "a16b4465736372696265504352a165696e646578181f"));
    CHECK(!locked && pcr_equal(&value, &wanted));
}

TEST(a_register_that_is_none_is_refused)
{
    static const char *const answers[] = {
        DESCRIBE_PCR "a2" LOCK "f5" DATA "582f" X16 X16 "00112233445566778899aabbccddee", /* 47 */
        DESCRIBE_PCR "a2" LOCK "f5" DATA "5831" X48 "00",                                 /* 49 */
        DESCRIBE_PCR "a2" LOCK "f5" DATA "7830"
                     "303030303030303030303030303030303030303030303030303030303030303030303030"
                     "303030303030303030303030",     /* text */
        DESCRIBE_PCR "a2" LOCK "01" DATA "5830" X48, /* locked: 1 */
        DESCRIBE_PCR "a1" DATA "5830" X48,
        DESCRIBE_PCR "a1" LOCK "f5",
        DESCRIBE_PCR "a3" LOCK "f5" LOCK "f4" DATA "5830" X48,
        DESCRIBE_PCR "a2" LOCK "f5" DATA "5830" X48 "f6",
        EXTEND "a1" DATA "5830" X48,
        /* two answers: one of them does not come, or says something else */
        "a26b4465736372696265504352a2" LOCK "f5" DATA "5830" X48,
        "a26b4465736372696265504352a2" LOCK "f5" DATA "5830" X48 "6178f6",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct fake fake = { .answers = { answers[i] } };
        struct nsm nsm = module_of(&fake);
        struct pcr value;
        bool locked = false;
        CHECK_FAILS(BAD_INPUT, nsm_describe_pcr(&nsm, 0, &value, &locked));
    }
}

TEST(a_register_is_extended)
{
    struct fake fake = { .answers = { EXTEND "a1" DATA "5830" X48 } };
    struct nsm nsm = module_of(&fake);
    struct pcr value;
    struct pcr wanted;
    CHECK_OK(pcr_parse(X48, 96, &wanted));
    CHECK_OK(nsm_extend_pcr(&nsm, 16, "\x01\x02\x03", 3, &value));
    CHECK(was_asked(&fake, "a169457874656e64504352a265696e64657810646461746143010203"));
    CHECK(pcr_equal(&value, &wanted));
}

TEST(an_extension_is_bounded)
{
    uint8_t data[NSM_EXTEND_MAX + 1] = { 0 };
    struct fake fake = { .answers = { EXTEND "a1" DATA "5830" X48 } };
    struct nsm nsm = module_of(&fake);
    struct pcr value;
    CHECK_FAILS(LIMIT, nsm_extend_pcr(&nsm, 31, data, NSM_EXTEND_MAX + 1, &value));
    CHECK(fake.asked == 0);
    CHECK_OK(nsm_extend_pcr(&nsm, 31, data, NSM_EXTEND_MAX, &value));
    CHECK(fake.request_size <= NSM_REQUEST_MAX);
}

TEST(a_register_is_locked)
{
    struct fake fake = { .answers = { "674c6f636b504352" } };
    struct nsm nsm = module_of(&fake);
    CHECK_OK(nsm_lock_pcr(&nsm, 16));
    CHECK(was_asked(&fake, "a1674c6f636b504352a165696e64657810"));
}

/* A lock that is taken for done and is not would let others change what a client counts on. */
TEST(nothing_else_is_taken_for_a_lock)
{
    static const char *const answers[] = {
        "",
        "f5",
        "60",
        "684c6f636b50435273",   /* LockPCRs */
        "674c6f636b50435200",   /* and a byte behind it */
        "474c6f636b504352",     /* bytes */
        "a1674c6f636b504352f6", /* a map */
        "a1674c6f636b504352a0",
        "81674c6f636b504352",   /* an array */
        "7f674c6f636b504352ff", /* indefinite */
        "674c6f636b5043",
        "a0",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct fake fake = { .answers = { answers[i] } };
        struct nsm nsm = module_of(&fake);
        CHECK_FAILS(BAD_INPUT, nsm_lock_pcr(&nsm, 16));
    }
}

TEST(random_numbers_come_in_as_many_answers_as_it_takes)
{
    struct fake fake = { .answers = { RANDOM "a16672616e646f6d50" X16,
                                      RANDOM "a16672616e646f6d42aabb",
                                      RANDOM "a16672616e646f6d50" X16 } };
    struct nsm nsm = module_of(&fake);
    uint8_t out[22] = { [20] = 7, [21] = 8 };
    uint8_t wanted[22];
    CHECK_OK(hex_decode(X16 "aabb"
                            "0011"
                            "0708",
                        44, wanted, sizeof(wanted)));
    CHECK_OK(nsm_random(&nsm, out, 20));
    CHECK(fake.asked == 3);
    CHECK(was_asked(&fake, "6947657452616e646f6d"));
    CHECK(memcmp(out, wanted, sizeof(out)) == 0); /* and nothing behind what was asked for */
}

TEST(no_random_numbers_are_no_answer)
{
    char too_many[2 * 300 + 64] = RANDOM "a16672616e646f6d590101";
    size_t begin = strlen(too_many);
    memset(too_many + begin, 'a', 2 * 257);
    const char *answers[] = {
        RANDOM "a16672616e646f6d40",     /* an endless loop */
        RANDOM "a16672616e646f6d68" X16, /* text */
        RANDOM "a0",
        RANDOM "a16672616e646f6d590100" X16, /* says more than comes */
        too_many,
        ERROR "6d496e7465726e616c4572726f72",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct fake fake = { .answers = { answers[i] } };
        struct nsm nsm = module_of(&fake);
        uint8_t out[16];
        CHECK(!is_ok(nsm_random(&nsm, out, sizeof(out))));
        CHECK(fake.asked == 1);
    }
}

TEST(a_document_is_asked_for_with_what_it_is_to_say)
{
    static const struct attestation_claims nothing;
    struct attestation_claims claims = { .user_data = { (const uint8_t *)"", 0 },
                                         .nonce = { (const uint8_t *)"\x01\x02", 2 },
                                         .public_key = { (const uint8_t *)"k", 1 } };
    struct fake fake = { .answers = { ATTEST "a168646f63756d656e7443840102",
                                      ATTEST "a168646f63756d656e745a00000001aa" } };
    struct nsm nsm = module_of(&fake);
    BUF out = BUF_INIT(64);
    CHECK_OK(nsm_attest(&nsm, &nothing, &out));
    CHECK(was_asked(&fake, "a16b4174746573746174696f6ea3"
                           "69757365725f64617461f6656e6f6e6365f66a7075626c69635f6b6579f6"));
    CHECK(out.size == 3 && memcmp(out.data, "\x84\x01\x02", 3) == 0);
    CHECK_OK(nsm_attest(&nsm, &claims, &out));
    CHECK(was_asked(&fake, "a16b4174746573746174696f6ea3"
                           "69757365725f6461746140656e6f6e63654201026a7075626c69635f6b6579416b"));
    CHECK(out.size == 4 && (uint8_t)out.data[3] == 0xaa);
}

TEST(a_document_that_is_none_is_refused)
{
    static const struct attestation_claims nothing;
    static const char *const answers[] = {
        ATTEST "a168646f63756d656e7440",       /* empty */
        ATTEST "a168646f63756d656e7463313233", /* text */
        ATTEST "a168646f63756d656e74f6",
        ATTEST "a0",
        ATTEST "a268646f63756d656e74418468646f63756d656e744185", /* two of them */
        "6b4174746573746174696f6e",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct fake fake = { .answers = { answers[i] } };
        struct nsm nsm = module_of(&fake);
        BUF out = BUF_INIT(64);
        CHECK_FAILS(BAD_INPUT, nsm_attest(&nsm, &nothing, &out));
        CHECK(out.size == 0);
    }
}

TEST(claims_are_bounded)
{
    static const uint8_t bytes[DOCUMENT_PUBLIC_KEY_MAX + 1];
    struct attestation_claims good = { .user_data = { bytes, DOCUMENT_USER_DATA_MAX },
                                       .nonce = { bytes, DOCUMENT_NONCE_MAX },
                                       .public_key = { bytes, DOCUMENT_PUBLIC_KEY_MAX } };
    struct fake fake = { .answers = { ATTEST "a168646f63756d656e744184" } };
    struct nsm nsm = module_of(&fake);
    BUF out = BUF_INIT(64);
    struct attestation_claims bad = good;
    bad.user_data.size++;
    CHECK_FAILS(LIMIT, nsm_attest(&nsm, &bad, &out));
    bad = good;
    bad.nonce.size++;
    CHECK_FAILS(LIMIT, nsm_attest(&nsm, &bad, &out));
    bad = good;
    bad.public_key.size++;
    CHECK_FAILS(LIMIT, nsm_attest(&nsm, &bad, &out));
    bad = good;
    bad.public_key.size = 0;
    CHECK_FAILS(BAD_INPUT, nsm_attest(&nsm, &bad, &out));
    CHECK(fake.asked == 0);
    CHECK_OK(nsm_attest(&nsm, &good, &out));
}

TEST(a_document_that_does_not_fit_is_said)
{
    static const struct attestation_claims nothing;
    struct fake fake = { .answers = { ATTEST "a168646f63756d656e7443840102" } };
    struct nsm nsm = module_of(&fake);
    BUF out = BUF_INIT(2);
    CHECK_FAILS(LIMIT, nsm_attest(&nsm, &nothing, &out));
}

TEST(a_module_is_an_attestor)
{
    const struct attestation_claims claims = { .nonce = { (const uint8_t *)"\x01\x02", 2 } };
    struct fake fake = { .answers = { ATTEST "a168646f63756d656e7443840102" } };
    struct nsm nsm = module_of(&fake);
    const struct attestor attestor = nsm_attestor(&nsm);
    BUF out = BUF_INIT(64);
    CHECK_OK(attestor.attest(attestor.context, &claims, &out));
    CHECK(was_asked(&fake, "a16b4174746573746174696f6ea3"
                           "69757365725f64617461f6656e6f6e63654201026a7075626c69635f6b6579f6"));
    CHECK(out.size == 3 && memcmp(out.data, "\x84\x01\x02", 3) == 0);
}

TEST(where_no_device_is_there_is_no_enclave)
{
    struct nsm nsm;
    struct detail detail = { "" };
    CHECK_FAILS(NOT_FOUND, nsm_open("/dev/no-such-module", &nsm, &detail));
    CHECK(strstr(detail.text, "/dev/no-such-module") != NULL);
}

TEST(a_device_that_is_no_module_does_not_answer)
{
    struct nsm nsm;
    struct nsm_description found;
    CHECK_OK(nsm_open("/dev/null", &nsm, NULL));
    CHECK_FAILS(UNAVAILABLE, nsm_describe(&nsm, &found));
    nsm_close(&nsm);
    nsm_close(&nsm); /* a second time is nothing */
}

HARNESS_TESTS(
    T(a_description_is_asked_for_and_read), T(a_description_that_is_none_is_refused),
    T(every_cut_of_a_description_is_refused), T(what_is_new_in_a_description_is_passed_over),
    T(every_name_of_an_error_has_its_class), T(a_register_is_asked_for_and_read_whatever_the_order),
    T(a_register_that_is_none_is_refused), T(a_register_is_extended), T(an_extension_is_bounded),
    T(a_register_is_locked), T(nothing_else_is_taken_for_a_lock),
    T(random_numbers_come_in_as_many_answers_as_it_takes), T(no_random_numbers_are_no_answer),
    T(a_document_is_asked_for_with_what_it_is_to_say), T(a_document_that_is_none_is_refused),
    T(a_module_is_an_attestor), T(claims_are_bounded), T(a_document_that_does_not_fit_is_said),
    T(where_no_device_is_there_is_no_enclave), T(a_device_that_is_no_module_does_not_answer))
