"""The command line `perdure`. Every command is one call of the client, said and answered in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with its exit code."""
    from perdure.cli.app import run  # what stands behind it takes longer to load than this file

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))
