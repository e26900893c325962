#include "enclave/nsm.h"

#include "base/cleanup.h"
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* Of Linux's include/uapi/linux/nsm.h, which Debian 12's headers do not have yet. */
struct nsm_iovec {
    uint64_t address;
    uint64_t size;
};
struct nsm_raw {
    struct nsm_iovec request;
    struct nsm_iovec response;
};
#define NSM_IOCTL_RAW _IOWR(0x0a, 0x0, struct nsm_raw)
static_assert(NSM_IOCTL_RAW == 0xc0200a00, "the driver knows another number");

/* ----------------------------------------------------------------------------------- the device */

static struct result device_exchange(const struct nsm *nsm, struct cbor_view request,
                                     struct nsm_response *out)
{
    struct nsm_raw raw = {
        .request = { (uintptr_t)request.bytes, request.size },
        .response = { (uintptr_t)out->bytes, sizeof(out->bytes) },
    };
    if (ioctl(nsm->fd, NSM_IOCTL_RAW, &raw) != 0) {
        ENSURE(errno != EMSGSIZE, LIMIT,
               "the request is longer than the security module's driver takes");
        return FAIL(UNAVAILABLE, "the security module did not answer");
    }
    ENSURE(raw.response.size <= sizeof(out->bytes), UNAVAILABLE,
           "the security module's driver says more came than fits");
    out->size = (size_t)raw.response.size;
    return OK;
}

RESULT nsm_open(const char *path, struct nsm *out, struct detail *detail)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        bool absent = errno == ENOENT;
        detail_set(detail, "%s: %s", path, strerror(errno));
        return absent ? FAIL(NOT_FOUND, "there is no security module: this is no Nitro Enclave")
                      : FAIL(UNAVAILABLE, "the security module cannot be opened");
    }
    *out = (struct nsm){ .exchange = device_exchange, .fd = fd };
    return OK;
}

void nsm_close(struct nsm *nsm)
{
    fd_close_ptr(&nsm->fd);
    nsm->fd = -1;
}

/* ---------------------------------------------------------------------------------- the answers */

/* What the module's names of errors mean for a caller. */
static struct result error_named(struct cbor_view name)
{
    static const struct {
        const char *name;
        struct result result;
    } errors[] = {
        { "InvalidArgument",
          { STATUS_BAD_INPUT, "the security module does not take an argument" } },
        { "InvalidIndex", { STATUS_BAD_INPUT, "the security module has no such register" } },
        { "InvalidOperation", { STATUS_BAD_INPUT, "the security module does not do that" } },
        { "ReadOnlyIndex", { STATUS_REFUSED, "the security module's register is locked" } },
        { "InputTooLarge", { STATUS_LIMIT, "the security module takes no request of this size" } },
        { "BufferTooSmall", { STATUS_LIMIT, "the security module's answer does not fit" } },
        { "InvalidResponse", { STATUS_UNAVAILABLE, "the security module made no valid answer" } },
        { "InternalError", { STATUS_UNAVAILABLE, "the security module failed" } },
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (cbor_view_is(name, errors[i].name)) {
            return errors[i].result;
        }
    }
    return FAIL(BAD_INPUT, "the security module names an error that is not known");
}

/* Goes into {"<command>": …}, where the reader is then at the value; gives the error of
 * {"Error": name}. */
static struct result enter(struct cbor_reader *reader, const char *command)
{
    size_t count = 0;
    struct cbor_view name;
    TRY(cbor_read_map(reader, &count));
    ENSURE(count == 1, BAD_INPUT, "the security module's answer is not one value");
    TRY(cbor_read_text(reader, &name));
    if (cbor_view_is(name, "Error")) {
        struct cbor_view error;
        TRY(cbor_read_text(reader, &error));
        TRY(cbor_read_end(reader));
        return error_named(error);
    }
    ENSURE(cbor_view_is(name, command), BAD_INPUT, "the security module answers something else");
    return OK;
}

/* A member of an answer: read() puts it into the place that is meant for it. */
struct field {
    const char *name;
    struct result (*read)(struct cbor_reader *reader, void *out);
    void *out;
};

enum { FIELDS_MAX = 8 };

static struct result read_field(struct cbor_reader *reader, const struct field *fields,
                                size_t field_count, unsigned *seen)
{
    struct cbor_view name;
    TRY(cbor_read_text(reader, &name));
    for (size_t i = 0; i < field_count; i++) {
        if (!cbor_view_is(name, fields[i].name)) {
            continue;
        }
        ENSURE((*seen & 1U << i) == 0, BAD_INPUT, "the security module says something twice");
        *seen |= 1U << i;
        return fields[i].read(reader, fields[i].out);
    }
    return cbor_skip(reader);
}

/* Reads a whole answer: {"<command>": {…}} with all of the fields. */
static struct result read_answer(const struct nsm_response *response, const char *command,
                                 const struct field *fields, size_t field_count)
{
    assert(field_count <= FIELDS_MAX);
    struct cbor_reader reader = cbor_reader_on(response->bytes, response->size);
    size_t count = 0;
    unsigned seen = 0;
    TRY(enter(&reader, command));
    TRY(cbor_read_map(&reader, &count));
    for (size_t i = 0; i < count; i++) {
        TRY(read_field(&reader, fields, field_count, &seen));
    }
    ENSURE(seen == (1U << field_count) - 1, BAD_INPUT,
           "the security module leaves out what it was asked for");
    return cbor_read_end(&reader);
}

static struct result read_uint16(struct cbor_reader *reader, void *out)
{
    uint64_t value = 0;
    TRY(cbor_read_unsigned(reader, &value));
    ENSURE(value <= UINT16_MAX, BAD_INPUT, "a number of the security module is over 65535");
    *(uint16_t *)out = (uint16_t)value;
    return OK;
}

static struct result read_flag(struct cbor_reader *reader, void *out)
{
    return cbor_read_boolean(reader, out);
}

static struct result read_view(struct cbor_reader *reader, void *out)
{
    return cbor_read_bytes(reader, out);
}

static struct result read_pcr(struct cbor_reader *reader, void *out)
{
    struct cbor_view view;
    struct pcr *pcr = out;
    TRY(cbor_read_bytes(reader, &view));
    ENSURE(view.size == PCR_SIZE, BAD_INPUT, "a register of the security module has not 48 bytes");
    memcpy(pcr->bytes, view.bytes, PCR_SIZE);
    return OK;
}

static struct result read_module_id(struct cbor_reader *reader, void *out)
{
    struct cbor_view view;
    char *text = out;
    TRY(cbor_read_text(reader, &view));
    ENSURE(view.size > 0 && view.size <= DOCUMENT_MODULE_ID_MAX, BAD_INPUT,
           "the security module's name is empty or too long");
    for (size_t i = 0; i < view.size; i++) {
        ENSURE(view.bytes[i] > ' ' && view.bytes[i] < 0x7f, BAD_INPUT,
               "the security module's name is not printable");
        text[i] = (char)view.bytes[i];
    }
    text[view.size] = '\0';
    return OK;
}

static struct result read_digest(struct cbor_reader *reader, void *out)
{
    (void)out;
    struct cbor_view view;
    TRY(cbor_read_text(reader, &view));
    ENSURE(cbor_view_is(view, "SHA384"), BAD_INPUT,
           "the security module's registers are not SHA-384's");
    return OK;
}

/* Registers that a later module may have beyond PCR_COUNT are passed over. */
static struct result read_locked(struct cbor_reader *reader, void *out)
{
    size_t count = 0;
    uint32_t locked = 0;
    TRY(cbor_read_array(reader, &count));
    for (size_t i = 0; i < count; i++) {
        uint16_t index = 0;
        TRY(read_uint16(reader, &index));
        locked |= index < PCR_COUNT ? 1U << index : 0;
    }
    *(uint32_t *)out = locked;
    return OK;
}

/* --------------------------------------------------------------------------------- the requests */

/* Sends what was written; an answer from before is not there any more. */
static struct result ask(const struct nsm *nsm, const struct buf *request,
                         struct nsm_response *response)
{
    TRY(buf_check(request));
    response->size = 0;
    return nsm->exchange(nsm, (struct cbor_view){ (const uint8_t *)request->data, request->size },
                         response);
}

/* {"<command>": {…}} with `count` members, which the caller writes. */
static void write_command(struct buf *request, const char *command, size_t count)
{
    cbor_write_map(request, 1);
    cbor_write_text(request, command);
    cbor_write_map(request, count);
}

static void write_index(struct buf *request, unsigned index)
{
    cbor_write_text(request, "index");
    cbor_write_unsigned(request, index);
}

RESULT nsm_describe(const struct nsm *nsm, struct nsm_description *out)
{
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    struct nsm_response response;
    struct nsm_description found = { .pcr_count = 0 };
    uint16_t count = 0;
    cbor_write_text(&request, "DescribeNSM");
    TRY(ask(nsm, &request, &response));
    const struct field fields[] = {
        { "version_major", read_uint16, &found.version[0] },
        { "version_minor", read_uint16, &found.version[1] },
        { "version_patch", read_uint16, &found.version[2] },
        { "module_id", read_module_id, found.module_id },
        { "max_pcrs", read_uint16, &count },
        { "locked_pcrs", read_locked, &found.locked },
        { "digest", read_digest, NULL },
    };
    TRY(read_answer(&response, "DescribeNSM", fields, sizeof(fields) / sizeof(fields[0])));
    ENSURE(count >= PCR_COUNT, BAD_INPUT, "the security module has fewer registers than 32");
    found.pcr_count = count;
    *out = found;
    return OK;
}

static void response_wipe(struct nsm_response *response)
{
    secret_wipe(response->bytes, sizeof(response->bytes));
}

/* One answer's worth: at least one byte, at most `size`. */
static struct result random_once(const struct nsm *nsm, uint8_t *out, size_t size, size_t *got_out)
{
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    CLEANUP(response_wipe) struct nsm_response response;
    struct cbor_view random = { .size = 0 };
    cbor_write_text(&request, "GetRandom");
    TRY(ask(nsm, &request, &response));
    const struct field fields[] = { { "random", read_view, &random } };
    TRY(read_answer(&response, "GetRandom", fields, 1));
    ENSURE(random.size > 0 && random.size <= NSM_RANDOM_MAX, BAD_INPUT,
           "the security module gives no random numbers, or too many");
    *got_out = random.size < size ? random.size : size;
    memcpy(out, random.bytes, *got_out);
    return OK;
}

RESULT nsm_random(const struct nsm *nsm, void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t got = 0;
        TRY(random_once(nsm, (uint8_t *)out + done, size - done, &got));
        done += got;
    }
    return OK;
}

RESULT nsm_describe_pcr(const struct nsm *nsm, unsigned index, struct pcr *value_out,
                        bool *locked_out)
{
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    struct nsm_response response;
    struct pcr value = { { 0 } };
    bool locked = false;
    write_command(&request, "DescribePCR", 1);
    write_index(&request, index);
    TRY(ask(nsm, &request, &response));
    const struct field fields[] = { { "lock", read_flag, &locked }, { "data", read_pcr, &value } };
    TRY(read_answer(&response, "DescribePCR", fields, 2));
    *value_out = value;
    *locked_out = locked;
    return OK;
}

RESULT nsm_extend_pcr(const struct nsm *nsm, unsigned index, const void *data, size_t size,
                      struct pcr *value_out)
{
    ENSURE(size <= NSM_EXTEND_MAX, LIMIT, "too much for one extension of a register");
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    struct nsm_response response;
    struct pcr value = { { 0 } };
    write_command(&request, "ExtendPCR", 2);
    write_index(&request, index);
    cbor_write_text(&request, "data");
    cbor_write_bytes(&request, data, size);
    TRY(ask(nsm, &request, &response));
    const struct field fields[] = { { "data", read_pcr, &value } };
    TRY(read_answer(&response, "ExtendPCR", fields, 1));
    *value_out = value;
    return OK;
}

RESULT nsm_lock_pcr(const struct nsm *nsm, unsigned index)
{
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    struct nsm_response response;
    enum cbor_kind kind;
    write_command(&request, "LockPCR", 1);
    write_index(&request, index);
    TRY(ask(nsm, &request, &response));
    struct cbor_reader reader = cbor_reader_on(response.bytes, response.size);
    TRY(cbor_peek(&reader, &kind));
    if (kind == CBOR_KIND_MAP) {
        return enter(&reader, "Error"); /* fails, whatever the map holds */
    }
    struct cbor_view name;
    TRY(cbor_read_text(&reader, &name));
    ENSURE(cbor_view_is(name, "LockPCR"), BAD_INPUT, "the security module answers something else");
    return cbor_read_end(&reader);
}

static void write_claim(struct buf *request, const char *name, struct cbor_view claim)
{
    cbor_write_text(request, name);
    if (claim.bytes == NULL) {
        cbor_write_null(request);
    } else {
        cbor_write_bytes(request, claim.bytes, claim.size);
    }
}

static struct result check_claims(const struct attestation_claims *claims)
{
    ENSURE(claims->user_data.size <= DOCUMENT_USER_DATA_MAX, LIMIT,
           "too much user data for an attestation document");
    ENSURE(claims->nonce.size <= DOCUMENT_NONCE_MAX, LIMIT,
           "the nonce is too long for an attestation document");
    ENSURE(claims->public_key.size <= DOCUMENT_PUBLIC_KEY_MAX, LIMIT,
           "the public key is too long for an attestation document");
    ENSURE(claims->public_key.bytes == NULL || claims->public_key.size > 0, BAD_INPUT,
           "a public key in an attestation document must not be empty");
    return OK;
}

RESULT nsm_attest(const struct nsm *nsm, const struct attestation_claims *claims, struct buf *out)
{
    TRY(check_claims(claims));
    BUF request = BUF_INIT(NSM_REQUEST_MAX);
    struct nsm_response response;
    struct cbor_view document = { .size = 0 };
    write_command(&request, "Attestation", 3);
    write_claim(&request, "user_data", claims->user_data);
    write_claim(&request, "nonce", claims->nonce);
    write_claim(&request, "public_key", claims->public_key);
    TRY(ask(nsm, &request, &response));
    const struct field fields[] = { { "document", read_view, &document } };
    TRY(read_answer(&response, "Attestation", fields, 1));
    ENSURE(document.size > 0, BAD_INPUT, "the security module's document is empty");
    buf_append(out, document.bytes, document.size);
    return buf_check(out);
}

static struct result attest(void *context, const struct attestation_claims *claims, struct buf *out)
{
    return nsm_attest(context, claims, out);
}

struct attestor nsm_attestor(struct nsm *nsm)
{
    return (struct attestor){ .attest = attest, .context = nsm };
}
