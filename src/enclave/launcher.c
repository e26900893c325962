#include "enclave/launcher.h"

#include "base/cleanup.h"
#include "enclave/ne_error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/nitro_enclaves.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const uint64_t memory_max = (uint64_t)1
                                   << 46; /* no machine has as much; sums cannot overflow */

/* One attempt at a launch. */
struct launch {
    const struct ne_system *system;
    const struct launch_order *order;
    struct launched made;
    struct detail *detail;
};

static void abandon(struct launch *launch)
{
    launcher_stop(launch->system, &launch->made);
}

static uint64_t round_up(uint64_t size, uint64_t page)
{
    return (size + page - 1) / page * page;
}

static uint64_t mebibytes(uint64_t size)
{
    return size >> 20;
}

RESULT launcher_check_memory(uint64_t memory, uint64_t image_size, struct detail *detail)
{
    uint64_t least = round_up(image_size * LAUNCHER_IMAGE_FACTOR, LAUNCHER_PAGE_SMALL);
    detail_set(detail, "%" PRIu64 " MiB of memory", mebibytes(memory));
    ENSURE(memory >= LAUNCHER_MEMORY_MIN, BAD_INPUT, "an enclave needs at least 64 MiB");
    ENSURE(memory <= memory_max, BAD_INPUT, "more than any machine has");
    detail_set(detail, "%" PRIu64 " MiB of memory, the image needs %" PRIu64 " MiB",
               mebibytes(memory), mebibytes(least));
    ENSURE(image_size <= memory_max / LAUNCHER_IMAGE_FACTOR && memory >= least, BAD_INPUT,
           "an enclave needs four times its image's size; ask for more with --memory");
    return OK;
}

static struct result check_order(const struct launch_order *order, struct detail *detail)
{
    TRY(launcher_check_memory(order->memory, order->image_size, detail));
    detail_set(detail, "%zu CPUs", order->cpu_count);
    ENSURE(order->cpu_count >= 1, BAD_INPUT, "an enclave needs a CPU");
    ENSURE(order->cpu_count <= LAUNCHER_CPUS_MAX, BAD_INPUT, "more than an enclave can have");
    for (size_t i = 0; order->cpus != NULL && i < order->cpu_count; i++) {
        detail_set(detail, "CPU %" PRIu32, order->cpus[i]);
        ENSURE(order->cpus[i] != 0, BAD_INPUT, "the first core stays with the parent instance");
    }
    detail_set(detail, "CID %" PRIu64, order->cid);
    ENSURE(order->cid == 0 || (order->cid >= LAUNCHER_CID_MIN && order->cid < UINT32_MAX),
           BAD_INPUT, "an enclave's CID is from 4 to 4294967294");
    return OK;
}

/* Names the call and the reason's number; the sentence comes from the table. */
static struct result refused(const struct launch *launch, const char *call)
{
    int error = errno;
    const char *own = error >= NE_ERR_VCPU_ALREADY_USED ? "" : strerror(error);
    detail_set(launch->detail, "%s (%s%serror %d)", call, own, own[0] == '\0' ? "" : ", ", error);
    return ne_error(error);
}

static struct result create(struct launch *launch)
{
    const struct ne_system *system = launch->system;
    uint64_t slot = 0;
    int device = system->open_device(system->context);
    if (device < 0) {
        return refused(launch, "/dev/nitro_enclaves");
    }
    launch->made.fd = system->call(system->context, device, NE_CREATE_VM, &slot);
    struct result created = launch->made.fd < 0 ? refused(launch, "creating the enclave") : OK;
    system->close(system->context, device);
    return created;
}

static struct result find_image_offset(const struct launch *launch, uint64_t *out)
{
    const struct ne_system *system = launch->system;
    struct ne_image_load_info info = { .flags = NE_EIF_IMAGE };
    if (system->call(system->context, launch->made.fd, NE_GET_IMAGE_LOAD_INFO, &info) < 0) {
        return refused(launch, "asking where the image goes");
    }
    detail_set(launch->detail, "the image's place");
    ENSURE(info.memory_offset <= launch->order->memory &&
               launch->order->image_size <= launch->order->memory - info.memory_offset,
           LIMIT, "the memory is too small for the image; ask for more with --memory");
    *out = info.memory_offset;
    return OK;
}

/* Adds a mapping of `size` bytes; none for 0. */
static bool map_piece(struct launch *launch, uint64_t size, uint64_t page)
{
    const struct ne_system *system = launch->system;
    struct launched *made = &launch->made;
    if (size == 0) {
        return true;
    }
    void *memory = system->map(system->context, size, page, launch->order->numa_node);
    if (memory == NULL) {
        return false;
    }
    made->pieces[made->piece_count++] = (struct launcher_piece){ .memory = memory, .size = size };
    made->memory += size;
    return true;
}

static void unmap_pieces(const struct ne_system *system, struct launched *made)
{
    while (made->piece_count > 0) {
        const struct launcher_piece *piece = &made->pieces[--made->piece_count];
        system->unmap(system->context, piece->memory, piece->size);
    }
    made->memory = 0;
}

/* Large pages give the fewest pieces; then what the pool has. */
static struct result map_memory(struct launch *launch)
{
    uint64_t wanted = round_up(launch->order->memory, LAUNCHER_PAGE_SMALL);
    uint64_t large = wanted / LAUNCHER_PAGE_LARGE * LAUNCHER_PAGE_LARGE;
    const struct {
        uint64_t large;
        uint64_t small;
    } ways[] = {
        { large, wanted - large },
        { 0, wanted },
        { round_up(wanted, LAUNCHER_PAGE_LARGE), 0 },
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (map_piece(launch, ways[i].large, LAUNCHER_PAGE_LARGE) &&
            map_piece(launch, ways[i].small, LAUNCHER_PAGE_SMALL)) {
            return OK;
        }
        unmap_pieces(launch->system, &launch->made);
    }
    detail_set(launch->detail, "%" PRIu64 " MiB of huge pages%s", mebibytes(wanted),
               launch->order->numa_node < 0 ? "" : " on the NUMA node of the enclaves' CPUs");
    return FAIL(LIMIT, "the pool has too few free: reserve more (vm.nr_hugepages counts pages of 2 "
                       "MiB, or set memory_mib of the allocator), or ask for less with --memory");
}

static struct result read_exactly(int fd, uint8_t *to, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, to, size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        ENSURE(got >= 0, UNAVAILABLE, "cannot be read");
        ENSURE(got > 0, UNAVAILABLE, "is shorter than it was: it was changed meanwhile");
        to += got;
        size -= (size_t)got;
    }
    return OK;
}

/* The enclave sees the pieces one behind the other. */
static struct result write_image(struct launch *launch, uint64_t offset)
{
    uint64_t left = launch->order->image_size;
    detail_set(launch->detail, "the image");
    ENSURE(lseek(launch->order->image, 0, SEEK_SET) == 0, BAD_INPUT, "not a regular file");
    for (size_t i = 0; i < launch->made.piece_count && left > 0; i++) {
        const struct launcher_piece *piece = &launch->made.pieces[i];
        if (offset >= piece->size) {
            offset -= piece->size;
            continue;
        }
        size_t room = piece->size - offset;
        size_t part = left < room ? left : room;
        TRY(read_exactly(launch->order->image, (uint8_t *)piece->memory + offset, part));
        left -= part;
        offset = 0;
    }
    assert(left == 0);
    return OK;
}

static struct result give_memory(struct launch *launch)
{
    const struct ne_system *system = launch->system;
    for (size_t i = 0; i < launch->made.piece_count; i++) {
        struct ne_user_memory_region region = {
            .flags = NE_DEFAULT_MEMORY_REGION,
            .memory_size = launch->made.pieces[i].size,
            .userspace_addr = (uintptr_t)launch->made.pieces[i].memory,
        };
        if (system->call(system->context, launch->made.fd, NE_SET_USER_MEMORY_REGION, &region) <
            0) {
            return refused(launch, "giving the enclave memory");
        }
    }
    return OK;
}

static struct result give_cpus(struct launch *launch)
{
    const struct ne_system *system = launch->system;
    for (size_t i = 0; i < launch->order->cpu_count; i++) {
        uint32_t cpu = launch->order->cpus == NULL ? 0 : launch->order->cpus[i];
        if (system->call(system->context, launch->made.fd, NE_ADD_VCPU, &cpu) < 0) {
            struct result result = refused(launch, "giving the enclave a CPU");
            if (launch->order->cpus != NULL) {
                detail_prefix(launch->detail, "CPU %" PRIu32 ": ", launch->order->cpus[i]);
            }
            return result;
        }
        launch->made.cpus[launch->made.cpu_count++] = cpu;
    }
    return OK;
}

static struct result start(struct launch *launch)
{
    const struct ne_system *system = launch->system;
    struct ne_enclave_start_info info = {
        .flags = launch->order->debug ? NE_ENCLAVE_DEBUG_MODE : NE_ENCLAVE_PRODUCTION_MODE,
        .enclave_cid = launch->order->cid,
    };
    if (system->call(system->context, launch->made.fd, NE_START_ENCLAVE, &info) < 0) {
        return refused(launch, "starting the enclave");
    }
    launch->made.cid = info.enclave_cid;
    return OK;
}

RESULT launcher_start(const struct ne_system *system, const struct launch_order *order,
                      struct launched *out, struct detail *detail)
{
    CLEANUP(abandon)
    struct launch launch = { system, order, LAUNCHED_NONE, detail };
    uint64_t offset = 0;
    TRY(check_order(order, detail));
    TRY(create(&launch));
    TRY(find_image_offset(&launch, &offset));
    TRY(map_memory(&launch));
    TRY(write_image(&launch, offset)); /* before the driver has the pages: a later write would go to
                                          a copy */
    TRY(give_memory(&launch));
    TRY(give_cpus(&launch));
    TRY(start(&launch));
    *out = launch.made;
    launch.made = LAUNCHED_NONE;
    return OK;
}

void launcher_stop(const struct ne_system *system, struct launched *launched)
{
    if (launched->fd >= 0) {
        system->close(system->context, launched->fd); /* returns when the enclave ended */
    }
    unmap_pieces(system, launched); /* not before: until then its pages are the enclave's */
    *launched = LAUNCHED_NONE;
}
