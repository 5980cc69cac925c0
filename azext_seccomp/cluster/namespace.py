# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where everything that a run creates in a cluster lives, and how it is found again."""

import base64
import re
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS, JsonObject, Kube
from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, NotFound, SeccompError, WrongState

NAMESPACE = "aks-seccomp"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "az-aks-seccomp"
SESSION_LABEL = "aks-seccomp/session"
ROLE_LABEL = "aks-seccomp/role"
POD_SECURITY_LABEL = "pod-security.kubernetes.io/enforce"

_ROOT_CERTIFICATES = (
    "kube-root-ca.crt"  # published into every namespace by the controller manager since Kubernetes 1.20
)
_TERMINATING_SECONDS = 60.0
_NO_ACCOUNT = "error looking up service account"  # Kubernetes, plugin/pkg/admission/serviceaccount
_ACCOUNT_SECONDS = 15.0
_ACCOUNT_POLL_SECONDS = 0.3
_SESSION = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", re.ASCII)  # a part of names that may have 63 characters

T = TypeVar("T")


def new_session_id() -> str:
    """``s`` and ten base32 characters: 50 random bits, fit for a label value and for a part of an object's name."""
    return "s" + base64.b32encode(secrets.token_bytes(7)).decode("ascii").lower()[:10]


def parse_session_id(text: str) -> str:
    """A session's name that a user has chosen.

    :raises InvalidInput: it cannot be part of the names of objects.
    """
    if _SESSION.fullmatch(text) is None:
        raise InvalidInput(
            f"'{printable(text, 80)}' cannot be the name of a session.",
            fix="Use up to 40 lower-case letters, digits and '-', beginning and ending with a letter or digit.",
        )
    return text


def labels(session: str, role: str) -> dict[str, str]:
    """What every object of a session carries; ``role`` is one of installer, collector, journal, workload."""
    return {MANAGED_BY_LABEL: MANAGED_BY, SESSION_LABEL: session, ROLE_LABEL: role}


def selector(session: str | None = None, role: str | None = None) -> str:
    """The label selector for objects of this extension, of one session, of one role."""
    parts = [f"{MANAGED_BY_LABEL}={MANAGED_BY}"]
    if session is not None:
        parts.append(f"{SESSION_LABEL}={session}")
    if role is not None:
        parts.append(f"{ROLE_LABEL}={role}")
    return ",".join(parts)


def ensure_namespace(kube: Kube) -> bool:
    """Create the namespace unless it is there; True when it was created.

    One that is there is used as it is and not changed, so that an operator can prepare it (policy exemptions, quota).
    One that is being deleted, mostly by the end of an earlier run, is waited for.

    :raises WrongState: its deletion does not come to an end.
    :raises Forbidden: it is not there and may not be created.
    """
    deadline = time.monotonic() + _TERMINATING_SECONDS
    while True:
        try:
            kube.create(NAMESPACES.path(), _manifest())
            return True
        except Conflict:
            pass
        except Forbidden:
            if _read(kube) is None:
                raise
        found = _read(kube)
        if found is not None and "deletionTimestamp" not in found["metadata"]:
            return False
        if time.monotonic() >= deadline:
            raise WrongState(
                f"The namespace {NAMESPACE} is being deleted and does not go away.",
                fix=f"See what holds it: kubectl get namespace {NAMESPACE} -o jsonpath={{.status.conditions}}",
            )
        time.sleep(0.5)


def while_it_lasts(kube: Kube, action: Callable[[], T]) -> T:
    """Do something that makes objects in the namespace; once more when it vanished meanwhile.

    The end of another session takes the namespace away when it is empty, and that of this session may be empty still.
    """
    try:
        return once_there_is_an_account(action)
    except WrongState:  # it is being deleted
        pass
    except NotFound as error:
        if f'namespaces "{NAMESPACE}" not found' not in error.why:
            raise
    ensure_namespace(kube)
    return once_there_is_an_account(action)


def once_there_is_an_account(action: Callable[[], T]) -> T:
    """Do something that makes pods in a namespace that may just have been made: it has no service account yet, and the
    API server waits for that a second only.
    """
    deadline = time.monotonic() + _ACCOUNT_SECONDS
    while True:
        try:
            return action()
        except Forbidden as error:
            if _NO_ACCOUNT not in error.why or time.monotonic() >= deadline:
                raise
            time.sleep(_ACCOUNT_POLL_SECONDS)


def release_namespace(kube: Kube) -> bool:
    """Delete the namespace when this extension created it and it holds no pod and no ConfigMap any more; True when it
    was deleted.

    Does not wait for the end of the deletion. Where it cannot be deleted, by whatever error, it stays: it is empty.
    """
    try:
        found = _read(kube)
        if found is None or found["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
            return False
        if any(True for _ in kube.list(PODS.path(NAMESPACE))):
            return False
        if any(one["metadata"]["name"] != _ROOT_CERTIFICATES for one in kube.list(CONFIG_MAPS.path(NAMESPACE))):
            return False
        return kube.delete(NAMESPACES.path(name=NAMESPACE), uid=found["metadata"]["uid"])
    except SeccompError:
        return False


def _read(kube: Kube) -> JsonObject | None:
    try:
        return kube.get(NAMESPACES.path(name=NAMESPACE))
    except NotFound:
        return None


def _manifest() -> JsonObject:
    # Pods that see a directory of the node are refused by the Pod Security levels baseline and restricted.
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {MANAGED_BY_LABEL: MANAGED_BY, POD_SECURITY_LABEL: "privileged"}},
    }
