"""Holds answers to docs/openapi.yaml: path, method, status, content type and body."""
import functools
import json
import pathlib
import re

import jsonschema
import yaml

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


@functools.cache
def document() -> dict:
    return yaml.safe_load(DOCUMENT.read_text())


@functools.cache
def resolver() -> jsonschema.RefResolver:
    return jsonschema.RefResolver("", document())


def resolve(node: dict) -> dict:
    return resolver().resolve(node["$ref"])[1] if "$ref" in node else node


def find_path(path: str) -> dict | None:
    """The path item that the target of a request falls under."""
    for pattern, item in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", pattern), path.partition("?")[0]):
            return item
    return None


def check_body(content: dict, answer) -> None:
    given = answer.headers["Content-Type"]
    assert given in ("application/json; charset=utf-8", "text/plain; charset=utf-8"), given
    media = given.partition(";")[0]
    assert media in content, f"{media} is not documented for this answer"
    body = json.loads(answer.body) if media == "application/json" else answer.body.decode()
    schema = content[media]["schema"]
    jsonschema.Draft4Validator(schema, resolver=resolver()).validate(body)


ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def check(method: str, path: str, answer) -> None:
    item = find_path(path)
    method = "get" if method == "HEAD" else method.lower()
    if item is None:
        assert answer.status in (404, 413, 414, 431, 400), f"undocumented path {path}"
        check_body(ERROR, answer)
        return
    if method not in item:
        # Routes that a setting has switched off are not there at all.
        assert answer.status in (405, 404, 501), f"undocumented method {method} {path}: {answer}"
        check_body(ERROR, answer)
        return
    if answer.status in (400, 408, 413, 414, 417, 431) or answer.status == 404 and "404" not in item[method]["responses"]:
        check_body(ERROR, answer)  # what any request may meet
        return
    response = item[method]["responses"].get(str(answer.status))
    assert response is not None, f"undocumented status {method} {path}: {answer}"
    if method != "head" and answer.body:
        check_body(resolve(response)["content"], answer)
