"""The kernel of the image: small, the same from every machine, and without what an enclave has no use for."""
import pathlib
import re
import struct

import build_kernel
import pytest

SIZE_MAX = 3 << 20

OFF = """
ACPI AIO AUDIT BINFMT_MISC BINFMT_SCRIPT BLOCK BPF_JIT BPF_SYSCALL CGROUPS CHECKPOINT_RESTORE COREDUMP
CROSS_MEMORY_ATTACH DEBUG_FS DEVMEM DEVPORT FTRACE FW_LOADER HIBERNATION IA32_EMULATION IKCONFIG INPUT IO_URING IPV6
KALLSYMS KEXEC KEXEC_FILE KPROBES LEGACY_PTYS LOCALVERSION_AUTO MAGIC_SYSRQ MODIFY_LDT_SYSCALL MODULES NAMESPACES
NETDEVICES NETFILTER PACKET PCI PROC_KCORE PROFILING RD_GZIP RD_XZ RD_ZSTD SUSPEND SWAP SYSVIPC UNIX98_PTYS USB USER_NS
USERFAULTFD VIRTIO_BALLOON VIRTIO_BLK VIRTIO_CONSOLE VIRTIO_MEM VIRTIO_NET VSOCKETS_LOOPBACK VT X86_16BIT X86_CPUID
X86_IOPL_IOPERM X86_MCE X86_MSR X86_VSYSCALL_EMULATION X86_X32_ABI
""".split()
# What others count on, whatever the fragment says.
ON = """
64BIT EPOLL HW_RANDOM INIT_ON_ALLOC_DEFAULT_ON MULTIUSER NSM PTP_1588_CLOCK_KVM SECCOMP_FILTER SERIAL_8250_CONSOLE
SMP STACKPROTECTOR_STRONG STRICT_KERNEL_RWX VIRTIO_MMIO_CMDLINE_DEVICES VIRTIO_VSOCKETS VMAP_STACK
""".split()


@pytest.fixture(scope="module")
def options(kernel) -> set[str]:
    """All options that are on, or have a value, in the kernel as it was built."""
    return set(re.findall(r"^CONFIG_(\w+)=", (kernel / "kernel.config").read_text(encoding="utf-8"), re.M))


@pytest.fixture(scope="module")
def fragment() -> str:
    return build_kernel.OPTIONS.read_text(encoding="utf-8")


@pytest.mark.parametrize("option", OFF)
def test_what_must_be_off_is_off(options, option):
    assert option not in options


@pytest.mark.parametrize("option", ON)
def test_what_must_be_on_is_on(options, option):
    assert option in options


def test_options_that_must_be_off_are_options_of_this_kernel(kernel):
    """A name that Kconfig no longer knows would be off for ever: these are named in its configuration."""
    text = (kernel / "kernel.config").read_text(encoding="utf-8")
    named = [option for option in OFF if re.search(rf"^# CONFIG_{option} is not set$", text, re.M)]
    assert len(named) > len(OFF) / 2


def test_kconfig_kept_every_line(kernel, fragment):
    assert build_kernel.lost(fragment, (kernel / "kernel.config").read_text(encoding="utf-8")) == []


def test_a_line_that_kconfig_dropped_is_found():
    assert build_kernel.lost("CONFIG_A=y\n# CONFIG_B is not set\n", "CONFIG_A=y\n") == ["# CONFIG_B is not set"]
    assert build_kernel.lost("CONFIG_A=y\nCONFIG_B=2\n", "CONFIG_A=y\nCONFIG_B=3\n") == ["CONFIG_B=2"]
    assert build_kernel.lost("CONFIG_A=y\n", "# CONFIG_A is not set\n") == ["CONFIG_A=y"]


def test_every_option_says_why(fragment):
    for block in fragment.split("\n\n"):
        lines = block.strip().splitlines()
        if any(line.startswith("CONFIG_") for line in lines):
            assert lines[0].startswith("# "), f"no reason for {lines[0]}"


def test_the_image_is_small(kernel):
    assert (kernel / "bzImage").stat().st_size < SIZE_MAX


def test_the_kernel_names_no_machine(kernel):
    """What it says of itself is fixed: version, who built it, when (Documentation/arch/x86/boot.rst)."""
    image = (kernel / "bzImage").read_bytes()
    (offset,) = struct.unpack_from("<H", image, 0x20e)
    text = image[offset + 0x200:].split(b"\0")[0].decode()
    assert text == "6.12.117 (chamber@enclave) #1 SMP Thu Jan  1 00:00:00 UTC 1970"
    assert str(pathlib.Path.home()).encode() not in image
