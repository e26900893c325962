"""`containment-chamber slashing`: import, export, check, accept-loss and watermark on a database of the server's."""
import json
import os
import pathlib
import shutil
import sqlite3
import stat

import pytest

from manage import exported, history, interchange, one_line, pubkey, run_chamber
from signer import EPOCH, GENESIS_ROOTS, ROOT, attestation, block

SLOT = EPOCH * 32
VECTORS = pathlib.Path(os.environ.get("CHAMBER_VECTORS", ROOT.parent / "shared" / "vectors")) / "eip3076"


class Database:
    """A database's path, and the commands on it."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.path = folder, folder / "slashing.sqlite"
        self.exports = 0

    def run(self, *arguments, **options):
        return run_chamber("slashing", *arguments, "--anti-slashing-path", self.path, **options)

    def write(self, text: str, name: str = "in.json") -> pathlib.Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def import_text(self, text: str, *arguments):
        return self.run("import", "--from", self.write(text), *arguments)

    def export(self, *arguments) -> dict:
        self.exports += 1
        path = self.folder / f"out{self.exports}.json"
        done = self.run("export", "--to", path, *arguments)
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return exported(path.read_text())


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path)


FULL = interchange(history(pubkey(1), [(SLOT, 7), (SLOT + 3, None)], [(EPOCH - 1, EPOCH, 7), (EPOCH, EPOCH + 1, None)]),
                   history(pubkey(2), [(SLOT, 9)]), history(pubkey(3), [], [(0, 0, 1)]))


# ------------------------------------------------------------------------------------- round trips

def test_what_is_imported_is_exported(database):
    done = database.import_text(FULL)
    assert done.returncode == 0 and done.stdout == ""
    assert "3 validators, 3 blocks, 3 attestations" in done.stderr
    assert database.export() == exported(FULL)
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


def test_an_export_is_imported_elsewhere_and_exported_the_same(database, tmp_path):
    assert database.import_text(FULL).returncode == 0
    assert database.run("export", "--to", tmp_path / "moved.json").returncode == 0
    (tmp_path / "other").mkdir()
    other = Database(tmp_path / "other")
    assert other.run("import", "--from", tmp_path / "moved.json").returncode == 0
    assert other.export() == exported(FULL)


def test_importing_twice_changes_nothing(database):
    for _ in range(2):
        assert database.import_text(FULL).returncode == 0
    assert database.export() == exported(FULL)


def test_imports_add_up(database):
    assert database.import_text(interchange(history(pubkey(1), [(SLOT, 1)]))).returncode == 0
    assert database.import_text(interchange(history(pubkey(1), [(SLOT + 5, 2)]), history(pubkey(2)))).returncode == 0
    blocks, _ = database.export()[pubkey(1)]
    assert SLOT + 5 in blocks
    assert database.import_text(interchange(history(pubkey(1), [(SLOT + 5, 3)]))).returncode == 1


def test_a_minimal_file_binds_the_server(database, start):
    """One entry of each kind without roots, as EIP-3076's minimal strategy writes it."""
    minimal = interchange(history(pubkey(0), [(SLOT, None)], [(EPOCH - 1, EPOCH, None)]))
    assert database.import_text(minimal).returncode == 0
    signer = start(keys=[0], settings={"anti_slashing.path": str(database.path)})
    assert signer.sign(block(SLOT)).status == 412
    assert signer.sign(block(SLOT - 1)).status == 412
    assert signer.sign(attestation(EPOCH - 1, EPOCH)).status == 412
    assert signer.sign(attestation(EPOCH - 2, EPOCH + 1)).status == 412
    assert signer.sign(block(SLOT + 1)).status == 200
    assert signer.sign(attestation(EPOCH - 1, EPOCH + 1)).status == 200


def test_what_the_server_signed_is_exported_and_binds_another(database, start):
    signer = start(keys=[0], settings={"anti_slashing.path": str(database.path)})
    assert signer.sign(block(SLOT)).status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert signer.stop() == 0
    export = database.export()
    assert set(export) == {pubkey(0)}
    blocks, attestations = export[pubkey(0)]
    assert set(blocks) == {SLOT} and set(attestations) == {(EPOCH, EPOCH + 1)}

    other = start(keys=[0])
    other.stop()
    moved = Database(other.folder)
    assert moved.run("import", "--from", database.folder / "out1.json").returncode == 0
    other.start()
    assert other.sign(block(SLOT, state_root=9)).status == 412
    assert other.sign(attestation(EPOCH, EPOCH + 1, block_root=9)).status == 412
    assert other.sign(block(SLOT)).status == 200
    assert other.sign(block(SLOT + 1)).status == 200


def test_after_a_kill_everything_signed_is_exported(database, start):
    signer = start(keys=[0], settings={"anti_slashing.path": str(database.path)})
    for number in range(5):
        assert signer.sign(block(SLOT + number)).status == 200
    signer.kill()
    assert set(database.export()[pubkey(0)][0]) == {SLOT + number for number in range(5)}


def test_the_largest_numbers_survive_a_round_trip(database):
    top = 2**64 - 1
    text = interchange(history(pubkey(1), [(top, 1)], [(top, top, 1)]))
    assert database.import_text(text).returncode == 0
    assert database.export() == exported(text)


def test_chosen_validators_are_exported_once_each(database):
    assert database.import_text(FULL).returncode == 0
    export = database.export("--keys", ",".join([pubkey(3), pubkey(1), "0x" + pubkey(3)[2:].upper()]))
    assert export == {key: exported(FULL)[key] for key in (pubkey(1), pubkey(3))}


def test_an_export_of_a_key_that_is_not_known_is_refused_with_its_name(database):
    assert database.import_text(FULL).returncode == 0
    done = database.run("export", "--to", database.folder / "out.json", "--keys", f"{pubkey(1)},{pubkey(9)}")
    assert done.returncode == 1 and pubkey(9) in one_line(done)
    assert not (database.folder / "out.json").exists()


# ------------------------------------------------------------------------------------- other tools

FOREIGN = json.dumps({
    # Lighthouse writes pretty text with all members; Web3Signer writes `data` first and leaves out empty roots.
    "data": [{"signed_attestations": [{"target_epoch": str(EPOCH), "source_epoch": str(EPOCH - 1),
                                       "signing_root": "0x" + "AB" * 32}],
              "pubkey": "0x" + pubkey(1)[2:].upper(),
              "signed_blocks": [{"slot": str(SLOT)}], "comment": {"by": ["another", 1, None]}}],
    "metadata": {"genesis_validators_root": GENESIS_ROOTS["mainnet"].upper().replace("0X", "0x"),
                 "interchange_format_version": "5", "exporter": "x"},
    "note": [{}]}, indent=4)


def test_members_in_any_order_and_unknown_ones_are_read(database):
    assert database.import_text(FOREIGN).returncode == 0
    assert database.export() == {pubkey(1): ({SLOT: None}, {(EPOCH - 1, EPOCH): "0x" + "ab" * 32})}


NETWORK = """PRESET_BASE: 'mainnet'
CONFIG_NAME: vectors
SECONDS_PER_SLOT: 12
GENESIS_TIME: 1606824023
GENESIS_FORK_VERSION: 0x00000000
GENESIS_VALIDATORS_ROOT: '{}'
"""


def import_case(database: Database, case: dict) -> None:
    """The files of one case, one after the other; slashable data only where watermarks may rise."""
    database.path.unlink(missing_ok=True)
    network = database.write(NETWORK.format(case["genesis_validators_root"]), "network.yaml")
    for step in case["steps"]:
        text = json.dumps(step["interchange"])
        plain = database.import_text(text, "--network", network)
        if not step["should_succeed"]:
            assert plain.returncode == 1 and one_line(plain)
            continue
        assert plain.returncode == 0 or step["contains_slashable_data"], plain.stderr
        if plain.returncode != 0:
            assert database.import_text(text, "--network", network, "--raise").returncode == 0
    if case["steps"][0]["should_succeed"]:
        assert database.run("check", "--network", network).returncode == 0


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"the EIP-3076 vectors are not at {VECTORS}")
def test_every_public_interchange_file_is_taken_or_refused_as_it_says(database):
    paths = sorted(VECTORS.glob("*.json"))
    assert len(paths) == 38
    for path in paths:
        import_case(database, json.loads(path.read_text()))


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"the EIP-3076 vectors are not at {VECTORS}")
def test_every_public_file_that_is_slashable_in_itself_is_refused_with_the_validator_named(database):
    cases = [json.loads(path.read_text()) for path in sorted(VECTORS.glob("*.json"))]
    # Two blocks of one slot that both have no root may be one block: that is one record, and binds.
    rootless = ("duplicate_pubkey_slashable_block", "single_validator_slashable_blocks_no_root")
    slashable = [case for case in cases
                 if case["steps"][0]["contains_slashable_data"] and case["name"] not in rootless]
    assert len(slashable) == 9
    network = database.write(NETWORK.format("0x" + "00" * 32), "network.yaml")
    for case in slashable:
        interchange_of = case["steps"][0]["interchange"]
        done = database.import_text(json.dumps(interchange_of), "--network", network)
        assert done.returncode == 1, case["name"]
        assert any(entry["pubkey"] in one_line(done) for entry in interchange_of["data"])


# ------------------------------------------------------------------------------------ refused files

@pytest.mark.parametrize("text, named", [
    ("", "in.json"), ("{", "in.json"), ("[]", "in.json"), ("{}", "metadata"),
    (FULL + "}", "in.json"), (FULL[:-1], "in.json"), (FULL.replace('"5"', '"4"'), "version"),
    (FULL.replace(GENESIS_ROOTS["mainnet"], GENESIS_ROOTS["hoodi"]), "another network"),
    (FULL.replace(GENESIS_ROOTS["mainnet"], "0x00"), "genesis_validators_root"),
    (FULL.replace(str(SLOT + 3), "1e3"), "data[0].signed_blocks[1].slot"),
    (FULL.replace(str(SLOT + 3), "-1"), "data[0].signed_blocks[1].slot"),
    (FULL.replace(str(SLOT + 3), str(2**64)), "data[0].signed_blocks[1].slot"),
    (FULL.replace("target_epoch", "targetepoch"), "data[0].signed_attestations[0]"),
    (FULL.replace(pubkey(2), pubkey(2)[:-2]), "data[1].pubkey"),
    (FULL.replace('"signing_root": "0x', '"signing_root": "0y'), "signing_root"),
    (FULL.replace('"data"', '"metadata"'), "metadata"),
], ids=range(16))
def test_a_file_that_is_wrong_is_refused_whole_and_names_the_place(database, text, named):
    before = interchange(history(pubkey(8), [(SLOT, 1)]))
    assert database.import_text(before).returncode == 0
    done = database.import_text(text)
    assert done.returncode == 1 and done.stdout == ""
    assert named in one_line(done) and "in.json" in done.stderr
    assert database.export() == exported(before)


CONTRADICTIONS = {
    "two blocks of a slot": (history(pubkey(2), [(SLOT, 1), (SLOT, 2)]), "slot"),
    "two votes for a target": (history(pubkey(2), [], [(1, 2, 1), (1, 2, 2)]), "target"),
    "a surround": (history(pubkey(2), [], [(1, 4, 1), (2, 3, 2)]), "surround"),
    "a source after its target": (history(pubkey(2), [], [(5, 4, 1)]), "source"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused_whole_unless_marks_may_rise(database, name):
    entry, named = CONTRADICTIONS[name]
    text = interchange(history(pubkey(1), [(SLOT, 1)]), entry)
    done = database.import_text(text)
    assert done.returncode == 1
    assert pubkey(2) in one_line(done) and named in done.stderr
    assert database.export() == {}
    assert database.import_text(text, "--raise").returncode == 0
    assert set(database.export()) == {pubkey(1), pubkey(2)}
    assert database.run("check").returncode == 0


def test_raised_marks_refuse_what_the_lost_detail_could_concern(database, start):
    text = interchange(history(pubkey(0), [(SLOT, 1), (SLOT, 2)], [(EPOCH - 3, EPOCH, 1), (EPOCH - 2, EPOCH - 1, 2)]))
    assert database.import_text(text, "--raise").returncode == 0
    signer = start(keys=[0], settings={"anti_slashing.path": str(database.path)})
    assert signer.sign(block(SLOT)).status == 412
    for source, target in ((EPOCH - 3, EPOCH), (EPOCH - 2, EPOCH - 1), (EPOCH - 4, EPOCH + 1)):
        assert signer.sign(attestation(source, target)).status == 412
    assert signer.sign(block(SLOT + 1)).status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200


def test_a_file_that_contradicts_the_database_is_refused_whole(database):
    before = interchange(history(pubkey(2), [(SLOT, 1)]))
    assert database.import_text(before).returncode == 0
    text = interchange(history(pubkey(1), [(SLOT, 1)]), history(pubkey(2), [(SLOT, 2)]))
    done = database.import_text(text)
    assert done.returncode == 1 and pubkey(2) in one_line(done) and str(SLOT) in done.stderr
    assert database.export() == exported(before)


def test_a_dry_run_and_check_say_what_an_import_would_and_keep_nothing(database):
    bad = interchange(history(pubkey(1), [(SLOT, 1), (SLOT, 2)]))
    for path, code in ((database.write(FULL, "good.json"), 0), (database.write(bad, "bad.json"), 1)):
        assert database.run("import", "--from", path, "--dry-run").returncode == code
        assert database.run("check", "--from", path).returncode == code
    assert database.export() == {}


def test_where_a_file_is_missing_or_none_the_line_names_it(database, tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        done = database.run("import", "--from", path)
        assert done.returncode == 1 and str(path) in one_line(done)


def test_redirected_input_is_read(database):
    with database.write(FULL).open() as file:
        assert database.run("import", "--from", "/dev/stdin", stdin=file).returncode == 0
    assert database.export() == exported(FULL)


def test_a_pipe_is_refused_and_not_waited_for(database):
    """A file is wanted whole: of what a pipe gives, nobody knows whether it was all."""
    reader, writer = os.pipe()  # the writing end stays open
    done = database.run("import", "--from", "/dev/stdin", stdin=reader)
    os.close(reader)
    os.close(writer)
    assert done.returncode == 1 and "/dev/stdin: not a regular file" in one_line(done)
    assert not database.path.exists()


def test_an_export_never_replaces_a_file(database):
    assert database.import_text(FULL).returncode == 0
    precious = database.write("precious", "there.json")
    done = database.run("export", "--to", precious)
    assert done.returncode == 1 and str(precious) in one_line(done) and "exists" in done.stderr
    assert precious.read_text() == "precious"


def test_an_export_to_nowhere_says_why(database):
    assert database.import_text(FULL).returncode == 0
    done = database.run("export", "--to", database.folder / "none" / "out.json")
    assert done.returncode == 1 and "No such file or directory" in one_line(done)


# --------------------------------------------------------------------------------------- databases

ACTIONS = {"import": ("--from", "in.json"), "export": ("--to", "out.json"), "check": (), "accept-loss": (),
           "watermark": ()}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_database_that_a_server_uses_is_refused_and_the_server_goes_on(start, action):
    signer = start(keys=[0])
    database = Database(signer.folder)
    database.write(FULL)
    done = database.run(action, *ACTIONS[action], cwd=signer.folder)
    assert done.returncode == 1
    assert str(database.path) in one_line(done) and str(signer.process.pid) in done.stderr
    assert not (signer.folder / "out.json").exists()
    assert signer.sign(block(SLOT)).status == 200
    assert signer.get("/healthcheck").status == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_a_database_of_another_network_is_refused(database, action):
    assert database.import_text(FULL).returncode == 0
    text = FULL.replace(GENESIS_ROOTS["mainnet"], GENESIS_ROOTS["hoodi"])
    database.write(text)
    done = database.run(action, *ACTIONS[action], "--network", "hoodi", cwd=database.folder)
    assert done.returncode == 1 and "another network" in one_line(done)
    assert not (database.folder / "out.json").exists()
    assert database.export() == exported(FULL)


@pytest.mark.parametrize("action", ["export", "check", "accept-loss", "watermark"])
def test_a_database_that_is_not_there_is_not_made(database, action):
    done = database.run(action, *ACTIONS[action], cwd=database.folder)
    assert done.returncode == 1 and str(database.path) in one_line(done)
    assert list(database.folder.iterdir()) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_a_file_that_is_no_database_is_refused_and_left_alone(database, action):
    database.path.write_text("not a database, but somebody's notes" * 200)
    before = database.path.read_bytes()
    database.write(FULL)
    done = database.run(action, *ACTIONS[action], cwd=database.folder)
    assert done.returncode == 1 and str(database.path) in one_line(done)
    assert database.path.read_bytes() == before


@pytest.mark.parametrize("action", ["export", "check", "import"])
def test_a_truncated_database_is_refused(database, action):
    many = interchange(*[history(pubkey(1), [(SLOT + number, number) for number in range(2000)])])
    assert database.import_text(many).returncode == 0
    with database.path.open("r+b") as file:
        file.truncate(database.path.stat().st_size // 2 // 4096 * 4096)
    done = database.run(action, *ACTIONS[action], cwd=database.folder)
    assert done.returncode == 1 and str(database.path) in one_line(done)


def test_a_record_that_somebody_deleted_is_noticed(database):
    assert database.import_text(FULL).returncode == 0
    connection = sqlite3.connect(database.path)
    [(table,)] = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%block%'")
    assert connection.execute(f"DELETE FROM {table}").rowcount == 3
    connection.commit()
    connection.close()
    for action in ("check", "export"):
        done = database.run(action, *ACTIONS[action], cwd=database.folder)
        assert done.returncode == 1 and str(database.path) in one_line(done)


def test_check_does_not_count_what_it_did_not_count(database):
    assert database.import_text(FULL).returncode == 0
    done = database.run("check")
    assert done.returncode == 0 and str(database.path) in done.stderr
    assert "0 validators" not in done.stderr


def test_a_copy_without_its_wal_is_refused_until_its_loss_is_accepted(start, tmp_path):
    signer = start(keys=[0])
    assert signer.sign(block(SLOT)).status == 200
    copy = Database(tmp_path)
    shutil.copy(signer.database, copy.path)  # of a running server, and only the one file
    for action in ("check", "export"):
        done = copy.run(action, *ACTIONS[action], cwd=tmp_path)
        assert done.returncode == 1 and str(copy.path) in one_line(done)
    assert copy.run("accept-loss").returncode == 0
    assert copy.run("check").returncode == 0


def test_accepting_a_loss_where_there_is_none_loses_nothing(database):
    assert database.import_text(FULL).returncode == 0
    assert database.run("accept-loss").returncode == 0
    assert database.export() == exported(FULL)


# --------------------------------------------------------------------------------------- watermark

def test_the_high_watermark_is_shown_set_kept_and_removed(database):
    assert database.import_text(FULL).returncode == 0
    assert database.run("watermark").stdout == "no high watermark\n"
    shown = database.run("watermark", "--epoch", EPOCH + 9).stdout
    assert str(EPOCH + 9) in shown and "slot" not in shown
    shown = database.run("watermark", "--slot", SLOT + 9).stdout
    assert str(EPOCH + 9) in shown and str(SLOT + 9) in shown
    assert database.run("watermark").stdout == shown
    assert database.run("watermark", "--remove").stdout == "no high watermark\n"
    assert database.run("watermark").stdout == "no high watermark\n"
    assert database.export() == exported(FULL)


def test_the_server_signs_below_the_high_watermark_only(database, start):
    assert database.import_text(interchange()).returncode == 0
    assert database.run("watermark", "--epoch", EPOCH + 2, "--slot", SLOT + 2).returncode == 0
    signer = start(keys=[0], settings={"anti_slashing.path": str(database.path)})
    assert signer.sign(block(SLOT + 1)).status == 200
    assert signer.sign(block(SLOT + 2)).status == 412
    assert signer.sign(block(SLOT + 3)).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert signer.sign(attestation(EPOCH + 1, EPOCH + 2)).status == 412
    assert signer.sign(attestation(EPOCH + 2, EPOCH + 2)).status == 412


# ------------------------------------------------------------------------------------- wrong calls

@pytest.mark.parametrize("arguments, named", [
    (["bogus"], "bogus"), (["import"], "--from"), (["export"], "--to"),
    (["import", "--from"], "--from"), (["import", "--form", "x"], "--form"), (["import", "in.json"], "in.json"),
    (["import", "--from", "in.json", "--keys", "0x"], "--keys"),  # would import all
    (["import", "--from", "in.json", "--to", "x"], "--to"), (["import", "--from", "in.json", "--dry-run=no"], "--dry-run"),
    (["export", "--to", "x", "--from", "in.json"], "--from"), (["export", "--to", "x", "--dry-run"], "--dry-run"),
    (["export", "--to", "x", "--keys", ""], "--keys"), (["export", "--to", "x", "--keys", "0x12"], "--keys, key 1"),
    (["export", "--to", "x", "--keys", pubkey(1) + ",,"], "--keys, key 2"),
    (["check", "--epoch", "1"], "--epoch"), (["check", "--raise"], "--raise"),
    (["accept-loss", "--from", "in.json"], "--from"), (["watermark", "--dry-run"], "--dry-run"),
    (["watermark", "--epoch", "x"], "--epoch x"), (["watermark", "--slot", "-1"], "--slot -1"),
    (["watermark", "--epoch", str(2**64)], "--epoch"), (["watermark", "--epoch", "1", "--remove"], "remove"),
    (["check", "--network"], "--network"), (["check", "--nonsense", "1"], "--nonsense"),
])
def test_a_wrong_call_is_exit_code_2_names_the_word_and_does_nothing(tmp_path, arguments, named):
    (tmp_path / "in.json").write_text(FULL)
    done = run_chamber("slashing", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert named in one_line(done)
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]


def test_a_store_that_keeps_nothing_has_nothing_to_work_on(database):
    for action in ACTIONS:
        done = database.run(action, *ACTIONS[action], "--anti-slashing-backend", "noop", cwd=database.folder)
        assert done.returncode == 1
    assert "noop" in one_line(done)


def test_an_unknown_network_is_refused(database):
    done = database.import_text(FULL, "--network", "holesky")
    assert done.returncode == 2 and "holesky" in one_line(done)
    assert not database.path.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["import", "--help"], ["watermark", "-h"]])
def test_help_is_exit_code_0_on_stdout(arguments):
    done = run_chamber("slashing", *arguments)
    assert done.returncode == 0 and done.stderr == ""
    assert all(action in done.stdout for action in ACTIONS)


def test_settings_come_from_the_configuration_file_as_for_the_server(database):
    config = database.write(f'anti_slashing:\n  path: "{database.path}"\n', "config.yaml")
    done = run_chamber("slashing", "import", "-c", config, "--from", database.write(FULL))
    assert done.returncode == 0
    assert database.export() == exported(FULL)
