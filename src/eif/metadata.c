#include "eif/metadata.h"

#include "base/json_write.h"

/* The texts of the section: their names, what they are a member of, where they go. */
static const struct text {
    const char *group; /* NULL: the section itself */
    const char *name;
    size_t offset;
} texts[] = {
    { NULL, "ImageName", offsetof(struct eif_metadata, name) },
    { NULL, "ImageVersion", offsetof(struct eif_metadata, version) },
    { "BuildMetadata", "BuildTime", offsetof(struct eif_metadata, build_time) },
    { "BuildMetadata", "BuildTool", offsetof(struct eif_metadata, build_tool) },
    { "BuildMetadata", "BuildToolVersion", offsetof(struct eif_metadata, build_tool_version) },
    { "BuildMetadata", "OperatingSystem", offsetof(struct eif_metadata, operating_system) },
    { "BuildMetadata", "KernelVersion", offsetof(struct eif_metadata, kernel_version) },
};

enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const char *text_of(const struct eif_metadata *metadata, const struct text *text)
{
    return *(const char *const *)(const void *)((const char *)metadata + text->offset);
}

static void write_texts(struct json_writer *writer, const struct eif_metadata *metadata,
                        bool of_group)
{
    for (size_t i = 0; i < TEXTS; i++) {
        if ((texts[i].group != NULL) == of_group) {
            json_write_text(writer, texts[i].name, text_of(metadata, &texts[i]));
        }
    }
}

RESULT eif_metadata_write(const struct eif_metadata *metadata, struct buf *out)
{
    BUF text = BUF_INIT(EIF_METADATA_MAX);
    struct json_writer writer = JSON_WRITER(&text);
    json_write_open(&writer, NULL, '{');
    write_texts(&writer, metadata, false);
    json_write_open(&writer, "BuildMetadata", '{');
    write_texts(&writer, metadata, true);
    json_write_close(&writer, '}');
    json_write_open(&writer, "DockerInfo", '{');
    json_write_close(&writer, '}');
    buf_append_text(&text, ",\"CustomMetadata\":");
    if (metadata->custom != NULL) {
        TRY(json_dump(metadata->custom, &text));
    } else {
        buf_append_text(&text, "{}");
    }
    json_write_close(&writer, '}');
    TRY(buf_check(&text));
    buf_append(out, text.data, text.size);
    return buf_check(out);
}

static struct result read_texts(const struct json *tree, struct eif_metadata *out,
                                struct detail *detail)
{
    for (size_t i = 0; i < TEXTS; i++) {
        const struct text *text = &texts[i];
        const struct json *object = text->group == NULL ? tree : json_member(tree, text->group);
        const char *value = json_as_text(json_member(object, text->name), NULL);
        detail_set(detail, "%s", text->name);
        ENSURE(value != NULL, BAD_INPUT, "not there, or no text");
        *(const char **)(void *)((char *)out + text->offset) = value;
    }
    return OK;
}

RESULT eif_metadata_read(const uint8_t *bytes, size_t size, struct json **tree_out,
                         struct eif_metadata *out, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    detail_set(detail, "%zu bytes", size);
    ENSURE(size <= EIF_METADATA_MAX, LIMIT, "metadata is over 1 MiB");
    TRY(json_parse((const char *)bytes, size, &tree, detail));
    struct eif_metadata metadata = { .custom = json_member(tree, "CustomMetadata"),
                                     .docker = json_member(tree, "DockerInfo") };
    TRY(read_texts(tree, &metadata, detail));
    *out = metadata;
    *tree_out = STEAL(tree);
    return OK;
}

void eif_metadata_each_build_text(const struct eif_metadata *metadata,
                                  void (*visit)(const char *name, const char *value, void *context),
                                  void *context)
{
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i].group != NULL) {
            visit(texts[i].name, text_of(metadata, &texts[i]), context);
        }
    }
}
