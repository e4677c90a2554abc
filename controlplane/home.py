"""PERDURE_HOME: the one directory where a Perdure on one machine keeps what it made for itself."""

import os
import secrets
from pathlib import Path


def prepare(home: Path) -> None:
    """Make the directory. Others may pass through it, as the database's user has to, but not look around."""
    if not home.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711)


def secret(home: Path, name: str) -> str:
    """The secret of that name, made on first use and kept, readable by its owner only."""
    path = home / "secrets" / name
    if not path.exists():
        prepare(home)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_name(f"{name}.{os.getpid()}")
        write_private(fresh, secrets.token_urlsafe(48))
        try:
            path.hardlink_to(fresh)  # fails when somebody else was first: theirs counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    partial.replace(path)


def read_variables(path: Path) -> dict[str, str]:
    """The KEY=value lines of a file such as dev.env; none if there is no such file."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def write_variables(path: Path, variables: dict[str, str]) -> None:
    """Write KEY=value lines that a shell can source. Tokens and addresses need no quotes."""
    write_private(path, "".join(f"{key}={value}\n" for key, value in variables.items()))
