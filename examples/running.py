"""A Perdure to show something on: the one that already runs from PERDURE_HOME, or one started for the occasion."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controlplane import home
from controlplane.lifeline import Lifeline
from controlplane.listener import PortTaken, listen

REPOSITORY = Path(__file__).resolve().parents[1]
START_SECONDS = 90


@contextmanager
def perdure() -> Iterator[tuple[dict[str, str], bool]]:
    """The values of dev.env of a Perdure that answers, and whether it was started for us, and so stops after us."""
    place = Path(os.environ.get("PERDURE_HOME") or REPOSITORY / ".perdure").absolute()
    if _is_held(place):
        yield _wait_for(place, None), False
        return
    home.prepare(place)
    lifeline = Lifeline()
    (place / "logs").mkdir(mode=0o700, exist_ok=True)
    (place / "dev.env").touch(mode=0o600)
    known = home.read_variables(place / "dev.env")
    # What an earlier run wrote is out of date until the new one has written it again.
    home.write_variables(place / "dev.env", {name: v for name, v in known.items() if name != "AXME_BASE_URL"})
    with (place / "logs" / "demo.log").open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=REPOSITORY,
            env={**os.environ, **lifeline.environment, "PERDURE_PORT": str(_free_port())},
            pass_fds=lifeline.descriptors,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _wait_for(place, up), True
    finally:
        up.terminate()
        up.wait()


def _is_held(place: Path) -> bool:
    """Whether a `make up` runs from there: it holds a lock as long as it lives."""
    try:
        with (place / "up.pid").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _free_port() -> int:
    """PERDURE_PORT, or 8000, or, if that is taken, any that is free."""
    wanted = int(os.environ.get("PERDURE_PORT") or 8000)
    for port in (wanted, 0):
        try:
            with listen("127.0.0.1", port) as found:
                return int(found.getsockname()[1])
        except PortTaken:
            continue
    raise PortTaken("No port is free.")


def _wait_for(place: Path, up: subprocess.Popen[bytes] | None) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        facts = home.read_variables(place / "dev.env")
        if "AXME_BASE_URL" in facts and _answers(facts["AXME_BASE_URL"]):
            return facts
        if up is not None and up.poll() is not None:
            break
        time.sleep(0.1)
    log = place / "logs" / "demo.log"
    raise SystemExit(f"Perdure did not start.\n{log.read_text()[-3000:] if log.exists() else ''}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz/live", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
