"""Who may see which page, and what every page forbids the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path

from agents.errors import NotFound, Unauthenticated
from agents.models import Membership, Role, Workspace
from agents.pages import session_auth, shell
from agents.pages.middleware import STRICT
from agents.pages.shell import PageRequest
from controlplane.urls import handler400, handler403, handler404, handler500, urlpatterns as real  # noqa: F401
from tests.factories import make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db


@shell.page
def seen(request: PageRequest) -> HttpResponse:
    return HttpResponse(f"{request.place.organization.slug} {request.place.role}")


@shell.page(role=Role.OPERATOR)
def operated(request: PageRequest) -> HttpResponse:
    return HttpResponse("operated")


@shell.page(role=Role.ADMIN)
def administered(request: PageRequest) -> HttpResponse:
    return HttpResponse("administered")


def failing(request: object) -> HttpResponse:
    raise RuntimeError("on purpose")


urlpatterns = [
    path(f"{shell.PLACE}seen/", seen),
    path(f"{shell.PLACE}operated/", operated),
    path(f"{shell.PLACE}administered/", administered),
    path("failing/", failing),
    *real,
]


@pytest.fixture(autouse=True)
def our_urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"]):
        yield


@pytest.fixture
def workspace() -> Workspace:
    return make_workspace(make_organization("acme"), "prod")


def client_of(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def statuses(user: User, organization: str = "acme", workspace: str = "prod") -> list[int]:
    client = client_of(user)
    pages = ("seen", "operated", "administered")
    return [client.get(f"/o/{organization}/{workspace}/{page}/").status_code for page in pages]


@pytest.mark.parametrize(
    ("role", "expected"),
    [(Role.VIEWER, [200, 403, 403]), (Role.OPERATOR, [200, 200, 403]), (Role.ADMIN, [200, 200, 200])],
)
def test_a_member_sees_what_their_role_may(workspace: Workspace, role: Role, expected: list[int]) -> None:
    assert statuses(make_user(organization=workspace.organization, role=role)) == expected


def test_for_all_others_the_pages_do_not_exist(workspace: Workspace) -> None:
    make_user(organization=workspace.organization, role=Role.ADMIN)  # somebody's they are
    other = make_workspace(make_organization("globex"), "prod")
    stranger = make_user(organization=other.organization, role=Role.ADMIN)

    assert statuses(stranger) == statuses(stranger, "no-such") == [404, 404, 404]
    assert statuses(stranger, "globex", "no-such") == [404, 404, 404]
    assert statuses(make_user(is_superuser=True)) == [404, 404, 404], "membership decides"


def test_a_role_counts_only_in_its_own_organization(workspace: Workspace) -> None:
    other = make_workspace(make_organization("globex"), "prod")
    user = make_user(organization=workspace.organization, role=Role.VIEWER)
    Membership.objects.create(user=user, organization=other.organization, role=Role.ADMIN)

    assert statuses(user) == [200, 403, 403]
    assert statuses(user, "globex") == [200, 200, 200]


def test_whoever_is_not_signed_in_is_asked_to(workspace: Workspace, client: Client) -> None:
    whole = client.get("/o/acme/prod/seen/?q=1")
    part = client.get("/o/acme/prod/seen/", headers={"HX-Request": "true"})

    assert (whole.status_code, whole["Location"]) == (302, "/login/?next=/o/acme/prod/seen/%3Fq%3D1")
    assert (part.status_code, part["HX-Redirect"]) == (204, "/login/")


def test_pages_are_kept_by_no_cache(workspace: Workspace) -> None:
    page = client_of(make_user(organization=workspace.organization)).get("/o/acme/prod/seen/")

    assert {"private", "no-store"} <= set(page["Cache-Control"].replace(" ", "").split(","))


def test_pages_and_errors_allow_nothing_but_our_own_files(workspace: Workspace) -> None:
    client = client_of(make_user(organization=workspace.organization))
    answers = {
        200: client.get("/o/acme/prod/seen/"),
        302: client.get("/"),
        400: client.get("/account/", HTTP_HOST="evil.example"),
        403: client.get("/o/acme/prod/administered/"),
        404: client.get("/no/such/page"),
        405: client.get("/logout/"),
        500: client.get("/failing/"),
    }

    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers.get("Content-Security-Policy") == STRICT, status
    forged = Client(enforce_csrf_checks=True).post("/login/", {})
    assert (forged.status_code, forged["Content-Security-Policy"]) == (403, STRICT)
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(STRICT.split())


def place_of(client: Client, organization: str = "acme") -> shell.Place:
    """What a live part of a page is told; without the thread, which would not see this test's transaction."""
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return session_auth._place_of(cookie.value if cookie else "", organization, "prod")


def test_live_parts_know_the_session_and_where_it_may_go(workspace: Workspace) -> None:
    make_workspace(make_organization("globex"), "prod")
    user = make_user(organization=workspace.organization, role=Role.OPERATOR)
    client = client_of(user)

    place = place_of(client)

    assert (place.user, place.workspace, place.role) == (user, workspace, Role.OPERATOR)
    for organization in ("globex", "no-such"):
        with pytest.raises(NotFound):
            place_of(client, organization)
    with pytest.raises(Unauthenticated):
        place_of(Client())
    with pytest.raises(Unauthenticated):
        session_auth._place_of("forged", "acme", "prod")


@pytest.mark.parametrize("change", ["session", "password", "active", "membership"])
def test_live_parts_end_with_what_let_them_in(workspace: Workspace, change: str) -> None:
    user = make_user(organization=workspace.organization)
    client = client_of(user)
    assert place_of(client).user == user

    match change:
        case "session":
            client.session.flush()
        case "password":
            user.set_password("something else entirely")
            user.save()
        case "active":
            User.objects.filter(pk=user.pk).update(is_active=False)
        case "membership":
            Membership.objects.filter(user=user).delete()

    with pytest.raises(NotFound if change == "membership" else Unauthenticated):
        place_of(client)
