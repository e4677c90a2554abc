"""Everything that a run consists of: a Perdure of real processes, the wires between them, tenants, agents, a load."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from controlplane import services
from tests.chaos import census, history
from tests.chaos.mutations import MUTATIONS
from tests.chaos.namespaces import Link, Spaces, entering, pulled
from tests.chaos.network import Network
from tests.chaos.tenants import Tenant, found_tenants
from tests.servers import REPOSITORY, Perdure, Process, Running, Web, wait_until

#: As short as they can be, so that a run sees many leases end.
VARIABLES = {
    "PERDURE_LEASE_SECONDS": "3",
    "PERDURE_VISIBILITY_SECONDS": "10",
    "PERDURE_LOG_LEVEL": "WARNING",
}
WEBS = 2
#: Agents of each tenant, two of which have a machine of their own, where that can be had.
AGENTS = ("axme", "socket-a", "socket-b", "poisoned", "hasty")
ON_THEIR_OWN = ("axme", "socket-b")
LAUNCH = [sys.executable, "-m", "tests.chaos.launch"]
#: What a process on an idle machine takes, in terms of its own processor time; and the most that we wait longer.
USUAL_RATIO, MOST_SLOWNESS = 1.3, 6.0
#: After the last request, processes may take so long to close what they held.
IDLE_SECONDS = 20
#: A data directory of a size that can be changed.
DISK_BYTES = 3000 * 1024**2
#: By these PostgreSQL has on disk what it calls committed; a kill does not show that, as what was written stays.
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class World(Running):
    """A run's processes. `directory` keeps the history and the logs after the run."""

    def __init__(
        self, directory: Path, *, tenants: int = 2, mutation: str = "", small_disk: bool = False
    ) -> None:
        self.directory = directory
        self.journal = history.Journal(directory / "history", "nemesis")
        self.spaces = Spaces()
        #: the cables by the names of the routes that go over them, and why there are none
        self.links: dict[str, Link] = {}
        self.without_spaces = self.spaces.missing()
        self.perdure = Perdure(WEBS)
        self.network = Network(taken=frozenset(web.port for web in self.web))
        self.perdure.environment.update(VARIABLES)
        self.mutation = mutation
        self.has_small_disk = small_disk and _mount(self.perdure.home)
        self.agents: list[Process] = []
        self.loads: list[subprocess.Popen[str]] = []
        self.tenants: list[Tenant] = []
        self.tenant_count = tenants
        self.disk_bytes = DISK_BYTES
        self.slowness = 1.0
        self._is_over = threading.Event()
        self._keeper = threading.Thread(target=self._keep_agents, name="keeper", daemon=True)
        #: agents that are not to be started again when they die
        self.left_dead: set[str] = set()
        self._wire()

    def _wire(self) -> None:
        sockets = services.socket_directory(self.perdure.home)
        database, valkey = str(sockets / ".s.PGSQL.5432"), str(sockets / "valkey.sock")
        if not self.without_spaces:
            self._build_machines()
        for process, name in self.parts():
            self.route(f"db-{name}", database)
            self.route(f"valkey-{name}", valkey, over=name)
            own = {
                "DATABASE_URL": f"postgresql://perdure@{self.network.address(f'db-{name}')}/perdure",
                "REDIS_URL": f"redis://{self.network.address(f'valkey-{name}')}/0",
            }
            if isinstance(process, Web):
                own["CHAOS_CENSUS"] = str(self.directory / f"census-{name}.json")
            if self.mutation:
                own["CHAOS_MUTATION"] = self.mutation
            process.environment = {**process.environment, **VARIABLES, **own}
            process.command = self.on_its_machine(name, [*LAUNCH, name.partition("-")[0]])
        backends = [f"{web.host}:{web.port}" for web in self.web]
        self.route("front", *backends)
        for number in range(self.tenant_count):
            for name in ("load", *AGENTS):
                self.route(f"{name}-{number}", *backends)
        for number, backend in enumerate(backends):
            self.network.route(f"web-{number}", backend)

    def _build_machines(self) -> None:
        """Give the last web process and some agents machines of their own: what they say goes over cables."""
        name, web = f"web-{WEBS - 1}", self.web[-1]
        self.links = {name: self.spaces.link(name), f"db-{name}": self.spaces.link(name)}
        web.host = self.links[name].theirs
        web.environment = {
            **web.environment,
            "PERDURE_HOST": "0.0.0.0",
            "ALLOWED_HOSTS": f"127.0.0.1,{web.host}",
        }
        for number in range(self.tenant_count):
            for agent in ON_THEIR_OWN:
                self.links[f"{agent}-{number}"] = self.spaces.link(f"{agent}-{number}")

    def route(self, name: str, *targets: str, over: str = "") -> None:
        """Plan a route, which begins on our end of its cable, if it has one."""
        link = self.links.get(over or name)
        self.network.route(name, *targets, host=link.ours if link else "127.0.0.1")

    def on_its_machine(self, name: str, command: list[str]) -> list[str]:
        """The command as this part runs it."""
        link = self.links.get(name)
        return entering(link, command) if link else command

    @contextmanager
    def parted(self, *routes: str) -> Iterator[str]:
        """Let nothing go over these routes, and close nothing. Says how.

        Raises:
            AssertionError: nobody was connected by one of them.
        """
        cables = [name for name in routes if name in self.links]
        wires = [name for name in routes if name not in self.links]
        hows = ((cables, "cable pulled"), (wires, "connections frozen"))
        with pulled(*(self.links[name] for name in cables)), self.network.broken("freeze", *wires) as frozen:
            yield "; ".join(f"{', '.join(names)}: {how}" for names, how in hows if names)
        assert all(frozen.values()), f"nobody was connected: {frozen}"

    def parts(self) -> list[tuple[Process, str]]:
        webs: list[tuple[Process, str]] = [(web, f"web-{number}") for number, web in enumerate(self.web)]
        return [*webs, (self.worker, "worker")]

    @property
    def web(self) -> list[Web]:
        return self.perdure.web

    @property
    def worker(self) -> Process:
        return self.perdure.worker

    @property
    def database_url(self) -> str:
        """The database by its own socket, which nobody breaks."""
        return self.perdure.environment["DATABASE_URL"]

    def url(self, route: str) -> str:
        return f"http://{self.network.address(route)}"

    # -- beginning and end --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Boot, found the tenants, and start their agents."""
        self.network.start()
        self.perdure.start()
        if self.mutation and (sql := MUTATIONS[self.mutation].sql):
            self.rows(sql)
        with self._measuring_slowness():
            self.tenants = found_tenants(self)
        for tenant in self.tenants:
            self.agents += tenant.agents(self)
        for agent in self.agents:
            agent.start()
        self._keeper.start()

    @contextmanager
    def _measuring_slowness(self) -> Iterator[None]:
        """How much longer than its own work a process takes, because others use the machine: so patient we are."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        yield
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        ratio = (time.monotonic() - began) / max(worked, 0.1) / USUAL_RATIO
        self.slowness = min(max(ratio, 1.0), MOST_SLOWNESS)
        self.journal.note("slowness", ratio=round(ratio, 2), patience=round(self.slowness, 2))

    def patience(self, seconds: float) -> float:
        """So many seconds of a machine that is ours."""
        return seconds * self.slowness

    def start_load(self, pace: float, seed: int) -> None:
        """Let everybody submit."""
        for tenant in self.tenants:
            config = tenant.load_configuration(self, pace, seed)
            with (self.directory / f"load-{tenant.number}.log").open("ab") as log:
                self.loads.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.chaos.clients.load", json.dumps(config)],
                        cwd=REPOSITORY,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        text=True,
                        start_new_session=True,
                    )
                )

    def stop_load(self) -> None:
        """Let everybody finish what they have begun."""
        for load in self.loads:
            assert load.stdin
            load.stdin.close()
        for load in self.loads:
            try:
                load.wait(40 + self.patience(10))
            except subprocess.TimeoutExpired:
                load.kill()
                load.wait()
        for tenant, load in zip(self.tenants, self.loads, strict=True):
            self.journal.note("load ended", part=f"load-{tenant.number}", code=load.returncode)

    def _keep_agents(self) -> None:
        """Start agents again that have died, as any process manager would."""
        while not self._is_over.wait(0.3):
            for agent in self.agents:
                if not agent.is_running() and agent.name not in self.left_dead:
                    self.journal.note("died", part=agent.name, code=agent.returncode)
                    agent.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for process in self.agents:
            if process.is_running():
                process.thaw()
            process.kill()
        for load in self.loads:
            load.kill()
            load.wait()
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for log in (*self.perdure.directory.glob("*.log"), *(self.perdure.home / "logs").glob("*.log")):
            shutil.copy(log, logs)
        home = self.perdure.home
        self.network.stop()
        if self.has_small_disk:
            for process in (*self.web, self.worker):
                process.kill()
            for server in (self.perdure.postgres, self.perdure.valkey):
                server.kill()
            subprocess.run(["umount", "--lazy", str(home)], check=False)
        self.perdure.stop()
        self.spaces.close()

    def observe(self, sample: int) -> None:
        """Have every tenant look at everything once more."""
        for tenant in self.tenants:
            query = (
                "SELECT intent.id::text FROM intents_intent AS intent"
                " JOIN agents_organization AS organization ON organization.id = intent.organization_id"
                " WHERE organization.slug = %s ORDER BY random() LIMIT %s"
            )
            config = tenant.load_configuration(self, 1, 0) | {
                "urls": [self.url(f"web-{number}") for number in range(WEBS)],
                "intents": [row[0] for row in self.rows(query, tenant.slug, sample)],
                "sample": sample,
            }
            done = subprocess.run(
                [sys.executable, "-m", "tests.chaos.clients.observe"],
                cwd=REPOSITORY,
                input=json.dumps(config),
                text=True,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]

    def resize_disk(self, size: int) -> None:
        """Give the data directory so many bytes."""
        assert self.has_small_disk
        options = f"remount,size={size}"
        subprocess.run(["mount", "-o", options, str(self.perdure.home)], capture_output=True, check=True)

    # -- what can be known of it --------------------------------------------------------------------------------------

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked by its own socket."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def open_intents(self) -> int:
        ended = "('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')"
        [(count,)] = self.rows(f"SELECT count(*) FROM intents_intent WHERE status NOT IN {ended}")
        return int(count)

    def note_the_dead(self) -> None:
        """Write down which processes are not there, and start them again. No fault has to do with it between faults."""
        for process, name in self.parts():
            if not process.is_running():
                self.journal.note("died", part=name, code=process.returncode)
                process.start()

    def wait_until_all_answer(self, patience: float = 180) -> None:
        """Until every process is there and can do its work: a fault starts again what it has killed."""
        self.note_the_dead()
        for web in self.web:
            wait_until(web.is_answering, patience, f"{web.name} answers")

    def let_idle(self) -> None:
        """Give the processes a moment to close and to end what nobody needs any more."""
        before: list[int] = []
        deadline = time.monotonic() + self.patience(IDLE_SECONDS)
        while time.monotonic() < deadline:
            held = [psutil.Process(process.pid).num_fds() for process, _ in self.parts()]
            if before and all(now >= then for now, then in zip(held, before, strict=True)):
                return
            before = held
            time.sleep(2)

    def note_durability(self, when: str) -> None:
        """Write down whether what PostgreSQL says is committed would outlive a loss of power.

        Raises:
            AssertionError: it would not.
        """
        found = {name: self.rows("SELECT current_setting(%s)", name)[0][0] for name in DURABLE}
        self.journal.note("durability", when=when, **found)
        assert set(found.values()) == {"on"}, f"PostgreSQL does not keep what it commits: {found}"

    def note_resources(self, when: str) -> None:
        """Write down what the processes hold."""
        self.note_durability(when)
        for process, name in self.parts():
            found = psutil.Process(process.pid)
            connections = self.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )[0][0]
            facts = {
                "when": when,
                "part": name,
                "rss": found.memory_info().rss,
                "descriptors": found.num_fds(),
                "threads": found.num_threads(),
                "database_connections": connections - 1,
            }
            if isinstance(process, Web):
                facts["tasks"] = census.take(process.pid, self.directory / f"census-{name}.json")
            self.journal.note("resources", **facts)

    def runs_of(self, intent_id: str) -> list[history.Entry]:
        """What agents have written down so far of their work on this intent."""
        needle = f'"kind":"run","intent":"{intent_id}"'.encode()
        lines = [
            line
            for path in (self.directory / "history").glob("*.jsonl")
            for line in path.read_bytes().split(b"\n")
            if needle in line
        ]
        return sorted((json.loads(line) for line in lines), key=lambda entry: entry["at"])


def _mount(home: Path) -> bool:
    """Put a small disk under the home, if we may."""
    if os.getuid() != 0:
        return False
    home.mkdir(parents=True, exist_ok=True)
    options = f"size={DISK_BYTES},mode=711"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(home)], capture_output=True, check=False
    )
    return done.returncode == 0


def fresh_directory() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"perdure-chaos-{time.strftime('%H%M%S')}-"))
