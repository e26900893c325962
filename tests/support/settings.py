"""The settings as docs/configuration.md lists them: what tests go through one by one."""
import dataclasses
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


@dataclasses.dataclass(frozen=True)
class Setting:
    name: str
    takes: str
    default: str | None  # None: there is none
    variable: str
    flags: tuple[str, ...]

    @property
    def kind(self) -> str:
        """number, boolean, choice, list or text."""
        if self.takes.startswith("a number, "):
            return "number"
        return {"true or false": "boolean", "a list of texts": "list", "a text": "text"}.get(self.takes, "choice")

    @property
    def range(self) -> tuple[int, int]:
        low, high = re.fullmatch(r"a number, (\d+) to (\d+)", self.takes).groups()
        return int(low), int(high)

    @property
    def choices(self) -> list[str]:
        return re.split(r", | or ", self.takes)

    def yaml(self, value: str) -> str:
        """A settings file in which only this is set; `value` is YAML."""
        *sections, key = self.name.split(".")
        lines = [f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections)]
        return "".join(lines) + f"{'  ' * len(sections)}{key}: {value}\n"

    @property
    def line(self) -> int:
        """Where the value stands in yaml()'s file."""
        return self.name.count(".") + 1


def _read(section: str) -> Setting:
    name = re.match(r"`([a-z_.]+)`", section)[1]
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", section, re.MULTILINE))
    flags = tuple(rows[row].strip("`") for row in ("Flag", "Also") if row in rows)
    default = None if rows["Default"] == "none" else rows["Default"].strip("`")
    return Setting(name, rows["Takes"], default, rows["Environment"].strip("`"), flags)


def documented() -> list[Setting]:
    sections = re.split(r"^###? ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [_read(section) for section in sections if "| Takes |" in section]
