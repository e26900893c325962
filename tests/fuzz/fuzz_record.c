/* fuzz_record.c: a record that is read names an enclave and a process of its own, and what is
 * written of it is read as the same. */
#include "enclave/record.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct enclave_record record;
    static struct enclave_record again;
    struct detail detail = { "" };
    BUF text = BUF_INIT(RECORD_TEXT_MAX);
    BUF text_again = BUF_INIT(RECORD_TEXT_MAX);
    static bool begun;
    if (!begun) {
        json_init();
        begun = true;
    }
    if (!is_ok(record_read((const char *)data, size, &record, &detail))) {
        return 0;
    }
    must(record_name_is_valid(record.name) && record.launcher > 1);
    must(record.cpu_count <= LAUNCHER_CPUS_MAX);
    record_write(&record, true, &text);
    if (is_ok(buf_check(&text))) { /* escapes may make it longer than may be read */
        must(is_ok(record_read(text.data, text.size, &again, &detail)));
        record_write(&again, true, &text_again);
        must(text.size == text_again.size && memcmp(text.data, text_again.data, text.size) == 0);
    }
    return 0;
}
