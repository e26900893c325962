#include "../base/child.h"
#include "calls.h"
#include "enclave/boot.h"
#include "enclave/clock_keeper.h"
#include "enclave/console.h"
#include "enclave/entropy.h"
#include "enclave/heartbeat.h"
#include "enclave/kernel_settings.h"
#include "enclave/loopback.h"
#include "enclave/mounts.h"
#include "enclave/supervisor.h"
#include "harness.h"

#include <sys/mman.h>
#include <sys/reboot.h>

pid_t __wrap_getpid(void);
int __wrap_reboot(int command);

/* The calls are noted in the child, and shown to the test in shared memory. */
static char *shown;

static pid_t pid = 1;

pid_t __wrap_getpid(void)
{
    return pid;
}

int __wrap_reboot(int command)
{
    called("%s", command == (int)RB_AUTOBOOT ? "RB_AUTOBOOT" : "another command");
    snprintf(shown, sizeof(calls_text), "%s", calls_text);
    return -1; /* so that what comes then is seen as well */
}

static struct result step(const char *name)
{
    ENSURE(called("%s", name) == 0, UNAVAILABLE, "does not work");
    return OK;
}

/* Each function of a step, which notes that it was called. */
#define STEP(name, ...)                       \
    struct result __wrap_##name(__VA_ARGS__); \
    struct result __wrap_##name(__VA_ARGS__)

/* clang-format off */
STEP(mounts_make, struct detail *detail) { (void)detail; return step("mounts_make"); }
STEP(mounts_console, struct detail *detail) { (void)detail; return step("mounts_console"); }
STEP(kernel_settings_apply, struct detail *detail)
{
    (void)detail;
    return step("kernel_settings_apply");
}
STEP(kernel_settings_limit, struct detail *detail)
{
    (void)detail;
    return step("kernel_settings_limit");
}
STEP(supervisor_prepare, struct detail *detail) { (void)detail; return step("supervisor_prepare"); }
STEP(loopback_up, struct detail *detail) { (void)detail; return step("loopback_up"); }
/* clang-format on */

static char the_context;

static struct result open_module(struct security_module *out, struct detail *detail)
{
    (void)detail;
    out->context = &the_context;
    return step("open_module");
}

STEP(security_module_check, const struct security_module *module)
{
    return step(module->context == &the_context ? "security_module_check" : "another module");
}

STEP(entropy_seed, const struct security_module *module, struct detail *detail)
{
    (void)detail;
    return step(module->context == &the_context ? "entropy_seed" : "another module");
}

STEP(trusted_time_open, const struct security_module *module, struct trusted_time *out,
     struct detail *detail)
{
    (void)detail;
    out->module = module;
    return step("trusted_time_open");
}

STEP(clock_keeper_start, const struct trusted_time *source, struct clock_keeper *out,
     struct detail *detail)
{
    (void)detail;
    out->stepped_ms = 4711;
    return step(source->module->context == &the_context ? "clock_keeper_start" : "another module");
}

STEP(boot_line_read, struct boot_line *out, struct detail *detail)
{
    (void)detail;
    out->parent_cid = 12;
    return step("boot_line_read");
}

STEP(heartbeat_exchange, uint32_t parent_cid, struct detail *detail)
{
    (void)detail;
    return step(parent_cid == 12 ? "heartbeat_exchange" : "another parent");
}

static int serve(const struct boot_line *line)
{
    (void)line;
    return 0;
}

STEP(server_process_start, struct server_process *server, server_entry *entry,
     const struct boot_line *line, struct detail *detail)
{
    (void)detail;
    server->pid = 99;
    return step(entry == serve && line->parent_cid == 12 ? "server_process_start"
                                                         : "another server");
}

STEP(supervisor_run, const struct server_process *server, struct clock_keeper *clock,
     struct detail *detail)
{
    (void)detail;
    return step(server->pid == 99 && clock->stepped_ms == 4711 && getenv("BAD") == NULL
                    ? "supervisor_run"
                    : "another watch");
}

void __wrap_console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void __wrap_console_say(const char *format, ...)
{
    (void)format;
}

void __wrap_console_say_failure(const char *name, const struct detail *detail,
                                struct result result);
void __wrap_console_say_failure(const char *name, const struct detail *detail, struct result result)
{
    (void)detail;
    calls_fail_at = 0;
    called("failed: %s: %s", name, result.what);
}

void __wrap_console_sync(void);
void __wrap_console_sync(void)
{
    called("console_sync");
}

static void boot(void *fail_at)
{
    calls_begin(*(const size_t *)fail_at);
    setenv("BAD", "1", 1);
    if (!is_ok(boot_run(open_module, serve))) {
        _exit(CHILD_BROKEN);
    }
    _exit(CHILD_FINE);
}

/* The step's name on the console, and its function. */
static const struct {
    const char *name;
    const char *function;
} functions[] = {
    { "mounts", "mounts_make" },
    { "console", "mounts_console" },
    { "kernel", "kernel_settings_apply" },
    { "kernel", "kernel_settings_limit" },
    { "signals", "supervisor_prepare" },
    { "security module", "open_module" },
    { "security module", "security_module_check" },
    { "entropy", "entropy_seed" },
    { "loopback", "loopback_up" },
    { "clock", "trusted_time_open" },
    { "clock", "clock_keeper_start" },
    { "command line", "boot_line_read" },
    { "heartbeat", "heartbeat_exchange" },
    { "server", "server_process_start" },
    { "watch", "supervisor_run" },
};
enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

/* What is seen of a boot whose call number `fail_at` fails. */
static void expect(size_t fail_at, char *out, size_t size)
{
    size_t last = fail_at == 0 ? FUNCTIONS : fail_at;
    size_t used = 0;
    for (size_t i = 0; i < last; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s\n", functions[i].function);
    }
    if (fail_at != 0) {
        used += (size_t)snprintf(out + used, size - used, "failed: %s: does not work\n",
                                 functions[fail_at - 1].name);
    }
    snprintf(out + used, size - used, "console_sync\nRB_AUTOBOOT\n");
}

static bool boots_as_expected(size_t fail_at)
{
    static char wanted[sizeof(calls_text)];
    shown[0] = '\0';
    /* After a reboot that the kernel refused PID 1 ends, which the kernel does not survive. */
    int code = child_exit(boot, &fail_at);
    expect(fail_at, wanted, sizeof(wanted));
    if (strcmp(shown, wanted) != 0) {
        printf("# %zu: %s", fail_at, shown);
    }
    return code == 1 && strcmp(shown, wanted) == 0;
}

TEST(each_step_is_done_once_in_its_order_and_then_the_enclave_ends)
{
    CHECK(boots_as_expected(0));
}

TEST(a_step_that_fails_is_the_last_and_ends_the_enclave)
{
    for (size_t fail_at = 1; fail_at <= FUNCTIONS; fail_at++) {
        CHECK(boots_as_expected(fail_at));
    }
}

TEST(any_other_process_does_nothing)
{
    static const pid_t others[] = { 0, 2, 4711 };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        pid = others[i];
        calls_begin(0);
        CHECK_FAILS(REFUSED, boot_run(open_module, serve));
        CHECK(calls_count == 0);
    }
    pid = 1;
}

static int run_all(void)
{
    static const struct harness_test tests[] = {
        T(each_step_is_done_once_in_its_order_and_then_the_enclave_ends),
        T(a_step_that_fails_is_the_last_and_ends_the_enclave),
        T(any_other_process_does_nothing),
    };
    return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}

int main(void)
{
    shown =
        mmap(NULL, sizeof(calls_text), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shown == MAP_FAILED ? 1 : run_all();
}
