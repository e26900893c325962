#include "config/enclave_rules.h"

#include <string.h>

bool enclave_rules_apply(const struct settings *settings)
{
    return strcmp(settings->tee.platform, "nitro") == 0;
}

RESULT enclave_rules_attested_tls(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    bool is_enclave = enclave_rules_apply(settings);
    bool is_attested = strcmp(settings->tls.mode, "atls") == 0;
    config_say(config, "tee.platform", settings->tee.platform, detail);
    ENSURE(!is_enclave || is_attested, BAD_INPUT,
           "needs tls.mode: atls beside it, by which clients know the enclave");
    config_say(config, "tls.mode", settings->tls.mode, detail);
    ENSURE(is_enclave || !is_attested, BAD_INPUT,
           "needs tee.platform: nitro beside it: outside of an enclave there is nothing to attest");
    return OK;
}

RESULT enclave_rules_signer_state(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    config_say(config, "tee.platform", settings->tee.platform, detail);
    ENSURE(!enclave_rules_apply(settings), BAD_INPUT,
           "needs a persistent signer_state, which this version does not have: an enclave forgets "
           "everything when it ends");
    return OK;
}

static bool is_file_name(const char *network)
{
    size_t size = strlen(network);
    return strchr(network, '/') != NULL || (size > 5 && strcmp(network + size - 5, ".yaml") == 0);
}

static struct result check_files(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    const struct text_list *paths = &settings->filesystem.paths;
    const struct {
        const char *name;
        const char *value;
        bool is_file;
    } places[] = {
        { "key_sources.filesystem.paths", paths->count > 0 ? paths->items[0] : "",
          paths->count > 0 },
        { "key_sources.filesystem.keystores_path", settings->filesystem.keystores_path,
          settings->filesystem.keystores_path[0] != '\0' },
        { "network", settings->network, is_file_name(settings->network) },
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        config_say(config, places[i].name, places[i].value, detail);
        ENSURE(!places[i].is_file, BAD_INPUT, "there are no files in an enclave; leave it out");
    }
    return OK;
}

static struct result check_protection(const struct config *config, struct detail *detail)
{
    const char *backend = config_settings(config)->anti_slashing.backend;
    config_say(config, "anti_slashing.backend", backend, detail);
    ENSURE(strcmp(backend, "sqlite") != 0, BAD_INPUT,
           "an enclave has no disk: what was signed would be forgotten with it");
    ENSURE(strcmp(backend, "noop") != 0, BAD_INPUT,
           "an enclave does not run without slashing protection");
    return OK;
}

RESULT enclave_rules_host(const struct config *config, struct detail *detail)
{
    if (!enclave_rules_apply(config_settings(config))) {
        return OK;
    }
    TRY(check_files(config, detail));
    return check_protection(config, detail);
}

RESULT enclave_rules_ports(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    const struct {
        const char *name;
        uint64_t port;
        bool open;
    } ports[] = {
        { "server.listen_port", settings->server.listen_port, true },
        { "tls.listen_port", settings->tls.listen_port, true },
        { "metrics.listen_port", settings->metrics.listen_port, settings->metrics.enabled },
    };
    bool is_enclave = enclave_rules_apply(settings);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        config_say(config, ports[i].name, "0", detail);
        ENSURE(!is_enclave || !ports[i].open || ports[i].port != 0, BAD_INPUT,
               "the parent must know an enclave's ports; give one of its own");
    }
    return OK;
}
