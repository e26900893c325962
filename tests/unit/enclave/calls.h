/* calls.h: what a module asked of the system, in order, as text; and which of its calls fails. The
 * functions that take the place of the system's (the linker's --wrap) tell it. */
#ifndef TESTS_UNIT_ENCLAVE_CALLS_H
#define TESTS_UNIT_ENCLAVE_CALLS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char calls_text[8192]; /* one line a call */
static size_t calls_count;
static size_t calls_fail_at; /* the number of the call that fails, from 1; 0: none */
static int calls_reason = EPERM;

/* Forgets all calls; call number `fail_at` will fail. */
static inline void calls_begin(size_t fail_at)
{
    calls_text[0] = '\0';
    calls_count = 0;
    calls_fail_at = fail_at;
    calls_reason = EPERM;
}

/* Notes a call; what it returns is the call's: 0, or -1 with errno. */
__attribute__((format(printf, 1, 2))) static inline int called(const char *format, ...)
{
    size_t used = strlen(calls_text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(calls_text + used, sizeof(calls_text) - used, format, arguments);
    va_end(arguments);
    strncat(calls_text, "\n", sizeof(calls_text) - strlen(calls_text) - 1);
    calls_count++;
    if (calls_count == calls_fail_at) {
        errno = calls_reason;
        return -1;
    }
    return 0;
}

#endif
