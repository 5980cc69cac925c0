# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Running a seccomp program without the kernel, for more cases than a kernel can be asked in a minute."""

import struct
from collections.abc import Sequence

from tests.kernel.runc_filter import Instruction


def run(program: Sequence[Instruction], number: int, audit_arch: int, args: Sequence[int]) -> int:
    """What ``program`` returns for a call; the data that it reads is ``struct seccomp_data`` (linux/seccomp.h)."""
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit_arch, 0, *args)
    words = struct.unpack("=16I", data)
    accumulator = 0
    at = 0
    while True:
        step = program[at]
        at += 1
        match step.code:
            case 0x20:  # ld [k]
                accumulator = words[step.k // 4]
            case 0x54:  # and k
                accumulator &= step.k
            case 0x05:  # ja
                at += step.k
            case 0x15:  # jeq
                at += step.jt if accumulator == step.k else step.jf
            case 0x25:  # jgt
                at += step.jt if accumulator > step.k else step.jf
            case 0x35:  # jge
                at += step.jt if accumulator >= step.k else step.jf
            case 0x45:  # jset
                at += step.jt if accumulator & step.k else step.jf
            case 0x06:  # ret k
                return step.k
            case _:
                raise ValueError(f"opcode {step.code:#x}")
