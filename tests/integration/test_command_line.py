"""The command line teaches whoever asks, and tells whoever errs what is wrong, in one line, with an exit code."""
import os
import re
import subprocess

import pytest

from commands import DONE, FAILED, USAGE, call, clean_environment, refused
from signer import BINARY

COMMANDS = ("server", "parent", "slashing", "atls", "enclave", "bench", "eif", "version")
WIDTH_MAX = 100


# ------------------------------------------------------------------------------------------- help

@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command_and_the_exit_codes(arguments):
    called = call(*arguments)
    assert (called.code, called.err) == (DONE, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", called.out, re.MULTILINE), command
    assert "exit codes: 0 done, 1 failed or refused, 2 wrong call or configuration" in called.out


def test_a_call_without_a_command_is_help_on_stderr_and_an_error():
    called = call()
    assert (called.code, called.out) == (USAGE, "")
    assert called.err == call("--help").out


@pytest.mark.parametrize("letter", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_teaches(command, letter):
    called = call(command, letter)
    assert (called.code, called.err) == (DONE, "")
    assert called.out.startswith(f"usage: containment-chamber {command}")
    examples = re.split(r"^examples?:$", called.out, flags=re.MULTILINE)
    assert len(examples) == 2 and f"  containment-chamber {command}" in examples[1]
    assert all(len(line) <= WIDTH_MAX for line in called.out.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_the_examples_exist(command):
    """Examples are what people copy: none may name an option that the help does not explain."""
    head, examples = re.split(r"^examples?:$", call(command, "--help").out, flags=re.MULTILINE)
    explained = set(re.findall(r"--[a-z][a-z-]+", head + call("server", "--help").out.partition("examples:")[0]))
    assert set(re.findall(r"--[a-z][a-z-]+", examples)) <= explained


def test_help_of_an_action_of_slashing_is_that_of_slashing():
    assert call("slashing", "import", "--help").out == call("slashing", "--help").out


def test_help_wins_over_an_unset_requirement_and_starts_nothing(tmp_path):
    called = call("server", "-c", "/nonexistent", "--help", folder=tmp_path)
    assert called.code == DONE and called.out.startswith("usage: ")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------- version

@pytest.mark.parametrize("argument", ["version", "--version"])
def test_the_version_is_that_of_the_build(argument):
    called = call(argument)
    assert (called.code, called.err) == (DONE, "")
    first, second = called.out.splitlines()
    assert re.fullmatch(r"containment-chamber \d+\.\d+\.\d+\S*", first)
    assert second.startswith("OpenSSL 3.")


# --------------------------------------------------------------------------------- wrong commands

@pytest.mark.parametrize("command", ["serve", "", "Server", "server ", "--hlep", "-x", "a\nb", "\x1b[31mred", "ä", "x" * 5000])
def test_an_unknown_command_is_one_line_with_the_remedy(command):
    complaint = refused(command)
    assert complaint.endswith("unknown command; --help lists them")


@pytest.mark.parametrize("command", ["server", "bench", "version"])
@pytest.mark.parametrize("argument", ["--bogus", "-x", "extra", "-", "--", "--bogus=1", ""])
def test_an_unknown_option_is_one_line_with_the_remedy(command, argument):
    complaint = refused(command, argument)
    assert "unknown option; --help lists them" in complaint
    assert argument.partition("=")[0] in complaint


@pytest.mark.parametrize("wrong,right", [
    ("--server-listen-prt", "--server-listen-port"),
    ("--metrics-listen-adress", "--metrics-listen-address"),
    ("--netwrok", "--network"),
    ("--anti-slashing-pth", "--anti-slashing-path"),
])
def test_the_nearest_flag_is_named(wrong, right):
    assert f"{wrong} (did you mean {right}?)" in refused("server", wrong, "1")
    assert f"{wrong} (did you mean {right}?)" in refused("server", f"{wrong}=1")


def test_an_earlier_flag_names_its_new_name():
    assert "--antislashing-backend (now --anti-slashing-backend)" in refused("server", "--antislashing-backend", "noop")


@pytest.mark.parametrize("arguments,text", [
    (["server", "--config"], "--config: the option needs a value"),
    (["server", "-c"], "-c: the option needs a value"),
    (["server", "--check-config=yes"], "--check-config=yes: the option takes no value"),
    (["server", "--network"], "--network: needs a value after it"),
    (["server", "--network", "--strict"], "--network: needs a value after it"),
    (["server", "--server-listen-port", "1", "--server-listen-port", "2"], "set twice"),
    (["bench", "--keys"], "--keys: the option needs a value"),
    (["bench", "--keys", "many"], "--keys: not a decimal number"),
    (["bench", "--keys=-1"], "--keys: not a decimal number"),
])
def test_an_option_used_wrongly_is_named(arguments, text):
    assert text in refused(*arguments)


def test_a_value_behind_an_unknown_option_is_not_repeated():
    """It may be a token for another program's option."""
    for arguments in (["--auth-token=hunter2"], ["--auth-token", "hunter2"]):
        assert "hunter2" not in refused("server", *arguments)


def test_hostile_bytes_of_an_argument_do_not_reach_the_terminal():
    done = subprocess.run([BINARY, b"server", b"--\x1b]0;owned\x07\xff\n=1"], capture_output=True,
                          env=clean_environment(), check=False)
    assert done.returncode == USAGE
    line = done.stderr.decode("ascii")
    assert line.count("\n") == 1 and line.rstrip("\n").isprintable()


# ----------------------------------------------------------------------------------- check-config

def test_check_config_shows_each_setting_once_with_its_origin_and_starts_nothing(tmp_path):
    (tmp_path / "c.yaml").write_text("network: hoodi\nserver:\n  listen_port: 9001\n")
    called = call("server", "-c", "c.yaml", "--metrics-listen-port", "3001", "--check-config",
                  environment={"CONTAINMENT_LOGGING__LEVEL": "debug"}, folder=tmp_path)
    assert (called.code, called.err) == (DONE, "")
    lines = called.out.splitlines()
    names = [line.partition(" = ")[0] for line in lines]
    assert len(names) == len(set(names)) and len(names) > 30
    assert "network = hoodi (c.yaml line 1)" in lines
    assert "server.listen_port = 9001 (c.yaml line 3)" in lines
    assert "metrics.listen_port = 3001 (--metrics-listen-port)" in lines
    assert "logging.level = debug (CONTAINMENT_LOGGING__LEVEL)" in lines
    assert "logging.format = text (default)" in lines
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize("path,reason", [
    ("nothing.yaml", "no such file"), (".", "not a regular file"), ("", "no such file")])
def test_a_configuration_file_that_cannot_be_read_is_named(tmp_path, path, reason):
    assert reason in refused("server", "--config", path, "--check-config", folder=tmp_path)


def test_the_variable_names_the_file_and_the_option_wins(tmp_path):
    (tmp_path / "a.yaml").write_text("network: hoodi\n")
    (tmp_path / "b.yaml").write_text("network: sepolia\n")
    by_variable = {"environment": {"CONTAINMENT_CONFIG": "a.yaml"}, "folder": tmp_path}
    assert "network = hoodi (a.yaml line 1)" in call("server", "--check-config", **by_variable).out
    assert "network = sepolia (b.yaml line 1)" in call("server", "--check-config", "-c", "b.yaml", **by_variable).out


# ------------------------------------------------------------------------------------- exit codes

def test_what_fails_outside_of_the_configuration_is_exit_code_1(tmp_path):
    complaint = refused("slashing", "check", "--anti-slashing-path", tmp_path / "none.sqlite", code=FAILED)
    assert "none.sqlite" in complaint


def test_a_configuration_that_is_wrong_is_exit_code_2_before_anything_is_made(tmp_path):
    assert refused("server", "--server-listen-port", "70000", folder=tmp_path)
    assert refused("server", "--network", "nosuch", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["server", "--print-example-config"], ["server", "--check-config"], ["--help"],
                                       ["version"]])
def test_output_that_cannot_be_written_is_a_failure(arguments):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, *arguments], stdout=full, stderr=subprocess.PIPE, env=clean_environment(),
                              check=False, text=True)
    assert done.returncode == FAILED
    assert done.stderr == "containment-chamber: standard output (No space left on device): cannot be written\n"


def test_a_reader_that_went_away_does_not_kill_it_by_signal():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([BINARY, "server", "--help"], stdout=writer, stderr=subprocess.PIPE,
                          env=clean_environment(), check=False, text=True)
    os.close(writer)
    assert done.returncode == FAILED and "Broken pipe" in done.stderr
