/* fuzz_eif.c: an image that can be walked is described within its own bytes, and the same a second
 * time; one without findings is what writing its sections gives. */
#include "eif/inspect.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_bounds(const struct eif_report *report, const uint8_t *data, size_t size)
{
    const struct eif_image *image = &report->image;
    const uint8_t *at = data + EIF_HEADER_SIZE;
    must(image->section_count <= EIF_SECTIONS_MAX && image->end <= size);
    for (size_t i = 0; i < image->section_count; i++) {
        must(image->sections[i].bytes == at + EIF_SECTION_HEADER_SIZE);
        at = image->sections[i].bytes + image->sections[i].size;
    }
    must(at == data + image->end);
    must(report->finding_count <= EIF_FINDINGS_MAX);
}

/* Without findings nothing of the file is left that its sections do not account for. */
static void check_round_trip(const struct eif_report *report, const uint8_t *data, size_t size)
{
    BUF again = BUF_INIT(size);
    must(report->metadata_tree != NULL);
    must(report->is_signed == report->signature_holds);
    must(is_ok(eif_write(&report->image, &again)));
    must(again.size == size && memcmp(again.data, data, size) == 0);
}

/* The first byte says whether the checksum is made right: an image that is refused for it would
 * teach the fuzzer nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    static const uint64_t now = 1780000000;
    if (!started) {
        json_init();
        started = true;
    }
    if (size == 0) {
        return 0;
    }
    CLEANUP(free_ptr) uint8_t *file = calloc(1, size);
    must(file != NULL);
    memcpy(file, data + 1, size - 1);
    size--;
    struct eif_image image;
    if (data[0] % 2 == 1 && is_ok(eif_read(file, size, &image, NULL))) {
        uint32_t crc = eif_actual_crc(&image);
        for (size_t i = 0; i < 4; i++) {
            file[EIF_AT_CRC + i] = (uint8_t)(crc >> (24 - 8 * i));
        }
    }
    CLEANUP(eif_report_done) struct eif_report report = { .finding_count = 0 };
    CLEANUP(eif_report_done) struct eif_report again = { .finding_count = 0 };
    struct detail detail = { "" };
    if (!is_ok(eif_inspect(file, size, now, &report, &detail))) {
        return 0;
    }
    check_bounds(&report, file, size);
    must(is_ok(eif_inspect(file, size, now, &again, NULL)));
    must(again.finding_count == report.finding_count);
    must(memcmp(&again.measurements, &report.measurements, sizeof(again.measurements)) == 0);
    if (report.finding_count == 0) {
        check_round_trip(&report, file, size);
    }
    return 0;
}
