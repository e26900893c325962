/* signing_root_tool.c: the eth layer's view of signing requests and networks, for comparison with
 * that of other implementations.
 *
 *   signing_root_tool roots NETWORK   NETWORK is a name or a config.yaml; reads one body a line on
 *                                     stdin, prints "0x…" or "error: …" for each
 *   signing_root_tool network NETWORK prints it as a JSON object */
#include "base/buf.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json_write.h"
#include "eth/network.h"
#include "eth/signing_request.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_MAX = 1 << 20, LINE_TEXT_MAX = 512, NETWORK_TEXT_MAX = 4096 };

static struct result network_load(const char *name, struct network *out, struct detail *detail)
{
    const struct network *known = network_find(name);
    if (known != NULL) {
        *out = *known;
        return OK;
    }
    SECRET_BLOCK file = { 0 };
    TRY(file_read(name, CONFIG_MAX, &file, detail));
    return network_parse((const char *)file.data, file.size, out, detail);
}

static struct result root_of_body(const char *body, size_t size, const struct network *network,
                                  struct root *out, struct detail *detail)
{
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    struct signing_target target;
    TRY(signing_request_parse(body, size, &request, detail));
    TRY(signing_request_resolve(&request, network, &target, detail));
    *out = target.signing_root;
    return OK;
}

static void print_root(const char *body, size_t size, const struct network *network)
{
    struct root root;
    struct detail detail = { .text = "" };
    struct result result = root_of_body(body, size, network, &root, &detail);
    if (!is_ok(result)) {
        char line[LINE_TEXT_MAX];
        detail_line(&detail, result, line, sizeof(line));
        printf("error: %s\n", line);
        return;
    }
    char text[HEX_TEXT_SIZE(sizeof(root))];
    hex_encode(root.bytes, sizeof(root.bytes), text);
    printf("%s\n", text);
}

static int print_roots(const struct network *network)
{
    CLEANUP(free_ptr) char *line = NULL;
    size_t capacity = 0;
    for (ssize_t size; (size = getline(&line, &capacity, stdin)) > 0;) {
        print_root(line, (size_t)size, network);
    }
    return 0;
}

static void write_network(struct json_writer *writer, const struct network *network)
{
    json_write_open(writer, NULL, '{');
    json_write_text(writer, "name", network->name);
    json_write_text(writer, "preset", network->preset->name);
    json_write_decimal(writer, "slots_per_epoch", network->preset->slots_per_epoch);
    json_write_decimal(writer, "max_committees_per_slot", network->preset->max_committees_per_slot);
    json_write_decimal(writer, "sync_committee_size", network->preset->sync_committee_size);
    json_write_decimal(writer, "genesis_time", network->genesis_time);
    json_write_decimal(writer, "seconds_per_slot", network->seconds_per_slot);
    json_write_hex(writer, "genesis_validators_root", network->genesis_validators_root.bytes,
                   sizeof(network->genesis_validators_root.bytes));
    json_write_open(writer, "forks", '[');
    for (unsigned fork = 0; fork < FORK_COUNT; fork++) {
        json_write_open(writer, NULL, '{');
        json_write_text(writer, "name", fork_name((enum fork)fork));
        json_write_hex(writer, "version", network->forks[fork].version.bytes,
                       sizeof(network->forks[fork].version.bytes));
        json_write_decimal(writer, "epoch", network->forks[fork].epoch.value);
        json_write_close(writer, '}');
    }
    json_write_close(writer, ']');
    json_write_close(writer, '}');
}

static int print_network(const struct network *network)
{
    BUF line = BUF_INIT(NETWORK_TEXT_MAX);
    struct json_writer writer = JSON_WRITER(&line);
    write_network(&writer, network);
    if (!is_ok(buf_check(&line))) {
        return 1;
    }
    printf("%s\n", line.data);
    return 0;
}

int main(int argc, char **argv)
{
    json_init();
    bool roots = argc == 3 && strcmp(argv[1], "roots") == 0;
    if (!roots && (argc != 3 || strcmp(argv[1], "network") != 0)) {
        fprintf(stderr, "usage: signing_root_tool roots|network NETWORK\n");
        return 2;
    }
    struct network network;
    struct detail detail = { .text = "" };
    struct result result = network_load(argv[2], &network, &detail);
    if (!is_ok(result)) {
        fprintf(stderr, "%s: %s: %s\n", argv[2], detail.text, result.what);
        return 1;
    }
    return roots ? print_roots(&network) : print_network(&network);
}
