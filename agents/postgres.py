"""The asynchronous side of the database: one connection pool a process, none of Django's threads.

The hot paths (ledger, streams, key checks) speak to PostgreSQL through here. Everything calmer uses the ORM, from a
coroutine by way of `in_thread`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import orjson
import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection as django_connection, connections
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

P = ParamSpec("P")
T = TypeVar("T")
Connection = psycopg.AsyncConnection[DictRow]
Parameters = Mapping[str, Any] | Sequence[Any] | None

#: How long a caller waits for a connection before it is told that the database is away; it has to hear it in a second.
PATIENCE_SECONDS = 0.8
#: For a look at all connections when one has broken. With the wait for one, this is the second that a caller has.
CHECK_SECONDS = 1.0 - PATIENCE_SECONDS
#: How long a process that starts waits for its first connection, before it serves without.
WARM_UP_SECONDS = 5.0
PLANNER = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_mergejoin=off"
#: Threads that run ORM code for coroutines; Django's own pool bounds their connections.
ORM_THREADS = 4


class DatabaseUnavailable(Exception):
    """The database cannot be reached; nothing is known to have changed. Try again in a second."""


class NotAsked(DatabaseUnavailable):
    """There was no connection to be had, so that nothing has changed."""


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnectionPool[Connection]] = WeakKeyDictionary()
_checks: set[asyncio.Task[None]] = set()
#: a connection has broken, and Django's pool has not been looked at since
_doubts = threading.Event()
_threads = ThreadPoolExecutor(ORM_THREADS, thread_name_prefix="orm")


def _conninfo() -> str:
    """The database that Django uses, as a libpq connection string."""
    parameters = django_connection.get_connection_params()
    for foreign in ("cursor_factory", "context", "prepare_threshold", "pool", "server_side_binding"):
        parameters.pop(foreign, None)
    parameters.setdefault("connect_timeout", 2)
    parameters["application_name"] = "perdure"
    # The statements here are prepared once and find their rows by an index. Planned for the day on which a table
    # happened to be empty, one would read it from end to end on the day on which it is not.
    parameters["options"] = f"{parameters.get('options', '')} {PLANNER}".strip()
    return psycopg.conninfo.make_conninfo(**parameters)


async def _configure(connection: Connection) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


async def pool() -> AsyncConnectionPool[Connection]:
    """This event loop's pool, opened on first use."""
    loop = asyncio.get_running_loop()
    if (found := _pools.get(loop)) is None:
        found = _pools[loop] = AsyncConnectionPool(
            _conninfo(),
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            configure=_configure,
            min_size=1,
            max_size=settings.PERDURE_POOL_SIZE,
            timeout=PATIENCE_SECONDS,
            reconnect_timeout=1.0,
            open=False,
        )
        await found.open(wait=False)
    return found


async def warm_up() -> None:
    """Have a connection before anybody asks for one. If the database is away, that is for whoever asks to hear."""
    with suppress(PoolTimeout):
        async with (await pool()).connection(timeout=WARM_UP_SECONDS):
            pass


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """A connection from the pool, in autocommit mode.

    Raises:
        NotAsked: none could be had within a second.
        DatabaseUnavailable: it broke while in use. What it was doing may or may not have been committed.
    """
    shared = await pool()
    try:
        async with shared.connection() as found:
            yield found
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise NotAsked(str(error)) from error
    except psycopg.OperationalError as error:
        if is_outage(error):
            await _replace_the_dead(shared)
            raise DatabaseUnavailable(type(error).__name__) from error
        raise


async def _replace_the_dead(shared: AsyncConnectionPool[Connection]) -> None:
    """Look at the connections that lie in the pools, because one has broken: a restarted server leaves none alive.

    The pools' own check before use makes the user wait for a second behind each dead one.
    """
    _doubts.set()
    task = asyncio.create_task(shared.check(), name="replace the dead")
    _checks.add(task)
    task.add_done_callback(_checks.discard)
    await asyncio.wait({task}, timeout=CHECK_SECONDS)


def is_outage(error: BaseException) -> bool:
    """Whether this error says that the server is away, rather than that a statement was wrong."""
    state = getattr(error, "sqlstate", None)
    # Without a SQLSTATE the connection itself broke; 08 is connection, 53 resources, 57P a shutdown or a start.
    return state is None or state[:2] in ("08", "53") or state[:3] == "57P"


def answers(cursor: psycopg.AsyncCursor[DictRow]) -> bool:
    """Whether the statement gave rows. `cursor.description` would tell too, at the price of describing each column."""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


async def rows(query: str, parameters: Parameters = None) -> list[DictRow]:
    """Run one statement by itself and return what it answers, a dict a row.

    A connection that died while it lay in the pool (the server was restarted) shows only when used, so a read is tried
    a second time, when the others have been looked at. Statements that change something go through the ledger, which
    decides for itself.
    """
    try:
        return await _rows(query, parameters)
    except NotAsked:
        raise
    except DatabaseUnavailable:
        return await _rows(query, parameters)


async def _rows(query: str, parameters: Parameters) -> list[DictRow]:
    async with connection() as found:
        cursor = await found.execute(query, parameters)
        return await cursor.fetchall() if answers(cursor) else []


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run synchronous ORM code in a worker thread; its connection goes back to Django's pool afterwards.

    Raises:
        DatabaseUnavailable: the database is away.
    """

    def run() -> T:
        if _doubts.is_set() and (shared := getattr(django_connection, "pool", None)) is not None:
            _doubts.clear()
            shared.check()
        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if error.__cause__ is None or is_outage(error.__cause__):
                raise DatabaseUnavailable(type(error).__name__) from error
            raise
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_threads, copy_context().run, run)


async def close() -> None:
    """Close this event loop's pool; the next use opens another."""
    if (found := _pools.pop(asyncio.get_running_loop(), None)) is not None:
        await found.close(timeout=2)
