"""Signing in with a password: who it is, unless there were too many wrong ones, and on which devices.

Wrong passwords are counted in the database, so losing Valkey loosens nothing. They are counted per person and network,
which stops guessing at one account without letting a stranger lock its owner out, and per network, which stops guessing
at many. A network is an IPv4 address, or as much of IPv6 as one customer is given: a /64. Who has many networks is
slowed down: above so many wrong passwords for a name, strangers have to wait for each other, but nobody on a network
where the person is signed in. An unknown name costs the time of a known one.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from math import inf
from time import monotonic

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from agents import audit, origin
from agents.errors import ApiError, RateLimited
from agents.models import FailedSignIn, Membership, SignIn

WINDOW = timedelta(minutes=15)
#: So many wrong passwords in a window for one name from one network, and from one network for any name.
PER_NAME = 5
PER_NETWORK = 50
#: So many in a window for one name from all networks, and then one in a while.
PER_NAME_ANYWHERE = 50
PAUSE = timedelta(seconds=30)
#: How exact `last_seen_at` is.
SEEN_EVERY = timedelta(minutes=1)
DEVICES_KNOWN = 10_000

#: when this process last noted that a session is in use
_seen: dict[str, float] = {}


class WrongPassword(ApiError):
    """There is nobody of that name and password."""

    status = 401
    code = "wrong_password"
    message = "This name and password do not belong together."


def check_password(
    request: HttpRequest, username: str, password: str, *, is_at_home: bool | None = None
) -> User:
    """Return who this is. Those at home, where the person is signed in, need not wait for strangers.

    Raises:
        RateLimited: too many wrong passwords lately; the right one is not looked at either.
        WrongPassword: nobody, as far as we say.
    """
    username = username.replace("\x00", "")[:150]
    network = network_of(origin.remote_addr(request.META))
    with transaction.atomic():
        _one_at_a_time(f"sign in as {username}")
        _one_at_a_time(f"sign in from {network}")
        _refuse_guessers(username, network, is_at_home)
        # Counted before it is known, so that a hundred guesses at once are not all checked.
        attempt = FailedSignIn.objects.create(username=username, remote_addr=network)
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise WrongPassword
    FailedSignIn.objects.filter(Q(pk=attempt.pk) | Q(username=username, remote_addr=network)).delete()
    return user


def network_of(address: str) -> str:
    """What one customer of a provider is given: of IPv6 a /64, which has more addresses than could be counted."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))


def _one_at_a_time(what: str) -> None:
    """Let no two attempts count at the same moment. Always first by name, then by network: so nobody waits forever."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


def _refuse_guessers(username: str, network: str, is_at_home: bool | None) -> None:
    now = timezone.now()
    FailedSignIn.objects.filter(at__lt=now - WINDOW).delete()
    of_name, of_network = Q(username=username), Q(remote_addr=network)
    recent = FailedSignIn.objects.filter(of_name | of_network, at__gte=now - WINDOW).aggregate(
        both=Count("id", filter=of_name & of_network),
        of_network=Count("id", filter=of_network),
        last_of_network=Max("at", filter=of_network),
        of_name=Count("id", filter=of_name),
        last_of_name=Max("at", filter=of_name),
    )
    left = timedelta()
    if recent["both"] >= PER_NAME or recent["of_network"] >= PER_NETWORK:
        left = recent["last_of_network"] + WINDOW - now
    elif recent["of_name"] >= PER_NAME_ANYWHERE and not (
        _is_at_home(username, network) if is_at_home is None else is_at_home
    ):
        left = recent["last_of_name"] + PAUSE - now
    if left > timedelta():
        seconds = max(1, int(left.total_seconds()))
        raise RateLimited(f"Too many wrong passwords. Try again in {_minutes(seconds)}.", retry_after=seconds)


def _is_at_home(username: str, network: str) -> bool:
    """Whether the person is signed in on a device of this network."""
    alive = Session.objects.filter(expire_date__gt=Now()).values("session_key")
    used = SignIn.objects.filter(user__username=username, session_key__in=alive)
    return network in {network_of(address) for address in used.values_list("remote_addr", flat=True)}


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def note_device(user: User, session_key: str, meta: dict[str, str]) -> None:
    """Remember that the person signed in on this device, and tell their organizations."""
    SignIn.objects.filter(user=user).exclude(
        session_key__in=Session.objects.filter(expire_date__gt=Now()).values("session_key")
    ).delete()
    SignIn.objects.update_or_create(
        session_key=session_key,
        defaults={
            "user": user,
            "remote_addr": origin.remote_addr(meta),
            "user_agent": origin.user_agent(meta),
        },
    )
    tell_organizations(user, "person.signed_in")


def tell_organizations(user: User, action: str, **details: str) -> None:
    """Note in the audit log of each of the person's organizations what they did with their own account."""
    for organization_id in Membership.objects.filter(user=user).values_list("organization_id", flat=True):
        audit.record(
            f"human:{user.get_username()}",
            action,
            f"user:{user.pk}",
            organization_id=organization_id,
            target_label=user.get_username(),
            details=details,
        )


def note_presence(session_key: str) -> None:
    """Remember that the device is in use, once a minute and process."""
    now = monotonic()
    if now - _seen.get(session_key, -inf) < SEEN_EVERY.total_seconds():
        return
    if len(_seen) >= DEVICES_KNOWN:
        _seen.clear()
    _seen[session_key] = now
    SignIn.objects.filter(session_key=session_key, last_seen_at__lt=Now() - SEEN_EVERY).update(
        last_seen_at=Now(), remote_addr=origin.remote_addr()
    )


def devices(user: User) -> list[SignIn]:
    """Where the person is signed in, the device used last first."""
    alive = Session.objects.filter(expire_date__gt=Now()).values("session_key")
    return list(SignIn.objects.filter(user=user, session_key__in=alive))


def sign_out(user: User, device_ids: list[int] | None = None, *, but: str = "") -> int:
    """End the person's sessions on these devices, or on all but that of one session; return how many."""
    ended = SignIn.objects.filter(user=user).exclude(session_key=but)
    if device_ids is not None:
        ended = ended.filter(pk__in=device_ids)
    with transaction.atomic():
        keys = list(ended.values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=keys).delete()
        SignIn.objects.filter(session_key__in=keys).delete()
        if keys:
            tell_organizations(user, "person.signed_out", devices=str(len(keys)))
    return len(keys)


def move_device(before: str, after: str) -> None:
    """Follow a session that has been given another key."""
    SignIn.objects.filter(session_key=before).update(session_key=after)
