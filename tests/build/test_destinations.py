"""OUT as people write it: mounts, links, the current folder, folders that hold other things."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from support.mounts import run_with_mounts
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, InputError, UsageError
from imgmem.core.rows.out_file import check_out_files
from imgmem.core.specs import BuildSpec, ImageSpec
from imgmem.core.storage import durable
from imgmem.core.storage.system import System

SPEC = BuildSpec(image=ImageSpec(size=(8, 10)))
OTHER = BuildSpec(image=ImageSpec(size=(6, 6)))


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 3, "b": 3})


@pytest.fixture
def expected(tmp_path, source):
    imgmem.build(source, tmp_path / "expected", spec=SPEC)
    return snapshot(tmp_path / "expected")


def build(source, out, spec=SPEC, **options):
    return imgmem.build(source, out, spec=spec, **options)


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (imgmem.sample, "s.png"),
        (imgmem.sample, "s/"),
        (imgmem.stats, "report"),
        (imgmem.stats, "list"),
    ],
)
def test_a_result_in_a_read_only_folder_is_refused_first(tmp_path, source, monkeypatch, run, name):
    build(source, tmp_path / "out")
    (tmp_path / "fixed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("fixed"))
    keyword = "out" if run is imgmem.sample else name
    with pytest.raises(UsageError, match=r"cannot be written: .*fixed is read-only"):
        run(tmp_path / "out", **{keyword: f"{tmp_path}/fixed/{name}"})
    assert not list((tmp_path / "fixed").iterdir())


def test_an_existing_folder_is_filled_and_keeps_its_permissions(tmp_path, source, expected):
    out = tmp_path / "out"
    out.mkdir(mode=0o2750)
    before = out.stat()
    build(source, out)
    assert snapshot(out) == expected
    assert (out.stat().st_mode, out.stat().st_ino) == (before.st_mode, before.st_ino)


@pytest.mark.parametrize("guest", ["lost+found/", ".gitkeep", ".DS_Store", ".Trash-1000/x"])
def test_what_a_file_system_or_git_puts_into_a_folder_stays(tmp_path, source, expected, guest):
    out = tmp_path / "out"
    (out / guest).parent.mkdir(parents=True)
    (out / guest).mkdir() if guest.endswith("/") else (out / guest).touch()
    build(source, out)
    build(source, out, OTHER, overwrite=True)
    build(source, out, SPEC, overwrite=True)
    assert (out / guest).exists()
    assert snapshot(out).items() >= expected.items()


@pytest.mark.parametrize("out", [".", "../here", "../here/", "./", "../link"])
def test_the_current_folder_by_any_name(tmp_path, source, expected, monkeypatch, out):
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(here)
    build(source, out)
    assert snapshot(here) == expected
    build(source, out, OTHER, overwrite=True)
    assert Path("X.npy").exists()  # the folder one stands in is the same


@pytest.mark.parametrize("behind", ["missing", "empty", "dataset"])
def test_a_link_stays_and_the_dataset_lies_behind_it(tmp_path, source, expected, behind):
    disk = tmp_path / "disk"
    disk.mkdir()
    if behind == "empty":
        (disk / "real").mkdir()
    elif behind == "dataset":
        build(source, disk / "real", OTHER)
    (tmp_path / "out").symlink_to(disk / "real")
    build(source, tmp_path / "out", overwrite=behind == "dataset")
    assert (tmp_path / "out").is_symlink()
    assert snapshot(disk / "real") == expected
    assert os.listdir(disk) == ["real"]


def test_a_link_to_a_disk_that_is_not_there_is_refused(tmp_path, source):
    (tmp_path / "out").symlink_to(tmp_path / "unmounted" / "real")
    with pytest.raises(UsageError, match="there is no folder"):
        build(source, tmp_path / "out")
    assert not (tmp_path / "unmounted").exists()


def test_a_link_that_leads_in_a_circle_is_refused(tmp_path, source):
    (tmp_path / "out").symlink_to(tmp_path / "out")
    with pytest.raises((UsageError, DatasetError)):
        build(source, tmp_path / "out")


def test_a_dataset_in_its_own_place_is_done_already(tmp_path, source):
    (tmp_path / "out").mkdir()
    build(source, tmp_path / "out")
    assert build(source, tmp_path / "out").already_done


@pytest.mark.parametrize("options", [{"overwrite": True}, {"update": True}])
@pytest.mark.parametrize("which", [".", ".lock"])
def test_a_read_only_dataset_is_not_replaced(tmp_path, source, monkeypatch, which, options):
    out = tmp_path / "out"
    build(source, out)
    shutil.copy(source / "a/00.png", source / "a/new.png")
    before = snapshot(tmp_path)
    allowed, closed = os.access, str(out / which if which != "." else out)  # root may write all
    with monkeypatch.context() as patched, pytest.raises(UsageError, match="is read-only"):
        patched.setattr(os, "access", lambda path, mode: path != closed and allowed(path, mode))
        build(source, out, **options)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("foreign", ["notes.txt", "models/m.pt", "X.npy.bak", ".hidden"])
def test_what_is_not_imgmems_is_never_replaced(tmp_path, source, foreign):
    out = tmp_path / "out"
    build(source, out)
    (out / foreign).parent.mkdir(exist_ok=True)
    (out / foreign).write_text("mine")
    before = snapshot(tmp_path)
    for _ in range(2):
        with pytest.raises(DatasetError, match=f"not part of a dataset: {foreign.split('/')[0]}"):
            build(source, out, OTHER, overwrite=True)
        assert snapshot(tmp_path) == before


def test_what_appears_during_the_build_is_not_replaced_either(tmp_path, source):
    out = tmp_path / "out"
    build(source, out)

    def late(progress):
        if progress.phase == "build":
            (out / "notes.txt").write_text("mine")

    with pytest.raises(DatasetError, match=r"notes\.txt") as caught:
        build(source, out, OTHER, overwrite=True, progress=late)
    assert f"mv {out / 'notes.txt'} " in caught.value.hint
    (out / "notes.txt").unlink()
    assert build(source, out, OTHER, overwrite=True).resumed_at == 6


def test_what_lies_in_a_working_directory_is_never_removed(tmp_path, source):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "notes.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(DatasetError, match=r"notes\.txt"):
            build(source, tmp_path / "out", restart=restart)
    assert (tmp_path / ".out.partial" / "notes.txt").read_text() == "mine"


WRITERS = {
    "build": build,
    "normalize": lambda _, out: imgmem.normalize("data", to=out),
    "sample": lambda _, out: imgmem.sample("data", count=2, out=out),
    "report": lambda _, out: check_out_files([out], "data", overwrite=False),
}


def test_a_sample_fills_an_existing_folder(tmp_path, source):
    build(source, tmp_path / "data")
    (tmp_path / "out" / "lost+found").mkdir(parents=True)
    imgmem.sample(tmp_path / "data", count=2, out=f"{tmp_path / 'out'}/")
    assert len(os.listdir(tmp_path / "out")) == 5
    assert not (tmp_path / "out" / ".sample.new").exists()


@pytest.mark.parametrize(
    "out", ["s3://bucket/x", "gs://b", "https://host/x", "S3://b", "file:///x"]
)
@pytest.mark.parametrize("command", ["build", "normalize", "sample", "report"])
def test_an_address_is_not_a_folder(tmp_path, source, monkeypatch, out, command):
    monkeypatch.chdir(tmp_path)
    build(source, "data")
    before = sorted(os.listdir())
    with pytest.raises(UsageError, match="is an address"):
        WRITERS[command](source, out)
    assert sorted(os.listdir()) == before


class Layered(System):
    """An overlay, where folders of a lower layer cannot be renamed."""

    code = errno.EXDEV

    def exchange(self, one, other):
        raise OSError(self.code, os.strerror(self.code), one)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EBUSY, errno.EPERM])
def test_a_folder_that_cannot_be_renamed_is_replaced_file_by_file(
    tmp_path, source, expected, monkeypatch, code
):
    build(source, tmp_path / "out", OTHER)
    (tmp_path / "out" / "checksums.json").touch()  # of the old one only
    layered = Layered()
    layered.code = code
    monkeypatch.setattr(durable, "_system", layered)
    build(source, tmp_path / "out", overwrite=True)
    assert snapshot(tmp_path / "out") == expected
    assert not (tmp_path / ".out.partial").exists()


def test_an_unfinished_build_resumes_where_it_is(tmp_path, source, expected):
    (tmp_path / "out").mkdir()

    def stop(progress):
        if progress.phase == "build":
            raise KeyboardInterrupt

    with pytest.raises(imgmem.Interrupted):
        build(source, tmp_path / "out", progress=stop)
    assert os.listdir(tmp_path / "out") == [".partial"]
    build(source, tmp_path / "out")
    assert snapshot(tmp_path / "out") == expected


def test_normalize_fills_an_existing_folder(tmp_path, source):
    build(source, tmp_path / "data")
    imgmem.normalize(tmp_path / "data", to=tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ".gitkeep").touch()
    imgmem.normalize(tmp_path / "data", to=tmp_path / "two")
    assert snapshot(tmp_path / "two") == snapshot(tmp_path / "one") | {".gitkeep": b""}


MOUNTS = """
import os, sys
import imgmem
from imgmem.core.specs import BuildSpec, ImageSpec
base, source = sys.argv[1:3]
os.chdir(base)
SPEC, OTHER = (BuildSpec(image=ImageSpec(size=size)) for size in ((8, 10), (6, 6)))
def rows(out):
    with imgmem.open(out) as dataset:
        return dataset.images.shape
def check(out, **options):
    imgmem.build(source, out, spec=SPEC, **options)
    assert rows(out) == (6, 8, 10, 3)
    imgmem.build(source, out, spec=OTHER, overwrite=True)
    assert rows(out) == (6, 6, 6, 3)
    imgmem.undo_normalize(imgmem.normalize(out).path)
    imgmem.build(source, out, spec=SPEC, overwrite=True)
    assert rows(out) == (6, 8, 10, 3)
"""

TRIALS = {
    "an empty mount point": """
os.makedirs("x/out"); mount("-t", "tmpfs", "none", "x/out"); os.mkdir("x/out/lost+found")
check("x/out"); assert os.listdir("x") == ["out"]
""",
    "a bind mount of a folder": """
os.makedirs("real"); os.makedirs("out"); mount("--bind", "real", "out")
check("out"); assert "X.npy" in os.listdir("real")
""",
    "a mounted dataset": """
imgmem.build(source, "real", spec=OTHER); os.mkdir("out"); mount("--bind", "real", "out")
check("out", overwrite=True); assert os.stat("out").st_ino == os.stat("real").st_ino
""",
    "a folder of a lower layer": """
os.makedirs("low/out"); os.makedirs("up"); os.makedirs("work"); os.makedirs("merged")
imgmem.build(source, "low/data", spec=OTHER)
mount("-t", "tmpfs", "none", "up"); os.makedirs("up/up"); os.makedirs("up/work")
mount("-t", "overlay", "overlay", "-o", "lowerdir=low,upperdir=up/up,workdir=up/work", "merged")
check("merged/out"); check("merged/data", overwrite=True); check("merged/new")
assert rows("low/data") == (6, 6, 6, 3)
""",
    "a read-only parent": """
os.makedirs("p/out"); mount("--bind", "p", "p"); os.makedirs("real")
mount("--bind", "real", "p/out"); mount("-o", "remount,bind,ro", "p")
check("p/out")
try:
    imgmem.build(source, "p/new", spec=SPEC)
except imgmem.UsageError as error:
    assert "read-only" in str(error), error
else:
    raise AssertionError
""",
    "the source by another name": """
os.mkdir("alias"); mount("--bind", source, "alias")
for pair in ((source, "alias/out"), (source, "alias"), ("alias/a", source), ("alias", source)):
    try:
        imgmem.build(*pair, spec=SPEC, overwrite=True)
    except imgmem.UsageError as error:
        assert "inside" in str(error), error
    else:
        raise AssertionError(pair)
assert sorted(os.listdir(source)) == sorted(os.listdir("alias")) and "out" not in os.listdir(source)
""",
    "a small disk at OUT and a large one around it": """
os.makedirs("x/out"); mount("-t", "tmpfs", "-o", "size=64k", "none", "x/out")
try:
    imgmem.build(source, "x/out", spec=BuildSpec(image=ImageSpec(size=(200, 200))))
except imgmem.ResourceError as error:
    assert "no space" in str(error), error
else:
    raise AssertionError
assert os.listdir("x/out") == [], os.listdir("x/out")
""",
}


@pytest.mark.parametrize("trial", TRIALS)
def test_real_mounts(tmp_path, source, trial):
    base = tmp_path / "base"
    base.mkdir()
    done = run_with_mounts(MOUNTS + TRIALS[trial], base, source)
    if "overlay" in done.stderr and "CalledProcessError" in done.stderr:
        pytest.skip("no overlays here")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENAMETOOLONG])
def test_an_out_that_may_not_be_looked_at_is_a_wrong_path(tmp_path, source, monkeypatch, code):
    stat = os.stat

    def refuse(path, *arguments, **options):
        if str(path).endswith("out"):
            raise OSError(code, os.strerror(code), path)
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(InputError, match="out cannot be accessed"):
        build(source, tmp_path / "out")
