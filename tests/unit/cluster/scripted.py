# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An HTTPS server on loopback that answers as a test's script says: whole, in pieces, late, torn or not at all."""

import json
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.unit.cluster.certificates import Authority


class Seen(NamedTuple):
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    peer: str


class Exchange:
    """One request and the ways to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: Seen, released: threading.Event) -> None:
        self._handler = handler
        self._released = released
        self.request = request

    def json(self, body: Any, status: int = 200, **headers: str) -> None:
        """A complete answer."""
        self.raw(json.dumps(body).encode(), status, **{"Content-Type": "application/json", **headers})

    def status(self, code: int, message: str, reason: str = "", **headers: str) -> None:
        """A failure as an API server tells it."""
        self.json(
            {"kind": "Status", "apiVersion": "v1", "code": code, "message": message, "reason": reason}, code, **headers
        )

    def raw(self, body: bytes, status: int = 200, **headers: str) -> None:
        """A complete answer of any kind."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.send_header("Content-Length", str(len(body)))
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def begin(self) -> None:
        """The head of a chunked answer."""
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def piece(self, data: bytes) -> None:
        """One chunk."""
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def event(self, kind: str, item: dict[str, Any]) -> None:
        """One watch event as a chunk."""
        self.piece(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def end(self) -> None:
        """The orderly end of a chunked answer."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def tear(self) -> None:
        """Reset the connection."""
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._handler.close_connection = True

    def hold(self) -> None:
        """Say nothing more until the client goes or the server ends."""
        connection = self._handler.connection
        connection.settimeout(0.05)
        while not self._released.is_set():
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return


Script = Callable[[Exchange], None]


class Server:
    """A running server. ``seen`` holds every request in the order of arrival."""

    def __init__(self, script: Script, authority: Authority, *, ask_certificate: bool = False) -> None:
        self.script = script
        self.authority = authority
        self.seen: list[Seen] = []
        self.released = threading.Event()
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._listener.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued = authority.issue("server")
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(issued.certificate + issued.key)
            pem.flush()
            context.load_cert_chain(pem.name)
        if ask_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=authority.pem.decode())
        self._listener.socket = context.wrap_socket(
            self._listener.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        """Port on 127.0.0.1."""
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End the server and every exchange it holds."""
        self.released.set()
        self._listener.shutdown()
        self._listener.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(
                OSError
            ):  # the client's side of a torn connection or a refused certificate is what tests look at
                super().handle()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            url = urlsplit(self.path)
            seen = Seen(
                self.command,
                url.path,
                dict(parse_qsl(url.query)),
                dict(self.headers.items()),
                json.loads(body) if body else None,
                _common_name(self.connection),
            )
            server.seen.append(seen)
            server.script(Exchange(self, seen, server.released))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    return Handler


def _common_name(connection: Any) -> str:
    certificate = connection.getpeercert() or {}
    return "".join(value for part in certificate.get("subject", ()) for name, value in part if name == "commonName")


@contextmanager
def serving(script: Script, authority: Authority, *, ask_certificate: bool = False) -> Iterator[Server]:
    """A server for the length of a block."""
    server = Server(script, authority, ask_certificate=ask_certificate)
    try:
        yield server
    finally:
        server.close()


def in_turn(*scripts: Script) -> Script:
    """The first request is answered by the first script and so on; the last one answers all that follow."""
    waiting = list(scripts)
    lock = threading.Lock()

    def script(exchange: Exchange) -> None:
        with lock:
            current = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        current(exchange)

    return script
