# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The server certificate, and the list of authorities by which az trusts it."""

import ssl
from pathlib import Path

from tests.stand.cluster import pki
from tests.stand.cluster.layout import Layout


def server_context(layout: Layout, name: str) -> ssl.SSLContext:
    """A TLS context with a new certificate for localhost, of the authority of the stand.

    :param name: name of the certificate's files; two servers that run at once need different ones.
    """
    certificate = pki.issue(layout, name, "/CN=localhost", "DNS:localhost,IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def write_bundle(layout: Layout, file: Path) -> None:
    """Write what REQUESTS_CA_BUNDLE is to point at: this machine's authorities and that of the stand.

    The public ones have to be in it: pip obeys the variable when ``az extension add`` installs dependencies.
    """
    system = ssl.get_default_verify_paths()
    parts = [Path(system.cafile)] if system.cafile else sorted(Path(system.capath or "/nonexistent").glob("*.pem"))
    parts.append(pki.ensure_authority(layout).certificate)
    file.write_text("\n".join(part.read_text() for part in parts))
