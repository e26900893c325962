#include "enclave/emulator.h"

#include "base/usage.h"
#include "harness.h"

#include <sys/wait.h>
#include <unistd.h>

/* Real programs play the emulator's in tests/integration/test_enclave_cli.py; here is what is
 * refused. */

static struct result read_tools(const char *text, struct emulator_tools *out, struct detail *detail)
{
    *out = (struct emulator_tools){ .qemu = "" };
    return emulator_read_tools(text, strlen(text), out, detail);
}

TEST(the_tools_are_read)
{
    static struct emulator_tools tools;
    struct detail detail;
    CHECK_OK(
        read_tools("{\"qemu\":\"/q\",\"vhost_device_vsock\":\"/v\",\"firmware\":[\"/a\",\"/b\"],"
                   "\"more\":1}",
                   &tools, &detail));
    CHECK_TEXT(tools.qemu, "/q");
    CHECK_TEXT(tools.vsock_device, "/v");
    CHECK(tools.firmware_count == 2);
    CHECK_TEXT(tools.firmware[1], "/b");
    CHECK_OK(read_tools("{\"qemu\":\"/q\",\"vhost_device_vsock\":\"/v\"}", &tools, &detail));
    CHECK(tools.firmware_count == 0);
}

TEST(tools_that_are_wrong_are_refused_and_named)
{
    static struct emulator_tools tools;
    static const struct {
        const char *text;
        const char *named;
    } wrong[] = {
        { "{\"vhost_device_vsock\":\"/v\"}", "qemu" },
        { "{\"qemu\":\"q\",\"vhost_device_vsock\":\"/v\"}", "qemu" },
        { "{\"qemu\":[\"/q\"],\"vhost_device_vsock\":\"/v\"}", "qemu" },
        { "{\"qemu\":\"/q\"}", "vhost_device_vsock" },
        { "{\"qemu\":\"/q\",\"vhost_device_vsock\":\"\"}", "vhost_device_vsock" },
        { "{\"qemu\":\"/q\",\"vhost_device_vsock\":\"/v\",\"firmware\":\"/a\"}", "firmware" },
        { "{\"qemu\":\"/q\",\"vhost_device_vsock\":\"/v\",\"firmware\":[\"a\"]}", "firmware" },
        { "[]", "qemu" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct detail detail = { "" };
        CHECK_FAILS(BAD_INPUT, read_tools(wrong[i].text, &tools, &detail));
        CHECK_TEXT(detail.text, wrong[i].named);
    }
    struct detail detail;
    CHECK_FAILS(BAD_INPUT, read_tools("qemu", &tools, &detail));
    CHECK_FAILS(LIMIT,
                read_tools("{\"qemu\":\"/q\",\"vhost_device_vsock\":\"/v\",\"firmware\":[\"/1\","
                           "\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\"]}",
                           &tools, &detail));
}

static const struct registry plain = { "/tmp/enclaves" };

static struct emulator_order good(void)
{
    return (struct emulator_order){ .registry = &plain, .memory = 512 << 20, .cpus = 2, .cid = 4 };
}

TEST(what_would_be_another_option_of_qemus_is_refused)
{
    struct detail detail;
    const char *const bad[] = { "arn,x", "a b", "a=b", "a\n", "\xc3\xa4" };
    struct emulator_order order = good();
    CHECK_OK(emulator_check(&order, &detail));
    order.parent_role = "arn:aws:iam::123456789012:role/path/R+.@_-";
    order.parent_id = "i-0123456789abcdef0";
    CHECK_OK(emulator_check(&order, &detail));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        order = good();
        order.parent_role = bad[i];
        CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
        order = good();
        order.parent_id = bad[i];
        CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
        struct registry registry;
        snprintf(registry.folder, sizeof(registry.folder), "/tmp/%s", bad[i]);
        order = good();
        order.registry = &registry;
        CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
    }
}

TEST(numbers_out_of_their_range_are_refused)
{
    struct detail detail;
    struct emulator_order order = good();
    order.cpus = 0;
    CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
    order.cpus = EMULATOR_CPUS_MAX + 1;
    CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
    order = good();
    order.cid = 3;
    CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
    order.cid = UINT32_MAX;
    CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
}

TEST(a_directory_too_long_for_sockets_is_refused)
{
    struct detail detail;
    struct registry registry = { "" };
    struct emulator_order order = good();
    order.registry = &registry;
    memset(registry.folder, 'a', 60);
    CHECK_OK(emulator_check(&order, &detail));
    memset(registry.folder, 'a', 70);
    CHECK_FAILS(BAD_INPUT, emulator_check(&order, &detail));
}

TEST(a_vsock_device_that_ends_at_once_is_said_and_leaves_nothing)
{
    static const struct emulator_tools tools = { .qemu = "/bin/false",
                                                 .vsock_device = "/bin/false" };
    char folder[] = "/tmp/enclave-emulator-XXXXXX";
    struct registry registry;
    struct detail detail = { "" };
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(registry_open(folder, false, &registry, &detail));
    struct emulator_order order = good();
    order.tools = &tools;
    order.registry = &registry;
    order.heartbeat = true;
    struct emulator emulator = EMULATOR(&order);
    struct enclave_machine machine = emulator_machine(&emulator);
    static struct enclave_record record = { .name = "one", .emulated = true };
    struct watch watch = WATCH_NONE;
    uint64_t files = usage_open_files();
    CHECK_FAILS(UNAVAILABLE, machine.start(machine.context, &record, &watch, &detail));
    machine.stop(machine.context);
    machine.stop(machine.context);
    CHECK_TEXT(detail.text, "/bin/false");
    CHECK(usage_open_files() == files && waitpid(-1, NULL, WNOHANG) == -1);
    registry_remove(&registry, "one");
    CHECK(rmdir(folder) == 0);
}

HARNESS_TESTS(T(the_tools_are_read), T(tools_that_are_wrong_are_refused_and_named),
              T(what_would_be_another_option_of_qemus_is_refused),
              T(numbers_out_of_their_range_are_refused),
              T(a_directory_too_long_for_sockets_is_refused),
              T(a_vsock_device_that_ends_at_once_is_said_and_leaves_nothing))
