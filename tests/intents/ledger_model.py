"""What the ledger should do, told a second time in plain Python: an oracle for histories that nobody thought of.

A statement judges all of its rows by what was there before it, then changes each intent for the first row that may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from intents.errors import Outcome
from intents.lifecycle import BEFORE_PROGRESS, EventType, Status
from intents.records import Ending, Hold, Lease, Release, Save, Submission, Wait, Wake
from tests.intents.ledger_told import Owed, Told

#: How often an attempt that had not started is given back.
RETURNS = 3


class Model:
    """All intents of a small world, and what each statement makes of them."""

    def __init__(self, homes: Mapping[int, UUID]) -> None:
        #: agent → its organization
        self.homes = homes
        self.intents: dict[UUID, Told] = {}
        self.names: dict[tuple[int, str], tuple[bytes, UUID]] = {}
        self.killed: set[int] = set()

    def submit(self, asked: Sequence[Submission]) -> list[tuple[str, UUID]]:
        """Outcome and intent of each."""
        return [self._submit(each) for each in asked]

    def _submit(self, each: Submission) -> tuple[str, UUID]:
        if each.idempotency_key is not None and each.sender_id is not None:
            name = (each.sender_id, each.idempotency_key)
            if (first := self.names.get(name)) is not None:
                return ("repeated", first[1]) if first[0] == each.request_hash else ("conflict", each.id)
        if each.sender_id in self.killed:
            return "sender_killed", each.id
        if each.recipient_id in self.killed:
            return "recipient_killed", each.id
        if each.ttl_seconds is not None and each.ttl_seconds <= 0:
            return "deadline_passed", each.id
        if each.idempotency_key is not None and each.sender_id is not None:
            self.names[name] = (each.request_hash, each.id)
        owed = Owed(each.max_delivery_attempts, is_due=not each.delay_seconds) if each.is_owed else None
        self.intents[each.id] = Told(
            each.id, each.organization_id, each.recipient_id, each.max_delivery_attempts,
            has_deadline=each.ttl_seconds is not None, owed=owed,
        )  # fmt: skip
        return "done", each.id

    def claimable(self, agent_id: int) -> set[UUID]:
        return {
            told.id
            for told in self.intents.values()
            if told.recipient_id == agent_id and agent_id not in self.killed
            if told.owed and told.owed.is_claimable
        }

    def claimed(self, lease: Lease, session: UUID, *, is_detached: bool) -> None:
        told = self.intents[lease.intent_id]
        assert told.owed
        told.owed.attempt = told.attempt = told.owed.attempt + 1
        told.note(Status.DELIVERED if told.status == Status.SUBMITTED else Status.IN_PROGRESS)
        owed = told.owed
        owed.token, owed.session, owed.cursor = lease.lease_token, session, lease.cursor
        owed.is_expired, owed.is_started = False, False
        owed.is_renewable, owed.is_detached = True, is_detached

    def acknowledge(self, asked: Sequence[Hold]) -> list[Outcome]:
        outcomes = [self._judge(hold) for hold in asked]
        for hold, outcome in zip(asked, outcomes, strict=True):
            if outcome != Outcome.DONE:
                continue
            told = self.intents[hold.intent_id]
            if told.status in (Status.SUBMITTED, Status.DELIVERED):
                told.note(Status.ACKNOWLEDGED, Status.IN_PROGRESS)
            if (owed := told.owed) and owed.token:
                owed.is_started = True
                owed.is_expired = owed.is_expired and not owed.is_renewable
        return outcomes

    def checkpoint(self, asked: Sequence[Save]) -> list[Outcome]:
        return [self._save(each) for each in asked]

    def _save(self, each: Save) -> Outcome:
        outcome = self._judge(each.hold)
        if outcome != Outcome.DONE:
            return outcome
        told = self.intents[each.hold.intent_id]
        if told.status == Status.WAITING:
            return Outcome.LEASE_LOST
        if (owed := told.owed) and owed.token:
            owed.is_started = True
            owed.is_expired = owed.is_expired and not owed.is_renewable
        if each.step in told.saved:
            return Outcome.REPEATED
        told.saved[each.step] = each.value.decode()
        told.note(Status.IN_PROGRESS)
        return Outcome.DONE

    def extend(self, asked: Sequence[Hold]) -> list[Outcome]:
        outcomes = []
        for hold in asked:
            told = self.intents.get(hold.intent_id)
            may = told and told.recipient_id not in self.killed
            if (
                told
                and may
                and hold.organization_id == told.organization_id
                and hold.agent_id in (None, told.recipient_id)
                and self._renew(told.owed, hold.token)
            ):
                outcomes.append(Outcome.DONE)
            else:
                is_killed = hold.agent_id in self.killed and self.homes[hold.agent_id] == hold.organization_id
                outcomes.append(Outcome.AGENT_KILLED if is_killed else Outcome.LEASE_LOST)
        return outcomes

    def _renew(self, owed: Owed | None, token: UUID | None) -> bool:
        if owed is None or token is None or owed.token != token or not owed.is_renewable:
            return False
        owed.is_expired = False
        return True

    def finish(self, asked: Sequence[Ending]) -> list[Outcome]:
        def end(told: Told, each: Ending) -> None:
            if each.via_progress and told.status in {*BEFORE_PROGRESS, Status.WAITING}:
                told.note(Status.IN_PROGRESS)
            told.end(each.type, each.details["result"])

        return self._first_wins(asked, lambda each: self._judge(each.hold), end, Outcome.ALREADY_ENDED)

    def release(self, asked: Sequence[Release]) -> list[Outcome]:
        def judge(each: Release) -> Outcome:
            outcome = self._judge(each.hold)
            if outcome == Outcome.DONE:
                owed = self.intents[each.hold.intent_id].owed
                if owed is None or (each.reason == "closed" and not (owed.token and owed.is_renewable)):
                    return Outcome.LEASE_LOST  # nothing, or nothing any more, is held
            return outcome

        return self._first_wins(asked, judge, self._release, Outcome.LEASE_LOST)

    def _release(self, told: Told, each: Release) -> None:
        owed = told.owed
        assert owed
        is_returned = each.reason == "closed" and not owed.is_started and owed.returns < RETURNS
        if is_returned:
            owed.attempt -= 1
            told.attempt = owed.attempt
        owed.returns = owed.returns + 1 if is_returned else 0
        owed.is_detached = False
        if each.reason == "closed":
            owed.is_expired, owed.is_renewable = True, False
            if is_returned:
                told.note(Status.SUBMITTED if told.status == Status.DELIVERED else Status.IN_PROGRESS)
        else:
            owed.token = owed.session = None
            owed.is_renewable = owed.is_started = False
            owed.is_due = not each.delay_seconds
            told.note(Status.IN_PROGRESS)

    def wait(self, asked: Sequence[Wait]) -> list[Outcome]:
        def judge(each: Wait) -> Outcome:
            if (told := self.intents.get(each.intent_id)) is None:
                return Outcome.UNKNOWN
            return Outcome.ALREADY_ENDED if told.has_ended else Outcome.DONE

        def wait(told: Told, each: Wait) -> None:
            told.note(Status.WAITING)
            told.waiting_reason, told.owed = each.reason, None

        return self._first_wins(asked, judge, wait, Outcome.ALREADY_ENDED)

    def wake(self, asked: Sequence[Wake]) -> list[Outcome]:
        def judge(each: Wake) -> Outcome:
            operator = Hold(each.hold.intent_id, each.hold.organization_id)
            return self._judge(operator)

        def wake(told: Told, each: Wake) -> None:
            told.note(Status.IN_PROGRESS)
            if each.is_owed and told.owed is None:
                told.owed = Owed(told.max_attempts, attempt=min(told.attempt, told.max_attempts - 1))

        return self._first_wins(asked, judge, wake, Outcome.ALREADY_ENDED)

    def exhaust(self) -> int:
        spent = [
            told
            for told in self.intents.values()
            if told.owed and told.owed.is_spent and told.recipient_id not in self.killed
        ]
        for told in spent:
            told.history.append((EventType.DELIVERY_FAILED, Status.FAILED))
            told.end(EventType.FAILED)
        return len(spent)

    def take_over(self, agent_id: int, since: int, session: UUID) -> int:
        left_behind = [
            owed
            for told in self.intents.values()
            if (owed := told.owed) and told.recipient_id == agent_id
            if owed.token and owed.is_detached and not owed.is_expired
            if owed.cursor > since and owed.session != session
        ]
        for owed in left_behind:
            owed.is_expired, owed.is_detached = True, False
        return len(left_behind)

    def expire_sessions(self, sessions: Sequence[UUID]) -> None:
        for told in self.intents.values():
            if (owed := told.owed) and owed.session in sessions and not owed.is_detached:
                owed.is_expired = True

    def kill(self, agent_id: int) -> None:
        """What it holds is taken from it, and the attempt does not count."""
        self.killed.add(agent_id)
        for told in self.intents.values():
            if (owed := told.owed) and told.recipient_id == agent_id and owed.token and not owed.is_expired:
                owed.attempt, owed.returns = owed.attempt - 1, owed.returns + 1
                owed.token = owed.session = None
                owed.is_renewable = owed.is_detached = owed.is_started = False

    def resume(self, agent_id: int) -> None:
        self.killed.discard(agent_id)

    def sweep(self) -> int:
        """End what is past its deadline, whoever has it."""
        overdue = [told for told in self.intents.values() if told.has_timer and told.is_overdue]
        for told in overdue:
            told.end(EventType.TIMED_OUT)
        return len(overdue)

    def redeliver(self, intent_id: UUID) -> str:
        """The code of the answer."""
        told = self.intents[intent_id]
        if told.has_ended:
            return "intent_terminal"
        if (owed := told.owed) is None:
            return "nothing_owed"
        if owed.attempt >= owed.max_attempts:
            return "delivery_attempts_exhausted"
        if owed.token and not owed.is_expired:
            self._release(told, Release(Hold(intent_id, told.organization_id), reason="released"))
        owed.is_due = True
        return "done"

    def retry(self, intent_id: UUID, new_id: UUID | None, *, with_checkpoints: bool) -> str:
        """The code of the answer; `new_id` is what the new intent is called, if there is one."""
        told = self.intents[intent_id]
        if not told.has_ended:
            return "intent_open"
        if told.recipient_id in self.killed:
            return "agent_killed"
        assert new_id is not None
        self.intents[new_id] = Told(
            new_id, told.organization_id, told.recipient_id, told.max_attempts,
            has_deadline=told.has_deadline, owed=Owed(told.max_attempts),
            saved={**told.saved} if with_checkpoints else {},
        )  # fmt: skip
        return "done"

    def _judge(self, hold: Hold) -> Outcome:
        told = self.intents.get(hold.intent_id)
        if told is None or told.organization_id != hold.organization_id:
            return Outcome.UNKNOWN
        if hold.agent_id is not None and hold.agent_id != told.recipient_id:
            return Outcome.FORBIDDEN
        is_written_as_agent = (hold.agent_id, hold.token, hold.session) != (None, None, None)
        if is_written_as_agent and told.recipient_id in self.killed:
            return Outcome.AGENT_KILLED
        if told.has_ended:
            return Outcome.ALREADY_ENDED
        token, session = (told.owed.token, told.owed.session) if told.owed else (None, None)
        if hold.token is not None:
            return Outcome.DONE if hold.token == token else Outcome.LEASE_LOST
        if hold.session is not None and token is not None and hold.session != session:
            return Outcome.LEASE_LOST
        return Outcome.DONE

    def _first_wins(
        self,
        asked: Sequence[Any],
        judge: Callable[[Any], Outcome],
        change: Callable[[Told, Any], None],
        late: Outcome,
    ) -> list[Outcome]:
        outcomes = [judge(each) for each in asked]
        winners: set[UUID] = set()
        for place, each in enumerate(asked):
            intent_id = each.intent_id if isinstance(each, Wait) else each.hold.intent_id
            if outcomes[place] != Outcome.DONE:
                continue
            if intent_id in winners:
                outcomes[place] = late
                continue
            winners.add(intent_id)
            change(self.intents[intent_id], each)
        return outcomes
