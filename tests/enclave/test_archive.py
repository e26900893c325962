"""Where pinned files come from (tools/debian_archive.py): apt's own sources in both forms, and nothing that is not
pinned; and the cache of what is made (tools/machine_cache.py). No network."""
import multiprocessing
import time

import debian_archive
import machine_cache
import pytest
from debian_archive import ArchiveError, Mirror, Pin

DEB822 = """\
# the mirror
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/security http://second.example/security
Suites: bookworm-security
Components: main
# a comment in the middle
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""
PIN = Pin("sid", "tool", "1.0-1", "a" * 64)


@pytest.fixture
def sources(tmp_path):
    """sources("name", text) writes a file of apt's; the answer is what is read from all of them."""
    (tmp_path / "sources.list.d").mkdir()

    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return debian_archive.machine_mirrors(tmp_path)

    return write


def test_deb822_sources_are_read(sources):
    mirrors = sources("sources.list.d/debian.sources", DEB822)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert mirrors["bookworm"] == mirrors["bookworm-updates"] == Mirror("http://mirror.example/debian", keyring)
    assert mirrors["bookworm-security"].uri == "http://mirror.example/security"


def test_a_key_within_the_sources_is_kept_as_it_is(sources):
    mirror = sources("sources.list.d/debian.sources", DEB822)["bookworm-security"]
    stanza = debian_archive.stanza_of("sid", "deb", mirror)
    assert list(debian_archive.deb822_stanzas(stanza))[0]["signed-by"].splitlines()[-1].endswith("BLOCK-----")
    assert len(list(debian_archive.deb822_stanzas(stanza))) == 1


def test_one_line_sources_are_read(sources):
    mirrors = sources("sources.list", "# deb http://no.example/debian bookworm main\n"
                      "deb-src http://no.example/debian bookworm main\n"
                      "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # mine\n"
                      "deb http://mirror.example/security bookworm-security main\n")
    assert mirrors == {"bookworm": Mirror("http://mirror.example/debian", "/k.gpg"),
                       "bookworm-security": Mirror("http://mirror.example/security", "")}


@pytest.mark.parametrize("change", [
    ("Types: deb deb-src", "Types: deb-src"), ("Components: main contrib", "Components: contrib"),
    ("# the mirror", "Enabled: no"), ("Suites: bookworm bookworm-updates", "Suites: trixie")])
def test_a_stanza_that_gives_no_packages_of_the_release_does_not_count(sources, change):
    assert "bookworm" not in sources("sources.list.d/debian.sources", DEB822.replace(*change))


def test_other_files_are_no_sources(sources):
    assert sources("sources.list.d/debian.sources.disabled", DEB822) == {}


def test_each_suite_has_the_mirror_that_it_is_on(sources):
    mirrors = sources("sources.list.d/debian.sources", DEB822)
    assert debian_archive.mirror_of("sid", mirrors) == mirrors["bookworm"]
    assert debian_archive.mirror_of("bookworm-backports", mirrors) == mirrors["bookworm"]
    assert debian_archive.mirror_of("bookworm-security", mirrors) == mirrors["bookworm-security"]


def test_a_machine_without_the_release_is_told_so():
    with pytest.raises(ArchiveError, match="no mirror with bookworm main"):
        debian_archive.mirror_of("sid", {"trixie": Mirror("http://mirror.example/debian", "")})
    with pytest.raises(ArchiveError, match="no mirror with bookworm-security main"):
        debian_archive.mirror_of("bookworm-security", {"bookworm": Mirror("http://mirror.example/debian", "")})


class FakeApt:
    """An archive whose index offers `offers`, and from which `content` comes."""

    offers_: list = []
    content = b""

    def __init__(self, _suite, _types):
        self.folder = machine_cache.base() / "apt"

    def update(self):
        pass

    def offers(self, _pin):
        return self.offers_

    def run(self, *command):
        with open(command[3], "wb") as file:
            file.write(self.content)


@pytest.fixture
def archive(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake = type("FakeArchive", (FakeApt,), {})
    monkeypatch.setattr(debian_archive, "PrivateApt", fake)
    return fake


@pytest.mark.parametrize("offers", [
    [], [("uri", "tool.deb", "b" * 64)], [("uri", "a.deb", "a" * 64), ("uri", "b.deb", "a" * 64)]])
def test_an_index_with_other_bytes_is_refused(archive, offers):
    archive.offers_ = offers
    with pytest.raises(ArchiveError, match="tool 1.0-1 of sid: the archive's index has other bytes"):
        debian_archive.fetched(PIN)


def test_a_version_that_went_away_is_told_with_what_to_do(archive, monkeypatch):
    def gone(_self, _pin):
        raise ArchiveError("Version '1.0-1' for 'tool' was not found")

    monkeypatch.setattr(archive, "offers", gone)
    with pytest.raises(ArchiveError, match="(?s)the pin in this tree has to follow it.*was not found"):
        debian_archive.fetched(PIN)


def test_bytes_that_are_not_pinned_are_refused_and_not_kept(archive):
    archive.offers_ = [("uri", "tool.deb", PIN.sha256)]
    archive.content = b"something else"
    for _ in range(2):
        with pytest.raises(ArchiveError, match="what came is not what is pinned"):
            debian_archive.fetched(PIN)


def test_what_was_fetched_is_fetched_once(archive):
    pin = Pin("sid", "tool", "1.0-1", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    archive.offers_ = [("uri", "tool.deb", pin.sha256)]
    archive.content = b"hello"
    path = debian_archive.fetched(pin)
    archive.content = b"other"
    assert debian_archive.fetched(pin) == path
    assert path.read_bytes() == b"hello"


# --------------------------------------------------------------------------------------------------- cache


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "containment-chamber"


def test_other_inputs_are_another_folder(cache):
    folders = {machine_cache.made("thing", inputs, lambda part: None)
               for inputs in (["a"], ["b"], ["a", "b"], ["ab"])}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {cache}


def test_what_fails_in_the_middle_is_not_there_and_is_made_again(cache):
    def fail(part):
        (part / "half").touch()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        machine_cache.made("thing", [], fail)
    assert not (cache / machine_cache.name_of("thing", [])).exists()
    folder = machine_cache.made("thing", [], lambda part: (part / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def make_slowly(part):
    (part / "begun").touch()
    with open(part.parent / "times", "a", encoding="utf-8") as times:
        times.write("made\n")
    time.sleep(0.2)  # longer than the others need to come
    (part / "ended").touch()


def all_of_it(queue):
    folder = machine_cache.made("thing", [], make_slowly)
    queue.put(sorted(path.name for path in folder.iterdir()))


def test_four_processes_at_once_make_it_once_and_all_find_it_whole(cache):
    queue = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=all_of_it, args=(queue,)) for _ in range(4)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [["begun", "ended"]] * 4
    for process in processes:
        process.join()
    assert (cache / "times").read_text(encoding="utf-8") == "made\n"
