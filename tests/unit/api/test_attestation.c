#include "api/attestation.h"

#include "../attest/module.h"
#include "api/routes.h"
#include "attest/document.h"
#include "base/hex.h"
#include "exchange.h"
#include "harness.h"

#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000 };

#define HEX_16 "000102030405060708090a0b0c0d0e0f"
#define HEX_64 HEX_16 HEX_16 HEX_16 HEX_16
#define BODY   "{\"nonce\":\"0x" HEX_16 "\"}"

static const uint8_t configuration[SHA384_SIZE] = { 1, 2, 3 };
static const uint8_t nonce_16[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static const char *judge(const char *body)
{
    static char line[2 * DETAIL_SIZE];
    struct attestation_nonce nonce;
    struct detail detail = { "" };
    struct result read = attestation_read(body, strlen(body), &nonce, &detail);
    detail_line(is_ok(read) ? NULL : &detail, read, line, sizeof(line));
    return line;
}

TEST(bodies_are_one_nonce_and_nothing_else)
{
    static const char wrong_size[] = "nonce: not 16 to 64 bytes in hexadecimal";
    static const char no_text[] = "nonce: missing, or not a text";
    static const char more[] = "body: there is something beside the nonce";
    static const struct {
        const char *body;
        const char *wanted;
    } cases[] = {
        { BODY, "ok" },
        { " { \"nonce\" : \"" HEX_16 "\" } ", "ok" },
        { "{\"nonce\":\"0x" HEX_64 "\"}", "ok" },
        { "{\"nonce\":\"000102030405060708090A0B0C0D0E0F\"}", "ok" },
        { "{\"nonce\":\"\"}", wrong_size },
        { "{\"nonce\":\"0x\"}", wrong_size },
        { "{\"nonce\":\"000102030405060708090a0b0c0d0e\"}", wrong_size },
        { "{\"nonce\":\"0x" HEX_64 "00\"}", wrong_size },
        { "{}", no_text },
        { "{\"nonce\":null}", no_text },
        { "{\"nonce\":1}", no_text },
        { "{\"nonce\":[\"" HEX_16 "\"]}", no_text },
        { "{\"Nonce\":\"" HEX_16 "\"}", no_text },
        { "{\"nonce\":\"" HEX_16 "\",\"context\":\"\"}", more },
        { "{\"nonce\":\"" HEX_16 "\",\"Nonce\":\"" HEX_16 "\"}", more },
        { "[]", "body: not an object" },
        { "[\"" HEX_16 "\"]", "body: not an object" },
        { "\"" HEX_16 "\"", "body: not an object" },
        { "null", "body: not an object" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_TEXT(judge(cases[i].body), cases[i].wanted);
    }
}

TEST(what_is_no_json_or_no_hexadecimal_is_refused)
{
    static const char *const bodies[] = {
        "",
        "nonce=" HEX_16,
        HEX_16,
        "{\"nonce\":\"" HEX_16 "\"",
        "{\"nonce\":\"" HEX_16 "\"} {}",
        "{\"nonce\":\"" HEX_16 "\",\"nonce\":\"" HEX_16 "\"}",
        "{'nonce':'" HEX_16 "'}",
        "{\"nonce\":\"" HEX_16 "0\"}",
        "{\"nonce\":\"g00102030405060708090a0b0c0d0e0f\"}",
        "{\"nonce\":\"0x0x" HEX_16 "\"}",
        "{\"nonce\":\" " HEX_16 " \"}",
        "{\"nonce\":\"00 102030405060708090a0b0c0d0e0f0\"}",
        "{\"nonce\":\"" HEX_16 "\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct attestation_nonce nonce;
        CHECK_FAILS(BAD_INPUT, attestation_read(bodies[i], strlen(bodies[i]), &nonce, NULL));
    }
}

TEST(the_nonce_is_read_byte_for_byte)
{
    struct attestation_nonce nonce = { .size = 0 };
    CHECK_OK(attestation_read(BODY, strlen(BODY), &nonce, NULL));
    CHECK(nonce.size == 16 && memcmp(nonce.bytes, nonce_16, 16) == 0);
}

TEST(a_body_is_bounded)
{
    char body[ATTESTATION_BODY_MAX + 2];
    struct attestation_nonce nonce;
    memset(body, ' ', sizeof(body));
    memcpy(body, BODY, strlen(BODY));
    CHECK_OK(attestation_read(body, ATTESTATION_BODY_MAX, &nonce, NULL));
    CHECK_FAILS(LIMIT, attestation_read(body, ATTESTATION_BODY_MAX + 1, &nonce, NULL));
}

/* A module behind the handler; it may be told to wait. */
struct place {
    struct module module;
    struct attestation *attestation;
    struct api api;
};

static atomic_bool is_held;

static struct result attest_when_let(void *context, const struct attestation_claims *claims,
                                     struct buf *out)
{
    struct place *place = context;
    const struct attestor module = module_attestor(&place->module);
    struct result result = module.attest(module.context, claims, out);
    for (int i = 0; i < PATIENCE_MS && atomic_load(&is_held); i++) {
        usleep(1000);
    }
    return result;
}

static void place_init(struct place *place)
{
    const struct attestor attestor = { .attest = attest_when_let, .context = place };
    memset(place, 0, sizeof(*place));
    module_init(&place->module, configuration, -MAKER_HOUR, 2 * MAKER_HOUR);
    if (!is_ok(attestation_new(&attestor, configuration, &place->attestation))) {
        abort();
    }
    place->api.attestation = place->attestation;
}

static void place_done(struct place *place)
{
    atomic_store(&is_held, false);
    attestation_free(place->attestation);
    module_done(&place->module);
}

#define PLACE(name)                        \
    CLEANUP(place_done) struct place name; \
    place_init(&name)

static void ask_with(struct place *place, struct http_exchange *exchange, const char *body)
{
    static char bytes[2 * ATTESTATION_BODY_MAX];
    snprintf(bytes, sizeof(bytes), "%s", body);
    exchange->request.body = body[0] == '\0' ? NULL : bytes;
    exchange->request.body_size = strlen(body);
    api_attestation(&place->api, exchange, "");
    exchange->request.body = NULL;
}

#define TLS_EXCHANGE(name)                       \
    EXCHANGE(name, METHOD_POST, "/attestation"); \
    name.is_tls_1_3 = true;                      \
    name.server_key = "the shown key"

/* The document that was answered; decoded into `bytes`. */
static bool read_answer(struct http_exchange *exchange, uint8_t bytes[static DOCUMENT_MAX],
                        struct document *out)
{
    static const char before[] = "{\"document\":\"0x";
    const char *body = exchange_body(exchange);
    size_t hex_size = strlen(body) - strlen(before) - 2;
    size_t size = hex_size / 2;
    return strncmp(body, before, strlen(before)) == 0 &&
           strcmp(body + strlen(body) - 2, "\"}") == 0 &&
           is_ok(hex_decode(body + strlen(before), hex_size, bytes, size)) &&
           is_ok(document_parse(bytes, size, out, NULL));
}

TEST(the_document_is_bound_to_nonce_certificate_configuration_and_connection)
{
    static const char key[] = "the shown key";
    uint8_t bytes[DOCUMENT_MAX];
    uint8_t user_data[155];
    struct document document;
    PLACE(place);
    TLS_EXCHANGE(exchange);
    ask_with(&place, &exchange, BODY);
    CHECK(exchange_status(&exchange) == 200);
    CHECK_TEXT(exchange.response.content_type, CONTENT_TYPE_JSON);
    CHECK(read_answer(&exchange, bytes, &document));
    CHECK(document.nonce.size == 16 && memcmp(document.nonce.bytes, nonce_16, 16) == 0);
    CHECK(cbor_view_is(document.public_key, key));
    evidence_user_data((struct cbor_view){ (const uint8_t *)key, strlen(key) }, configuration,
                       user_data);
    exchange_exported("EXPORTER-containment-chamber/atls/v1", nonce_16, 16, user_data + 123, 32);
    CHECK(document.user_data.size == sizeof(user_data) &&
          memcmp(document.user_data.bytes, user_data, sizeof(user_data)) == 0);
}

TEST(bad_bodies_are_told_and_ask_for_no_document)
{
    char long_body[ATTESTATION_BODY_MAX + 2];
    memset(long_body, ' ', sizeof(long_body));
    long_body[sizeof(long_body) - 1] = '\0';
    const struct {
        const char *body;
        unsigned status;
        const char *answer;
    } cases[] = {
        { "", 400, "{\"code\":400,\"message\":\"" },
        { "{}", 400, "{\"code\":400,\"message\":\"nonce: missing, or not a text\"}" },
        { long_body, 413, "{\"code\":413,\"message\":\"body: more than 1024 bytes\"}" },
    };
    PLACE(place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        TLS_EXCHANGE(exchange);
        ask_with(&place, &exchange, cases[i].body);
        CHECK(exchange_status(&exchange) == cases[i].status);
        CHECK(strncmp(exchange_body(&exchange), cases[i].answer, strlen(cases[i].answer)) == 0);
    }
    CHECK(atomic_load(&place.module.calls) == 0);
}

TEST(only_tls_1_3_can_be_attested)
{
    PLACE(place);
    EXCHANGE(exchange, METHOD_POST, "/attestation");
    ask_with(&place, &exchange, BODY);
    CHECK(exchange_status(&exchange) == 403);
    CHECK(atomic_load(&place.module.calls) == 0);
}

TEST(without_a_document_the_client_may_try_again)
{
    PLACE(place);
    TLS_EXCHANGE(exchange);
    place.module.result = FAIL(UNAVAILABLE, "no answer");
    ask_with(&place, &exchange, BODY);
    CHECK(exchange_status(&exchange) == 503);
    CHECK(exchange.response.retry_after_seconds == 1);
    CHECK_TEXT(exchange_body(&exchange), "{\"code\":503,\"message\":\"the security module gave no "
                                         "document; try again\"}");
}

static bool is_asked(const struct place *place)
{
    for (int i = 0; i < PATIENCE_MS && atomic_load(&place->module.calls) == 0; i++) {
        usleep(1000);
    }
    return atomic_load(&place->module.calls) == 1;
}

enum { TAKEN = ATTESTATION_WAITING_MAX + 1 };

TEST(one_is_worked_on_64_wait_and_the_next_is_told_to_try_again)
{
    static struct http_exchange taken[TAKEN];
    bool answered = true;
    PLACE(place);
    TLS_EXCHANGE(refused);
    atomic_store(&is_held, true);
    for (size_t i = 0; i < TAKEN; i++) {
        exchange_init(&taken[i], METHOD_POST, "/attestation");
        taken[i].is_tls_1_3 = true;
        taken[i].server_key = "key";
        ask_with(&place, &taken[i], BODY);
        CHECK(i > 0 || is_asked(&place)); /* it waits no more */
    }
    ask_with(&place, &refused, BODY);
    CHECK(exchange_status(&refused) == 503);
    CHECK(refused.response.retry_after_seconds == 1);
    CHECK_TEXT(exchange_body(&refused), "{\"code\":503,\"message\":\"too many attestations are "
                                        "asked for at once; try again\"}");
    CHECK(atomic_load(&place.module.calls) == 1); /* one at a time */
    atomic_store(&is_held, false);
    attestation_free(STEAL(place.attestation)); /* answers those that wait */
    for (size_t i = 0; i < TAKEN; i++) {
        answered = answered && taken[i].answers == 1 && taken[i].response.status == 200;
        exchange_done(&taken[i]);
    }
    CHECK(answered);
}

HARNESS_TESTS(T(bodies_are_one_nonce_and_nothing_else),
              T(what_is_no_json_or_no_hexadecimal_is_refused), T(the_nonce_is_read_byte_for_byte),
              T(a_body_is_bounded),
              T(the_document_is_bound_to_nonce_certificate_configuration_and_connection),
              T(bad_bodies_are_told_and_ask_for_no_document), T(only_tls_1_3_can_be_attested),
              T(without_a_document_the_client_may_try_again),
              T(one_is_worked_on_64_wait_and_the_next_is_told_to_try_again))
