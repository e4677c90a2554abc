"""Who is acting, if it is a person: what the domain knows about somebody at the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from agents.errors import Forbidden
from agents.models import Role


@dataclass(frozen=True, slots=True)
class Operator:
    """A member of an organization, at work in one of its workspaces. The role is what it was when the request came."""

    user_id: int
    username: str
    organization_id: UUID
    organization_slug: str
    workspace_id: UUID
    role: Role
    remote_addr: str = ""
    user_agent: str = ""

    @property
    def actor(self) -> str:
        """The person's name in histories and logs."""
        return f"human:{self.username}"

    def allows(self, role: Role) -> bool:
        """Say whether the person may do what that role may."""
        return self.role.includes(role)

    def require(self, role: Role) -> None:
        """Refuse whoever may not do what that role may.

        Raises:
            Forbidden: the person's role is a lesser one.
        """
        if not self.allows(role):
            raise Forbidden(
                f"this needs the role {role}; yours is {self.role}", details={"required_role": str(role)}
            )
