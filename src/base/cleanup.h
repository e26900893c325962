/* cleanup.h: release at the end of the scope, whatever the way out. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* CLEANUP(free_ptr) char *text = …; runs free_ptr(&text) when the scope ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines <fn>_ptr for a release function that takes `T *` and accepts NULL. */
#define DEFINE_CLEANUP(T, fn)                            \
    static inline void fn##_ptr(__typeof__(T) **pointer) \
    {                                                    \
        fn(*pointer);                                    \
    }                                                    \
    struct allow_a_semicolon_

/* Takes the value out of a CLEANUP variable, so that the scope no longer owns it. */
#define STEAL(pointer)                          \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

static inline void free_ptr(void *pointer)
{
    void **owned = pointer;
    free(*owned);
}

/* For an int file descriptor; -1 is none. errno stays: it tells why the scope is being left. */
static inline void fd_close_ptr(const int *fd)
{
    int reason = errno;
    if (*fd >= 0) {
        close(*fd);
    }
    errno = reason;
}

/* Takes the descriptor out of such a variable, as STEAL does a pointer. */
static inline int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void file_close_ptr(FILE **file)
{
    int reason = errno;
    if (*file != NULL) {
        fclose(*file);
    }
    errno = reason;
}

static inline void mutex_unlock_ptr(pthread_mutex_t **mutex)
{
    pthread_mutex_unlock(*mutex);
}

/* Holds `mutex` (a pthread_mutex_t *) until the end of the scope; the only way locks are taken. */
#define LOCK_SCOPE(mutex)                                                         \
    CLEANUP(mutex_unlock_ptr)                                                     \
    pthread_mutex_t *LOCK_NAME_(__LINE__) = (pthread_mutex_lock(mutex), (mutex)); \
    (void)LOCK_NAME_(__LINE__)
#define LOCK_NAME_(line)       LOCK_NAME_PASTE_(line)
#define LOCK_NAME_PASTE_(line) lock_scope_##line

#endif
