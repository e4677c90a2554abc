"""Scenarios over HTTP: apply one, or hear beforehand what would be wrong with it."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import transaction
from ninja import Body, Router

from agents import audit
from agents.access import requires
from agents.addresses import Recipient
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.errors import Invalid
from agents.models import Scope
from agents.postgres import in_thread
from intents import bundle as bundles, scenarios
from intents.bundle import Bundle

router = Router(tags=["scenarios"])

#: Bundles are judged by `bundle`, which says what is wrong in sentences for people.
AnyObject = Annotated[dict[str, Any], Body(...)]


@router.post("/apply")
@requires(Scope.SUBMIT)
async def apply_scenario(request: AgentRequest, body: AnyObject) -> dict[str, Any]:
    """Provision the scenario's agents, submit its parent intent and start the first step."""
    bundle, errors = bundles.read(body)
    if bundle is None or errors:
        raise Invalid("; ".join(errors), details={"errors": errors})
    known = await scenarios.found(bundle, request.auth)
    return await in_thread(_apply, bundle, body, request.auth, known)


def _apply(
    bundle: Bundle, body: dict[str, Any], caller: Caller, known: dict[str, Recipient]
) -> dict[str, Any]:
    with transaction.atomic():
        applied = scenarios.apply(bundle, body, caller, known)
        if not applied["idempotent"]:
            made = [each["address"] for each in applied["agents_provisioned"] if each["created"]]
            audit.record(
                caller,
                "scenario.applied",
                applied["intent_id"],
                organization_id=caller.organization_id,
                target_label=bundle.scenario_id,
                details={"agents_registered": made} if made else {},
            )
    return applied


@router.post("/validate")
@requires(Scope.SUBMIT, Scope.READ)
async def validate_scenario(request: AgentRequest, body: AnyObject) -> dict[str, Any]:
    """Say what is wrong with a scenario, and create nothing."""
    bundle, errors = bundles.read(body)
    noteworthy = bundles.warnings(bundle) if bundle is not None else []
    return {"ok": True, "valid": not errors, "errors": errors, "warnings": noteworthy}
