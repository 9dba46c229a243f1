"""A base image for our Dockerfile, made of this machine's own Python: no registry is asked.

What `python:slim` has, as far as a build and our programs need it: Python with pip, a shell, a few commands, and the
libraries that these load.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

COMMANDS = ("sh", "mkdir", "chown", "cat", "sleep")
# Extension modules of packages load these, too.
LIBRARIES = ("libstdc++.so.6", "libgcc_s.so.1", "librt.so.1", "libpthread.so.0", "libdl.so.2")
LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "config-3"}


def write_base_image(file: Path) -> None:
    """Write a root file system as a tar file, for `docker import`."""
    python = Path(sys._base_executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    pip = stdlib / "site-packages" / "pip"
    commands = [Path(found) for each in COMMANDS if (found := shutil.which(each))]
    files = [python, *commands, *_walk(stdlib), *_walk(pip)]
    files += _libraries_of([path for path in files if path.suffix == ".so"] + [python, *commands])
    with tarfile.open(file, "w") as tar:
        for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("dev", 0o755), ("sys", 0o755)):
            tar.addfile(_folder(name, mode))
        _add_text(tar, "etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
        _add_text(tar, "etc/group", "root:x:0:\n")
        for path in dict.fromkeys(files):
            # Not under a link: `/lib` and `/usr/lib` are one folder on most machines, and two here.
            tar.add(path.resolve(), str(path).lstrip("/"), recursive=False, filter=_readable)
        for name in ("python", "python3"):
            link = tarfile.TarInfo(f"usr/local/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(python)
            tar.addfile(link)
        shell = tarfile.TarInfo("bin/sh")
        if str(shutil.which("sh")) != "/bin/sh":
            shell.type, shell.linkname = tarfile.SYMTYPE, str(shutil.which("sh"))
            tar.addfile(shell)


def _walk(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        at_stdlib = Path(top) == folder and folder.name.startswith("python")
        folders[:] = [
            each
            for each in folders
            if not at_stdlib
            or (each not in LEFT_OUT | {"site-packages"} and not each.startswith("config-"))
        ]
        yield from (
            Path(top, name) for name in names if ".opt-" not in name and "tkinter" not in name
        )


def _libraries_of(files: Iterable[Path]) -> list[Path]:
    said = subprocess.run(
        ["ldd", *map(str, files)], capture_output=True, text=True, check=False
    ).stdout
    cached = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    named = [re.search(rf"{re.escape(name)} .*=> (\S+)", cached.stdout) for name in LIBRARIES]
    found = re.findall(r"(?:=>\s+|^\s+)(/\S+) \(0x", said, re.M)
    return [Path(path) for path in dict.fromkeys([*found, *(each[1] for each in named if each)])]


def _folder(name: str, mode: int) -> tarfile.TarInfo:
    folder = tarfile.TarInfo(name)
    folder.type, folder.mode = tarfile.DIRTYPE, mode
    return folder


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text.encode()))


def _readable(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode |= 0o444
    return info
