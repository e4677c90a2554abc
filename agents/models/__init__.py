"""The models of the agents app, one file per capability."""

from __future__ import annotations

from agents.models.agent import Agent, AgentStatus, DeliveryMode, Health
from agents.models.api_key import AGENT_SCOPES, ALL_SCOPES, ApiKey, Scope
from agents.models.audit import AuditEntry
from agents.models.connection import Connection, Transport, WebProcess
from agents.models.invitation import Invitation
from agents.models.membership import Membership, Role
from agents.models.mesh import SWITCHES, Confirmation, MeshEvent, MeshEventType, MetricsBucket
from agents.models.organization import SLUG_PATTERN, Organization
from agents.models.policy import ActionMode, AgentPolicy, OnBreach
from agents.models.sent_form import SentForm
from agents.models.sign_in import FailedSignIn, SignIn
from agents.models.workspace import Workspace

__all__ = [
    "AGENT_SCOPES",
    "ALL_SCOPES",
    "SLUG_PATTERN",
    "SWITCHES",
    "ActionMode",
    "Agent",
    "AgentPolicy",
    "AgentStatus",
    "ApiKey",
    "AuditEntry",
    "Confirmation",
    "Connection",
    "DeliveryMode",
    "FailedSignIn",
    "Health",
    "Invitation",
    "Membership",
    "MeshEvent",
    "MeshEventType",
    "MetricsBucket",
    "OnBreach",
    "Organization",
    "Role",
    "Scope",
    "SentForm",
    "SignIn",
    "Transport",
    "WebProcess",
    "Workspace",
]
