/* atls_server.c: `atls verify HOST:PORT`: one session (atls/session.h), and what it found. */
#include "app/atls_command.h"
#include "app/command.h"
#include "atls/session.h"
#include "base/log.h"

/* The report says all that there is to say. */
static void be_quiet(void)
{
    log_start(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
}

static void on_decided(void *context)
{
    event_loop_stop(context);
}

/* Everything that hangs on the loop; freed in this order, behind the report. */
struct running {
    struct session *session;
    struct dialer *dialer;
    struct tls_client_context *tls;
    struct event_loop *loop;
};

static void running_done(struct running *running)
{
    session_free(running->session);
    dialer_free(running->dialer);
    tls_client_context_free(running->tls);
    event_loop_free(running->loop);
    log_stop();
}

static struct result run(const struct atls_server *server, struct running *running,
                         struct detail *detail)
{
    TRY(event_loop_new(&running->loop));
    TRY(tls_client_context_new(&running->tls));
    TRY(dialer_new(running->loop, server->endpoint, server->timeout_ms, &running->dialer, detail));
    const struct session_settings settings = {
        .loop = running->loop,
        .dialer = running->dialer,
        .tls = running->tls,
        .server = server->endpoint,
        .wanted = server->wanted,
        .timeout_ms = server->timeout_ms,
    };
    TRY(session_new(&settings, on_decided, running->loop, &running->session));
    return event_loop_run(running->loop);
}

/* Of a server that shows no certificate there is nothing to tell but whom the caller trusts. */
static void name_root(const struct expectations *wanted, struct report *report)
{
    report->development_root = wanted->root != NULL && !chain_is_aws_root(*wanted->root);
}

int atls_verify_server(const struct atls_server *server, bool as_json)
{
    CLEANUP(running_done) struct running running = { .session = NULL };
    struct detail detail = { "" };
    be_quiet();
    struct result ran = run(server, &running, &detail);
    if (!is_ok(ran)) {
        return command_fail(&detail, ran);
    }
    struct session_verdict verdict = *session_verdict(running.session);
    if (!verdict.connected) { /* as with a file that is not there */
        return command_usage(&verdict.detail, verdict.result);
    }
    name_root(server->wanted, &verdict.certificate);
    const struct atls_finding finding = {
        .result = verdict.result,
        .detail = &verdict.detail,
        .report = &verdict.certificate,
        .at_seconds = verdict.at_seconds,
        .of_server = true,
        .attestation = verdict.has_document ? &verdict.document : NULL,
    };
    return atls_tell(as_json, &finding);
}
