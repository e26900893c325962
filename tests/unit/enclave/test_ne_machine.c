#include "enclave/ne_machine.h"

#include "harness.h"
#include "ne_standin.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20, IMAGE_SIZE = 4096 };

struct bench {
    struct standin standin;
    struct launch_order order;
    struct ne_machine context;
    struct enclave_machine machine;
    struct enclave_record record;
    struct watch watch;
    struct detail detail;
};

static void bench_done(struct bench *bench)
{
    standin_done(&bench->standin);
    close(bench->order.image);
}

static void bench_init(struct bench *bench, bool heartbeat)
{
    *bench = (struct bench){ .watch = WATCH_NONE };
    standin_init(&bench->standin);
    bench->order = (struct launch_order){
        .image = memfd_create("image", MFD_CLOEXEC),
        .image_size = IMAGE_SIZE,
        .memory = 64 * MIB,
        .cpu_count = 2,
        .cid = 20,
        .numa_node = -1,
    };
    (void)!ftruncate(bench->order.image, IMAGE_SIZE);
    bench->context = NE_MACHINE(&bench->standin.system, &bench->order, heartbeat);
    bench->machine = ne_machine(&bench->context);
}

static struct result start(struct bench *bench)
{
    return bench->machine.start(bench->machine.context, &bench->record, &bench->watch,
                                &bench->detail);
}

TEST(it_listens_before_it_starts_and_tells_what_it_started)
{
    CLEANUP(bench_done) struct bench bench;
    bench_init(&bench, true);
    CHECK_OK(start(&bench));
    CHECK_TEXT(bench.standin.steps, "Locxlmvvs");
    CHECK(bench.record.cid == 20 && bench.record.memory == 64 * MIB && bench.record.cpu_count == 2);
    CHECK(bench.record.cpus[0] == 2 && bench.record.cpus[1] == 3);
    CHECK(bench.watch.lives[0] == bench.standin.enclave && bench.watch.lives[1] == -1);
    CHECK(bench.watch.listener == bench.standin.listener && bench.watch.cid == 20);
    bench.machine.stop(bench.machine.context);
    CHECK_TEXT(bench.standin.steps, "LocxlmvvsXuK");
    CHECK(standin_is_clean(&bench.standin));
}

TEST(where_another_answers_the_heartbeat_it_does_not_listen)
{
    CLEANUP(bench_done) struct bench bench;
    bench_init(&bench, false);
    bench.standin.listens_already = true;
    CHECK_OK(start(&bench));
    CHECK(bench.watch.listener == -1);
    bench.machine.stop(bench.machine.context);
    CHECK(standin_is_clean(&bench.standin));
}

TEST(a_port_that_is_taken_is_said_with_the_remedy_and_nothing_is_started)
{
    CLEANUP(bench_done) struct bench bench;
    bench_init(&bench, true);
    bench.standin.listens_already = true;
    struct result result = start(&bench);
    CHECK(result.status == STATUS_UNAVAILABLE && strstr(result.what, "--no-heartbeat") != NULL);
    bench.machine.stop(bench.machine.context);
    CHECK_TEXT(bench.standin.steps, "L");
    CHECK(standin_is_clean(&bench.standin));
}

TEST(a_failed_start_ends_with_stop_and_leaves_nothing)
{
    CLEANUP(bench_done) struct bench bench;
    bench_init(&bench, true);
    bench.standin.small_pages = 0;
    CHECK_FAILS(LIMIT, start(&bench));
    bench.machine.stop(bench.machine.context);
    bench.machine.stop(bench.machine.context);
    CHECK(standin_is_clean(&bench.standin));
}

HARNESS_TESTS(T(it_listens_before_it_starts_and_tells_what_it_started),
              T(where_another_answers_the_heartbeat_it_does_not_listen),
              T(a_port_that_is_taken_is_said_with_the_remedy_and_nothing_is_started),
              T(a_failed_start_ends_with_stop_and_leaves_nothing))
