#!/usr/bin/env python3
"""make bench: measures the signer against the bare costs of this machine, in one run, and prints the tables of
docs/benchmarks.md. With --write they go into that page, and the plot into docs/benchmarks.svg. --quick measures less.

Every figure is a ratio to something measured minutes away on the same machine; times are shown for orientation only.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from keystores import interop_secret, make_keystore  # noqa: E402
from signer import BINARY, Signer, pubkey_of  # noqa: E402

PAGE, PLOT = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

# What is promised: scenario, figure, at most.
LIMITS = {"distinct": 1.10, "same": 0.65}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------- the signer's cost

def run_bench(folder: str, **options) -> dict:
    say(f"bench {options}")
    flags = [f"--{name}={value}" for name, value in options.items()]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CONTAINMENT_")}
    done = subprocess.run([BINARY, "bench", "--json", f"--directory={folder}", *flags], text=True, capture_output=True, env=settings)
    if done.returncode != 0:
        sys.exit(f"run.py: the benchmark ended with {done.returncode}:\n{done.stderr}")
    run = json.loads(done.stdout)
    unanswered = {name: scenario["refused"] + scenario["failed"] for name, scenario in run["scenarios"].items() if name != "burst"}
    if any(unanswered.values()):  # costs of a part of the requests are no costs of a signature
        sys.exit(f"run.py: requests without an answer: {unanswered}")
    return run


def bare_ns(run: dict) -> int:
    return run["bare_hash_ns"] + run["bare_sign_ns"]


def ratio(run: dict, scenario: str) -> float:
    return run["scenarios"][scenario]["cpu_ns"] / bare_ns(run)


def median_run(folder: str, times: int, **options) -> dict:
    """The run with the median ratio for distinct messages."""
    runs = sorted((run_bench(folder, **options) for _ in range(times)), key=lambda run: ratio(run, "distinct"))
    chosen = runs[len(runs) // 2]
    chosen["spread"] = {name: (min(ratio(run, name) for run in runs), max(ratio(run, name) for run in runs))
                        for name in LIMITS}
    chosen["runs"] = runs
    return chosen


def cost_table(run: dict) -> list[str]:
    lines = ["| | CPU time a signature | ratio to bare blst | lowest and highest of the runs | at most |", "|---|---|---|---|---|",
             f"| bare blst: hash, sign, compress | {bare_ns(run) / 1e3:.0f} µs | 1 | | |"]
    names = {"distinct": "the signer, every message different, SQLite durable", "same": f"the signer, {run['keys']:,} keys signing one message"}
    for scenario, name in names.items():
        low, high = run["spread"][scenario]
        lines.append(f"| {name} | {run['scenarios'][scenario]['cpu_ns'] / 1e3:.0f} µs | **{ratio(run, scenario):.2f}** | {low:.2f}–{high:.2f} | {LIMITS[scenario]:.2f} |")
    return lines


def latency_row(name: str, p50s: list[int], p99s: list[int]) -> str:
    return f"| {name} | {statistics.median(p50s) / 1e6:.2f} ms | {statistics.median(p99s) / 1e6:.2f} ms | {min(p99s) / 1e6:.2f}–{max(p99s) / 1e6:.2f} ms |"


def latency_table(runs: list[dict]) -> list[str]:
    def of_idle(run: dict) -> dict:
        return run["scenarios"]["idle"]
    ratios = sorted(of_idle(run)["p99_ns"] / max(run["bare_signature_p99_ns"], run["bare_write_p99_ns"]) for run in runs)
    return ["| one request at a time, 5 ms apart | p50 | p99 | p99 in the runs |", "|---|---|---|---|",
            latency_row("bare signature", [run["bare_signature_p50_ns"] for run in runs], [run["bare_signature_p99_ns"] for run in runs]),
            latency_row("bare durable write (4 KiB, fdatasync)", [run["bare_write_p50_ns"] for run in runs], [run["bare_write_p99_ns"] for run in runs]),
            latency_row("the signer, HTTP and record included", [of_idle(run)["p50_ns"] for run in runs], [of_idle(run)["p99_ns"] for run in runs]), "",
            f"p99 against the larger bare p99 of the same run: **{statistics.median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f}; at most 1.5)."]


def burst_line(run: dict) -> str:
    burst = run["scenarios"]["burst"]
    cpu_bound = bare_ns(run) * burst["answered"] / run["cpus"]
    return (f"3,000 requests at once, each on a connection of its own: {burst['answered']:,} answered, {burst['refused'] + burst['failed']} failed, "
            f"in {burst['commits']} commits; the last answer after {burst['max_ns'] / 1e6:.0f} ms, **{burst['wall_ns'] / cpu_bound:.2f}** times what "
            f"{run['cpus']} CPUs need for the bare signatures alone (the load generator uses the same CPUs).")


# ------------------------------------------------------------------------------------------------ growth

def growth_runs(folder: str, quick: bool) -> list[dict]:
    shapes = [(1, 0), (100, 0), (10_000, 0), (10_000, 10_000_000)]
    if quick:
        shapes = [(1, 0), (1000, 100_000)]
    return [run_bench(folder, keys=keys, records=records, requests=40_000) for keys, records in shapes]


def growth_table(runs: list[dict]) -> list[str]:
    lines = ["| keys | records in the store | every message different | one message for all keys | resident memory |", "|---|---|---|---|---|"]
    for run in runs:
        lines.append(f"| {run['keys']:,} | {run['records']:,} | {ratio(run, 'distinct'):.2f} | {ratio(run, 'same'):.2f} | {run['memory_bytes'] / 1e6:.0f} MB |")
    return lines


# ------------------------------------------------------------------------------------------ loading keys

KDFS = {"scrypt": 262144, "pbkdf2": 262144}


def derive_once(kdf: str) -> float:
    """CPU seconds of one bare key derivation."""
    start = time.process_time()
    if kdf == "scrypt":
        hashlib.scrypt(b"password", salt=bytes(32), n=KDFS[kdf], r=8, p=1, dklen=32, maxmem=512 << 20)
    else:
        hashlib.pbkdf2_hmac("sha256", b"password", bytes(32), KDFS[kdf], 32)
    return time.process_time() - start


def bare_derivations(kdf: str, count: int) -> float:
    """CPU seconds of one, with as many at a time as there are CPUs."""
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        return statistics.median(pool.map(derive_once, [kdf] * count))


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load_keys(folder: pathlib.Path, kdf: str, count: int) -> tuple[float, float]:
    """CPU seconds of the signer for one key, and keys a second."""
    signer = Signer(folder=folder)
    for index in range(count):
        secret = interop_secret(index)
        pubkey = pubkey_of(secret)
        (signer.keys_folder / f"{index}.json").write_text(make_keystore(secret, "password", pubkey, kdf, KDFS[kdf]))
        (signer.keys_folder / f"{index}.password").write_text("password")
        (signer.keys_folder / f"{index}.yaml").write_text(
            f'type: "file-keystore"\nkeyType: "BLS"\nkeystoreFile: "{index}.json"\nkeystorePasswordFile: "{index}.password"\n')
    try:
        signer.start()
        used = cpu_seconds(signer.process.pid)
        loaded = next(line for line in signer.log() if line["message"] == "keys of the filesystem loaded")
        assert loaded["loaded"] == count, loaded
        return used / count, count / (loaded["milliseconds"] / 1e3)
    finally:
        signer.kill()


def loading_table(folder: pathlib.Path, quick: bool) -> list[str]:
    lines = ["| keystores | CPU a key, bare KDF | CPU a key, the signer (all of its start included) | ratio | keys a second |", "|---|---|---|---|---|"]
    for kdf, count in {"scrypt": 4 if quick else 24, "pbkdf2": 20 if quick else 200}.items():
        say(f"loading {count} {kdf} keystores")
        bare = bare_derivations(kdf, 8)
        used, rate = load_keys(folder / kdf, kdf, count)
        cost = "n=262144, r=8" if kdf == "scrypt" else "c=262144"
        lines.append(f"| {kdf} ({cost}) | {bare * 1e3:.0f} ms | {used * 1e3:.0f} ms | **{used / bare:.2f}** | {rate:.1f} |")
    return lines


# -------------------------------------------------------------------------------------------------- page

def plot(run: dict, growth: list[dict]) -> str:
    """Horizontal bars of CPU time over bare blst, with the promised limits as marks."""
    bars = [("bare blst", 1.0, None)]
    bars += [(name, ratio(run, scenario), LIMITS[scenario]) for scenario, name in
             {"distinct": "every message different", "same": "1,000 keys, one message"}.items()]
    bars += [(f"{g['keys']:,} keys, {g['records']:,} records", ratio(g, "distinct"), LIMITS["distinct"]) for g in growth]
    width, row, left, scale = 760, 30, 240, 400
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{row * len(bars) + 50}" font-family="sans-serif" font-size="13">',
           '<text x="8" y="20" font-weight="bold">CPU time of the signer a signature, bare blst = 1 (mark: promised limit)</text>']
    for index, (name, value, limit) in enumerate(bars):
        y = 34 + index * row
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>')
        out.append(f'<rect x="{left}" y="{y + 2}" width="{value * scale:.0f}" height="18" fill="{"#999" if index == 0 else "#3572b0"}"/>')
        if limit is not None:
            out.append(f'<line x1="{left + limit * scale:.0f}" x2="{left + limit * scale:.0f}" y1="{y - 2}" y2="{y + 24}" stroke="#c00" stroke-width="2"/>')
        out.append(f'<text x="{left + max(value, limit or 0) * scale + 8:.0f}" y="{y + 15}">{value:.2f}</text>')
    return "\n".join(out + ["</svg>", ""])


def machine(run: dict) -> str:
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{run['cpus']} CPUs ({model[1] if model else 'unknown'}), Linux {os.uname().release.split('-')[0]}"


def measure(quick: bool) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(dir=pathlib.Path(BINARY).resolve().parent, prefix="bench-") as name:
        folder = pathlib.Path(name)
        run = median_run(name, 1 if quick else 5, keys=1000, requests=40_000)
        growth = growth_runs(name, quick)
        loading = loading_table(folder, quick)
    parts = [f"Machine: {machine(run)}. {run['connections']} connections; a commit took {run['scenarios']['distinct']['answered'] / max(1, run['scenarios']['distinct']['commits']):.0f} records on average.",
             "### Cost of a signature", *cost_table(run), "", "![CPU time over bare blst](benchmarks.svg)", "### Latency of an idle signer", *latency_table(run["runs"]), "### A burst",
             burst_line(run), "### Growth (ratios to bare blst)", *growth_table(growth), "### Loading keys", *loading]
    text = "\n".join(("\n" + part + "\n") if part.startswith("###") else part for part in parts)
    return text, plot(run, growth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="fewer runs, small shapes: does it work at all?")
    options = parser.parse_args()
    text, picture = measure(options.quick)
    print(text)
    if options.write:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
        PLOT.write_text(picture)


if __name__ == "__main__":
    main()
