#include "app/eif_command.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

void eif_write_pcr(struct json_writer *writer, unsigned index, const struct pcr *pcr)
{
    char name[sizeof("PCR") + 10];
    char digits[HEX_TEXT_SIZE(PCR_SIZE)];
    snprintf(name, sizeof(name), "PCR%u", index);
    hex_encode(pcr->bytes, sizeof(pcr->bytes), digits);
    json_write_text(writer, name, digits + 2);
}

void eif_write_measurements(struct json_writer *writer, const struct eif_report *report)
{
    static const unsigned registers[] = { PCR_IMAGE, PCR_KERNEL, PCR_APPLICATION, PCR_SIGNER };
    json_write_open(writer, "Measurements", '{');
    json_write_text(writer, "HashAlgorithm", "Sha384 { ... }");
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        struct pcr pcr;
        if (eif_report_pcr(report, registers[i], &pcr)) {
            eif_write_pcr(writer, registers[i], &pcr);
        }
    }
    json_write_close(writer, '}');
}

RESULT eif_print_json(const struct buf *text)
{
    TRY(buf_check(text));
    puts(text->data);
    return OK;
}

void eif_warn_of_expiry(const char *path, const struct eif_certificate *certificate, uint64_t now)
{
    char date[CLOCK_TEXT_SIZE];
    clock_format(certificate->not_after, date);
    if (now > certificate->not_after) {
        fprintf(stderr,
                "containment-chamber: warning: %s: the signing certificate expired on %s: AWS's "
                "launcher refuses the image\n",
                path, date);
    } else if (certificate->not_after - now <= EIF_EXPIRY_WARNING_S) {
        fprintf(stderr,
                "containment-chamber: warning: %s: the signing certificate expires on %s: after "
                "that AWS's launcher refuses the image; sign it anew before\n",
                path, date);
    }
}

RESULT eif_read_time(const char *text, uint64_t *out)
{
    if (is_ok(clock_parse(text, out))) {
        return OK;
    }
    ENSURE(is_ok(decimal_parse(text, strlen(text), out)), BAD_INPUT,
           "neither a time such as 2026-01-01T00:00:00Z nor seconds since 1970");
    return OK;
}

RESULT eif_inspect_file(const char *path, uint64_t now, struct file_map *map,
                        struct eif_report *out, struct detail *detail)
{
    TRY(file_map(path, EIF_SIZE_MAX, map, detail));
    struct result inspected = eif_inspect(map->bytes, map->size, now, out, detail);
    if (!is_ok(inspected)) {
        detail_prefix(detail, "%s%s", path, detail->text[0] == '\0' ? "" : ", ");
    }
    return inspected;
}
