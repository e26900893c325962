#include "app/command.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

int command_version(int count, char *const *arguments)
{
    if (count > 1 && strcmp(arguments[1], "--help") == 0) {
        puts("usage: containment-chamber version\n\nPrints the version and that of OpenSSL.");
        return EXIT_DONE;
    }
    if (count > 1) {
        fprintf(stderr, "containment-chamber: version takes no arguments\n");
        return EXIT_USAGE;
    }
    printf("containment-chamber %s\n%s\n", CHAMBER_VERSION, OpenSSL_version(OPENSSL_VERSION));
    return EXIT_DONE;
}
