# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Who refused a request, and what to do: authorization (RBAC, Azure RBAC), admission policies, Pod Security, quotas.

The texts are those of the Kubernetes sources named at each pattern; Azure Policy and AKS Deployment Safeguards answer
through Gatekeeper's webhook.
"""

import re

from azext_seccomp.cluster.request import Request, place
from azext_seccomp.errors import Forbidden, SeccompError, WrongState

# apiserver, pkg/admission/plugin/webhook/errors: ToStatusErr
_WEBHOOK = re.compile(
    r'admission webhook "(?P<who>[^"]+)" denied the request(?: without explanation|: (?P<words>.*))', re.DOTALL
)
# apiserver, pkg/admission/plugin/policy/validating: the 'denied request' of a ValidatingAdmissionPolicy
_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '(?P<who>[^']+)' with binding '[^']+' denied request: (?P<words>.*)", re.DOTALL
)
# pod-security-admission, admission.go: EvaluatePod
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<who>[^"]+)": (?P<words>.*)', re.DOTALL)
# apiserver, plugin/resourcequota and plugin/pkg/admission/limitranger
_QUOTA = re.compile(r"(?P<words>exceeded quota: .*|failed quota: .*|(?:maximum|minimum) \S+ usage per .*)", re.DOTALL)
# apiserver, pkg/endpoints/handlers/responsewriters/errors.go: forbiddenMessage
_RBAC = re.compile(
    r'cannot (?P<verb>\S+) (?:resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"|path "(?P<path>[^"]+)")'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)
# apiserver, pkg/admission/plugin/webhook/generic: "failed calling webhook"
_BROKEN_WEBHOOK = re.compile(r'failed calling webhook "(?P<who>[^"]+)"')
_TERMINATING = "because it is being terminated"

_NEEDED = "This extension runs pods with a host path on the nodes, privileged ones to listen: "


class Denied(Forbidden):
    """A policy for the content of objects refuses it, whoever asks: not an authorizer, and no quota."""


def by_policy(asked: Request, message: str) -> SeccompError | None:
    """The refusal of an admission plugin, in its own words; None when ``message`` is no such refusal."""
    if match := _WEBHOOK.search(message):
        return Denied(
            f"The admission webhook {match['who']} denies the request to {asked}.",
            why=(match["words"] or "").strip(),
            fix=_NEEDED + _exempt(match["who"], asked),
        )
    if match := _POLICY.search(message):
        return Denied(
            f"The ValidatingAdmissionPolicy {match['who']} denies the request to {asked}.",
            why=match["words"].strip(),
            fix=_NEEDED + f"exempt {_namespace(asked)} in the policy's binding.",
        )
    if match := _POD_SECURITY.search(message):
        return Denied(
            f"Pod Security ({match['who']}) denies the request to {asked}.",
            why=match["words"].strip(),
            fix=f"Let {_namespace(asked)} run such pods: label it pod-security.kubernetes.io/enforce=privileged.",
        )
    if _TERMINATING in message:
        return WrongState(
            f"Cannot {asked}: {_namespace(asked)} is being deleted.",
            fix="Wait until it is gone, then run the command again.",
        )
    if match := _QUOTA.search(message):
        return Forbidden(
            f"A quota or limit range denies the request to {asked}.",
            why=match["words"].strip(),
            fix=f"Raise it or exempt {_namespace(asked)}.",
        )
    return None


def by_authorization(asked: Request, message: str) -> Forbidden:
    """The refusal of an authorizer, with the verb, resource and namespace that are missing from the caller's roles."""
    match = _RBAC.search(message)
    if match is None:
        return Forbidden(f"You may not {asked}.", why=message, fix="Ask for a role in the cluster that allows it.")
    if match["path"]:
        return Forbidden(
            f"You may not {match['verb']} {match['path']}.",
            why=message,
            fix="Ask for a ClusterRole with that nonResourceURL.",
        )
    resource = f"{match['resource']}.{match['group']}" if match["group"] else match["resource"]
    namespace = match["namespace"]
    scope = f"in namespace {namespace}" if namespace else "at the cluster scope"
    role = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    return Forbidden(
        f"You may not {match['verb']} {resource} {scope}.",
        why=message,
        fix=f"Ask for {role} with verb '{match['verb']}' on '{resource}', or, with Azure RBAC for Kubernetes, an "
        f"'Azure Kubernetes Service RBAC' role that holds it. Check: kubectl auth can-i {match['verb']} {resource}"
        + (f" -n {namespace}" if namespace else ""),
    )


def broken_webhook(message: str) -> str:
    """Name of the webhook that could not be asked, or ``""``."""
    match = _BROKEN_WEBHOOK.search(message)
    return match["who"] if match else ""


def _namespace(asked: Request) -> str:
    here = place(asked.path)
    if here and here.namespace:
        return f"namespace {here.namespace}"
    return f"namespace {here.name}" if here and here.plural == "namespaces" and here.name else "the namespace"


def _exempt(webhook: str, asked: Request) -> str:
    if "gatekeeper" not in webhook:
        return f"exempt {_namespace(asked)} from that policy."
    here = place(asked.path)
    name = here.namespace if here and here.namespace else "NAMESPACE"
    return (
        f"exempt {_namespace(asked)} in the Azure Policy assignment (parameter excludedNamespaces), on AKS Automatic "
        f"with 'az aks safeguards update --excluded-ns {name}'."
    )
