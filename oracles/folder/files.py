"""Files of the campaign folder: written whole or not at all."""

import os
from pathlib import Path
from threading import get_ident


def write_whole(path: Path, content: bytes) -> None:
    """Put the content at the path, so that a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_changed(path: Path, content: bytes) -> None:
    """The same, but leave a file alone that has this content already."""
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
