"""Strict readers of the two formats of log lines: what they accept, a collector and a person can rely on."""
import json
import re

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LEVELS = ("debug", "info", "warn", "error")
LINE_MAX = 2048
FIELD_NAME = r"[a-z][a-z_]*"
TEXT_LINE = re.compile(rf"({TIME}) (debug|info |warn |error) (\S.*)", re.DOTALL)
TEXT_FIELD = re.compile(rf' ({FIELD_NAME})=("(?:[^"\\]|\\.)*"|[!#-<>-\[\]-~]+)')


def _unique(pairs) -> dict:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a field stands twice: {names}"
    return dict(pairs)


def split(raw: bytes) -> list[str]:
    """Whole lines without control characters."""
    text = raw.decode("utf-8")
    assert text == "" or text.endswith("\n"), text[-200:]
    lines = text.removesuffix("\n").split("\n") if text else []
    for line in lines:
        assert line and len(line.encode()) < LINE_MAX, line
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line), repr(line)
    return lines


def read_json(raw: bytes) -> list[dict]:
    events = []
    for line in split(raw):
        event = json.loads(line, object_pairs_hook=_unique)
        assert list(event)[:3] == ["time", "level", "message"], line
        assert re.fullmatch(TIME, event["time"]) and event["level"] in LEVELS and event["message"], line
        for name, value in event.items():
            assert re.fullmatch(FIELD_NAME, name), line
            assert isinstance(value, str) or type(value) is int and value >= 0, line
        events.append(event)
    return events


def read_text(raw: bytes) -> list[dict]:
    return [_read_text_line(line) for line in split(raw)]


def _read_text_line(line: str) -> dict:
    found = TEXT_LINE.fullmatch(line)
    assert found, line
    event, rest = {"time": found[1], "level": found[2].strip()}, found[3]
    first = TEXT_FIELD.search(rest)
    event["message"] = rest[:first.start()] if first else rest
    at = first.start() if first else len(rest)
    while at < len(rest):
        field = TEXT_FIELD.match(rest, at)
        assert field and field[1] not in event, line
        event[field[1]] = json.loads(field[2]) if field[2].startswith('"') else field[2]
        at = field.end()
    return event
