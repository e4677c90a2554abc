"""Attendance: whoever has a live part of a page open is asked for every few seconds, all of them in one statement.

    async with attendance.attend(request, place, leave=stream.close):
        ...

A session that has ended, a password that was changed, a membership or a role that was taken away: the stream closes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.conf import settings
from django.http import HttpRequest

from agents import postgres
from agents.pages.shell import Place
from agents.postgres import DatabaseUnavailable

logger = logging.getLogger(__name__)

CHECK_SECONDS = 2.5

STILL_THERE = """
SELECT asked.number
FROM unnest(
    %(numbers)s::int[], %(sessions)s::text[], %(users)s::bigint[], %(passwords)s::text[], %(organizations)s::uuid[],
    %(workspaces)s::uuid[], %(roles)s::text[]
) AS asked (number, session_key, user_id, password, organization_id, workspace_id, role)
JOIN django_session AS session
    ON session.session_key = asked.session_key AND session.expire_date > statement_timestamp()
JOIN auth_user AS person ON person.id = asked.user_id AND person.is_active AND person.password = asked.password
JOIN agents_membership AS membership
    ON membership.user_id = person.id AND membership.organization_id = asked.organization_id
    AND membership.role = asked.role
JOIN agents_workspace AS workspace
    ON workspace.id = asked.workspace_id AND workspace.organization_id = asked.organization_id
"""


@dataclass(frozen=True, slots=True, eq=False)
class Guest:
    """Somebody with a live part of a page open."""

    session_key: str
    place: Place
    leave: Callable[[], None]


class Attendance:
    """Those of one event loop."""

    def __init__(self) -> None:
        self.guests: set[Guest] = set()
        self._task: asyncio.Task[None] | None = None

    def enter(self, guest: Guest) -> None:
        """Ask for this guest from now on."""
        self.guests.add(guest)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="attendance")

    def depart(self, guest: Guest) -> None:
        """The guest has left by itself."""
        self.guests.discard(guest)

    async def _run(self) -> None:
        while self.guests:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except DatabaseUnavailable:
                pass  # nobody can tell; who may not stay is seen off when it is back
            except Exception:
                logger.exception("the guests could not be asked for")
        self._task = None

    async def check(self) -> None:
        """See off who may not be here any more."""
        guests = list(self.guests)
        if not guests:
            return
        found = await postgres.rows(
            STILL_THERE,
            {
                "numbers": list(range(len(guests))),
                "sessions": [guest.session_key for guest in guests],
                "users": [guest.place.user.pk for guest in guests],
                "passwords": [guest.place.user.password for guest in guests],
                "organizations": [guest.place.organization.pk for guest in guests],
                "workspaces": [guest.place.workspace.pk for guest in guests],
                "roles": [str(guest.place.role) for guest in guests],
            },
        )
        there = {row["number"] for row in found}
        for number, guest in enumerate(guests):
            if number not in there:
                self.guests.discard(guest)
                guest.leave()


_attendances: WeakKeyDictionary[asyncio.AbstractEventLoop, Attendance] = WeakKeyDictionary()


def current() -> Attendance:
    """This event loop's attendance."""
    loop = asyncio.get_running_loop()
    if (found := _attendances.get(loop)) is None:
        found = _attendances[loop] = Attendance()
    return found


@asynccontextmanager
async def attend(request: HttpRequest, place: Place, *, leave: Callable[[], None]) -> AsyncIterator[None]:
    """Call `leave` when the person may not be here any more."""
    guest = Guest(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), place, leave)
    attendance = current()
    attendance.enter(guest)
    try:
        yield
    finally:
        attendance.depart(guest)
