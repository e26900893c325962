#include "harness.h"
#include "net/endpoint.h"

#include <stdlib.h>
#include <string.h>

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint endpoint = { .port = 0 };
    struct detail detail;
    if (!is_ok(endpoint_parse(text, &endpoint, &detail))) {
        abort();
    }
    return endpoint;
}

TEST(a_name_resolves_to_its_addresses_and_a_wrong_one_to_none)
{
    struct endpoint endpoint = endpoint_of("tcp:localhost:80");
    struct endpoint_addresses addresses;
    struct detail detail;
    CHECK(endpoint_is_name(&endpoint));
    CHECK_OK(endpoint_resolve(&endpoint, &addresses, &detail));
    CHECK(addresses.count >= 1 && addresses.count <= ENDPOINT_ADDRESSES_MAX);
    endpoint = endpoint_of("tcp:no-such-host.invalid:80");
    CHECK(!is_ok(endpoint_resolve(&endpoint, &addresses, &detail)));
    CHECK(strstr(detail.text, "no-such-host.invalid") == detail.text);
}

/* What is an address already is the only one, and nobody is asked for it. */
TEST(what_is_no_name_has_one_address)
{
    static const struct {
        const char *text;
        int family;
    } fixed[] = {
        { "tcp:127.0.0.1:80", AF_INET }, { "tcp:[::1]:80", AF_INET6 },
        { "vsock:3:9000", AF_VSOCK },    { "unix:/run/x", AF_UNIX },
        { "uds:/run/vm:9000", AF_UNIX },
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        struct endpoint endpoint = endpoint_of(fixed[i].text);
        struct endpoint_addresses addresses;
        struct detail detail;
        CHECK(!endpoint_is_name(&endpoint));
        CHECK_OK(endpoint_resolve(&endpoint, &addresses, &detail));
        CHECK(addresses.count == 1 && addresses.items[0].address.ss_family == fixed[i].family);
    }
}

HARNESS_TESTS(T(a_name_resolves_to_its_addresses_and_a_wrong_one_to_none),
              T(what_is_no_name_has_one_address))
