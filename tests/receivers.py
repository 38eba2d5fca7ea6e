"""A receiver of webhooks as customers run one: a real HTTP server on this machine, well-behaved or not."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook


@dataclass
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str) -> Any:
        """The body, if the library accepts its signature under this secret; it raises if not."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """The server; `answer` is what it says next: a status and headers."""

    port: int
    scheme: str = "http"
    received: list[Received] = field(default_factory=list)
    answer: tuple[int, dict[str, str]] = (200, {})

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"


@contextmanager
def receiver(*, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers = state.answer
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    state = Receiver(server.server_address[1], "http" if tls is None else "https")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does what it is told with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def one(connection: socket.socket) -> None:
        try:
            behave(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def serve() -> None:
        while not ending.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ending.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def request_read(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)


def hangs(connection: socket.socket) -> None:
    """Takes the request and never answers; ends when the other side does."""
    while connection.recv(65536):
        pass


def drips(connection: socket.socket) -> None:
    """Answers one byte at a time, for ever."""
    request_read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.02)


def is_huge(connection: socket.socket) -> None:
    """Answers 200 and then does not stop."""
    request_read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def resets(connection: socket.socket) -> None:
    """Reads the request and resets the connection."""
    request_read(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_midway(connection: socket.socket) -> None:
    """Resets the connection while the request may still be on its way."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(connection: socket.socket) -> None:
    """Answers half a response: fewer bytes than it said."""
    request_read(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")


def talks_nonsense(connection: socket.socket) -> None:
    """Answers something that is no HTTP."""
    request_read(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.7\r\n\r\n")
