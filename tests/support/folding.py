"""Real file systems that ignore the case of names, or their Unicode form, where this machine has
the tools to make and mount one."""

import shutil
import subprocess
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(kind, base):
    """A new file system of a kind of KINDS, mounted in `base`; skips the test without its tools."""
    tools, mount = KINDS[kind]
    missing = [tool for tool in tools if not _find(tool)]
    if missing or not Path("/dev/fuse").exists():
        pytest.skip(f"needs {', '.join(missing or ['/dev/fuse'])}")
    (base / "mount").mkdir()
    try:
        with mount(base / "image", base / "mount"):
            yield base / "mount"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no {kind} here: {error.stderr.strip()}")


def _find(tool):
    return shutil.which(tool, path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")


def _run(tool, *arguments):
    done = subprocess.run(
        [_find(tool), *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def _image(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


@contextmanager
def _ntfs(image, mount):
    """Ignores case, and lists all names in small letters."""
    _run("mkntfs", "-F", "-Q", _image(image, 2**25))
    _run("lowntfs-3g", "-o", "ignore_case", image, mount)
    try:
        yield
    finally:
        _run("umount", "-l", mount)


@contextmanager
def _exfat(image, mount):
    """Ignores case; each spelling of a name has an inode number of its own."""
    _run("mkfs.exfat", _image(image, 2**25))
    device = _run("losetup", "-f", "--show", image)
    try:
        _run("mount.exfat-fuse", device, mount)
        try:
            yield
        finally:
            _run("umount", "-l", mount)
    finally:
        _run("losetup", "-d", device)


@contextmanager
def _zfs(image, mount):
    """Ignores case and the Unicode form, and lists names as they were written, as macOS does."""
    if Path("/var/run/zfs/zfs_socket").exists():
        pytest.skip("another zfs-fuse is at work")
    Path("/var/run/zfs").mkdir(exist_ok=True)
    server = subprocess.Popen(
        [_find("zfs-fuse"), "-n", "--no-kstat-mount"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not Path("/var/run/zfs/zfs_socket").exists():
            time.sleep(0.05)
        folding = ["-O", "casesensitivity=insensitive", "-O", "normalization=formD"]
        _run(
            "zpool",
            "create",
            "-o",
            "cachefile=none",
            "-m",
            mount,
            *folding,
            f"imgmem-{uuid.uuid4().hex}",
            _image(image, 2**27),
        )
        try:
            yield
        finally:
            _run("umount", "-l", mount)
    finally:
        server.kill()  # the pool is a file that nobody needs any more
        server.wait()
        with suppress(FileNotFoundError):
            Path("/var/run/zfs/zfs_socket").unlink()


KINDS = {
    "ntfs": (("mkntfs", "lowntfs-3g"), _ntfs),
    "exfat": (("mkfs.exfat", "mount.exfat-fuse", "losetup"), _exfat),
    "zfs": (("zfs-fuse", "zpool"), _zfs),
}
