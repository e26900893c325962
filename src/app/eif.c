/* The eif subcommand: enclave images are built, described, verified and measured without Docker or
 * nitro-cli. */
#include "app/eif_command.h"

#include <stdio.h>
#include <string.h>

static const struct action {
    const char *name;
    int (*run)(int count, char *const *arguments);
} actions[] = {
    { "build", eif_build },   { "cpio", eif_cpio }, { "describe", eif_describe },
    { "verify", eif_verify }, { "pcr", eif_pcr },
};

static const char help[] =
    "usage: containment-chamber eif <action> [options]\n\n"
    "Works on images of AWS Nitro Enclaves (EIF, version 4). The same inputs give the same "
    "bytes.\n\n"
    "  build                   make an image, and print its measurements as JSON\n"
    "    --kernel FILE         a bzImage (x86_64) or an Image (aarch64)\n"
    "    --cmdline TEXT        the kernel's command line, or\n"
    "    --cmdline-file FILE   the file that holds it; a line's end at its end is left out\n"
    "    --ramdisk FILE        a ramdisk; may be given several times; the first is in PCR1, the\n"
    "                          others are in PCR2\n"
    "    --output FILE         the image\n"
    "    --measurements FILE   write the measurements there too\n"
    "    --arch NAME           x86_64 (default) or aarch64\n"
    "    --signing-certificate PEM, --private-key PEM\n"
    "                          sign it, with a key on P-384; the certificate becomes PCR8\n"
    "    --name TEXT, --version TEXT, --operating-system TEXT, --kernel-version TEXT\n"
    "                          what the metadata says of the image; not measured\n"
    "    --metadata FILE       a JSON object to add to the metadata\n"
    "    --build-time TIME     what the metadata says; default: SOURCE_DATE_EPOCH, else 1970\n"
    "  cpio                    make a ramdisk; entries are sorted, folders made where missing\n"
    "    --output FILE         the ramdisk\n"
    "    --file NAME=PATH[:MODE]             a file of that name; its mode in octal, default 644\n"
    "    --directory NAME[:MODE]             default 755\n"
    "    --symlink NAME=TARGET               a symbolic link\n"
    "    --device NAME=MAJOR:MINOR[:MODE]    a character device, default 600\n"
    "  describe FILE           show what an image holds, whatever is wrong with it\n"
    "    --json                as JSON, with the names of nitro-cli's describe-eif\n"
    "  verify FILE             0 when structure, checksum, signature and certificate are right "
    "and\n"
    "                          the registers are those given; else 1, and each reason on stderr\n"
    "    --pcr0 HEX, --pcr1 HEX, --pcr2 HEX, --pcr8 HEX    demand a register\n"
    "    --at TIME             when the certificate must hold; default: now\n"
    "    --json                as JSON\n"
    "  pcr                     compute registers and print them as JSON\n"
    "    --image FILE          PCR0, PCR1, PCR2, and PCR8 of a signed one\n"
    "    --signing-certificate PEM           PCR8\n"
    "    --role-arn ARN        PCR3, of the parent instance's role\n"
    "    --instance-id ID      PCR4, of the parent instance\n"
    "    --configuration FILE  PCR16, of the configuration that the enclave is given\n\n"
    "A TIME is 2026-01-01T00:00:00Z, or seconds since 1970.\n\n"
    "examples:\n"
    "  containment-chamber eif cpio --output init.cpio --file init=build/init:755\n"
    "  containment-chamber eif build --kernel bzImage --cmdline-file cmdline --ramdisk init.cpio "
    "\\\n"
    "      --output chamber.eif --measurements chamber.json\n"
    "  containment-chamber eif verify chamber.eif --pcr0 78fce75d…\n"
    "  containment-chamber eif pcr --role-arn arn:aws:iam::123456789012:role/Signer";

static bool asks_for_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static int print_help(void)
{
    puts(help);
    return EXIT_DONE;
}

static int run(const struct action *action, int count, char *const *arguments)
{
    for (int i = 1; i < count; i++) {
        if (asks_for_help(arguments[i])) {
            return print_help();
        }
    }
    return action->run(count, arguments);
}

int command_eif(int count, char *const *arguments)
{
    const char *name = count > 1 ? arguments[1] : "--help";
    if (asks_for_help(name)) {
        return print_help();
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return run(&actions[i], count - 1, arguments + 1);
        }
    }
    struct detail detail;
    detail_set(&detail, "eif %s", name);
    return command_usage(&detail, FAIL(BAD_INPUT, "unknown action; --help lists them"));
}
