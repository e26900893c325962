/* fuzz_tls_clients.c: a known-clients file is read or refused and never more; without its comments
 * and empty lines a file that is read holds one client a line, and none with another fingerprint.
 */
#include "net/tls_clients.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Lines that say something. */
static size_t count_lines(const char *text, size_t size)
{
    size_t count = 0;
    bool said = false; /* something on this line, whatever it is */
    for (size_t i = 0; i < size; i++) {
        bool blank = text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n';
        count += !blank && !said && text[i] != '#';
        said = text[i] != '\n' && (said || !blank);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nobodys[TLS_FINGERPRINT_SIZE] = { 0x5a, 0xa5, 0x12, 0x99 };
    struct tls_clients *clients = NULL;
    struct detail detail = { .text = "" };
    struct result result = tls_clients_parse((const char *)data, size, &clients, &detail);
    if (!is_ok(result)) {
        require(clients == NULL);
        require(result.status == STATUS_BAD_INPUT || result.status == STATUS_LIMIT);
        return 0;
    }
    require(tls_clients_count(clients) == count_lines((const char *)data, size));
    require(tls_clients_count(clients) <= TLS_CLIENTS_MAX);
    require(!tls_clients_know(clients, "teku", nobodys));
    tls_clients_free(clients);
    return 0;
}
