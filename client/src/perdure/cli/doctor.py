"""What stands between this machine and the server, one question after the other."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import typer

from perdure.cli import store
from perdure.cli.commanding import command
from perdure.cli.contexts import is_unprotected, masked
from perdure.cli.exits import CliError, Exit
from perdure.cli.session import Document, Session
from perdure.cli.text import duration, line

if TYPE_CHECKING:
    import httpx

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
#: How long each question may take.
PATIENCE = 5.0
#: A clock that is wrong by more than this makes logs and deadlines hard to understand.
SKEW_SECONDS = 5.0
SCOPES = {
    "intents:submit": "submit",
    "intents:read": "read",
    "intents:operate": "retry, cancel and steer",
    "agent": "work as its agent",
    "metrics": "read metrics",
    "admin": "do everything in its organization",
}


@dataclass(slots=True)
class Finding:
    """The answer to one question."""

    check: str
    state: str
    message: str
    hint: str = ""
    #: how the command ends if this is the first thing that is wrong
    exit_code: Exit = Exit.FAILED


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    command(app, "doctor")(doctor)


def doctor(session: Session) -> Exit:
    """Find out what is wrong: can the server be reached, is it ready, is the key valid, what may it do?"""
    findings: list[Finding] = []
    for finding in _Examination(session).findings():
        findings.append(finding)
        _tell(session, finding)
    wrong = [each for each in findings if each.state == FAILED]
    if session.out.as_json:
        checks = [
            {name: value for name, value in asdict(each).items() if name != "exit_code"} for each in findings
        ]
        session.out.document({"ok": not wrong, "url": session.target.url, "checks": checks})
    return wrong[0].exit_code if wrong else Exit.OK


def _tell(session: Session, finding: Finding) -> None:
    from perdure.cli.output import STYLES

    session.out.say(
        f"{finding.state:<8} {finding.check:<10} {finding.message}", STYLES.get(finding.state, "")
    )
    if finding.hint:
        session.out.say(f"{'':<19} {finding.hint}")


class _Examination:
    """The questions, in their order; those that make no sense any more are left out."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.me: Document = {}

    def findings(self) -> Any:
        import httpx

        yield from self.client()
        target = self.session.target
        yield self.address()
        with httpx.Client(base_url=target.url, timeout=PATIENCE) as http:
            reached, answer = self.reach(http)
            yield reached
            if answer is None:
                return
            yield self.clock(http)
            yield self.ready(http)
            yield self.key(http)
        if self.me:
            yield self.scopes()
            yield self.workspace()
            yield self.websocket()

    def client(self) -> Any:
        from importlib.metadata import version

        python = ".".join(map(str, sys.version_info[:3]))
        yield Finding("client", OK, f"perdure {version('perdure')}, Python {python}")
        for name in ("contexts.json", "scenario-agents.json"):
            path = store.directory() / name
            if store.is_open_to_others(path):
                yield Finding("files", WARNING, f"{path} can be read by others", f"chmod 600 {path}")

    def address(self) -> Finding:
        target = self.session.target
        said = f"{target.url} (from {target.url_from})"
        if is_unprotected(target.url):
            return Finding(
                "address", WARNING, said, "It is not encrypted: others on the way can read the API key."
            )
        return Finding("address", OK, said)

    def reach(self, http: httpx.Client) -> tuple[Finding, httpx.Response | None]:
        import httpx

        started = time.monotonic()
        try:
            answer = http.get("/healthz/live")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            why = line(error) or type(error).__name__
            hint = "Is the server running, and is this its address? Does a firewall or proxy stand between?"
            return Finding(
                "reach", FAILED, f"the server cannot be reached: {why}", hint, Exit.UNREACHABLE
            ), None
        took = (time.monotonic() - started) * 1000
        if answer.status_code != 200 or _json(answer).get("status") != "live":
            said = f"somebody answers, but not like a Perdure server: status {answer.status_code}"
            return Finding("reach", FAILED, said, "Is this its address?", Exit.UNREACHABLE), None
        return Finding("reach", OK, f"the server answers, in {took:.0f} ms"), answer

    def clock(self, http: httpx.Client) -> Finding:
        """The difference of the clocks, as well as whole seconds and the way between allow to tell."""
        before = datetime.now(UTC)
        answer = http.get("/healthz/live")
        after = datetime.now(UTC)
        try:
            theirs = parsedate_to_datetime(answer.headers["date"])
        except (KeyError, ValueError):
            return Finding("clock", SKIPPED, "the server does not say what time it is")
        # What it says is the beginning of a second in which it answered.
        ahead = (theirs - after).total_seconds()
        behind = (before - theirs).total_seconds() - 1
        off = max(ahead, behind, 0.0)
        if off > SKEW_SECONDS:
            said = (
                f"the clocks differ by {duration(off)}: the server's is {'ahead' if ahead > 0 else 'behind'}"
            )
            return Finding("clock", WARNING, said, "Deadlines go by the server's clock.")
        return Finding(
            "clock", OK, "the clocks agree" if off < 1 else f"the clocks differ by {duration(off)}"
        )

    def ready(self, http: httpx.Client) -> Finding:
        answer = _json(http.get("/healthz/ready"))
        checks = answer.get("checks")
        parts = checks if isinstance(checks, dict) else {}
        ailing = [name for name, part in parts.items() if isinstance(part, dict) and not part.get("ok")]
        status = line(answer.get("status")) or "unknown"
        if status == "ready":
            return Finding("ready", OK, f"the server is ready: {', '.join(parts)}")
        said = f"the server is {status}: {', '.join(ailing) or 'it does not say why'}"
        if answer.get("ok"):
            return Finding("ready", WARNING, said, "It works, but slower than it should.")
        return Finding("ready", FAILED, said, "Its log tells more.", Exit.UNREACHABLE)

    def key(self, http: httpx.Client) -> Finding:
        target = self.session.target
        try:
            api_key = target.require_key()
        except CliError as none:
            return Finding("key", FAILED, "there is no API key", none.hint, Exit.DENIED)
        try:
            answer = http.get("/v1/me", headers={"x-api-key": api_key})
        except (UnicodeError, ValueError):
            return Finding("key", FAILED, "the API key holds characters that no key has", "", Exit.DENIED)
        said = f"{masked(api_key)} (from {target.key_from})"
        if answer.status_code == 401:
            hint = "It is unknown here, expired or revoked: `perdure login` with another."
            return Finding("key", FAILED, f"{said} is not valid", hint, Exit.DENIED)
        if answer.status_code != 200:
            return Finding(
                "key", FAILED, f"{said}: the server answered {answer.status_code}", "", Exit.BROKEN
            )
        self.me = _json(answer)
        return Finding("key", OK, f"{said} is the key of {line(self.me.get('address'))}")

    def scopes(self) -> Finding:
        scopes = [line(scope) for scope in self.me.get("scopes") or ()]
        return Finding("permits", OK, "it may " + "; ".join(SCOPES.get(scope, scope) for scope in scopes))

    def workspace(self) -> Finding:
        found = self.session.get("/v1/portal/personal/context")
        organization = found.get("selected_organization") or {}
        workspace = found.get("selected_workspace") or {}
        where = f"{line(organization.get('slug'))}/{line(workspace.get('slug'))}"
        return Finding("workspace", OK, f"{where}: its agents are agent://{where}/…")

    def websocket(self) -> Finding:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        target = self.session.target
        url = target.url.replace("http", "ws", 1) + "/ws/agent"
        started = time.monotonic()
        try:
            headers = {"Authorization": f"Bearer {target.api_key}"}
            with connect(url, additional_headers=headers, open_timeout=PATIENCE, close_timeout=1) as socket:
                socket.send(json.dumps({"type": "hello", "client": "perdure doctor"}))
                welcome = json.loads(socket.recv(timeout=PATIENCE))
        except (WebSocketException, OSError, ValueError, EOFError) as error:
            why = line(error) or type(error).__name__
            hint = "Proxies in between have to let websockets pass; agents fall back to event streams."
            return Finding("websocket", FAILED, f"{url} does not open: {why}", hint)
        took = (time.monotonic() - started) * 1000
        if not isinstance(welcome, dict) or welcome.get("type") != "welcome":
            return Finding("websocket", WARNING, f"{url} opens, but does not answer as it should")
        return Finding("websocket", OK, f"{url} opens, in {took:.0f} ms")


def _json(answer: httpx.Response) -> Document:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
