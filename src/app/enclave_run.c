/* `enclave run`: reads what the enclave is to be, then hands it to run_enclave(). */
#include "app/enclave.h"

#include "app/command.h"
#include "app/process.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/log.h"
#include "enclave/accelerator.h"
#include "enclave/emulator.h"
#include "enclave/ne_machine.h"
#include "enclave/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

enum { MEMORY_MIB = 512, CPUS = 2, TOOLS_TEXT_MAX = 64 * 1024, MAGIC_SIZE = 4 };

static const uint64_t image_max = (uint64_t)4 << 30;

struct texts {
    const char *image;
    const char *name;
    const char *memory;
    const char *cpus;
    const char *cpu_ids;
    const char *cid;
    const char *numa_node;
    const char *heartbeat_timeout;
    const char *runtime_dir;
    const char *logging_format;
    const char *qemu;
    const char *vsock_device;
    const char *firmware;
    const char *parent_role;
    const char *parent_id;
    const char *console;
    const char *accelerator;
    bool debug_mode;
    bool no_heartbeat;
    bool emulate;
    bool help;
};

/* What the texts say. */
struct plan {
    uint32_t cpus[LAUNCHER_CPUS_MAX];
    uint64_t cpu_count;
    uint64_t memory;
    uint64_t image_size;
    uint64_t cid;
    uint64_t heartbeat_ms;
    int numa_node;
    int image;
    enum log_format logging_format;
    struct registry registry;
    struct enclave_record record;
    struct emulator_tools tools;
    bool kvm;
};

static void plan_done(struct plan *plan)
{
    fd_close_ptr(&plan->image);
}

/* -------------------------------------------------------------------------------------- options */

/* A number of an option; `*out` stays when it was not given. */
static struct result read_number(const char *name, const char *text, uint64_t max, uint64_t *out,
                                 struct detail *detail)
{
    uint64_t number = 0;
    if (text == NULL) {
        return OK;
    }
    detail_set(detail, "%s %s", name, text);
    ENSURE(is_ok(decimal_parse(text, strlen(text), &number)), BAD_INPUT, "is not a number");
    ENSURE(number <= max, BAD_INPUT, "is too large");
    *out = number;
    return OK;
}

/* Reads "1,3". */
static struct result read_cpu_ids(const char *text, struct plan *plan, struct detail *detail)
{
    plan->cpu_count = 0;
    for (const char *at = text; at != NULL;
         at = strchr(at, ',') == NULL ? NULL : strchr(at, ',') + 1) {
        uint64_t id = 0;
        detail_set(detail, "--cpu-ids %s", text);
        ENSURE(plan->cpu_count < LAUNCHER_CPUS_MAX, BAD_INPUT, "more than an enclave can have");
        ENSURE(is_ok(decimal_parse(at, strcspn(at, ","), &id)) && id <= UINT16_MAX, BAD_INPUT,
               "is not a list of CPUs such as 2,3");
        ENSURE(id != 0, BAD_INPUT, "CPU 0 stays with the parent instance");
        plan->cpus[plan->cpu_count++] = (uint32_t)id;
    }
    return OK;
}

/* Options that mean something on one of the two machines only. */
static struct result check_scope(const struct texts *texts, struct detail *detail)
{
    const struct {
        const char *name;
        bool given;
        bool emulated;
    } scopes[] = {
        { "--qemu", texts->qemu != NULL, true },
        { "--vhost-device-vsock", texts->vsock_device != NULL, true },
        { "--firmware", texts->firmware != NULL, true },
        { "--parent-role", texts->parent_role != NULL, true },
        { "--parent-id", texts->parent_id != NULL, true },
        { "--console", texts->console != NULL, true },
        { "--accelerator", texts->accelerator != NULL, true },
        { "--cpu-ids", texts->cpu_ids != NULL, false },
        { "--numa-node", texts->numa_node != NULL, false },
        { "--debug-mode", texts->debug_mode, false },
    };
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        detail_set(detail, "%s", scopes[i].name);
        ENSURE(!scopes[i].given || scopes[i].emulated == texts->emulate, BAD_INPUT,
               "means nothing here: it is for emulated enclaves only, or for all others only");
    }
    detail_set(detail, "--cpus and --cpu-ids");
    ENSURE(texts->cpus == NULL || texts->cpu_ids == NULL, BAD_INPUT, "give one of the two");
    detail_set(detail, "--heartbeat-timeout and --no-heartbeat");
    ENSURE(texts->heartbeat_timeout == NULL || !texts->no_heartbeat, BAD_INPUT,
           "give one of the two");
    return OK;
}

static struct result read_numbers(const struct texts *texts, struct plan *plan,
                                  struct detail *detail)
{
    uint64_t memory_mib = MEMORY_MIB;
    uint64_t numa_node = UINT64_MAX;
    plan->cpu_count = CPUS;
    plan->cid = texts->emulate ? EMULATOR_CID : 0;
    TRY(read_number("--memory", texts->memory, (uint64_t)1 << 26, &memory_mib, detail));
    plan->memory = memory_mib << 20;
    TRY(read_number("--cpus", texts->cpus, LAUNCHER_CPUS_MAX, &plan->cpu_count, detail));
    detail_set(detail, "--cpus 0");
    ENSURE(plan->cpu_count > 0, BAD_INPUT, "an enclave needs a CPU");
    TRY(read_number("--cid", texts->cid, UINT32_MAX - 1, &plan->cid, detail));
    detail_set(detail, "--cid %s", texts->cid == NULL ? "" : texts->cid);
    ENSURE(plan->cid >= LAUNCHER_CID_MIN || (plan->cid == 0 && !texts->emulate), BAD_INPUT,
           "an enclave's CID is from 4 to 4294967294");
    TRY(read_number("--numa-node", texts->numa_node, 1023, &numa_node, detail));
    plan->numa_node = numa_node == UINT64_MAX ? ne_system_pool_node() : (int)numa_node;
    return texts->cpu_ids == NULL ? OK : read_cpu_ids(texts->cpu_ids, plan, detail);
}

static struct result read_format(const struct texts *texts, struct plan *plan,
                                 struct detail *detail)
{
    const char *text = texts->logging_format == NULL ? "text" : texts->logging_format;
    detail_set(detail, "--logging-format %s", text);
    ENSURE(log_format_parse(text, &plan->logging_format), BAD_INPUT, "is neither text nor json");
    return OK;
}

/* ---------------------------------------------------------------------------------------- names */

/* Puts the working directory before a relative path: others read it elsewhere. */
static struct result make_absolute(const char *path, char out[static PATH_MAX],
                                   struct detail *detail)
{
    char folder[PATH_MAX];
    detail_set(detail, "%s", path);
    ENSURE(path[0] != '\0' && getcwd(folder, sizeof(folder)) != NULL, BAD_INPUT, "no path");
    int size = path[0] == '/' ? snprintf(out, PATH_MAX, "%s", path)
                              : snprintf(out, PATH_MAX, "%s/%s", folder, path);
    ENSURE(size > 0 && size < PATH_MAX, BAD_INPUT, "the path is too long");
    return OK;
}

/* The image's own name, as far as it can be an enclave's: "enclave" of "build/enclave.eif". */
static void name_after(const char *image, char out[static RECORD_NAME_MAX + 1])
{
    const char *slash = strrchr(image, '/');
    const char *base = slash == NULL ? image : slash + 1;
    const char *point = strrchr(base, '.');
    size_t size = point == NULL ? strlen(base) : (size_t)(point - base);
    snprintf(out, RECORD_NAME_MAX + 1, "%.*s",
             (int)(size < RECORD_NAME_MAX ? size : RECORD_NAME_MAX), base);
    if (!record_name_is_valid(out)) {
        snprintf(out, RECORD_NAME_MAX + 1, "enclave");
    }
}

static struct result read_names(const struct texts *texts, struct plan *plan, struct detail *detail)
{
    struct enclave_record *record = &plan->record;
    TRY(make_absolute(texts->image, record->image, detail));
    if (texts->name == NULL) {
        name_after(texts->image, record->name);
    } else {
        detail_set(detail, "--name %s", texts->name);
        ENSURE(record_name_is_valid(texts->name), BAD_INPUT,
               "is no name of an enclave: 1 to 32 of a-z, 0-9 and '-'");
        snprintf(record->name, sizeof(record->name), "%s", texts->name);
    }
    record->debug = texts->debug_mode;
    record->emulated = texts->emulate;
    return OK;
}

static struct result open_image(struct plan *plan, struct detail *detail)
{
    char magic[MAGIC_SIZE] = "";
    struct stat info;
    const char *path = plan->record.image;
    plan->image = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (plan->image < 0 || fstat(plan->image, &info) != 0) {
        detail_set(detail, "%s (%s)", path, strerror(errno));
        return FAIL(BAD_INPUT, "cannot open the image");
    }
    detail_set(detail, "%s", path);
    ENSURE(S_ISREG(info.st_mode), BAD_INPUT, "is not a regular file");
    ENSURE(read(plan->image, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
               memcmp(magic, ".eif", sizeof(magic)) == 0,
           BAD_INPUT, "is not an enclave image (EIF)");
    ENSURE((uint64_t)info.st_size <= image_max, LIMIT, "the image is too large");
    plan->image_size = (uint64_t)info.st_size;
    return launcher_check_memory(plan->memory, plan->image_size, detail);
}

/* ------------------------------------------------------------------------------- the emulator's */

/* CHAMBER_EMULATOR_TOOLS is what tools/build_emulator.py prints. */
static struct result read_tools_variable(struct plan *plan, struct detail *detail)
{
    const char *text = getenv("CHAMBER_EMULATOR_TOOLS");
    if (text == NULL || *text == '\0') {
        return OK;
    }
    struct result read = strlen(text) > TOOLS_TEXT_MAX
                             ? FAIL(LIMIT, "is too long")
                             : emulator_read_tools(text, strlen(text), &plan->tools, detail);
    if (!is_ok(read)) {
        detail_prefix(detail, "CHAMBER_EMULATOR_TOOLS, ");
    }
    return read;
}

static struct result read_firmware(const char *text, struct plan *plan, struct detail *detail)
{
    struct emulator_tools *tools = &plan->tools;
    tools->firmware_count = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ":");
        detail_set(detail, "--firmware");
        ENSURE(tools->firmware_count < EMULATOR_FIRMWARE_MAX, BAD_INPUT, "too many folders");
        ENSURE(size > 0 && size < PATH_MAX, BAD_INPUT, "is not a list of folders such as a:b");
        snprintf(tools->firmware[tools->firmware_count++], PATH_MAX, "%.*s", (int)size, text);
        text += size;
        text += *text == ':' ? 1 : 0;
    }
    return OK;
}

/* An option names the program; else the variable did; else it is looked for in PATH. */
static struct result find_tool(const char *option, const char *fallback, char out[static PATH_MAX],
                               struct detail *detail)
{
    char found[PATH_MAX];
    const char *name = option != NULL ? option : (out[0] != '\0' ? out : fallback);
    struct result result = spawn_find(name, found, sizeof(found), detail);
    if (!is_ok(result)) {
        detail_prefix(detail, "--emulate needs %s: ", fallback);
        return FAIL(BAD_INPUT,
                    "not found; name it with the option, or set CHAMBER_EMULATOR_TOOLS to what "
                    "tools/build_emulator.py prints");
    }
    memcpy(out, found, sizeof(found));
    return OK;
}

static struct result read_accelerator(const char *text, struct plan *plan, struct detail *detail)
{
    plan->kvm = text == NULL ? accelerator_has_kvm() : strcmp(text, "kvm") == 0;
    detail_set(detail, "--accelerator %s", text == NULL ? "" : text);
    ENSURE(text == NULL || plan->kvm || strcmp(text, "tcg") == 0, BAD_INPUT,
           "is neither kvm nor tcg");
    return OK;
}

static struct result read_emulation(const struct texts *texts, struct plan *plan,
                                    struct detail *detail)
{
    struct enclave_record *record = &plan->record;
    TRY(read_accelerator(texts->accelerator, plan, detail));
    TRY(read_tools_variable(plan, detail));
    TRY(find_tool(texts->qemu, "qemu-system-x86_64", plan->tools.qemu, detail));
    TRY(find_tool(texts->vsock_device, "vhost-device-vsock", plan->tools.vsock_device, detail));
    if (texts->firmware != NULL) {
        TRY(read_firmware(texts->firmware, plan, detail));
    }
    if (texts->console == NULL) {
        detail_set(detail, "%s", plan->registry.folder);
        ENSURE(registry_path(&plan->registry, record->name, REGISTRY_CONSOLE, record->console,
                             sizeof(record->console)),
               BAD_INPUT, "the runtime directory's name is too long");
        return OK;
    }
    return strcmp(texts->console, "-") == 0
               ? OK
               : make_absolute(texts->console, record->console, detail);
}

/* ------------------------------------------------------------------------------------- the run */

/* SIGTERM and its like as something to be waited for. */
static int open_stop(void)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &ending, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void say_ready(void)
{
    process_notify("READY=1");
}

static void warn_of_mode(const struct plan *plan)
{
    if (plan->record.emulated) {
        log_warn("THIS ENCLAVE PROTECTS NOTHING: it is emulated, and whoever runs this machine can "
                 "read all that is in it");
    }
    if (plan->record.debug) {
        log_warn(
            "THIS ENCLAVE IS IN DEBUG MODE: its console can be read, and its measurements PCR0, "
            "1, 2 and 8 are all zero, so that no key is released to it and no client trusts it");
    }
}

static int run_on(const struct enclave_machine *machine, struct plan *plan)
{
    struct detail detail = { "" };
    CLEANUP(fd_close_ptr) int stop = open_stop();
    const struct run_order order = {
        .machine = machine,
        .registry = &plan->registry,
        .record = &plan->record,
        .stop = stop,
        .heartbeat_ms = plan->heartbeat_ms,
        .ready = say_ready,
    };
    if (stop < 0) {
        return command_fail(NULL, FAIL(UNAVAILABLE, "cannot wait for signals"));
    }
    log_start(LOG_LEVEL_INFO, plan->logging_format);
    warn_of_mode(plan);
    struct result ran = run_enclave(&order, &detail);
    log_stop();
    return is_ok(ran) ? EXIT_DONE : command_fail(&detail, ran);
}

static int run_emulated(const struct texts *texts, struct plan *plan)
{
    struct detail detail = { "" };
    const struct emulator_order order = {
        .tools = &plan->tools,
        .registry = &plan->registry,
        .memory = plan->memory,
        .cpus = plan->cpu_count,
        .cid = plan->cid,
        .parent_role = texts->parent_role,
        .parent_id = texts->parent_id,
        .kvm = plan->kvm,
        .heartbeat = !texts->no_heartbeat,
    };
    struct result checked = emulator_check(&order, &detail);
    if (!is_ok(checked)) {
        return command_usage(&detail, checked);
    }
    struct emulator emulator = EMULATOR(&order);
    const struct enclave_machine machine = emulator_machine(&emulator);
    return run_on(&machine, plan);
}

static int run_nitro(const struct texts *texts, struct plan *plan)
{
    const struct launch_order order = {
        .image = plan->image,
        .image_size = plan->image_size,
        .memory = plan->memory,
        .cpus = texts->cpu_ids == NULL ? NULL : plan->cpus,
        .cpu_count = plan->cpu_count,
        .cid = plan->cid,
        .numa_node = plan->numa_node,
        .debug = texts->debug_mode,
    };
    struct ne_machine context = NE_MACHINE(&ne_system_real, &order, !texts->no_heartbeat);
    const struct enclave_machine machine = ne_machine(&context);
    return run_on(&machine, plan);
}

static struct result make_plan(const struct texts *texts, struct plan *plan, struct detail *detail)
{
    const char *folder = texts->runtime_dir == NULL ? REGISTRY_DEFAULT_FOLDER : texts->runtime_dir;
    uint64_t seconds = 0;
    TRY(check_scope(texts, detail));
    TRY(read_format(texts, plan, detail));
    TRY(read_numbers(texts, plan, detail));
    TRY(read_names(texts, plan, detail));
    TRY(open_image(plan, detail));
    TRY(read_number("--heartbeat-timeout", texts->heartbeat_timeout, 86400, &seconds, detail));
    plan->heartbeat_ms = texts->heartbeat_timeout == NULL
                             ? watch_timeout_ms(plan->image_size, plan->memory)
                             : seconds * 1000;
    TRY(registry_open(folder, true, &plan->registry, detail));
    return texts->emulate ? read_emulation(texts, plan, detail) : OK;
}

static struct result read_options(int count, char *const *arguments, struct texts *texts,
                                  struct detail *detail)
{
    const struct command_option options[] = {
        { "--name", NULL, &texts->name, NULL },
        { "--memory", NULL, &texts->memory, NULL },
        { "--cpus", NULL, &texts->cpus, NULL },
        { "--cpu-ids", NULL, &texts->cpu_ids, NULL },
        { "--cid", NULL, &texts->cid, NULL },
        { "--numa-node", NULL, &texts->numa_node, NULL },
        { "--heartbeat-timeout", NULL, &texts->heartbeat_timeout, NULL },
        { "--no-heartbeat", NULL, NULL, &texts->no_heartbeat },
        { "--debug-mode", NULL, NULL, &texts->debug_mode },
        { "--runtime-dir", NULL, &texts->runtime_dir, NULL },
        { "--logging-format", NULL, &texts->logging_format, NULL },
        { "--emulate", NULL, NULL, &texts->emulate },
        { "--qemu", NULL, &texts->qemu, NULL },
        { "--vhost-device-vsock", NULL, &texts->vsock_device, NULL },
        { "--firmware", NULL, &texts->firmware, NULL },
        { "--parent-role", NULL, &texts->parent_role, NULL },
        { "--parent-id", NULL, &texts->parent_id, NULL },
        { "--console", NULL, &texts->console, NULL },
        { "--accelerator", NULL, &texts->accelerator, NULL },
    };
    detail_set(detail, "enclave run");
    ENSURE(count > 1 && arguments[1][0] != '-', BAD_INPUT,
           "needs the image first: enclave run IMAGE [options]");
    texts->image = arguments[1];
    return command_read_options(count - 1, arguments + 1, options,
                                sizeof(options) / sizeof(options[0]), detail);
}

int enclave_run(int count, char *const *arguments)
{
    struct detail detail = { "" };
    struct texts texts = { .image = NULL };
    CLEANUP(plan_done) struct plan plan = { .image = -1 };
    struct result result = read_options(count, arguments, &texts, &detail);
    if (is_ok(result)) {
        result = make_plan(&texts, &plan, &detail);
    }
    if (!is_ok(result)) {
        return result.status == STATUS_BAD_INPUT ? command_usage(&detail, result)
                                                 : command_fail(&detail, result);
    }
    return texts.emulate ? run_emulated(&texts, &plan) : run_nitro(&texts, &plan);
}
