"""Answers against the JSON Schemas of the protocol, where these are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

SCHEMAS = Path(__file__).parents[3] / "shared" / "protocol" / "schemas" / "public_api"


def assert_speaks_the_protocol(response: httpx.Response, name: str) -> None:
    """Fail unless the answer is a success and has what the schema asks for. Fields beyond it are welcome."""
    assert response.status_code == 200, response.text
    path = SCHEMAS / f"api.{name}.response.v1.json"
    if not path.exists():
        pytest.skip(f"the schemas of the protocol are not here: {path} is missing")
    schema = _open(json.loads(path.read_text()))
    jsonschema.validate(response.json(), schema, format_checker=jsonschema.FormatChecker())


def _open(schema: Any) -> Any:
    """The schema without its ban on further fields: clients read some that it does not know."""
    match schema:
        case dict():
            return {name: _open(value) for name, value in schema.items() if name != "additionalProperties"}
        case list():
            return [_open(value) for value in schema]
        case _:
            return schema
