#include "parent/heartbeat.h"

#include "base/log.h"

#include <stdlib.h>

struct beat {
    struct heartbeat *heartbeat;
    struct stream *stream;
};

static void *open_beat(struct stream *stream, void *context)
{
    struct beat *beat = calloc(1, sizeof(*beat));
    if (beat != NULL) {
        beat->heartbeat = context;
        beat->stream = stream;
    }
    return beat;
}

static bool hear(void *connection, const uint8_t *bytes, size_t size)
{
    const struct beat *beat = connection;
    static const uint8_t answer[] = { HEARTBEAT_BYTE };
    if (size != 1 || bytes[0] != HEARTBEAT_BYTE) {
        atomic_fetch_add(&beat->heartbeat->wrong, 1);
        return false;
    }
    if (is_ok(stream_write(beat->stream, answer, sizeof(answer)))) {
        atomic_fetch_add(&beat->heartbeat->beats, 1);
        log_info("the enclave's heartbeat: its init runs");
    }
    return false;
}

const struct stream_protocol heartbeat_protocol = { open_beat, hear, free };
