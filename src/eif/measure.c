#include "eif/measure.h"

#include "base/sha384.h"

/* The register after SHA-384 of everything that was added was put into it. */
static struct pcr register_of(const struct sha384 *hash)
{
    uint8_t value[SHA384_SIZE];
    sha384_value(hash, value);
    return pcr_of(value, sizeof(value));
}

struct eif_measurements eif_measure(const struct eif_image *image)
{
    CLEANUP(sha384_free_ptr) struct sha384 *all = sha384_new();
    CLEANUP(sha384_free_ptr) struct sha384 *kernel = sha384_new();
    CLEANUP(sha384_free_ptr) struct sha384 *application = sha384_new();
    const struct eif_section *first = eif_find(image, EIF_RAMDISK, 0);
    for (size_t i = 0; i < image->section_count; i++) {
        const struct eif_section *section = &image->sections[i];
        if (section->type == EIF_METADATA || section->type == EIF_SIGNATURE) {
            continue;
        }
        bool is_application = section->type == EIF_RAMDISK && section != first;
        sha384_add(all, section->bytes, section->size);
        sha384_add(is_application ? application : kernel, section->bytes, section->size);
    }
    return (struct eif_measurements){
        .image = register_of(all),
        .kernel = register_of(kernel),
        .application = register_of(application),
    };
}
