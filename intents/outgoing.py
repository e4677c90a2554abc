"""HTTP to addresses that somebody else chose: resolved here, checked, and then called at exactly what was checked.

No redirects, no cookies, no proxies from the environment, a limit on the time, and of the answer nothing is read but
its status. Whom it calls for matters: nobody waits behind the slow name servers of somebody else.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from agents import networks
from intents.resolver import Owner, Resolver

# It writes down every URL, and those of callbacks may carry secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)

#: For all of it: resolving, connecting, sending, and waiting for the status.
PATIENCE_SECONDS = 10.0

_resolver = Resolver()


class CallFailed(Exception):
    """There was no answer; the text says why, and names no address of ours."""


def client(at_once: int) -> httpx.AsyncClient:
    """A client for `post`. It keeps no connection: what is called next may lead elsewhere by then.

    Nor does it keep cookies: it calls IP addresses, and what one endpoint sets would go to all others there.
    """
    return httpx.AsyncClient(
        verify=_tls(),
        limits=httpx.Limits(max_connections=at_once, max_keepalive_connections=0),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


async def post(
    calling: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], *, owner: Owner
) -> int:
    """Post to an owner's URL and return the status of the answer.

    Raises:
        CallFailed: the URL leads nowhere, or into a private network, or nobody answered in time.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _post(calling, httpx.URL(url), body, headers, owner)
    except TimeoutError:
        raise CallFailed("no answer in time") from None
    except httpx.TimeoutException:
        raise CallFailed("no answer in time") from None
    except httpx.HTTPError as error:
        raise CallFailed(type(error).__name__) from None
    except (httpx.InvalidURL, ValueError):  # a host name that is none is told in many ways
        raise CallFailed("not a URL that can be called") from None


async def _post(
    calling: httpx.AsyncClient, url: httpx.URL, body: bytes, headers: Mapping[str, str], owner: Owner
) -> int:
    if url.scheme not in ("http", "https") or not url.host:
        raise CallFailed("not an http or https URL")
    name = url.raw_host.decode("ascii")
    refusal: httpx.ConnectError | None = None
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    for address in await checked_addresses(name, port, owner):
        request = calling.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={**headers, "Host": url.netloc.decode("ascii")},
            # Whose certificate it has to be.
            extensions={"sni_hostname": name},
        )
        try:
            answer = await calling.send(request, stream=True)
        except httpx.ConnectError as error:
            refusal = error
            continue
        await answer.aclose()
        return answer.status_code
    assert refusal is not None
    raise refusal


async def checked_addresses(name: str, port: int, owner: Owner) -> list[str]:
    """The IP addresses that a name leads to, all of which we may call.

    Raises:
        CallFailed: it leads to none, or to one that we may not call.
    """
    try:
        addresses = await _resolver.addresses(name.strip("[]"), port, owner)
    except (OSError, UnicodeError):
        raise CallFailed("the name leads nowhere") from None
    # One is enough to refuse: who controls the name must not choose among them.
    if not addresses or not all(networks.is_allowed(address) for address in addresses):
        raise CallFailed("the URL leads into a private network")
    return addresses


@cache
def _tls() -> ssl.SSLContext:
    """Reading the authorities takes longer than most calls."""
    return ssl.create_default_context()
