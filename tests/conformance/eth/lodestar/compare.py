#!/usr/bin/env python3
"""Holds the eth layer against Lodestar's libraries: networks, presets, and hundreds of random requests.

usage: compare.py SIGNING_ROOT_TOOL

Needs node (18 or later) and npm, and the network once: the libraries are installed by `npm ci` into
${XDG_CACHE_HOME:-~/.cache}/containment-chamber. With CHAMBER_OFFLINE=1 the test is skipped.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = "20260901"
ROUNDS = {"mainnet": 12, "minimal": 12, "gnosis": 4}


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems):
        self.count += 1
        for problem in problems[:10]:
            print(f"# {problem}")
        if len(problems) > 10:
            print(f"# … and {len(problems) - 10} more")
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}", flush=True)
        self.failed += bool(problems)


def bail_out(text):
    print(f"Bail out! {text}")
    sys.exit(1)


def run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as error:
        bail_out(f"{command[0]}: {error.strerror}")
    if done.returncode != 0:
        bail_out(f"{' '.join(map(str, command))}: {done.stderr.strip()[-600:]}")
    return done.stdout


def install():
    """The folder that holds node_modules; made as a whole or not at all, for tests may run at once."""
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "containment-chamber"
    place = cache / f"lodestar-{hashlib.sha256(lock).hexdigest()[:16]}"
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        half = Path(scratch) / "half"
        half.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, half)
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=half)
        try:
            half.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    return place


class Lodestar:
    """Runs generate.mjs beside a link to the installed libraries: node looks for them there."""

    def __init__(self, folder, modules):
        self.script = Path(folder) / "generate.mjs"
        shutil.copy(HERE / "generate.mjs", self.script)
        (Path(folder) / "node_modules").symlink_to(modules / "node_modules")

    def text(self, *arguments, preset="mainnet"):
        environment = {**os.environ, "LODESTAR_PRESET": preset}
        return run(["node", self.script, *arguments], env=environment)

    def lines(self, *arguments, preset="mainnet"):
        return [json.loads(line) for line in self.text(*arguments, preset=preset).splitlines()]


def check_networks(tap, tool, lodestar, folder):
    ours = {}
    for theirs in lodestar.lines("networks"):
        name = theirs["name"]
        ours[name] = json.loads(run([tool, "network", name]))
        tap.check(f"network {name}", [
            f"{key}: {ours[name][key]}, Lodestar has {value}"
            for key, value in theirs.items() if ours[name][key] != value])
    for config in lodestar.lines("configs"):
        path = Path(folder) / f"{config['name']}.yaml"
        path.write_text(config["yaml"])
        read = json.loads(run([tool, "network", path]))
        known = ours[config["name"]]
        tap.check(f"config.yaml of {config['name']}", [
            f"{key}: {read[key]} in the file, {value} built in"
            for key, value in known.items() if read[key] != value])


def answers(tool, network, bodies):
    text = "".join(json.dumps(body) + "\n" for body in bodies)
    lines = run([tool, "roots", network], input=text).splitlines()
    if len(lines) != len(bodies):
        bail_out(f"{len(bodies)} requests and {len(lines)} answers")
    return lines


def differences(cases, lines):
    return [f"{case['name']}: {line}, Lodestar has {case['root']}: {json.dumps(case['body'])[:300]}"
            for case, line in zip(cases, lines) if line != case["root"]]


def other_root(root):
    return root[:-1] + ("1" if root[-1] != "1" else "0")


def check_bodies(tap, tool, network, preset, cases):
    plain = [case for case in cases if not case["named"]]
    lines = answers(tool, network, [case["body"] for case in plain])
    tap.check(f"{preset}: {len(plain)} roots", differences(plain, lines))

    bodies = [{**case["body"], ("signingRoot", "signing_root")[i % 2]: case["root"]}
              for i, case in enumerate(cases)]
    tap.check(f"{preset}: {len(cases)} requests that name the root",
              differences(cases, answers(tool, network, bodies)))

    bodies = [{**case["body"], "signingRoot": other_root(case["root"])} for case in plain]
    tap.check(f"{preset}: {len(plain)} requests that name another root are refused", [
        f"{case['name']}: {line}"
        for case, line in zip(plain, answers(tool, network, bodies))
        if not (line.startswith("error: signingRoot 0x") and case["root"] in line)])


def check_preset(tap, tool, lodestar, folder, preset):
    config = Path(folder) / f"preset-{preset}.yaml"
    config.write_text(lodestar.text("config", preset=preset))
    read = json.loads(run([tool, "network", config]))
    numbers = lodestar.lines("preset", preset=preset)[0]
    tap.check(f"{preset}: preset", [
        f"{key}: {read[key]}, Lodestar has {value}"
        for key, value in numbers.items() if read[key] != value])
    cases = lodestar.lines("bodies", SEED, str(ROUNDS[preset]), preset=preset)
    check_bodies(tap, tool, config, preset, cases)


def main():
    if os.environ.get("CHAMBER_OFFLINE") == "1":
        print("1..0 # SKIP CHAMBER_OFFLINE=1: Lodestar's libraries may have to be downloaded")
        return 0
    tool = Path(sys.argv[1]).resolve()
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            bail_out(f"{program} is not installed; set CHAMBER_OFFLINE=1 to go without this test")
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        lodestar = Lodestar(folder, install())
        check_networks(tap, tool, lodestar, folder)
        for preset in ROUNDS:
            check_preset(tap, tool, lodestar, folder, preset)
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
