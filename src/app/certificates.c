#include "app/certificates.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>
#include <sys/stat.h>

enum { DAY_SECONDS = 24 * 60 * 60 };

static const uint64_t second_ns = 1000000000U;

static const char *text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

bool certificates_ask_clients(const struct settings *settings)
{
    return strcmp(settings->tls.mode, "file") == 0 &&
           (settings->tls.file.client_ca_path[0] != '\0' ||
            settings->tls.file.known_clients_path[0] != '\0');
}

static void warn_of_exposed_key(const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        log_warn("others than its owner may read the TLS key; chmod 600 it",
                 LOG_TEXT("path", path));
    }
}

static void use(struct certificates *certificates, struct tls_context *context)
{
    char expiry[CLOCK_TEXT_SIZE];
    certificates->expiry_seconds = tls_context_expiry(context);
    certificates->next_warning_ns = 0;
    tls_slot_put(&certificates->slot, context);
    clock_format(certificates->expiry_seconds, expiry);
    log_info("TLS certificate loaded", LOG_TEXT("path", certificates->paths.certificate),
             LOG_TEXT("expires", expiry));
    warn_of_exposed_key(certificates->paths.key);
}

RESULT certificates_open(struct certificates *certificates, const struct settings *settings,
                         struct detail *detail)
{
    struct tls_context *context = NULL;
    memset(certificates, 0, sizeof(*certificates));
    if (strcmp(settings->tls.mode, "file") != 0) {
        return OK;
    }
    certificates->open = true;
    certificates->paths = (struct tls_paths){
        .certificate = settings->tls.file.cert_path,
        .key = settings->tls.file.key_path,
        .client_ca = text_or_null(settings->tls.file.client_ca_path),
        .known_clients = text_or_null(settings->tls.file.known_clients_path),
    };
    certificates->interval_ns = settings->tls.file.reload_interval_seconds * second_ns;
    certificates->next_look_ns = clock_monotonic_ns() + certificates->interval_ns;
    tls_slot_init(&certificates->slot);
    TRY(tls_files_load(&certificates->paths, clock_wall_seconds(), &context, certificates->digest,
                       detail));
    use(certificates, context);
    return OK;
}

void certificates_close(struct certificates *certificates)
{
    if (certificates->open) {
        tls_slot_done(&certificates->slot);
        certificates->open = false;
    }
}

/* Bad files may be half of a new pair: they are tried again at each look, and told of once. */
static void look(struct certificates *certificates, bool asked)
{
    struct detail detail = { "" };
    struct tls_context *context = NULL;
    uint8_t digest[SHA256_SIZE];
    struct result loaded =
        tls_files_load(&certificates->paths, clock_wall_seconds(), &context, digest, &detail);
    bool is_new = memcmp(digest, certificates->digest, sizeof(digest)) != 0;
    bool was_bad = certificates->is_bad;
    memcpy(certificates->digest, digest, sizeof(digest));
    certificates->is_bad = !is_ok(loaded);
    if (is_ok(loaded) && (is_new || was_bad)) {
        use(certificates, context);
        return;
    }
    tls_context_release(context);
    if (!is_ok(loaded) && (is_new || asked || !was_bad)) {
        char line[2 * DETAIL_SIZE];
        detail_line(&detail, loaded, line, sizeof(line));
        log_error("the TLS files are bad, so the certificate loaded before stays in use",
                  LOG_TEXT("reason", line));
    }
}

static void warn_of_expiry(struct certificates *certificates, uint64_t now_ns)
{
    uint64_t now = clock_wall_seconds();
    uint64_t left = certificates->expiry_seconds > now ? certificates->expiry_seconds - now : 0;
    if (left >= (uint64_t)CERTIFICATE_WARNING_DAYS * DAY_SECONDS ||
        now_ns < certificates->next_warning_ns) {
        return;
    }
    certificates->next_warning_ns = now_ns + DAY_SECONDS * second_ns;
    if (left == 0) {
        log_error("the TLS certificate has expired; renew it");
    } else {
        log_warn("the TLS certificate expires soon; renew it",
                 LOG_NUMBER("days", left / DAY_SECONDS));
    }
}

void certificates_run(struct certificates *certificates, bool asked)
{
    uint64_t now = clock_monotonic_ns();
    if (!certificates->open) {
        return;
    }
    bool is_due = certificates->interval_ns > 0 && now >= certificates->next_look_ns;
    if (asked || is_due) {
        certificates->next_look_ns = now + certificates->interval_ns;
        look(certificates, asked);
    }
    warn_of_expiry(certificates, now);
}
