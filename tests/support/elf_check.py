"""What a program of the enclave's image must not be, as readelf sees it."""
import re
import subprocess

# In the order in which they are reported.
DEBUGGING = (".symtab", ".strtab", ".debug_info", ".debug_line", ".comment", ".note.gnu.build-id")


def readelf(option: str, path) -> str:
    return subprocess.run(["readelf", "-W", option, path], stdout=subprocess.PIPE, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}).stdout


def segments(path) -> list[tuple[str, str]]:
    """(type, flags) of each."""
    rows = re.findall(r"^  ([A-Z_]+)((?: +0x[0-9a-f]+){5}) +([RWE ]{3}) ", readelf("-l", path), re.M)
    return [(kind, flags.replace(" ", "")) for kind, _, flags in rows]


def wrong_segments(path) -> list[str]:
    found = segments(path)
    kinds = {kind for kind, _ in found}
    wrong = [f"{kind} is both written and executed" for kind, flags in found if {"W", "E"} <= set(flags)]
    wrong += ["it wants a loader"] if "INTERP" in kinds else []
    wrong += [f"no {kind}" for kind in ("LOAD", "GNU_RELRO", "GNU_STACK") if kind not in kinds]
    return wrong + [f"{kind} can be executed" for kind, flags in found if kind == "GNU_STACK" and "E" in flags]


def wrong_dynamic(path) -> list[str]:
    text = readelf("-d", path)
    wrong = [f"it has {name}" for name in ("NEEDED", "RPATH", "RUNPATH", "TEXTREL") if f"({name})" in text]
    return wrong + ([] if re.search(r"\(FLAGS_1\) .*\bNOW\b.*\bPIE\b", text) else ["not bound at once, or no PIE"])


def findings(path) -> list[str]:
    """Empty for a static, position-independent, stripped program that is bound at its start and has nothing that
    is written and executed, nor libraries to load."""
    is_pie = re.search(r"Type: +DYN ", readelf("-h", path))
    sections = re.findall(r"^ +\[ *\d+\] (\.\S+)", readelf("-S", path), re.M)
    return ([] if is_pie else ["its addresses are fixed"]) + wrong_segments(path) + wrong_dynamic(path) + [
        f"it has {name}" for name in DEBUGGING if name in sections]


def symbols(path) -> dict[str, int]:
    """Name to address of what a program with its symbols defines; of equal names one."""
    listed = subprocess.run(["nm", "--defined-only", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split()[2]: int(line.split()[0], 16) for line in listed.splitlines() if len(line.split()) == 3}
