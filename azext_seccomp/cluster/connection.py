# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Everything that a client needs to talk to one API server."""

import ssl
from dataclasses import dataclass, field

from azext_seccomp.cluster.credentials import Credentials
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.cluster.tokens import FixedToken, TokenSource


@dataclass(frozen=True)
class Connection:
    """An API server and how the caller is identified to it.

    :param tokens: None when the client certificate in ``context`` identifies the caller.
    """

    target: Target
    context: ssl.SSLContext = field(repr=False)
    tokens: TokenSource | None = field(default=None, repr=False)
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)


def connection(credentials: Credentials, target: Target, tokens: TokenSource | None = None) -> Connection:
    """Bring ``credentials`` into the form that a client uses; ``tokens`` replaces the token they hold, if any."""
    if tokens is None and credentials.token:
        tokens = FixedToken(credentials.token)
    return Connection(
        target=target,
        context=client_context(credentials.authority, credentials.client_certificate, credentials.client_key),
        tokens=tokens,
        tls_server_name=credentials.tls_server_name,
        proxy_url=credentials.proxy_url,
    )
