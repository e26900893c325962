/*~ endpoint_resolve() apart from the rest of endpoint.h: a program that listens only, such as the
 * enclave's, has no use for the C library's resolver, and is linked without it. */
#define _GNU_SOURCE
#include "net/endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

static struct result resolve_name(const struct endpoint *endpoint, struct endpoint_addresses *out,
                                  struct detail *detail)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    char service[sizeof("4294967295")];
    snprintf(service, sizeof(service), "%u", endpoint->port);
    int failed = getaddrinfo(endpoint->host, service, &hints, &list);
    if (failed != 0) {
        detail_set(detail, "%s (%s)", endpoint->host, gai_strerror(failed));
        ENSURE(failed != EAI_NONAME && failed != EAI_NODATA, NOT_FOUND, "no such host");
        return FAIL(UNAVAILABLE, "the name cannot be resolved now");
    }
    out->count = 0;
    for (const struct addrinfo *entry = list; entry != NULL; entry = entry->ai_next) {
        if (out->count < ENDPOINT_ADDRESSES_MAX &&
            entry->ai_addrlen <= sizeof(out->items[0].address)) {
            struct endpoint_address *item = &out->items[out->count++];
            *item = (struct endpoint_address){ .size = entry->ai_addrlen };
            memcpy(&item->address, entry->ai_addr, entry->ai_addrlen);
        }
    }
    freeaddrinfo(list);
    ENSURE(out->count > 0, NOT_FOUND, "no such host");
    return OK;
}

RESULT endpoint_resolve(const struct endpoint *endpoint, struct endpoint_addresses *out,
                        struct detail *detail)
{
    if (endpoint_fixed_address(endpoint, &out->items[0])) {
        out->count = 1;
        return OK;
    }
    ENSURE(endpoint->kind == ENDPOINT_TCP, BAD_INPUT, "not an endpoint");
    return resolve_name(endpoint, out, detail);
}
