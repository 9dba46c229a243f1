"""Writes a file that others may read at any moment: they find the old one or the new one, never a part.

Knows nothing of what is in it.
"""

import os
import tempfile
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write `content` beside `file`, then put it in its place; its folder is made. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".unfinished-")
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
    os.replace(name, file)
