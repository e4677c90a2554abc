"""Finds the view of a path without asking every pattern.

Django's resolver tries its patterns one by one and remembers each failure; with some dozens of routes that costs as
much as the rest of a request. The patterns are the same here, in the same order; they are only looked up by the first
words of the path.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern


class Routes:
    """The views of one URL configuration."""

    def __init__(self, urlconf: str) -> None:
        self._resolver = get_resolver(urlconf)
        self._shelves: dict[str, list[tuple[str, URLPattern]]] = {}
        for prefix, pattern in flattened(self._resolver, "/"):
            literal = (prefix + str(pattern.pattern)).partition("<")[0]
            self._shelves.setdefault(_first_words(literal), []).append((prefix, pattern))

    def resolve(self, path: str) -> ResolverMatch:
        """The view for this path, with its arguments.

        Raises:
            Http404: there is none.
        """
        for prefix, pattern in self._shelves.get(_first_words(path), ()):
            if (match := pattern.resolve(path[len(prefix) :])) is not None:
                match.route = f"{prefix}{match.route}"
                return match
        return self._resolver.resolve(path)  # patterns that begin with a parameter, and the refusal


def flattened(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    """Every pattern below a resolver, with the literal path that leads to it."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield prefix, entry
        elif isinstance(entry.pattern, RoutePattern) and "<" not in str(entry.pattern):
            yield from flattened(entry, prefix + str(entry.pattern))


def _first_words(path: str) -> str:
    """`/v1/intents` of `/v1/intents/…`: what comes before the third slash."""
    return "/".join(path.split("/", 3)[:3])
