"""tools/reproducible.py compares what it says it compares. That the image is reproducible shows `make reproducible`."""
import os
import pathlib
import pwd

import machine_cache
import pytest
import reproducible


def tree(folder: pathlib.Path, image: bytes) -> pathlib.Path:
    (folder / "build").mkdir(parents=True)
    (folder / "build" / "enclave.eif").write_bytes(image)
    (folder / "build" / "measurements.json").write_text("{}")
    (folder / "build-image").mkdir()
    for name in reproducible.SHOWN:
        (folder / name).write_bytes(image)
    return folder


@pytest.mark.parametrize("image, same", [(b"abc", True), (b"abd", False), (b"abcd", False), (b"", False)])
def test_one_other_byte_is_a_difference(tmp_path, capfd, image, same):
    first, second = tree(tmp_path / "one", b"abc"), tree(tmp_path / "two", image)
    assert reproducible.compare(first, second) is same
    assert ("NOT the same: build/enclave.eif, build-image/init" in capfd.readouterr().err) is not same


def test_other_measurements_are_a_difference(tmp_path):
    first, second = tree(tmp_path / "one", b"abc"), tree(tmp_path / "two", b"abc")
    (second / "build" / "measurements.json").write_text("{ }")
    assert not reproducible.compare(first, second)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> pathlib.Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("kernel-1", "kernel-2", "libcbor-1", "blst-1", "archive-libcbor-1", "archive-linux-source-6.12-1"):
        (machine_cache.base() / name).mkdir(parents=True)
    monkeypatch.setattr(reproducible.build_kernel, "kernel", lambda: machine_cache.base() / "kernel-2")
    return machine_cache.base()


@pytest.mark.parametrize("with_kernel", [True, False])
def test_the_other_gets_what_was_fetched_and_nothing_compiled_but_the_kernel(cache, tmp_path, with_kernel):
    reproducible.copy_cache(tmp_path / "other", with_kernel)
    fetched = {"archive-libcbor-1", "archive-linux-source-6.12-1"}
    assert {path.name for path in (tmp_path / "other").iterdir()} == fetched | ({"kernel-2"} if with_kernel else set())


def test_sources_are_the_trees_and_not_what_was_built_of_them():
    names = reproducible.sources()
    assert {"meson.build", "packaging/enclave/cmdline", "tools/build_image.py"} <= set(names)
    assert not [name for name in names if name.startswith("build")]


def test_the_other_builder_is_another(tmp_path):
    user = reproducible.OTHER_USER if os.getuid() == 0 else ""
    tmp_path.chmod(0o777)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    builder = reproducible.Builder(pathlib.Path("/"), 0o077, {"TZ": "Pacific/Auckland"}, user)
    builder.run("/bin/sh", "-c", f"umask >'{tmp_path}/seen'; id -un >>'{tmp_path}/seen'; date +%Z >>'{tmp_path}/seen'; "
                f"echo $CCACHE_DISABLE$SOURCE_DATE_EPOCH >>'{tmp_path}/seen'")
    umask, name, zone, ccache = (tmp_path / "seen").read_text().split()
    assert (umask, name, ccache) == ("0077", user or pwd.getpwuid(os.getuid()).pw_name, "1")
    assert zone in ("NZDT", "NZST", "Pacific")  # the last one without the table of time zones


def test_a_build_that_fails_is_no_success():
    with pytest.raises(SystemExit, match="failed"):
        reproducible.Builder(pathlib.Path("/"), 0o022, {"TZ": "UTC"}).run("/bin/false")
