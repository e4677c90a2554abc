"""What is written down of a run: facts as JSON, and a page that people read."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from tests.chaos.profiles import Profile

COMMAND = "make chaos PROFILE={profile} SEED={seed}"


def facts(
    profile: Profile, seed: int, seconds: float, skipped: list[str], verdicts: dict[str, Any], directory: Path
) -> dict[str, Any]:
    """Everything that chaos-report.json says."""
    return {
        "profile": profile.name,
        "seed": seed,
        "seconds": round(seconds),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        "all_kept": all(each["kept"] for each in verdicts["checks"]),
        "skipped": skipped,
        **verdicts,
        "schedule": (directory / "schedule.json").name,
    }


def page(facts: dict[str, Any]) -> str:
    return ""
