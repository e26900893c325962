"""Settings: what is documented is accepted and does what it says; what is not is refused in one line that names the
place, the setting and the remedy."""
import re

import pytest
import yaml

from commands import DONE, call, refused
from settings import PAGE, documented
from signer import ROOT

SETTINGS = documented()
NUMBERS = [setting for setting in SETTINGS if setting.kind == "number"]
EXAMPLE = ROOT / "config.example.yaml"

# The names and defaults that operators know, as far as this program has their feature; where it listens is its own choice
# (docs/adr/0006).
KNOWN = {
    "server.listen_address": "127.0.0.1", "server.listen_port": "9000",
    "metrics.listen_address": "127.0.0.1", "metrics.listen_port": "3000", "metrics.refresh_interval_seconds": "30",
    "network": "mainnet",
    "key_sources.filesystem.paths": None,
    "key_sources.filesystem.keystore_load_concurrency": "128",
    "key_sources.filesystem.raw_load_concurrency": "128",
    "anti_slashing.backend": "sqlite", "anti_slashing.path": "./slashing_protection.sqlite",
    "http.key_manager_api.enabled": "false",
    "http.key_manager_api.max_concurrent_reads": "50", "http.key_manager_api.max_concurrent_writes": "10",
    "http.key_manager_api.request_timeout_seconds": "30", "http.key_manager_api.max_items_per_request": "100",
}

by_name = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
by_number = pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)


def check_file(folder, text: str | bytes, *arguments, **options):
    (folder / "c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return call("server", "--check-config", "-c", "c.yaml", *arguments, folder=folder, **options)


def refuse_file(folder, text: str | bytes, *arguments, **options) -> str:
    (folder / "c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return refused("server", "--check-config", "-c", "c.yaml", *arguments, folder=folder, **options)


def values(called) -> dict[str, tuple[str, str]]:
    """Setting to its value and its origin, from the lines of --check-config."""
    assert called.code == DONE, called
    return {name: (value, origin) for name, value, origin in
            (re.fullmatch(r"(\S+) = (.*) \(([^()]+)\)", line).groups() for line in called.out.splitlines())}


def good_values(setting) -> list[str]:
    """Three right values, none of them the default, as the environment and flags spell them."""
    if setting.kind == "number":
        low, high = setting.range
        return [str(number) for number in (low + 1, low + 2, low + 3) if number <= high]
    if setting.kind == "boolean":
        return [{"true": "false", "false": "true"}[setting.default]] * 3
    if setting.name == "tee.platform":
        return ["none"] * 3  # all others are refused: test_an_enclave_needs_what_this_version_does_not_have
    if setting.kind == "choice":
        return [choice for choice in setting.choices if choice != setting.default][:1] * 3
    if setting.name == "network":
        return ["hoodi", "sepolia", "gnosis"]
    if setting.name.endswith("listen_address"):
        return ["127.0.0.2", "0.0.0.0", "::1"]
    return ["./first", "./second", "./third"]


def companions(setting) -> dict[str, str]:
    """What must be set beside it, so that the whole is consistent."""
    prefix = "CONTAINMENT_KEY_SOURCES__FILESYSTEM__KEYSTORES_"
    tls = {"CONTAINMENT_TLS__MODE": "file", "CONTAINMENT_TLS__FILE__CERT_PATH": "./crt",
           "CONTAINMENT_TLS__FILE__KEY_PATH": "./key"}
    if setting.name == "tls.mode" or setting.name.startswith("tls.file."):
        return {name: value for name, value in tls.items() if name != setting.variable}
    if setting.name.endswith(".keystores_path"):
        return {prefix + "PASSWORD_FILE": "./password"}
    return {prefix + "PATH": "./bulk"} if ".keystores_password" in setting.name else {}


# ---------------------------------------------------------------------------- the pages are right

def test_the_example_is_accepted_as_it_is_and_says_the_defaults(tmp_path):
    given = values(call("server", "--check-config", "-c", EXAMPLE, folder=tmp_path))
    defaults = values(call("server", "--check-config", folder=tmp_path))
    assert {name: value for name, (value, _) in given.items()} == {name: value for name, (value, _) in defaults.items()}
    assert all(origin == "default" for _, origin in defaults.values())
    lines = EXAMPLE.read_text().splitlines()
    for name, (_, origin) in given.items():
        key = name.rpartition(".")[2]
        if origin == "default":  # nothing but what has no default is commented out
            assert any(re.match(rf"\s*#{key}: ", line) for line in lines), name
        else:
            assert lines[int(origin.rpartition(" ")[2]) - 1].strip().startswith(f"{key}: "), name


def test_the_example_with_every_comment_opened_is_accepted(tmp_path):
    opened = re.sub(r"^(\s*)#(\w+: )", r"\1\2", EXAMPLE.read_text(), flags=re.MULTILINE)
    opened = re.sub(r"^\s*keystores_password_file: .*\n", "", opened, flags=re.MULTILINE)  # contradicts its neighbour
    opened = opened.replace("mode: disabled", "mode: file")  # without which the files contradict it
    assert all(origin != "default" or name.endswith("keystores_password_file")
               for name, (_, origin) in values(check_file(tmp_path, opened)).items())


def test_the_pages_are_those_that_the_program_prints():
    assert call("server", "--print-example-config").out == EXAMPLE.read_text()
    assert call("server", "--print-config-reference").out == PAGE.read_text()


def test_every_setting_is_documented_in_its_table_the_example_and_the_help(tmp_path):
    names = list(values(call("server", "--check-config", folder=tmp_path)))
    assert [setting.name for setting in SETTINGS] == names
    help_text = call("server", "--help").out
    for setting in SETTINGS:
        assert all(re.search(rf"(^  |, ){flag}\b", help_text, re.MULTILINE) for flag in setting.flags), setting.name


def test_the_names_and_defaults_that_operators_know(tmp_path):
    found = {setting.name: setting.default for setting in SETTINGS}
    assert {name: found.get(name, "missing") for name in KNOWN} == KNOWN


# ------------------------------------------------------------------- precedence, for every setting

@by_name
def test_the_environment_wins_over_the_file_and_flags_over_both(setting, tmp_path):
    first, second, third = good_values(setting)
    text = setting.yaml(f'"{first}"')
    more = companions(setting)
    in_file = values(check_file(tmp_path, text, environment=more))
    assert in_file[setting.name] == (shown(setting, first), f"c.yaml line {setting.line}")
    environment = more | {setting.variable: second}
    assert values(check_file(tmp_path, text, environment=environment))[setting.name] == \
        (shown(setting, second), setting.variable)
    for flag in setting.flags:
        called = check_file(tmp_path, text, f"{flag}={third}", environment=environment)
        assert values(called)[setting.name] == (shown(setting, third), flag)


def shown(setting, value: str) -> str:
    return f"[{value}]" if setting.kind == "list" else value


@by_name
def test_names_in_the_environment_have_no_case(setting, tmp_path):
    name = "Containment_" + setting.variable.removeprefix("CONTAINMENT_").lower()
    value = good_values(setting)[0]
    called = call("server", "--check-config", folder=tmp_path, environment=companions(setting) | {name: value})
    assert values(called)[setting.name] == (shown(setting, value), name)


# --------------------------------------------------------------- wrong values, for every setting

def wrong_values(setting) -> list[str]:
    """Texts that are no value of the setting, in any of the three places."""
    if setting.kind == "number":
        low, high = setting.range
        below = [str(low - 1)] if low > 0 else []
        return [*below, str(high + 1), "-1", "+5", "1.5", "1e3", "0x10", "010", "many", "5s", "", "1_000", str(2**64 + low)]
    if setting.kind == "boolean":
        return ["yes", "no", "on", "1", "0", "True", "TRUE", "maybe", ""]
    if setting.kind == "choice":
        return ["nosuch", setting.choices[0].upper(), setting.choices[0] + " ", "|", setting.takes, ""]
    if setting.kind == "list":
        return ["a,,b", ",", "a,", "a\tb", "x" * 4096, ",".join(["a"] * 1001)]
    return [" padded", "padded ", "a\tb", "a\x7fb", "x" * 4096] + ([] if setting.default is None else [""])


@by_name
def test_a_wrong_value_is_refused_by_name_in_the_environment_and_on_the_command_line(setting, tmp_path):
    for value in wrong_values(setting):
        complaint = refused("server", "--check-config", folder=tmp_path, environment={setting.variable: value})
        assert complaint.startswith(setting.variable + " "), (value, complaint)
    for value in wrong_values(setting)[:2]:
        complaint = refused("server", "--check-config", f"{setting.flags[0]}={value}", folder=tmp_path)
        assert complaint.startswith(setting.flags[0] + " "), (value, complaint)


@by_name
def test_a_wrong_value_in_the_file_is_refused_with_line_name_and_what_is_right(setting, tmp_path):
    for value in wrong_values(setting):
        if setting.kind == "list":
            value = value if len(value) == 4096 else "a\tb"  # in a file commas are no separators
        complaint = refuse_file(tmp_path, setting.yaml(yaml.dump(value, default_style='"', width=10**6).strip()))
        assert complaint.startswith(f"c.yaml line {setting.line}: {setting.name} "), (value, complaint)
        if setting.kind in ("number", "choice", "boolean"):
            takes = setting.takes.removeprefix("a number, ")
            assert f"(takes {takes})" in complaint, (value, complaint)


WRONG_KINDS = [
    ("{a: b}", "a value is needed here, not nested settings"), ("", "has no value"), ("~", "has no value"),
    ("null", "has no value"), ("&anchor x", "anchors (&)"), ("*alias", "anchors (&)"), ("!!str x", "tags (!)"),
    ("!own x", "tags (!)"), ('"a\\0b"', "NUL"), ("[[x]]", "needed here"), ("[{a: b}]", "needed here")]


@by_name
def test_a_value_of_the_wrong_kind_is_refused_with_line_and_name(setting, tmp_path):
    for value, reason in WRONG_KINDS:
        complaint = refuse_file(tmp_path, setting.yaml(value))
        assert complaint.startswith(f"c.yaml line {setting.line}: {setting.name}"), complaint
        assert reason in complaint, (value, complaint)


@by_name
def test_a_list_is_refused_where_one_value_is_needed(setting, tmp_path):
    if setting.kind == "list":
        assert values(check_file(tmp_path, setting.yaml("[a, 'b,c']")))[setting.name][0] == "[a, b,c]"
    else:
        assert f"{setting.name}: one value is needed here, not a list" in refuse_file(tmp_path, setting.yaml("[1]"))


@by_number
def test_both_ends_of_a_range_are_accepted(setting, tmp_path):
    for number in setting.range:
        environment = {"CONTAINMENT_SERVER__LISTEN_ADDRESS": "127.0.0.1", "CONTAINMENT_METRICS__LISTEN_ADDRESS": "127.0.0.2"}
        called = check_file(tmp_path, setting.yaml(str(number)), environment=environment)
        assert values(called)[setting.name][0] == str(number)


@by_name
def test_a_setting_that_stands_twice_is_refused_with_both_lines(setting, tmp_path):
    key = setting.name.rpartition(".")[2]
    indent = "  " * setting.name.count(".")
    value = f'"{good_values(setting)[0]}"'
    complaint = refuse_file(tmp_path, setting.yaml(value) + f"{indent}{key}: {value}\n", environment=companions(setting))
    assert complaint == f"c.yaml line {setting.line + 1}: {setting.name} (first by c.yaml line {setting.line}): set twice"


@by_name
def test_a_misspelt_name_is_refused_with_the_nearest(setting, tmp_path):
    section, _, key = setting.name.rpartition(".")
    wrong = key[:-2] + key[-1] + key[-2] if key[-1] != key[-2] else key + "x"
    misspelt = f"{section}.{wrong}" if section else wrong
    complaint = refuse_file(tmp_path, setting.yaml("1").replace(f"{key}:", f"{wrong}:"))
    assert complaint.startswith(f"c.yaml line {setting.line}: {misspelt} (did you mean {setting.name}?): unknown setting")


# ------------------------------------------------------------------------------- the file's YAML

@pytest.mark.parametrize("text,line,reason", [
    ("", 1, "no settings in the file; to have all defaults, write {}"),
    ("# only a comment\n", 2, "no settings in the file"),
    ("[]", 1, "settings are needed here"),
    ("server", 1, "settings are needed here"),
    ("null", 1, "settings are needed here"),
    ("server:\n", 1, "section has no settings"),
    ("server: 5\n", 1, "nested settings are needed here"),
    ("server: [1]\n", 1, "nested settings are needed here"),
    ("server:\n  io_threads: 1\nserver:\n  io_threads: 2\n", 3, "section appears twice"),
    ("server.listen_port: 1\n", 1, "a dot in a name"),
    ("network: hoodi\n---\nnetwork: sepolia\n", 2, "a second document"),
    ("network: hoodi\n...\n---\n", 3, "a second document"),
    ("base: &base {listen_port: 1}\nserver: *base\n", 1, "unknown setting"),
    ("server: &s {listen_port: 1}\n", 1, "anchors"),
    ("server:\n  <<: {listen_port: 1}\n", 2, "unknown setting"),
    ("!!map {network: hoodi}\n", 1, "tags"),
    ("? [network]\n: hoodi\n", 1, "a setting's name is needed here"),
    ("? {a: b}\n: hoodi\n", 1, "a setting's name is needed here"),
    ("\tnetwork: hoodi\n", 1, "not valid YAML"),
    ("network: hoodi\n  server: 1\n", 2, "not valid YAML"),
    ("server:\n  listen_port: 1\n metrics: 2\n", 3, "not valid YAML"),
    ("key_sources:\n  filesystem:\n    paths: [a\nnetwork: b\n", 4, "not valid YAML"),
    ("{" * 1000, 1, "a setting's name is needed here"),
    (b"network: \xff\n", 1, "not valid YAML"),
    (b"\n\nnetwork: \xc3\x28\n", 3, "not valid YAML"),
    (b"network: a\x00b\n", 1, "not valid YAML"),
    ("network: hoodi\n".encode("utf-16"), 1, "not valid YAML"),
])
def test_other_yaml_is_refused_with_its_line(tmp_path, text, line, reason):
    complaint = refuse_file(tmp_path, text)
    assert complaint.startswith(f"c.yaml line {line}"), complaint
    assert reason in complaint


def test_a_file_at_the_limit_is_read_and_one_past_it_is_refused(tmp_path):
    text = "network: hoodi\n"
    full = text + "#" * (1024 * 1024 - len(text))
    assert values(check_file(tmp_path, full))["network"][0] == "hoodi"
    assert "c.yaml" in refuse_file(tmp_path, full + "#")


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle(tmp_path):
    given = values(check_file(tmp_path, "\ufeffnetwork: hoodi\r\nserver:\r\n  listen_port: 9001\r\n"))
    assert given["network"][0] == "hoodi" and given["server.listen_port"] == ("9001", "c.yaml line 3")


@pytest.mark.parametrize("old,new", [
    ("antislashing:\n  backend: noop\n", "anti_slashing"),
    ("key_sources:\n  key_manager_api:\n    enabled: true\n", "http.key_manager_api"),
    ("metrics:\n  refresh_interval: 5\n", "metrics.refresh_interval_seconds"),
])
def test_names_of_earlier_versions_are_refused_with_the_new_one(tmp_path, old, new):
    complaint = refuse_file(tmp_path, old)
    assert f"(now {new}" in complaint and complaint.startswith("c.yaml line ")


# --------------------------------------------------------------------------------- the environment

@pytest.mark.parametrize("name", ["CONTAINMENT_NETWRK", "CONTAINMENT_SERVER_LISTEN_PORT", "CONTAINMENT_", "CONTAINMENT_SERVER",
                                  "containment_server__nothing", "CONTAINMENT_SERVER__LISTEN__PORT"])
def test_an_unknown_variable_is_refused_by_name(name, tmp_path):
    assert refused("server", "--check-config", environment={name: "1"}, folder=tmp_path).startswith(name)


def test_a_variable_in_two_cases_is_set_twice(tmp_path):
    complaint = refused("server", "--check-config", folder=tmp_path,
                        environment={"CONTAINMENT_NETWORK": "hoodi", "containment_network": "hoodi"})
    assert "set twice" in complaint


def test_the_variables_of_a_kubernetes_service_are_no_settings(tmp_path):
    environment = {"CONTAINMENT_CHAMBER_SERVICE_HOST": "10.0.0.1", "CONTAINMENT_CHAMBER_SERVICE_PORT": "9000",
                   "CONTAINMENT_CHAMBER_PORT": "tcp://10.0.0.1:9000", "CONTAINMENT_CHAMBER_PORT_9000_TCP": "tcp://10.0.0.1:9000",
                   "CONTAINMENT_CHAMBER_PORT_9000_TCP_ADDR": "10.0.0.1"}
    assert call("server", "--check-config", environment=environment, folder=tmp_path).code == DONE


def test_variables_of_others_do_not_matter(tmp_path):
    assert call("server", "--check-config", environment={"CONTAINMENTS": "1", "SERVER__LISTEN_PORT": "x"},
                folder=tmp_path).code == DONE


# ------------------------------------------------------------------------- settings that contradict

@pytest.mark.parametrize("settings,names", [
    ({"SERVER__LISTEN_PORT": "3000"}, ["server.listen_port", "metrics.listen_port"]),
    ({"SERVER__LISTEN_ADDRESS": "localhost"}, ["server.listen_address", "localhost"]),
    ({"METRICS__LISTEN_ADDRESS": "1.2.3"}, ["metrics.listen_address", "1.2.3"]),
    ({"NETWORK": "Mainnet"}, ["CONTAINMENT_NETWORK", "Mainnet", "hoodi"]),
    ({"NETWORK": "./none.yaml"}, ["CONTAINMENT_NETWORK", "none.yaml"]),
    ({"KEY_SOURCES__FILESYSTEM__KEYSTORES_PATH": "a"}, ["keystores_path", "keystores_password_file"]),
    ({"KEY_SOURCES__FILESYSTEM__KEYSTORES_PASSWORD_FILE": "a"}, ["keystores_password_file", "keystores_path"]),
    ({"KEY_SOURCES__FILESYSTEM__KEYSTORES_PATH": "a", "KEY_SOURCES__FILESYSTEM__KEYSTORES_PASSWORD_FILE": "b",
      "KEY_SOURCES__FILESYSTEM__KEYSTORES_PASSWORDS_PATH": "c"}, ["keystores_password_file", "keystores_passwords_path"]),
])
def test_settings_that_contradict_are_refused_by_their_names(tmp_path, settings, names):
    environment = {f"CONTAINMENT_{name}": value for name, value in settings.items()}
    complaint = refused("server", "--check-config", environment=environment, folder=tmp_path)
    assert all(name in complaint for name in names), complaint


def test_a_network_that_is_none_is_refused_with_its_line(tmp_path):
    complaint = refuse_file(tmp_path, "logging:\n  level: info\nnetwork: nosuch\n")
    assert complaint.startswith("c.yaml line 3: network nosuch: ")


# ----------------------------------------------------------------------------------------- secrets

@pytest.mark.parametrize("name", ["anti_slashing.url", "auth.token", "key_sources.filesystem.keystores_password"])
def test_what_stands_behind_an_unknown_name_is_not_repeated(tmp_path, name):
    """A database's URL, a token, a password: it is in the wrong place, and still a secret."""
    *sections, key = name.split(".")
    text = "".join(f"{'  ' * i}{section}:\n" for i, section in enumerate(sections))
    secret = "postgresql://signer:hunter2@db/slashing"
    assert "hunter2" not in refuse_file(tmp_path, f"{text}{'  ' * len(sections)}{key}: \"{secret}\"\n")
    variable = "CONTAINMENT_" + name.replace(".", "__").upper()
    assert "hunter2" not in refused("server", "--check-config", environment={variable: secret}, folder=tmp_path)
    flag = "--" + name.replace(".", "-").replace("_", "-")
    assert "hunter2" not in refused("server", "--check-config", f"{flag}={secret}", folder=tmp_path)
    assert "hunter2" not in refused("server", "--check-config", flag, secret, folder=tmp_path)


def test_a_broken_line_of_the_file_is_not_repeated(tmp_path):
    assert "hunter2" not in refuse_file(tmp_path, 'network: "hunter2\n')
    assert "hunter2" not in refuse_file(tmp_path, "network: hoodi\n  password: hunter2: x\n")


# ------------------------------------------------------------------------------------------- an enclave's settings

def test_an_enclave_needs_what_this_version_does_not_have(tmp_path):
    line = refuse_file(tmp_path, "tee: {platform: nitro}\ntls: {mode: atls}\nserver: {listen_port: 9000}\n")
    assert line.startswith('tee.platform = "nitro" (c.yaml line 1): needs a persistent signer_state')
    assert refused("server", "-c", "c.yaml", folder=tmp_path) == line  # a start, too


@pytest.mark.parametrize("text, wanted", [
    ("tee: {platform: nitro}", 'tee.platform = "nitro" (c.yaml line 1): needs tls.mode: atls beside it'),
    ("tls: {mode: atls}", 'tls.mode = "atls" (c.yaml line 1): needs tee.platform: nitro beside it'),
    ("tee: {platform: nitro}\ntls: {mode: file, file: {cert_path: c, key_path: k}}",
     'tee.platform = "nitro" (c.yaml line 1): needs tls.mode: atls beside it'),
    ("tls: {mode: atls, file: {cert_path: c}}", 'tls.file.cert_path = "c" (c.yaml line 1): needs tls.mode: file beside it'),
    ("tee: {platform: sgx}", "tee.platform"),
])
def test_attested_tls_and_an_enclave_need_each_other(tmp_path, text, wanted):
    assert wanted in refuse_file(tmp_path, text)
