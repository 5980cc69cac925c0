# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Certificates and kubeconfigs.

One authority signs everything of the stand: API server, nodes, users, and the server certificate of the fake ARM. It
is kept over ``down`` and ``up``, so that whoever holds a certificate of it (a fake ARM that runs on) need not be
restarted.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .shell import run

DAYS = "30"
RENEW_BEFORE_SECONDS = str(2 * 24 * 3600)


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


def ensure_authority(layout: Layout) -> Certificate:
    """The authority's certificate and key, made when absent or about to expire."""
    authority = Certificate(layout.pki / "ca.crt", layout.pki / "ca.key")
    if authority.certificate.exists() and authority.key.exists() and not _expires_soon(authority.certificate):
        return authority
    layout.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = Certificate(layout.pki / "ca.crt.new", layout.pki / "ca.key.new")
    _new_key(unfinished.key)
    run(
        "openssl",
        "req",
        "-x509",
        "-new",
        "-key",
        unfinished.key,
        "-subj",
        f"/CN={layout.name}-ca",
        "-days",
        DAYS,
        "-out",
        unfinished.certificate,
    )
    unfinished.key.rename(authority.key)
    unfinished.certificate.rename(authority.certificate)
    return authority


def issue(layout: Layout, name: str, subject: str, alternative_names: str = "") -> Certificate:
    """A certificate for client and server use, signed by the stand's authority.

    :param name: name of the files in the stand's ``pki`` directory; a certificate of that name is replaced.
    :param subject: in openssl's form, ``/O=system:nodes/CN=system:node:n1``.
    :param alternative_names: in openssl's form, ``IP:127.0.0.1,DNS:localhost``.
    """
    authority = ensure_authority(layout)
    issued = Certificate(layout.pki / f"{name}.crt", layout.pki / f"{name}.key")
    _new_key(issued.key)
    request = layout.pki / f"{name}.csr"
    extensions = layout.pki / f"{name}.ext"
    run("openssl", "req", "-new", "-key", issued.key, "-subj", subject, "-out", request)
    names = f"subjectAltName={alternative_names}\n" if alternative_names else ""
    extensions.write_text(f"extendedKeyUsage=clientAuth,serverAuth\n{names}")
    serial = "0x" + os.urandom(16).hex()
    run(
        "openssl", "x509", "-req", "-in", request, "-CA", authority.certificate, "-CAkey", authority.key,
        "-set_serial", serial, "-days", DAYS, "-extfile", extensions, "-out", issued.certificate,
    )  # fmt: skip
    request.unlink()
    extensions.unlink()
    return issued


def service_account_keys(layout: Layout) -> Certificate:
    """Key pair that signs service account tokens; ``certificate`` is the public key."""
    pair = Certificate(layout.pki / "service-account.pub", layout.pki / "service-account.key")
    run("openssl", "genrsa", "-out", pair.key, "2048")
    run("openssl", "rsa", "-in", pair.key, "-pubout", "-out", pair.certificate)
    return pair


def write_kubeconfig(layout: Layout, file: Path, user: str, identity: Certificate) -> None:
    """A kubeconfig with everything inside it."""
    document: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": layout.name,
                "cluster": {
                    "server": f"https://127.0.0.1:{layout.secure_port}",
                    "certificate-authority-data": inline(layout.pki / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": inline(identity.certificate),
                    "client-key-data": inline(identity.key),
                },
            }
        ],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": user}}],
        "current-context": layout.name,
    }
    _write_private(file, document)


def write_token_review_config(layout: Layout, file: Path) -> None:
    """How the API server asks the fake Entra about a bearer token (a kubeconfig without a user)."""
    document: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "entra",
                "cluster": {"server": layout.token_review_url, "certificate-authority": str(layout.pki / "ca.crt")},
            }
        ],
        "users": [{"name": "apiserver", "user": {}}],
        "contexts": [{"name": "entra", "context": {"cluster": "entra", "user": "apiserver"}}],
        "current-context": "entra",
    }
    _write_private(file, document)


def _write_private(file: Path, document: dict[str, object]) -> None:
    file.touch(mode=0o600)
    file.write_text(json.dumps(document, indent=1))


def _new_key(file: Path) -> None:
    file.touch(mode=0o600)
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file)


def _expires_soon(certificate: Path) -> bool:
    return (
        run("openssl", "x509", "-in", certificate, "-checkend", RENEW_BEFORE_SECONDS, "-noout", check=False).returncode
        != 0
    )


def inline(file: Path) -> str:
    """Content of a file as kubeconfigs and webhook configurations hold it (base64)."""
    return base64.b64encode(file.read_bytes()).decode()
