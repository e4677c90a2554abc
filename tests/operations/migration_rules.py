"""What a migration may do to tables in use: nothing that holds a strong lock for longer than an instant.

And nothing that the code before could not live with, for that goes on serving while the migration runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What a statement says -> why it may not be said of a table that is in use.
RULES: dict[str, str] = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "builds an index under a lock: AddIndexConcurrently, atomic = False",
    r"REINDEX (?!.*CONCURRENTLY)": "builds an index under a lock: REINDEX … CONCURRENTLY",
    r"ALTER TABLE .* ADD CONSTRAINT .* (CHECK|FOREIGN KEY)\b(?!.*NOT VALID)": (
        "reads the table under a lock: AddConstraintNotValid, then ValidateConstraint in another migration"
    ),
    r"ALTER TABLE .* ADD CONSTRAINT .* (UNIQUE|PRIMARY KEY|EXCLUDE)\b(?!.*USING INDEX)": (
        "builds an index under a lock: build it concurrently, then ADD CONSTRAINT … USING INDEX"
    ),
    r"ALTER TABLE .* ALTER COLUMN .* TYPE ": "may rewrite the table under a lock: a new column instead",
    r"ALTER TABLE .* ALTER COLUMN .* SET NOT NULL": "reads the table under a lock: a check NOT VALID instead",
    r"ALTER TABLE .* ADD COLUMN .* GENERATED ALWAYS .* STORED": "rewrites the table under a lock",
    r"ALTER TABLE .* ADD COLUMN .* DEFAULT .*(gen_random_uuid|clock_timestamp|random|nextval)\(": (
        "rewrites the table under a lock: a default that is the same for all rows"
    ),
    r"ALTER TABLE .* ADD COLUMN (?=.*\bNOT NULL\b)(?!.*\b(DEFAULT|GENERATED)\b)": (
        "fails where there are rows, and the code before does not name the column: db_default"
    ),
    r"ALTER TABLE .* ALTER COLUMN .* DROP DEFAULT": "the code before does not name the column: db_default",
    r"ALTER TABLE .* (RENAME|DROP COLUMN)": "the code before goes on reading it",
    r"DROP TABLE": "the code before goes on reading it",
    r"ALTER TABLE .* SET (UNLOGGED|LOGGED|TABLESPACE|ACCESS METHOD)": "rewrites the table under a lock",
    r"TRUNCATE": "locks the table against everybody, and the code before goes on reading what was in it",
    r"(UPDATE|DELETE FROM) (?!.*\bWHERE\b)": (
        "holds a lock on each row of the table until the last is done: a part of it at a time, by its key"
    ),
    r"DO\b": "what it would do cannot be read here: say it in statements",
    r"(VACUUM FULL|CLUSTER|LOCK TABLE|LOCK )": "locks the table for as long as it takes",
}
STRONG = re.compile(r"(?:ALTER TABLE|CREATE TRIGGER .* ON|DROP TRIGGER .* ON) \"?(\w+)", re.IGNORECASE)
FILLS = re.compile(r"(UPDATE|DELETE FROM|INSERT INTO .* SELECT)\b", re.IGNORECASE)
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?\"?(\w+)", re.IGNORECASE)
CONCERNED = re.compile(
    r"(?:\A(?:TRUNCATE(?: TABLE)?|UPDATE|DELETE FROM)|ALTER TABLE|DROP TABLE|\bON|LOCK TABLE|CLUSTER|VACUUM FULL)"
    r" (?:IF EXISTS |ONLY )*\"?(\w+)",
    re.IGNORECASE,
)
PYTHON = "-- THIS OPERATION CANNOT BE WRITTEN AS SQL"


def statements(sql: Iterable[str]) -> list[str]:
    """Each statement on one line, without comments; bodies of functions, which run later, are left out."""
    text = "\n".join(line for line in "\n".join(sql).splitlines() if not line.lstrip().startswith("--"))
    text = re.sub(r"\$\$.*?\$\$", "''", text, flags=re.DOTALL)
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


def offences(sql: Iterable[str], *, is_atomic: bool) -> list[str]:
    """What is wrong with a migration of this SQL, in words."""
    lines = list(sql)
    said = statements(lines)
    new = {created[1] for statement in said if (created := CREATED.search(statement))}
    found: list[str] = []
    for statement in said:
        table = concerned[1] if (concerned := CONCERNED.search(statement)) else None
        if table in new:
            continue
        for pattern, reason in RULES.items():
            if re.match(pattern, statement, re.IGNORECASE):
                found.append(f"{statement[:100]}: {reason}")
    locked = [table[1] for statement in said if (table := STRONG.match(statement)) and table[1] not in new]
    fills = [statement for statement in said if FILLS.match(statement)]
    if any(PYTHON in line for line in lines):
        fills.append("RunPython")
    if is_atomic and locked and fills:
        found.append(f"{fills[0][:60]}: while {locked[0]} is locked; fill rows in a migration of its own")
    return found
