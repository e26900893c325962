#include "app/command.h"

#include <openssl/crypto.h>
#include <stdio.h>

int command_version(int count, char *const *arguments)
{
    bool help = false;
    struct detail detail = { "" };
    const struct command_option known[] = { { "--help", "-h", NULL, &help } };
    struct result read = command_read_options(count, arguments, known, 1, &detail);
    if (!is_ok(read)) {
        return command_usage(&detail, read);
    }
    if (help) {
        puts("usage: containment-chamber version\n\nPrints the version and that of OpenSSL.\n\n"
             "example:\n  containment-chamber version");
        return EXIT_DONE;
    }
    printf("containment-chamber %s\n%s\n", CHAMBER_VERSION, OpenSSL_version(OPENSSL_VERSION));
    return EXIT_DONE;
}
