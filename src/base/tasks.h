/* tasks.h: a few threads for work that blocks or takes long, away from event loops and signing.
 * They run at low priority. The queue is bounded. */
#ifndef BASE_TASKS_H
#define BASE_TASKS_H

#include "base/cleanup.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

struct tasks;

/* The head of every task; its owner embeds it. */
struct task {
    void (*run)(struct task *task); /* on a task thread; the task may be freed in it */
    struct task *next;              /* the queue's */
};

RESULT tasks_new(size_t threads, size_t queue_max, struct tasks **out);

/* Runs what is queued, ends the threads and frees. Accepts NULL. */
void tasks_free(struct tasks *tasks);
DEFINE_CLEANUP(struct tasks, tasks_free);

/* Queues a task. False: the queue is full and the task was not taken. Any thread. */
bool tasks_push(struct tasks *tasks, struct task *task);

#endif
