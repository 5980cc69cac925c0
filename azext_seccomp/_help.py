# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Help texts, a block for each group of commands. Every command has at least one example, and every example parses."""

from knack.help_files import helps

helps["aks seccomp"] = """
type: group
short-summary: Find the system calls that a seccomp profile blocks in workloads on AKS, and correct the profile.
"""

helps["aks seccomp profile"] = """
type: group
short-summary: Work with seccomp profile files, on this machine and on the nodes of a cluster.
"""
