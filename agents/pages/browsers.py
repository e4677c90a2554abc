"""What people call their browsers and clients, out of what those call themselves."""

from __future__ import annotations

import re

#: The first that fits: most browsers claim to be several others too.
NAMES = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str:
    """`Firefox 140 on Linux`; what is no browser stays as it calls itself."""
    if not user_agent:
        return "Unknown client"
    if not user_agent.startswith("Mozilla/"):
        return user_agent
    for token, name in NAMES:
        if found := re.search(rf"{token}/(\d+)", user_agent):
            version = re.search(r"Version/(\d+)", user_agent) if name == "Safari" else found
            system = next((label for mark, label in SYSTEMS if mark in user_agent), "")
            return f"{name} {version[1] if version else found[1]}" + (f" on {system}" if system else "")
    return user_agent
