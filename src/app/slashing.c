/* The slashing subcommands: they open the store themselves, so the server must not be running. */
#include "app/command.h"
#include "app/stack.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/hex.h"
#include "slashing/interchange.h"
#include "store/open.h"
#include "store/sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEYS_TEXT_MAX = 1024 * 1024 };

static const size_t interchange_file_max = (size_t)4 << 30;

struct options {
    const char *config_path;
    const char *from;
    const char *to;
    const char *keys;
    const char *epoch;
    const char *slot;
    bool dry_run;
    bool raise;
    bool remove;
    bool help;
};

/* What an action works on. */
struct context {
    const struct options *options;
    const struct settings *settings;
    struct network network;
    struct pubkey *keys; /* of --keys, each once, or NULL */
    size_t key_count;
    struct ceiling bounds; /* of --epoch and --slot */
    struct detail detail;
};

static void context_done(struct context *context)
{
    free(context->keys);
}

static struct result open_store(struct context *context, bool create, struct slashing_store **out)
{
    const struct settings *settings = context->settings;
    detail_set(&context->detail, "anti_slashing.backend %s", settings->anti_slashing.backend);
    ENSURE(strcmp(settings->anti_slashing.backend, "noop") != 0, BAD_INPUT, "it keeps no records");
    return store_open(settings->anti_slashing.backend, settings->anti_slashing.path, create,
                      &context->network.genesis_validators_root, out, &context->detail);
}

static void print_summary(const char *done, const struct interchange_summary *summary,
                          const char *where)
{
    fprintf(stderr, "%s: %zu validators, %zu blocks, %zu attestations (%s)\n", done,
            summary->validators, summary->blocks, summary->attestations, where);
}

static struct result import_file(struct context *context, const char *path, bool dry_run)
{
    CLEANUP(slashing_store_close_ptr) struct slashing_store *store = NULL;
    struct interchange_summary summary = { 0 };
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, interchange_file_max, &text, &context->detail));
    TRY(open_store(context, true, &store));
    const struct interchange_text order = {
        .text = (const char *)text.data,
        .size = text.size,
        .genesis_validators_root = &context->network.genesis_validators_root,
        .policy = context->options->raise ? CONFLICT_RAISE : CONFLICT_REFUSE,
        .dry_run = dry_run,
    };
    struct result imported = interchange_import(store, &order, &summary, &context->detail);
    if (!is_ok(imported)) {
        detail_prefix(&context->detail, "%s: ", path);
        return imported;
    }
    print_summary(dry_run ? "checked, nothing was imported" : "imported", &summary, path);
    return OK;
}

static struct result act_import(struct context *context)
{
    return import_file(context, context->options->from, context->options->dry_run);
}

/* A key that was mistyped would be missing where the file is imported. */
static struct result check_keys(struct context *context, struct slashing_store *store)
{
    for (size_t i = 0; i < context->key_count; i++) {
        CLEANUP(history_done) struct history history = { .block_count = 0 };
        char text[HEX_TEXT_SIZE(sizeof(struct pubkey))];
        hex_encode(context->keys[i].bytes, sizeof(context->keys[i].bytes), text);
        detail_set(&context->detail, "--keys, %s", text);
        TRY(store->ops->load_history(store, &context->keys[i], &history));
    }
    return OK;
}

static struct result write_export(struct context *context, struct slashing_store *store, FILE *out,
                                  struct interchange_summary *summary)
{
    const struct interchange_selection selection = {
        .genesis_validators_root = &context->network.genesis_validators_root,
        .pubkeys = context->keys,
        .pubkey_count = context->key_count,
    };
    TRY(interchange_export(store, &selection, out, summary, &context->detail));
    detail_set(&context->detail, "%s", context->options->to);
    ENSURE(fflush(out) == 0 && fsync(fileno(out)) == 0, UNAVAILABLE, "cannot write the file");
    return OK;
}

static struct result act_export(struct context *context)
{
    CLEANUP(slashing_store_close_ptr) struct slashing_store *store = NULL;
    CLEANUP(file_close_ptr) FILE *out = NULL;
    struct interchange_summary summary = { 0 };
    const char *to = context->options->to;
    TRY(open_store(context, false, &store));
    TRY(check_keys(context, store));
    out = fopen(to, "wxe"); /* never over another file: it may be the only copy of something */
    detail_set(&context->detail, "%s (%s)", to, out == NULL ? strerror(errno) : "");
    ENSURE(out != NULL, UNAVAILABLE, "cannot create the file");
    (void)fchmod(fileno(out), 0600);
    struct result exported = write_export(context, store, out, &summary);
    if (!is_ok(exported)) {
        (void)remove(to);
        return exported;
    }
    print_summary("exported", &summary, to);
    return OK;
}

/* With --from: whether a file could be imported. Without: whether the database is whole. */
static struct result act_check(struct context *context)
{
    CLEANUP(slashing_store_close_ptr) struct slashing_store *store = NULL;
    if (context->options->from != NULL) {
        return import_file(context, context->options->from, true);
    }
    TRY(open_store(context, false, &store));
    TRY(sqlite_store_check(store, &context->detail));
    fprintf(stderr, "%s: whole, and free of slashable pairs\n",
            context->settings->anti_slashing.path);
    return OK;
}

static struct result act_accept_loss(struct context *context)
{
    const struct settings *settings = context->settings;
    detail_set(&context->detail, "anti_slashing.backend %s", settings->anti_slashing.backend);
    ENSURE(strcmp(settings->anti_slashing.backend, "sqlite") == 0, BAD_INPUT,
           "only a sqlite database can have lost records");
    TRY(sqlite_store_accept_loss(settings->anti_slashing.path,
                                 &context->network.genesis_validators_root, &context->detail));
    fprintf(stderr, "%s: accepted as it is; what it lacks is lost\n", settings->anti_slashing.path);
    return OK;
}

static void print_ceiling(const struct ceiling *ceiling)
{
    if (!ceiling->has_epoch && !ceiling->has_slot) {
        puts("no high watermark");
    }
    if (ceiling->has_epoch) {
        printf("nothing is signed at or above epoch %" PRIu64 "\n", ceiling->epoch.value);
    }
    if (ceiling->has_slot) {
        printf("nothing is signed at or above slot %" PRIu64 "\n", ceiling->slot.value);
    }
}

static struct result act_watermark(struct context *context)
{
    CLEANUP(slashing_store_close_ptr) struct slashing_store *store = NULL;
    const struct ceiling *bounds = &context->bounds;
    struct ceiling ceiling = { 0 };
    TRY(open_store(context, false, &store));
    TRY(store->ops->load_ceiling(store, &ceiling));
    if (context->options->remove) {
        ceiling = (struct ceiling){ 0 };
    }
    if (bounds->has_epoch) {
        ceiling.has_epoch = true;
        ceiling.epoch = bounds->epoch;
    }
    if (bounds->has_slot) {
        ceiling.has_slot = true;
        ceiling.slot = bounds->slot;
    }
    if (bounds->has_epoch || bounds->has_slot || context->options->remove) {
        TRY(store->ops->save_ceiling(store, &ceiling));
    }
    print_ceiling(&ceiling);
    return OK;
}

static const struct action {
    const char *name;
    const char *takes; /* its own options */
    struct result (*act)(struct context *context);
} actions[] = {
    { "import", "--from --dry-run --raise", act_import },
    { "export", "--to --keys", act_export },
    { "check", "--from", act_check },
    { "accept-loss", "", act_accept_loss },
    { "watermark", "--epoch --slot --remove", act_watermark },
};

static int print_help(void)
{
    puts(
        "usage: containment-chamber slashing <action> [-c config.yaml] [options]\n\n"
        "Works on the slashing protection database of the configuration (or of "
        "--anti-slashing-path\n"
        "and --network). The server must be stopped: one process owns the database.\n\n"
        "  import --from FILE     add the records of an EIP-3076 interchange file; all or nothing\n"
        "         --dry-run       only say whether it could be imported\n"
        "         --raise         where records contradict each other, raise the watermarks above\n"
        "                         them instead of refusing the file\n"
        "  export --to FILE       write all records as a new interchange file\n"
        "         --keys 0x…,0x…  only those of these validators\n"
        "  check                  check the whole database: structure, and no slashable pair\n"
        "         --from FILE     check an interchange file against it instead\n"
        "  accept-loss            take a database for whole whose -wal file is lost; before that, "
        "see\n"
        "                         to it that nothing is signed twice (docs/protection.md)\n"
        "  watermark              show the high watermark: nothing is signed at or above it\n"
        "         --epoch N, --slot N   set it, before validators move to another signer\n"
        "         --remove        remove it\n\n"
        "Settings' flags are as for 'containment-chamber server --help'.\n\n"
        "examples:\n"
        "  containment-chamber slashing import -c config.yaml --from slashing.json\n"
        "  containment-chamber slashing export --anti-slashing-path db.sqlite --to out.json");
    return EXIT_DONE;
}

static bool has_key(const struct context *context, const struct pubkey *key)
{
    for (size_t i = 0; i < context->key_count; i++) {
        if (pubkey_equal(&context->keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* Reads "0x…,0x…". */
static struct result read_keys(struct context *context, const char *text)
{
    detail_set(&context->detail, "--keys");
    ENSURE(*text != '\0', BAD_INPUT, "names no key");
    ENSURE(strlen(text) <= KEYS_TEXT_MAX, LIMIT, "too many keys");
    context->keys = calloc(strlen(text) / 96 + 1, sizeof(*context->keys));
    ENSURE(context->keys != NULL, UNAVAILABLE, "out of memory");
    for (size_t number = 1; *text != '\0'; number++) {
        struct pubkey key;
        size_t size = strcspn(text, ",");
        detail_set(&context->detail, "--keys, key %zu", number);
        TRY(hex_decode(text, size, key.bytes, sizeof(key.bytes)));
        if (!has_key(context, &key)) {
            context->keys[context->key_count++] = key;
        }
        text += size;
        text += *text == ',' ? 1 : 0;
    }
    return OK;
}

static struct result read_bound(struct context *context, const char *name, const char *text,
                                bool *has_out, uint64_t *out)
{
    if (text == NULL) {
        return OK;
    }
    detail_set(&context->detail, "%s %s", name, text);
    *has_out = true;
    return decimal_parse(text, strlen(text), out);
}

/* What is wrong here is wrong with the call, whatever is in the files. */
static struct result read_options(struct context *context, const struct action *action)
{
    const struct options *options = context->options;
    struct ceiling *bounds = &context->bounds;
    bool sets = options->epoch != NULL || options->slot != NULL;
    ENSURE(action->act != act_import || options->from != NULL, BAD_INPUT,
           "slashing import needs --from FILE");
    ENSURE(action->act != act_export || options->to != NULL, BAD_INPUT,
           "slashing export needs --to FILE");
    ENSURE(!(sets && options->remove), BAD_INPUT, "either set a high watermark or remove it");
    TRY(read_bound(context, "--epoch", options->epoch, &bounds->has_epoch, &bounds->epoch.value));
    TRY(read_bound(context, "--slot", options->slot, &bounds->has_slot, &bounds->slot.value));
    return options->keys != NULL ? read_keys(context, options->keys) : OK;
}

static int run(const struct action *action, const struct options *options,
               const struct config *config)
{
    CLEANUP(context_done)
    struct context context = { .options = options, .settings = config_settings(config) };
    struct result result = read_options(&context, action);
    if (is_ok(result)) {
        result = stack_network(context.settings, &context.network, &context.detail);
    }
    if (!is_ok(result)) {
        return command_usage(&context.detail, result);
    }
    detail_set(&context.detail, "%s", "");
    result = action->act(&context);
    return is_ok(result) ? EXIT_DONE : command_fail(&context.detail, result);
}

static int run_action(const struct action *action, int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option all[] = {
        { "--config", "-c", &options.config_path, NULL },
        { "--help", "-h", NULL, &options.help },
        { "--from", NULL, &options.from, NULL },
        { "--to", NULL, &options.to, NULL },
        { "--keys", NULL, &options.keys, NULL },
        { "--epoch", NULL, &options.epoch, NULL },
        { "--slot", NULL, &options.slot, NULL },
        { "--dry-run", NULL, NULL, &options.dry_run },
        { "--raise", NULL, NULL, &options.raise },
        { "--remove", NULL, NULL, &options.remove },
    };
    struct command_option known[sizeof(all) / sizeof(all[0])];
    size_t known_count = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].letter != NULL || strstr(action->takes, all[i].name) != NULL) {
            known[known_count++] = all[i];
        }
    }
    struct detail detail = { "" };
    CLEANUP(config_free_ptr) struct config *config = NULL;
    struct result configured =
        command_configure(count, arguments, known, known_count, &config, &detail);
    if (options.help) {
        return print_help();
    }
    return is_ok(configured) ? run(action, &options, config) : command_usage(&detail, configured);
}

int command_slashing(int count, char *const *arguments)
{
    const char *name = count > 1 ? arguments[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return print_help();
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return run_action(&actions[i], count - 1, arguments + 1);
        }
    }
    fprintf(stderr, "containment-chamber: unknown action 'slashing %s'; --help lists them\n", name);
    return EXIT_USAGE;
}
