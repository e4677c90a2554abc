"""Pictures of the dashboard, taken of a Perdure that is started for it and gone afterwards.

make screenshots                                        those of the README and the documentation, in docs/images
.venv/bin/python -m tests.browser.screenshots --all DIR every page: wide and narrow, light and dark
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, cast

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.browsing import CHROMIUM, DESKTOP, PATIENCE_MS, PHONE, log_in
from tests.browser.places import SPOTS, Spot
from tests.browser.story import Story
from tests.servers import REPOSITORY, Perdure

Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
IMAGES = REPOSITORY / "docs" / "images"
#: What the README shows: the spot, and how much of it.
SHOWN: Final = {
    "overview": ("overview", ViewportSize(width=1280, height=860)),
    "intents": ("intents", ViewportSize(width=1280, height=800)),
    "timeline": ("intent-running", ViewportSize(width=1280, height=900)),
}
#: As many as a page needs: it has few colours, and letters with soft edges.
COLOURS = 256
LARGEST_BYTES = 250 * 1024
#: An hour of what comes and goes.
ORDINARY = 900


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", type=Path, metavar="DIR", help="every page, into this directory")
    parser.add_argument("--only", default="", help="with --all: those whose name fits this pattern")
    options = parser.parse_args()
    if not CHROMIUM:
        sys.exit("There is no Chromium here: install it (Debian: apt install chromium) to take pictures.")
    with (
        Perdure(web=1) as perdure,
        Story(perdure, ordinary=ORDINARY) as story,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if options.all:
            shoot_all(browser, story, options.all, options.only)
        else:
            shoot_shown(browser, story)
        browser.close()


def shoot_shown(browser: Browser, story: Story) -> None:
    """The few that documents show, small enough to be loaded with them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    spots = {spot.name: spot for spot in SPOTS}
    for scheme in SCHEMES:
        with eye(browser, story, scheme, scale=1.5) as context:
            for name, (spot, size) in SHOWN.items():
                with opened(context, story, spots[spot], size) as page:
                    picture = smaller(page.screenshot())
                assert len(picture) <= LARGEST_BYTES, f"{name} has {len(picture):,} bytes"
                save(IMAGES / f"{name}-{scheme}.png", picture)


def shoot_all(browser: Browser, story: Story, directory: Path, only: str) -> None:
    """Every page there is, all of it from its head to its foot."""
    directory.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        with eye(browser, story, scheme) as context:
            for spot in SPOTS:
                if not re.search(only, spot.name):
                    continue
                for width, size in (("wide", DESKTOP), ("narrow", PHONE)):
                    with opened(context, story, spot, size) as page:
                        save(
                            directory / f"{spot.name}-{width}-{scheme}.png",
                            page.screenshot(full_page=True),
                        )


@contextmanager
def eye(browser: Browser, story: Story, scheme: Scheme, scale: float = 1) -> Iterator[BrowserContext]:
    """Somebody who is logged in and looks. Nothing moves by itself."""
    context = browser.new_context(
        base_url=story.perdure.base_url,
        color_scheme=scheme,
        device_scale_factor=scale,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
    )
    context.set_default_timeout(PATIENCE_MS)
    facts = story.perdure.facts
    page = context.new_page()
    log_in(page, facts["PERDURE_ADMIN_USER"], facts["PERDURE_ADMIN_PASSWORD"])
    page.close()
    yield context
    context.close()


@contextmanager
def opened(context: BrowserContext, story: Story, spot: Spot, size: ViewportSize) -> Iterator[Page]:
    """A page that stands where the spot is."""
    cookies = context.cookies()
    if spot.is_public:
        context.clear_cookies()
    page = context.new_page()
    page.set_viewport_size(size)
    spot.visit(page, story)
    yield page
    page.close()
    context.add_cookies(cookies)  # type: ignore[arg-type]


def smaller(png: bytes) -> bytes:
    """The same picture in the colours that it has most of."""
    written = BytesIO()
    picture = Image.open(BytesIO(png)).convert("RGB")
    counted = cast("list[tuple[int, tuple[int, int, int]]]", picture.getcolors(2**24))
    most = [colour for _, colour in sorted(counted, reverse=True)[:COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in most for part in colour])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def save(path: Path, picture: bytes) -> None:
    path.write_bytes(picture)
    sys.stdout.write(f"{path} {len(picture) // 1024} KiB\n")


if __name__ == "__main__":
    main()
