"""Which server, with which key: contexts that `login` stores, and what overrides them.

A flag goes before the environment, the environment before the stored context. A key is never sent to another server
than the one it belongs to: where the address comes from elsewhere, the stored key counts only if it is that server's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from perdure.cli import store
from perdure.cli.exits import CliError, Exit, UsageProblem

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLES = ("PERDURE_URL", "AXME_BASE_URL")
KEY_VARIABLES = ("PERDURE_API_KEY", "AXME_API_KEY")
CONTEXT_VARIABLE = "PERDURE_CONTEXT"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Context:
    """One server, and who we are there."""

    name: str
    url: str
    api_key: str
    org_id: str = ""
    workspace_id: str = ""
    address: str = ""
    created_at: str = ""

    def public(self) -> dict[str, Any]:
        """All but the key, of which only the part that names it is shown."""
        return {**asdict(self), "api_key": masked(self.api_key)}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command goes, and why there."""

    url: str
    url_from: str
    api_key: str
    key_from: str
    #: the stored context that it is, if it is one
    context: Context | None = None

    def require_key(self) -> str:
        """The key.

        Raises:
            CliError: there is none.
        """
        if not self.api_key:
            raise CliError(
                f"there is no API key for {self.url}",
                Exit.DENIED,
                code="not_logged_in",
                hint="Run `perdure login`, or set PERDURE_API_KEY.",
            )
        return self.api_key


class Contexts:
    """The contexts of this user, one file."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or store.directory() / "contexts.json"

    def all(self) -> dict[str, Context]:
        """All of them, by name."""
        stored = store.read(self.path).get("contexts")
        entries = stored if isinstance(stored, dict) else {}
        return {name: _context(name, entry) for name, entry in entries.items() if isinstance(entry, dict)}

    def current_name(self) -> str:
        """The one that is used when nothing else is said; empty if there is none."""
        return str(store.read(self.path).get("current") or "")

    def get(self, name: str) -> Context:
        """The context of that name.

        Raises:
            CliError: there is none.
        """
        known = self.all()
        if name not in known:
            names = ", ".join(sorted(known)) or "none; `perdure login` makes one"
            raise CliError(f"there is no context named {name!r}", Exit.NOT_FOUND, hint=f"Known: {names}.")
        return known[name]

    def of_url(self, url: str) -> Context | None:
        """The context of that server, the current one if several are."""
        matching = [context for context in self.all().values() if context.url == url]
        current = self.current_name()
        return min(matching, key=lambda context: context.name != current, default=None)

    def put(self, context: Context) -> None:
        """Store it, and use it from now on."""
        entry = asdict(context)
        del entry["name"]
        with store.changing(self.path) as document:
            document["version"] = 1
            document["current"] = context.name
            document.setdefault("contexts", {})[context.name] = entry

    def use(self, name: str) -> Context:
        """Use this one from now on."""
        context = self.get(name)
        with store.changing(self.path) as document:
            document["current"] = name
        return context

    def delete(self, name: str) -> None:
        """Forget it and its key. If it was the current one, the only one that is left takes its place."""
        self.get(name)
        with store.changing(self.path) as document:
            left = document.setdefault("contexts", {})
            left.pop(name, None)
            if document.get("current") == name:
                document["current"] = next(iter(left)) if len(left) == 1 else ""


def resolve(
    contexts: Contexts,
    *,
    url: str | None = None,
    context: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Target:
    """Decide where to go: by flag, else by environment, else by the stored context."""
    said = os.environ if environment is None else environment
    if context is not None:
        chosen = contexts.get(context)
        if url is not None and normal_url(url) != chosen.url:
            raise UsageProblem(f"--url {url} is not the server of --context {context}, which is {chosen.url}")
        return _of(chosen, f"--context {context}")
    url_name, env_url = _first(said, URL_VARIABLES)
    key_name, env_key = _first(said, KEY_VARIABLES)
    wanted = normal_url(url or env_url) if url or env_url else ""
    origin = "--url" if url else url_name
    # A key of the environment goes with the address of the environment, where there is one.
    key_fits = bool(env_key) and (url is None or not env_url or normal_url(env_url) == wanted)
    if wanted:
        own = None if key_fits else contexts.of_url(wanted)
        if own is not None:
            return Target(wanted, origin, own.api_key, f"context {own.name}", own)
        return Target(wanted, origin, env_key if key_fits else "", key_name if key_fits else "")
    stored = _stored(contexts, said)
    if env_key:
        at = stored.url if stored else DEFAULT_URL
        return Target(at, f"context {stored.name}" if stored else "default", env_key, key_name)
    if stored is None:
        return Target(DEFAULT_URL, "default", "", "")
    return _of(stored, f"context {stored.name}")


def _stored(contexts: Contexts, said: Mapping[str, str]) -> Context | None:
    if name := said.get(CONTEXT_VARIABLE, ""):
        return contexts.get(name)
    current = contexts.current_name()
    return contexts.all().get(current) if current else None


def _of(context: Context, origin: str) -> Target:
    return Target(context.url, origin, context.api_key, origin, context)


def _first(said: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    return next(((name, said[name].strip()) for name in names if said.get(name, "").strip()), ("", ""))


def normal_url(text: str) -> str:
    """The address of a server in its one spelling.

    Raises:
        UsageProblem: it cannot be one.
    """
    text = text.strip()
    if "://" not in text:
        text = f"http://{text}" if text.partition(":")[0] in LOOPBACK else f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise UsageProblem(f"{text!r} is not the address of a server", hint=f"For example {DEFAULT_URL}.")
    if parts.username or parts.password:
        raise UsageProblem("the address of a server has no user name or password in it")
    where = f"[{host}]" if ":" in host else host
    is_default = port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{where}{'' if is_default else f':{port}'}{parts.path.rstrip('/')}"


def is_unprotected(url: str) -> bool:
    """Whether a key that is sent there can be read by others on the way."""
    parts = urlsplit(url)
    return parts.scheme == "http" and (parts.hostname or "") not in LOOPBACK


def masked(api_key: str) -> str:
    """As much of a key as names it; never its secret."""
    name, _, secret = api_key.rpartition("_")
    return f"{name}_…" if name.startswith("axme_sa_") and secret else "…" if api_key else ""


def _context(name: str, entry: Mapping[str, Any]) -> Context:
    known = {field.name for field in fields(Context)} - {"name"}
    values = {key: str(value or "") for key, value in entry.items() if key in known}
    return Context(**{"url": "", "api_key": "", **values, "name": name})
