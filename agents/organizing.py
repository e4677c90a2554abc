"""What administrators do to their organization: name it, divide it into workspaces; and how one comes into being.

Slugs stay as they are: addresses are made of them. Every member sees every workspace of the organization.
"""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from agents import audit, invitations
from agents.errors import AlreadyExists, Invalid, NotFound
from agents.invitations import Invited
from agents.models import Organization, Role, Workspace
from agents.models.organization import validate_slug
from agents.people import Operator
from agents.texts import checked_line

LONGEST_NAME = 100
MOST_WORKSPACES = 1_000


def workspaces(operator: Operator) -> QuerySet[Workspace]:
    """The workspaces of the organization, by slug."""
    return Workspace.objects.filter(organization_id=operator.organization_id).order_by("slug")


def rename(operator: Operator, name: str) -> Organization:
    """Give the organization another name.

    Raises:
        Forbidden: the person is no administrator.
        Invalid: the name is missing or too long.
    """
    operator.require(Role.ADMIN)
    wanted = _name(name)
    with transaction.atomic():
        organization = Organization.objects.select_for_update(no_key=True).get(pk=operator.organization_id)
        before, organization.name = organization.name, wanted
        if before != wanted:
            organization.save(update_fields=["name"])
            audit.record(
                operator,
                "organization.renamed",
                str(organization.pk),
                organization_id=organization.pk,
                target_label=organization.slug,
                details={"before": before, "name": wanted},
            )
    return organization


def create_workspace(operator: Operator, slug: str, name: str) -> Workspace:
    """Add a workspace, for agents, keys and intents of its own.

    Raises:
        Forbidden: as above.
        Invalid: the slug fits no address, the name is missing or too long, or there are too many.
        AlreadyExists: the organization has one of that slug.
    """
    operator.require(Role.ADMIN)
    wanted, called = _slug(slug), _name(name)
    if workspaces(operator).count() >= MOST_WORKSPACES:
        raise Invalid(f"an organization has at most {MOST_WORKSPACES} workspaces")
    with transaction.atomic():
        try:
            with transaction.atomic():
                workspace = Workspace.objects.create(
                    organization_id=operator.organization_id, slug=wanted, name=called
                )
        except IntegrityError:
            raise AlreadyExists(f"there is a workspace {wanted} already") from None
        _record(operator, "workspace.created", workspace, name=called)
    return workspace


def rename_workspace(operator: Operator, workspace_id: UUID, name: str) -> Workspace:
    """Give a workspace another name.

    Raises:
        Forbidden, Invalid: as above.
        NotFound: there is none of that id, at least not here.
    """
    operator.require(Role.ADMIN)
    wanted = _name(name)
    with transaction.atomic():
        workspace = workspaces(operator).select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound("workspace not found")
        before, workspace.name = workspace.name, wanted
        if before != wanted:
            workspace.save(update_fields=["name"])
            _record(operator, "workspace.renamed", workspace, before=before, name=wanted)
    return workspace


def found(by: str, slug: str, name: str, *, workspace: str, administrator: str) -> Invited:
    """Make an organization with a workspace, and invite its first administrator. Only who runs the server may.

    Raises:
        Invalid, AlreadyExists: a slug or a name cannot be, or is taken.
    """
    wanted, first = _slug(slug), _slug(workspace)
    called = _name(name or slug.replace("-", " ").capitalize())
    with transaction.atomic():
        try:
            with transaction.atomic():
                organization = Organization.objects.create(slug=wanted, name=called)
        except IntegrityError:
            raise AlreadyExists(f"there is an organization {wanted} already") from None
        division = organization.workspaces.create(slug=first, name=first.replace("-", " ").capitalize())
        audit.record(
            by,
            "organization.created",
            str(organization.pk),
            organization_id=organization.pk,
            target_label=wanted,
            details={"name": called},
        )
        _record(by, "workspace.created", division, name=division.name)
        return invitations.invite(by, administrator, Role.ADMIN, organization_id=organization.pk)


def _slug(text: str) -> str:
    slug = text.strip()
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise Invalid(f"slug: {error.messages[0]}") from None
    return slug


def _name(text: str) -> str:
    return checked_line("name", text, longest=LONGEST_NAME, is_needed=True)


def _record(who: Operator | str, action: str, workspace: Workspace, **details: str) -> None:
    audit.record(
        who,
        action,
        str(workspace.pk),
        organization_id=workspace.organization_id,
        target_label=workspace.slug,
        details=dict(details),
    )
