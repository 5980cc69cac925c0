# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A TLS context from certificates in memory. Private keys are never left in a file."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator

from azext_seccomp.errors import InvalidInput


def client_context(authority: bytes, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """A context that trusts ``authority`` alone and identifies itself by ``certificate`` and ``key`` (all PEM).

    Raises InvalidInput when OpenSSL cannot read one of them; the message never quotes their content.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        raise InvalidInput("The certificate authority in the cluster's kubeconfig cannot be read.") from None
    if certificate:
        try:
            with _readable_by_name(certificate + b"\n" + key) as path:
                # Without a password callback OpenSSL would ask on the terminal for the password of an encrypted key.
                context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            raise InvalidInput(
                "The client certificate in the cluster's kubeconfig cannot be read or does not match its key."
            ) from None
    return context


@contextlib.contextmanager
def _readable_by_name(content: bytes) -> Iterator[str]:
    """A file name under which OpenSSL can read ``content``: ``ssl`` has no way to load a key from memory.

    On Linux the file exists in memory only. Elsewhere it is private to the user and gone when the block ends.
    """
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("client-key", os.MFD_CLOEXEC)
        try:
            _write_all(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp()
    try:
        try:
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
        yield path
    finally:
        os.unlink(path)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
