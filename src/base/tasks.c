#include "base/tasks.h"

#include "base/thread.h"

struct tasks {
    pthread_t *threads;
    size_t thread_count;
    size_t queue_max;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;
    struct task *first;
    struct task **end;
    size_t waiting;
    bool stopping;
};

static struct task *take(struct tasks *tasks)
{
    LOCK_SCOPE(&tasks->mutex);
    while (tasks->first == NULL && !tasks->stopping) {
        pthread_cond_wait(&tasks->wake, &tasks->mutex);
    }
    struct task *task = tasks->first;
    if (task != NULL) {
        tasks->first = task->next;
        tasks->end = tasks->first == NULL ? &tasks->first : tasks->end;
        tasks->waiting--;
    }
    return task;
}

static void *run(void *context)
{
    struct tasks *tasks = context;
    thread_lower_priority();
    for (struct task *task = take(tasks); task != NULL; task = take(tasks)) {
        task->run(task);
    }
    return NULL;
}

RESULT tasks_new(size_t threads, size_t queue_max, struct tasks **out)
{
    ENSURE(threads > 0, BAD_INPUT, "at least one task thread is needed");
    CLEANUP(tasks_free_ptr) struct tasks *tasks = calloc(1, sizeof(*tasks));
    ENSURE(tasks != NULL, UNAVAILABLE, "out of memory");
    pthread_mutex_init(&tasks->mutex, NULL);
    pthread_cond_init(&tasks->wake, NULL);
    tasks->queue_max = queue_max;
    tasks->end = &tasks->first;
    tasks->threads = calloc(threads, sizeof(*tasks->threads));
    ENSURE(tasks->threads != NULL, UNAVAILABLE, "out of memory");
    for (; tasks->thread_count < threads; tasks->thread_count++) {
        TRY(thread_start(&tasks->threads[tasks->thread_count], "task", run, tasks));
    }
    *out = STEAL(tasks);
    return OK;
}

static void begin_stop(struct tasks *tasks)
{
    LOCK_SCOPE(&tasks->mutex);
    tasks->stopping = true;
    pthread_cond_broadcast(&tasks->wake);
}

void tasks_free(struct tasks *tasks)
{
    if (tasks == NULL) {
        return;
    }
    begin_stop(tasks);
    for (size_t i = 0; i < tasks->thread_count; i++) {
        pthread_join(tasks->threads[i], NULL);
    }
    pthread_cond_destroy(&tasks->wake);
    pthread_mutex_destroy(&tasks->mutex);
    free(tasks->threads);
    free(tasks);
}

bool tasks_push(struct tasks *tasks, struct task *task)
{
    task->next = NULL;
    LOCK_SCOPE(&tasks->mutex);
    if (tasks->waiting >= tasks->queue_max) {
        return false;
    }
    *tasks->end = task;
    tasks->end = &task->next;
    tasks->waiting++;
    pthread_cond_signal(&tasks->wake);
    return true;
}
