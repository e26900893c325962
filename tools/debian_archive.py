"""Single files of Debian's archive in pinned versions, also from suites that the machine does not use.

The mirror, its keys and its proxies are those of the machine's own apt configuration. The suites are written
into a private apt folder below the machine cache; the machine's own sources are never changed, and nothing is
installed. A file is taken when the signed index has it and its SHA-256 is the one that is pinned in this tree.
"""
import dataclasses
import hashlib
import os
import pathlib
import re
import shlex
import subprocess

import machine_cache

SOURCES = pathlib.Path("/etc/apt")
HELPER = "/usr/lib/apt/apt-helper"
RELEASE = "bookworm"
SECURITY = RELEASE + "-security"


class ArchiveError(RuntimeError):
    """The archive does not give what is pinned; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class Pin:
    """A file of a suite: a binary package, or with `file` one file of a source package."""
    suite: str
    package: str
    version: str
    sha256: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file or self.package} {self.version} of {self.suite}"


@dataclasses.dataclass(frozen=True)
class Mirror:
    uri: str
    signed_by: str  # a file's name or, indented as deb822 wants it, a key; empty: apt's trusted keys


# ------------------------------------------------------------------------------- the machine's own sources


def deb822_stanzas(text: str):
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        fields = re.findall(r"^([\w-]+):[ \t]*((?:.*)(?:\n[ \t]+.*)*)", "\n".join(lines), re.M)
        stanza = {name.lower(): value for name, value in fields}
        if stanza.get("enabled", "yes").strip().lower() not in ("no", "false", "without", "off", "disable"):
            yield stanza


def mirrors_of_deb822(text: str):
    """(suite, mirror) for each suite of each stanza that gives binary packages of main."""
    for stanza in deb822_stanzas(text):
        if "deb" not in stanza.get("types", "").split() or "main" not in stanza.get("components", "").split():
            continue
        for suite in stanza.get("suites", "").split():
            for uri in stanza.get("uris", "").split()[:1]:
                yield suite, Mirror(uri, stanza.get("signed-by", "").rstrip())


def mirrors_of_lines(text: str):
    """The same of the older form, `deb [options] URI suite component...`."""
    for line in text.splitlines():
        found = re.fullmatch(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)(?:#.*)?", line)
        if found and "main" in found[4].split():
            options = dict(option.partition("=")[::2] for option in (found[1] or "").split())
            yield found[3], Mirror(found[2], options.get("signed-by", ""))


def machine_mirrors(folder: pathlib.Path = SOURCES) -> dict[str, Mirror]:
    """What each suite that the machine uses comes from; the first that names it counts."""
    mirrors: dict[str, Mirror] = {}
    parts = sorted((folder / "sources.list.d").glob("*"))
    for path in [folder / "sources.list", *parts]:
        reader = {".list": mirrors_of_lines, ".sources": mirrors_of_deb822}.get(path.suffix)
        if reader and path.is_file():
            for suite, mirror in reader(path.read_text(encoding="utf-8")):
                mirrors.setdefault(suite, mirror)
    return mirrors


def mirror_of(suite: str, mirrors: dict[str, Mirror]) -> Mirror:
    """Security updates have a mirror of their own; all other suites lie beside the release."""
    wanted = SECURITY if suite == SECURITY else RELEASE
    if wanted not in mirrors:
        raise ArchiveError(f"apt's sources name no mirror with {wanted} main, so {suite} cannot be found; "
                           "this is for Debian 12 with its own sources")
    return mirrors[wanted]


# ------------------------------------------------------------------------------------------------ private apt


def stanza_of(suite: str, types: str, mirror: Mirror) -> str:
    signed_by = f"Signed-By: {mirror.signed_by}\n" if mirror.signed_by else ""
    return f"Types: {types}\nURIs: {mirror.uri}\nSuites: {suite}\nComponents: main\n{signed_by}"


class PrivateApt:
    """apt with one suite, and folders of its own."""

    def __init__(self, suite: str, types: str):
        self.suite = suite
        text = stanza_of(suite, types, mirror_of(suite, machine_mirrors()))
        self.folder = machine_cache.base() / machine_cache.name_of("apt", [text])
        for name in ("sources", "lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "sources" / "suite.sources").write_text(text, encoding="utf-8")
        self.options = [f"Dir::Etc::SourceParts={self.folder}/sources", "Dir::Etc::SourceList=/dev/null",
                        "Dir::Etc::Preferences=/dev/null", "Dir::Etc::PreferencesParts=/dev/null",
                        f"Dir::State::Lists={self.folder}/lists", f"Dir::Cache={self.folder}/cache",
                        # The folders belong to who runs this, and apt's own user could not write there.
                        "APT::Sandbox::User=root", "Acquire::Languages=none", "Acquire::Retries=3",
                        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]

    def run(self, *command: str) -> str:
        options = [word for option in self.options for word in ("-o", option)]
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run([command[0], *options, *command[1:]], text=True, env=environment, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise ArchiveError(f"{shlex.join(command)} of {self.suite} failed:\n{done.stdout.strip()}")
        return done.stdout

    def update(self) -> None:
        self.run("apt-get", "-qq", "update", "--error-on=any")

    def offers(self, pin: Pin):
        """(URI, file, SHA-256) of what the signed index offers for the pin."""
        if pin.file:
            listed = self.run("apt-get", "-qq", "--print-uris", "--only-source", "source", pin.package)
        else:
            listed = self.run("apt-get", "-qq", "--print-uris", "download", f"{pin.package}={pin.version}")
        return re.findall(r"^'(\S+)' (\S+) \d+ SHA256:([0-9a-f]{64})$", listed, re.M)


def file_sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(pin: Pin, folder: pathlib.Path) -> pathlib.Path:
    apt = PrivateApt(pin.suite, "deb-src" if pin.file else "deb")
    with machine_cache.only_one(apt.folder / "lock", f"apt of {pin.suite}"):
        machine_cache.say(f"{pin}: fetching")
        try:
            apt.update()
            offers = [offer for offer in apt.offers(pin) if offer[1] == pin.file or not pin.file]
        except ArchiveError as error:
            raise ArchiveError(f"{pin} is not to be had; if the suite went on to a later version, the pin in this "
                               f"tree has to follow it.\n{error}") from None
        if len(offers) != 1 or offers[0][2] != pin.sha256:
            raise ArchiveError(f"{pin}: the archive's index has other bytes than this tree's pin: {offers}")
        path = folder / (pin.file or f"{pin.package}.deb")
        apt.run(HELPER, "download-file", offers[0][0], str(path), f"SHA256:{pin.sha256}")
    if file_sha256(path) != pin.sha256:
        raise ArchiveError(f"{pin}: what came is not what is pinned")
    return path


def fetched(pin: Pin) -> pathlib.Path:
    """The pinned file, in the machine cache."""
    folder = machine_cache.made("archive-" + pin.package, [repr(pin)], lambda part: download(pin, part))
    return next(folder.iterdir())


def unpack(pin: Pin, folder: pathlib.Path) -> None:
    """Puts the files of a binary package below `folder`."""
    subprocess.run(["dpkg-deb", "--extract", fetched(pin), folder], check=True)
