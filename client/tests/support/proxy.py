"""A proxy that lets requests through and no websockets, as some companies have it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

REFUSAL = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Proxy:
    """Passes bytes on, both ways. `manner` is what becomes of an upgrade: `refuse` answers 403, `drop` hangs up."""

    def __init__(self, server_url: str, manner: str) -> None:
        self._target = (str(urlsplit(server_url).hostname), int(urlsplit(server_url).port or 80))
        self.manner = manner
        self.upgrades = 0
        self._open: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def cut(self) -> None:
        """Break all connections that there are."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(65536)):
                    return
                head += piece
            if b"upgrade: websocket" in head.lower():
                self.upgrades += 1
                if self.manner == "refuse":
                    client.sendall(REFUSAL)
                return
            with socket.create_connection(self._target) as server:
                self._open |= {client, server}
                try:
                    server.sendall(head)
                    back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                    back.start()
                    _pass_on(client, server)
                    back.join()
                finally:
                    self._open -= {client, server}


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
