#include "ne_standin.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SMALL = 2 << 20, OFFSET = 8 << 20, MEMORY_MIN = 64 << 20, THREADS = 2 };

static void step(struct standin *standin, char letter)
{
    size_t size = strlen(standin->steps);
    if (size + 1 < sizeof(standin->steps)) {
        standin->steps[size] = letter;
        standin->steps[size + 1] = '\0';
    }
}

static int refuse(int error)
{
    errno = error;
    return -1;
}

static void breaks(struct standin *standin, const char *rule)
{
    if (standin->broken == NULL) {
        standin->broken = rule;
    }
}

static int open_device(void *context)
{
    struct standin *standin = context;
    step(standin, 'o');
    if (standin->fail_open) {
        return refuse(ENOENT);
    }
    standin->device = dup(STDERR_FILENO);
    return standin->device;
}

/* ------------------------------------------------------------------------------------------ CPUs
 */

static bool core_is_free(const struct standin *standin, size_t core)
{
    return standin->pool[core * THREADS] && !standin->cpus[core * THREADS] &&
           !standin->cpus[core * THREADS + 1];
}

static int choose_cpu(const struct standin *standin)
{
    for (int cpu = 0; cpu < STANDIN_CPUS; cpu++) {
        if (!standin->cpus[cpu] && standin->cpus[cpu ^ 1]) {
            return cpu;
        }
    }
    for (size_t core = 0; core < STANDIN_CPUS / THREADS; core++) {
        if (core_is_free(standin, core)) {
            return (int)(core * THREADS);
        }
    }
    return refuse(NE_ERR_VCPU_INVALID_CPU_CORE);
}

static int check_cpu(const struct standin *standin, uint32_t cpu)
{
    if (standin->cpus[cpu]) {
        return refuse(NE_ERR_VCPU_ALREADY_USED);
    }
    return standin->pool[cpu] ? 0 : refuse(NE_ERR_VCPU_INVALID_CPU_CORE);
}

static int add_cpu(struct standin *standin, uint32_t *cpu)
{
    step(standin, 'v');
    if (standin->running) {
        return refuse(NE_ERR_NOT_IN_INIT_STATE);
    }
    if (*cpu >= STANDIN_CPUS) {
        return refuse(NE_ERR_INVALID_VCPU);
    }
    int chosen = *cpu == 0 ? choose_cpu(standin) : check_cpu(standin, *cpu);
    if (chosen < 0) {
        return -1;
    }
    *cpu = *cpu == 0 ? (uint32_t)chosen : *cpu;
    standin->cpus[*cpu] = true;
    standin->cpu_count++;
    return 0;
}

/* ---------------------------------------------------------------------------------------- memory
 */

static struct standin_piece *piece_of(struct standin *standin, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < standin->piece_count; i++) {
        struct standin_piece *piece = &standin->pieces[i];
        uint64_t start = (uintptr_t)piece->memory;
        if (piece->memory != NULL && address >= start && address + size <= start + piece->size) {
            return piece;
        }
    }
    return NULL;
}

char standin_byte(const struct standin *standin, uint64_t offset)
{
    for (size_t i = 0; i < standin->piece_count; i++) {
        const struct standin_piece *piece = &standin->pieces[i];
        if (offset < piece->size) {
            return piece->memory[offset];
        }
        offset -= piece->size;
    }
    return 0;
}

static void take_sample(const struct standin *standin, char out[static STANDIN_SAMPLE])
{
    for (uint64_t i = 0; i < STANDIN_SAMPLE; i++) {
        out[i] = standin_byte(standin, OFFSET + i);
    }
}

static int give_memory(struct standin *standin, const struct ne_user_memory_region *region)
{
    step(standin, 'm');
    struct standin_piece *piece = piece_of(standin, region->userspace_addr, region->memory_size);
    if (region->flags >= NE_MEMORY_REGION_MAX_FLAG_VAL) {
        return refuse(NE_ERR_INVALID_FLAG_VALUE);
    }
    if (standin->running) {
        return refuse(NE_ERR_NOT_IN_INIT_STATE);
    }
    if (region->memory_size == 0 || region->memory_size % SMALL != 0) {
        return refuse(NE_ERR_INVALID_MEM_REGION_SIZE);
    }
    if (region->userspace_addr % SMALL != 0) {
        return refuse(NE_ERR_UNALIGNED_MEM_REGION_ADDR);
    }
    if (piece == NULL) {
        return refuse(NE_ERR_MEM_NOT_HUGE_PAGE);
    }
    if (piece->given) {
        return refuse(NE_ERR_MEM_REGION_ALREADY_USED);
    }
    if (piece->node >= 0 && piece->node != standin->node) {
        return refuse(NE_ERR_MEM_DIFFERENT_NUMA_NODE);
    }
    if (standin->regions == standin->regions_max) {
        return refuse(NE_ERR_MEM_MAX_REGIONS);
    }
    if (!standin->asked) {
        breaks(standin, "memory was given before the image's place was asked for");
    }
    piece->given = true;
    standin->regions++;
    standin->given_memory += region->memory_size;
    take_sample(standin, standin->sample);
    return 0;
}

static void *map(void *context, size_t size, size_t page_size, int node)
{
    struct standin *standin = context;
    uint64_t *pages = page_size == SMALL ? &standin->small_pages : &standin->large_pages;
    if (size % page_size != 0 || standin->piece_count == STANDIN_PIECES_MAX) {
        breaks(standin, "memory that is not whole pages");
    }
    if (size / page_size > *pages) {
        errno = ENOMEM;
        return NULL;
    }
    char *area = mmap(NULL, size + SMALL, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    size_t before = (SMALL - (uintptr_t)area % SMALL) % SMALL;
    if (before > 0) {
        munmap(area, before);
    }
    if (before < SMALL) {
        munmap(area + before + size, SMALL - before);
    }
    *pages -= size / page_size;
    standin->pieces[standin->piece_count++] = (struct standin_piece){
        .memory = area + before, .size = size, .page_size = page_size, .node = node
    };
    return area + before;
}

static void unmap(void *context, void *memory, size_t size)
{
    struct standin *standin = context;
    struct standin_piece *piece = piece_of(standin, (uintptr_t)memory, size);
    step(standin, 'u');
    if (piece == NULL || piece->size != size || memory != piece->memory) {
        breaks(standin, "memory was unmapped that is not mapped so");
        return;
    }
    if (piece->given && standin->enclave >= 0) {
        breaks(standin, "memory of an enclave that is open was unmapped");
    }
    *(piece->page_size == SMALL ? &standin->small_pages : &standin->large_pages) +=
        size / piece->page_size;
    munmap(memory, size);
    memmove(piece, piece + 1,
            (size_t)(&standin->pieces[standin->piece_count] - (piece + 1)) * sizeof(*piece));
    standin->piece_count--;
}

/* ----------------------------------------------------------------------------------- the enclave
 */

static int create(struct standin *standin, uint64_t *slot)
{
    int ends[2];
    bool any = false;
    step(standin, 'c');
    for (size_t core = 0; core < STANDIN_CPUS / THREADS; core++) {
        any = any || core_is_free(standin, core);
    }
    if (!any) {
        return refuse(NE_ERR_NO_CPUS_AVAIL_IN_POOL);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return -1;
    }
    *slot = 1;
    standin->enclave = ends[0];
    standin->death = ends[1];
    return standin->enclave;
}

static int load_info(struct standin *standin, struct ne_image_load_info *info)
{
    step(standin, 'l');
    if (standin->running) {
        return refuse(NE_ERR_NOT_IN_INIT_STATE);
    }
    if (info->flags != NE_EIF_IMAGE) {
        return refuse(NE_ERR_INVALID_FLAG_VALUE);
    }
    info->memory_offset = OFFSET;
    standin->asked = true;
    return 0;
}

static int check_start(const struct standin *standin, const struct ne_enclave_start_info *info)
{
    if (info->flags >= NE_ENCLAVE_START_MAX_FLAG_VAL) {
        return NE_ERR_INVALID_FLAG_VALUE;
    }
    if ((info->enclave_cid > 0 && info->enclave_cid <= 3) || info->enclave_cid >= UINT32_MAX) {
        return NE_ERR_INVALID_ENCLAVE_CID;
    }
    if (standin->running) {
        return NE_ERR_NOT_IN_INIT_STATE;
    }
    if (standin->regions == 0) {
        return NE_ERR_NO_MEM_REGIONS_ADDED;
    }
    if (standin->given_memory < MEMORY_MIN) {
        return NE_ERR_ENCLAVE_MEM_MIN_SIZE;
    }
    if (standin->cpu_count == 0) {
        return NE_ERR_NO_VCPUS_ADDED;
    }
    for (size_t cpu = 0; cpu < STANDIN_CPUS; cpu++) {
        if (standin->cpus[cpu] != standin->cpus[cpu ^ 1]) {
            return NE_ERR_FULL_CORES_NOT_USED;
        }
    }
    return 0;
}

static int start(struct standin *standin, struct ne_enclave_start_info *info)
{
    char now[STANDIN_SAMPLE];
    int error = check_start(standin, info);
    step(standin, 's');
    if (error != 0) {
        return refuse(error);
    }
    take_sample(standin, now);
    if (memcmp(now, standin->sample, sizeof(now)) != 0) {
        breaks(standin, "the image was changed after its memory was given");
    }
    standin->running = true;
    standin->flags = info->flags;
    standin->cid = info->enclave_cid == 0 ? 16 : info->enclave_cid;
    info->enclave_cid = standin->cid;
    return 0;
}

static int call(void *context, int fd, unsigned long request, void *argument)
{
    struct standin *standin = context;
    if (request == standin->fail_request && --standin->fail_at == 0) {
        return refuse(standin->fail_error);
    }
    if (request == NE_CREATE_VM) {
        return fd == standin->device ? create(standin, argument) : refuse(ENOTTY);
    }
    if (fd != standin->enclave || fd < 0) {
        return refuse(ENOTTY);
    }
    switch (request) {
    case NE_GET_IMAGE_LOAD_INFO:
        return load_info(standin, argument);
    case NE_SET_USER_MEMORY_REGION:
        return give_memory(standin, argument);
    case NE_ADD_VCPU:
        return add_cpu(standin, argument);
    case NE_START_ENCLAVE:
        return start(standin, argument);
    default:
        return refuse(ENOTTY);
    }
}

/* What was the enclave's is the machine's again. */
static void end_enclave(struct standin *standin)
{
    memset(standin->cpus, 0, sizeof(standin->cpus));
    standin->cpu_count = 0;
    standin->regions = 0;
    standin->given_memory = 0;
    standin->asked = false;
    standin->running = false;
}

static void close_fd(void *context, int fd)
{
    struct standin *standin = context;
    int *all[] = { &standin->device, &standin->enclave, &standin->listener };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (*all[i] == fd && fd >= 0) {
            step(standin, "xXK"[i]);
            close(fd);
            *all[i] = -1;
            if (all[i] == &standin->enclave) {
                end_enclave(standin);
            }
            return;
        }
    }
    breaks(standin, "a descriptor was closed that is not open");
}

/* --------------------------------------------------------------------------------- the heartbeat
 */

static socklen_t address_of(const struct standin *standin, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    size_t size = strlen(standin->address);
    memcpy(out->sun_path + 1, standin->address, size);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

static int listen_on(void *context, uint32_t port)
{
    struct standin *standin = context;
    struct sockaddr_un address;
    socklen_t size = address_of(standin, &address);
    step(standin, 'L');
    if (port != 9000) {
        breaks(standin, "the heartbeat comes to port 9000");
    }
    if (standin->running) {
        breaks(standin, "the enclave runs before anybody listens");
    }
    if (standin->listens_already) {
        return refuse(EADDRINUSE);
    }
    standin->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(standin->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(standin->listener, 8) != 0) {
        breaks(standin, "the stand-in cannot listen");
    }
    return standin->listener;
}

static int accept_from(void *context, int listener, uint64_t *cid_out)
{
    struct standin *standin = context;
    *cid_out = standin->peer_cid == 0 ? standin->cid : standin->peer_cid;
    standin->peer_cid = 0; /* a stranger comes once */
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int standin_connect(const struct standin *standin)
{
    struct sockaddr_un address;
    socklen_t size = address_of(standin, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void standin_die(struct standin *standin)
{
    close(standin->death);
    standin->death = -1;
}

void standin_init(struct standin *standin)
{
    static unsigned made;
    *standin = (struct standin){
        .system = { open_device, call, close_fd, map, unmap, listen_on, accept_from, standin },
        .small_pages = 512,
        .regions_max = 8,
        .device = -1,
        .enclave = -1,
        .death = -1,
        .listener = -1,
    };
    for (size_t cpu = 2; cpu <= 5; cpu++) {
        standin->pool[cpu] = true;
    }
    standin->pool[10] = true;
    standin->pool[11] = true;
    snprintf(standin->address, sizeof(standin->address), "ne-standin-%d-%u", (int)getpid(), made++);
}

void standin_done(struct standin *standin)
{
    if (standin->death >= 0) {
        close(standin->death);
    }
}

bool standin_is_clean(const struct standin *standin)
{
    if (standin->broken != NULL) {
        printf("# broken: %s (steps %s)\n", standin->broken, standin->steps);
    }
    return standin->broken == NULL && standin->device < 0 && standin->enclave < 0 &&
           standin->listener < 0 && standin->piece_count == 0;
}
