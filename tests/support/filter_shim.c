/* filter_shim.c: preloaded, puts a program under the enclave's filter of system calls before its
 * main() begins. */
#include "enclave/syscall_filter.h"

#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void enter(void)
{
    struct detail detail = { "" };
    struct result result = syscall_filter_apply(&detail);
    if (!is_ok(result)) {
        fprintf(stderr, "filter_shim: %s: %s\n", detail.text, result.what);
        _exit(90);
    }
}
