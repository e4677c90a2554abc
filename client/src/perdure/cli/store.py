"""Files in the user's config directory: readable by nobody else, and never half written."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from perdure.cli.exits import CliError, UsageProblem

Document = dict[str, Any]

OWNER_ONLY_DIRECTORY = 0o700


def directory() -> Path:
    """Where this user's files are: ~/.config/perdure on Linux, ~/Library/Application Support/perdure on macOS."""
    return platformdirs.user_config_path("perdure", appauthor=False)


def read(path: Path) -> Document:
    """What the file holds; nothing if there is none.

    Raises:
        UsageProblem: it cannot be read, or is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path} cannot be read: {_reason(error)}") from None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(found, dict):
        raise _damaged(path, "it is not a JSON object")
    return found


@contextlib.contextmanager
def changing(path: Path) -> Iterator[Document]:
    """Give what the file holds, and write back what it was made into, unless that fails.

    Others who change the file meanwhile wait for their turn; who reads it sees the old or the new content, whole.
    """
    try:
        path.parent.mkdir(mode=OWNER_ONLY_DIRECTORY, parents=True, exist_ok=True)
        _close_to_others(path.parent)
        with _lock(path.with_name(f".{path.name}.lock")):
            document = read(path)
            yield document
            write(path, json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise UsageProblem(f"{path} cannot be written: {_reason(error)}") from None


def write(path: Path, content: bytes) -> None:
    """Put the content in place at once, for the owner alone."""
    # mkstemp makes the file 0600 from the beginning, so there is no moment at which others could open it.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may look into it."""
    # Windows has no such bits: what lies in the user's profile is closed to others by that.
    return os.name == "posix" and path.exists() and bool(path.stat().st_mode & 0o077)


def _close_to_others(place: Path) -> None:
    if is_open_to_others(place):
        place.chmod(OWNER_ONLY_DIRECTORY)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(number)
        yield
    finally:
        os.close(number)  # which gives the lock back


if sys.platform == "win32":

    def _take(number: int) -> None:
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_LOCK, 1)

else:

    def _take(number: int) -> None:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX)


def _damaged(path: Path, why: str) -> CliError:
    return UsageProblem(f"{path} is damaged: {why}", hint="Repair or remove it, then log in again.")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
