#include "atls/session.h"

#include "atls/answer.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 100,
    READ_SIZE = 16 * 1024,
    REQUEST_MAX = 1024,
    USER_DATA_SIZE = EVIDENCE_USER_DATA_SIZE + SESSION_EXPORTER_SIZE,
};

enum session_state { SESSION_DIALS, SESSION_SHAKES_HANDS, SESSION_ASKS, SESSION_DECIDED };

struct session {
    struct session_settings settings;
    void (*decided)(void *context);
    void *context;
    enum session_state state;
    uint64_t deadline_ns;
    struct loop_source *tick;
    struct dial *dial;
    struct channel *channel;
    struct evidence evidence;
    uint8_t nonce[SESSION_NONCE_SIZE];
    uint8_t user_data[USER_DATA_SIZE]; /* that tier 2's document must have */
    struct buf request;
    size_t sent;
    struct answer *answer;
    struct buf document;
    struct session_verdict verdict;
};

void session_free(struct session *session)
{
    if (session == NULL) {
        return;
    }
    loop_source_free(session->tick);
    dial_cancel(session->dial);
    channel_free(session->channel);
    evidence_done(&session->evidence);
    answer_free(session->answer);
    buf_free(&session->request);
    buf_free(&session->document);
    free(session);
}

const struct session_verdict *session_verdict(const struct session *session)
{
    return &session->verdict;
}

struct channel *session_channel(struct session *session)
{
    return session->channel;
}

/* ------------------------------------------------------------------------------------- judgement
 */

static struct expectations wanted_now(struct session *session)
{
    struct expectations wanted = *session->settings.wanted;
    if (wanted.now_seconds == 0) {
        wanted.now_seconds = clock_wall_seconds();
    }
    session->verdict.at_seconds = wanted.now_seconds;
    return wanted;
}

static struct result judge_certificate(struct session *session, struct detail *detail)
{
    const struct expectations wanted = wanted_now(session);
    session->verdict.has_certificate = true;
    struct result judged = verifier_check_certificate(&session->evidence, &wanted,
                                                      &session->verdict.certificate, detail);
    if (!is_ok(judged)) {
        detail_prefix(detail, "certificate: ");
    }
    return judged;
}

/* The configuration is the one that tier 1 named; where the certificate's document has register 16
 * the fresh one must have it, too. */
static struct result judge_document(struct session *session, struct detail *detail)
{
    const struct report *first = &session->verdict.certificate;
    const struct cbor_view nonce = { session->nonce, sizeof(session->nonce) };
    const struct cbor_view key = { session->evidence.spki, session->evidence.spki_size };
    const struct cbor_view user_data = { session->user_data, sizeof(session->user_data) };
    const struct cbor_view document = { (const uint8_t *)session->document.data,
                                        session->document.size };
    struct expectations wanted = wanted_now(session);
    wanted.nonce = &nonce;
    wanted.public_key = &key;
    wanted.user_data = &user_data;
    if (document_has_pcr(&first->document, PCR_CONFIGURATION)) {
        wanted.configuration = first->configuration;
    }
    session->verdict.has_document = true;
    struct result judged =
        verifier_check_document(document, &wanted, &session->verdict.document, detail);
    if (!is_ok(judged)) {
        detail_prefix(detail, "attestation: ");
    }
    return judged;
}

static void lower(uint64_t *value, uint64_t limit)
{
    *value = limit < *value ? limit : *value;
}

static void lower_to_report(const struct report *report, uint64_t max_age, uint64_t *expiry)
{
    uint64_t made = report->document.timestamp_ms / 1000;
    lower(expiry, max_age < UINT64_MAX - made ? made + max_age : UINT64_MAX);
    lower(expiry, report->leaf.not_after);
}

static struct result note_expiry(struct session *session)
{
    struct session_verdict *verdict = &session->verdict;
    uint64_t max_age = session->settings.wanted->policy->max_age_seconds;
    struct chain_window window;
    TRY(chain_window_of(session->evidence.certificate, &window));
    verdict->expires_seconds = window.not_after;
    lower_to_report(&verdict->certificate, max_age, &verdict->expires_seconds);
    lower_to_report(&verdict->document, max_age, &verdict->expires_seconds);
    return OK;
}

/* Ends the session's own work; the owner may free it now. */
static void decide(struct session *session, struct result result)
{
    session->state = SESSION_DECIDED;
    session->verdict.result = result;
    loop_source_free(STEAL(session->tick));
    if (session->channel != NULL) {
        channel_wait(session->channel, false, false);
    }
    session->decided(session->context);
}

static void refuse(struct session *session, const char *place, struct result result)
{
    const struct detail reason = session->verdict.detail;
    bool has_reason = reason.text[0] != '\0';
    detail_set(&session->verdict.detail, "%s%s%s", place, has_reason ? ": " : "", reason.text);
    decide(session, result);
}

RESULT session_recheck(struct session *session)
{
    struct session_verdict *verdict = &session->verdict;
    struct result result = OK;
    if (verdict->has_certificate) {
        result = judge_certificate(session, &verdict->detail);
    }
    if (is_ok(result) && verdict->has_document) {
        result = judge_document(session, &verdict->detail);
    }
    if (is_ok(result) && verdict->has_document) {
        result = note_expiry(session);
    }
    if (session->state == SESSION_DECIDED) {
        verdict->result = result;
    }
    return result;
}

/* ---------------------------------------------------------------------------------------- tier 2
 */

static const char attestation[] = "attestation";

static struct result write_request(struct session *session)
{
    char nonce[HEX_TEXT_SIZE(SESSION_NONCE_SIZE)];
    char server[ENDPOINT_TEXT_SIZE];
    BUF body = BUF_INIT(REQUEST_MAX);
    hex_encode(session->nonce, sizeof(session->nonce), nonce);
    endpoint_print(session->settings.server, server);
    buf_printf(&body, "{\"nonce\":\"%s\"}", nonce);
    TRY(buf_check(&body));
    buf_printf(&session->request,
               "POST /attestation HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
               "Accept: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               server + strlen("tcp:"), body.size, body.data);
    return buf_check(&session->request);
}

static struct result prepare_question(struct session *session)
{
    const struct cbor_view key = { session->evidence.spki, session->evidence.spki_size };
    random_bytes(session->nonce, sizeof(session->nonce));
    evidence_user_data(key, session->verdict.certificate.configuration, session->user_data);
    TRY(tls_client_export(channel_tls(session->channel), SESSION_EXPORTER_LABEL, session->nonce,
                          sizeof(session->nonce), session->user_data + EVIDENCE_USER_DATA_SIZE,
                          SESSION_EXPORTER_SIZE));
    session->answer = answer_new();
    ENSURE(session->answer != NULL, UNAVAILABLE, "out of memory");
    return write_request(session);
}

static enum channel_status send_question(struct session *session)
{
    enum channel_status status = CHANNEL_DONE;
    while (status == CHANNEL_DONE && session->sent < session->request.size) {
        size_t sent = 0;
        status = channel_write(session->channel, session->request.data + session->sent,
                               session->request.size - session->sent, &sent);
        session->sent += status == CHANNEL_DONE ? sent : 0;
    }
    return status;
}

/* One read a turn: the answer is short, and whoever drips has until the deadline. */
static struct result hear_answer(struct session *session, bool *whole_out)
{
    uint8_t bytes[READ_SIZE];
    size_t got = 0;
    enum channel_status status = channel_read(session->channel, bytes, sizeof(bytes), &got);
    *whole_out = false;
    ENSURE(status != CHANNEL_ENDED, REFUSED, "the server ended the connection");
    ENSURE(status != CHANNEL_FAILED, REFUSED, "the connection was lost");
    return status == CHANNEL_WAITS ? OK
                                   : answer_feed(session->answer, bytes, got, whole_out,
                                                 &session->document, &session->verdict.detail);
}

static void conclude(struct session *session)
{
    struct session_verdict *verdict = &session->verdict;
    struct result judged = judge_document(session, &verdict->detail);
    if (is_ok(judged)) {
        detail_set(&verdict->detail, "%s", "");
        judged = note_expiry(session);
    }
    decide(session, judged);
}

static void ask(struct session *session)
{
    bool whole = false;
    detail_set(&session->verdict.detail, "%s", "");
    if (send_question(session) == CHANNEL_FAILED) {
        refuse(session, attestation, FAIL(REFUSED, "the connection was lost"));
        return;
    }
    struct result heard = hear_answer(session, &whole);
    if (!is_ok(heard)) {
        refuse(session, attestation, heard);
    } else if (whole) {
        conclude(session);
    } else {
        channel_wait(session->channel, true, session->sent < session->request.size);
    }
}

/* ---------------------------------------------------------------------------------------- tier 1
 */

static void shake_hands(struct session *session)
{
    struct session_verdict *verdict = &session->verdict;
    switch (channel_handshake(session->channel, &verdict->detail)) {
    case CHANNEL_WAITS:
        channel_wait(session->channel, false, true);
        return;
    case CHANNEL_ENDED:
    case CHANNEL_FAILED:
        refuse(session, "TLS", FAIL(REFUSED, "no handshake with TLS 1.3"));
        return;
    case CHANNEL_DONE:
        break;
    }
    struct result result =
        evidence_of(tls_client_certificate(channel_tls(session->channel)), &session->evidence);
    if (!is_ok(result)) {
        detail_set(&verdict->detail, "%s", "");
        refuse(session, "certificate", result);
        return;
    }
    result = judge_certificate(session, &verdict->detail);
    if (!is_ok(result)) {
        decide(session, result);
        return;
    }
    detail_set(&verdict->detail, "%s", "");
    result = prepare_question(session);
    if (!is_ok(result)) {
        refuse(session, attestation, result);
        return;
    }
    session->state = SESSION_ASKS;
    ask(session);
}

/* ------------------------------------------------------------------------------------ connecting
 */

static void on_ready(void *context)
{
    struct session *session = context;
    switch (session->state) {
    case SESSION_SHAKES_HANDS:
        shake_hands(session);
        break;
    case SESSION_ASKS:
        ask(session);
        break;
    case SESSION_DIALS:
    case SESSION_DECIDED:
        break;
    }
}

static void on_dialled(void *context, struct result result, int fd, const struct detail *detail)
{
    struct session *session = context;
    const struct channel_owner owner = { on_ready, session };
    session->dial = NULL;
    if (!is_ok(result)) {
        session->verdict.detail = *detail;
        decide(session, result);
        return;
    }
    session->verdict.connected = true;
    result = channel_new(session->settings.loop, fd, &owner, &session->channel);
    if (is_ok(result)) {
        result = channel_start_tls(session->channel, session->settings.tls);
    }
    if (!is_ok(result)) {
        refuse(session, "TLS", result);
        return;
    }
    session->state = SESSION_SHAKES_HANDS;
    shake_hands(session);
}

static void on_tick(void *context)
{
    struct session *session = context;
    if (clock_monotonic_ns() < session->deadline_ns) {
        return;
    }
    detail_set(&session->verdict.detail, "%s", "");
    switch (session->state) {
    case SESSION_DIALS:
        refuse(session, "connecting", FAIL(UNAVAILABLE, "nobody answered in time"));
        break;
    case SESSION_SHAKES_HANDS:
        refuse(session, "TLS", FAIL(REFUSED, "no handshake in time"));
        break;
    case SESSION_ASKS:
        refuse(session, attestation, FAIL(REFUSED, "no document in time"));
        break;
    case SESSION_DECIDED:
        break;
    }
}

RESULT session_new(const struct session_settings *settings, void (*decided)(void *context),
                   void *context, struct session **out)
{
    CLEANUP(session_free_ptr) struct session *session = calloc(1, sizeof(*session));
    ENSURE(session != NULL, UNAVAILABLE, "out of memory");
    session->settings = *settings;
    session->decided = decided;
    session->context = context;
    session->request = BUF_INIT(REQUEST_MAX);
    session->document = BUF_INIT(DOCUMENT_MAX);
    session->verdict.at_seconds = clock_wall_seconds();
    session->deadline_ns = clock_monotonic_ns() + settings->timeout_ms * (uint64_t)1000000;
    TRY(loop_every(settings->loop, TICK_MS, on_tick, session, &session->tick));
    TRY(dial_begin(settings->dialer, on_dialled, session, &session->dial));
    *out = STEAL(session);
    return OK;
}
