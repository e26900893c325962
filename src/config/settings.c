#include "config/settings.h"

#include "config/names.h"
#include "config/sections.h"

#define AT(field) offsetof(struct settings, field)

#define TEXT(setting, field)    .name = (setting), .kind = SETTING_TEXT, .offset = AT(field)
#define CHOICE(setting, field)  .name = (setting), .kind = SETTING_CHOICE, .offset = AT(field)
#define NUMBER(setting, field)  .name = (setting), .kind = SETTING_NUMBER, .offset = AT(field)
#define BOOLEAN(setting, field) .name = (setting), .kind = SETTING_BOOLEAN, .offset = AT(field)
#define LIST(setting, field)    .name = (setting), .kind = SETTING_LIST, .offset = AT(field)

enum {
    PORT_MAX = 65535,
    HOUR_SECONDS = 3600,
    WEEK_SECONDS = 7 * 24 * HOUR_SECONDS,
    MEBIBYTE = 1024 * 1024,
};

const struct setting settings_table[] = {
    { TEXT("server.listen_address", server.listen_address), .standard = "127.0.0.1",
      .help =
          "IP address on which the signing API listens. Whoever reaches it can have messages "
          "signed: for validator clients on other machines give an address of a private network. "
          "0.0.0.0 is every IPv4 interface and :: every interface." },
    { NUMBER("server.listen_port", server.listen_port), .standard = "9000", .max = PORT_MAX,
      .help = "TCP port of the signing API, as given in the remote signer URL of your validator "
              "clients. 0 takes any free port, which is for tests." },
    { NUMBER("server.io_threads", server.io_threads), .standard = "0", .max = 256,
      .help = "Threads that read requests and write answers. 0 chooses by the number of CPUs, "
              "which is right unless a measurement tells you otherwise." },
    { NUMBER("server.max_connections", server.max_connections), .standard = "10000", .min = 1,
      .max = 1000 * 1000,
      .help = "Client connections that may be open at once; further ones are turned away. When you "
              "raise it, raise the limit of open files (LimitNOFILE, ulimit -n) as well." },
    { NUMBER("server.max_body_bytes", server.max_body_bytes), .standard = "10485760",
      .min = 64 * 1024, .max = 1024ULL * MEBIBYTE,
      .help = "Size in bytes of the largest request body; a larger one is refused. Raise it when a "
              "key import with a long slashing history does not fit." },
    { NUMBER("server.idle_timeout_seconds", server.idle_timeout_seconds), .standard = "75",
      .min = 1, .max = HOUR_SECONDS,
      .help = "Seconds after which a connection without a request is closed. Keep it well above "
              "the 20 to 30 seconds for which validator clients keep idle connections, or a client "
              "may send into a connection that is just being closed." },
    { NUMBER("server.request_timeout_seconds", server.request_timeout_seconds), .standard = "30",
      .min = 1, .max = HOUR_SECONDS,
      .help = "Seconds within which a request must have arrived whole once it has begun; then the "
              "connection is closed. Raise it only for clients behind a very slow line." },

    { BOOLEAN("metrics.enabled", metrics.enabled), .standard = "true",
      .help = "Serves Prometheus metrics at /metrics, over plain HTTP on a port of their own. Turn "
              "it off when nothing collects them." },
    { TEXT("metrics.listen_address", metrics.listen_address), .standard = "127.0.0.1",
      .help = "IP address on which the metrics are served. For a collector on another machine give "
              "an address of your monitoring network." },
    { NUMBER("metrics.listen_port", metrics.listen_port), .standard = "3000", .max = PORT_MAX,
      .help = "TCP port of the metrics. 0 takes any free port, which is for tests." },
    { NUMBER("metrics.refresh_interval_seconds", metrics.refresh_interval_seconds),
      .standard = "30", .min = 1, .max = HOUR_SECONDS,
      .help = "Seconds between two updates of the metrics that are sampled rather than counted. An "
              "interval shorter than that of your Prometheus server gains nothing." },

    { CHOICE("tee.platform", tee.platform), .standard = "none", .choices = "none|nitro",
      .help = "Where the signer runs: nitro is an AWS Nitro Enclave, whose image brings its own "
              "server, and needs tls.mode atls. There every listen_port is a vsock port, and no "
              "address plays a part. It also needs stores that outlive the enclave, which "
              "this version does not have: only its development image runs there." },
    { NUMBER("tee.parent_timeout_seconds", tee.parent_timeout_seconds), .standard = "300",
      .min = 30, .max = 24 * HOUR_SECONDS,
      .help = "Seconds after which an enclave that hears nothing of its parent ends, so that a new "
              "one can be started. Longer than a restart of the parent's program takes." },

    { CHOICE("tls.mode", tls.mode), .standard = "disabled", .choices = "disabled|file|atls",
      .help =
          "With file, the signing API is served over TLS 1.2 and 1.3 on tls.listen_port with the "
          "certificate in tls.file; with atls, which is for enclaves, over TLS 1.3 with a "
          "certificate that proves which image runs. Beside both, server.listen_port answers "
          "health probes only. With disabled, the API is served in the clear there." },
    { NUMBER("tls.listen_port", tls.listen_port), .standard = "9443", .max = PORT_MAX,
      .help = "TCP port of the signing API with TLS, on server.listen_address. 0 takes any free "
              "port, which is for tests." },
    { TEXT("tls.file.cert_path", tls.file.cert_path), .standard = "",
      .example = "/etc/certs/tls.crt",
      .help = "File with the server's certificate in PEM form and, behind it, those of the "
              "authorities between it and the one that your clients trust. Needed with tls.mode "
              "file." },
    { TEXT("tls.file.key_path", tls.file.key_path), .standard = "", .example = "/etc/certs/tls.key",
      .help = "File with the certificate's private key in PEM form, without a password; nobody but "
              "the signer should be able to read it. An ECDSA key costs far less CPU time "
              "for each new connection than an RSA key." },
    { NUMBER("tls.file.reload_interval_seconds", tls.file.reload_interval_seconds),
      .standard = "60", .max = WEEK_SECONDS,
      .help = "Seconds between two looks at whether these files have changed; a renewed "
              "certificate is taken up without a restart. 0 looks at them only on SIGHUP and POST "
              "/reload." },
    { TEXT("tls.file.client_ca_path", tls.file.client_ca_path), .standard = "",
      .example = "/etc/certs/clients-ca.crt",
      .help = "File with certificates of authorities in PEM form. With it, only clients that show "
              "a certificate of one of them, or are in known_clients_path, may connect." },
    { TEXT("tls.file.known_clients_path", tls.file.known_clients_path), .standard = "",
      .example = "/etc/certs/known_clients",
      .help = "File of the clients that may connect, in Web3Signer's format: a certificate's "
              "common name and its SHA-256 fingerprint on each line. With it, only these, and "
              "those that client_ca_path lets in, may connect." },

    { TEXT("network", network), .standard = "mainnet",
      .help = "Network that your validators belong to: mainnet, sepolia, hoodi, gnosis, chiado, or "
              "the path of another network's config.yaml to which GENESIS_VALIDATORS_ROOT and "
              "GENESIS_TIME have been added. Requests for any other network are refused." },

    { NUMBER("signing.workers", signing.workers), .standard = "0", .max = 1024,
      .help = "Threads that compute signatures. 0 is one for each CPU; choose fewer to leave CPUs "
              "to other programs on the machine." },
    { NUMBER("signing.queue_limit", signing.queue_limit), .standard = "8192", .min = 1,
      .max = 1000 * 1000,
      .help = "Signing requests that may wait; when so many do, the next one is answered with 503 "
              "at once. Raise it when one signer holds so many keys that the attestations of one "
              "slot do not fit." },
    { NUMBER("signing.deadline_seconds", signing.deadline_seconds), .standard = "12", .min = 1,
      .max = 300,
      .help = "Seconds after which a request that still waits is answered with 503 instead of "
              "being signed. No client waits longer than a slot, which is 12 seconds on mainnet "
              "and 5 on Gnosis." },

    { LIST("key_sources.filesystem.paths", filesystem.paths), .standard = "",
      .flag = "--filesystem-keystores-path",
      .example = "[./keystores/raw, ./keystores/pbkdf2, ./keystores/scrypt]",
      .help = "Directories of key descriptors in Web3Signer's YAML format, of type file-raw or "
              "file-keystore. Their keys are loaded at start and again on reload." },
    { TEXT("key_sources.filesystem.keystores_path", filesystem.keystores_path), .standard = "",
      .example = "./keystores/bulk",
      .help = "Directory of EIP-2335 keystores (*.json) that need no descriptors. Say where their "
              "passwords are with exactly one of keystores_passwords_path and "
              "keystores_password_file." },
    { TEXT("key_sources.filesystem.keystores_passwords_path", filesystem.keystores_passwords_path),
      .standard = "", .example = "./keystores/passwords",
      .help = "Directory with a password file for each keystore in keystores_path: the password of "
              "name.json is in name.txt." },
    { TEXT("key_sources.filesystem.keystores_password_file", filesystem.keystores_password_file),
      .standard = "", .example = "./keystores/password.txt",
      .help = "File with one password that opens every keystore in keystores_path." },
    { NUMBER("key_sources.filesystem.keystore_load_concurrency",
             filesystem.keystore_load_concurrency),
      .standard = "128", .min = 1, .max = 4096,
      .help = "Encrypted keystores that are opened at the same time, at most; never more than "
              "there are CPUs. Lower it to leave CPU time to signing while keys are loaded." },
    { NUMBER("key_sources.filesystem.raw_load_concurrency", filesystem.raw_load_concurrency),
      .standard = "128", .min = 1, .max = 4096,
      .help = "Unencrypted keys (file-raw) that are read at the same time, at most. Lower it for a "
              "network file system that copes badly with parallel reads." },
    { NUMBER("key_sources.filesystem.kdf_memory_mib", filesystem.kdf_memory_mib), .standard = "0",
      .max = 1024 * 1024,
      .help = "Mebibytes of memory that opening keystores may take in total; 0 is half of what the "
              "machine has free. One scrypt keystore usually takes 256 while it is opened, so do "
              "not go below that." },
    { BOOLEAN("key_sources.filesystem.strict", filesystem.strict), .standard = "false",
      .help = "Refuses to start when any key file is bad. Without it, a bad file is reported by "
              "name and reason, and the other keys are served." },

    { BOOLEAN("http.key_manager_api.enabled", key_manager_api.enabled), .standard = "false",
      .help = "Serves the Key Manager API (/eth/v1/keystores), which lists, imports and deletes "
              "keys while the signer runs. Imported keys are held in memory only and are gone "
              "after a restart. Make sure that only you can reach the port." },
    { NUMBER("http.key_manager_api.max_concurrent_reads", key_manager_api.max_concurrent_reads),
      .standard = "50", .min = 1, .max = 10 * 1000,
      .help = "Requests to list or delete keys that may run at the same time. Further ones are "
              "turned away; raise it when that happens to your tools." },
    { NUMBER("http.key_manager_api.max_concurrent_writes", key_manager_api.max_concurrent_writes),
      .standard = "10", .min = 1, .max = 1000,
      .help = "Requests to import keys that may run at the same time. Each takes CPU time and "
              "memory to open its keystores, so raise it with care." },
    { NUMBER("http.key_manager_api.request_timeout_seconds",
             key_manager_api.request_timeout_seconds),
      .standard = "30", .min = 1, .max = HOUR_SECONDS,
      .help = "Seconds that a request to the Key Manager API may take. Raise it when large imports "
              "of scrypt keystores do not finish in time." },
    { NUMBER("http.key_manager_api.max_items_per_request", key_manager_api.max_items_per_request),
      .standard = "100", .min = 1, .max = 10 * 1000,
      .help = "Keystores that one import may hold, and public keys that one deletion may name. "
              "Raise it for tools that send everything in one request; they then need a longer "
              "request_timeout_seconds, too." },

    { CHOICE("anti_slashing.backend", anti_slashing.backend), .standard = "sqlite",
      .choices = "sqlite|noop",
      .help = "Where slashing protection keeps what was signed. sqlite is a local file for one "
              "signer; noop remembers nothing and protects from nothing, so never use it with keys "
              "that have stake." },
    { TEXT("anti_slashing.path", anti_slashing.path), .standard = "./slashing_protection.sqlite",
      .flag = "--anti-slashing-sqlite-path",
      .help = "File of the sqlite backend. Keep it on a local disk that outlives restarts and "
              "updates, and never give one file to two signers: what it holds is what keeps your "
              "validators from being slashed." },
    { BOOLEAN("anti_slashing.pruning.enabled", anti_slashing.pruning.enabled), .standard = "true",
      .help =
          "Deletes old slashing records so that the database does not grow for ever. Protection is "
          "not weakened: nothing as old as a deleted record is ever signed again." },
    { NUMBER("anti_slashing.pruning.epochs_to_keep", anti_slashing.pruning.epochs_to_keep),
      .standard = "250", .min = 1, .max = 1000 * 1000,
      .help = "Epochs of records to keep for each key. 250 epochs are a little more than a day on "
              "mainnet; keep more if you want a longer history to look into." },
    { NUMBER("anti_slashing.pruning.interval_seconds", anti_slashing.pruning.interval_seconds),
      .standard = "3600", .min = 1, .max = WEEK_SECONDS,
      .help = "Seconds between two prunings. The more rarely it is done, the longer each takes." },

    { CHOICE("logging.level", logging.level), .standard = "info",
      .choices = "debug|info|warn|error",
      .help = "The least severe level that is logged. Use debug while you look for a fault: it "
              "adds lines for every request." },
    { CHOICE("logging.format", logging.format), .standard = "text", .choices = "text|json",
      .help = "Format of the log lines: text for people, json (one object a line) for programs "
              "that collect logs." },

    { BOOLEAN("memory.allow_unlocked", memory.allow_unlocked), .standard = "false",
      .flag = "--allow-unlocked-memory",
      .help = "Starts even if the system refuses to lock the memory that holds the keys, so that "
              "they may reach the swap file. For development only: in production, raise the limit "
              "of locked memory instead (LimitMEMLOCK, ulimit -l)." },

#ifdef CHAMBER_DEVELOPMENT
    { LIST("development.keys", development.keys), .standard = "",
      .help = "Secret keys, 64 hexadecimal digits each. Whoever sees this file has them." },
#endif
};

const size_t settings_table_size = sizeof(settings_table) / sizeof(settings_table[0]);

const struct schema settings_schema = {
    .settings = settings_table,
    .settings_size = &settings_table_size,
    .sections = sections_table,
    .sections_size = &sections_table_size,
    .renames = names_renames,
    .renames_size = &names_renames_size,
    .values_size = sizeof(struct settings),
    .unknown = "unknown setting; server --help lists them all",
    .example_header =
        "Settings of Containment Chamber: every one there is, with its default. Use the "
        "file as it is, or keep only the lines that you change.\n\n"
        "A setting that has no default is commented out, with no space after its #; "
        "remove the # to use it.\n\n"
        "The environment and the command line can set all of this, too: see "
        "docs/configuration.md. Check a file that you changed with: containment-chamber "
        "server --config config.yaml --check-config\n\n"
        "Generated by: containment-chamber server --print-example-config",
};
