"""The C library's allocator: have it give the memory of large texts back."""

from __future__ import annotations

import ctypes

#: Bytes from which on a text gets pages of its own, which the system has back when it is freed; and
#: bytes that the C library may keep at the end of its memory.
LARGE = 256 * 1024

#: Names of glibc for its options: https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def return_large_memory() -> bool:
    """Have the memory of large texts given back at once; it concerns this process as a whole.

    glibc begins so, and raises the size up to 32 MB when such memory is freed. Large requests and
    results are then cut out of its own memory, which small objects between them keep from going
    back.

    Returns
    -------
    bool
        Whether the C library can do it: only glibc can.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, LARGE) == 1 for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
