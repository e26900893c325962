/* eif describe and verify: what an image is, and whether it is right. */
#include "app/eif_command.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT_MAX = 8 << 20, LINE_SIZE = 2 * DETAIL_SIZE };

/* Reads the arguments of an action that takes one file and the options. */
static struct result read_call(int count, char *const *arguments,
                               const struct command_option *options, size_t option_count,
                               const char **file_out, struct detail *detail)
{
    struct command_list operands = { "FILE", file_out, 1, 0 };
    const struct command_syntax syntax = { options, option_count, NULL, 0, &operands };
    TRY(command_read(count, arguments, &syntax, detail));
    detail_set(detail, "eif %s", arguments[0]);
    ENSURE(operands.count == 1, BAD_INPUT, "needs the FILE of an image");
    return OK;
}

/* "PCR0: …" */
static void finding_line(const struct eif_finding *finding, char out[static LINE_SIZE])
{
    detail_line(&finding->where, (struct result){ STATUS_BAD_INPUT, finding->what }, out,
                LINE_SIZE);
}

static void write_findings(struct json_writer *writer, const struct eif_report *report)
{
    json_write_open(writer, "Findings", '[');
    for (size_t i = 0; i < report->finding_count; i++) {
        char line[LINE_SIZE];
        finding_line(&report->findings[i], line);
        json_write_text(writer, NULL, line);
    }
    json_write_close(writer, ']');
}

/* -------------------------------------------------------------------------------------- describe
 */

static void write_build_text(const char *name, const char *value, void *context)
{
    json_write_text(context, name, value);
}

static void write_value(struct json_writer *writer, const char *name, const struct json *value)
{
    if (value != NULL) {
        buf_printf(writer->out, ",\"%s\":", name);
        (void)is_ok(json_dump(value, writer->out)); /* what did not fit stays in the buf */
    }
}

static void write_metadata(struct json_writer *writer, const struct eif_report *report)
{
    const struct eif_metadata *metadata = &report->metadata;
    if (report->metadata_tree == NULL) {
        return;
    }
    json_write_text(writer, "ImageName", metadata->name);
    json_write_text(writer, "ImageVersion", metadata->version);
    json_write_open(writer, "Metadata", '{');
    eif_metadata_each_build_text(metadata, write_build_text, writer);
    write_value(writer, "DockerInfo", metadata->docker);
    write_value(writer, "CustomMetadata", metadata->custom);
    json_write_close(writer, '}');
}

static struct result describe_as_json(const struct eif_report *report)
{
    BUF text = BUF_INIT(OUTPUT_MAX);
    struct json_writer writer = JSON_WRITER(&text);
    json_write_open(&writer, NULL, '{');
    json_write_number(&writer, "EifVersion", report->image.version);
    eif_write_measurements(&writer, report);
    json_write_boolean(&writer, "IsSigned", report->is_signed);
    if (report->signature != NULL) {
        eif_certificate_write_json(report->signature->certificate, &writer);
    }
    json_write_boolean(&writer, "CheckCRC",
                       eif_stated_crc(&report->image) == eif_actual_crc(&report->image));
    if (report->is_signed) {
        json_write_boolean(&writer, "SignatureCheck", report->signature_holds);
    }
    write_metadata(&writer, report);
    write_findings(&writer, report);
    json_write_close(&writer, '}');
    return eif_print_json(&text);
}

/* A line of a name and a value; a terminal must not obey what a stranger wrote. */
static void print_line(const char *name, const char *value)
{
    struct detail clean;
    detail_set(&clean, "%s", value);
    printf("%-18s %s\n", name, clean.text);
}

static void print_build_text(const char *name, const char *value, void *context)
{
    (void)context;
    print_line(name, value);
}

static void print_sections(const struct eif_image *image)
{
    static const char *const names[] = {
        [EIF_KERNEL] = "kernel",       [EIF_CMDLINE] = "command line", [EIF_RAMDISK] = "ramdisk",
        [EIF_SIGNATURE] = "signature", [EIF_METADATA] = "metadata",
    };
    for (size_t i = 0; i < image->section_count; i++) {
        const struct eif_section *section = &image->sections[i];
        printf("section %-10zu %s, %zu bytes\n", i, names[section->type], section->size);
    }
}

static void print_registers(const struct eif_report *report)
{
    for (unsigned index = 0; index < PCR_COUNT; index++) {
        struct pcr pcr;
        char digits[HEX_TEXT_SIZE(PCR_SIZE)];
        if (eif_report_pcr(report, index, &pcr)) {
            hex_encode(pcr.bytes, sizeof(pcr.bytes), digits);
            printf("PCR%-15u %s\n", index, digits + 2);
        }
    }
}

static void print_signature(const struct eif_report *report)
{
    char from[CLOCK_TEXT_SIZE];
    char until[CLOCK_TEXT_SIZE];
    if (report->signature == NULL) {
        print_line("signature", report->is_signed ? "unreadable" : "none");
        return;
    }
    const struct eif_certificate *certificate = report->signature->certificate;
    clock_format(certificate->not_before, from);
    clock_format(certificate->not_after, until);
    printf("%-18s %s, %s, certificate from %s until %s\n", "signature",
           report->signature_holds ? "good" : "bad", certificate->curve->name, from, until);
}

static void describe_as_text(const struct eif_report *report)
{
    const struct eif_image *image = &report->image;
    char cmdline[DETAIL_SIZE];
    const struct eif_section *section = eif_find(image, EIF_CMDLINE, 0);
    printf("%-18s EIF version %u, %s, %zu bytes\n", "image", (unsigned)image->version,
           (image->flags & EIF_FLAG_ARM64) != 0 ? "aarch64" : "x86_64", image->file_size);
    printf("%-18s %" PRIu64 " bytes of memory, %" PRIu64 " CPUs\n", "by default", image->memory,
           image->cpus);
    print_sections(image);
    if (section != NULL) {
        int size = (int)(section->size < sizeof(cmdline) ? section->size : sizeof(cmdline) - 1);
        snprintf(cmdline, sizeof(cmdline), "%.*s", size, (const char *)section->bytes);
        print_line("command line", cmdline);
    }
    print_registers(report);
    print_signature(report);
    if (report->metadata_tree != NULL) {
        print_line("ImageName", report->metadata.name);
        print_line("ImageVersion", report->metadata.version);
        eif_metadata_each_build_text(&report->metadata, print_build_text, NULL);
    }
    for (size_t i = 0; i < report->finding_count; i++) {
        char line[LINE_SIZE];
        finding_line(&report->findings[i], line);
        print_line("wrong", line);
    }
}

int eif_describe(int count, char *const *arguments)
{
    const char *path = NULL;
    bool as_json = false;
    struct detail detail = { "" };
    const struct command_option options[] = { { "--json", NULL, NULL, &as_json } };
    struct result result = read_call(count, arguments, options, 1, &path, &detail);
    if (!is_ok(result)) {
        return command_usage(&detail, result);
    }
    CLEANUP(file_unmap) struct file_map map = { 0 };
    CLEANUP(eif_report_done) struct eif_report report = { .finding_count = 0 };
    result = eif_inspect_file(path, clock_wall_seconds(), &map, &report, &detail);
    if (is_ok(result) && as_json) {
        detail_set(&detail, "%s", path);
        result = describe_as_json(&report);
    } else if (is_ok(result)) {
        describe_as_text(&report);
    }
    return is_ok(result) ? EXIT_DONE : command_fail(&detail, result);
}

/* ---------------------------------------------------------------------------------------- verify
 */

static const struct {
    const char *option;
    unsigned index;
} demands[] = { { "--pcr0", PCR_IMAGE },
                { "--pcr1", PCR_KERNEL },
                { "--pcr2", PCR_APPLICATION },
                { "--pcr8", PCR_SIGNER } };

enum { DEMANDS = sizeof(demands) / sizeof(demands[0]) };

struct verify {
    const char *path;
    const char *at;
    const char *texts[DEMANDS];
    struct pcr pcrs[DEMANDS];
    bool as_json;
    uint64_t now;
    struct detail detail;
};

static struct result read_demands(struct verify *verify)
{
    for (size_t i = 0; i < DEMANDS; i++) {
        const char *text = verify->texts[i];
        if (text != NULL) {
            detail_set(&verify->detail, "%s %s", demands[i].option, text);
            ENSURE(is_ok(pcr_parse(text, strlen(text), &verify->pcrs[i])), BAD_INPUT,
                   "not 96 hexadecimal digits");
        }
    }
    return OK;
}

static struct result read_verify(struct verify *verify, int count, char *const *arguments)
{
    struct command_option options[DEMANDS + 2] = {
        { "--at", NULL, &verify->at, NULL },
        { "--json", NULL, NULL, &verify->as_json },
    };
    for (size_t i = 0; i < DEMANDS; i++) {
        options[2 + i] =
            (struct command_option){ demands[i].option, NULL, &verify->texts[i], NULL };
    }
    TRY(read_call(count, arguments, options, DEMANDS + 2, &verify->path, &verify->detail));
    TRY(read_demands(verify));
    verify->now = clock_wall_seconds();
    if (verify->at != NULL) {
        detail_set(&verify->detail, "--at %s", verify->at);
        TRY(eif_read_time(verify->at, &verify->now));
    }
    return OK;
}

/* `failure` is why nothing could be inspected, or OK. */
static struct result print_verdict_json(const struct eif_report *report, struct result failure,
                                        const struct detail *detail)
{
    BUF text = BUF_INIT(OUTPUT_MAX);
    struct json_writer writer = JSON_WRITER(&text);
    bool is_valid = is_ok(failure) && report->finding_count == 0;
    json_write_open(&writer, NULL, '{');
    json_write_boolean(&writer, "Valid", is_valid);
    if (is_ok(failure)) {
        json_write_boolean(&writer, "IsSigned", report->is_signed);
        eif_write_measurements(&writer, report);
        write_findings(&writer, report);
    } else {
        char line[LINE_SIZE];
        detail_line(detail, failure, line, sizeof(line));
        json_write_open(&writer, "Findings", '[');
        json_write_text(&writer, NULL, line);
        json_write_close(&writer, ']');
    }
    json_write_close(&writer, '}');
    return eif_print_json(&text);
}

/* Each reason in a line of its own on stderr, the worst first. */
static int refuse(struct verify *verify, const struct eif_report *report)
{
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct eif_finding *finding = &report->findings[i];
        detail_set(&verify->detail, "%s%s%s", verify->path,
                   finding->where.text[0] == '\0' ? "" : ", ", finding->where.text);
        command_fail(&verify->detail, (struct result){ STATUS_REFUSED, finding->what });
    }
    return EXIT_FAILED;
}

static void accept(const struct verify *verify, const struct eif_report *report)
{
    char until[CLOCK_TEXT_SIZE];
    if (report->signature == NULL) {
        printf("%s: valid, not signed\n", verify->path);
    } else {
        clock_format(report->signature->certificate->not_after, until);
        printf("%s: valid, signed, certificate until %s\n", verify->path, until);
    }
    print_registers(report);
}

static int verify_file(struct verify *verify)
{
    CLEANUP(file_unmap) struct file_map map = { 0 };
    CLEANUP(eif_report_done) struct eif_report report = { .finding_count = 0 };
    struct result inspected =
        eif_inspect_file(verify->path, verify->now, &map, &report, &verify->detail);
    for (size_t i = 0; is_ok(inspected) && i < DEMANDS; i++) {
        if (verify->texts[i] != NULL) {
            eif_report_expect(&report, demands[i].index, &verify->pcrs[i]);
        }
    }
    struct result printed = OK;
    if (verify->as_json) {
        printed = print_verdict_json(&report, inspected, &verify->detail);
    }
    if (!is_ok(inspected)) {
        return command_fail(&verify->detail, inspected);
    }
    if (!is_ok(printed)) {
        return command_fail(NULL, printed);
    }
    if (report.finding_count > 0) {
        return refuse(verify, &report);
    }
    if (!verify->as_json) {
        accept(verify, &report);
    }
    if (report.signature != NULL) {
        eif_warn_of_expiry(verify->path, report.signature->certificate, verify->now);
    }
    return EXIT_DONE;
}

int eif_verify(int count, char *const *arguments)
{
    struct verify verify = { .path = NULL };
    struct result read = read_verify(&verify, count, arguments);
    return is_ok(read) ? verify_file(&verify) : command_usage(&verify.detail, read);
}
