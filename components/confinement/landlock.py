"""Landlock: a process gives up writing to files, connecting and signalling, and cannot take it back.

Source: https://docs.kernel.org/userspace-api/landlock.html.
"""

import ctypes
import os
from collections.abc import Sequence
from typing import Final

from components.confinement.libc import call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # On every architecture.
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_MAKE_DEVICES: Final = 1 << 6 | 1 << 11
# Writing, removing and making; reading (bits 2 and 3) stays as it is.
_OF_VERSION_1: Final = _EXECUTE | _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_ADDED: Final = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
_TCP: Final = 1 << 0 | 1 << 1
_SCOPE_SOCKETS_AND_SIGNALS: Final = 1 << 0 | 1 << 1

SINCE_TRUNCATION: Final = 3
SINCE_TCP: Final = 4


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(folder: str, devices: Sequence[str], network: bool) -> int:
    """Leaves this thread, and those it starts, writing in one folder and to some devices.

    Args:
        folder: What may be written in.
        devices: Files that may be written to and controlled; those that do not exist are passed over.
        network: Whether TCP stays.

    Returns:
        Landlock's version. Before 3, files elsewhere can be emptied; before 4, TCP stays.

    Raises:
        OSError: The kernel has no Landlock, or does not let us.
    """
    version = call("syscall", _CREATE_RULESET, ctypes.c_void_p(None), 0, _ASK_VERSION)
    handled = _OF_VERSION_1 | sum(right for since, right in _ADDED.items() if since <= version)
    ruleset = _Ruleset(handled, 0 if network or version < SINCE_TCP else _TCP, _SCOPE_SOCKETS_AND_SIGNALS)
    # An older kernel knows fewer members, and refuses a structure that is longer.
    size = 24 if version >= 6 else 16 if version >= SINCE_TCP else 8
    rules = call("syscall", _CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        _allow(rules, folder, handled & ~(_EXECUTE | _MAKE_DEVICES))
        for device in filter(os.path.exists, devices):
            _allow(rules, device, handled & (_WRITE_FILE | _TRUNCATE | _IOCTL))
        call("syscall", _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return version


def _allow(rules: int, path: str, rights: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        call("syscall", _ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(_Beneath(rights, opened)), 0)
    finally:
        os.close(opened)
