"""Every control can fail: each is broken in a copy of the tree, and the test that is named for it has to turn red.

PERDURE_CONTROLS=revocation tries only those with this in their name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from controlplane import services
from tests.audit.verdicts import REPOSITORY, Found, tracked


@dataclass(frozen=True)
class Mutation:
    """A control, broken, and the test that tells."""

    control: str
    path: str
    old: str
    new: str
    test: str


CONTROLS = (
    Mutation(
        "tenant filter, what is written",
        "intents/sql/finish.sql",
        "locked.organization_id <> asked.organization_id",
        "false",
        "tests/intents/test_fences.py::test_only_the_recipient_and_operators_of_its_tenant_change_an_intent",
    ),
    Mutation(
        "tenant filter, what is read",
        "intents/sql/visible.sql",
        "intent.organization_id = %(organization_id)s",
        "%(organization_id)s::uuid IS NOT NULL",
        "tests/intents/api/test_reading.py",
    ),
    Mutation(
        "tenant filter, what is renewed",
        "intents/sql/extend.sql",
        " AND agent.organization_id = asked.organization_id\n    WHERE delivery",
        "\n    WHERE delivery",
        "tests/intents/test_fences.py::test_nobody_of_another_tenant_renews_a_lease_whoever_they_say_they_are",
    ),
    Mutation(
        "tenant filter, pages",
        "agents/pages/shell.py",
        "organization__memberships__user=user",
        "organization__memberships__isnull=False",
        "tests/agents/pages/test_shell.py::test_for_all_others_the_pages_do_not_exist",
    ),
    Mutation(
        "CSRF",
        "controlplane/settings/base.py",
        '    "django.middleware.csrf.CsrfViewMiddleware",\n',
        "",
        "tests/agents/pages/test_settings_page.py::test_a_form_from_elsewhere_is_refused",
    ),
    Mutation(
        "origin check of websockets",
        "controlplane/routing.py",
        "if origin is not None and",
        "if False and",
        "tests/security/test_origins.py",
    ),
    Mutation(
        "fence",
        "intents/sql/fence.sql",
        "held.lease_token IS DISTINCT FROM asked.token",
        "false",
        "tests/intents/test_fences.py::test_a_superseded_attempt_records_no_result",
    ),
    Mutation(
        "scope check",
        "agents/caller.py",
        "not self.scopes.isdisjoint(scopes)",
        "True",
        "tests/agents/test_auth.py::test_scopes_are_required_one_of_many_and_admin_has_them_all",
    ),
    Mutation(
        "scope check of a route",
        "agents/auth.py",
        "caller.require(*sorted(self.scopes))",
        "pass",
        "tests/agents/test_keys_api.py::test_an_agent_makes_no_keys",
    ),
    Mutation(
        "role check in the domain",
        "agents/people.py",
        "if not self.allows(role):",
        "if False:",
        "tests/intents/test_desk.py::test_viewers_may_look_and_strangers_know_nothing",
    ),
    Mutation(
        "redactor, keys",
        "controlplane/redaction.py",
        'return KEY.sub(f"axme_sa_{REMOVED}", value) if "axme_sa_" in value else value',
        "return value",
        "tests/controlplane/test_logs.py::test_a_line_names_its_request_but_no_payload_and_no_key",
    ),
    Mutation(
        "redactor, rows",
        "controlplane/redaction.py",
        'event["exception"] = ROW.sub(rf"\\1: {REMOVED}", text)',
        "pass",
        "tests/controlplane/test_logs.py::test_the_row_that_postgresql_quotes_is_left_out_of_a_traceback",
    ),
    Mutation(
        "redirect ban",
        "intents/outgoing.py",
        "follow_redirects=False",
        "follow_redirects=True",
        "tests/intents/test_outgoing.py::test_redirects_are_not_followed",
    ),
    Mutation(
        "private networks",
        "intents/outgoing.py",
        "all(networks.is_allowed(address) for address in addresses)",
        "True",
        "tests/intents/test_outgoing.py::test_a_name_that_leads_to_this_machine_is_not_called",
    ),
    Mutation(
        "audit log is append-only",
        "agents/migrations/0003_people.py",
        "BEFORE UPDATE OR DELETE ON agents_auditentry\nFOR EACH ROW EXECUTE",
        "BEFORE INSERT ON agents_auditentry\nFOR EACH ROW WHEN (false) EXECUTE",
        "tests/agents/test_audit.py::test_the_database_refuses_to_change_or_forget_entries",
    ),
    Mutation(
        "revocation",
        "agents/auth.py",
        "def _forget_revoked(sender: object, key_ids: list[str], **kwargs: Any) -> None:\n    forget(key_ids)",
        "def _forget_revoked(sender: object, key_ids: list[str], **kwargs: Any) -> None:\n    pass",
        "tests/agents/test_auth.py::test_a_revocation_in_this_process_works_at_once",
    ),
    Mutation(
        "pepper of key hashes",
        "agents/tokens.py",
        "settings.PERDURE_KEY_PEPPER.encode()",
        'b"none"',
        "tests/agents/test_tokens.py::test_the_hash_depends_on_the_pepper",
    ),
    Mutation(
        "content security policy",
        "agents/pages/middleware.py",
        "ADMIN if is_admin else STRICT",
        "ADMIN",
        "tests/agents/pages/test_shell.py::test_pages_and_errors_allow_nothing_but_our_own_files",
    ),
    Mutation(
        "insistence on HTTPS",
        "controlplane/v1_handler.py",
        "if known.is_secure and self.insistence",
        "if False and self.insistence",
        "tests/security/test_headers.py::test_answers_and_refusals_insist_on_https_where_pages_do",
    ),
    Mutation(
        "sandbox of stored values",
        "intents/api/checkpoints.py",
        '"Content-Security-Policy": "sandbox"',
        '"X-None": "sandbox"',
        "tests/security/test_headers.py",
    ),
    Mutation(
        "throttling of logins",
        "agents/signing_in.py",
        'recent["both"] >= PER_NAME or recent["of_network"] >= PER_NETWORK',
        "False",
        "tests/agents/pages/test_login.py::test_after_five_wrong_passwords_the_right_one_is_not_looked_at",
    ),
    Mutation(
        "kill switch",
        "intents/sql/claim.sql",
        "agent.killed_at IS NULL",
        "true",
        "tests/intents/test_killing.py::test_a_killed_agent_is_given_nothing_and_another_is",
    ),
)


def controls() -> str:
    """Each test is green on the tree as it is, and red where its control is broken."""
    with tempfile.TemporaryDirectory(prefix="perdure-audit-") as directory:
        copy = Path(directory) / "tree"
        for name in tracked():
            if (REPOSITORY / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, copy / name)
        home = Path(directory) / "home"
        servers: list[services.Server] = [services.PostgreSQL(home), services.Valkey(home)]
        try:
            for server in servers:
                server.start()
            return _try_all(copy, home)
        finally:
            for server in servers:
                server.stop()


def _try_all(copy: Path, home: Path) -> str:
    wanted = os.environ.get("PERDURE_CONTROLS", "")
    tried = [mutation for mutation in CONTROLS if wanted in mutation.control]
    whole = _run(copy, home, *sorted({mutation.test for mutation in tried}), fresh=True)
    if whole.returncode:
        raise Found("red without any mutation:\n" + whole.stdout[-3000:])
    unnoticed = []
    for mutation in tried:
        file = copy / mutation.path
        source = file.read_text()
        file.write_text(source.replace(mutation.old, mutation.new))
        is_schema = "/migrations/" in mutation.path
        ended = _run(copy, home, mutation.test, fresh=is_schema)
        file.write_text(source)
        if ended.returncode != 1 or "failed" not in ended.stdout:  # 2 and above: the test was never tried
            unnoticed.append(
                f"{mutation.control}: {mutation.test} ended with {ended.returncode}\n{ended.stdout[-1500:]}"
            )
        if is_schema:
            _run(copy, home, "tests/agents/test_tokens.py", fresh=True)
    if unnoticed:
        raise Found("\n".join(unnoticed))
    number = len(tried) if tried == [*CONTROLS] else f"{len(tried)} of {len(CONTROLS)}"
    return f"{number} controls broken one by one, each noticed by its test"


def _run(copy: Path, home: Path, *tests: str, fresh: bool) -> subprocess.CompletedProcess[str]:
    """The named tests on the copy; they share a database that is made once."""
    database = ["--reuse-db", *(["--create-db"] if fresh else [])]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "--no-header",
            "-p",
            "no:cacheprovider",
            *database,
            *tests,
        ],
        cwd=copy,
        env={
            **os.environ,
            "DATABASE_URL": services.database_url(home),
            "REDIS_URL": services.redis_url(home),
            "PERDURE_HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
