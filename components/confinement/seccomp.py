"""A filter of system calls: no sockets, no programs, no other processes, no changes to files' owners and rights.

What is not named is let through: TensorFlow makes many calls, and other ones in other versions. Landlock knows paths,
which a filter cannot see; a filter knows calls that Landlock has no rule for.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from typing import Final

from components.confinement.libc import call

_SET_SECCOMP, _FILTER = 22, 2  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # Where they lie in struct seccomp_data.
_PASS: Final = 0x7FFF0000
_NOT_PERMITTED: Final = 0x00050001
_NOT_KNOWN: Final = 0x00050026
_CLONE_THREAD: Final = 0x00010000
# x86-64 has a second table of calls behind this bit.
_X32: Final = 0x40000000

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers from 424 on are the same everywhere. Kernels that do not know a call refuse it anyway.
_SAME: Final = {
    **{"pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427},
    **{"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433},
    **{"pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "memfd_secret": 447},
    **{"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466},
}
_REFUSED: Final = {
    "x86_64": {
        **{"execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "ptrace": 101, "tkill": 200},
        **{"rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "process_vm_readv": 310, "process_vm_writev": 311},
        **{"unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161},
        **{"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "open_by_handle_at": 304},
        **{"add_key": 248, "request_key": 249, "keyctl": 250},
        # Memory that belongs to no process, or that a process's own figures do not show.
        **{"memfd_create": 319, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240},
        **{"chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260},
        **{"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190},
        **{"removexattr": 197, "lremovexattr": 198, "fremovexattr": 199},
        **{"utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280},
        **{"init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246, "kexec_file_load": 320},
    },
    "aarch64": {
        **{"execve": 221, "execveat": 281, "ptrace": 117, "tkill": 130},
        **{"rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "process_vm_readv": 270, "process_vm_writev": 271},
        **{"unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51},
        **{"bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "open_by_handle_at": 265},
        **{"add_key": 217, "request_key": 218, "keyctl": 219},
        **{"memfd_create": 279, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180},
        **{"fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55},
        **{"setxattr": 5, "lsetxattr": 6, "fsetxattr": 7},
        **{"removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "utimensat": 88},
        **{"init_module": 105, "finit_module": 273, "delete_module": 106, "kexec_load": 104, "kexec_file_load": 294},
    },
}
_SOCKET: Final = {"x86_64": 41, "aarch64": 198}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435
# Their first argument is a process: this one, or 0 where that means this one.
_OF_A_PROCESS: Final = {
    "x86_64": {"kill": 62, "tgkill": 234, "prlimit64": 302},
    "aarch64": {"kill": 129, "tgkill": 131, "prlimit64": 261},
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(network: bool) -> None:
    """Filters the calls of this thread and of those that it starts; needs `no_new_privs`.

    Args:
        network: Whether sockets stay.

    Raises:
        OSError: The kernel does not filter, or this machine's calls are not known here.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(f"the numbers of system calls on {machine} are not known here")
    code = b"".join(_instructions(machine, network))
    program = _Program(len(code) // 8, code)
    call("prctl", _SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def _instructions(machine: str, network: bool) -> Iterator[bytes]:
    yield _one(_LOAD, _ARCHITECTURE)
    yield from _unless(_EQUAL, _ARCHITECTURES[machine], _NOT_PERMITTED)
    yield _one(_LOAD, _NUMBER)
    if machine == "x86_64":
        yield from _where(_AT_LEAST, _X32, _NOT_PERMITTED)
    refused = {*_SAME.values(), *_REFUSED[machine].values(), *(() if network else (_SOCKET[machine],))}
    for number in sorted(refused):
        yield from _where(_EQUAL, number, _NOT_PERMITTED)
    # Its flags lie in memory, where a filter cannot look; C libraries fall back on clone.
    yield from _where(_EQUAL, _CLONE3, _NOT_KNOWN)
    threads_only = [_one(_LOAD, _FIRST_ARGUMENT), *_unless(_ANY_BIT, _CLONE_THREAD, _NOT_PERMITTED)]
    yield from _only(_CLONE[machine], threads_only)
    for name, number in _OF_A_PROCESS[machine].items():
        own = [*(() if name == "kill" else _where(_EQUAL, 0, _PASS)), *_unless(_EQUAL, os.getpid(), _NOT_PERMITTED)]
        yield from _only(number, [_one(_LOAD, _FIRST_ARGUMENT), *own])
    yield _one(_RETURN, _PASS)


def _where(test: int, value: int, then: int) -> list[bytes]:
    return [_one(test, value, 0, 1), _one(_RETURN, then)]


def _unless(test: int, value: int, then: int) -> list[bytes]:
    return [_one(test, value, 1, 0), _one(_RETURN, then)]


def _only(number: int, instructions: list[bytes]) -> list[bytes]:
    """Instructions for one call, after which it is let through."""
    block = [*instructions, _one(_RETURN, _PASS)]
    return [_one(_EQUAL, number, 0, len(block)), *block]


def _one(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
