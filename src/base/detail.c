#include "base/detail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte > 0x7e) {
            *text = '?';
        }
    }
}

void detail_set(struct detail *detail, const char *format, ...)
{
    if (detail == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail->text, sizeof(detail->text), format, arguments);
    va_end(arguments);
    make_printable(detail->text);
}

void detail_prefix(struct detail *detail, const char *format, ...)
{
    if (detail == NULL) {
        return;
    }
    struct detail before = *detail;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail->text, sizeof(detail->text), format, arguments);
    va_end(arguments);
    make_printable(detail->text);
    size_t used = strlen(detail->text);
    snprintf(detail->text + used, sizeof(detail->text) - used, "%s", before.text);
}

void detail_line(const struct detail *detail, struct result result, char *out, size_t size)
{
    if (detail == NULL || detail->text[0] == '\0') {
        snprintf(out, size, "%s", result.what);
        return;
    }
    snprintf(out, size, "%s: %s", detail->text, result.what);
}
