# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Help texts of the profile commands that need no cluster."""

from knack.help_files import helps

helps["aks seccomp profile render"] = """
type: command
short-summary: Print a profile as the runtime-spec JSON that containerd reads, above all containerd's RuntimeDefault.
long-summary: >
    RuntimeDefault depends on the version of containerd, the architecture and the capabilities of the container. What
    was assumed is said on standard error, so the output can go to a file. No cluster and no sign-in are needed.
examples:
  - name: Print what RuntimeDefault means on nodes with containerd 1.7.33.
    text: az aks seccomp profile render --containerd-version 1.7.33
  - name: Print it for a container that adds NET_ADMIN and drops all else, on ARM nodes.
    text: az aks seccomp profile render --containerd-version 2.2.4 --arch arm64 --cap-add NET_ADMIN --cap-drop ALL
  - name: Render a profile in Docker's format.
    text: az aks seccomp profile render --profile default.json --docker-format --kernel-version 5.15
"""

helps["aks seccomp profile validate"] = """
type: command
short-summary: Say what is wrong with a profile before a container meets it.
long-summary: >
    Errors are what containerd or runc would refuse, or read otherwise than it was meant. Warnings work and may
    surprise: names that no kernel knows, rules without effect, a list that lacks what a container needs to start, newer
    variants of calls that are refused without a fallback. The exit code is 0, with --fail-on it can be 10.
examples:
  - name: Check a file.
    text: az aks seccomp profile validate --profile web.json -o table
  - name: Fail a pipeline on errors.
    text: az aks seccomp profile validate --profile web.json --fail-on error
  - name: Check a profile for ARM nodes with a certain runc.
    text: az aks seccomp profile validate --profile web.json --arch arm64 --runc-version 1.3.3
"""

helps["aks seccomp profile show"] = """
type: command
short-summary: Show what a profile does with every syscall, and what to know of those that it blocks.
examples:
  - name: Show what RuntimeDefault of containerd 2.2.4 blocks.
    text: az aks seccomp profile show --profile RuntimeDefault --containerd-version 2.2.4 -o table
  - name: Show what a profile does with some syscalls.
    text: az aks seccomp profile show --profile web.json --syscall mount clone io_uring_setup
  - name: Count the syscalls by action.
    text: az aks seccomp profile show --profile web.json --query counts
"""

helps["aks seccomp profile convert"] = """
type: command
short-summary: Make an audit, canary or enforcing profile of a profile.
long-summary: >
    audit: what would be denied is logged and carried out; answers of ENOSYS and conditions on arguments stay, and
    programs of an architecture that is not listed are killed as before. canary: denies as before and logs it, with runc
    1.2 or later. enforce: what an audit profile logs is denied again.
examples:
  - name: Make an audit profile; redirect the output to a file to keep it.
    text: az aks seccomp profile convert --profile web.json --to audit -o json
  - name: Make a profile that denies as RuntimeDefault does, and logs it.
    text: az aks seccomp profile convert --profile RuntimeDefault --containerd-version 1.7.33 --to canary
  - name: Make an enforcing profile of an audit profile.
    text: az aks seccomp profile convert --profile audit.json --to enforce --action KILL_PROCESS
"""

helps["aks seccomp profile diff"] = """
type: command
short-summary: Compare what two profiles do, not how they are written.
long-summary: >
    Each change is one of newlyAllowed, newlyDenied, conditionChanged (some calls, by their arguments), errnoChanged and
    actionChanged.
examples:
  - name: See what a node image with a newer containerd changes for workloads with RuntimeDefault.
    text: >
        az aks seccomp profile diff --profile RuntimeDefault --containerd-version 1.7.33
        --with RuntimeDefault --with-containerd 2.2.4 -o table
  - name: List what a custom profile denies and RuntimeDefault allows.
    text: >
        az aks seccomp profile diff --profile RuntimeDefault --containerd-version 2.2.4 --with web.json
        --query "[?change=='newlyDenied'].syscall" -o tsv
"""

helps["aks seccomp profile merge"] = """
type: command
short-summary: Join profiles into one that lets through what any of them, or all of them, let through.
long-summary: >
    Conditions on arguments are joined exactly. What no profile can say is refused with the reason. Where the profiles
    refuse a call in different ways, standard error tells which was kept.
examples:
  - name: Let through what either profile lets through; redirect the output to a file to keep it.
    text: az aks seccomp profile merge --profile web.json sidecar.json -o json
  - name: Let through only what both let through.
    text: >
        az aks seccomp profile merge --profile web.json --profile RuntimeDefault --containerd-version 2.2.4 --intersect
"""

helps["aks seccomp profile refine"] = """
type: command
short-summary: Change a profile as little as possible so that it lets through what an audit saw blocked.
long-summary: >
    A syscall whose use can cost the isolation of the container (mount, bpf, ptrace ...), and one that the profile lets
    through with some arguments already, is let through only if --only names it: the report does not tell arguments.
    What was changed and what was not is said on standard error.
examples:
  - name: See what would change.
    text: az aks seccomp profile refine --profile web.json --report audit.json --dry-run -o table
  - name: Print the changed profile; redirect the output to a file to keep it.
    text: az aks seccomp profile refine --profile web.json --report audit.json -o json
  - name: Let one syscall through, knowing what it means.
    text: az aks seccomp profile refine --profile web.json --report audit.json --only ptrace
"""
