"""PostgreSQL array literals, made quickly.

The ledger hands whole columns to its statements, and half of the Python time of a flush went into psycopg's general
array dumper. What we hand over are flat lists of a few types.
Source: PostgreSQL manual, "Array Input and Output Syntax".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID


def _quoted(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return f'"{text}"'


def _null(_: None) -> str:
    return "NULL"


def _truth(value: bool) -> str:
    return "t" if value else "f"


def _bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _time(value: datetime) -> str:
    return f'"{value.isoformat()}"'


def _digits(value: UUID) -> str:
    # Without the hyphens that str() cuts it up for, which PostgreSQL does not need.
    return f"{value.int:032x}"


_ELEMENTS: dict[type, Callable[[Any], str]] = {
    UUID: _digits,
    int: str,
    float: repr,
    str: _quoted,
    bool: _truth,
    bytes: _bytes,
    datetime: _time,
    type(None): _null,
}


def literal(values: list[Any]) -> str:
    """The array of these values, as text that any array type's input takes.

    Raises:
        TypeError: one of them is of a type that no column of ours has.
    """
    if not values:
        return "{}"
    kind = type(values[0])
    if kind is type(None) and all(value is None for value in values):
        return "{" + "NULL," * (len(values) - 1) + "NULL}"
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    if (write := _ELEMENTS.get(type(value))) is not None:
        return write(value)
    if isinstance(value, str):  # an enumeration's member
        return _quoted(str(value))
    raise TypeError(f"no array holds a {type(value).__name__}")


def parameter(value: Any) -> Any:
    """A statement's parameter, a list as an array literal; its cast in the statement says of what."""
    return literal(value) if type(value) is list else value


def parameters(named: Mapping[str, Any]) -> dict[str, Any]:
    """All of a statement's parameters."""
    return {name: parameter(value) for name, value in named.items()}
