#include "enclave/run.h"

#include "base/clock.h"
#include "base/log.h"

static void log_started(const struct enclave_record *record)
{
    log_info("enclave started", LOG_TEXT("name", record->name), LOG_NUMBER("cid", record->cid),
             LOG_NUMBER("memory_mib", record->memory >> 20), LOG_NUMBER("cpus", record->cpu_count),
             LOG_TEXT("image", record->image));
}

static struct result boot(const struct run_order *order, struct watch *watch, enum watch_event *out,
                          struct detail *detail)
{
    struct enclave_record *record = order->record;
    TRY(order->machine->start(order->machine->context, record, watch, detail));
    watch->stop = order->stop;
    log_started(record);
    TRY(registry_save(order->registry, record, detail));
    *out = WATCH_HEARD;
    if (watch->listener >= 0) {
        TRY(watch_heartbeat(watch, order->heartbeat_ms, out, detail));
    }
    if (*out != WATCH_HEARD) {
        return OK;
    }
    record->running = true;
    TRY(registry_save(order->registry, record, detail));
    if (watch->listener >= 0) {
        log_info("heartbeat heard: the enclave booted", LOG_TEXT("name", record->name));
    }
    if (order->ready != NULL) {
        order->ready();
    }
    return OK;
}

static struct result live(const struct run_order *order, struct watch *watch, struct detail *detail)
{
    enum watch_event event = WATCH_STOPPED;
    TRY(boot(order, watch, &event, detail));
    bool booted = event == WATCH_HEARD;
    detail_set(detail, "%s", order->record->name);
    if (booted) {
        TRY(watch_life(watch, &event));
    }
    ENSURE(event != WATCH_ENDED || booted, UNAVAILABLE,
           "the enclave died before its heartbeat: it did not boot");
    ENSURE(event != WATCH_ENDED, UNAVAILABLE, "the enclave died");
    log_info("the enclave is stopped", LOG_TEXT("name", order->record->name));
    return OK;
}

RESULT run_enclave(const struct run_order *order, struct detail *detail)
{
    struct watch watch = WATCH_NONE;
    order->record->started = clock_wall_seconds();
    order->record->running = false;
    TRY(registry_claim(order->registry, order->record, detail));
    struct result lived = live(order, &watch, detail);
    order->machine->stop(order->machine->context);
    /* While the name is still ours: the next who claims it may write its console at once. */
    if (is_ok(lived) && order->record->emulated) {
        registry_forget_console(order->registry, order->record->name);
    }
    registry_remove(order->registry, order->record->name);
    return lived;
}
