#include "enclave/launcher.h"

#include "base/usage.h"
#include "harness.h"
#include "ne_standin.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20, IMAGE_SIZE = 3 * MIB + 17 };

/* A launch on a stand-in, of an image whose byte i is i % 251. */
struct bench {
    struct standin standin;
    struct launch_order order;
    struct launched launched;
    struct detail detail;
};

static void bench_done(struct bench *bench)
{
    standin_done(&bench->standin);
    close(bench->order.image);
}

static int image_of(size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(free_ptr) char *bytes = calloc(1, size + 1);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i % 251);
    }
    return write(fd, bytes, size) == (ssize_t)size ? fd : -1;
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){ .launched = LAUNCHED_NONE };
    standin_init(&bench->standin);
    bench->order = (struct launch_order){
        .image = image_of(IMAGE_SIZE),
        .image_size = IMAGE_SIZE,
        .memory = 64 * MIB,
        .cpu_count = 2,
        .numa_node = -1,
    };
}

#define BENCH(name)                        \
    CLEANUP(bench_done) struct bench name; \
    bench_init(&(name))

static struct result start(struct bench *bench)
{
    return launcher_start(&bench->standin.system, &bench->order, &bench->launched, &bench->detail);
}

static void stop(struct bench *bench)
{
    launcher_stop(&bench->standin.system, &bench->launched);
}

static bool holds_image(const struct standin *standin, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (standin_byte(standin, 8 * MIB + i) != (char)(i % 251)) {
            return false;
        }
    }
    return true;
}

/* The launch fails, and leaves nothing. */
#define CHECK_REFUSED(st, bench, text)                                     \
    do {                                                                   \
        CHECK_FAILS(st, start(&(bench)));                                  \
        CHECK(standin_is_clean(&(bench).standin));                         \
        CHECK((bench).launched.fd == -1);                                  \
        char line[1024];                                                   \
        detail_line(&(bench).detail, start(&(bench)), line, sizeof(line)); \
        if (strstr(line, text) == NULL) {                                  \
            printf("# said: %s\n", line);                                  \
        }                                                                  \
        CHECK(strstr(line, text) != NULL);                                 \
    } while (0)

/* ----------------------------------------------------------------------------------- what goes
 * well */

TEST(an_enclave_is_started_in_the_drivers_order_and_ends_with_its_descriptor)
{
    BENCH(bench);
    CHECK_OK(start(&bench));
    CHECK_TEXT(bench.standin.steps, "ocxlmvvs");
    CHECK(bench.standin.running && bench.standin.flags == NE_ENCLAVE_PRODUCTION_MODE);
    CHECK(bench.launched.cid == 16 && bench.launched.memory == 64 * MIB);
    CHECK(bench.launched.cpu_count == 2 && bench.launched.cpus[0] == 2 &&
          bench.launched.cpus[1] == 3);
    CHECK(holds_image(&bench.standin, IMAGE_SIZE));
    CHECK(standin_byte(&bench.standin, 8 * MIB - 1) == 0);
    CHECK(standin_byte(&bench.standin, 8 * MIB + IMAGE_SIZE) == 0);
    stop(&bench);
    CHECK_TEXT(bench.standin.steps, "ocxlmvvsXu");
    CHECK(standin_is_clean(&bench.standin));
}

TEST(stopping_twice_or_what_never_started_does_nothing)
{
    BENCH(bench);
    stop(&bench);
    CHECK_TEXT(bench.standin.steps, "");
    CHECK_OK(start(&bench));
    stop(&bench);
    stop(&bench);
    CHECK(standin_is_clean(&bench.standin));
}

TEST(given_cpus_and_cid_and_debug_mode_reach_the_driver)
{
    BENCH(bench);
    const uint32_t cpus[] = { 11, 10, 4, 5 };
    bench.order.cpus = cpus;
    bench.order.cpu_count = 4;
    bench.order.cid = 4;
    bench.order.debug = true;
    CHECK_OK(start(&bench));
    CHECK(bench.standin.flags == NE_ENCLAVE_DEBUG_MODE && bench.standin.cid == 4);
    CHECK(bench.launched.cid == 4 && bench.launched.cpus[0] == 11 && bench.launched.cpus[3] == 5);
    CHECK(!bench.standin.cpus[2] && bench.standin.cpus[10]);
    stop(&bench);
    CHECK(standin_is_clean(&bench.standin));
}

TEST(memory_is_rounded_up_to_whole_pages)
{
    BENCH(bench);
    bench.order.memory = 64 * MIB + 1;
    CHECK_OK(start(&bench));
    CHECK(bench.launched.memory == 66 * MIB && bench.standin.given_memory == 66 * MIB);
    stop(&bench);
}

TEST(large_pages_come_first_and_small_ones_fill_up)
{
    BENCH(bench);
    bench.standin.large_pages = 2;
    bench.order.memory = (uint64_t)2 * 1024 * MIB + 64 * MIB;
    CHECK_OK(start(&bench));
    CHECK(bench.standin.piece_count == 2 && bench.standin.large_pages == 0);
    CHECK(bench.standin.small_pages == 512 - 32);
    CHECK(holds_image(&bench.standin, IMAGE_SIZE));
    stop(&bench);
    CHECK(standin_is_clean(&bench.standin) && bench.standin.large_pages == 2);
}

TEST(without_large_pages_all_are_small)
{
    BENCH(bench);
    bench.order.memory = (uint64_t)1024 * MIB;
    CHECK_OK(start(&bench));
    CHECK(bench.standin.piece_count == 1 && bench.standin.small_pages == 0);
    stop(&bench);
}

TEST(without_small_pages_one_large_page_does)
{
    BENCH(bench);
    bench.standin.small_pages = 0;
    bench.standin.large_pages = 1;
    CHECK_OK(start(&bench));
    CHECK(bench.launched.memory == (uint64_t)1024 * MIB);
    CHECK(holds_image(&bench.standin, IMAGE_SIZE));
    stop(&bench);
}

TEST(an_image_of_a_quarter_of_the_memory_still_fits_and_one_byte_more_does_not)
{
    struct detail detail;
    CHECK_OK(launcher_check_memory(64 * MIB, 16 * MIB, &detail));
    CHECK_FAILS(BAD_INPUT, launcher_check_memory(64 * MIB, 16 * MIB + 1, &detail));
    CHECK_TEXT(detail.text, "64 MiB of memory, the image needs 66 MiB");
    CHECK_FAILS(BAD_INPUT, launcher_check_memory(64 * MIB - 1, 1, &detail));
    CHECK_FAILS(BAD_INPUT, launcher_check_memory(UINT64_MAX, 1, &detail));
    CHECK_FAILS(BAD_INPUT, launcher_check_memory(64 * MIB, UINT64_MAX, &detail));
    CHECK_FAILS(BAD_INPUT, launcher_check_memory(64 * MIB, UINT64_MAX / 4 + 1, &detail));
}

/* -------------------------------------------------------------------------------- what is refused
 */

TEST(wrong_orders_are_refused_before_the_driver_is_asked)
{
    const uint32_t with_zero[] = { 0, 1 };
    const struct {
        struct launch_order order;
        const char *text;
    } wrong[] = {
        { { .memory = 63 * MIB, .cpu_count = 2 }, "64 MiB" },
        { { .memory = 64 * MIB, .cpu_count = 0 }, "needs a CPU" },
        { { .memory = 64 * MIB, .cpu_count = 129 }, "more than an enclave can have" },
        { { .memory = 64 * MIB, .cpu_count = 2, .cpus = with_zero }, "first core" },
        { { .memory = 64 * MIB, .cpu_count = 2, .cid = 1 }, "from 4" },
        { { .memory = 64 * MIB, .cpu_count = 2, .cid = 3 }, "from 4" },
        { { .memory = 64 * MIB, .cpu_count = 2, .cid = UINT32_MAX }, "from 4" },
        { { .memory = 64 * MIB, .cpu_count = 2, .cid = (uint64_t)UINT32_MAX + 5 }, "from 4" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        BENCH(bench);
        int image = bench.order.image;
        bench.order = wrong[i].order;
        bench.order.image = image;
        bench.order.image_size = IMAGE_SIZE;
        CHECK_REFUSED(BAD_INPUT, bench, wrong[i].text);
        CHECK_TEXT(bench.standin.steps, "");
    }
}

TEST(each_call_that_fails_is_named_and_leaves_nothing)
{
    const struct {
        unsigned long request;
        int at;
        int error;
        enum status status;
        const char *text;
    } failures[] = {
        { NE_CREATE_VM, 1, NE_ERR_NO_CPUS_AVAIL_IN_POOL, STATUS_LIMIT, "creating the enclave" },
        { NE_CREATE_VM, 1, ENOMEM, STATUS_LIMIT, "creating the enclave" },
        { NE_GET_IMAGE_LOAD_INFO, 1, NE_ERR_INVALID_FLAG_VALUE, STATUS_UNAVAILABLE,
          "the image goes" },
        { NE_SET_USER_MEMORY_REGION, 1, NE_ERR_MEM_MAX_REGIONS, STATUS_LIMIT,
          "giving the enclave memory" },
        { NE_SET_USER_MEMORY_REGION, 1, NE_ERR_MEM_DIFFERENT_NUMA_NODE, STATUS_LIMIT, "memory" },
        { NE_SET_USER_MEMORY_REGION, 2, EINVAL, STATUS_UNAVAILABLE, "memory" },
        { NE_ADD_VCPU, 1, EIO, STATUS_UNAVAILABLE, "giving the enclave a CPU" },
        { NE_ADD_VCPU, 2, NE_ERR_VCPU_INVALID_CPU_CORE, STATUS_LIMIT, "giving the enclave a CPU" },
        { NE_START_ENCLAVE, 1, NE_ERR_FULL_CORES_NOT_USED, STATUS_BAD_INPUT,
          "starting the enclave" },
        { NE_START_ENCLAVE, 1, 9999, STATUS_UNAVAILABLE, "error 9999" },
    };
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        BENCH(bench);
        bench.standin.large_pages = 1; /* two pieces of memory */
        bench.order.memory = (uint64_t)1024 * MIB + 64 * MIB;
        bench.standin.fail_request = failures[i].request;
        bench.standin.fail_at = failures[i].at;
        bench.standin.fail_error = failures[i].error;
        uint64_t files = usage_open_files();
        struct result result = start(&bench);
        CHECK(result.status == failures[i].status);
        CHECK(strstr(bench.detail.text, failures[i].text) != NULL);
        CHECK(bench.launched.fd == -1 && standin_is_clean(&bench.standin));
        CHECK(bench.standin.small_pages == 512 && bench.standin.large_pages == 1);
        standin_die(&bench.standin); /* the stand-in's own end of what it made */
        CHECK(usage_open_files() == files);
    }
}

TEST(a_missing_device_is_said_with_its_remedy)
{
    BENCH(bench);
    bench.standin.fail_open = true;
    CHECK_REFUSED(UNAVAILABLE, bench, "/dev/nitro_enclaves (No such file or directory, error 2)");
}

TEST(a_pool_without_enough_memory_is_said_with_its_remedy)
{
    BENCH(bench);
    bench.standin.small_pages = 31;
    CHECK_REFUSED(LIMIT, bench, "64 MiB of huge pages: the pool has too few free: reserve more");
    CHECK_TEXT(bench.standin.steps, "ocxlXocxlX");
}

TEST(memory_of_another_node_is_refused_as_the_driver_does)
{
    BENCH(bench);
    bench.order.numa_node = 1;
    CHECK_REFUSED(LIMIT, bench, "--numa-node");
}

TEST(half_a_core_cannot_be_started)
{
    BENCH(bench);
    bench.order.cpu_count = 3;
    CHECK_REFUSED(BAD_INPUT, bench, "whole cores");
}

TEST(cpus_that_are_wrong_are_named)
{
    const struct {
        uint32_t cpus[2];
        const char *text;
    } wrong[] = {
        { { 2, 2 }, "CPU 2: giving the enclave a CPU" },
        { { 6, 7 }, "CPU 6: giving the enclave a CPU" },
        { { 16, 17 }, "no CPU of that number" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        BENCH(bench);
        bench.order.cpus = wrong[i].cpus;
        struct result result = start(&bench);
        char line[1024];
        CHECK(!is_ok(result));
        detail_line(&bench.detail, result, line, sizeof(line));
        CHECK(strstr(line, wrong[i].text) != NULL);
        CHECK(standin_is_clean(&bench.standin));
    }
}

TEST(an_image_that_shrank_is_refused)
{
    BENCH(bench);
    CHECK(ftruncate(bench.order.image, IMAGE_SIZE - 1) == 0);
    CHECK_REFUSED(UNAVAILABLE, bench, "shorter than it was");
}

TEST(an_image_that_cannot_be_read_is_refused)
{
    BENCH(bench);
    int ends[2];
    CHECK(pipe(ends) == 0);
    close(bench.order.image);
    close(ends[1]);
    bench.order.image = ends[0];
    CHECK_REFUSED(BAD_INPUT, bench, "not a regular file");
}

HARNESS_TESTS(T(an_enclave_is_started_in_the_drivers_order_and_ends_with_its_descriptor),
              T(stopping_twice_or_what_never_started_does_nothing),
              T(given_cpus_and_cid_and_debug_mode_reach_the_driver),
              T(memory_is_rounded_up_to_whole_pages),
              T(large_pages_come_first_and_small_ones_fill_up),
              T(without_large_pages_all_are_small), T(without_small_pages_one_large_page_does),
              T(an_image_of_a_quarter_of_the_memory_still_fits_and_one_byte_more_does_not),
              T(wrong_orders_are_refused_before_the_driver_is_asked),
              T(each_call_that_fails_is_named_and_leaves_nothing),
              T(a_missing_device_is_said_with_its_remedy),
              T(a_pool_without_enough_memory_is_said_with_its_remedy),
              T(memory_of_another_node_is_refused_as_the_driver_does),
              T(half_a_core_cannot_be_started), T(cpus_that_are_wrong_are_named),
              T(an_image_that_shrank_is_refused), T(an_image_that_cannot_be_read_is_refused))
