/* fuzz_bootstrap.c: bootstrap_read() finds the same frames, and the same end, however the bytes are
 * cut, and every frame that it finds is written as the same bytes. The first byte of the input says
 * whose frames they are, the second how they are cut. */
#include "enclave/bootstrap.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

struct reading {
    struct buf frames; /* all that were found, written again */
    enum status status;
    bool is_partial; /* a frame was begun and not ended */
};

static void read_all(const uint8_t *bytes, size_t size, size_t piece, enum bootstrap_side from,
                     struct reading *reading)
{
    CLEANUP(bootstrap_decoder_done) struct bootstrap_decoder decoder;
    size_t at = 0;
    bootstrap_decoder_init(&decoder, from);
    while (at < size && reading->status == STATUS_OK) {
        struct bootstrap_frame frame;
        size_t used = 0;
        bool whole = false;
        size_t given = size - at < piece ? size - at : piece;
        struct result read = bootstrap_read(&decoder, bytes + at, given, &used, &frame, &whole);
        reading->status = read.status;
        if (!is_ok(read)) {
            return;
        }
        hold(used > 0 && used <= given && (whole || used == given));
        at += used;
        reading->is_partial = !whole;
        if (whole) {
            hold(is_ok(bootstrap_write(frame.type, frame.payload, frame.size, &reading->frames)));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum bootstrap_side from = data[0] % 2 == 0 ? BOOTSTRAP_PARENT : BOOTSTRAP_ENCLAVE;
    struct reading whole = { .frames = BUF_INIT(size + 1) };
    struct reading cut = { .frames = BUF_INIT(size + 1) };
    read_all(data + 2, size - 2, size, from, &whole);
    read_all(data + 2, size - 2, (size_t)data[1] + 1, from, &cut);
    hold(whole.status == cut.status && whole.frames.size == cut.frames.size);
    hold(is_ok(buf_check(&whole.frames)) && is_ok(buf_check(&cut.frames)));
    hold(whole.status != STATUS_OK || whole.is_partial || whole.frames.size == size - 2);
    hold(whole.frames.size == 0 || memcmp(whole.frames.data, data + 2, whole.frames.size) == 0);
    buf_free(&whole.frames);
    buf_free(&cut.frames);
    return 0;
}
