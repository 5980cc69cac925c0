# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A pod as the controller of a workload is going to make it, for policies to judge before any pod is replaced."""

import copy

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.workload.templates import pod_template

_MAX_NAME = 240  # of the 253 characters that the name of a pod may have


def sample_pod(workload: JsonObject) -> JsonObject:
    """The manifest of a pod with the template of ``workload``. It belongs to the workload, for there are policies
    against pods that belong to nothing.
    """
    template = pod_template(workload)
    assert template is not None
    metadata = workload["metadata"]
    owner = {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "controller": True}
    made = {name: template.metadata[name] for name in ("labels", "annotations") if template.metadata.get(name)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **copy.deepcopy(made),
            "name": f"{metadata['name'][:_MAX_NAME].rstrip('.-')}-audited",
            "namespace": metadata["namespace"],
            "ownerReferences": [{**owner, "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": _with_claims(copy.deepcopy(template.spec), workload),
    }


def _with_claims(spec: JsonObject, workload: JsonObject) -> JsonObject:
    """A StatefulSet gives its pods the volumes of its volumeClaimTemplates, which their containers mount (Kubernetes
    pkg/controller/statefulset/stateful_set_utils.go, updateStorage).
    """
    names = [one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates") or ()]
    if names:
        claims = [
            {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{workload['metadata']['name']}-0"}}
            for name in names
        ]
        spec["volumes"] = [*claims, *(one for one in spec.get("volumes") or () if one["name"] not in names)]
    return spec
