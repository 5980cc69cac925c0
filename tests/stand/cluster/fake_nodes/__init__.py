# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Many nodes for benchmarks: one process plays the kubelets of all of them.

The API server, its objects, watches and log requests are real; only what a kubelet does is played. A pod on such a
node is Running as soon as it is bound, whatever its image. Two kinds of pods end or speak as the extension's would:

- an installer (``installer.sh`` of ``azext_seccomp/node``): it ends at once, with the answer that the script gives,
  from a directory of the node that is kept in memory (``installer.py``);
- a collector (command ``ig``): its log says that it runs, and then one event per interval (``log_server.py``).

Not played: exec, port-forward, probes, images, volumes. What a real kubelet reports in several steps comes in one.
"""

from .play import play

__all__ = ["play"]
