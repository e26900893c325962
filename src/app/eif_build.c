/* eif build: an image from a kernel, a command line and ramdisks. What it is made of is mapped, so
 * a gigabyte costs no more memory than the image itself; what was written is inspected before it
 * gets its name. */
#include "app/eif_command.h"
#include "app/process.h"
#include "base/clock.h"
#include "base/file.h"
#include "eif/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RAMDISKS_MAX = EIF_SECTIONS_MAX - 4 /* kernel, command line, metadata, signature */ };

static const size_t key_file_max = 64 * 1024;

struct options {
    const char *kernel;
    const char *cmdline;
    const char *cmdline_file;
    const char *output;
    const char *measurements;
    const char *arch;
    const char *certificate;
    const char *key;
    const char *name;
    const char *version;
    const char *operating_system;
    const char *kernel_version;
    const char *metadata;
    const char *build_time;
};

struct build {
    struct options options;
    const char *ramdisks[RAMDISKS_MAX];
    size_t ramdisk_count;
    uint16_t flags;
    char build_time[CLOCK_TEXT_SIZE];
    struct file_map maps[RAMDISKS_MAX + 2];
    size_t map_count;
    struct buf metadata;
    struct buf signature;
    struct eif_signer *signer; /* NULL: unsigned */
    struct eif_image image;
    struct detail detail;
};

static void build_done(struct build *build)
{
    for (size_t i = 0; i < build->map_count; i++) {
        file_unmap(&build->maps[i]);
    }
    buf_free(&build->metadata);
    buf_free(&build->signature);
    eif_signer_free(build->signer);
}

/* ------------------------------------------------------------------------------ the command line
 */

static struct result read_arch(struct build *build)
{
    const char *arch = build->options.arch;
    bool is_arm = arch != NULL && (strcmp(arch, "aarch64") == 0 || strcmp(arch, "arm64") == 0);
    detail_set(&build->detail, "--arch %s", arch == NULL ? "" : arch);
    ENSURE(arch == NULL || is_arm || strcmp(arch, "x86_64") == 0, BAD_INPUT,
           "neither x86_64 nor aarch64");
    build->flags = is_arm ? EIF_FLAG_ARM64 : 0;
    return OK;
}

/* Never the clock's: the same call makes the same image. */
static struct result read_build_time(struct build *build)
{
    const char *text = build->options.build_time;
    const char *place = "--build-time";
    uint64_t seconds = 0;
    if (text == NULL) {
        text = getenv("SOURCE_DATE_EPOCH");
        place = "SOURCE_DATE_EPOCH";
    }
    if (text != NULL) {
        detail_set(&build->detail, "%s %s", place, text);
        TRY(eif_read_time(text, &seconds));
    }
    clock_format(seconds, build->build_time);
    return OK;
}

static struct result check_options(struct build *build)
{
    const struct options *options = &build->options;
    detail_set(&build->detail, "eif build");
    ENSURE(options->kernel != NULL, BAD_INPUT, "needs --kernel FILE");
    ENSURE(options->output != NULL, BAD_INPUT, "needs --output FILE");
    ENSURE((options->cmdline == NULL) != (options->cmdline_file == NULL), BAD_INPUT,
           "needs one of --cmdline TEXT and --cmdline-file FILE");
    ENSURE((options->certificate == NULL) == (options->key == NULL), BAD_INPUT,
           "needs both --signing-certificate PEM and --private-key PEM, or neither");
    TRY(read_arch(build));
    return read_build_time(build);
}

static struct result read_command_line(struct build *build, int count, char *const *arguments)
{
    struct options *options = &build->options;
    const struct command_option all[] = {
        { "--kernel", NULL, &options->kernel, NULL },
        { "--cmdline", NULL, &options->cmdline, NULL },
        { "--cmdline-file", NULL, &options->cmdline_file, NULL },
        { "--output", NULL, &options->output, NULL },
        { "--measurements", NULL, &options->measurements, NULL },
        { "--arch", NULL, &options->arch, NULL },
        { "--signing-certificate", NULL, &options->certificate, NULL },
        { "--private-key", NULL, &options->key, NULL },
        { "--name", NULL, &options->name, NULL },
        { "--version", NULL, &options->version, NULL },
        { "--operating-system", NULL, &options->operating_system, NULL },
        { "--kernel-version", NULL, &options->kernel_version, NULL },
        { "--metadata", NULL, &options->metadata, NULL },
        { "--build-time", NULL, &options->build_time, NULL },
    };
    struct command_list ramdisks = { "--ramdisk", build->ramdisks, RAMDISKS_MAX, 0 };
    const struct command_syntax syntax = { all, sizeof(all) / sizeof(all[0]), &ramdisks, 1, NULL };
    TRY(command_read(count, arguments, &syntax, &build->detail));
    build->ramdisk_count = ramdisks.count;
    return check_options(build);
}

/* ---------------------------------------------------------------------------------- the sections
 */

/* Maps a file that must hold something; the map lives as long as the build. */
static struct result map_input(struct build *build, const char *path, struct file_map *out)
{
    struct file_map *map = &build->maps[build->map_count];
    TRY(file_map(path, EIF_SIZE_MAX, map, &build->detail));
    build->map_count++;
    detail_set(&build->detail, "%s", path);
    ENSURE(map->size > 0, BAD_INPUT, "the file is empty");
    *out = *map;
    return OK;
}

static struct result add_kernel(struct build *build)
{
    static const char elf[] = "\177ELF";
    struct file_map map = { 0 };
    TRY(map_input(build, build->options.kernel, &map));
    ENSURE(map.size < 4 || memcmp(map.bytes, elf, 4) != 0, BAD_INPUT,
           "an ELF file; an enclave boots arch/x86/boot/bzImage or arch/arm64/boot/Image");
    return eif_add(&build->image, EIF_KERNEL, map.bytes, map.size);
}

static struct result add_cmdline(struct build *build)
{
    const char *text = build->options.cmdline;
    if (text != NULL) {
        return eif_add(&build->image, EIF_CMDLINE, text, strlen(text));
    }
    struct file_map map = { 0 };
    TRY(map_input(build, build->options.cmdline_file, &map));
    size_t size = map.bytes[map.size - 1] == '\n' ? map.size - 1 : map.size;
    return eif_add(&build->image, EIF_CMDLINE, map.bytes, size);
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text == NULL ? otherwise : text;
}

static struct result read_custom(struct build *build, struct json **out)
{
    const char *path = build->options.metadata;
    if (path == NULL) {
        return OK;
    }
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, EIF_METADATA_MAX, &text, &build->detail));
    struct result parsed = json_parse((const char *)text.data, text.size, out, &build->detail);
    if (!is_ok(parsed)) {
        detail_prefix(&build->detail, "%s, ", path);
        return parsed;
    }
    detail_set(&build->detail, "%s", path);
    ENSURE(json_kind(*out) == JSON_KIND_OBJECT, BAD_INPUT, "not a JSON object");
    return OK;
}

static struct result add_metadata(struct build *build)
{
    const struct options *options = &build->options;
    CLEANUP(json_free_ptr) struct json *custom = NULL;
    TRY(read_custom(build, &custom));
    const struct eif_metadata metadata = {
        .name = or_else(options->name, "containment-chamber"),
        .version = or_else(options->version, CHAMBER_VERSION),
        .build_time = build->build_time,
        .build_tool = "containment-chamber",
        .build_tool_version = CHAMBER_VERSION,
        .operating_system = or_else(options->operating_system, "Linux"),
        .kernel_version = or_else(options->kernel_version, "unknown"),
        .custom = custom,
    };
    build->metadata = BUF_INIT(EIF_METADATA_MAX);
    detail_set(&build->detail, "metadata");
    TRY(eif_metadata_write(&metadata, &build->metadata));
    return eif_add(&build->image, EIF_METADATA, build->metadata.data, build->metadata.size);
}

static struct result add_ramdisks(struct build *build)
{
    for (size_t i = 0; i < build->ramdisk_count; i++) {
        struct file_map map = { 0 };
        TRY(map_input(build, build->ramdisks[i], &map));
        TRY(eif_add(&build->image, EIF_RAMDISK, map.bytes, map.size));
    }
    return OK;
}

/* Before anything large is read: a wrong key is the likeliest mistake. */
static struct result open_signer(struct build *build)
{
    const struct options *options = &build->options;
    if (options->key == NULL) {
        return OK;
    }
    SECRET_BLOCK certificate = { 0 };
    SECRET_BLOCK key = { 0 };
    detail_set(&build->detail, "%s", options->key);
    TRY(process_harden()); /* no core file may hold the key */
    TRY(file_read(options->certificate, key_file_max, &certificate, &build->detail));
    TRY(file_read(options->key, key_file_max, &key, &build->detail));
    struct result made = eif_signer_new(&certificate, &key, &build->signer, &build->detail);
    if (!is_ok(made)) {
        bool is_key = strcmp(build->detail.text, "private key") == 0;
        detail_prefix(&build->detail, "%s, ", is_key ? options->key : options->certificate);
    }
    return made;
}

static struct result add_signature(struct build *build, const struct pcr *pcr0)
{
    if (build->signer == NULL) {
        return OK;
    }
    build->signature = BUF_INIT(EIF_SIGNATURE_MAX);
    detail_set(&build->detail, "%s", build->options.key);
    TRY(eif_signer_sign(build->signer, pcr0, &build->signature));
    return eif_add(&build->image, EIF_SIGNATURE, build->signature.data, build->signature.size);
}

/* ------------------------------------------------------------------------------------- the image
 */

/* Looks at what was written as a stranger would. Dates apart: who signs with a certificate that has
 * expired is warned. */
static struct result inspect(struct build *build, const struct buf *file,
                             const struct eif_measurements *measured, struct eif_report *out)
{
    uint64_t now = 0;
    if (build->signer != NULL) {
        now = eif_signer_certificate(build->signer)->not_after;
    }
    TRY(eif_inspect((const uint8_t *)file->data, file->size, now, out, &build->detail));
    detail_set(&build->detail, "the image would be wrong");
    if (out->finding_count > 0) {
        return (struct result){ STATUS_BAD_INPUT, out->findings[0].what };
    }
    detail_set(&build->detail, "%s", build->options.output);
    ENSURE(memcmp(measured, &out->measurements, sizeof(*measured)) == 0, UNAVAILABLE,
           "an input was changed while it was read");
    return OK;
}

static struct result publish(struct build *build, const struct buf *file,
                             const struct eif_report *report)
{
    const struct options *options = &build->options;
    BUF text = BUF_INIT(4096);
    struct json_writer writer = JSON_WRITER(&text);
    json_write_open(&writer, NULL, '{');
    eif_write_measurements(&writer, report);
    json_write_close(&writer, '}');
    TRY(file_write_public(options->output, file->data, file->size, &build->detail));
    if (options->measurements != NULL) {
        BUF line = BUF_INIT(4096);
        buf_append(&line, text.data, text.size);
        buf_append_text(&line, "\n");
        TRY(file_write_public(options->measurements, line.data, line.size, &build->detail));
    }
    return eif_print_json(&text);
}

static struct result make(struct build *build)
{
    TRY(open_signer(build));
    build->image = eif_new(build->flags);
    TRY(add_kernel(build));
    TRY(add_cmdline(build));
    TRY(add_metadata(build));
    TRY(add_ramdisks(build));
    struct eif_measurements measured = eif_measure(&build->image);
    TRY(add_signature(build, &measured.image));

    BUF file = BUF_INIT(EIF_SIZE_MAX);
    CLEANUP(eif_report_done) struct eif_report report = { .finding_count = 0 };
    detail_set(&build->detail, "%s", build->options.output);
    TRY(eif_write(&build->image, &file));
    TRY(inspect(build, &file, &measured, &report));
    TRY(publish(build, &file, &report));
    if (build->signer != NULL) {
        eif_warn_of_expiry(build->options.certificate, eif_signer_certificate(build->signer),
                           clock_wall_seconds());
    }
    return OK;
}

int eif_build(int count, char *const *arguments)
{
    CLEANUP(build_done) struct build build = { .map_count = 0 };
    struct result result = read_command_line(&build, count, arguments);
    if (!is_ok(result)) {
        return command_usage(&build.detail, result);
    }
    result = make(&build);
    return is_ok(result) ? EXIT_DONE : command_fail(&build.detail, result);
}
