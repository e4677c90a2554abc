"""One run of one command: where it goes, as whom, and what it says."""

from __future__ import annotations

import re
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from perdure.cli.contexts import Contexts, Target, is_unprotected, resolve
from perdure.cli.exits import CliError, Exit
from perdure.cli.output import Output

if TYPE_CHECKING:
    from perdure import Client

Document = dict[str, Any]

_PARAMETER = re.compile(r"\{[^}]*\}")

#: How long to try again what may succeed the next time, in seconds.
PATIENCE, PATIENCE_WATCHING = 3.0, 600.0
#: How long the server may take for an answer, in seconds.
TIMEOUT = 15.0


class Session:
    """What a command works with. Nothing is read or connected before it is needed."""

    def __init__(self, out: Output, *, context: str | None = None, url: str | None = None) -> None:
        self.out = out
        self.contexts = Contexts()
        self.wanted_context = context
        self.wanted_url = url
        self._opened: dict[str, Client] = {}

    @cached_property
    def target(self) -> Target:
        """The server and the key that count here."""
        return resolve(self.contexts, context=self.wanted_context, url=self.wanted_url)

    @property
    def client(self) -> Client:
        """A client of the server, with the key. It tries for a few seconds: somebody waits for the prompt."""
        return self._client("asking", PATIENCE)

    @property
    def watching(self) -> Client:
        """The same, for what goes on for long: it survives outages of the server."""
        return self._client("watching", PATIENCE_WATCHING)

    def _client(self, kind: str, patience: float) -> Client:
        if kind not in self._opened:
            target = self.target
            self._opened[kind] = self.client_for(target.url, target.require_key(), patience=patience)
        return self._opened[kind]

    def client_for(self, url: str, api_key: str, *, patience: float = PATIENCE) -> Client:
        """A client of any server with any key.

        Raises:
            CliError: that can be no key.
        """
        from perdure import Client

        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise CliError("the API key holds characters that no key has", Exit.DENIED, code="invalid_key")
        if is_unprotected(url) and not self._opened:
            self.out.warn(f"{url} is not encrypted: others on the way can read the API key")
        return Client(base_url=url, api_key=api_key, timeout=TIMEOUT, patience=patience)

    def get(self, path: str, **parameters: Any) -> Document:
        """What a GET is answered."""
        return self.call("GET", path, params=parameters)

    def post(self, path: str, body: Any = None, **options: Any) -> Document:
        """What a POST is answered."""
        return self.call("POST", path, json={} if body is None else body, **options)

    def call(self, method: str, path: str, **options: Any) -> Document:
        """What a call is answered, which has to be a JSON object."""
        answer = self.client.request(method, path, **options)
        if not isinstance(answer, dict):
            raise CliError(
                f"{self.target.url} does not answer like a Perdure server", Exit.BROKEN, code="not_perdure"
            )
        return answer

    def require(self, method: str, route: str, what: str) -> None:
        """Ask whether the server has a route, after it was answered with 404: it may be older than this command.

        Raises:
            CliError: it has not.
        """
        paths = self.get("/v1/openapi.json").get("paths") or {}
        known = {_PARAMETER.sub("{}", each): methods for each, methods in paths.items()}
        if method.lower() not in known.get(_PARAMETER.sub("{}", route), {}):
            raise CliError(
                f"the server at {self.target.url} has no {what} yet",
                Exit.UNSUPPORTED,
                code="unsupported",
                hint="It is older than this command; a newer version of it may have them.",
            )

    def close(self) -> None:
        """Give back the connections."""
        for client in self._opened.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def part(text: str) -> str:
    """Anything a user typed, as one segment of a path."""
    return quote(text, safe="")
