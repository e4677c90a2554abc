"""Who may go where: every HTTP route, stream, socket and page of the admin, in one table.

A route that is not listed fails the tests, and so does one that asks for something else than it says here. Views
enforce it themselves (`agents.access.requires`); this is where a reader sees all of it at once.
"""

from __future__ import annotations

from typing import Final

from agents.models import Role, Scope

Scopes = frozenset[Scope] | None

#: no key needed
PUBLIC: Final[Scopes] = None
#: any valid key
ANY_KEY: Final[Scopes] = frozenset()
#: `admin` may everywhere
ADMIN: Final[Scopes] = frozenset({Scope.ADMIN})
SUBMIT: Final[Scopes] = frozenset({Scope.SUBMIT})
OPERATE: Final[Scopes] = frozenset({Scope.OPERATE})
AGENT: Final[Scopes] = frozenset({Scope.AGENT})
#: its agent, its sender, or an operator
END: Final[Scopes] = frozenset({Scope.AGENT, Scope.SUBMIT, Scope.OPERATE})
READ: Final[Scopes] = frozenset({Scope.READ, Scope.AGENT})

#: the API: method and route -> one of these scopes is needed
ROUTES: Final[dict[str, Scopes]] = {
    "GET /v1/openapi.json": PUBLIC,
    # intents
    "POST /v1/intents": SUBMIT,
    "POST /v1/intents/batch": SUBMIT,
    "GET /v1/intents": READ,
    "GET /v1/intents/{intent_id}": READ,
    "GET /v1/intents/{intent_id}/events": READ,
    "GET /v1/intents/{intent_id}/events/stream": READ,
    "GET /v1/intents/{intent_id}/checkpoints": READ,
    "GET /v1/intents/{intent_id}/checkpoints/{path:step}": READ,
    "PUT /v1/intents/{intent_id}/checkpoints/{path:step}": AGENT,
    "POST /v1/intents/{intent_id}/usage": AGENT,
    "POST /v1/intents/{intent_id}/acknowledge": AGENT,
    "POST /v1/intents/{intent_id}/extend": AGENT,
    "POST /v1/intents/{intent_id}/release": AGENT,
    "POST /v1/intents/{intent_id}/resolve": END,
    "POST /v1/intents/{intent_id}/resume": END,
    "POST /v1/intents/bulk-cancel": OPERATE,
    "POST /v1/intents/{intent_id}/controls": OPERATE,
    "POST /v1/intents/{intent_id}/policy": OPERATE,
    "POST /v1/intents/{intent_id}/redeliver": OPERATE,
    "POST /v1/intents/{intent_id}/retry": OPERATE,
    "GET /v1/agents/{path:address}/intents/stream": AGENT,
    # threads
    "GET /v1/threads": READ,
    "GET /v1/threads/{thread_id}": READ,
    "DELETE /v1/threads/{thread_id}": AGENT,
    "POST /v1/threads/{thread_id}/copy": AGENT,
    "POST /v1/threads/{thread_id}/prune": AGENT,
    "GET /v1/threads/{thread_id}/items": READ,
    "DELETE /v1/threads/{thread_id}/items": AGENT,
    "GET /v1/threads/{thread_id}/items/{path:key}": READ,
    "PUT /v1/threads/{thread_id}/items/{path:key}": AGENT,
    "DELETE /v1/threads/{thread_id}/items/{path:key}": AGENT,
    #: `get` reads; `batch` asks for `agent`
    "POST /v1/threads/{thread_id}/items/{path:key}": READ,
    "GET /v1/threads/{thread_id}/entries": READ,
    "POST /v1/threads/{thread_id}/entries": AGENT,
    "DELETE /v1/threads/{thread_id}/entries": AGENT,
    # scenarios
    "POST /v1/scenarios/apply": SUBMIT,
    "POST /v1/scenarios/validate": frozenset({Scope.SUBMIT, Scope.READ}),
    # agents
    "GET /v1/me": ANY_KEY,
    "GET /v1/portal/personal/context": ANY_KEY,
    "GET /v1/agents": READ,
    "GET /v1/agents/{path:address}": READ,
    # the mesh; a killed agent, too, may say that it lives
    "POST /v1/mesh/heartbeat": AGENT,
    "GET /v1/mesh/agents": READ,
    "GET /v1/mesh/agents/{path:address}": READ,
    "POST /v1/mesh/agents/{path:address}/kill": OPERATE,
    "POST /v1/mesh/agents/{path:address}/resume": OPERATE,
    "GET /v1/mesh/agents/{path:address}/policies/cost": READ,
    "PUT /v1/mesh/agents/{path:address}/policies/cost": OPERATE,
    "GET /v1/mesh/agents/{path:address}/policies/action": READ,
    "PUT /v1/mesh/agents/{path:address}/policies/action": OPERATE,
    "GET /v1/mesh/events": READ,
    "POST /v1/service-accounts": ADMIN,
    "GET /v1/service-accounts": ANY_KEY,
    "GET /v1/service-accounts/{service_account_id}": ANY_KEY,
    "PATCH /v1/service-accounts/{service_account_id}": ADMIN,
    "DELETE /v1/service-accounts/{service_account_id}": ADMIN,
    "POST /v1/service-accounts/{service_account_id}/keys": ADMIN,
    "GET /v1/service-accounts/{service_account_id}/keys": ADMIN,
    "POST /v1/service-accounts/{service_account_id}/keys/{key_id}/revoke": ADMIN,
}

#: beside the API, served without Django's own handler
EDGE: Final[dict[str, str]] = {
    "/health": "public",
    "/healthz/live": "public",
    "/healthz/ready": "public",
    "/metrics": "this machine, or a key with the scope metrics",
}

#: websockets: a browser has to come from our own pages, and each frame asks for its own scope: `hello` with an address
#: and what is written under a lease for `agent`, `submit` for `intents:submit`, `watch` for either or `intents:read`
SOCKETS: Final[dict[str, Scopes]] = {
    "/ws/agent": ANY_KEY,
}

#: pages, by the beginning of their path
PAGES: Final[dict[str, str]] = {
    "/": "everybody: leads to one's workspace, or to the login",
    "/login/": "everybody",
    "/logout/": "everybody",
    "/invitation/": "everybody who has been given the link",
    "/account/": "people, each to their own; the colours everybody",
    "/admin/": "users who are superusers, but for the login itself",
}

#: pages below /o/<organization>/<workspace>/: the role that a member needs; for all others they do not exist
PLACES: Final[dict[str, Role]] = {
    "": Role.VIEWER,
    "intents/": Role.VIEWER,
    "intents/number/": Role.VIEWER,
    "intents/views/": Role.VIEWER,
    "intents/views/<int:view_id>/delete/": Role.VIEWER,
    "dead-letters/": Role.VIEWER,
    "intents/<uuid:intent_id>/": Role.VIEWER,
    "intents/<uuid:intent_id>/events/": Role.VIEWER,
    "intents/<uuid:intent_id>/actions/": Role.VIEWER,
    "intents/<uuid:intent_id>/export/": Role.VIEWER,
    "intents/<uuid:intent_id>/cancellation/": Role.OPERATOR,
    "intents/<uuid:intent_id>/redelivery/": Role.OPERATOR,
    "intents/<uuid:intent_id>/retries/": Role.OPERATOR,
    "bulk/": Role.OPERATOR,
    "bulk/<uuid:action_id>/": Role.VIEWER,
    "bulk/<uuid:action_id>/stop/": Role.OPERATOR,
    "agents/": Role.VIEWER,
    "agents/<slug:service_account_id>/": Role.VIEWER,
    "agents/<slug:service_account_id>/kill/": Role.OPERATOR,
    "agents/<slug:service_account_id>/resumption/": Role.OPERATOR,
    "keys/": Role.VIEWER,
    "keys/new/": Role.ADMIN,
    "keys/issued/<slug:ticket>/": Role.ADMIN,
    "keys/<slug:key_id>/rotation/": Role.ADMIN,
    "keys/<slug:key_id>/revocation/": Role.ADMIN,
    "audit/": Role.OPERATOR,
    "audit/export/": Role.OPERATOR,
    "settings/": Role.ADMIN,
    "settings/organization/": Role.ADMIN,
    "settings/workspaces/": Role.ADMIN,
    "settings/workspaces/<uuid:workspace_id>/": Role.ADMIN,
    "settings/members/": Role.ADMIN,
    "settings/members/<int:membership_id>/role/": Role.ADMIN,
    "settings/members/<int:membership_id>/removal/": Role.ADMIN,
    "settings/invitations/<int:invitation_id>/renewal/": Role.ADMIN,
    "settings/invitations/<int:invitation_id>/withdrawal/": Role.ADMIN,
    "settings/invited/<slug:ticket>/": Role.ADMIN,
}

#: live parts of those pages, as server-sent events below /live/o/<organization>/<workspace>/: the same members
LIVE: Final[dict[str, Role]] = {
    "": Role.VIEWER,
    "intents": Role.VIEWER,
    "intents/<uuid:intent_id>": Role.VIEWER,
    "agents": Role.VIEWER,
    "agents/<slug:service_account_id>": Role.VIEWER,
}
