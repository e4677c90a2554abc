"""Earlier builds of Perdure, laid out beside this one from the repository's history."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.servers import REPOSITORY

COMMITS_BACK = 20
MIGRATIONS = ("agents/migrations/0*.py", "intents/migrations/0*.py")


@dataclass(frozen=True)
class Build:
    """A commit, and where its files are."""

    commit: str
    directory: Path


class NoBuild(Exception):
    """There is no other build of this here."""


def earlier(directory: Path) -> Build:
    """Lay out, below the directory, the oldest of the last twenty commits that knows the same database.

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
    return _lay_out(fitting[-1], directory)


def before_the_newest_migration(directory: Path) -> Build:
    """Lay out, below the directory, the last commit that does not know the newest migration.

    Raises:
        NoBuild: there is no history, or it does not reach back that far.
    """
    try:
        [commit] = _git("log", "-1", "--format=%H", "--diff-filter=A", "HEAD", "--", *MIGRATIONS).split()
        [before] = _git("rev-list", "--max-count=1", f"{commit}^").split()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise NoBuild("the history of this tree does not reach back behind the newest migration") from error
    return _lay_out(before, directory)


def _lay_out(commit: str, directory: Path) -> Build:
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
