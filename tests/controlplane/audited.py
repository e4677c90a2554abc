"""What leaves an entry in the audit log, and which; and what leaves none, and why."""

from __future__ import annotations

from typing import Final

AS_SENDER: Final = "a sender's own submission: the intent's history begins with it"
AS_AGENT: Final = "an agent's own work: the intent's history has it"
OF_AGENTS: Final = "what agents remember for themselves"
READS: Final = "changes nothing"
OWN: Final = "one's own way of looking at things"

#: routes that write -> the actions they leave, if it is an operator's key that writes
AUDITED: Final[dict[str, str]] = {
    "POST /v1/service-accounts": "agent.registered",
    "PATCH /v1/service-accounts/{service_account_id}": "agent.changed",
    "DELETE /v1/service-accounts/{service_account_id}": "agent.revoked",
    "POST /v1/service-accounts/{service_account_id}/keys": "key.created",
    "POST /v1/service-accounts/{service_account_id}/keys/{key_id}/revoke": "key.revoked",
    "POST /v1/scenarios/apply": "scenario.applied",
    "POST /v1/intents/{intent_id}/controls": "intent.controls_changed",
    "POST /v1/intents/{intent_id}/policy": "intent.policy_changed",
    "POST /v1/intents/{intent_id}/redeliver": "intent.redelivered",
    "POST /v1/intents/{intent_id}/resume": "intent.resumed",
    "POST /v1/intents/{intent_id}/resolve": "intent.canceled",
    "POST /v1/intents/{intent_id}/retry": "intent.retried",
    "POST /v1/intents/bulk-cancel": "intent.canceled",
    "POST /v1/mesh/agents/{path:address}/kill": "agent.killed",
    "POST /v1/mesh/agents/{path:address}/resume": "agent.resumed",
    "PUT /v1/mesh/agents/{path:address}/policies/cost": "agent.policy_changed",
    "PUT /v1/mesh/agents/{path:address}/policies/action": "agent.policy_changed",
}
NOT_AUDITED: Final[dict[str, str]] = {
    "POST /v1/intents": AS_SENDER,
    "POST /v1/intents/batch": AS_SENDER,
    "PUT /v1/intents/{intent_id}/checkpoints/{path:step}": AS_AGENT,
    "POST /v1/intents/{intent_id}/usage": AS_AGENT,
    "POST /v1/intents/{intent_id}/acknowledge": AS_AGENT,
    "POST /v1/intents/{intent_id}/extend": AS_AGENT,
    "POST /v1/intents/{intent_id}/release": AS_AGENT,
    "POST /v1/mesh/heartbeat": AS_AGENT,
    "DELETE /v1/threads/{thread_id}": OF_AGENTS,
    "POST /v1/threads/{thread_id}/copy": OF_AGENTS,
    "POST /v1/threads/{thread_id}/prune": OF_AGENTS,
    "DELETE /v1/threads/{thread_id}/items": OF_AGENTS,
    "PUT /v1/threads/{thread_id}/items/{path:key}": OF_AGENTS,
    "DELETE /v1/threads/{thread_id}/items/{path:key}": OF_AGENTS,
    "POST /v1/threads/{thread_id}/items/{path:key}": OF_AGENTS,
    "POST /v1/threads/{thread_id}/entries": OF_AGENTS,
    "DELETE /v1/threads/{thread_id}/entries": OF_AGENTS,
    "POST /v1/scenarios/validate": READS,
}
#: pages of a workspace that take a form -> the action it leaves
PAGES: Final[dict[str, str]] = {
    "intents/<uuid:intent_id>/cancellation/": "intent.canceled",
    "intents/<uuid:intent_id>/redelivery/": "intent.redelivered",
    "intents/<uuid:intent_id>/retries/": "intent.retried",
    "bulk/": "bulk.started",
    "bulk/<uuid:action_id>/stop/": "bulk.stopped",
    "agents/<slug:service_account_id>/kill/": "agent.killed",
    "agents/<slug:service_account_id>/resumption/": "agent.resumed",
    "keys/new/": "key.created",
    "keys/<slug:key_id>/rotation/": "key.rotated",
    "keys/<slug:key_id>/revocation/": "key.revoked",
    "settings/organization/": "organization.renamed",
    "settings/workspaces/": "workspace.created",
    "settings/workspaces/<uuid:workspace_id>/": "workspace.renamed",
    "settings/members/": "member.invited",
    "settings/invitations/<int:invitation_id>/renewal/": "member.invited",
    "settings/invitations/<int:invitation_id>/withdrawal/": "invitation.withdrawn",
    "settings/members/<int:membership_id>/role/": "member.role_changed",
    "settings/members/<int:membership_id>/removal/": "member.removed",
}
NOT_AUDITED_PAGES: Final[dict[str, str]] = {
    "intents/views/": OWN,
    "intents/views/<int:view_id>/delete/": OWN,
}
#: what superusers write in the admin -> the action it leaves with the organization that it concerns
ADMIN: Final[dict[str, str]] = {
    "organization add": "organization.created",
    "organization change": "organization.renamed",
    "workspace add": "workspace.created",
    "workspace change": "workspace.renamed",
    "membership add": "member.added",
    "membership change": "member.role_changed",
    "membership delete": "member.removed",
    "agent add": "agent.registered",
    "agent change": "agent.changed",
    "apikey add": "key.created",
    "apikey revoke": "key.revoked",
    "user change": "person.changed",
    "user password": "person.changed",
}
