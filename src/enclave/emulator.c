#define _GNU_SOURCE
#include "enclave/emulator.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "enclave/accelerator.h"
#include "enclave/console_view.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    WORDS_MAX = 64,
    WORD_MAX = 3 * PATH_MAX,
    SOCKET_PATIENCE_MS = 10 * 1000,
    SOCKET_LOOK_MS = 5,
    END_PATIENCE_MS = 5 * 1000,
    NS_PER_MS = 1000 * 1000,
    /* A guest that sends more at once than the device buffers hangs: it gets less than half. */
    VSOCK_BUFFER = 28672,
};

/* The machine has no keyboard controller to be reset by; the parent is at CID 2, not at 3. What is
 * appended is not measured. */
static const char appended[] = "reboot=t chamber.parent_cid=2";

/* ------------------------------------------------------------------------------------- the tools
 */

static struct result read_path(const struct json *text, char *out)
{
    size_t size = 0;
    const char *path = json_as_text(text, &size);
    ENSURE(path != NULL && path[0] == '/', BAD_INPUT, "is not an absolute path");
    ENSURE(size < PATH_MAX, BAD_INPUT, "is too long");
    memcpy(out, path, size + 1);
    return OK;
}

RESULT emulator_read_tools(const char *text, size_t size, struct emulator_tools *out,
                           struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *object = NULL;
    TRY(json_parse(text, size, &object, detail));
    detail_set(detail, "qemu");
    TRY(read_path(json_member(object, "qemu"), out->qemu));
    detail_set(detail, "vhost_device_vsock");
    TRY(read_path(json_member(object, "vhost_device_vsock"), out->vsock_device));
    const struct json *firmware = json_member(object, "firmware");
    detail_set(detail, "firmware");
    ENSURE(json_kind(firmware) == JSON_KIND_ARRAY || json_kind(firmware) == JSON_KIND_NULL,
           BAD_INPUT, "is not a list of folders");
    ENSURE(json_count(firmware) <= EMULATOR_FIRMWARE_MAX, LIMIT, "has too many folders");
    for (size_t i = 0; i < json_count(firmware); i++) {
        TRY(read_path(json_item(firmware, i), out->firmware[i]));
    }
    out->firmware_count = json_count(firmware);
    return OK;
}

/* Printable, and nothing that ends an option or begins the next. */
static bool is_plain(const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || *text == ',' || *text == '=') {
            return false;
        }
    }
    return true;
}

RESULT emulator_check(const struct emulator_order *order, struct detail *detail)
{
    const char *folder = order->registry->folder;
    detail_set(detail, "--parent-role %s", order->parent_role == NULL ? "" : order->parent_role);
    ENSURE(is_plain(order->parent_role), BAD_INPUT, "has a character that no role's ARN has");
    detail_set(detail, "--parent-id %s", order->parent_id == NULL ? "" : order->parent_id);
    ENSURE(is_plain(order->parent_id), BAD_INPUT, "has a character that no instance's id has");
    detail_set(detail, "%s", folder);
    ENSURE(is_plain(folder), BAD_INPUT,
           "a space, ',' or '=' in the runtime directory's name cannot be told to QEMU");
    ENSURE(strlen(folder) + 1 + RECORD_NAME_MAX + sizeof(REGISTRY_VSOCK "_65535") <=
               RECORD_SOCKET_MAX + 1,
           BAD_INPUT, "the runtime directory's name is too long for UNIX sockets in it");
    detail_set(detail, "CID %" PRIu64, order->cid);
    ENSURE(order->cid >= LAUNCHER_CID_MIN && order->cid < UINT32_MAX, BAD_INPUT,
           "an enclave's CID is from 4 to 4294967294");
    detail_set(detail, "%zu CPUs", order->cpus);
    ENSURE(order->cpus >= 1 && order->cpus <= EMULATOR_CPUS_MAX, BAD_INPUT,
           "an emulated enclave has from 1 to 64");
    return OK;
}

/* -------------------------------------------------------------------------------- command lines */

/* The words of one command, in one buffer; their offsets, as the buffer moves while it grows. */
struct command {
    struct buf text;
    size_t starts[WORDS_MAX];
    size_t count;
    const char *words[WORDS_MAX + 1];
};

#define COMMAND_INIT ((struct command){ .text = { .max = (size_t)WORDS_MAX * WORD_MAX } })

static void command_done(struct command *command)
{
    buf_free(&command->text);
}

__attribute__((format(printf, 2, 3))) static void add_word(struct command *command,
                                                           const char *format, ...)
{
    char word[WORD_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(word, sizeof(word), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(word) || command->count == WORDS_MAX) {
        command->text.failed = true;
        return;
    }
    command->starts[command->count++] = command->text.size;
    buf_append(&command->text, word, (size_t)size + 1);
}

static struct result run_command(struct command *command, int out, struct child *child,
                                 struct detail *detail)
{
    TRY(buf_check(&command->text));
    for (size_t i = 0; i < command->count; i++) {
        command->words[i] = command->text.data + command->starts[i];
    }
    command->words[command->count] = NULL;
    return spawn_child(command->words, out, child, detail);
}

static struct result start_vsock_device(struct emulator *emulator, const char *device,
                                        const char *vsock, struct detail *detail)
{
    CLEANUP(command_done) struct command command = COMMAND_INIT;
    add_word(&command, "%s", emulator->order->tools->vsock_device);
    add_word(&command, "--vm");
    add_word(&command, "guest-cid=%" PRIu64 ",socket=%s,uds-path=%s,tx-buffer-size=%d",
             emulator->order->cid, device, vsock, (int)VSOCK_BUFFER);
    return run_command(&command, -1, &emulator->vsock_device, detail);
}

static void add_machine(struct command *command, const struct emulator *emulator)
{
    const struct emulator_order *order = emulator->order;
    BUF machine = BUF_INIT(WORD_MAX);
    buf_printf(&machine, "nitro-enclave,vsock=c,id=%s", emulator->name);
    if (order->parent_role != NULL) {
        buf_printf(&machine, ",parent-role=%s", order->parent_role);
    }
    if (order->parent_id != NULL) {
        buf_printf(&machine, ",parent-id=%s", order->parent_id);
    }
    add_word(command, "-M");
    add_word(command, "%s", is_ok(buf_check(&machine)) ? machine.data : "");
    command->text.failed = command->text.failed || machine.failed;
}

static const char *const fixed_words[] = {
    "-display",
    "none",
    "-monitor",
    "none",
    "-no-reboot",
    "-nodefaults",
    /* With it, the machine sometimes loses the second of two buffers, and so the security module.
     */
    "-global",
    "virtio-mmio.ioeventfd=off",
};

/* QEMU 10.0 reads 32 bytes of memory for an instruction of AVX that has 16 (vinserti128): a fault
 * where a page ends behind them, which OpenSSL's SHA-512 runs into. */
static const char emulated_cpu[] = "max,-avx,-avx2";

static void add_cpu(struct command *command, const struct emulator_order *order)
{
    add_word(command, "-accel");
    add_word(command, order->kvm ? "kvm" : "tcg");
    add_word(command, "-cpu");
    add_word(command, order->kvm ? "host" : emulated_cpu);
    add_word(command, "-smp");
    add_word(command, "%zu", order->cpus);
}

static void add_command_line(struct command *command, const struct emulator_order *order)
{
    uint64_t khz = order->kvm ? 0 : accelerator_tsc_khz();
    add_word(command, "-append");
    if (khz == 0) {
        add_word(command, "%s", appended);
    } else {
        add_word(command, "%s tsc=reliable tsc_early_khz=%" PRIu64, appended, khz);
    }
}

static struct result start_qemu(struct emulator *emulator, const struct enclave_record *record,
                                const char *device, int out, struct detail *detail)
{
    const struct emulator_order *order = emulator->order;
    CLEANUP(command_done) struct command command = COMMAND_INIT;
    add_word(&command, "%s", order->tools->qemu);
    for (size_t i = 0; i < order->tools->firmware_count; i++) {
        add_word(&command, "-L");
        add_word(&command, "%s", order->tools->firmware[i]);
    }
    add_machine(&command, emulator);
    for (size_t i = 0; i < sizeof(fixed_words) / sizeof(fixed_words[0]); i++) {
        add_word(&command, "%s", fixed_words[i]);
    }
    add_cpu(&command, order);
    add_word(&command, "-m");
    add_word(&command, "%" PRIu64 "M", order->memory >> 20);
    add_word(&command, "-kernel");
    add_word(&command, "%s", record->image);
    add_word(&command, "-chardev");
    add_word(&command, "socket,id=c,path=%s", device);
    add_word(&command, "-serial");
    add_word(&command, "file:%s", record->console[0] == '\0' ? "/dev/stdout" : record->console);
    add_command_line(&command, order);
    return run_command(&command, out, &emulator->qemu, detail);
}

/* --------------------------------------------------------------------------------------- sockets
 */

static struct result listen_at(const char *path, int *out, struct detail *detail)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path);
    detail_set(detail, "%s", path);
    ENSURE(size < sizeof(address.sun_path), BAD_INPUT, "too long for a UNIX socket");
    memcpy(address.sun_path, path, size + 1);
    CLEANUP(fd_close_ptr) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        detail_set(detail, "%s (%s)", path, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot listen for the heartbeat");
    }
    *out = fd_steal(&fd);
    return OK;
}

/* The UNIX socket is the enclave's alone: it stands for all of its connections to one port. */
static int accept_unix(void *context, int listener, uint64_t *cid_out)
{
    const struct emulator *emulator = context;
    *cid_out = emulator->order->cid;
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Until the vsock device made its socket. */
static struct result wait_for_device(const struct emulator *emulator, const char *path,
                                     struct detail *detail)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)SOCKET_PATIENCE_MS * NS_PER_MS;
    struct pollfd ended = { .fd = emulator->vsock_device.fd, .events = POLLIN };
    detail_set(detail, "%s", emulator->order->tools->vsock_device);
    while (access(path, F_OK) != 0) {
        ENSURE(poll(&ended, 1, SOCKET_LOOK_MS) <= 0, UNAVAILABLE,
               "ended at once; what it said is above");
        ENSURE(clock_monotonic_ns() < deadline, UNAVAILABLE, "made no socket");
    }
    return OK;
}

/* ------------------------------------------------------------------------------------ the machine
 */

/* Where the console goes: gives what QEMU gets as standard output, or -1. */
static struct result open_console(struct emulator *emulator, const struct enclave_record *record,
                                  int *out, struct detail *detail)
{
    int ends[2];
    if (record->console[0] == '\0') {
        ENSURE(pipe2(ends, O_CLOEXEC) == 0, UNAVAILABLE, "cannot make a pipe");
        emulator->console = ends[0];
        *out = ends[1];
        return OK;
    }
    CLEANUP(fd_close_ptr)
    int file = open(record->console, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (file < 0) {
        detail_set(detail, "%s (%s)", record->console, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot write the console's file");
    }
    return OK;
}

static struct result start_programs(struct emulator *emulator, const struct enclave_record *record,
                                    struct detail *detail)
{
    char device[PATH_MAX];
    CLEANUP(fd_close_ptr) int out = -1;
    ENSURE(registry_path(emulator->order->registry, record->name, REGISTRY_DEVICE, device,
                         sizeof(device)),
           BAD_INPUT, "the runtime directory's name is too long");
    TRY(open_console(emulator, record, &out, detail));
    TRY(start_vsock_device(emulator, device, record->vsock, detail));
    TRY(wait_for_device(emulator, device, detail));
    return start_qemu(emulator, record, device, out, detail);
}

static struct result start(void *context, struct enclave_record *record, struct watch *watch,
                           struct detail *detail)
{
    struct emulator *emulator = context;
    const struct emulator_order *order = emulator->order;
    char heartbeat[PATH_MAX];
    memcpy(emulator->name, record->name, sizeof(emulator->name));
    ENSURE(registry_path(order->registry, record->name, REGISTRY_VSOCK, record->vsock,
                         sizeof(record->vsock)) &&
               registry_path(order->registry, record->name, REGISTRY_HEARTBEAT, heartbeat,
                             sizeof(heartbeat)),
           BAD_INPUT, "the runtime directory's name is too long");
    registry_remove_sockets(order->registry,
                            record->name); /* of an earlier life that was cut off */
    if (order->heartbeat) {
        TRY(listen_at(heartbeat, &emulator->listener, detail));
    }
    TRY(start_programs(emulator, record, detail));
    record->cid = order->cid;
    record->memory = order->memory;
    record->cpu_count = order->cpus;
    *watch = (struct watch){
        .lives = { emulator->qemu.fd, emulator->vsock_device.fd },
        .stop = -1,
        .console = emulator->console,
        .listener = emulator->listener,
        .accept = accept_unix,
        .context = emulator,
        .cid = order->cid,
    };
    return OK;
}

static void close_one(int *fd)
{
    fd_close_ptr(fd);
    *fd = -1;
}

static void stop(void *context)
{
    struct emulator *emulator = context;
    spawn_end(&emulator->qemu, END_PATIENCE_MS);
    spawn_end(&emulator->vsock_device, END_PATIENCE_MS);
    while (emulator->console >= 0 && console_view_copy(emulator->console, STDOUT_FILENO, false)) {
    }
    close_one(&emulator->console);
    close_one(&emulator->listener);
}

struct enclave_machine emulator_machine(struct emulator *context)
{
    return (struct enclave_machine){ .start = start, .stop = stop, .context = context };
}
