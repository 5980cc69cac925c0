# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Azure as far as ``az aks seccomp`` sees it, on this machine: Resource Manager and Entra ID over HTTPS.

A stand-in. The shapes of requests and answers are those that azure-cli 2.91 (azure-mgmt-containerservice 41.6, MSAL
1.39) sends and reads; texts of refusals are copied from Microsoft's documentation where a module says so, the rest is
made up. What it is not: it keeps no role assignments (inject a fault for a 403), and its tokens are signed with a
shared key (HS256) where Entra uses RS256, because nobody but itself checks them.

The clusters are all one: the real Kubernetes of ``tests.stand.cluster``, dressed as clusters of different kinds.
"""

from .faults import Fault
from .server import ArmStand

__all__ = ["ArmStand", "Fault"]
