#include "parent/credentials.h"

#include "base/file.h"
#include "base/json.h"
#include "enclave/bootstrap.h"

static struct result get_none(const struct credentials_source *source, struct secret_block *out,
                              struct detail *detail)
{
    (void)source;
    (void)detail;
    *out = (struct secret_block){ .data = NULL };
    return OK;
}

static struct result check(const char *path, const struct secret_block *text, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *value = NULL;
    struct result parsed = json_parse((const char *)text->data, text->size, &value, detail);
    detail_set(detail, "%s", path); /* in place of what the parser said: this is about secrets */
    ENSURE(is_ok(parsed) && json_kind(value) == JSON_KIND_OBJECT, BAD_INPUT,
           "the credentials are not a JSON object");
    return OK;
}

static struct result get_file(const struct credentials_source *source, struct secret_block *out,
                              struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(source->path, BOOTSTRAP_CREDENTIALS_MAX, &text, detail));
    TRY(check(source->path, &text, detail));
    *out = text;
    text = (struct secret_block){ .data = NULL };
    return OK;
}

struct credentials_source credentials_none(void)
{
    return (struct credentials_source){ .name = "none", .get = get_none };
}

struct credentials_source credentials_file(const char *path)
{
    return (struct credentials_source){ .name = "file", .get = get_file, .path = path };
}
