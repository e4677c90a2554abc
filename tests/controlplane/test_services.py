"""The embedded servers: found again, started again, stopped."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from controlplane import services


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="perdure-services-"))
    yield directory / "home"
    for server in (services.PostgreSQL(directory / "home"), services.Valkey(directory / "home")):
        server.kill()
    shutil.rmtree(directory)


def test_what_runs_already_is_found_and_used(home: Path) -> None:
    assert services.PostgreSQL(home).start()
    assert services.Valkey(home).start()

    assert not services.PostgreSQL(home).start()
    assert not services.Valkey(home).start()


def test_the_database_keeps_its_promise_of_durability(home: Path) -> None:
    services.PostgreSQL(home).start()

    with psycopg.connect(services.database_url(home)) as connection:
        settings = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
        }

    assert settings == {
        "fsync": ("on",),
        "synchronous_commit": ("on",),
        "full_page_writes": ("on",),
        "listen_addresses": ("",),
    }


def test_the_database_keeps_the_memory_it_has_fetched(home: Path) -> None:
    server = services.PostgreSQL(home)
    server.start()

    environment = psutil.Process(server.pid()).environ()

    assert services.POSTGRES_ENVIRONMENT.items() <= environment.items()


def test_a_killed_database_starts_again_with_its_data(home: Path) -> None:
    server = services.PostgreSQL(home)
    server.start()
    with psycopg.connect(services.database_url(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.kill()

    assert services.PostgreSQL(home).start()

    with psycopg.connect(services.database_url(home)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_stale_pid_file_that_names_somebody_else_is_no_obstacle(home: Path) -> None:
    server = services.PostgreSQL(home)
    server.start()
    file = server.data / "postmaster.pid"
    content = file.read_text()
    server.kill()
    file.write_text(content.replace(content.split("\n", 1)[0], str(os.getpid()), 1))

    assert services.PostgreSQL(home).start()


def test_a_killed_valkey_starts_again_empty(home: Path) -> None:
    server = services.Valkey(home)
    server.start()
    with redis.Redis.from_url(services.redis_url(home)) as client:
        client.set("name", "value")
    server.kill()

    assert services.Valkey(home).start()

    with redis.Redis.from_url(services.redis_url(home)) as client:
        assert client.get("name") is None


def test_a_stopped_server_is_gone(home: Path) -> None:
    for server in (services.PostgreSQL(home), services.Valkey(home)):
        server.start()

        server.stop()

        assert server.pid() is None
        assert not server.is_answering()


def test_a_home_with_a_long_name_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 20) / "home"

    directory = services.socket_directory(long)

    assert len(str(directory / ".s.PGSQL.5432")) < 104
    assert directory != services.socket_directory(long.with_name("other"))


def test_celery_and_redis_clients_write_a_socket_each_in_their_way() -> None:
    assert services.broker_url("unix:///run/valkey.sock") == "redis+socket:///run/valkey.sock"
    assert services.broker_url("rediss://host:6380/1") == "rediss://host:6380/1"
