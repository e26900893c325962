/* What the SQLite store costs: a check by batch size, opening, export, import, pruning. Times are
 * shown beside that of one bare durable write on the same disk in the same run. usage: bench_sqlite
 * [validators] [epochs already recorded]      (in $TMPDIR) */
#include "base/clock.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/json.h"
#include "slashing/interchange.h"
#include "store/messages.h"
#include "store/place.h"
#include "store/sqlite.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { WRITES = 300, WRITE_SIZE = 8192, FILE_MAX = 2000 * 1000 * 1000 };

static const struct root network = { { 0x5a } };
static struct detail detail;
static double write_us; /* a bare durable write */

static void must(struct result result)
{
    if (!is_ok(result)) {
        fprintf(stderr, "%s: %s\n", detail.text, result.what);
        exit(1);
    }
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    must(decimal_parse(text, strlen(text), &number));
    return number;
}

static double since_us(uint64_t start)
{
    return (double)(clock_monotonic_ns() - start) / 1e3;
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Public keys look random, so their order is not that of the ids. */
static struct pubkey random_key(uint32_t number)
{
    struct dice dice = { number * UINT64_C(0x9e3779b97f4a7c15) + 1 };
    struct pubkey pubkey;
    for (size_t i = 0; i < sizeof(pubkey.bytes); i++) {
        pubkey.bytes[i] = (uint8_t)dice_roll(&dice, 256);
    }
    return pubkey;
}

static void measure_disk(void)
{
    static const char block[WRITE_SIZE] = { 1 };
    int fd = open(place_path("bare"), O_RDWR | O_CREAT, 0600);
    uint64_t start = clock_monotonic_ns();
    for (int i = 0; i < WRITES; i++) {
        if (pwrite(fd, block, sizeof(block), (off_t)(i % 100) * WRITE_SIZE) != WRITE_SIZE ||
            fdatasync(fd) != 0) {
            exit(1);
        }
    }
    write_us = since_us(start) / WRITES;
    close(fd);
    printf("bare durable write: %.0f us\n", write_us);
}

static struct slashing_store *open_store(const char *name)
{
    struct slashing_store *store = NULL;
    must(sqlite_store_open(place_path(name), true, &network, &store, &detail));
    return store;
}

static void fill(struct slashing_store *store, uint32_t validators, uint64_t epochs)
{
    must(store->ops->import_begin(store));
    for (uint32_t number = 0; number < validators; number++) {
        CLEANUP(history_done) struct history history = { .pubkey = random_key(number) };
        for (uint64_t epoch = 1; epoch <= epochs; epoch++) {
            struct signed_attestation vote = vote_of(epoch - 1, epoch, epoch);
            must(history_add_attestation(&history, &vote));
        }
        must(store->ops->import_history(store, &history, CONFLICT_REFUSE, &detail));
    }
    must(store->ops->import_end(store, true));
}

/* Batches as they come: validators in the order of their duties, every one once an epoch. */
static void measure_batches(struct slashing_store *store, uint32_t validators, size_t batch,
                            size_t batches, uint64_t *next)
{
    static struct slashing_check items[STORE_BATCH_MAX];
    struct slashing_check *checks[STORE_BATCH_MAX];
    uint64_t wall = 0;
    double cpu = 0;
    uint64_t worst = 0;
    for (size_t done = 0; done < batches; done++) {
        for (size_t i = 0; i < batch; i++, (*next)++) {
            uint32_t number = (uint32_t)((*next * 7919) % validators); /* a prime: all in turn */
            uint64_t epoch = 1 + *next / validators;
            items[i] = (struct slashing_check){ .pubkey = random_key(number),
                                                .kind = SLASHING_ATTESTATION,
                                                .attestation = vote_of(epoch - 1, epoch, epoch) };
            checks[i] = &items[i];
        }
        double cpu_before = cpu_us();
        uint64_t start = clock_monotonic_ns();
        store->ops->decide(store, checks, batch);
        uint64_t took = clock_monotonic_ns() - start;
        cpu += cpu_us() - cpu_before;
        wall += took;
        worst = took > worst ? took : worst;
        for (size_t i = 0; i < batch; i++) {
            if (items[i].verdict != VERDICT_NEW) {
                fprintf(stderr, "a check was refused: %s\n", verdict_text(items[i].verdict));
                exit(1);
            }
        }
    }
    double wall_us = (double)wall / 1e3 / (double)batches;
    printf("batch of %3zu: %7.0f us (%.1f writes), worst %7.0f us; a check %7.2f us, of CPU %6.2f "
           "us\n",
           batch, wall_us, wall_us / write_us, (double)worst / 1e3, wall_us / (double)batch,
           cpu / (double)(batches * batch));
}

static void measure_repeats(struct slashing_store *store, uint32_t validators, uint64_t epoch)
{
    uint64_t start = clock_monotonic_ns();
    for (uint32_t number = 0; number < validators; number++) {
        struct slashing_check check = { .pubkey = random_key(number),
                                        .kind = SLASHING_ATTESTATION,
                                        .attestation = vote_of(epoch - 1, epoch, epoch) };
        if (decide(store, &check) != VERDICT_REPEAT) {
            exit(1);
        }
    }
    printf("repeat: %.2f us\n", since_us(start) / validators);
}

static void measure_interchange(struct slashing_store *store)
{
    const struct interchange_selection everything = { .genesis_validators_root = &network };
    struct interchange_summary summary;
    FILE *file = fopen(place_path("export.json"), "w");
    uint64_t start = clock_monotonic_ns();
    must(interchange_export(store, &everything, file, &summary, &detail));
    fclose(file);
    printf("export: %.1f s for %zu attestations\n", since_us(start) / 1e6, summary.attestations);
    SECRET_BLOCK text = { 0 };
    must(file_read(place_path("export.json"), FILE_MAX, &text, &detail));
    struct slashing_store *copy = open_store("copy.sqlite");
    start = clock_monotonic_ns();
    const struct interchange_text order = { .text = (const char *)text.data,
                                            .size = text.size,
                                            .genesis_validators_root = &network };
    must(interchange_import(copy, &order, &summary, &detail));
    printf("import: %.1f s for %zu MB\n", since_us(start) / 1e6, text.size / 1000 / 1000);
    slashing_store_close(copy);
}

static void measure_prune(struct slashing_store *store, uint64_t epochs, size_t rows)
{
    uint64_t start = clock_monotonic_ns();
    size_t calls = 0;
    double worst = 0;
    for (bool more = true; more && calls < 50; calls++) {
        uint64_t call = clock_monotonic_ns();
        must(store->ops->prune(store, (struct epoch){ epochs }, (struct slot){ 0 }, rows, &more));
        worst = since_us(call) > worst ? since_us(call) : worst;
    }
    printf("prune: %zu calls of %zu rows, %.1f ms each, worst %.1f ms\n", calls, rows,
           since_us(start) / 1e3 / (double)calls, worst / 1e3);
}

int main(int count, char **arguments)
{
    uint32_t validators = (uint32_t)number_of(count > 1 ? arguments[1] : "10000");
    uint64_t epochs = number_of(count > 2 ? arguments[2] : "250");
    json_init();
    measure_disk();
    struct slashing_store *store = open_store("s.sqlite");
    uint64_t start = clock_monotonic_ns();
    fill(store, validators, epochs);
    printf("%u validators, %d epochs: filled in %.1f s\n", validators, (int)epochs,
           since_us(start) / 1e6);
    slashing_store_close(store);
    start = clock_monotonic_ns();
    store = open_store("s.sqlite");
    printf("open: %.0f ms\n", since_us(start) / 1e3);
    uint64_t next = epochs * validators;
    measure_batches(store, validators, 1, 3000, &next);
    measure_batches(store, validators, 16, 1000, &next);
    measure_batches(store, validators, 256, 200, &next);
    measure_repeats(store, validators, next / validators);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("memory: %ld MB at most\n", usage.ru_maxrss / 1024);
    measure_interchange(store);
    measure_prune(store, epochs, 1000);
    measure_prune(store, epochs, 10000);
    slashing_store_close(store);
    return 0;
}
