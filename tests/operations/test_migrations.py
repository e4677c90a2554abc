"""Migrations run while everybody works: none holds a lock for long, and none waits for one for long."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.commands.migrate import Command as DjangosMigrate
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader

from controlplane.management.commands import migrate
from tests.operations.migration_rules import offences

OURS = ("agents", "intents")
#: Made before there was anything in use, and kept as they are, so that every database has the same history.
BEFORE_THE_FIRST_RELEASE = {
    ("agents", "0002_keys_carry_the_tenant"),
    ("agents", "0003_people"),
    ("agents", "0004_mesh"),
    ("intents", "0005_standing_and_tally"),
}


@pytest.mark.django_db
def test_no_migration_holds_a_lock_on_a_table_in_use_or_takes_away_what_the_code_before_needs() -> None:
    loader = MigrationLoader(connection, replace_migrations=False)
    wrong: list[str] = []
    excused: set[tuple[str, str]] = set()
    for key, migration in sorted(loader.disk_migrations.items()):
        if key[0] in OURS:
            found = offences(loader.collect_sql([(migration, False)]), is_atomic=migration.atomic)
            if found and key in BEFORE_THE_FIRST_RELEASE:
                excused.add(key)
            else:
                wrong += [f"{'.'.join(key)}: {what}" for what in found]

    assert "\n".join(wrong) == ""
    assert excused == BEFORE_THE_FIRST_RELEASE  # nobody is excused without need


@pytest.mark.parametrize(
    "bad",
    [
        'CREATE INDEX "i" ON "intents_intent" ("id");',
        'CREATE UNIQUE INDEX "i" ON "intents_intent" ("id");',
        'ALTER TABLE "intents_intent" ADD CONSTRAINT "c" CHECK ("seq" >= 0);',
        'ALTER TABLE "t" ADD CONSTRAINT "c" FOREIGN KEY ("a") REFERENCES "b" ("id") DEFERRABLE;',
        'ALTER TABLE "t" ADD CONSTRAINT "c" UNIQUE ("a");',
        'ALTER TABLE "t" ALTER COLUMN "a" TYPE bigint USING "a"::bigint;',
        'ALTER TABLE "t" ALTER COLUMN "a" SET NOT NULL;',
        'ALTER TABLE "t" ADD COLUMN "a" uuid DEFAULT gen_random_uuid() NOT NULL;',
        'ALTER TABLE "t" ADD COLUMN "a" integer GENERATED ALWAYS AS (1) STORED;',
        'ALTER TABLE "t" ADD COLUMN "a" int DEFAULT 0 NOT NULL; ALTER TABLE "t" ALTER COLUMN "a" DROP DEFAULT;',
        'ALTER TABLE "t" RENAME COLUMN "a" TO "b";',
        'ALTER TABLE "t" DROP COLUMN "a" CASCADE;',
        'DROP TABLE "t" CASCADE;',
        "LOCK TABLE t;",
        'ALTER TABLE "t" ADD COLUMN "a" int NULL; UPDATE t SET a = 1 WHERE id < 9;',
        'ALTER TABLE "t" ADD COLUMN "a" integer NOT NULL;',
        'ALTER TABLE ONLY "t" SET UNLOGGED;',
        'TRUNCATE TABLE "t";',
        "UPDATE t SET a = 1;",
        "DELETE FROM t;",
        'DO $$ BEGIN EXECUTE \'CREATE INDEX "i" ON "t" ("a")\'; END $$;',
    ],
)
def test_what_would_hold_up_others_is_found(bad: str) -> None:
    assert offences([bad], is_atomic=True)


@pytest.mark.parametrize(
    "good",
    [
        'CREATE INDEX CONCURRENTLY "i" ON "intents_intent" ("id");',
        'ALTER TABLE "t" ADD COLUMN "a" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "t" ADD COLUMN "a" integer NULL;',
        'CREATE TABLE "t" ("a" int); INSERT INTO "t" SELECT 1; UPDATE "t" SET "a" = 2; TRUNCATE "t";',
        'CREATE TRIGGER "u" BEFORE UPDATE ON "t" FOR EACH ROW EXECUTE FUNCTION f();',
        'ALTER TABLE "t" ADD CONSTRAINT "c" CHECK ("seq" >= 0) NOT VALID;',
        'ALTER TABLE "t" VALIDATE CONSTRAINT "c";',
        'CREATE TABLE "t" ("a" int); CREATE INDEX "i" ON "t" ("a"); ALTER TABLE "t" ALTER COLUMN "a" SET NOT NULL;',
        "UPDATE t SET a = 1 WHERE id BETWEEN 1 AND 1000 AND a IS NULL;",
    ],
)
def test_what_holds_up_nobody_passes(good: str) -> None:
    assert offences([good], is_atomic=True) == []


@pytest.mark.django_db(transaction=True)
def test_who_migrates_gives_up_a_lock_that_it_does_not_get_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE", "50ms")
    monkeypatch.setattr(migrate, "LONGEST_PAUSE_SECONDS", 0.0)
    tried: list[int] = []
    info = connections["default"].get_connection_params()
    names = ("host", "port", "dbname", "user", "password")
    with psycopg.connect(**{name: info[name] for name in names if info.get(name)}) as other:
        other.execute("LOCK TABLE agents_workspace IN ACCESS SHARE MODE")

        def handle(self: Any, *args: Any, **options: Any) -> None:
            tried.append(1)
            if len(tried) == 3:
                other.rollback()
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE agents_workspace IN ACCESS EXCLUSIVE MODE")

        monkeypatch.setattr(DjangosMigrate, "handle", handle)
        call_command("migrate", verbosity=0)

    assert len(tried) == 3
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
