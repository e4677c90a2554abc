"""Steering an open intent: patches to its controls and its policy, one generation after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.errors import Conflict, Invalid
from agents.moments import Moment
from intents.errors import IntentNotFound, IntentTerminal
from intents.models.delivery import Delivery
from intents.models.intent import Intent
from intents.models.timer import Timer, TimerKind
from intents.operations import document
from intents.signals import Changes, announce

#: What has been patched together over time stays as small as one request.
LARGEST = 128 * 1024
REMINDERS = ("remind_after_seconds", "remind_interval_seconds", "max_reminders")


class PolicyGenerationConflict(Conflict):
    """Somebody else has changed controls or policy meanwhile."""

    code = "policy_generation_conflict"
    message = "the policy generation is not the expected one"


class KnownControls(BaseModel):
    """The controls that mean something to the server. All others are kept for whoever they mean something to."""

    model_config = ConfigDict(extra="ignore", strict=True)

    deadline_at: Moment | None = Field(default=None, strict=False)
    timeout_seconds: int | None = Field(default=None, ge=1, le=10 * 365 * 86_400)
    max_delivery_attempts: int | None = Field(default=None, ge=1, le=1_000)
    remind_after_seconds: int | None = Field(default=None, ge=1, le=2**31 - 1)
    remind_interval_seconds: int | None = Field(default=None, ge=1, le=2**31 - 1)
    max_reminders: int | None = Field(default=None, ge=1, le=2**31 - 1)


@dataclass(frozen=True)
class Steered:
    """What an intent's settings are after a patch."""

    policy_generation: int
    settings: dict[str, Any]


def check_generation(actual: int, expected: int | None) -> None:
    """Refuse a patch that was made for another state.

    Raises:
        PolicyGenerationConflict: it was.
    """
    if expected not in (None, actual):
        raise PolicyGenerationConflict(details={"policy_generation": actual})


def patch_controls(intent_id: UUID, patch: dict[str, Any], expected: int | None = None) -> Steered:
    """Merge a patch into an open intent's controls and apply those that are known; null removes one.

    Raises:
        IntentTerminal: it has ended.
        PolicyGenerationConflict: it was patched by somebody else meanwhile.
        Invalid: a known control has an impossible value.
    """
    known = _known(patch)
    with transaction.atomic():
        intent = _locked(intent_id, expected)
        changes: dict[str, Any] = {"controls": _merged(intent.controls, patch)}
        if "deadline_at" in known or "timeout_seconds" in known:
            changes |= _set_deadline(intent, known)
        if (maximum := known.get("max_delivery_attempts")) is not None:
            changes |= _set_maximum(intent, maximum)
        if reminders := {name: known[name] for name in REMINDERS if name in known}:
            changes |= _set_reminders(intent, reminders)
        return Steered(_save(intent, changes), changes["controls"])


def patch_policy(
    intent_id: UUID,
    grants: dict[str, Any] | None,
    envelope: dict[str, Any] | None,
    expected: int | None = None,
) -> Steered:
    """Merge patches into what an open intent's policy grants and bounds; null removes a key.

    Raises:
        IntentTerminal: it has ended.
        PolicyGenerationConflict: it was patched by somebody else meanwhile.
    """
    with transaction.atomic():
        intent = _locked(intent_id, expected)
        said = intent.attributes.get("policy")
        policy = dict(said) if isinstance(said, dict) else {}
        for name, patch in (("grants", grants), ("envelope", envelope)):
            before = policy.get(name)
            policy[name] = _merged(before if isinstance(before, dict) else {}, patch or {})
        generation = _save(intent, {"attributes": {**intent.attributes, "policy": policy}})
        return Steered(generation, policy)


def _known(patch: dict[str, Any]) -> dict[str, Any]:
    """The known controls that the patch names, null included."""
    try:
        known = KnownControls.model_validate(patch)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(map(str, errors[0]["loc"]))
        raise Invalid(f"controls_patch.{where}: {errors[0]['msg']}", details={"errors": errors}) from None
    if known.deadline_at is not None and known.timeout_seconds is not None:
        raise Invalid("controls_patch: give deadline_at or timeout_seconds, not both")
    return {name: getattr(known, name) for name in known.model_fields_set}


def _locked(intent_id: UUID, expected: int | None) -> Intent:
    # Deliveries before intents: the order of all locks.
    list(Delivery.objects.select_for_update().filter(intent=intent_id).values_list("pk"))
    intent = Intent.objects.select_for_update().filter(pk=intent_id).first()
    if intent is None:
        raise IntentNotFound
    if not intent.is_open:
        raise IntentTerminal
    check_generation(intent.policy_generation, expected)
    return intent


def _save(intent: Intent, changes: dict[str, Any]) -> int:
    generation = intent.policy_generation + 1
    Intent.objects.filter(pk=intent.pk).update(**changes, policy_generation=generation)
    return generation


def _merged(before: dict[str, Any] | None, patch: dict[str, Any]) -> dict[str, Any]:
    merged = {name: value for name, value in {**(before or {}), **patch}.items() if value is not None}
    if len(document(merged)) > LARGEST:
        raise Invalid(f"all of it together is larger than {LARGEST} bytes")
    return merged


def _set_deadline(intent: Intent, known: dict[str, Any]) -> dict[str, Any]:
    now: datetime = Intent.objects.filter(pk=intent.pk).values_list(Now(), flat=True).get()
    deadline_at: datetime | None = known.get("deadline_at")
    if (seconds := known.get("timeout_seconds")) is not None:
        deadline_at = now + timedelta(seconds=seconds)
    if deadline_at is None:
        Timer.objects.filter(intent=intent, kind=TimerKind.DEADLINE).delete()
        return {"deadline_at": None}
    if deadline_at <= now:
        raise Invalid("controls_patch.deadline_at: lies in the past")
    Timer.objects.update_or_create(intent=intent, kind=TimerKind.DEADLINE, defaults={"due_at": deadline_at})
    return {"deadline_at": deadline_at, "has_timers": True}


def _set_maximum(intent: Intent, maximum: int) -> dict[str, Any]:
    if maximum < intent.attempt:
        raise Invalid(
            f"controls_patch.max_delivery_attempts: {intent.attempt} attempts have been made already"
        )
    Delivery.objects.filter(intent=intent).update(max_attempts=maximum)
    changes = Changes(agents={intent.recipient_id})
    transaction.on_commit(lambda: announce(changes))
    return {"max_delivery_attempts": maximum}


def _set_reminders(intent: Intent, reminders: dict[str, Any]) -> dict[str, Any]:
    attributes = {**intent.attributes, **reminders}
    attributes = {
        name: value for name, value in attributes.items() if value is not None or name not in reminders
    }
    if "remind_after_seconds" in reminders:
        after = reminders["remind_after_seconds"]
        if after is None:
            Timer.objects.filter(intent=intent, kind=TimerKind.REMINDER).delete()
        else:
            due_at = Now() + timedelta(seconds=after)
            Timer.objects.update_or_create(
                intent=intent, kind=TimerKind.REMINDER, defaults={"due_at": due_at, "data": {}}
            )
    return {"attributes": attributes, "has_timers": True}
