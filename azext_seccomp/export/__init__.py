# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The report of an audit or a try in the formats that others read. Pure: a report in, bytes out.

A report is full of names that somebody in a container chose. Each format makes them harmless in one place of its own.
"""
