/* settings.h: every setting there is: one table drives parsing, --help, the example file and the
 * reference page. Values come from the YAML file, then the environment (CONTAINMENT_SERVER__…),
 * then the command line; each remembers where it came from. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    char **items;
    size_t count;
};

/* The values. Texts are never NULL after loading: an unset one is "". */
struct settings {
    struct {
        char *listen_address;
        uint64_t listen_port;
        uint64_t io_threads; /* 0: as many as the CPUs ask for */
        uint64_t max_connections;
        uint64_t max_body_bytes;
        uint64_t idle_timeout_seconds;
        uint64_t request_timeout_seconds;
    } server;
    struct {
        bool enabled;
        char *listen_address;
        uint64_t listen_port;
        uint64_t refresh_interval_seconds;
    } metrics;
    struct {
        char *platform;
        uint64_t parent_timeout_seconds;
    } tee;
    struct {
        char *mode;
        uint64_t listen_port;
        struct {
            char *cert_path;
            char *key_path;
            uint64_t reload_interval_seconds; /* 0: only when asked to */
            char *client_ca_path;
            char *known_clients_path;
        } file;
    } tls;
    char *network;
    struct {
        uint64_t workers; /* 0: one a CPU */
        uint64_t queue_limit;
        uint64_t deadline_seconds;
    } signing;
    struct {
        struct text_list paths;
        char *keystores_path;
        char *keystores_passwords_path;
        char *keystores_password_file;
        uint64_t keystore_load_concurrency;
        uint64_t raw_load_concurrency;
        uint64_t kdf_memory_mib; /* 0: half of what the machine has free */
        bool strict;
    } filesystem; /* key_sources.filesystem */
    struct {
        bool enabled;
        uint64_t max_concurrent_reads;
        uint64_t max_concurrent_writes;
        uint64_t request_timeout_seconds;
        uint64_t max_items_per_request;
    } key_manager_api; /* http.key_manager_api */
    struct {
        char *backend;
        char *path;
        struct {
            bool enabled;
            uint64_t epochs_to_keep;
            uint64_t interval_seconds;
        } pruning;
    } anti_slashing;
    struct {
        char *level;
        char *format;
    } logging;
    struct {
        bool allow_unlocked;
    } memory;
#ifdef CHAMBER_DEVELOPMENT
    struct {
        struct text_list keys;
    } development;
#endif
};

enum setting_kind {
    SETTING_TEXT,    /* char *, empty only when its default is, too */
    SETTING_CHOICE,  /* char *: one of `choices` */
    SETTING_NUMBER,  /* uint64_t: min <= value <= max */
    SETTING_BOOLEAN, /* bool */
    SETTING_LIST,    /* struct text_list: YAML sequence, or text with commas */
};

/* One line of the table, where settings of one section stand together. */
struct setting {
    const char *name; /* dotted, as in the YAML file: "server.listen_port" */
    enum setting_kind kind;
    size_t offset;        /* of the value in struct settings */
    const char *standard; /* default, as text */
    const char *help;     /* one to three sentences; what it does, and when to change it */
    uint64_t min, max;    /* SETTING_NUMBER */
    const char *choices;  /* SETTING_CHOICE: "a|b|c" */
    const char *flag;     /* a further flag beside --server-listen-port, dashes and all; or NULL */
    const char *example;  /* shown commented out in the example file, instead of the default */
};

extern const struct setting settings_table[];
extern const size_t settings_table_size;

/* A table of settings with what belongs to it. The signer's is settings_schema; another subcommand
 * with a file of its own has another. Counts are addresses, because a constant's value is no
 * constant expression in C. */
struct section;
struct names_rename;

struct schema {
    const struct setting *settings;
    const size_t *settings_size;
    const struct section *sections;
    const size_t *sections_size;
    const struct names_rename *renames;
    const size_t *renames_size;
    size_t values_size;         /* of the struct that the offsets are in */
    const char *unknown;        /* what is said to an unknown name; a literal */
    const char *example_header; /* how the example file begins */
};

extern const struct schema settings_schema; /* of struct settings */

#endif
