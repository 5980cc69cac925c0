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
    the profile would block.


    What runs under it: the workloads of --workload, which are changed after you agreed to the plan that is shown, and
    put back exactly as they were in every case; the objects of --manifest, which are deleted afterwards; or, without
    either, pods to which you give the localhostProfile value that is shown when everything is ready.


    The pods of a workload restart twice. One whose pods are not all ready before is left out; a rollout that gets stuck
    is put back at once, and the others are audited. Jobs, CronJobs and bare Pods cannot be changed: a copy of them runs
    for the audit, with all that it does. Workloads in kube-system and other namespaces of the system are left alone
    without --include-system.


    Whatever the audit creates is removed when it ends, by Ctrl-C too: the first one ends it early and still reports,
    the second one aborts. What a killed run leaves, workloads too, is put right by az aks seccomp cleanup. In an audit
    that only watches, the audit profile stays on the nodes as long as pods use it; the result then names the command
    that removes it.


    RuntimeDefault depends on the containerd and the architecture of the node and on the capabilities of the container:
    every container gets the variant of its own, whichever node it runs on. --containerd-version asks about another
    containerd than that of the nodes, such as that of the next upgrade. The same holds for files in Docker's format.


    An audit profile allows what it logs: a workload that was confined before is confined less while it is audited. A
    canary (--mode canary) denies what the profile denies and logs it.
examples:
  - name: Find out whether RuntimeDefault, as the containerd of each node has it, would break a Deployment.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile RuntimeDefault --workload deployment/web
        --namespace shop -o table
  - name: The same for all workloads with a label, after an upgrade of the nodes to containerd 2.0, without being asked.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile RuntimeDefault --containerd-version 2.0.7
        --workload all --selector tier=backend --all-namespaces --yes
  - name: Run a CronJob once under a profile, and keep the result as a page to look at.
    text: >
        az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --workload cronjob/nightly
        --namespace shop --yes --report nightly.html
  - name: Audit a manifest for up to five minutes and show what the profile would block.
    text: az aks seccomp audit -g MyResourceGroup -n MyCluster --profile web.json --manifest web.yaml -o table
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
short-summary: Put right what earlier runs left in a cluster, from any machine.
long-summary: >
    Every audit writes down in the cluster what it creates and changes before it does so. This command reads that: it
    puts workloads back as they were, deletes objects of manifests, pods, and profile files on the nodes, except files
    that pods still use. A run that is still going on is left alone: it gives a sign of life every few seconds, for
    which this command waits 20 seconds.


    Audits with --keep are removed only when --session names them. The exit code is 1 when something could not be put
    right.
examples:
  - name: See what there is.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster --dry-run -o table
  - name: Remove what killed runs left.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster
  - name: Remove what an audit with --keep left.
    text: az aks seccomp cleanup -g MyResourceGroup -n MyCluster --session sabcdefghij
"""
