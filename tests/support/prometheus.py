"""A strict reader of Prometheus' text exposition format 0.0.4: what it accepts, every scraper accepts."""
import dataclasses
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
VALUE = r"[-+]?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|Inf)|NaN"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ({VALUE})")
KINDS = ("counter", "gauge", "histogram")
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@dataclasses.dataclass
class Family:
    name: str
    kind: str
    help: str
    samples: dict = dataclasses.field(default_factory=dict)  # (name, ((label, value), …)) to a number

    def value(self, _part: str = "", **labels) -> float:
        """That of one sample; 0 for one that is not there, as it is for whoever counts."""
        return self.samples.get((self.name + _part, tuple(sorted(labels.items()))), 0.0)

    @property
    def labels(self) -> set[str]:
        return {name for _, labels in self.samples for name, _ in labels}

    def label_values(self, label: str) -> set[str]:
        return {value for _, labels in self.samples for name, value in labels if name == label}


def parse(page: str) -> dict[str, Family]:
    """The families by name. Asserts: each is announced by HELP and TYPE, once, and followed by its own samples; no
    sample twice; counters are named so and not negative; histograms are whole."""
    assert page.endswith("\n") and "\r" not in page
    families = {}
    lines = page.removesuffix("\n").split("\n")
    at = 0
    while at < len(lines):
        family = _parse_head(lines[at:at + 2])
        assert family.name not in families, f"{family.name} stands twice"
        families[family.name] = family
        at += 2
        while at < len(lines) and not lines[at].startswith("#"):
            _parse_sample(family, lines[at])
            at += 1
        _check(family)
    return families


def _parse_head(lines: list[str]) -> Family:
    assert len(lines) == 2, f"no metric of its own: {lines}"
    first, second = lines
    described = re.fullmatch(rf"# HELP ({NAME}) (\S.*\.)", first)
    typed = re.fullmatch(rf"# TYPE ({NAME}) (\w+)", second)
    assert described, f"no HELP line: {first!r}"
    assert typed and typed[1] == described[1] and typed[2] in KINDS, f"no TYPE line: {second!r}"
    assert re.fullmatch(r"(?:[^\\]|\\[\\n])*", described[2]), first
    return Family(typed[1], typed[2], described[2])


def _parse_sample(family: Family, line: str) -> None:
    found = SAMPLE.fullmatch(line)
    assert found, f"no sample: {line!r}"
    name, labels = found[1], tuple(sorted(re.findall(LABEL, found[2] or "")))
    parts = HISTOGRAM_PARTS if family.kind == "histogram" else ("",)
    assert name in [family.name + part for part in parts], f"{name} stands among {family.name}"
    assert len({label for label, _ in labels}) == len(labels), f"a label stands twice: {line!r}"
    assert (name, labels) not in family.samples, f"a sample stands twice: {line!r}"
    family.samples[name, labels] = float(found[found.lastindex])


def _check(family: Family) -> None:
    if family.kind == "counter":
        assert family.name.endswith("_total"), family.name
        assert all(value >= 0 and math.isfinite(value) for value in family.samples.values()), family
    elif family.kind == "gauge":
        assert not family.name.endswith("_total"), family.name
    else:
        _check_histogram(family)


def _check_histogram(family: Family) -> None:
    series = {}
    for (name, labels), value in family.samples.items():
        own = tuple(pair for pair in labels if pair[0] != "le")
        part = name.removeprefix(family.name)
        entry = series.setdefault(own, {"buckets": []})
        if part == "_bucket":
            entry["buckets"].append((float(dict(labels)["le"]), value))
        else:
            entry[part] = value
    for own, entry in series.items():
        bounds = [bound for bound, _ in entry["buckets"]]
        counts = [count for _, count in entry["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, own
        assert counts == sorted(counts) and counts[-1] == entry["_count"], own
        assert entry["_sum"] >= 0 and (entry["_count"] > 0 or entry["_sum"] == 0), own
