"""The image as tools/build_image.py makes it: what is in it, what is not, what it measures, and that it boots."""
import json
import os
import pathlib
import re
import subprocess

import build_image
import eif_reader
import elf_check
import pytest
from conftest import ROOT
from emulator import Emulator
from test_init import STEPS, lines_of

SIZE_MAX = 16 << 20
TOOL = pathlib.Path(os.environ.get("CHAMBER_BINARY", ROOT / "build" / "containment-chamber"))
# What the enclave's program shows when it was built for development, and only then. Whoever adds something to the
# development build adds what gives it away.
DEVELOPMENT_ONLY = [b"DEVELOPMENT BUILD", b"DEVELOPMENT IMAGE", b"DEVELOPMENT, PROTECTS NOTHING", b"development.keys",
                    b"size=64m"]
# Functions of the program for people, one for each part that the enclave has no use for.
OF_OTHERS = ["atls_report_text", "command_eif", "command_server", "cpio_write", "eif_inspect", "launcher_start",
             "parent_open", "policy_file_read", "registry_open"]
LOOKED_UP = ["getaddrinfo", "gethostbyname", "getservbyname", "getnameinfo", "dlopen", "dlsym"]


class Built:
    def __init__(self, folder: pathlib.Path, name: str, **options):
        self.path, self.measurements_path = folder / f"{name}.eif", folder / f"{name}.json"
        build_image.build(self.path, self.measurements_path, tool=TOOL, **options)
        self.bytes = self.path.read_bytes()
        self.image = eif_reader.read(self.bytes)

    @property
    def measurements(self) -> dict:
        return json.loads(self.measurements_path.read_text(encoding="utf-8"))["Measurements"]

    @property
    def command_line(self) -> bytes:
        return self.image.of(eif_reader.CMDLINE)[0]

    @property
    def program(self) -> bytes:
        (ramdisk,) = self.image.of(eif_reader.RAMDISK)
        return eif_reader.cpio_entries(ramdisk)["init"].data


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def release(folder) -> Built:
    return Built(folder, "release")


@pytest.fixture(scope="module")
def emulated(folder) -> Built:
    return Built(folder, "emulated", emulated=True)


@pytest.fixture(scope="module")
def development(folder) -> Built:
    return Built(folder, "development", development=True, emulated=True)


@pytest.fixture(scope="module")
def signed(folder) -> Built:
    key, certificate = folder / "release.key", folder / "release.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes",
                    "-subj", "/CN=release", "-days", "365", "-keyout", key, "-out", certificate],
                   stderr=subprocess.DEVNULL, check=True)
    return Built(folder, "signed", signing=(key, certificate))


@pytest.fixture(scope="module")
def program(release, folder) -> pathlib.Path:
    """The image's program, out of the image."""
    path = folder / "init"
    path.write_bytes(release.program)
    path.chmod(0o700)
    return path


# ---------------------------------------------------------------------------------------------- what is in it

def test_it_is_small(release, emulated, development, signed):
    assert max(len(one.bytes) for one in (release, emulated, development, signed)) < SIZE_MAX


def test_the_ramdisk_holds_the_program_and_nothing_else(release):
    (ramdisk,) = release.image.of(eif_reader.RAMDISK)
    entries = eif_reader.cpio_entries(ramdisk)
    assert list(entries) == ["init"]
    init = entries["init"]
    assert (init.mode, init.owner, init.time, init.links) == (0o100500, (0, 0), 0, 1)


def test_the_command_line_is_the_pinned_one(release, emulated):
    assert release.command_line == (ROOT / "packaging/enclave/cmdline").read_bytes().strip()
    assert emulated.command_line == release.command_line + b" chamber.parent_cid=2"
    assert b"chamber." not in release.command_line


def test_the_kernel_is_the_pinned_one(release, kernel):
    assert release.image.of(eif_reader.KERNEL) == [(kernel / "bzImage").read_bytes()]


def test_the_metadata_names_packages_and_no_machine_and_no_time(release):
    metadata = release.image.metadata
    assert metadata["BuildMetadata"]["BuildTime"] == "1970-01-01T00:00:00Z"
    assert metadata["ImageName"] == "containment-chamber"
    packages = metadata["CustomMetadata"]["Packages"]
    assert packages.keys() == set(build_image.PACKAGES)
    assert all(re.fullmatch(r"[0-9][\w.+:~-]*", version) for version in packages.values())


def test_every_archive_that_is_linked_is_of_a_package_that_is_named(release, tmp_path):
    """Of the linker's own list of what it took, all that does not come out of the build folder."""
    folder, listing = build_image.folder_of(False), tmp_path / "map"
    command = subprocess.run(["ninja", "-C", folder, "-t", "commands", "chamber-enclave"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.splitlines()[-1]
    subprocess.run(f"{command} -Wl,-Map={listing} -o {tmp_path}/program", shell=True, cwd=folder, check=True,
                   stderr=subprocess.DEVNULL)
    taken = listing.read_text(encoding="utf-8").split("\nDiscarded input sections")[0]
    archives = {os.path.realpath(path) for path in re.findall(r"^(/usr/\S+?\.a)\(", taken, re.M)}
    owners = {line.split(":")[0] for line in subprocess.run(
        ["dpkg-query", "--search", *archives], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()}
    assert {"libc6-dev", "libssl-dev", "libsqlite3-dev"} <= owners
    assert owners - {"libgcc-12-dev"} <= set(build_image.PACKAGES)  # the compiler's own, and of its version


# -------------------------------------------------------------------------------------------- what it measures

def test_the_measurements_are_those_of_the_image(release, emulated):
    for one in (release, emulated):
        described = subprocess.run([TOOL, "eif", "describe", "--json", one.path], stdout=subprocess.PIPE, check=True)
        told = json.loads(described.stdout)
        assert told["Findings"] == []
        assert told["Measurements"] == one.measurements
        registers = {name: value for name, value in one.measurements.items() if name.startswith("PCR")}
        assert registers == eif_reader.measure(one.image)
    assert release.measurements["PCR0"] != emulated.measurements["PCR0"]


def test_a_signature_adds_a_register_and_changes_no_other(release, signed):
    eif_reader.check_signature(signed.image)
    assert {**release.measurements, "PCR8": signed.measurements["PCR8"]} == signed.measurements
    assert signed.measurements["PCR8"] == eif_reader.measure(signed.image)["PCR8"]
    assert signed.image.sections[:-1] == release.image.sections


# ------------------------------------------------------------------------------------------------ the program

def test_the_program_needs_nothing_and_is_hardened(program):
    assert elf_check.findings(program) == []


def test_the_check_of_programs_finds_what_is_wrong(tmp_path):
    (tmp_path / "main.c").write_text(
        "#ifdef BAD\n__asm__(\".section .bad,\\\"awx\\\"\\n.byte 0\\n.previous\");\n#endif\n"
        "int main(void) { return 0; }\n")

    def made(*flags) -> list:
        subprocess.run(["gcc", *flags, "-o", tmp_path / "main", tmp_path / "main.c"], check=True,
                       stderr=subprocess.DEVNULL)
        return elf_check.findings(tmp_path / "main")

    assert {"it wants a loader", "it has NEEDED"} <= set(made("-s"))
    assert "its addresses are fixed" in made("-s", "-static", "-no-pie")
    assert "it has .symtab" in made("-static-pie", "-Wl,-z,now")
    assert "no GNU_RELRO" in made("-s", "-static-pie", "-Wl,-z,norelro")
    assert "GNU_STACK can be executed" in made("-s", "-static-pie", "-Wl,-z,execstack")
    assert "it has RUNPATH" in made("-s", "-static-pie", "-Wl,-rpath,/x")
    assert "LOAD is both written and executed" in made("-s", "-static-pie", "-DBAD")
    assert "not bound at once, or no PIE" in made("-s", "-static-pie", "-Wl,-z,lazy")


def test_the_program_names_no_folder_of_this_machine(program):
    content = program.read_bytes()
    assert b"src/" in content  # what an assertion says of its place …
    for folder in (ROOT, pathlib.Path.home(), build_image.folder_of(False)):
        if folder != pathlib.Path("/"):
            assert bytes(folder) + b"/" not in content  # … is relative


def test_anywhere_else_the_program_does_nothing(program):
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "chamber-enclave: start: runs as PID 1 of an enclave, and as nothing else\n"


def test_parts_that_the_enclave_has_no_use_for_are_not_linked(release):
    ours = elf_check.symbols(build_image.folder_of(False) / "chamber-enclave")
    others = elf_check.symbols(TOOL)
    assert {"boot_run", "http_server_new", "signer_new"} <= ours.keys()
    for name in OF_OTHERS:
        assert name in others, f"{name} is no function of {TOOL.name} any more: name another one of its part"
        assert name not in ours


def test_names_cannot_be_looked_up_nor_libraries_loaded(release):
    ours = elf_check.symbols(build_image.folder_of(False) / "chamber-enclave")
    assert {name: ours.get(name, ours["abort"]) for name in LOOKED_UP} == {name: ours["abort"] for name in LOOKED_UP}
    assert not [name for name in ours if re.match(r"_+nss_|_+res_nquery", name)]


def test_a_release_holds_nothing_of_a_development_build(release, development):
    for sign in DEVELOPMENT_ONLY:
        assert sign in development.program, f"{sign} is no sign of a development build any more"
        assert sign not in release.program
        assert sign not in TOOL.read_bytes()
    assert release.image.metadata["ImageName"] != development.image.metadata["ImageName"]


@pytest.mark.parametrize("name, value", [
    ("development_image", True), ("prefer_static", False), ("buildtype", "debug"), ("b_ndebug", "true"),
    ("c_args", ["-DCHAMBER_DEVELOPMENT"]), ("b_sanitize", "address"), ("fuzzing", None)])
def test_a_build_folder_that_is_set_otherwise_is_not_used(release, name, value):
    """As it is, it is taken; with one option changed, or unknown, it is not."""
    told = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", build_image.folder_of(False)],
                                     stdout=subprocess.PIPE, check=True).stdout)
    wanted = build_image.options_of(False)
    assert build_image.is_set_to(wanted, told)
    others = [option for option in told if option["name"] != name]
    assert not build_image.is_set_to(wanted, others + ([] if value is None else [{"name": name, "value": value}]))


def test_a_development_build_is_not_made_of_the_programs_for_people():
    listed = subprocess.run(["ninja", "-C", build_image.folder_of(True), "-t", "targets", "all"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    assert re.search(r"^chamber-enclave: ", listed, re.M)
    assert not re.search(r"^containment-chamber: ", listed, re.M)


# --------------------------------------------------------------------------------------------------- the boot

def boot(image: Built, signer) -> list[str]:
    """What PID 1 says until the server runs."""
    with Emulator(image.path, signer=signer) as enclave:
        enclave.wait_for_console("chamber-enclave: server: done")
        return lines_of(enclave.console, "chamber-enclave")


def test_the_image_boots_as_far_as_its_server(emulated, signer):
    steps = boot(emulated, signer)
    assert [line.split(":")[0] for line in steps][:len(STEPS)] == STEPS
    assert "command line: the parent's CID is 2" in steps


def test_a_development_image_says_what_it_is(development, signer):
    assert boot(development, signer)[0].startswith("DEVELOPMENT BUILD")


def test_the_release_image_waits_for_no_emulators_parent(release, signer):
    """It looks for its parent at AWS's CID, where the emulator has none."""
    with Emulator(release.path, signer=signer) as enclave:
        enclave.wait_for_end()
        assert "command line: the parent's CID is 3" in lines_of(enclave.console, "chamber-enclave")
        assert "the parent does not answer the heartbeat" in enclave.console
