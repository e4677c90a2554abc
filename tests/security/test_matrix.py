"""The table of who may go where, in docs/security.md, is that of the URL configuration.

`PERDURE_REWRITE=1` writes it anew: read what has changed.
"""

from __future__ import annotations

import os

from tests.security import matrix


def test_the_page_shows_who_may_go_where_as_it_is() -> None:
    if os.environ.get("PERDURE_REWRITE"):
        matrix.write()
    assert matrix.is_current(matrix.DOCUMENT.read_text()), (
        "Routes have changed: `PERDURE_REWRITE=1 make test TESTS=tests/security` writes the table anew. Read it."
    )


def test_a_page_that_shows_something_else_is_not_current() -> None:
    shown = matrix.DOCUMENT.read_text()

    assert "| POST | `/v1/intents` |  | ● |  |  |  | ● |" in shown
    assert not matrix.is_current(shown.replace("| `/v1/intents` |  | ● |", "| `/v1/intents` | ● | ● |"))
