#include "net/relay_target.h"

#include "base/clock.h"
#include "base/log.h"

#include <stddef.h>

RESULT relay_target_init(struct relay_target *target, struct detail *detail)
{
    target->is_fixed = !endpoint_is_name(&target->endpoint);
    return target->is_fixed ? endpoint_resolve(&target->endpoint, &target->addresses, detail) : OK;
}

static bool is_fresh(const struct relay_target *target)
{
    if (target->is_fixed) {
        return true;
    }
    return target->addresses.count > 0 &&
           clock_monotonic_ns() - target->resolved_ns < target->ttl_ns;
}

/* On the resolver's thread. */
static void resolve(struct task *task)
{
    struct relay_target *target =
        (struct relay_target *)((char *)task - offsetof(struct relay_target, task));
    target->found.count = 0;
    target->outcome = target->resolve(&target->endpoint, &target->found, &target->detail);
    event_loop_post(target->loop, &target->call);
}

static void tell_waiters(struct relay_target *target)
{
    while (target->waiters != NULL) {
        struct relay_waiter *waiter = target->waiters;
        relay_target_forget(target, waiter);
        waiter->ready(waiter);
    }
}

static void on_resolved(struct loop_call *call)
{
    struct relay_target *target =
        (struct relay_target *)((char *)call - offsetof(struct relay_target, call));
    target->resolving = false;
    if (is_ok(target->outcome) && target->found.count > 0) {
        target->addresses = target->found;
        target->resolved_ns = clock_monotonic_ns();
    } else if (log_request_allowed()) {
        log_warn("a relay's target cannot be resolved", LOG_TEXT("target", target->detail.text),
                 LOG_TEXT("reason", target->outcome.what),
                 LOG_NUMBER("old_addresses", target->addresses.count));
    }
    tell_waiters(target);
}

bool relay_target_ask(struct relay_target *target, struct relay_waiter *waiter)
{
    if (is_fresh(target)) {
        return true;
    }
    if (!target->resolving) {
        target->task = (struct task){ .run = resolve };
        target->call = (struct loop_call){ .run = on_resolved };
        if (!tasks_push(target->tasks, &target->task)) {
            return true; /* with what is known: the caller sees whether that is anything */
        }
        target->resolving = true;
    }
    waiter->waiting = true;
    waiter->previous = NULL;
    waiter->next = target->waiters;
    if (waiter->next != NULL) {
        waiter->next->previous = waiter;
    }
    target->waiters = waiter;
    return false;
}

void relay_target_forget(struct relay_target *target, struct relay_waiter *waiter)
{
    if (!waiter->waiting) {
        return;
    }
    if (waiter->previous == NULL) {
        target->waiters = waiter->next;
    } else {
        waiter->previous->next = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    }
    waiter->waiting = false;
}
