# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""JSON as az prints it with ``-o json``."""

import json
from collections.abc import Mapping
from typing import Any


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """UTF-8, two spaces deep. Half of a surrogate pair, which UTF-8 cannot hold, becomes ``?``."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")
