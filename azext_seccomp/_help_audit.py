# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Help texts of ``audit`` and ``cleanup``."""

from knack.help_files import helps

helps["aks seccomp audit"] = """
type: command
short-summary: Find out which system calls of which containers a profile would block.
long-summary: >
    Places an audit variant of the profile on the nodes (what would be denied is logged instead), runs the gadget
    audit_seccomp of Inspektor Gadget on each of them, counts what containers under the audit profile do, and says what
    the profile would block. Only containers that use the audit profile are reported: those of --manifest get it, others
    need the localhostProfile value that is shown when everything is ready.


    Whatever the audit creates is removed when it ends, by Ctrl-C too: the first one ends it early and still reports,
    the second one aborts. What a killed run leaves is removed by az aks seccomp cleanup. The audit profile stays on the
    nodes as long as pods use it; the result then names the command that removes it.


    RuntimeDefault depends on the containerd and the architecture of the node and on the capabilities of the container:
    every container gets the variant of its own, whichever node it runs on. --containerd-version asks about another
    containerd than that of the nodes, such as that of the next upgrade. The same holds for files in Docker's format.


    An audit profile allows what it logs: a workload that was confined before is confined less while it is audited.
examples:
  - name: Audit a manifest for up to five minutes and show what the profile would block.
    text: az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --manifest web.yaml -o table
  - name: Find out what RuntimeDefault would block, as the containerd of each node has it.
    text: az aks seccomp audit -g MyResourceGroup -n MyCluster --profile RuntimeDefault --manifest web.yaml -o table
  - name: Find out what it would block after an upgrade of the nodes to containerd 2.0.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile RuntimeDefault --containerd-version 2.0.7
        --manifest web.yaml -o table
  - name: Watch for two minutes while you run the workload yourself, with each call as it is made.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --duration 2m --follow
  - name: Audit the pods of one application in one namespace.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --namespace shop --selector app=cart
  - name: Fail a pipeline when the profile blocks something or when nobody knows.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --manifest job.yaml
        --fail-on blocked inconclusive
  - name: Get the blocked system calls only.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --manifest web.yaml
        --query "findings[?class=='blocked'].syscall" -o tsv
"""

helps["aks seccomp cleanup"] = """
type: command
short-summary: Remove everything that earlier runs left in a cluster, from any machine.
long-summary: >
    Every audit writes down in the cluster what it creates before it creates it. This command reads that: it deletes
    objects of manifests, pods, and profile files on the nodes, except files that pods still use. A run that is still
    going on is left alone: it gives a sign of life every few seconds, for which this command waits 20 seconds.


    Audits with --keep are removed only when --session names them. The exit code is 1 when something could not be
    removed.
examples:
  - name: See what there is.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster --dry-run -o table
  - name: Remove what killed runs left.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster
  - name: Remove what an audit with --keep left.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster --session sabcdefghij
"""
