"""Reads the environment, which is where all configuration comes from."""

import os
import re
from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable's value; one that is set but empty counts as unset."""
    return os.environ.get(name, "").strip() or default


def required(name: str) -> str:
    """The variable's value, or a refusal to start that names it."""
    if value := text(name):
        return value
    raise ImproperlyConfigured(f"Set the environment variable {name}. Perdure does not start without it.")


def boolean(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}, but has to be true or false.")


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    return _number(name, int, default, at_least)


def optional_integer(name: str, *, at_least: int = 0) -> int | None:
    return _number(name, int, 0, at_least) if text(name) else None


def path_prefix(name: str) -> str:
    """The variable's value as `/one/two`, or "" for none."""
    value = text(name).strip("/")
    if value and not re.fullmatch(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*", value):
        raise ImproperlyConfigured(f"{name} is {value!r}, but has to be a path such as /perdure.")
    return f"/{value}" if value else ""


def items(name: str, default: str = "") -> list[str]:
    """The comma-separated parts of the variable's value."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def _number(name: str, convert: Callable[[str], int], default: int, at_least: int) -> int:
    value = text(name)
    try:
        number = convert(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}, but has to be a whole number.") from None
    if number < at_least:
        raise ImproperlyConfigured(f"{name} is {number}, but has to be at least {at_least}.")
    return number
