#!/usr/bin/env python3
"""Builds the enclave's image twice and compares it bit for bit: in two folders, with two caches, by two users (when
root), under two umasks, time zones and languages, from sources of two dates.

usage: reproducible.py [--kernel] [--keep]
  --kernel   the kernel as well is built anew, which takes some minutes (else it is the machine's)
  --keep     leaves the two folders behind

Nothing comes out of a compiler's cache. The image is put together by build/containment-chamber both times.
"""
import argparse
import dataclasses
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import build_image
import build_kernel
import debian_archive
import machine_cache

ROOT = build_image.ROOT
OTHER_USER = "nobody"
OTHER_DATE = 1_000_000_000  # 2001
WITHOUT = ("SOURCE_DATE_EPOCH", "CCACHE_DIR", "XDG_CACHE_HOME")
COMPARED = ("build/enclave.eif", "build/measurements.json")
SHOWN = ("build-image/init", "build-image/chamber-enclave")


@dataclasses.dataclass
class Builder:
    """Somebody who builds, and his surroundings."""
    tree: pathlib.Path
    umask: int
    variables: dict
    user: str = ""  # empty: who runs this

    def run(self, *command) -> None:
        account = pwd.getpwnam(self.user) if self.user else None
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        clean = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        done = subprocess.run(command, cwd=self.tree, env=clean | {"CCACHE_DISABLE": "1"} | self.variables,
                              umask=self.umask, stdin=subprocess.DEVNULL, check=False, **as_user)
        if done.returncode != 0:
            sys.exit(f"reproducible.py: the build in {self.tree} failed")

    def build(self, tool: pathlib.Path) -> None:
        machine_cache.say(f"=== {self.tree}: as {self.user or 'the caller'}, umask {self.umask:03o}, "
                          f"TZ={self.variables['TZ']}")
        self.run("/usr/bin/python3", "tools/build_image.py", "--tool", str(tool))


def sources() -> list[str]:
    """All files of the tree but those that git ignores."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    return [name for name in listed.split("\0") if (ROOT / name).is_file()]


def copy_tree(target: pathlib.Path) -> None:
    for name in sources():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    (target / "build").mkdir()


def copy_cache(target: pathlib.Path, with_kernel: bool) -> None:
    """What was fetched, and the kernel unless it is to be built again; never what was made of C here."""
    target.mkdir(parents=True)
    kernel = build_kernel.kernel()
    for pattern in ("archive-libcbor-*", "archive-linux-source-*", kernel.name):
        for path in machine_cache.base().glob(pattern):
            if path.is_dir() and (with_kernel or path != kernel):
                shutil.copytree(path, target / path.name)


def change_dates(folder: pathlib.Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (OTHER_DATE, OTHER_DATE))


def give_to(user: str, folder: pathlib.Path) -> None:
    account = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def one(base: pathlib.Path) -> Builder:
    tree = base / "one"
    copy_tree(tree)
    return Builder(tree, 0o022, {"TZ": "UTC"})


def other(base: pathlib.Path, with_kernel: bool) -> Builder:
    """In another folder, with another cache; as another user where that can be."""
    home = base / "another" / "home"
    tree = home / "the tree of another user"
    copy_tree(tree)
    copy_cache(home / "cache" / "containment-chamber", with_kernel)
    variables = {"TZ": "Pacific/Auckland", "LANG": "de_DE.UTF-8", "XDG_CACHE_HOME": str(home / "cache")}
    # Cargo is the caller's, and may be nobody else's to run; it builds blst anew for the other's cache.
    blst = home / "blst"
    blst.mkdir()
    Builder(tree, 0o077, variables).run("tools/build_blst.py", "third_party/blst/Cargo.toml", str(blst))
    change_dates(tree)
    if os.getuid() != 0:
        machine_cache.say("not root: both builds are this user's")
        return Builder(tree, 0o077, variables)
    give_to(OTHER_USER, home)
    return Builder(tree, 0o077, variables | {"HOME": str(home), "USER": OTHER_USER, "PATH": "/usr/bin:/bin"}, OTHER_USER)


def differences(first: pathlib.Path, second: pathlib.Path, names) -> list[str]:
    return [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()]


def compare(first: pathlib.Path, second: pathlib.Path) -> bool:
    found = differences(first, second, COMPARED)
    if found:
        also = differences(first, second, SHOWN)
        machine_cache.say("reproducible.py: NOT the same: " + ", ".join(found + also))
    else:
        machine_cache.say((second / COMPARED[1]).read_text(encoding="utf-8").strip())
        machine_cache.say("the same, bit for bit: " + ", ".join(COMPARED))
    return not found


def prove(base: pathlib.Path, with_kernel: bool) -> bool:
    tool = base / "containment-chamber"
    shutil.copy(build_image.TOOL, tool)
    builders = one(base), other(base, with_kernel)
    for builder in builders:
        builder.build(tool)
    return compare(*(builder.tree for builder in builders))


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--kernel", action="store_true")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    if not build_image.TOOL.exists():
        sys.exit(f"reproducible.py: there is no {build_image.TOOL}: make builds it")
    os.umask(0o022)
    base = pathlib.Path(tempfile.mkdtemp(prefix="reproducible-"))
    base.chmod(0o755)
    try:
        same = prove(base, not given.kernel)
    except debian_archive.ArchiveError as reason:
        sys.exit(f"reproducible.py: {reason}")
    finally:
        if not given.keep:
            shutil.rmtree(base)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
