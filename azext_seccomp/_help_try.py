# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Help text of ``try``."""

from knack.help_files import helps

helps["aks seccomp try"] = """
type: command
short-summary: Find out on this Linux machine which system calls of a command a profile would block.
long-summary: >
    Needs neither a cluster, nor az login, nor root. The command runs as usual: every call that the profile denies is
    counted, with the process that made it and its arguments, and then carried out. Only what the profile answers with
    ENOSYS (class fallback) is answered so, because programs then use another call, which has to be seen too. Children,
    threads and programs that the command starts are included, and no call is missed.


    The result has the form of an audit's, and az aks seccomp profile refine takes it. With --enforce the command is
    refused what a container would be refused. RuntimeDefault depends on containerd's version and on the capabilities of
    the container: --cap-add and --cap-drop say them, while the command itself runs with the rights of your account.


    Without CAP_SYS_ADMIN, set-user-ID programs such as sudo and ping start without their rights. A call that a signal
    handler without SA_RESTART interrupts may return EINTR where it would not in a container.
examples:
  - name: See what the RuntimeDefault of a node pool's containerd would block in a shell line.
    text: >
        az aks seccomp try --profile RuntimeDefault --containerd-version 1.7.33
        --command "sh -c 'unshare --user id; ls /'" -o table
  - name: Try a profile on a test suite, and fail a pipeline when it blocks something.
    text: >
        az aks seccomp try --profile web.json --command "python3 -m pytest" --fail-on blocked inconclusive
  - name: Run a service for 30 seconds and keep the report, then let the profile have what was missing.
    text: >
        az aks seccomp try --profile web.json --command ./server --duration 30s --report report.json &&
        az aks seccomp profile refine --profile web.json --report report.json
  - name: Get the result as a page to look at.
    text: >
        az aks seccomp try --profile web.json --command ./server --report report.html
  - name: See what the program does when the calls are refused.
    text: >
        az aks seccomp try --profile web.json --command ./server --enforce
  - name: Get the blocked system calls only.
    text: >
        az aks seccomp try --profile web.json --command ./server --query "findings[?class=='blocked'].syscall" -o tsv
"""
