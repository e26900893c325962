#include "config/sections.h"

#include <string.h>

const struct section sections_table[] = {
    { "server", "The signing API, to which validator clients connect." },
    { "metrics", "Metrics for Prometheus." },
    { "tee", "Enclaves, which keep the keys from the machine's owner." },
    { "tls", "TLS between validator clients and the signing API." },
    { "tls.file", "Certificate and key from files." },
    { "signing", "How many signatures are computed at once, and how long requests may wait." },
    { "key_sources", "Where validator keys come from." },
    { "key_sources.filesystem", "Keys in files." },
    { "http", "Further APIs on the port of the signing API." },
    { "http.key_manager_api", "The Key Manager API, to manage keys at run time." },
    { "anti_slashing", "Slashing protection." },
    { "anti_slashing.pruning", "Deletion of old slashing records." },
    { "logging", "Log lines, which go to the standard error stream." },
    { "memory", "Protection of the keys in memory." },
};

const size_t sections_table_size = sizeof(sections_table) / sizeof(sections_table[0]);

const struct section *sections_find(const struct schema *schema, const char *name, size_t size)
{
    for (size_t i = 0; i < *schema->sections_size; i++) {
        const char *section = schema->sections[i].name;
        if (strlen(section) == size && strncmp(section, name, size) == 0) {
            return &schema->sections[i];
        }
    }
    return NULL;
}

size_t sections_name_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? 0 : (size_t)(dot - name);
}

const struct section *sections_of(const struct schema *schema, const struct setting *setting)
{
    return sections_find(schema, setting->name, sections_name_length(setting->name));
}
