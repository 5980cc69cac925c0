# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Copies of what cannot be changed: a Job's or a bare Pod's template, a CronJob's schedule that may be far away.

A copy is a workload of its own: it makes the same calls and has the same effects on the world, a migration for
instance. Labels are left out, so that no Service sends it traffic and nothing else takes it for the original.
"""

import copy
import hashlib

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.workload.find import Candidate

_MAX_NAME = 52  # the Job controller appends to it, and labels of pods may have 63 characters
_POD_FIELDS_OF_A_RUN = ("nodeName", "ephemeralContainers", "priority")


def copy_of(candidate: Candidate, session: str) -> JsonObject:
    """The manifest of a Job or a Pod that does what the candidate does, once."""
    if candidate.kind == "Pod":
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": _metadata(candidate, session),
            "spec": _pod_spec(candidate.body["spec"]),
        }
    spec = candidate.body["spec"]
    job = copy.deepcopy(spec["jobTemplate"]["spec"] if candidate.kind == "CronJob" else spec)
    for field in ("selector", "manualSelector", "suspend", "ttlSecondsAfterFinished"):
        job.pop(field, None)
    job["template"] = {"metadata": {}, "spec": job["template"]["spec"]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(candidate, session), "spec": job}


def _metadata(candidate: Candidate, session: str) -> JsonObject:
    suffix = hashlib.sha256(f"{session} {candidate.kind}".encode()).hexdigest()[:8]
    name = f"{candidate.name[: _MAX_NAME - 1 - len(suffix)].rstrip('.-')}-{suffix}"
    return {"name": name, "namespace": candidate.namespace}


def _pod_spec(spec: JsonObject) -> JsonObject:
    """Without what the API server and the scheduler have put in, and without the token volume of the old kind, which
    admission adds again.
    """
    made = copy.deepcopy({key: value for key, value in spec.items() if key not in _POD_FIELDS_OF_A_RUN})
    tokens = {one["name"] for one in made.get("volumes") or () if _is_token(one)}
    if tokens:
        made["volumes"] = [one for one in made["volumes"] if one["name"] not in tokens]
        for kind in ("initContainers", "containers"):
            for container in made.get(kind) or ():
                mounts = container.get("volumeMounts") or ()
                container["volumeMounts"] = [one for one in mounts if one["name"] not in tokens]
    return made


def _is_token(volume: JsonObject) -> bool:
    """kube-api-access-…, or up to Kubernetes 1.21 a secret ACCOUNT-token-…, after which admission names the volume
    (plugin/pkg/admission/serviceaccount). A secret of the user's own may have "-token-" in its name too.
    """
    name = str(volume["name"])
    secret = (volume.get("secret") or {}).get("secretName")
    return name.startswith("kube-api-access-") or ("-token-" in name and name == secret)
