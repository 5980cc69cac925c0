# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A stand-in for Inspektor Gadget's ``ig run …/audit_seccomp``, for machines whose kernel takes no eBPF tracing
programs.

What it copies, and from where (repository inspektor-gadget/inspektor-gadget, versions 0.52 to 0.55):

- flags of ``ig run`` and its errors (``cmd/common/oci.go``, ``pkg/operators/oci-handler``,
  ``pkg/operators/localmanager``; spf13/pflag's texts);
- one JSON object per event with every field, keys sorted (``pkg/datasource/formatters/json``,
  ``pkg/datasource/compat/wrapper.go``, ``include/gadget/types.h``, ``gadgets/audit_seccomp/program.bpf.c``): codes by
  exact match, names ``SYS_…`` from the host's own table;
- log lines of logrus on stderr: ``running...`` under ``-v`` (``pkg/gadget-context/run.go``), ``reading event: lost N
  samples``, after which the event that carried the report is left out (``pkg/operators/ebpf/tracer.go``);
- which events there are: those of containers that match the filters, without pause containers; the host's only with
  ``--host``;
- exit code 0 after ``--timeout``, SIGTERM and SIGINT, 1 with ``Error: …`` otherwise.

What is real: the events. They are this kernel's own audit records of type 1326, read from the audit multicast group.
The gadget hooks the function that writes them. What differs: the time has milliseconds; ``tid`` is the process id, as
the record has no thread id; image digest and user stacks are empty; losses show at the next event instead of once a
second.

How a record finds its container: the process's cgroup names it. A process that has ended by then is found through its
ancestors, from the kernel's fork events (CN_PROC, see ``tests/stand/cluster/process_events.py``). All nodes of the
stand share one kernel; a container counts when the containerd of this node knows it.
"""
