#include "enclave/record.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"

#include <string.h>

bool record_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t size = strlen(name);
    return size >= 1 && size <= RECORD_NAME_MAX && name[0] != '-' && strspn(name, allowed) == size;
}

static void write_cpus(const struct enclave_record *record, struct json_writer *writer)
{
    json_write_open(writer, "cpu_ids", '[');
    for (size_t i = 0; !record->emulated && i < record->cpu_count; i++) {
        json_write_number(writer, NULL, record->cpus[i]);
    }
    json_write_close(writer, ']');
}

void record_write(const struct enclave_record *record, bool alive, struct buf *out)
{
    struct json_writer writer = JSON_WRITER(out);
    char started[CLOCK_TEXT_SIZE];
    clock_format(record->started, started);
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "name", record->name);
    json_write_text(&writer, "state", !alive ? "dead" : record->running ? "running" : "starting");
    json_write_number(&writer, "cid", record->cid);
    json_write_number(&writer, "pid", (uint64_t)record->launcher);
    json_write_number(&writer, "pid_start_ticks", record->launcher_start);
    json_write_text(&writer, "started_at", started);
    json_write_number(&writer, "started_at_seconds", record->started);
    json_write_number(&writer, "memory_bytes", record->memory);
    json_write_number(&writer, "cpu_count", record->cpu_count);
    write_cpus(record, &writer);
    json_write_boolean(&writer, "debug", record->debug);
    json_write_boolean(&writer, "emulated", record->emulated);
    json_write_text(&writer, "image", record->image);
    json_write_text(&writer, "console", record->console);
    json_write_text(&writer, "vsock", record->vsock);
    json_write_close(&writer, '}');
}

static struct result read_text(const struct json *object, const char *name, char *out, size_t size,
                               struct detail *detail)
{
    size_t length = 0;
    const char *text = json_as_text(json_member(object, name), &length);
    detail_set(detail, "%s", name);
    ENSURE(text != NULL, BAD_INPUT, "is not a text");
    ENSURE(length < size, BAD_INPUT, "is too long");
    memcpy(out, text, length + 1);
    return OK;
}

static struct result read_number(const struct json *object, const char *name, uint64_t max,
                                 uint64_t *out, struct detail *detail)
{
    int64_t number = 0;
    detail_set(detail, "%s", name);
    ENSURE(json_as_integer(json_member(object, name), &number), BAD_INPUT, "is not a number");
    ENSURE(number >= 0 && (uint64_t)number <= max, BAD_INPUT, "is out of its range");
    *out = (uint64_t)number;
    return OK;
}

static struct result read_flag(const struct json *object, const char *name, bool *out,
                               struct detail *detail)
{
    detail_set(detail, "%s", name);
    ENSURE(json_as_boolean(json_member(object, name), out), BAD_INPUT, "is not true or false");
    return OK;
}

static struct result read_cpus(const struct json *object, struct enclave_record *record,
                               struct detail *detail)
{
    const struct json *ids = json_member(object, "cpu_ids");
    uint64_t count = 0;
    TRY(read_number(object, "cpu_count", LAUNCHER_CPUS_MAX, &count, detail));
    record->cpu_count = count;
    detail_set(detail, "cpu_ids");
    ENSURE(json_kind(ids) == JSON_KIND_ARRAY, BAD_INPUT, "is not a list");
    ENSURE(json_count(ids) == (record->emulated ? 0 : count), BAD_INPUT, "has another length");
    for (size_t i = 0; i < json_count(ids); i++) {
        int64_t id = 0;
        ENSURE(json_as_integer(json_item(ids, i), &id) && id >= 0 && id <= UINT32_MAX, BAD_INPUT,
               "has an entry that is no CPU");
        record->cpus[i] = (uint32_t)id;
    }
    return OK;
}

static struct result read_numbers(const struct json *object, struct enclave_record *record,
                                  struct detail *detail)
{
    uint64_t pid = 0;
    TRY(read_number(object, "pid", INT32_MAX, &pid, detail));
    ENSURE(pid > 1, BAD_INPUT, "is out of its range"); /* it will be sent signals */
    record->launcher = (pid_t)pid;
    TRY(read_number(object, "pid_start_ticks", INT64_MAX, &record->launcher_start, detail));
    TRY(read_number(object, "started_at_seconds", INT64_MAX, &record->started, detail));
    TRY(read_number(object, "cid", UINT32_MAX, &record->cid, detail));
    return read_number(object, "memory_bytes", INT64_MAX, &record->memory, detail);
}

static struct result read_members(const struct json *object, struct enclave_record *record,
                                  struct detail *detail)
{
    char state[sizeof("starting")];
    TRY(read_text(object, "name", record->name, sizeof(record->name), detail));
    ENSURE(record_name_is_valid(record->name), BAD_INPUT, "is no name of an enclave");
    TRY(read_text(object, "state", state, sizeof(state), detail));
    record->running = strcmp(state, "running") == 0;
    ENSURE(record->running || strcmp(state, "starting") == 0, BAD_INPUT, "is no state");
    TRY(read_numbers(object, record, detail));
    TRY(read_flag(object, "debug", &record->debug, detail));
    TRY(read_flag(object, "emulated", &record->emulated, detail));
    TRY(read_cpus(object, record, detail));
    TRY(read_text(object, "image", record->image, sizeof(record->image), detail));
    TRY(read_text(object, "console", record->console, sizeof(record->console), detail));
    return read_text(object, "vsock", record->vsock, sizeof(record->vsock), detail);
}

RESULT record_read(const char *text, size_t size, struct enclave_record *out, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *object = NULL;
    struct enclave_record record = { .name = "" };
    detail_set(detail, "%s", "");
    ENSURE(size <= RECORD_TEXT_MAX, LIMIT, "too long for an enclave's record");
    TRY(json_parse(text, size, &object, detail));
    ENSURE(json_kind(object) == JSON_KIND_OBJECT, BAD_INPUT, "not an enclave's record");
    TRY(read_members(object, &record, detail));
    *out = record;
    return OK;
}
