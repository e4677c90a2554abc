"""docs/client.md, the README and that of the client say what works: their Python runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perdure import Client
from support.pages import snippets
from support.polling import wait_until
from support.server import Server

AGENT = "pipeline-agent"
#: what the pages leave to their readers
STEPS = """
def extract(payload=None):
    return [1, 2, 3]

def validate(rows):
    return rows[:2]
"""
AXME = """
import os
import perdure
from axme import AxmeClient, AxmeClientConfig

axme_client = AxmeClient(
    AxmeClientConfig(api_key=os.environ["PERDURE_API_KEY"], base_url=os.environ["PERDURE_URL"])
)
"""
Run = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def run(server: Server, client: Client, tmp_path: Path) -> Iterator[Run]:
    """Runs Python as a program that finds the server, and kills it when the test is over."""
    client.agents.register(AGENT)
    begun: list[subprocess.Popen[str]] = []
    environment = {**server.environment, **server.facts}  # these are what `dev.env` says

    def start(code: str) -> subprocess.Popen[str]:
        file = tmp_path / f"snippet{len(begun)}.py"
        file.write_text(code)
        begun.append(
            subprocess.Popen([sys.executable, str(file)], env=environment, stdout=subprocess.PIPE, text=True)
        )
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("page", ["docs/client.md", "client/README.md", "README.md"])
def test_the_agent_of_a_page_does_what_the_page_submits(page: str, run: Run, client: Client) -> None:
    submit = snippets("docs/client.md", "python")[0]
    [agent] = [code for code in snippets(page, "python") if "agent.run()" in code]
    run(STEPS + agent)

    said, _ = run(submit).communicate(timeout=60)

    assert said == "{'rows': 2}\n"


def test_what_the_readme_does_with_the_public_client_completes(run: Run) -> None:
    pytest.importorskip("axme", reason="the public SDK is not installed")
    [submit] = [code for code in snippets("README.md", "python") if "send_intent" in code]
    [listen] = [code for code in snippets("README.md", "python") if "client.listen" in code]

    run(listen)

    assert run(submit).communicate(timeout=60)[0] == "COMPLETED\n"


def test_steps_are_kept_beside_the_public_client(run: Run, client: Client) -> None:
    pytest.importorskip("axme", reason="the public SDK is not installed")
    [listening] = [code for code in snippets("docs/client.md", "python") if "axme_client" in code]
    intent = client.submit("intent.pipeline.process.v1", AGENT, {"pipeline": "etl-customers"})

    run(STEPS + AXME + listening)

    saved = wait_until(lambda: client.checkpoints.list(intent.id), 60)
    assert [(each["step"], each["value"]) for each in saved] == [("extract", [1, 2, 3])]
    client.cancel(intent.id)


def test_steps_are_kept_beside_our_own_client(client: Client) -> None:
    [code] = [code for code in snippets("client/README.md", "python") if "perdure.steps(" in code]
    client.agents.register(AGENT)
    intent = client.submit("intent.pipeline.process.v1", AGENT)
    names: dict[str, object] = {"client": client, "intent_id": intent.id}
    exec(STEPS, names)

    exec(code, names)

    assert [each["step"] for each in client.checkpoints.list(intent.id)] == ["extract", "validate"]
    assert names["good"] == [1, 2]
    client.cancel(intent.id)


def test_what_the_page_names_is_there() -> None:
    import perdure

    for name in ("AsyncClient", "Canceled", "Fatal", "LeaseLost", "StepRepeated", "AgentNotFound"):
        assert hasattr(perdure, name)
    assert callable(perdure.codecs.model)
    assert perdure.codecs.BYTES.content_type == "application/octet-stream"
