"""Functions of the C library and system calls for which Python has none; they exist on Linux alone."""

import ctypes
import errno
import os
import sys
from typing import Any

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Calls a function that returns -1 where it fails.

    Args:
        name: Of the function.
        arguments: Numbers as C's long, or ctypes' own types.

    Raises:
        OSError: It failed, or there is none on this system.
    """
    function = getattr(_LIBRARY, name, None) if sys.platform == "linux" else None
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    # Functions with any number of arguments read every one as a register's full width.
    result = int(function(*(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
