"""The figures of tests/bench/enclave.py as the tables of docs/benchmarks.md."""
import pathlib
import re

from enclave_boot import spread
from enclave_ways import Way


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]


def section(title: str, *lines: str) -> str:
    return "\n".join([f"### {title}", "", *lines])


# ------------------------------------------------------------------------------------------------- tables

def image_section(sizes: dict[str, int]) -> str:
    names = {"image": "the release image", "kernel": "its kernel (bzImage)", "program": "its program (`/init`)"}
    rows = [[names[part], f"{size:,}", f"{size / sizes['image']:.2f}"] for part, size in sizes.items()]
    return section("The image", *table(["", "bytes", "share"], rows))


def boot_section(boots: dict[str, list[float]], cpu: str) -> str:
    names = {"machine": "QEMU and its firmware, until the kernel begins", "kernel": "kernel, by its own clock, until it starts `/init`",
             "init": "PID 1, until its heartbeat is answered", "server": "server, from then until `/healthcheck` answers 200",
             "heartbeat": "**all, until the heartbeat is answered**", "healthy": "**all, until `/healthcheck` answers 200**"}
    rows = []
    for part, name in names.items():
        median, low, high = spread(boots[part])
        rows.append([name, f"{median:.2f} s", f"{low:.2f}–{high:.2f} s"])
    return section(f"Boot, with {cpu}", *table(["", f"median of {len(boots['healthy'])}", "lowest and highest"], rows))


def memory_section(steps: dict[int, str | None], resident: list[dict[str, int]]) -> str:
    rows = [[f"{one['keys']:,}", f"{one['configuration']:,}", megabytes(one["resident"])] for one in resident]
    lines = table(["keys in the configuration", "bytes of it", "resident memory of the server"], rows)
    works = [memory for memory, failure in steps.items() if failure is None]
    fails = [(memory, failure) for memory, failure in steps.items() if failure is not None]
    if works:
        lines += ["", f"The smallest enclave that boots and signs each time, of {', '.join(map(str, steps))} MiB: **{min(works)} MiB**."]
        lines += [f"With {memory} MiB: `{failure}`." for memory, failure in fails]
    return section("Memory", *lines)


def way_row(way: Way, base: Way, processes: list[str]) -> list[str]:
    cpu = [microseconds(way.cpu_each(process)) if process in way.cpu else "" for process in processes]
    return [way.name, milliseconds(way.p50), milliseconds(way.p99), f"{way.p50 / base.p50:.2f}", *cpu]


def ways_table(what: str, ways: list[Way], base: Way, processes: list[str]) -> list[str]:
    head = [what, "p50", "p99", "p50, ratio", *(f"CPU of the {process}" for process in processes)]
    return table(head, [way_row(way, base, processes) for way in ways])


def relay_section(relay: dict) -> str:
    direct, relayed = relay["echo"]["direct"], relay["echo"]["relayed"]
    rows = [["plain loopback", microseconds(direct.p50), microseconds(direct.p99), "1", ""],
            ["through the parent", microseconds(relayed.p50), microseconds(relayed.p99), f"**{relayed.p50 / direct.p50:.2f}**",
             microseconds(relayed.cpu_each("parent"))]]
    lines = table(["600 bytes there and back", "p50", "p99", "p50, ratio", "CPU of the parent"], rows) + [""]
    rows = []
    for direction, runs in relay["bulk"].items():
        plain, through = runs["direct"], runs["relayed"]
        per_gb = 1e9 / relay["bytes"]
        ends = (plain["client"] + plain["peer"]) * per_gb
        rows.append([direction, f"{ends:.2f} s", f"{through['parent'] * per_gb:.2f} s", f"**{through['parent'] * per_gb / ends:.2f}**",
                     f"{relay['bytes'] / plain['seconds'] / 1e6:,.0f}", f"{relay['bytes'] / through['seconds'] / 1e6:,.0f}"])
    head = [f"a stream of {megabytes(relay['bytes'])}", "CPU a GB, both ends of a plain loopback connection", "CPU a GB, the parent", "ratio",
            "MB a second, plain", "MB a second, relayed"]
    return section("The relay, on this machine's CPU", *lines, *table(head, rows))


def attested_section(attested: dict) -> str:
    kept, new, bare = attested["kept"], attested["new"], attested["verification"]
    proxy = new[1].cpu_each("proxy")
    return section("Attested TLS, on this machine's CPU", *ways_table("a signature, connection kept", kept, kept[0], ["server", "proxy"]), "",
                   *ways_table("`/upcheck`, each on a new connection", new, new[0], ["server", "proxy"]), "",
                   f"A bare ECDSA verification with P-384: {microseconds(bare)} of CPU time; the proxy takes **{proxy / bare:.1f}** times that for a "
                   f"new connection, for which the enclave makes {attested['documents']:.1f} documents.")


def enclave_section(enclave: dict) -> str:
    upchecks, signing = enclave["upchecks"], enclave["signing"]
    relay = upchecks[2].p50 - upchecks[1].p50
    return section(f"An enclave with {enclave['cpu']}", *ways_table("`GET /upcheck`, port 9000", upchecks, upchecks[1], ["parent"]), "",
                   f"Through the parent less directly: {microseconds(relay)} at p50.", "",
                   *ways_table("a signature", signing, signing[1], ["parent", "proxy"]))


def machine(cpus: int, load: float) -> str:
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return f"Machine: {cpus} CPUs ({model[1] if model else 'unknown'}); load average before the run {load:.1f}."


def page(found: dict) -> str:
    return "\n\n".join([machine(found["cpus"], found["load"]), image_section(found["sizes"]),
                        boot_section(found["boots"], found["enclave"]["cpu"]),
                        memory_section(found["memory"], found["resident"]), relay_section(found["relay"]),
                        attested_section(found["attested"]), enclave_section(found["enclave"])])
