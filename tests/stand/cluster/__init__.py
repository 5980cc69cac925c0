# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A real Kubernetes cluster on one machine, for tests: no Docker engine, no registry, no systemd.

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and on each node a real kubelet, containerd and runc.
Nothing of it is a stand-in, except that the nodes share this machine's kernel, network and process ids, and that
Kubernetes is version 1.20, the newest that Debian has the source of. ``python3 -m tests.stand.cluster up --nodes 2``
on a Debian 12 machine, as root, does all of the set-up.
"""

from .audit_stream import AuditStream, KernelRecord
from .layout import Layout
from .shell import StandError
from .stand import Stand

__all__ = ["AuditStream", "KernelRecord", "Layout", "Stand", "StandError"]
