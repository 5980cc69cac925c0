# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Help texts, a block for each group of commands. Every command has at least one example, and every example parses."""

from knack.help_files import helps

from azext_seccomp import _help_audit, _help_try  # noqa: F401  (loading it registers the help texts)

helps["aks seccomp"] = """
type: group
short-summary: Find the system calls that a seccomp profile blocks in workloads on AKS, and correct the profile.
"""

helps["aks seccomp profile"] = """
type: group
short-summary: Work with seccomp profile files, on this machine and on the nodes of a cluster.
"""

# Profile files on the nodes

helps["aks seccomp profile place"] = """
type: command
short-summary: Place a profile file on the nodes, for use as localhostProfile.
long-summary: >
    One pod on each node writes the file beside, renames it and reads it back. It sees the kubelet's seccomp directory
    (/var/lib/kubelet/seccomp) and nothing else of the node. A file that is there already is left as it is. The profile
    is checked first: what containerd would refuse or misread is not placed.


    A node that fails does not stop the others. It is in the result with the reason, and the exit code is 1. Nodes that
    are added later, reimaged or upgraded do not have the file: place it again.
examples:
  - name: Place a profile on every Linux node; its name follows from its content.
    text: az aks seccomp profile place -g MyResourceGroup -n MyCluster --profile audit.json
  - name: Place a profile under a stable name on the nodes of two node pools.
    text: >
        az aks seccomp profile place -g MyResourceGroup -n MyCluster --profile web.json --as web
        --nodepool-name np1 np2
  - name: Replace the profile of that name.
    text: az aks seccomp profile place -g MyResourceGroup -n MyCluster --profile web.json --as web --force
  - name: Get the value for localhostProfile.
    text: >
        az aks seccomp profile place -g MyResourceGroup -n MyCluster --profile web.json
        --query [0].localhostProfile -o tsv
"""

helps["aks seccomp profile list"] = """
type: command
short-summary: List the profile files on the nodes, ours and others', with their hashes.
long-summary: >
    OnAllNodes says whether every selected node has the same file. Up to 500 files are listed for each node. The exit
    code is 1 when a node could not be asked.
examples:
  - name: List what is on the nodes.
    text: az aks seccomp profile list -g MyResourceGroup -n MyCluster -o table
  - name: List the files that some node lacks, or has with another content.
    text: >
        az aks seccomp profile list -g MyResourceGroup -n MyCluster
        --query "[?status=='found' && !onAllNodes]"
"""

helps["aks seccomp profile remove"] = """
type: command
short-summary: Remove profile files that this extension placed from the nodes.
long-summary: >
    Files of others are never removed. A file that a pod on the nodes asks for is not removed either, unless --force is
    given: containers of that pod could not be created again.
examples:
  - name: Remove a profile by its stable name.
    text: az aks seccomp profile remove -g MyResourceGroup -n MyCluster --as web
  - name: Remove a file that list shows, without being asked.
    text: >
        az aks seccomp profile remove -g MyResourceGroup -n MyCluster --path aks-seccomp/44136fa355b3678a.json --yes
  - name: Remove everything that this extension placed on the nodes.
    text: az aks seccomp profile remove -g MyResourceGroup -n MyCluster --all-ours --yes
"""
