#include "enclave/boot.h"

#include "enclave/clock_keeper.h"
#include "enclave/console.h"
#include "enclave/entropy.h"
#include "enclave/heartbeat.h"
#include "enclave/kernel_settings.h"
#include "enclave/loopback.h"
#include "enclave/mounts.h"
#include "enclave/supervisor.h"

#include <stdlib.h>
#include <sys/reboot.h>
#include <unistd.h>

enum { INIT = 1, LOST = 1 };

struct boot {
    boot_module_open *open_module;
    server_entry *entry;
    struct security_module module;
    struct clock_keeper clock;
    struct boot_line line;
    struct server_process server;
};

static RESULT step_mounts(struct boot *boot, struct detail *detail)
{
    (void)boot;
    return mounts_make(detail);
}

static RESULT step_console(struct boot *boot, struct detail *detail)
{
    (void)boot;
    return mounts_console(detail);
}

static RESULT step_kernel(struct boot *boot, struct detail *detail)
{
    (void)boot;
    TRY(kernel_settings_apply(detail));
    return kernel_settings_limit(detail);
}

static RESULT step_signals(struct boot *boot, struct detail *detail)
{
    (void)boot;
    return supervisor_prepare(detail);
}

static RESULT step_module(struct boot *boot, struct detail *detail)
{
    TRY(boot->open_module(&boot->module, detail));
    return security_module_check(&boot->module);
}

static RESULT step_entropy(struct boot *boot, struct detail *detail)
{
    return entropy_seed(&boot->module, detail);
}

static RESULT step_loopback(struct boot *boot, struct detail *detail)
{
    (void)boot;
    return loopback_up(detail);
}

static RESULT step_clock(struct boot *boot, struct detail *detail)
{
    struct trusted_time source = { .fd = -1 };
    TRY(trusted_time_open(&boot->module, &source, detail));
    TRY(clock_keeper_start(&source, &boot->clock, detail));
    detail_set(detail, "kept by %s", trusted_time_name(&source));
    return OK;
}

static RESULT step_command_line(struct boot *boot, struct detail *detail)
{
    TRY(boot_line_read(&boot->line, detail));
    detail_set(detail, "the parent's CID is %u", boot->line.parent_cid);
    return OK;
}

static RESULT step_heartbeat(struct boot *boot, struct detail *detail)
{
    TRY(heartbeat_exchange(boot->line.parent_cid, detail));
    detail_set(detail, "answered");
    return OK;
}

static RESULT step_server(struct boot *boot, struct detail *detail)
{
    return server_process_start(&boot->server, boot->entry, &boot->line, detail);
}

/* Whatever ends the server's process ends this step, and the enclave with it. */
static RESULT step_watch(struct boot *boot, struct detail *detail)
{
    return supervisor_run(&boot->server, &boot->clock, detail);
}

static const struct step {
    const char *name;
    struct result (*run)(struct boot *boot, struct detail *detail);
} steps[] = {
    { "mounts", step_mounts },
    { "console", step_console },
    { "kernel", step_kernel },
    { "signals", step_signals },
    { "security module", step_module },
    { "entropy", step_entropy },
    { "loopback", step_loopback },
    { "clock", step_clock },
    { "command line", step_command_line },
    { "heartbeat", step_heartbeat },
    { "server", step_server },
    { "watch", step_watch },
};

static bool do_step(const struct step *step, struct boot *boot)
{
    struct detail detail = { "" };
    struct result result = step->run(boot, &detail);
    if (!is_ok(result)) {
        console_say_failure(step->name, &detail, result);
        return false;
    }
    console_say("%s: %s", step->name, detail.text[0] == '\0' ? "done" : detail.text);
    return true;
}

static void do_steps(struct boot *boot)
{
    bool held = true;
    for (size_t i = 0; held && i < sizeof(steps) / sizeof(steps[0]); i++) {
        held = do_step(&steps[i], boot);
    }
}

RESULT boot_run(boot_module_open *open_module, server_entry *entry)
{
    ENSURE(getpid() == INIT, REFUSED, "runs as PID 1 of an enclave, and as nothing else");
    struct boot boot = { .open_module = open_module, .entry = entry };
    clearenv(); /* words of the command line that the kernel did not know */
    do_steps(&boot);
    console_say("the enclave ends");
    console_sync();
    (void)reboot(RB_AUTOBOOT);
    /* The kernel panics when PID 1 ends, and a panic ends the enclave as well. */
    _exit(LOST);
}
