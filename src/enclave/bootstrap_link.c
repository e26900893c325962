#include "enclave/bootstrap_link.h"

#include "base/cleanup.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

enum { OUTPUT_MAX = BOOTSTRAP_HEADER_SIZE + BOOTSTRAP_LOG_MAX }; /* LOG is the longest to go out */

RESULT bootstrap_link_init(struct bootstrap_link *link, uint64_t window_ns)
{
    *link = (struct bootstrap_link){
        .fd = -1,
        .window_ns = window_ns,
        .output = BUF_INIT(OUTPUT_MAX),
    };
    bootstrap_decoder_init(&link->decoder, BOOTSTRAP_PARENT);
    ENSURE(secret_block_new(BOOTSTRAP_LINK_READ, &link->input), UNAVAILABLE, "out of memory");
    return OK;
}

void bootstrap_link_done(struct bootstrap_link *link)
{
    bootstrap_link_close(link);
    secret_block_free(&link->input);
    buf_free(&link->output);
}

void bootstrap_link_open(struct bootstrap_link *link, int fd)
{
    assert(link->fd < 0);
    link->fd = fd;
    bootstrap_decoder_init(&link->decoder, BOOTSTRAP_PARENT);
}

/* Bytes up to `end` are used. */
static void use_input(struct bootstrap_link *link, size_t end)
{
    secret_wipe(link->input.data + link->input_at, end - link->input_at);
    link->input_at = end;
}

void bootstrap_link_close(struct bootstrap_link *link)
{
    fd_close_ptr(&link->fd);
    link->fd = -1;
    bootstrap_decoder_done(&link->decoder);
    if (link->input.data != NULL) {
        use_input(link, link->input_size);
    }
    link->input_at = link->input_size = 0;
    link->deaf = false;
    buf_clear(&link->output);
    link->sent = 0;
}

static bool is_transient(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR;
}

static struct result ended(int reason, struct detail *detail)
{
    if (reason != 0) {
        detail_set(detail, "%s", strerror(reason));
    }
    return FAIL(UNAVAILABLE, "the stream to the parent has ended");
}

/* `*more_out`: there are bytes to use. */
static struct result fill_input(struct bootstrap_link *link, bool *more_out, struct detail *detail)
{
    *more_out = true;
    if (link->input_at < link->input_size) {
        return OK;
    }
    link->input_at = link->input_size = 0;
    link->steps++;
    ssize_t got = recv(link->fd, link->input.data, link->input.size, MSG_DONTWAIT);
    if (got > 0) {
        link->input_size = (size_t)got;
        return OK;
    }
    *more_out = false;
    return got < 0 && is_transient(errno) ? OK : ended(got < 0 ? errno : 0, detail);
}

/* Uses input up to the end of one frame. */
static struct result take_frame(struct bootstrap_link *link, bootstrap_link_handler *handler,
                                void *context)
{
    struct bootstrap_frame frame;
    size_t used = 0;
    bool whole = false;
    TRY(bootstrap_read(&link->decoder, link->input.data + link->input_at,
                       link->input_size - link->input_at, &used, &frame, &whole));
    use_input(link, link->input_at + used);
    if (!whole) {
        return OK;
    }
    link->steps++;
    link->deaf = frame.type == BOOTSTRAP_SHUTDOWN;
    struct result result = handler(context, &frame);
    /* The decoder would keep it until the next frame begins. */
    secret_wipe(link->decoder.payload.data, link->decoder.payload.size);
    return result;
}

RESULT bootstrap_link_receive(struct bootstrap_link *link, uint64_t now_ns,
                              bootstrap_link_handler *handler, void *context, struct detail *detail)
{
    if (now_ns - link->window_began_ns >= link->window_ns) {
        link->window_began_ns = now_ns;
        link->steps = 0;
    }
    while (link->steps < BOOTSTRAP_LINK_STEPS) {
        bool more = false;
        TRY(fill_input(link, &more, detail));
        if (!more) {
            return OK;
        }
        if (link->deaf) {
            use_input(link, link->input_size);
            continue;
        }
        TRY(take_frame(link, handler, context));
    }
    return OK;
}

uint64_t bootstrap_link_pause_ns(const struct bootstrap_link *link, uint64_t now_ns)
{
    uint64_t passed = now_ns - link->window_began_ns;
    return link->steps < BOOTSTRAP_LINK_STEPS || passed >= link->window_ns
               ? 0
               : link->window_ns - passed;
}

bool bootstrap_link_is_sending(const struct bootstrap_link *link)
{
    return link->sent < link->output.size;
}

RESULT bootstrap_link_put(struct bootstrap_link *link, enum bootstrap_type type,
                          const void *payload, size_t size)
{
    assert(!bootstrap_link_is_sending(link));
    buf_clear(&link->output);
    link->sent = 0;
    TRY(bootstrap_write(type, payload, size, &link->output));
    struct result kept = buf_check(&link->output);
    if (!is_ok(kept)) {
        buf_clear(&link->output);
    }
    return kept;
}

RESULT bootstrap_link_flush(struct bootstrap_link *link, struct detail *detail)
{
    while (bootstrap_link_is_sending(link)) {
        ssize_t done = send(link->fd, link->output.data + link->sent,
                            link->output.size - link->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done < 0) {
            return is_transient(errno) ? OK : ended(errno, detail);
        }
        link->sent += (size_t)done;
    }
    return OK;
}
