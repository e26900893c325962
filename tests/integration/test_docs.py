"""The pages say what the program does: their links lead somewhere, their examples run, their names exist."""
import functools
import pathlib
import re
import subprocess

import openapi
import pages
import pytest
import yaml
from pages import Page, Shell, fits
from signer import BINARY, EPOCH, ROOT, attestation

PAGES = pages.all_pages()
DOCS = ROOT / "docs"


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def run(*arguments) -> str:
    return subprocess.run([BINARY, *arguments], check=True, text=True, capture_output=True).stdout


# ----------------------------------------------------------------------------------------------- links

@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(path):
    page = Page(path)
    for link in page.links():
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name_of(path)}: {link}"
        if anchor:
            assert anchor in Page(target).anchors(), f"{name_of(path)}: {link}"


# -------------------------------------------------------------------------------------------- examples

@pytest.mark.parametrize("path", [path for path in PAGES if Page(path).commands()], ids=name_of)
def test_every_example_runs_and_prints_what_is_shown(path, tmp_path):
    shell = Shell(tmp_path)
    try:
        for command in Page(path).commands():
            output, code = shell.run(command.text)
            where = f"{name_of(path)}:{command.line}: {command.text}\n{output}"
            assert code == 0, f"exit code {code}: {where}"
            assert fits(command.output, output), f"shown otherwise: {where}"
    finally:
        shell.close()


@pytest.mark.parametrize("shown, given, expected", [
    (["a"], "a\n", True), (["a"], "a", True), ([], "", True), (["a"], "b\n", False), (["a"], "a\nb\n", False),
    (["a…z"], "abcz\n", True), (["a…z"], "abc\n", False), (["…", "c"], "a\nb\nc\n", True), ([], "a\n", False),
    (["a", "…"], "b\na\n", False), (["(a)"], "a\n", False),
])
def test_the_comparison_of_examples_can_fail(shown, given, expected):
    assert fits(shown, given) is expected


def test_an_example_that_fails_is_seen(tmp_path):
    shell = Shell(tmp_path)
    try:
        output, code = shell.run("containment-chamber nonsense")
        assert code == 2 and "nonsense" in output
    finally:
        shell.close()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_configuration_shown_is_accepted(path, tmp_path):
    for line, block in Page(path).blocks("yaml"):
        if block.startswith("# config.yaml"):
            (tmp_path / "config.yaml").write_text(block)
            done = subprocess.run([BINARY, "server", "-c", "config.yaml", "--check-config"], cwd=tmp_path,
                                  text=True, capture_output=True)
            assert done.returncode == 0, f"{name_of(path)}:{line}: {done.stderr}"


# ----------------------------------------------------------------------------------------------- names

@functools.cache
def settings() -> set[str]:
    return set(re.findall(r"^(\S+) = ", run("server", "--check-config"), re.MULTILINE))


@functools.cache
def flags() -> set[str]:
    calls = [["server"], ["slashing"], ["bench"], ["eif"], ["enclave"], ["atls", "verify"], ["atls", "proxy"]]
    helps = "".join(run(*called, "--help") for called in calls)
    return set(re.findall(r"--[a-z][a-z-]+", helps))


def variable(setting: str) -> str:
    return "CONTAINMENT_" + setting.upper().replace(".", "__")


# Older names, which are there to be refused.
@pytest.mark.parametrize("path", [path for path in PAGES if path.name != "configuration.md"], ids=name_of)
def test_every_setting_named_exists(path):
    page = Page(path)
    sections = {name[:i] for name in settings() for i in range(len(name)) if name[i] == "."}
    tops = {name.partition(".")[0] for name in settings()}
    for span in page.spans():
        found = re.match(r"([a-z_]+(?:\.[a-z_]+)+)\b", span)
        if found and found[1].partition(".")[0] in tops and not found[1].endswith((".md", ".yaml", ".c", ".h")):
            assert found[1] in settings() | sections, f"{name_of(path)}: {found[1]}"
    for name in re.findall(r"CONTAINMENT_\w+", page.text):
        assert name in {variable(setting) for setting in settings()} | {"CONTAINMENT_CONFIG"}, name


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_option_of_the_program_named_exists(path):
    prefixes = tuple(f"--{name.partition('.')[0].replace('_', '-')}-" for name in settings())
    for command in re.findall(r"containment-chamber (?:server|slashing|bench|eif|enclave|atls)\b[^\n`]*", Page(path).text):
        for flag in re.findall(r"--[a-z][a-z-]+", command):
            assert flag in flags(), f"{name_of(path)}: {flag}"
    for span in Page(path).spans():
        flag = re.match(r"--[a-z-]+", span)
        if flag and span.startswith(prefixes) and path.name != "migration.md":
            assert flag[0] in flags(), f"{name_of(path)}: {span}"


def test_the_configuration_page_is_the_programs_own():
    assert (DOCS / "configuration.md").read_text() == run("server", "--print-config-reference")
    assert (ROOT / "config.example.yaml").read_text() == run("server", "--print-example-config")


def test_the_api_page_has_every_route_and_no_other():
    routes = {f"{method.upper()} {path}" for path, item in openapi.document()["paths"].items()
              for method in item if method in ("get", "post", "delete")}
    shown = {heading.strip("`") for heading in Page(DOCS / "api.md").headings() if heading.startswith("`")}
    assert shown == routes


# --------------------------------------------------------------------------------------------- metrics

def exposed_metrics(text: str) -> dict[str, tuple[str, frozenset]]:
    """Name of each metric to its type and the names of its labels."""
    metrics = {name: (kind, set()) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)}
    for name, labels in re.findall(r"^([a-z]\w*)(?:\{(.*)\})? ", text, re.MULTILINE):
        base = name if name in metrics else re.sub(r"_(bucket|sum|count)$", "", name)
        metrics[base][1].update(set(re.findall(r'(\w+)="', labels)) - {"le"})
    return {name: (kind, frozenset(labels)) for name, (kind, labels) in metrics.items()}


def documented_metrics() -> dict[str, tuple[str, frozenset]]:
    rows = Page(DOCS / "metrics.md").tables("metric")
    names = [row[0].strip("`") for row in rows]
    assert len(names) == len(set(names)), "a metric is there twice"
    return {row[0].strip("`"): (row[1], frozenset(re.findall(r"`(\w+)`", row[2]))) for row in rows}


def test_the_metrics_page_has_every_metric_with_its_type_and_labels_and_no_other(start):
    signer = start(keys=[0])
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    page = signer.get("/metrics", port=signer.metrics_port)
    assert documented_metrics() == exposed_metrics(page.text)


def test_alerts_use_metrics_that_exist():
    page = Page(DOCS / "metrics.md")
    (rules,) = [yaml.safe_load(block) for _, block in page.blocks("yaml")]
    names = set(documented_metrics())
    names |= {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}
    used = [name for group in rules["groups"] for rule in group["rules"]
            for name in re.findall(r"\b(?:containment|process)_\w+", rule["expr"])]
    assert used and set(used) <= names


# -------------------------------------------------------------------------------------------- messages

@functools.cache
def literals() -> str:
    """All string literals of the program, those that stand side by side joined."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.c")))
    joined = re.sub(r'"\s*\n\s*"', "", text)
    return "\n".join(found.replace('\\"', '"') for found in re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined))


def messages_of(path: pathlib.Path) -> list[str]:
    return [row[0].strip("`") for row in Page(path).tables("message")]


@pytest.mark.parametrize("path", [DOCS / "operations.md", DOCS / "protection.md", DOCS / "enclave.md", DOCS / "running-enclaves.md"], ids=name_of)
def test_the_messages_in_tables_are_the_programs(path):
    messages = messages_of(path)
    assert len(messages) >= 10
    for message in messages:
        for piece in re.split(r"\s*…\s*", message):
            assert piece == "" or piece in literals(), f"the program never says: {piece}"


def test_every_refusal_of_slashing_protection_is_explained():
    source = re.sub(r'"\s*\n\s*"', "", (ROOT / "src/slashing/rules.c").read_text())
    texts = re.findall(r"\[VERDICT_\w+\] =\s+\"([^\n]*)\"", source)
    not_refusals = ("the message was not judged", "the message is new and may be signed",
                    "the very message was signed before", "the slashing protection store failed")
    assert set(messages_of(DOCS / "protection.md")) == set(texts) - set(not_refusals)
