"""An earlier build of Perdure beside this one: the newest twenty commits back that knows the same database."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.servers import REPOSITORY

COMMITS_BACK = 20


@dataclass(frozen=True)
class Build:
    """A commit, and where its files are."""

    commit: str
    directory: Path


class NoBuild(Exception):
    """There is no other build of this here."""


def earlier(directory: Path) -> Build:
    """Lay out the files of an earlier commit below the directory.

    Raises:
        NoBuild: there is no history, or the database has changed with the last commit.
    """
    try:
        commits = _git("rev-list", "--first-parent", f"--max-count={COMMITS_BACK + 1}", "HEAD").split()
        now = _migrations("HEAD")
        fitting = [each for each in commits[1:] if _migrations(each) == now]
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoBuild("there is no history of this tree, so no other build") from error
    if not fitting:
        raise NoBuild("no earlier commit is here that knows the same database")
    commit = fitting[-1]
    place = directory / f"build-{commit[:10]}"
    if not place.exists():
        archive = subprocess.run(
            ["git", "-C", str(REPOSITORY), "archive", commit], capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(place, filter="data")
    return Build(commit, place)


def _migrations(commit: str) -> list[str]:
    """The database that this commit knows: every migration with its content."""
    listed = _git("ls-tree", "-r", commit).splitlines()
    return [line for line in listed if "/migrations/" in line]


def _git(*command: str) -> str:
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *command], capture_output=True, text=True, check=True
    ).stdout
