"""A network without interfaces, and no privileges."""

import ctypes
import os
from typing import Final

from components.confinement.libc import call

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000  # CLONE_NEWNET, CLONE_NEWUSER
_VERSION_3: Final = 0x20080522
# Root reads whatever there is by this one, and has to go on reading it.
_READ_SEARCH: Final = 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


def leave_network() -> None:
    """Moves this process, which must have one thread, into a network of its own that has no interfaces.

    Raises:
        OSError: The kernel does not let an ordinary user, as in most containers.
    """
    enter(_NEW_NETWORK)


def enter(kind: int) -> None:
    """Moves this process, which must have one thread, into a namespace of its own.

    Args:
        kind: Which, as Linux' unshare has it.

    Raises:
        OSError: The kernel does not let an ordinary user, as in most containers.
    """
    try:
        call("unshare", kind)
    except PermissionError:
        user, group = os.getuid(), os.getgid()
        call("unshare", _NEW_USER | kind)
        # Everybody else becomes `nobody` in there; files are still this user's.
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def drop_privileges() -> None:
    """Gives up every privilege, but for reading what root may read.

    Raises:
        OSError: The kernel does not let us.
    """
    # Effective, permitted and inheritable of capabilities 0 to 31, then of the others.
    kept = (ctypes.c_uint32 * 6)()
    call("capget", ctypes.byref(_Header(_VERSION_3, 0)), kept)
    left = kept[1] & _READ_SEARCH if os.geteuid() == 0 else 0
    call("capset", ctypes.byref(_Header(_VERSION_3, 0)), (ctypes.c_uint32 * 6)(left, left, 0, 0, 0, 0))
