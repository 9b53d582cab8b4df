"""Read files that a stranger named: only regular ones, and only up to a size."""

import errno
import os
import stat
from pathlib import Path

ANNOTATIONS = 4 << 30
"""Bytes; the largest annotation file that is read. COCO's train json has 0.47e9."""

LABELS = 16 << 20
"""Bytes; the largest file of one image's labels, list of images or settings that is read."""


def read(path: str | Path, limit: int) -> bytes:
    """The file's bytes.

    Raises OSError for a FIFO, a device or a folder, which could block or never end, and for a file of more
    than `limit` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"larger than {limit >> 20} MiB", str(path))
        return file.read(limit)
