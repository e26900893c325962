#include "enclave/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char prefix[] = "chamber-enclave: ";

void console_say(const char *format, ...)
{
    char line[CONSOLE_LINE_MAX];
    size_t used = sizeof(prefix) - 1;
    va_list arguments;
    memcpy(line, prefix, sizeof(prefix));
    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - used - 1, format, arguments); /* 1: the line's end */
    va_end(arguments);
    used = strlen(line);
    line[used] = '\n';
    (void)!write(STDERR_FILENO, line, used + 1);
}

void console_say_failure(const char *step, const struct detail *detail, struct result result)
{
    char text[CONSOLE_LINE_MAX];
    detail_line(detail, result, text, sizeof(text));
    console_say("%s: %s", step, text);
}

void console_sync(void)
{
    (void)tcdrain(STDERR_FILENO);
}
