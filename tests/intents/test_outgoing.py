"""HTTP to addresses that somebody else chose: which are called, and that it is exactly those."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from agents import networks
from intents import outgoing, resolver
from intents.outgoing import CallFailed
from intents.resolver import Owner
from tests.intents.callback_server import CallbackServer, certify

SPECIAL = """
    127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1 198.18.0.1
    192.0.2.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00::1 ff02::1
    2002:7f00:1:: 2002:a00:1:: 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2001::1 2001:db8::1 100::1
    2001:0:4136:e378:8000:63bf:3fff:fdd2 5f00::1
""".split()
SOMEBODY = Owner(UUID(int=1), 1)


@pytest.fixture
def server() -> Iterator[CallbackServer]:
    with CallbackServer() as server:
        yield server


@pytest.fixture
def local(settings: Settings) -> None:
    """Calls into this machine are allowed."""
    settings.PERDURE_ALLOW_PRIVATE_CALLBACKS = ["127.0.0.0/8"]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names lead to these addresses, each question to the next answer; returns the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo
    left = list(answers)

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not name.endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


async def call(url: str, owner: Owner = SOMEBODY) -> int:
    async with outgoing.client(1) as client:
        return await outgoing.post(client, url, b"{}", {"X-Test": "1"}, owner=owner)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not_called(address: str) -> None:
    assert not networks.is_allowed(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::"]
)
def test_public_addresses_are_called(address: str) -> None:
    assert networks.is_allowed(address)


def test_an_allowed_network_is_called_in_all_its_spellings(settings: Settings) -> None:
    settings.PERDURE_ALLOW_PRIVATE_CALLBACKS = ["10.0.0.0/8", "fd00::/8"]

    assert all(
        networks.is_allowed(one) for one in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00::1")
    )
    assert not networks.is_allowed("192.168.1.1")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_not_called_by_any_name(server: CallbackServer, host: str) -> None:
    with pytest.raises(CallFailed, match=r"private network|leads nowhere"):
        await call(f"http://{host}:{server.port}/")

    assert server.received == []


async def test_a_name_that_leads_to_this_machine_is_not_called(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ["127.0.0.1"], ["1.1.1.1", "127.0.0.1"])

    for _ in range(2):  # one bad address among good ones is enough
        with pytest.raises(CallFailed, match="private network"):
            await call(f"http://agent.example:{server.port}/")
    assert server.received == []


@pytest.mark.usefixtures("local")
async def test_what_was_checked_is_what_is_called(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolve_to(monkeypatch, ["127.0.0.1"])  # a second question would find no answer

    assert await call(f"http://agent.example:{server.port}/hook?a=1") == 200

    assert asked == ["agent.example"]
    [received] = server.received
    assert received.path == "/hook?a=1"
    assert received.headers["host"] == f"agent.example:{server.port}"
    assert received.headers["x-test"] == "1"


@pytest.mark.usefixtures("local")
async def test_the_certificate_has_to_be_that_of_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine, trusting = certify("agent.example", tmp_path)
    monkeypatch.setattr(outgoing, "_tls", lambda: trusting)
    resolve_to(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])

    with CallbackServer(tls=mine) as server:
        assert await call(f"https://agent.example:{server.port}/") == 200
        with pytest.raises(CallFailed):
            await call(f"https://other.example:{server.port}/")

    assert len(server.received) == 1


@pytest.mark.usefixtures("local")
async def test_another_address_of_the_name_is_tried_if_the_first_refuses(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])

    assert await call(f"http://agent.example:{server.port}/") == 200


@pytest.mark.usefixtures("local")
async def test_redirects_are_not_followed(server: CallbackServer) -> None:
    server.statuses = [307]

    assert await call(server.url) == 307


@pytest.mark.usefixtures("local")
async def test_what_one_endpoint_sets_as_a_cookie_is_sent_to_nobody(server: CallbackServer) -> None:
    server.headers = {"Set-Cookie": "session=secret; Path=/"}

    with CallbackServer() as other:
        async with outgoing.client(1) as client:
            for url in (server.url, other.url, server.url):
                await outgoing.post(client, url, b"{}", {}, owner=SOMEBODY)

    assert len(server.received) == 2
    assert not any("cookie" in received.headers for received in server.received + other.received)


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names in slow.example are answered when the test is over, all others lead here; those asked for."""
    asked: list[str] = []
    is_over = threading.Event()
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        if host.endswith("slow.example"):
            is_over.wait(60)
            raise socket.gaierror("no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield asked
    is_over.set()


@pytest.mark.usefixtures("local")
async def test_slow_name_servers_of_one_tenant_keep_no_other_waiting(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch, slow_names: list[str]
) -> None:
    monkeypatch.setattr(outgoing, "_resolver", resolver.Resolver())
    slow = [
        asyncio.create_task(call(f"http://{number}.slow.example/", Owner(UUID(int=1), number % 20)))
        for number in range(4 * resolver.MOST)
    ]
    async with asyncio.timeout(20):
        while len(slow_names) < resolver.MOST_OF_TENANT:  # noqa: ASYNC110  threads tell no event loop
            await asyncio.sleep(0.01)

    assert await call(f"http://quick.example:{server.port}/", Owner(UUID(int=2), 100)) == 200

    assert len(slow_names) == resolver.MOST_OF_TENANT + 1
    for each in slow:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


@pytest.mark.usefixtures("local")
async def test_slow_name_servers_of_one_agent_keep_no_other_of_its_tenant_waiting(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch, slow_names: list[str]
) -> None:
    monkeypatch.setattr(outgoing, "_resolver", resolver.Resolver())
    monkeypatch.setattr(outgoing, "PATIENCE_SECONDS", 0.2)
    given_up = [call(f"http://{number}.slow.example/") for number in range(100)]
    for failure in await asyncio.gather(*given_up, return_exceptions=True):
        assert str(failure) == "no answer in time"

    monkeypatch.setattr(outgoing, "PATIENCE_SECONDS", 20)
    assert await call(f"http://quick.example:{server.port}/", Owner(UUID(int=1), 2)) == 200

    # Nobody waits any more, yet the threads do: the agent gets no others meanwhile.
    assert len(slow_names) == resolver.MOST_OF_AGENT + 1


async def test_a_share_is_given_back_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, *[["127.0.0.1"]] * 100)
    names = resolver.Resolver()

    found = await asyncio.gather(
        *(names.addresses(f"{number}.example", 80, SOMEBODY) for number in range(100))
    )

    assert found == [["127.0.0.1"]] * 100


@pytest.mark.usefixtures("local")
async def test_who_does_not_answer_in_time_has_failed(
    server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE_SECONDS", 0.2)
    server.gate.clear()

    with pytest.raises(CallFailed, match="no answer in time"):
        await call(server.url)


@pytest.mark.parametrize(
    "url",
    """ftp://a.example/ http:// /hook http://nowhere.invalid/ http://a:99999/ http://xn--a/ http://a..b/ http://[v1.a]/
    http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/""".split(),
)
async def test_what_cannot_be_called_fails_in_words(url: str) -> None:
    with pytest.raises(CallFailed):
        await call(url)


@pytest.mark.usefixtures("local")
async def test_a_name_that_tls_does_not_take_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["127.0.0.1"])

    with CallbackServer() as server, pytest.raises(CallFailed, match="not a URL that can be called"):
        await call(f"https://.a.example:{server.port}/")
