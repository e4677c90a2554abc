"""The programs that an agent's page shows work as they are shown, given a key and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agents.models import Agent
from intents.pages import views_fleet
from tests.live import Account, Operator
from tests.servers import Perdure, wait_until

pytestmark = pytest.mark.e2e

PATIENCE = 60.0


@pytest.fixture(scope="module")
def operator(commons: Perdure) -> Iterator[Operator]:
    with Operator.of(commons) as operator:
        yield operator


def snippet(name: str, account: Account, perdure: Perdure) -> str:
    shown = views_fleet._snippets(Agent(address=account.address), perdure.base_url)
    return {each.id: each.text for each in shown}[name]


@contextmanager
def running(command: list[str], key: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program with the key in its environment, ended afterwards."""
    environment = {**os.environ, "AXME_API_KEY": key, **more}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as program:
        try:
            yield program
        finally:
            program.kill()


@pytest.mark.parametrize("name", ["axme", "websocket"])
def test_a_program_that_is_copied_completes_what_it_is_sent(
    commons: Perdure, operator: Operator, name: str
) -> None:
    account = operator.register()
    intent_id = operator.submit(account, {"rows": 3})

    with running([sys.executable, "-c", snippet(name, account, commons)], account.key):
        operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="There is no curl here.")
def test_commands_that_are_copied_complete_what_they_are_sent(commons: Perdure, operator: Operator) -> None:
    account = operator.register()
    intent_id = operator.submit(account, {"rows": 3})
    listen, complete = snippet("curl", account, commons).split("\n\n")
    heard = bytearray()

    with running(["sh", "-c", f"exec {listen}"], account.key) as listener:
        assert listener.stdout
        os.set_blocking(listener.stdout.fileno(), False)

        def has_heard() -> bool:
            heard.extend(listener.stdout.read() or b"")  # type: ignore[union-attr]
            return intent_id.encode() in heard

        wait_until(has_heard, PATIENCE, "the intent is in the stream")
        with running(["sh", "-c", complete], account.key, INTENT_ID=intent_id) as completion:
            completion.wait(PATIENCE)
            assert completion.returncode == 0
        operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)
