/*~ Measures what a signature costs here: bare blst on all CPUs first, then the whole signer, the
 * very parts that the server runs, with a load generator in a process of its own. Costs are CPU
 * time; each is given as a ratio to bare blst, because the machine's speed, and who else is using
 * it, change by the minute. */
#include "app/bench_bare.h"
#include "app/bench_load.h"
#include "app/command.h"
#include "app/process.h"
#include "app/stack.h"
#include "base/decimal.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/usage.h"
#include "net/http_load.h"
#include "slashing/history.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEYS_MAX = 100 * 1000,
    REQUESTS_MAX = 100 * 1000 * 1000,
    RECORDS_MAX = 1000 * 1000 * 1000,
    RECORDS_FIRST_EPOCH = 1000,
    TEXT_MAX = 64 * 1024,
    DRAIN_SECONDS = 25,
};

struct options {
    const char *directory;
    const char *keys;
    const char *requests;
    const char *connections;
    const char *records;
    bool json;
    bool help;
};

/* What is measured one after the other. A number of 0 means: as the options say. */
struct scenario {
    const char *name;
    const char *what;
    size_t connections;
    size_t requests;
    uint64_t pause_ns;
    bool same_message;
};

static const struct scenario scenarios[] = {
    { "distinct", "every message different", 0, 0, 0, false },
    { "same", "all keys sign one message an epoch", 0, 0, 0, true },
    { "idle", "one request at a time, 5 ms apart", 1, 1000, BENCH_PAUSE_NS, false },
    { "burst", "3,000 requests at once", 3000, 3000, 0, false },
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

struct measured {
    /* Of several slices: their sums, and the quantiles of the worst. */
    struct bench_outcome outcome;
    uint64_t commits;
};

/* What costs CPU time is measured in slices, with the bare signature before each: a shared machine
 * changes its pace within seconds, and both must have run at the same. */
enum { SLICES = 40 };

struct bench {
    struct options options;
    struct settings settings;
    size_t keys;
    size_t requests;
    size_t connections;
    size_t records;
    struct stack stack;
    struct bench_load load;
    struct bench_bare bare;
    struct bench_bare_cpu bare_cpu; /* the mean of all slices */
    struct measured measured[SCENARIOS];
    uint64_t epoch; /* next target that no key has signed */
    uint64_t memory_bytes;
    char folder[PATH_MAX]; /* made for this run, with all that it writes in it */
    char database[PATH_MAX + 16];
    struct detail detail;
};

static struct result read_number(struct bench *bench, const char *name, const char *text,
                                 size_t standard, size_t *out)
{
    uint64_t value = standard;
    detail_set(&bench->detail, "%s", name);
    if (text != NULL) {
        TRY(decimal_parse(text, strlen(text), &value));
    }
    *out = value;
    return OK;
}

static struct result read_options(struct bench *bench)
{
    const struct options *options = &bench->options;
    TRY(read_number(bench, "--keys", options->keys, 1000, &bench->keys));
    TRY(read_number(bench, "--requests", options->requests, 20000, &bench->requests));
    TRY(read_number(bench, "--connections", options->connections, 256, &bench->connections));
    TRY(read_number(bench, "--records", options->records, 0, &bench->records));
    detail_set(&bench->detail, "%s", "");
    ENSURE(bench->keys > 0 && bench->keys <= KEYS_MAX, BAD_INPUT, "--keys is 1 to 100000");
    ENSURE(bench->connections > 0 && bench->connections <= HTTP_LOAD_CONNECTIONS_MAX, BAD_INPUT,
           "--connections is 1 to 50000");
    ENSURE(bench->requests >= bench->connections, BAD_INPUT,
           "--requests must not be fewer than --connections");
    ENSURE(bench->requests <= REQUESTS_MAX, BAD_INPUT, "--requests is at most 100000000");
    ENSURE(bench->records <= RECORDS_MAX, BAD_INPUT, "--records is at most 1000000000");
    return OK;
}

static struct result add_keys(struct bench *bench)
{
    CLEANUP(free_ptr) struct pubkey *pubkeys = calloc(bench->keys, sizeof(*pubkeys));
    ENSURE(pubkeys != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < bench->keys; i++) {
        SECRET secret;
        random_bytes(secret.bytes, sizeof(secret.bytes));
        secret.bytes[0] &= 0x3f; /* below the group order */
        TRY(key_table_add(bench->stack.keys, &secret, NULL, KEY_ORIGIN_MEMORY, "", &pubkeys[i]));
    }
    return bench_load_keys(&bench->load, pubkeys, bench->keys);
}

/* The state of a store that has run for a while: `records` attestations, spread over all keys. */
struct filling {
    struct bench *bench;
    const struct key_info *keys;
};

static struct result fill_one(struct slashing_store *store, const struct pubkey *pubkey,
                              size_t count)
{
    CLEANUP(history_done) struct history history = { .pubkey = *pubkey };
    for (size_t i = 0; i < count; i++) {
        struct signed_attestation attestation = { .source = { RECORDS_FIRST_EPOCH + i - 1 },
                                                  .target = { RECORDS_FIRST_EPOCH + i },
                                                  .has_root = true };
        random_bytes(&attestation.root, sizeof(attestation.root));
        TRY(history_add_attestation(&history, &attestation));
    }
    return store->ops->import_history(store, &history, CONFLICT_REFUSE, NULL);
}

static struct result fill_all(struct slashing_store *store, void *context)
{
    const struct filling *filling = context;
    const struct bench *bench = filling->bench;
    TRY(store->ops->import_begin(store));
    for (size_t i = 0; i < bench->keys; i++) {
        struct result filled =
            fill_one(store, &filling->keys[i].pubkey, bench->records / bench->keys);
        if (!is_ok(filled)) {
            (void)store->ops->import_end(store, false);
            return filled;
        }
    }
    return store->ops->import_end(store, true);
}

static struct result fill_store(struct bench *bench)
{
    fprintf(stderr, "filling the store with %zu records …\n", bench->records);
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    TRY(key_table_list(bench->stack.keys, &keys, &count));
    struct filling filling = { .bench = bench, .keys = keys };
    return committer_call(bench->stack.committer, fill_all, &filling);
}

static struct result measure(struct bench *bench, const struct scenario *scenario, size_t requests,
                             struct measured *out)
{
    struct bench_order order = {
        .port = bench->stack.port,
        .keys = bench->keys,
        .connections = scenario->connections == 0 ? bench->connections : scenario->connections,
        .requests = requests,
        .pause_ns = scenario->pause_ns,
        .first_epoch = bench->epoch,
        .same_message = scenario->same_message,
        .genesis_validators_root = bench->stack.network.genesis_validators_root,
    };
    bench->epoch += requests / bench->keys + 2;
    uint64_t commits = committer_counts(bench->stack.committer).batches;
    TRY(bench_load_run(&bench->load, &order, &out->outcome, &bench->detail));
    out->commits = committer_counts(bench->stack.committer).batches - commits;
    return OK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_slice(struct measured *all, const struct measured *slice)
{
    all->outcome.answered += slice->outcome.answered;
    all->outcome.refused += slice->outcome.refused;
    all->outcome.failed += slice->outcome.failed;
    all->outcome.wall_ns += slice->outcome.wall_ns;
    all->outcome.cpu_ns += slice->outcome.cpu_ns;
    all->outcome.p50_ns = larger(all->outcome.p50_ns, slice->outcome.p50_ns);
    all->outcome.p90_ns = larger(all->outcome.p90_ns, slice->outcome.p90_ns);
    all->outcome.p99_ns = larger(all->outcome.p99_ns, slice->outcome.p99_ns);
    all->outcome.max_ns = larger(all->outcome.max_ns, slice->outcome.max_ns);
    all->commits += slice->commits;
}

static struct result measure_slice(struct bench *bench, size_t requests)
{
    struct bench_bare_cpu bare;
    TRY(bench_bare_cpu_run(&bare));
    bench->bare_cpu.hash_ns += bare.hash_ns;
    bench->bare_cpu.sign_ns += bare.sign_ns;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct measured slice;
        if (scenarios[i].requests == 0) {
            TRY(measure(bench, &scenarios[i], requests, &slice));
            add_slice(&bench->measured[i], &slice);
        }
    }
    return OK;
}

static struct result measure_all(struct bench *bench)
{
    struct measured warm_up;
    size_t slices = bench->requests / bench->connections;
    slices = slices < SLICES ? slices : SLICES;
    TRY(measure(bench, &scenarios[0], bench->connections, &warm_up));
    fprintf(stderr, "bare signature, %s, %s; %zu times …\n", scenarios[0].what, scenarios[1].what,
            slices);
    for (size_t i = 0; i < slices; i++) {
        TRY(measure_slice(bench,
                          bench->requests / slices + (i == 0 ? bench->requests % slices : 0)));
    }
    bench->bare_cpu.hash_ns /= (double)slices;
    bench->bare_cpu.sign_ns /= (double)slices;
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (scenarios[i].requests > 0) {
            fprintf(stderr, "%s …\n", scenarios[i].what);
            TRY(measure(bench, &scenarios[i], scenarios[i].requests, &bench->measured[i]));
        }
    }
    return OK;
}

/* CPU time of one answered request. */
static double cpu_of_one(const struct measured *measured)
{
    size_t answered = measured->outcome.answered;
    return (double)measured->outcome.cpu_ns / (double)(answered == 0 ? 1 : answered);
}

static void print_text(const struct bench *bench)
{
    const struct bench_bare *bare = &bench->bare;
    const struct bench_bare_cpu *cpu = &bench->bare_cpu;
    double bare_ns = cpu->hash_ns + cpu->sign_ns;
    printf("bare blst, all %u CPUs busy: %.1f us (hash %.1f, sign and compress %.1f)\n",
           thread_cpu_count(), bare_ns / 1e3, cpu->hash_ns / 1e3, cpu->sign_ns / 1e3);
    printf("alone: signature p50 %.3f ms p99 %.3f ms, durable write p50 %.3f ms p99 %.3f ms\n",
           (double)bare->signature_p50_ns / 1e6, (double)bare->signature_p99_ns / 1e6,
           (double)bare->write_p50_ns / 1e6, (double)bare->write_p99_ns / 1e6);
    printf("%zu keys, %zu connections, %zu records before, resident memory %.1f MB\n\n",
           bench->keys, bench->connections, bench->records, (double)bench->memory_bytes / 1e6);
    printf("%-9s %8s %7s %9s %7s %8s %8s %8s %8s %9s\n", "", "answered", "failed", "CPU us",
           "ratio", "per s", "p50 ms", "p99 ms", "max ms", "a commit");
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct measured *measured = &bench->measured[i];
        const struct bench_outcome *outcome = &measured->outcome;
        printf("%-9s %8zu %7zu %9.1f %7.3f %8.0f %8.3f %8.3f %8.3f %9.1f\n", scenarios[i].name,
               outcome->answered, outcome->refused + outcome->failed, cpu_of_one(measured) / 1e3,
               cpu_of_one(measured) / bare_ns,
               (double)outcome->answered * 1e9 / (double)outcome->wall_ns,
               (double)outcome->p50_ns / 1e6, (double)outcome->p99_ns / 1e6,
               (double)outcome->max_ns / 1e6,
               (double)outcome->answered / (double)(measured->commits + (measured->commits == 0)));
    }
}

static void write_scenario(struct json_writer *writer, const struct scenario *scenario,
                           const struct measured *measured)
{
    json_write_open(writer, scenario->name, '{');
    json_write_number(writer, "answered", measured->outcome.answered);
    json_write_number(writer, "refused", measured->outcome.refused);
    json_write_number(writer, "failed", measured->outcome.failed);
    json_write_number(writer, "cpu_ns", (uint64_t)cpu_of_one(measured));
    json_write_number(writer, "wall_ns", measured->outcome.wall_ns);
    json_write_number(writer, "p50_ns", measured->outcome.p50_ns);
    json_write_number(writer, "p90_ns", measured->outcome.p90_ns);
    json_write_number(writer, "p99_ns", measured->outcome.p99_ns);
    json_write_number(writer, "max_ns", measured->outcome.max_ns);
    json_write_number(writer, "commits", measured->commits);
    json_write_close(writer, '}');
}

static void print_json(const struct bench *bench)
{
    BUF text = BUF_INIT(TEXT_MAX);
    struct json_writer writer = JSON_WRITER(&text);
    json_write_open(&writer, NULL, '{');
    json_write_number(&writer, "cpus", thread_cpu_count());
    json_write_number(&writer, "keys", bench->keys);
    json_write_number(&writer, "connections", bench->connections);
    json_write_number(&writer, "records", bench->records);
    json_write_number(&writer, "memory_bytes", bench->memory_bytes);
    json_write_number(&writer, "bare_hash_ns", (uint64_t)bench->bare_cpu.hash_ns);
    json_write_number(&writer, "bare_sign_ns", (uint64_t)bench->bare_cpu.sign_ns);
    json_write_number(&writer, "bare_signature_p50_ns", bench->bare.signature_p50_ns);
    json_write_number(&writer, "bare_signature_p99_ns", bench->bare.signature_p99_ns);
    json_write_number(&writer, "bare_write_p50_ns", bench->bare.write_p50_ns);
    json_write_number(&writer, "bare_write_p99_ns", bench->bare.write_p99_ns);
    json_write_open(&writer, "scenarios", '{');
    for (size_t i = 0; i < SCENARIOS; i++) {
        write_scenario(&writer, &scenarios[i], &bench->measured[i]);
    }
    json_write_close(&writer, '}');
    json_write_close(&writer, '}');
    puts(text.data);
}

/* A folder that nobody else uses: a database that was there before is neither read nor removed. */
static struct result make_folder(struct bench *bench)
{
    const char *parent = bench->options.directory;
    int size = snprintf(bench->folder, sizeof(bench->folder), "%s/chamber-bench-XXXXXX", parent);
    detail_set(&bench->detail, "--directory %s", parent);
    ENSURE(size > 0 && (size_t)size < sizeof(bench->folder), BAD_INPUT, "the path is too long");
    if (mkdtemp(bench->folder) == NULL) {
        detail_set(&bench->detail, "--directory %s (%s)", parent, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot make a folder there");
    }
    snprintf(bench->database, sizeof(bench->database), "%s/bench.sqlite", bench->folder);
    detail_set(&bench->detail, "%s", "");
    return OK;
}

static void remove_folder(struct bench *bench)
{
    static const char *const endings[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char name[sizeof(bench->database) + 8];
        snprintf(name, sizeof(name), "%s%s", bench->database, endings[i]);
        (void)remove(name);
    }
    (void)rmdir(bench->folder);
}

static struct result run_stack(struct bench *bench)
{
    TRY(stack_open(&bench->stack, &bench->settings, NULL, &bench->detail));
    TRY(add_keys(bench));
    bench->epoch = RECORDS_FIRST_EPOCH + bench->records / bench->keys + 1;
    if (bench->records > 0) {
        TRY(fill_store(bench));
    }
    TRY(stack_start(&bench->stack));
    TRY(measure_all(bench));
    bench->memory_bytes = usage_resident_bytes();
    return OK;
}

static struct result measure_machine(struct bench *bench)
{
    fprintf(stderr, "bare signature, write and sync, one at a time …\n");
    detail_set(&bench->detail, "%s", bench->folder);
    TRY(bench_bare_run(bench->folder, &bench->bare));
    detail_set(&bench->detail, "%s", "");
    return OK;
}

static struct result run(struct bench *bench)
{
    TRY(process_harden());
    TRY(make_folder(bench));
    struct result result = bench_load_start(&bench->load);
    result = is_ok(result) ? measure_machine(bench) : result;
    result = is_ok(result) ? run_stack(bench) : result;
    bench_load_stop(&bench->load);
    if (stack_drain(&bench->stack, DRAIN_SECONDS)) {
        stack_close(&bench->stack);
    }
    remove_folder(bench);
    return result;
}

static int print_help(void)
{
    puts("usage: containment-chamber bench [options]\n\n"
         "Measures the cost of signatures on this machine: first bare BLS, then the whole signer "
         "with\n"
         "random keys, an SQLite store in a new file and requests over HTTP on the loopback. "
         "Nothing\n"
         "of an existing signer is touched. The ratio is CPU time a signature over that of bare "
         "BLS.\n\n"
         "  --directory DIR   where a folder for the store is made, for as long as it runs; use "
         "the\n"
         "                    disk that the signer will use\n"
         "                    (default: the current directory)\n"
         "  --keys N          keys (default 1000)\n"
         "  --requests N      requests in each measurement (default 20000)\n"
         "  --connections N   connections at once (default 256)\n"
         "  --records N       attestations in the store beforehand (default 0)\n"
         "  --json            one JSON object instead of a table\n\n"
         "example:\n"
         "  containment-chamber bench --directory /var/lib/containment-chamber --keys 500");
    return EXIT_DONE;
}

/* The server's own settings, environment included, but for where it listens and stores; and without
 * keys: those of a signer must not be at hand where their slashing protection is not. */
static struct result configure(struct bench *bench, struct config **out)
{
    static char name[] = "bench";
    static char address[] = "--server-listen-address=127.0.0.1";
    static char port[] = "--server-listen-port=0";
    static char metrics[] = "--metrics-enabled=false";
    static char backend[] = "--anti-slashing-backend=sqlite";
    static char pruning[] = "--anti-slashing-pruning-enabled=false";
    char *const flags[] = { name, address, port, metrics, backend, pruning };
    static char nothing[] = "";
    static char disabled[] = "disabled";
    TRY(command_configure(sizeof(flags) / sizeof(flags[0]), flags, NULL, 0, out, &bench->detail));
    bench->settings = *config_settings(*out);
    bench->settings.anti_slashing.path = bench->database;
    bench->settings.filesystem.paths.count = 0;
    bench->settings.filesystem.keystores_path = nothing;
    bench->settings.key_manager_api.enabled = false;
    bench->settings.tls.mode = disabled;
    return OK;
}

int command_bench(int count, char *const *arguments)
{
    static struct bench bench = { .options.directory = "." };
    struct options *options = &bench.options;
    const struct command_option known[] = {
        { "--directory", NULL, &options->directory, NULL },
        { "--keys", NULL, &options->keys, NULL },
        { "--requests", NULL, &options->requests, NULL },
        { "--connections", NULL, &options->connections, NULL },
        { "--records", NULL, &options->records, NULL },
        { "--json", NULL, NULL, &options->json },
        { "--help", "-h", NULL, &options->help },
    };
    CLEANUP(config_free_ptr) struct config *config = NULL;
    struct result result = command_read_options(count, arguments, known,
                                                sizeof(known) / sizeof(known[0]), &bench.detail);
    if (options->help) {
        return print_help();
    }
    result = is_ok(result) ? read_options(&bench) : result;
    result = is_ok(result) ? configure(&bench, &config) : result;
    if (!is_ok(result)) {
        return command_usage(&bench.detail, result);
    }
    result = run(&bench);
    if (!is_ok(result)) {
        return command_fail(&bench.detail, result);
    }
    (options->json ? print_json : print_text)(&bench);
    return EXIT_DONE;
}
