"""Who is asking: what the domain knows about the sender of a request."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from agents.errors import Forbidden
from agents.models import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent that proved who it is with an API key, and what that key permits."""

    key_id: str
    agent_id: int
    service_account_id: str
    address: str
    name: str
    organization_id: UUID
    organization_slug: str
    workspace_id: UUID
    workspace_slug: str
    scopes: frozenset[str]
    max_in_flight: int
    #: the kill switch of its agent is set, as of a moment ago
    is_killed: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the key permits everything in its organization."""
        return Scope.ADMIN in self.scopes

    def permits(self, *scopes: str) -> bool:
        """Say whether the key has any of these scopes, or all powers anyway."""
        return Scope.ADMIN in self.scopes or not self.scopes.isdisjoint(scopes)

    def require(self, *scopes: str) -> None:
        """Refuse unless the key has any of these scopes."""
        if not self.permits(*scopes):
            wanted = " or ".join(scopes)
            raise Forbidden(
                f"the API key lacks the scope {wanted}", details={"required_scopes": sorted(map(str, scopes))}
            )

    def may_act_as(self, agent_id: int, workspace_id: UUID) -> bool:
        """Say whether the caller may receive and answer as that agent of its organization.

        An agent acts as itself. An administrator acts as any agent of the organization; that the agent belongs to
        it is what resolving its address has made sure of.
        """
        if self.is_admin:
            return True
        return Scope.AGENT in self.scopes and agent_id == self.agent_id and workspace_id == self.workspace_id
