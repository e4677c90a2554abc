"""What the settings refuse, and what they keep."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane import home

COMPLETE = {
    "SECRET_KEY": "a-key-that-is-only-checked-and-never-signs-anything-0123456789",
    "PERDURE_KEY_PEPPER": "pepper",
    "DATABASE_URL": "postgresql://user@localhost/name",
    "REDIS_URL": "redis://localhost",
    "ALLOWED_HOSTS": "perdure.example",
}


def load(settings: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = f"import controlplane.settings.{settings} as s; print(s.SECRET_KEY)"
    clean = {name: value for name, value in os.environ.items() if name not in COMPLETE}
    return subprocess.run(
        [sys.executable, "-c", program], env=clean | variables, capture_output=True, text=True, check=False
    )


def test_production_starts_with_all_it_needs() -> None:
    assert load("production", COMPLETE).returncode == 0


@pytest.mark.parametrize("missing", COMPLETE)
def test_production_refuses_to_start_without(missing: str) -> None:
    refused = load("production", COMPLETE | {missing: ""})

    assert refused.returncode != 0
    assert f"Set the environment variable {missing}." in refused.stderr


@pytest.mark.parametrize(("name", "value"), [("PERDURE_PORT", "eighty"), ("DEBUG", "perhaps")])
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    refused = load("production", COMPLETE | {name: value})

    assert f"{name} is '{value}'" in refused.stderr


def test_development_makes_its_secrets_once(tmp_path: Path) -> None:
    variables = {"PERDURE_HOME": str(tmp_path / "home")}

    first, second = load("development", variables), load("development", variables)

    assert first.stdout == second.stdout
    assert len(first.stdout.strip()) >= 50
    kept = tmp_path / "home" / "secrets" / "SECRET_KEY"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_is_written_for_the_shell_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "dev.env"

    home.write_variables(path, {"AXME_API_KEY": "axme_sa_1=2", "PERDURE_ADMIN_USER": "admin"})

    assert home.read_variables(path) == {"AXME_API_KEY": "axme_sa_1=2", "PERDURE_ADMIN_USER": "admin"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
