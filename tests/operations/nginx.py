"""A real nginx in front of a Perdure with the settings of production: `deploy/nginx.conf`, with other places in it.

with Front(directory) as front:
    httpx.get(f"{front.url}/login/", verify=front.trust)
"""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import REPOSITORY, Perdure, Process, Running, wait_until

NGINX = shutil.which("nginx") or next(filter(os.path.exists, ["/usr/sbin/nginx"]), "")
CONFIGURATION = REPOSITORY / "deploy" / "nginx.conf"
PREFIX = "/perdure"

AROUND = """
{user}
daemon off;
pid {place}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    {temporary}
    {ours}
}}
"""


def need_nginx() -> None:
    """Skip, but never in continuous integration."""
    if not NGINX:
        if os.environ.get("CI"):
            pytest.fail("There is no nginx here, and continuous integration may not do without.")
        pytest.skip(
            "There is no nginx here: install it (Debian: apt install nginx-light) to test behind one."
        )


class Front(Running):
    """Perdure in production's settings, and nginx before it, which alone speaks TLS."""

    def __init__(self, place: Path, code: Path = REPOSITORY) -> None:
        self.place = place
        self.port = free_port()
        self.certificate = place / "certificate.pem"
        make_certificate(place)
        self.perdure = Perdure(
            web=2,
            DJANGO_SETTINGS_MODULE="controlplane.settings.production",
            SECRET_KEY="a key for tests that protects nothing, but long enough to be accepted as a key",
            PERDURE_KEY_PEPPER="a pepper for tests",
            ALLOWED_HOSTS="127.0.0.1",
            STATIC_ROOT=str(place / "static"),
            PERDURE_PATH_PREFIX=PREFIX,
            PERDURE_TRUSTED_PROXIES="127.0.0.1",
            code=code,
        )
        log = place / "nginx.log"
        self.nginx = Process(
            "nginx", [NGINX, "-p", str(place), "-c", str(place / "nginx.conf")], os.environ, log
        )

    @property
    def url(self) -> str:
        """Where everybody finds Perdure."""
        return f"https://127.0.0.1:{self.port}{PREFIX}"

    @property
    def trust(self) -> ssl.SSLContext:
        """What believes the certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, **options: Any) -> httpx.Client:
        """A client on another machine than the proxy's, as far as the proxy can tell."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address="127.0.0.9")
        return httpx.Client(base_url=self.url, transport=transport, timeout=30, **options)

    def start(self) -> None:
        environment = self.perdure.environment
        code = self.perdure.code
        collect = [sys.executable, str(code / "manage.py"), "collectstatic", "--no-input", "-v", "0"]
        subprocess.run(collect, env=environment, cwd=code, check=True)
        self.perdure.start()
        (self.place / "nginx.conf").write_text(self.configuration())
        self.nginx.start()
        wait_until(lambda: self.is_answering() or not self.nginx.is_running(), 20, "nginx answers")
        assert self.nginx.is_running(), self.nginx.log.read_text()

    def configuration(self) -> str:
        """What `deploy/nginx.conf` says, with these ports and files."""
        ours = CONFIGURATION.read_text()
        changes = {
            "127.0.0.1:8001": f"127.0.0.1:{self.perdure.web[0].port}",
            "127.0.0.1:8002": f"127.0.0.1:{self.perdure.web[1].port}",
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/ssl/perdure/": f"{self.place}/",
        }
        for there, here in changes.items():
            assert there in ours, there
            ours = ours.replace(there, here)
        # Root's nginx would else work as somebody who may not enter this place.
        user = "user root;" if os.getuid() == 0 else ""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {self.place}/{kind};" for kind in kinds)
        return AROUND.format(user=user, place=self.place, temporary=temporary, ours=ours)

    def is_answering(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=self.trust)
        try:
            connection.request("GET", f"{PREFIX}/healthz/live")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        self.nginx.stop()
        self.perdure.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def make_certificate(place: Path) -> None:
    """A certificate of 127.0.0.1 that it has signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    itself = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(itself, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (place / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (place / "key.pem").write_bytes(secret)
