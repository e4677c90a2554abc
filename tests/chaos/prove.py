"""Break promises on purpose, each in a run of its own, and see that the checker objects by the right name.

What came of it is written into docs/chaos.md, if all have been tried.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from tests.audit.report import tree
from tests.chaos import report
from tests.chaos.__main__ import run, say
from tests.chaos.mutations import MUTATIONS
from tests.chaos.profiles import Profile
from tests.chaos.report import PAGE
from tests.chaos.world import fresh_directory

#: The faults under which a broken promise shows, some times over.
SECONDS = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mutations", nargs="*", choices=[*MUTATIONS, []], help="all, if none is named")
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    directory = options.directory or fresh_directory()
    commit = tree()
    noticed = {name: is_noticed(name, directory / name) for name in options.mutations or MUTATIONS}
    if len(noticed) == len(MUTATIONS):
        PAGE.write_text(report.proven(PAGE.read_text(), noticed, commit))
    unnoticed = [name for name, so in noticed.items() if not so]
    say(f"not noticed: {', '.join(unnoticed)}" if unnoticed else "every broken promise was noticed")
    return 1 if unnoticed else 0


def is_noticed(name: str, directory: Path) -> bool:
    """Whether a run with this promise broken is objected to by the check that is named for it."""
    mutation = MUTATIONS[name]
    directory.mkdir(parents=True)
    profile = Profile(name, SECONDS, (1.0, 2.0), 2, 1.0, 5, mutation.faults)
    verdicts = run(profile, random.SystemRandom().randrange(10**6), directory, name).verdicts
    red = [each["name"] for each in verdicts["checks"] if not each["kept"]]
    say(
        f"{name}: {'noticed' if mutation.red in red else 'NOT NOTICED'} ({mutation.red}); red were {', '.join(red)}"
    )
    return mutation.red in red


if __name__ == "__main__":
    sys.exit(main())
