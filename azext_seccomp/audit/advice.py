# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What to do about a finding, in a sentence or two."""

from azext_seccomp.audit.verdict import Ruled
from azext_seccomp.profile.explain import explanation


def advice(one: Ruled) -> str:
    """From the tables of the profile engine; empty for what needs nothing done."""
    syscall = one.finding.syscall
    if one.finding_class == "fallback":
        return "Nothing to do: programs are made for this answer and use an older call instead."
    if one.finding_class == "startup":
        return f"runc makes this call while it starts the container: allow {syscall}, or the container may not start."
    if one.finding_class != "blocked":
        return ""
    known = explanation(syscall)
    if known is None:
        return f"Find out what makes this call; allow {syscall} in the profile if the program needs it."
    return known.advice
