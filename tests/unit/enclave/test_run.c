#include "enclave/run.h"

#include "base/usage.h"
#include "enclave/ne_machine.h"
#include "harness.h"
#include "ne_standin.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20, IMAGE_SIZE = 4096, PATIENCE_MS = 60 * 1000 };

/* What the enclave does once it runs, and what happens once it is ready. */
enum deed { NOTHING, BEAT, WRONG_BEAT, CLOSE, DIE, STOP };

/* The run under test. The machine is the real one on a stand-in; after its start the enclave's
 * first deed is done, so that no thread is needed. */
static struct bench {
    struct standin standin;
    struct launch_order order;
    struct ne_machine ne;
    struct enclave_machine inner;
    struct enclave_machine machine;
    struct registry registry;
    struct enclave_record record;
    struct detail detail;
    enum deed first;
    enum deed when_ready;
    int stop;
    int peer;
    bool was_ready;
    bool was_listed_running;
} bench;

static void beat(uint8_t byte)
{
    bench.peer = standin_connect(&bench.standin);
    (void)!write(bench.peer, &byte, 1);
}

static void act(enum deed deed)
{
    switch (deed) {
    case NOTHING:
        break;
    case BEAT:
        beat(0xb7);
        break;
    case WRONG_BEAT:
        beat(0xb8);
        break;
    case CLOSE:
        bench.peer = standin_connect(&bench.standin);
        shutdown(bench.peer, SHUT_RDWR);
        break;
    case DIE:
        standin_die(&bench.standin);
        break;
    case STOP:
        (void)kill(getpid(), SIGTERM);
        break;
    }
}

static struct result start_and_act(void *context, struct enclave_record *record,
                                   struct watch *watch, struct detail *detail)
{
    TRY(bench.inner.start(context, record, watch, detail));
    act(bench.first);
    return OK;
}

static void note_ready(void)
{
    struct enclave_record seen;
    bool alive = false;
    bench.was_ready = true;
    bench.was_listed_running = is_ok(registry_find(&bench.registry, "one", &seen, &alive, NULL)) &&
                               alive && seen.running && seen.cid == 16 &&
                               seen.launcher == getpid() && seen.memory == 64 * MIB &&
                               seen.cpu_count == 2 && seen.cpus[0] == 2 && seen.cpus[1] == 3;
    act(bench.when_ready);
}

static int open_stop(void)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    return signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool bench_init(enum deed first, enum deed when_ready)
{
    char folder[] = "/tmp/enclave-run-XXXXXX";
    char zeros[IMAGE_SIZE] = "";
    bench = (struct bench){ .first = first, .when_ready = when_ready, .peer = -1 };
    standin_init(&bench.standin);
    bench.order = (struct launch_order){
        .image = memfd_create("image", MFD_CLOEXEC),
        .image_size = IMAGE_SIZE,
        .memory = 64 * MIB,
        .cpu_count = 2,
        .numa_node = -1,
    };
    bench.ne = NE_MACHINE(&bench.standin.system, &bench.order, true);
    bench.inner = ne_machine(&bench.ne);
    bench.machine = bench.inner;
    bench.machine.start = start_and_act;
    snprintf(bench.record.name, sizeof(bench.record.name), "one");
    snprintf(bench.record.image, sizeof(bench.record.image), "/image");
    bench.stop = open_stop();
    return write(bench.order.image, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros) &&
           mkdtemp(folder) != NULL &&
           is_ok(registry_open(folder, false, &bench.registry, &bench.detail));
}

static struct result run(uint64_t heartbeat_ms)
{
    const struct run_order order = {
        .machine = &bench.machine,
        .registry = &bench.registry,
        .record = &bench.record,
        .stop = bench.stop,
        .heartbeat_ms = heartbeat_ms,
        .ready = note_ready,
    };
    return run_enclave(&order, &bench.detail);
}

/* Ends a bench: true when nothing of the enclave was left, neither in the driver nor in the
 * directory. */
static bool nothing_left(void)
{
    char(*names)[RECORD_NAME_MAX + 1] = NULL;
    char lock[PATH_MAX];
    size_t count = 1;
    bool listed = is_ok(registry_names(&bench.registry, &names, &count, &bench.detail));
    bool clean = standin_is_clean(&bench.standin) && listed && count == 0;
    free(names);
    if (registry_path(&bench.registry, "", "lock", lock, sizeof(lock))) {
        (void)unlink(lock);
    }
    clean = rmdir(bench.registry.folder) == 0 && clean;
    struct signalfd_siginfo pending;
    (void)!read(bench.stop, &pending, sizeof(pending));
    close(bench.order.image);
    close(bench.stop);
    fd_close_ptr(&bench.peer);
    standin_done(&bench.standin);
    return clean;
}

TEST(an_enclave_beats_is_listed_as_running_and_ends_when_it_is_told_to)
{
    uint64_t files = usage_open_files();
    CHECK(bench_init(BEAT, STOP));
    CHECK_OK(run(PATIENCE_MS));
    CHECK(bench.was_ready && bench.was_listed_running);
    CHECK_TEXT(bench.standin.steps, "LocxlmvvsXuK");
    CHECK(nothing_left());
    CHECK(usage_open_files() == files);
}

TEST(an_enclave_that_dies_is_a_failure_that_says_so)
{
    CHECK(bench_init(BEAT, DIE));
    CHECK_FAILS(UNAVAILABLE, run(PATIENCE_MS));
    CHECK_TEXT(bench.detail.text, "one");
    CHECK(bench.was_ready && nothing_left());
}

TEST(what_goes_wrong_while_it_boots_is_a_failure_and_leaves_nothing)
{
    const struct {
        enum deed deed;
        enum status status;
        uint64_t patience_ms;
    } cases[] = {
        { DIE, STATUS_UNAVAILABLE, PATIENCE_MS },
        { WRONG_BEAT, STATUS_BAD_INPUT, PATIENCE_MS },
        { CLOSE, STATUS_BAD_INPUT, PATIENCE_MS },
        { NOTHING, STATUS_UNAVAILABLE, 5 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(bench_init(cases[i].deed, NOTHING));
        CHECK(run(cases[i].patience_ms).status == cases[i].status);
        CHECK(!bench.was_ready);
        CHECK(nothing_left());
    }
}

TEST(a_stop_while_it_boots_ends_it_in_order)
{
    CHECK(bench_init(STOP, NOTHING));
    CHECK_OK(run(PATIENCE_MS));
    CHECK(!bench.was_ready);
    CHECK_TEXT(bench.standin.steps, "LocxlmvvsXuK");
    CHECK(nothing_left());
}

TEST(each_call_of_the_driver_that_fails_ends_it_in_order)
{
    const unsigned long requests[] = { NE_CREATE_VM, NE_GET_IMAGE_LOAD_INFO,
                                       NE_SET_USER_MEMORY_REGION, NE_ADD_VCPU, NE_START_ENCLAVE };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        uint64_t files = usage_open_files();
        CHECK(bench_init(BEAT, STOP));
        bench.standin.fail_request = requests[i];
        bench.standin.fail_at = 1;
        bench.standin.fail_error = ENOMEM;
        CHECK_FAILS(LIMIT, run(PATIENCE_MS));
        CHECK(!bench.was_ready && bench.peer == -1);
        CHECK(nothing_left());
        CHECK(usage_open_files() == files);
    }
}

TEST(without_the_heartbeats_port_nothing_is_started)
{
    CHECK(bench_init(BEAT, STOP));
    bench.standin.listens_already = true;
    CHECK_FAILS(UNAVAILABLE, run(PATIENCE_MS));
    CHECK(strstr(bench.detail.text, "vsock port 9000 (Address already in use)") != NULL);
    CHECK_TEXT(bench.standin.steps, "L");
    CHECK(nothing_left());
}

TEST(without_a_heartbeat_to_wait_for_it_is_ready_at_once)
{
    CHECK(bench_init(NOTHING, STOP));
    bench.ne.heartbeat = false;
    CHECK_OK(run(PATIENCE_MS));
    CHECK(bench.was_ready && bench.was_listed_running);
    CHECK_TEXT(bench.standin.steps, "ocxlmvvsXu");
    CHECK(nothing_left());
}

TEST(a_name_that_is_taken_starts_nothing_and_its_record_stays)
{
    CHECK(bench_init(BEAT, STOP));
    struct enclave_record other = bench.record;
    struct enclave_record found;
    bool alive = false;
    CHECK_OK(registry_claim(&bench.registry, &other, &bench.detail));
    CHECK_FAILS(REFUSED, run(PATIENCE_MS));
    CHECK_TEXT(bench.standin.steps, "");
    CHECK_OK(registry_find(&bench.registry, "one", &found, &alive, &bench.detail));
    registry_remove(&bench.registry, "one");
    CHECK(nothing_left());
}

TEST(a_record_that_cannot_be_written_ends_the_enclave)
{
    CHECK(bench_init(BEAT, STOP));
    struct registry gone = bench.registry;
    snprintf(gone.folder, sizeof(gone.folder), "/tmp/enclave-run-none/x");
    struct registry real = bench.registry;
    bench.registry = gone;
    struct result ran = run(PATIENCE_MS);
    bench.registry = real;
    CHECK(ran.status == STATUS_UNAVAILABLE);
    CHECK_TEXT(bench.standin.steps, "");
    CHECK(nothing_left());
}

HARNESS_TESTS(T(an_enclave_beats_is_listed_as_running_and_ends_when_it_is_told_to),
              T(an_enclave_that_dies_is_a_failure_that_says_so),
              T(what_goes_wrong_while_it_boots_is_a_failure_and_leaves_nothing),
              T(a_stop_while_it_boots_ends_it_in_order),
              T(each_call_of_the_driver_that_fails_ends_it_in_order),
              T(without_the_heartbeats_port_nothing_is_started),
              T(without_a_heartbeat_to_wait_for_it_is_ready_at_once),
              T(a_name_that_is_taken_starts_nothing_and_its_record_stays),
              T(a_record_that_cannot_be_written_ends_the_enclave))
