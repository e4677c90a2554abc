"""A day in a workspace that people can imagine: agents that work, one that dies, one that never came, and what failed.

    with Story(perdure) as story:
        page.goto(story.path("running"))

Everything happens over the wire, by agents on real connections; `past` then moves it back in time.
"""

from __future__ import annotations

import math
import random
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from tests.browser import past
from tests.browser.hands import Delivery, Hand
from tests.live import Account, Operator, in_database, intent
from tests.servers import Perdure

ROOT = "/o/myorg/production/"
PIPELINE, INVOICE, TICKET = "intent.pipeline.process.v1", "invoice.extract.v1", "ticket.triage.v1"
STEPS = ("extract", "validate", "transform", "load", "reconcile")
VALUES: dict[str, Any] = {
    "extract": {"rows": 500_000, "source": "s3://lake/customers/2026-11-23/", "files": 48},
    "validate": {"valid": 499_871, "rejected": 129},
    "transform": {"rows": 499_871, "columns": 34, "seconds": 41.7},
    "load": {"table": "warehouse.customers", "rows": 499_871},
    "reconcile": {"difference": 0},
}
CAST = {
    "pipeline-agent": "Moves customers and orders into the warehouse, night and day.",
    "invoice-reader": "Reads invoices and writes down what they say.",
    "support-triage": "Sorts tickets by topic and urgency.",
    "payments-agent": "Settles what the bank has confirmed.",
    "report-writer": "Writes the weekly report. Nobody has started it yet.",
}
#: What goes wrong on an ordinary day, and how often in a thousand.
TROUBLE = {
    "upstream_timeout": (6, "The ledger did not answer within 30 s"),
    "schema_mismatch": (4, "column “vat_id” is missing in row 1"),
    "quota_exceeded": (3, "the model's daily quota is used up"),
}


class Story:
    """The day, told when it is entered. Connections that belong to it stay open until it is left."""

    def __init__(self, perdure: Perdure, *, ordinary: int = 60) -> None:
        self.perdure = perdure
        self.ordinary = ordinary
        self.chance = random.Random(7)
        self.accounts: dict[str, Account] = {}
        self.intents: dict[str, str] = {}
        self.operator = Operator.of(perdure)
        self._open = ExitStack()
        self._when: dict[str, list[float]] = {}

    def path(self, name: str) -> str:
        """The page of an intent of this story."""
        return f"{ROOT}intents/{self.intents[name]}/"

    def __enter__(self) -> Self:
        self._open.enter_context(self.operator)
        for name, description in CAST.items():
            self.accounts[name] = self.operator.register(name, description=description)
        with self._hand("pipeline-agent", room=1000), self._hand("invoice-reader", room=1000):
            pass  # they have been here before
        self._ordinary(3_560, 2_410)
        self._nobody_takes("forgotten", ago=2_400)
        self._ordinary(2_390, 405)
        self._completed_by_the_second("completed", ago=400)
        self._ordinary(395, 180)
        self._still_running("running", ago=171)
        self._dies_for_good("dead", ago=165)
        self._ordinary(160, 96, share=0.15)
        self._withdrawn("canceled", ago=95)
        self._tried_again("failed", "retry", ago=90)
        self._too_late("late", ago=70)
        self._ordinary(66, 42, share=0.3)
        self._in_steps("waiting", ago=40)
        self._ordinary(36, 24, share=0.3)
        self._nobody_takes("unheard", ago=21)
        self._ordinary(19, 5, share=0.3)
        past.retime(self.perdure, self._when)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    # -- scenes ---------------------------------------------------------------------------------------

    def _ordinary(self, first: float, last: float, *, share: float = 1.0) -> None:
        """What runs through without a story: as much as falls into this time, or a share of it."""
        number = max(1, round(self.ordinary * share * (first - last) / 3_600))
        moments = sorted((self._moment(first, last) for _ in range(number)), reverse=True)
        casting = [self._somebody() for _ in moments]
        bodies = [intent(self.accounts[who], payload, intent_type=kind) for who, kind, payload in casting]
        ids: list[str] = []
        for start in range(0, number, 500):
            answer = self.operator.post("/v1/intents/batch", {"intents": bodies[start : start + 500]})
            ids += [each["intent_id"] for each in answer["results"]]
        for who in ("pipeline-agent", "invoice-reader", "support-triage"):
            mine = sum(name == who for name, _, _ in casting)
            if mine:
                with self._hand(who, room=1_000) as hand:
                    self._work_off(hand, hand.take(mine))
        lengths = dict(in_database(
            self.perdure, "SELECT id::text, seq FROM intents_intent WHERE id = ANY(%s::uuid[])", ids
        ))  # fmt: skip
        for id_, ago in zip(ids, moments, strict=True):
            took = min(self.chance.lognormvariate(0.9, 0.8), ago * 0.8)
            self._when[id_] = past.stretch(lengths[id_], ago, took)

    def _moment(self, first: float, last: float) -> float:
        while True:
            ago = self.chance.uniform(last, first)
            if self.chance.random() < 0.62 + 0.38 * math.sin(ago / 540):
                return ago

    def _somebody(self) -> tuple[str, str, dict[str, Any]]:
        number = self.chance.randrange(10_000, 99_999)
        return self.chance.choice((
            ("pipeline-agent", PIPELINE, {"pipeline": "etl-orders", "batch": number}),
            ("invoice-reader", INVOICE, {"document": f"inv-{number}.pdf", "currency": "EUR"}),
            ("invoice-reader", INVOICE, {"document": f"inv-{number}.pdf", "currency": "USD"}),
            ("support-triage", TICKET, {"ticket": f"T-{number}", "channel": "mail"}),
        ))  # fmt: skip

    def _work_off(self, hand: Hand, deliveries: list[Delivery]) -> None:
        left = self.chance.sample(deliveries, len(deliveries))
        for code, (rate, message) in TROUBLE.items():
            number = round(len(deliveries) * rate / 1000 + self.chance.random() * 0.4)
            for delivery in left[:number]:
                hand.fail(delivery, {"code": code, "message": message})
            left = left[number:]
        hand.end_all(left, "complete", result={"status": "done"})

    def _still_running(self, name: str, ago: float) -> None:
        """The first attempt died with its connection, the second is at it."""
        pipeline = {
            "pipeline": "etl-customers",
            "steps": list(STEPS),
            "total_rows": 500_000,
            "dry_run": False,
        }
        id_ = self._submit(name, "pipeline-agent", PIPELINE, pipeline, correlation_id=self._thread())
        with self._hand("pipeline-agent", client="perdure/0.1.0 worker-a") as hand:
            delivery = hand.start()
            for step in STEPS[:2]:
                hand.save(delivery, step, VALUES[step])
        hand = self._open.enter_context(self._hand("pipeline-agent", client="perdure/0.1.0 worker-b"))
        delivery = hand.start()
        hand.save(delivery, STEPS[2], VALUES[STEPS[2]])
        hand.report(delivery, cost_usd=0.0184, tokens=12_640, model="small-1")
        self._spread(id_, ago, (0, 0.01, 0.04, 0.3, 0.31, 31, 62, 74.2, 131, 131.2))

    def _completed_by_the_second(self, name: str, ago: float) -> None:
        pipeline = {
            "pipeline": "etl-customers",
            "steps": list(STEPS),
            "total_rows": 500_000,
            "dry_run": False,
        }
        id_ = self._submit(name, "pipeline-agent", PIPELINE, pipeline, correlation_id=self._thread())
        with self._hand("pipeline-agent", client="perdure/0.1.0 worker-a") as hand:
            delivery = hand.start()
            for step in STEPS[:3]:
                hand.save(delivery, step, VALUES[step])
        with self._hand("pipeline-agent", client="perdure/0.1.0 worker-b") as hand:
            delivery = hand.start()
            for step in STEPS[3:]:
                hand.save(delivery, step, VALUES[step])
            hand.report(delivery, cost_usd=0.0371, tokens=25_112, model="small-1")
            hand.complete(delivery, {"status": "success", "rows": 499_871, "table": "warehouse.customers"})
        self._spread(id_, ago, (0, 0.01, 0.03, 0.2, 0.21, 12.4, 21.1, 63, 71.5, 98, 101, 101.2, 101.4))

    def _dies_for_good(self, name: str, ago: float) -> None:
        """Each attempt dies in the same step: the dead letter."""
        batch = {"batch": "2026-11-23", "payments": 1_208}
        id_ = self._submit(name, "payments-agent", "payments.settle.v1", batch)
        for attempt in range(3):
            with self._hand("payments-agent") as hand:
                delivery = hand.start()
                if not attempt:
                    hand.save(delivery, "confirmations", {"read": 1_208})
        self.operator.wait_for(id_, "FAILED", deadline=60)
        self._spread(id_, ago, (0, 0.01, 0.05, 0.2, 0.21, 9, 21, 32, 36, 36))

    def _tried_again(self, name: str, again: str, ago: float) -> None:
        """What has failed was retried from its checkpoints, and came through."""
        document = {"document": "inv-48113.pdf", "currency": "EUR"}
        id_ = self._submit(name, "invoice-reader", INVOICE, document)
        with self._hand("invoice-reader") as hand:
            delivery = hand.start()
            hand.save(delivery, "ocr", {"pages": 3, "confidence": 0.982})
            hand.fail(delivery, {"code": "schema_mismatch", "message": TROUBLE["schema_mismatch"][1]})
            self.intents[again] = self.operator.post(f"/v1/intents/{id_}/retry", {})["intent_id"]
            delivery = hand.start()
            hand.complete(delivery, {"total": "1,204.50", "currency": "EUR", "vat_id": "DE136695976"})
        self._spread(id_, ago, (0, 0.01, 0.04, 0.2, 0.21, 3.8, 5.1))
        self._spread(self.intents[again], ago - 15, (0, 0.01, 0.03, 0.2, 0.21, 1.4))

    def _withdrawn(self, name: str, ago: float) -> None:
        id_ = self._submit(name, "report-writer", "report.weekly.v1", {"week": 46})
        reason = "Week 46 was sent by hand"
        self.operator.post(f"/v1/intents/{id_}/resolve", {"status": "CANCELED", "reason": reason})
        self._spread(id_, ago, (0, 0.01, 35))

    def _too_late(self, name: str, ago: float) -> None:
        deadline = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        daily = {"day": "2026-11-22"}
        id_ = self._submit(name, "report-writer", "report.daily.v1", daily, deadline_at=deadline)
        self.operator.wait_for(id_, "TIMED_OUT", deadline=60)
        self._spread(id_, ago, (0, 0.01, 55))

    def _in_steps(self, name: str, ago: float) -> None:
        """A scenario: its first step is done, and now it waits for two days to pass."""
        bundle = {
            "scenario_id": "onboarding.v1",
            "title": "A new customer",
            "agents": [{"role": "support-triage", "address": "support-triage"}],
            "workflow": {
                "entry_step": "welcome",
                "steps": [
                    {
                        "step_id": "welcome",
                        "tool_id": "",
                        "assigned_to": "support-triage",
                        "on_success": "pause",
                    },
                    {
                        "step_id": "pause",
                        "runtime_type": "delay",
                        "config": {"seconds": 172_800},
                        "on_success": "ask",
                    },
                    {"step_id": "ask", "tool_id": "", "assigned_to": "support-triage"},
                ],
            },
            "intent": {"type": "customer.onboard.v1", "payload": {"customer": "Contoso Ltd", "seats": 25}},
        }
        self.intents[name] = self.operator.post("/v1/scenarios/apply", bundle)["intent_id"]
        with self._hand("support-triage", client="axme-sdk-python/0.2.0") as hand:
            [delivery] = hand.take()
            hand.complete(delivery, {"contact": "it@contoso.example"})
        self.operator.wait_for(self.intents[name], "WAITING", deadline=60)
        self._spread(self.intents[name], ago, (0, 0.01, 0.02, 4.2))
        self._spread(delivery["intent_id"], ago - 0.02, (0, 0.01, 0.05, 4.1))

    def _nobody_takes(self, name: str, ago: float) -> None:
        id_ = self._submit(
            name, "report-writer", "report.weekly.v1", {"week": 47, "to": ["ops@myorg.example"]}
        )
        self._spread(id_, ago, (0, 0.01))

    # -- how ------------------------------------------------------------------------------------------

    def _hand(self, who: str, **options: Any) -> Hand:
        return Hand(self.accounts[who], self.perdure.base_url, **options)

    def _submit(self, name: str, to: str, kind: str, payload: dict[str, Any], **fields: Any) -> str:
        self.intents[name] = self.operator.submit(self.accounts[to], payload, intent_type=kind, **fields)
        return self.intents[name]

    def _spread(self, id_: str, ago: float, after: tuple[float, ...]) -> None:
        """The first events were so many seconds after the submission; those beyond follow on the last."""
        number = len(self.operator.events(id_))
        after += tuple(after[-1] + 0.1 * more for more in range(1, number - len(after) + 1))
        self._when[id_] = [ago - seconds for seconds in after[:number]]

    @staticmethod
    def _thread() -> str:
        """The correlation id that the nightly pipelines share."""
        return "6f1f6d6c-3a57-4c0e-9f0c-2b1d52c46a10"
