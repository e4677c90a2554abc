"""A small world in which histories happen: two tenants, three agents, and steps for the ledger and its model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import connection
from django.db.models.functions import Now

from agents import mesh
from agents.errors import ApiError
from agents.models import Agent
from intents import coalescer, ledger, operations, repeating, timers
from intents.errors import Outcome
from intents.lifecycle import EventType, WaitingReason, replay
from intents.models import Intent, Timer
from intents.records import Ending, Hold, Lease, Release, Save, Slot, Submission, Wait, Wake
from tests.intents.factories import make_recipient, submission
from tests.intents.ledger_model import Model

#: Long enough that no lease ends and nothing falls due by itself while a history runs.
LONG = 3600

SEEN = """
SELECT
    intent.id, intent.status, intent.waiting_reason, intent.seq, intent.attempt,
    (
        SELECT json_agg(json_build_array(event.seq, event.type, event.status) ORDER BY event.seq)
        FROM intents_event AS event WHERE event.intent_id = intent.id
    )::text AS history,
    (
        SELECT event.details ->> 'result' FROM intents_event AS event
        WHERE event.intent_id = intent.id AND event.seq = intent.seq
    ) AS result,
    EXISTS (SELECT FROM intents_timer AS timer WHERE timer.intent_id = intent.id) AS has_timer,
    (
        SELECT COALESCE(
            json_agg(json_build_array(saved.step, convert_from(saved.value, 'UTF8')) ORDER BY saved.position), '[]'
        )
        FROM intents_checkpoint AS saved WHERE saved.intent_id = intent.id
    )::text AS saved,
    CASE WHEN delivery.id IS NOT NULL THEN json_build_object(
        'attempt', delivery.attempt,
        'max_attempts', delivery.max_attempts,
        'returns', delivery.returns,
        'token', delivery.lease_token,
        'session', delivery.lease_session,
        'is_idle', delivery.claimable_at <= statement_timestamp(),
        'is_detached', delivery.is_detached,
        'is_started', delivery.started_at IS NOT NULL AND delivery.lease_token IS NOT NULL,
        'cursor', delivery.cursor
    ) END::text AS owed
FROM intents_intent AS intent
LEFT JOIN intents_delivery AS delivery ON delivery.intent_id = intent.id
WHERE intent.id = ANY(%s)
"""


@dataclass(frozen=True)
class Row:
    """One row of a step, as numbers that the world makes sense of."""

    intent: int
    writer: int
    credential: int
    variant: int


@dataclass(frozen=True)
class Step:
    """One statement with its rows, run on Django's connection, on the pool, or row by row in company."""

    name: str
    way: str
    rows: tuple[Row, ...]


class World:
    """Runs each step on the ledger and on the model, and compares their answers and what they leave behind."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        here = make_recipient()
        self.agents: list[Agent] = [here, make_recipient(beside=here), make_recipient()]
        self.sessions = [uuid4() for _ in range(3)]
        #: tells the idempotency keys of one history from those of others
        self.era = uuid4()
        self.homes = {agent.pk: agent.organization_id for agent in self.agents}
        self.model = Model(self.homes)
        self.ids: list[UUID] = []
        self.tokens: dict[UUID, list[UUID]] = {}
        self.cursors: dict[int, int] = {}
        #: what is written is different each time, so that it is noticed where it does not belong
        self.written = count(1)

    def start(self) -> None:
        """Forget an earlier history; its intents stay, and owe nothing."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM intents_delivery")
            cursor.execute("DELETE FROM intents_timer")
            cursor.execute("UPDATE agents_agent SET killed_at = NULL, killed_by = '', kill_reason = ''")
        self.model, self.ids, self.tokens = Model(self.homes), [], {}
        self.era = uuid4()

    def play(self, step: Step) -> None:
        getattr(self, f"_{step.name}")(step)
        self.compare()

    # -- the statements ---------------------------------------------------------------------------------

    def _submit(self, step: Step) -> None:
        asked = [self._submission(row) for row in step.rows]
        answers = self._run(step, "submit", asked)
        assert [(each.outcome, each.intent_id) for each in answers] == self.model.submit(asked)
        self.ids = list(self.model.intents)

    def _submit_awaited(self, step: Step) -> None:
        """Submit while connections wait for some of it."""
        asked = [self._submission(row) for row in step.rows]
        slots = [self._slot_for(each, row) for each, row in zip(asked, step.rows, strict=True)]
        answers = self.runner.run(coalescer.run(partial(operations.submit, asked, slots=slots)))
        assert [(each.outcome, each.intent_id) for each in answers] == self.model.submit(asked)
        for each, slot, answer in zip(asked, slots, answers, strict=True):
            is_handed_over = (
                slot is not None and answer.outcome == "done" and each.is_owed and not each.delay_seconds
            )
            assert (answer.lease is not None) == is_handed_over
            if slot is not None and answer.lease is not None:
                self._leased(answer.lease, slot)
        self.ids = list(self.model.intents)

    def _slot_for(self, asked: Submission, row: Row) -> Slot | None:
        session = self.sessions[row.credential % 3]
        is_detached = row.variant % 2 == 0
        return (
            Slot(asked.recipient_id, 1, 1, session, LONG, is_detached=is_detached) if row.intent % 3 else None
        )

    def _leased(self, lease: Lease, slot: Slot) -> None:
        assert lease.cursor >= self.cursors.get(lease.agent_id, 0) + 2
        self.cursors[lease.agent_id] = lease.cursor
        assert lease.lease_session == slot.session
        self.model.claimed(lease, slot.session, is_detached=slot.is_detached)
        self.tokens.setdefault(lease.intent_id, []).append(lease.lease_token)

    def _submission(self, row: Row) -> Submission:
        agent = self.agents[row.writer % 3]
        named = row.credential < 3
        return submission(
            agent,
            max_delivery_attempts=1 + row.intent % 3,
            is_owed=row.variant != 1,
            delay_seconds=LONG if row.variant == 2 else 0,
            ttl_seconds={3: LONG, 4: 0}.get(row.variant),
            idempotency_key=f"{self.era} {len(self.tokens) // 4}" if named else None,
            request_hash=b"other" if row.credential == 2 else b"same",
        )

    def _claim(self, step: Step) -> None:
        slots: list[Slot] = []
        for row in step.rows:
            agent = self.agents[row.writer % 3]
            taken = max((slot.last for slot in slots if slot.agent_id == agent.pk), default=0)
            session = self.sessions[row.credential % 3]
            last = taken + 1 + row.intent % 3
            slots.append(Slot(agent.pk, taken + 1, last, session, LONG, is_detached=row.variant % 2 == 0))
        claimable = {agent.pk: self.model.claimable(agent.pk) for agent in self.agents}
        leases: list[Lease] = self._run(step, "claim", slots, whole=True)
        for agent in self.agents:
            theirs = [lease for lease in leases if lease.agent_id == agent.pk]
            room = max((slot.last for slot in slots if slot.agent_id == agent.pk), default=0)
            assert {lease.intent_id for lease in theirs} <= claimable[agent.pk]
            assert len(theirs) == min(room, len(claimable[agent.pk]))
        for slot in slots:
            theirs = [lease for lease in leases if lease.agent_id == slot.agent_id][
                slot.first - 1 : slot.last
            ]
            for lease in theirs:
                self._leased(lease, slot)

    def _acknowledge(self, step: Step) -> None:
        self._change(step, "acknowledge", [self._hold(row) for row in step.rows])

    def _checkpoint(self, step: Step) -> None:
        asked = [
            Save(
                self._hold(row),
                f"step {row.variant % 3}",
                "text/plain",
                f"value {next(self.written)}".encode(),
            )
            for row in step.rows
        ]
        for each, answer in zip(asked, self._change(step, "checkpoint", asked), strict=True):
            if answer.outcome in (Outcome.DONE, Outcome.REPEATED):
                told = self.model.intents[each.hold.intent_id].saved[each.step]
                assert bytes(answer.checkpoint["value"]).decode() == told

    def _extend(self, step: Step) -> None:
        self._change(step, "extend", [self._hold(row) for row in step.rows])

    def _finish(self, step: Step) -> None:
        types = [EventType.COMPLETED, EventType.FAILED, EventType.CANCELED, EventType.TIMED_OUT]
        asked = [
            Ending(
                self._hold(row),
                types[row.variant % 4],
                {"result": f"result {next(self.written)}"},
                via_progress=row.variant > 3,
            )
            for row in step.rows
        ]
        self._change(step, "finish", asked)

    def _release(self, step: Step) -> None:
        asked = [
            Release(
                self._hold(row),
                "released" if row.variant in (1, 2) else "closed",
                delay_seconds=LONG if row.variant == 2 else 0,
            )
            for row in step.rows
        ]
        self._change(step, "release", asked)

    def _wait(self, step: Step) -> None:
        reasons = list(WaitingReason)
        asked = [Wait(self._hold(row).intent_id, reasons[row.variant % len(reasons)]) for row in step.rows]
        self._change(step, "wait", asked, whole=True)

    def _wake(self, step: Step) -> None:
        asked = [Wake(self._hold(row), is_owed=row.variant != 1) for row in step.rows]
        self._change(step, "wake", asked, whole=True)

    def _exhaust(self, step: Step) -> None:
        assert self._run(step, "exhaust", 500, whole=True) == self.model.exhaust()

    def _take_over(self, step: Step) -> None:
        row = step.rows[0]
        agent = self.agents[row.writer % 3].pk
        cursors = sorted(told.owed.cursor for told in self.model.intents.values() if told.owed)
        since = cursors[row.intent % len(cursors)] if cursors and row.variant > 2 else 0
        asked = (agent, since, self.sessions[row.credential % 3])
        assert self._run(step, "take_over", *asked, whole=True) == self.model.take_over(*asked)

    def _expire_sessions(self, step: Step) -> None:
        asked = [self.sessions[row.credential % 3] for row in step.rows]
        self._run(step, "expire_sessions", asked, whole=True)
        self.model.expire_sessions(asked)

    def _time_passes(self, step: Step) -> None:
        """Leases end and delays are over, for some intents."""
        with connection.cursor() as cursor:
            for row in step.rows:
                intent_id = self._pick(row)
                cursor.execute(
                    "UPDATE intents_delivery SET due_at = LEAST(due_at, now() - interval '1 s'),"
                    " lease_expires_at = LEAST(lease_expires_at, CASE WHEN lease_token IS NULL THEN NULL"
                    " ELSE now() - interval '1 s' END) WHERE intent_id = %s",
                    [intent_id],
                )
                if (told := self.model.intents.get(intent_id)) and told.owed:
                    told.owed.is_due = True
                    told.owed.is_expired = told.owed.token is not None

    # -- what people do, and time ---------------------------------------------------------------------------

    def _kill(self, step: Step) -> None:
        agent = self.agents[step.rows[0].writer % 3]
        mesh.kill(agent, by="test")
        self.model.kill(agent.pk)

    def _resume(self, step: Step) -> None:
        for row in step.rows:
            agent = self.agents[row.writer % 3]
            mesh.resume(agent, by="test")
            self.model.resume(agent.pk)

    def _retry(self, step: Step) -> None:
        row = step.rows[0]
        intent = Intent.objects.get(pk=self.ids[row.intent % len(self.ids)])
        wants = row.variant > 1
        new_id, code = None, "done"
        try:
            new_id = repeating.retry(intent, actor="test", checkpoints=wants).intent_id
        except ApiError as error:
            code = error.code
        assert code == self.model.retry(intent.pk, new_id, with_checkpoints=wants)
        self.ids = list(self.model.intents)

    def _redeliver(self, step: Step) -> None:
        intent = Intent.objects.get(pk=self.ids[step.rows[0].intent % len(self.ids)])
        code = "done"
        try:
            repeating.redeliver(intent, actor="test")
        except ApiError as error:
            code = error.code
        assert code == self.model.redeliver(intent.pk)

    def _deadline_passes(self, step: Step) -> None:
        """It does, for some intents; nobody has looked yet."""
        ids = [self._pick(row) for row in step.rows]
        Timer.objects.filter(intent__in=ids).update(due_at=Now() - timedelta(seconds=1))
        for each in ids:
            if told := self.model.intents.get(each):
                told.is_overdue = True

    def _sweep(self, step: Step) -> None:
        assert ledger.run(lambda changes: timers.fire(changes, 500)) == self.model.sweep()

    # -- how they are asked, run and compared -----------------------------------------------------------

    def _pick(self, row: Row) -> UUID:
        """One of the intents; now and then one that does not exist."""
        return self.ids[row.intent % len(self.ids)] if self.ids and row.intent != 7 else uuid4()

    def _hold(self, row: Row) -> Hold:
        intent_id = self._pick(row)
        told = self.model.intents.get(intent_id)
        home, sibling, stranger = self.agents
        organization = told.organization_id if told else home.organization_id
        recipient = told.recipient_id if told else home.pk
        if row.writer == 0:
            organization = (home if organization == stranger.organization_id else stranger).organization_id
        agent_id = {1: sibling.pk, 2: None}.get(row.writer, recipient)
        tokens = self.tokens.get(intent_id, [])
        token = session = None
        if row.credential == 0:
            token = uuid4()
        elif row.credential == 1 and tokens:
            token = tokens[0]
        elif row.credential in (2, 3, 4) and tokens:
            token = tokens[-1]
        elif row.credential in (5, 6):
            session = self.sessions[row.variant % 3]
        elif row.credential == 7 and told and told.owed:
            session = told.owed.session
        return Hold(intent_id, organization, agent_id, token, session)

    def _change(self, step: Step, name: str, asked: Sequence[Any], *, whole: bool = False) -> Any:
        if step.way == "apart" and not whole:
            # Each is a call of its own, so that each sees what those before it have changed, or goes with them.
            answers = self._run(step, name, asked)
        else:
            answers = self._run(step, name, asked, whole=True)
        told: list[Outcome] = getattr(self.model, name)(asked)
        seen = [done.outcome for done in answers]
        assert seen == told, f"{name}: seen {seen}, told {told}"
        return answers

    def _run(self, step: Step, name: str, *asked: Any, whole: bool = False) -> Any:
        if step.way == "now":
            return getattr(ledger, name)(*asked)
        operation = getattr(coalescer, name)
        if step.way == "apart" and not whole:
            return self.runner.run(_in_company(operation, asked[0]))
        return self.runner.run(operation(*asked))

    def compare(self) -> None:
        """The database shows what the model tells, and what every history has to fulfil."""
        with connection.cursor() as cursor:
            cursor.execute(SEEN, [list(self.model.intents)])
            names = [column[0] for column in cursor.description]
            seen = {row[0]: dict(zip(names, map(_parsed, row), strict=True)) for row in cursor.fetchall()}
        for told in self.model.intents.values():
            row, expected = seen[told.id], told.row()
            assert row == expected, _differences(row, expected)
            assert replay(event for _, event, _ in row["history"]) == row["status"]
            assert [seq for seq, _, _ in row["history"]] == list(range(1, row["seq"] + 1))


async def _in_company(operation: Any, asked: Sequence[Any]) -> list[Any]:
    answers = await asyncio.gather(*(operation([each]) for each in asked))
    return [answer for [answer] in answers]


def _differences(seen: dict[str, Any], told: dict[str, Any]) -> str:
    keys = [key for key in told if seen[key] != told[key]]
    return "\n".join(f"{key}:\n  seen {seen[key]}\n  told {told[key]}" for key in keys)


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
