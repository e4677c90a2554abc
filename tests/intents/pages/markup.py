"""What a page consists of, as a browser would take it apart: tags, attributes and text."""

from __future__ import annotations

from html.parser import HTMLParser

#: What no page of ours has, and what hostile text would bring.
FORBIDDEN_TAGS = frozenset(
    {"iframe", "object", "embed", "base", "style", "img", "video", "audio", "marquee", "math"}
)


class Markup(HTMLParser):
    """All tags and texts of a page or a part of one."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of the tags of that name that have these."""
        return [
            attributes
            for name, attributes in self.tags
            if name == tag and all(attributes.get(key) == value for key, value in wanted.items())
        ]


def assert_harmless(html: str) -> Markup:
    """Fail if the page has anything that runs, loads or acts by itself and is not ours."""
    markup = Markup(html)
    for tag, attributes in markup.tags:
        assert tag not in FORBIDDEN_TAGS, tag
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/"), attributes
        if tag == "link":
            assert (attributes.get("href") or "").startswith("/static/"), attributes
        for name, value in attributes.items():
            assert not name.startswith(("on", "hx-on", "data-hx")), (tag, name)
            assert name != "style", tag
            if name in ("href", "src", "action", "formaction", "xlink:href"):
                assert not (value or "").strip().lower().startswith(("javascript:", "data:", "//")), value
    return markup
