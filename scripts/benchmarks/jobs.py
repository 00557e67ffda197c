"""The jobs, with what is to be reached in each."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.job import Contestant, Job, cpu_goal, memory_goal, speed_goal
from imgmem import BuildSpec, ImageSpec, build
from imgmem.core.machine.memory import allowed_cpus

PEERS = ("ffcv", "litdata", "streaming", "datasets", "webdataset")
SERVERS = (*PEERS, "turboloader")
CROPPERS = ("ffcv", "turboloader")
BATCH = 64
CROP = 176
MEMORY_MB = 150


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of everything: numbers of images."""

    photos: int = 10_000
    large: int = 48
    tiny: int = 50_000
    rows: int = 6000
    heads: int = 20_000
    listed: int = 40_000
    classes: int = 10_000


QUICK = Scale(photos=24, large=2, tiny=60, rows=24, heads=60, listed=60, classes=20)


class Workshop:
    """A directory with the material that jobs share, made when it is first asked for."""

    def __init__(self, directory: Path, scale: Scale, given: Path | None) -> None:
        self.directory, self.scale, self.given = directory, scale, given
        self.threads = allowed_cpus()

    def photos(self) -> str:
        return self._folder("photos", lambda to: pictures.photos(to, self.scale.photos, self.given))

    def large(self) -> str:
        return self._folder("large", lambda to: pictures.large(to, self.scale.large))

    def tiny(self) -> str:
        return self._folder("tiny", lambda to: pictures.tiny(to, self.scale.tiny))

    def tiny_gray(self) -> str:
        return self._folder("gray", lambda to: pictures.tiny_gray(to, self.scale.tiny))

    def many_classes(self) -> str:
        count, classes = self.scale.listed, self.scale.classes
        return self._folder("classes", lambda to: pictures.many_classes(to, count, classes))

    def heads(self) -> str:
        many = self.scale.heads
        return self._folder("heads", lambda to: pictures.photos(to, many, self.given))

    def dataset(self, dtype: str = "uint8") -> str:
        """A dataset of 224×224, of as many rows as the scale says."""
        source = self._folder("rows", lambda to: pictures.photos(to, self.scale.rows, self.given))
        spec = BuildSpec(image=ImageSpec(), dtype=dtype)  # type: ignore[arg-type]
        return self._folder(dtype, lambda to: build(source, to, spec=spec))

    def out(self, name: str) -> str:
        """Where a contestant may write."""
        return str(self.directory / "out" / name)

    def _folder(self, name: str, make: Callable[[Path], Any]) -> str:
        path = self.directory / name
        if not path.exists():
            make(path)
        return str(path)


def build_photos(shop: Workshop) -> Job:
    """Photographs of the size of ImageNet's, to 224×224."""
    contestants = [
        *_builders(shop, shop.photos(), 224),
        _call("naive list + np.array", "baseline", "building:naive",
              source=shop.photos(), out=shop.out("naive.npy"), size=224),
        *_peers(shop, "build", shop.photos(), 224, SERVERS),
    ]  # fmt: skip
    goals = [
        cpu_goal("imgmem", "image", 1.9),
        speed_goal("imgmem", "decode + resize alone", 0.9),
        memory_goal("imgmem", MEMORY_MB),
    ]
    return Job(
        name="build-photos", title="build: photographs to 224×224", unit="image",
        contestants=contestants, goals=goals,
    )  # fmt: skip


def build_large(shop: Workshop) -> Job:
    """Twelve megapixels, to 224×224."""
    arguments = {"source": shop.large(), "size": 224, "threads": shop.threads}
    contestants = [
        *_builders(shop, shop.large(), 224),
        _call("Pillow draft + bilinear", "baseline", "building:pillow_draft",
              out=shop.out("pillow.npy"), **arguments),
    ]  # fmt: skip
    full = f"OpenCV + memmap, {shop.threads} threads"
    goals = [speed_goal("imgmem", full, 3.5), memory_goal("imgmem", MEMORY_MB)]
    return Job(
        name="build-large", title="build: 4000×3000 to 224×224", unit="image",
        contestants=contestants, goals=goals,
    )  # fmt: skip


def build_tiny(shop: Workshop) -> Job:
    """Pictures that already have their size: the overhead of everything but pixels."""
    return _tiny(shop, "build-tiny", "build: 32×32 JPEGs", shop.tiny(), 32)


def build_tiny_png(shop: Workshop) -> Job:
    """The same with the format of MNIST and its kin."""
    return _tiny(shop, "build-tiny-png", "build: 28×28 gray PNGs", shop.tiny_gray(), 28)


def _tiny(shop: Workshop, name: str, title: str, source: str, size: int) -> Job:
    by_executor = [
        _call(f"imgmem, {executor}", "imgmem", "building:imgmem", source=source, size=size,
              out=shop.out("imgmem"), executor=executor)
        for executor in ("threads", "processes")
    ]  # fmt: skip
    contestants = [
        *_builders(shop, source, size), *by_executor,
        *_peers(shop, "build", source, size, SERVERS),
    ]  # fmt: skip
    loop = f"OpenCV + memmap, {shop.threads} threads"
    goals = [
        speed_goal("imgmem", loop, 1.0),
        speed_goal("imgmem", "ffcv", 1.3),
        memory_goal("imgmem", MEMORY_MB),
    ]
    return Job(name=name, title=title, unit="image", contestants=contestants, goals=goals)


def plan_classes(shop: Workshop) -> Job:
    """Splitting ten thousand classes costs little beside listing them."""
    source = shop.many_classes()
    contestants = [
        _call("imgmem", "imgmem", "building:planned", source=source, split="train=0.8,val=0.2"),
        _call("without splits", "limit", "building:planned", source=source, split=None),
    ]
    return Job(
        name="plan-classes", title="build: listing and splitting 10,000 classes", unit="image",
        contestants=contestants, goals=[speed_goal("imgmem", "without splits", 0.6)],
    )  # fmt: skip


def stats(shop: Workshop) -> Job:
    """All that `imgmem stats` tells, of uint8 rows in the page cache."""
    calls = {
        "imgmem": ("imgmem", "stats_imgmem"),
        "read the file": ("limit", "read_alone"),
        "NumPy, chunks": ("baseline", "stats_chunked"),
        "NumPy, whole array": ("baseline", "stats_numpy"),
    }
    contestants = [
        _call(name, kind, f"streaming:{function}", path=shop.dataset())
        for name, (kind, function) in calls.items()
    ]
    goals = [speed_goal("imgmem", "read the file", 0.7), memory_goal("imgmem", MEMORY_MB)]
    return Job(
        name="stats", title="stats: uint8", unit="byte", contestants=contestants, goals=goals
    )


def normalize(shop: Workshop) -> Job:
    """uint8 to float32, in place."""
    calls = {
        "imgmem": ("imgmem", "normalize_imgmem"),
        "write the result": ("limit", "write_alone"),
        "NumPy, chunks": ("baseline", "normalize_chunked"),
        "NumPy, whole array": ("baseline", "normalize_whole"),
    }
    return _normalizing(shop, "normalize", "uint8", calls, 0.6)


def normalize_float(shop: Workshop) -> Job:
    """float32 in place, of the same size: everything is written twice."""
    calls = {
        "imgmem": ("imgmem", "normalize_imgmem"),
        "write the result": ("limit", "write_alone"),
    }
    return _normalizing(shop, "normalize-float", "float32", calls, 0.4)


def _normalizing(
    shop: Workshop, name: str, dtype: str, calls: dict[str, tuple[str, str]], reach: float
) -> Job:
    arguments = {"source": shop.dataset(dtype), "path": shop.out(name)}
    contestants = [
        _call(each, kind, f"streaming:{function}", **arguments)
        for each, (kind, function) in calls.items()
    ]
    goals = [speed_goal("imgmem", "write the result", reach), memory_goal("imgmem", MEMORY_MB)]
    return Job(
        name=name, title=f"normalize: {dtype} to float32, in place, durable", unit="byte",
        contestants=contestants, goals=goals,
    )  # fmt: skip


def batches(shop: Workshop) -> Job:
    """Random batches of 64, normalized to float32, page cache warm."""
    path = shop.dataset()
    arguments: dict[str, Any] = {"path": path, "batch": BATCH}
    contestants = [
        _call("imgmem", "imgmem", "training:imgmem", **arguments),
        _call("imgmem, NCHW", "imgmem", "training:imgmem", layout="NCHW", **arguments),
        _call("imgmem without Numba", "imgmem", "training:imgmem", numba=False, **arguments),
        _call("gather alone", "limit", "training:gather_alone", **arguments),
        _call("naive Dataset", "baseline", "training:naive", **arguments),
        *_loaders(arguments, shop.threads),
        *_peers(shop, "batches", str(shop.directory / "rows"), 224, SERVERS, batch=BATCH),
    ]
    naive = f"DataLoader over naive Dataset, {shop.threads} workers"
    goals = [
        speed_goal("imgmem", "ffcv", 1.1),
        speed_goal("imgmem, NCHW", "turboloader", 1.0),
        speed_goal("imgmem", "naive Dataset", 8.0),
        speed_goal(f"imgmem.torch, {shop.threads} workers", naive, 4.0),
        memory_goal("imgmem without Numba", MEMORY_MB),
    ]
    return Job(
        name="batches", title="random batches of 64 to normalized float32", unit="image",
        contestants=contestants, goals=goals, stays=True,
    )  # fmt: skip


def _loaders(arguments: dict[str, Any], threads: int) -> list[Contestant]:
    """PyTorch's DataLoader with and without worker processes, over ours and the plain one."""
    names = {"torch_imgmem": "imgmem.torch", "torch_naive": "DataLoader over naive Dataset"}
    return [
        _call(f"{name}, {workers} workers", "imgmem" if "imgmem" in name else "baseline",
              f"training:{function}", needs="torch", workers=workers, **arguments)
        for function, name in names.items()
        for workers in (0, threads)
    ]  # fmt: skip


def batches_cold(shop: Workshop) -> Job:
    """The same with nothing in the page cache."""
    arguments = {"path": shop.dataset(), "batch": BATCH, "cold": True}
    contestants = [
        _call("imgmem", "imgmem", "training:imgmem", **arguments),
        _call("gather alone", "limit", "training:gather_alone", **arguments),
        _call("naive Dataset", "baseline", "training:naive", **arguments),
    ]
    return Job(
        name="batches-cold", title="the same, from the disk", unit="image",
        contestants=contestants, goals=[],
    )  # fmt: skip


def crops(shop: Workshop) -> Job:
    """Random-resized-crop to 176 and flips, normalized to float32, page cache warm."""
    arguments: dict[str, Any] = {"path": shop.dataset(), "batch": BATCH, "crop": CROP}
    source = str(shop.directory / "rows")
    contestants = [
        _call("imgmem", "imgmem", "training:imgmem", layout="NCHW", **arguments),
        _call("gather alone", "limit", "training:gather_alone", path=shop.dataset(), batch=BATCH),
        _call("torchvision, item by item", "baseline", "training:crops_item_by_item",
              needs="torchvision", **arguments),
        *_peers(shop, "crops", source, 224, CROPPERS, batch=BATCH, crop=CROP),
    ]  # fmt: skip
    goals = [speed_goal("imgmem", "turboloader", 1.0), speed_goal("imgmem", "ffcv", 1.0)]
    return Job(
        name="crops", title="random-resized-crop 224 to 176, flip, normalized float32",
        unit="image", contestants=contestants, goals=goals, stays=True,
    )  # fmt: skip


def estimate(shop: Workshop) -> Job:
    """Sizes of all images, by their headers."""
    calls = {
        "imgmem": ("imgmem", "imgmem"),
        "open, read 4 KB, close": ("limit", "open_alone"),
        "Pillow": ("baseline", "pillow"),
    }
    contestants = [
        _call(name, kind, f"heads:{function}", source=shop.heads())
        for name, (kind, function) in calls.items()
    ]
    return Job(
        name="estimate", title="estimate: headers of JPEGs, warm", unit="image",
        contestants=contestants, goals=[cpu_goal("imgmem", "image", 0.05)],
    )  # fmt: skip


def start(shop: Workshop) -> Job:
    """How long before anything happens."""
    commands = {
        "imgmem --help": ("imgmem", (sys.executable, "-m", "imgmem", "--help")),
        "import click": ("limit", (sys.executable, "-c", "import click")),
    }
    contestants = [
        Contestant(name=name, kind=kind, command=command)  # type: ignore[arg-type]
        for name, (kind, command) in commands.items()
    ]
    goals = [speed_goal("imgmem --help", "import click", 1 / 1.5)]
    return Job(name="start", title="start-up", unit="start", contestants=contestants, goals=goals)


JOBS: dict[str, Callable[[Workshop], Job]] = {
    "build-photos": build_photos,
    "build-large": build_large,
    "build-tiny": build_tiny,
    "build-tiny-png": build_tiny_png,
    "plan-classes": plan_classes,
    "stats": stats,
    "normalize": normalize,
    "normalize-float": normalize_float,
    "batches": batches,
    "batches-cold": batches_cold,
    "crops": crops,
    "estimate": estimate,
    "start": start,
}


def _builders(shop: Workshop, source: str, size: int) -> list[Contestant]:
    """imgmem, the limit, and the OpenCV loop with one thread and with as many as there are."""
    arguments: dict[str, Any] = {"source": source, "size": size}
    return [
        _call("imgmem", "imgmem", "building:imgmem",
              out=shop.out("imgmem"), **arguments),
        _call("decode + resize alone", "limit", "building:decode_alone",
              threads=shop.threads, **arguments),
        *(
            _call(f"OpenCV + memmap, {threads} thread{'s' * (threads > 1)}", "baseline",
                  "building:opencv_memmap", out=shop.out("opencv.npy"), threads=threads,
                  **arguments)
            for threads in sorted({1, shop.threads})
        ),
    ]  # fmt: skip


def _peers(
    shop: Workshop,
    function: str,
    source: str,
    size: int,
    peers: tuple[str, ...] = PEERS,
    **more: int,
) -> list[Contestant]:
    return [
        _call(peer, "peer", f"peers.{peer}:{function}", peer=peer, source=source, size=size,
              out=shop.out(f"{peer}-{function}"), threads=shop.threads, **more)
        for peer in peers
    ]  # fmt: skip


def _call(
    name: str, kind: Any, call: str, *, needs: str = "", peer: str = "", **arguments: Any
) -> Contestant:
    return Contestant(name=name, kind=kind, call=call, arguments=arguments, needs=needs, peer=peer)
