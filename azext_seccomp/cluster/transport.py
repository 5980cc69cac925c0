# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Connections to one API server: TLS without files, proxies, keep-alive, and sockets that another thread can hang up.

The official client gets these connections in place of its own, because its own can only read certificates from files.
"""

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from azext_seccomp.errors import Unsupported

# As many as there can be nodes (AKS: 5,000) and some: urllib3 warns of each connection above this. Those of streams are
# closed when they come back, so what stays open is as many as there were parallel requests.
_KEPT_CONNECTIONS = 8192
# A quiet stream has to outlive the idle limit of the load balancer before the API server (4 minutes on Azure), and a
# dead one has to be noticed.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}


class Hangup:
    """Breaks one request under way from another thread, whether it waits for the answer's first byte or for its
    next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Any = None
        self._over = False

    @property
    def over(self) -> bool:
        """True once ``hang_up`` was called."""
        return self._over

    def attach(self, connected: Any) -> None:
        """Called by the connection that carries the request, once its socket is connected."""
        with self._lock:
            self._socket = connected
            if self._over:
                _shut_down(connected)

    def hang_up(self) -> None:
        """End the request, now or as soon as it is connected. May be called often, from any thread."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                _shut_down(self._socket)


def _shut_down(connected: Any) -> None:
    # SSLSocket.shutdown would drop the TLS state under the reader's feet, who would then take ciphertext for text: end
    # the TCP connection only.
    with contextlib.suppress(OSError):
        if isinstance(connected, socket.socket):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
        else:  # TLS inside TLS (an https proxy): urllib3's SSLTransport
            connected.socket.shutdown(socket.SHUT_RDWR)


_carrying: ContextVar[Hangup | None] = ContextVar("_carrying", default=None)


@contextlib.contextmanager
def carrying(hangup: Hangup | None) -> Iterator[None]:
    """Requests of this thread inside the block can be broken by ``hangup``."""
    token = _carrying.set(hangup)
    try:
        yield
    finally:
        _carrying.reset(token)


class _Connection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        hangup = _carrying.get()
        if hangup is not None:
            hangup.attach(self.sock)
        super().request(*args, **kwargs)


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Direct(urllib3.PoolManager):
    def urlopen(  # type: ignore[override]  # as urllib3 does itself
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        # A redirect would carry the caller's token to a host that the kubeconfig does not name.
        return super().urlopen(method, url, redirect=False, **kw)


class _Proxied(urllib3.ProxyManager):
    def urlopen(  # type: ignore[override]  # as urllib3 does itself
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        return super().urlopen(method, url, redirect=False, **kw)


def pool_manager(
    server: str, context: ssl.SSLContext, tls_server_name: str = "", proxy_url: str = ""
) -> urllib3.PoolManager:
    """Connections to ``server`` (an https URL).

    :param proxy_url: proxy from the kubeconfig; without it HTTPS_PROXY and NO_PROXY decide, read as az itself reads
        them. Raises Unsupported for a proxy that is neither http nor https.
    """
    options: dict[str, Any] = {
        "maxsize": _KEPT_CONNECTIONS,
        "ssl_context": context,
        "retries": urllib3.Retry(False),  # retry.py decides; urllib3 would also repeat what must not be repeated
        "socket_options": [*HTTPSConnection.default_socket_options, *_keepalive()],
    }
    if tls_server_name:
        options["server_hostname"] = tls_server_name
    proxy = _http_proxy(proxy_url or select_proxy(server, get_environ_proxies(server, no_proxy=None)) or "")
    manager = _Proxied(proxy, proxy_headers=_proxy_login(proxy), **options) if proxy else _Direct(**options)
    manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _Pool}
    return manager


def _keepalive() -> list[tuple[int, int, int]]:
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _KEEPALIVE.items()
        if hasattr(socket, name)
    ]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *known]


def _http_proxy(proxy: str) -> str:
    if proxy and "://" not in proxy:
        return f"http://{proxy}"
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        raise Unsupported(
            "The proxy that is set for the API server is neither http nor https.",
            fix="Set HTTPS_PROXY to an http or https proxy, or add the API server to NO_PROXY.",
        )
    return proxy


def _proxy_login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    return dict(urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"))


class OpenStreams:
    """The streams of one client, so that closing the client ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: weakref.WeakSet[Hangup] = weakref.WeakSet()
        self._closed = False

    def add(self, hangup: Hangup) -> None:
        """Have ``hangup`` called when the client is closed; at once when it is closed already."""
        with self._lock:
            self._streams.add(hangup)
            closed = self._closed
        if closed:
            hangup.hang_up()

    def close(self) -> None:
        """Hang up every stream."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for hangup in streams:
            hangup.hang_up()
