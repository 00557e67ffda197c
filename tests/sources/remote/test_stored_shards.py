"""Archives under an address are read like those in a local folder, each by one request."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from support import trees
from support.stores import content, counted_together, replace
from support.trees import class_folders

import imgmem as api
from imgmem.core.errors import DatasetError, InputError, ResourceError
from imgmem.core.sources.remote import download


@pytest.fixture
def files(tmp_path):
    folder = Path(class_folders(tmp_path / "set", {"ant": 9, "bee é +": 8}))
    return folder, sorted(folder.rglob("*.png"))


@pytest.fixture
def packed(files, tmp_path):
    """Packs images into archives of these names, the image at `n` into archive n modulo their
    count; returns their folder."""
    folder, images = files

    def pack(*names, images=images):
        there = tmp_path / "shards"
        there.mkdir(exist_ok=True)
        for number, name in enumerate(names):
            mine = images[number :: len(names)]
            trees.pack(there / name, folder, mine, zipfile.ZIP_DEFLATED)
        return there

    return pack


SHARDS = {
    "tars": ("shard-000000.tar", "shard-000001.tar", "shard-000002.tar"),
    "splits": ("train-0.tar", "train-1.tar", "val-0.tar"),
    "zips": ("shard 0.zip", "shard+1.zip"),
    "packed": ("0.tar.gz", "1.tgz", "2.tar"),
}


@pytest.mark.parametrize("names", SHARDS.values(), ids=SHARDS)
def test_the_dataset_is_that_of_a_local_folder(packed, stored, tmp_path, names):
    folder = packed(*names)
    (folder / "index.json").write_text("{}")
    address = stored(folder)
    api.build(folder, tmp_path / "local", size=16)
    result = api.build(f"{address}/", tmp_path / "far", size=16)
    assert content(tmp_path / "far") == content(tmp_path / "local")
    assert any(note.startswith(f"downloaded {len(names)} archives (") for note in result.notes)


def test_classes_next_to_the_images_are_those_of_a_local_folder(files, stored, tmp_path):
    (tmp_path / "shards").mkdir()
    for number in range(2):
        with tarfile.open(tmp_path / f"shards/{number}.tar", "w") as archive:
            for at, image in enumerate(files[1][number::2]):
                (tmp_path / "cls").write_text(str(at % 3))
                archive.add(image, f"{at}.png")
                archive.add(tmp_path / "cls", f"{at}.cls")
    api.build(tmp_path / "shards", tmp_path / "local", size=8, shuffle=True)
    api.build(stored(tmp_path / "shards"), tmp_path / "far", size=8, shuffle=True)
    assert content(tmp_path / "far") == content(tmp_path / "local")


def test_each_is_read_once(packed, stored, proxy, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    api.build(address, tmp_path / "far", size=16, shuffle=True, workers=2)
    read = [path.rpartition("/")[2] for path, _ in proxy.requests if "list-type" not in path]
    assert read == sorted(SHARDS["tars"])


def test_built_again_it_is_done_without_reading_them(packed, stored, proxy, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    api.build(address, tmp_path / "far", size=16)
    before = proxy.gets(".tar")
    assert api.build(f"{address}/", tmp_path / "far", size=16).already_done
    assert proxy.gets(".tar") == before


def test_another_shard_is_noticed(packed, stored, server, files, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    api.build(address, tmp_path / "far", size=16)
    other = packed("shard-000001.tar", images=files[1][1:16:3])
    replace(server, f"{address}/shard-000001.tar", (other / "shard-000001.tar").read_bytes())
    with pytest.raises(DatasetError, match="1 gone"):
        api.build(address, tmp_path / "far", size=16)


@pytest.mark.parametrize("fault", ["reset", "short"])
def test_a_shard_that_breaks_off_is_resumed(packed, stored, proxy, impatient, tmp_path, fault):
    folder = packed(*SHARDS["tars"])
    address = stored(folder)
    proxy.fault = lambda path, count: fault if "000001" in path and count < 4 else None
    api.build(folder, tmp_path / "local", size=16)
    api.build(address, tmp_path / "far", size=16)
    assert content(tmp_path / "far") == content(tmp_path / "local")
    assert proxy.gets("000000.tar") == 1


def test_one_that_is_replaced_meanwhile_stops_the_build(packed, stored, server, proxy, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    changed = []

    def change(path):
        if "000000.tar" in path and not changed:
            changed.append(path)
            replace(server, f"{address}/shard-000002.tar", b"other")

    proxy.before = change
    with pytest.raises(InputError, match=r"000002\.tar changed"):
        api.build(address, tmp_path / "far", size=16, on_error="skip")


def test_lasting_trouble_is_the_fault_of_the_machine(packed, stored, proxy, impatient, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    proxy.fault = lambda path, _: "503" if "000001" in path else None
    with pytest.raises(ResourceError, match="503") as caught:
        api.build(address, tmp_path / "far", size=16, on_error="skip")
    assert caught.value.exit_code == 5


def test_an_interrupted_build_is_resumed(packed, stored, tmp_path, monkeypatch):
    folder = packed(*SHARDS["tars"])
    address = stored(folder)
    api.build(folder, tmp_path / "local", size=16)

    def stop(progress):
        if progress.phase == "build" and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(api.Interrupted):
        api.build(address, tmp_path / "far", size=16, workers=1, progress=stop)
    assert api.build(address, tmp_path / "far", size=16).resumed_at
    far, local = content(tmp_path / "far"), content(tmp_path / "local")
    assert [name for name in far if far[name] != local[name]] == []
    assert far.keys() == local.keys()


def test_space_for_all_is_checked_first(packed, stored, proxy, tmp_path, monkeypatch):
    address = stored(packed(*SHARDS["tars"]))
    real = shutil.disk_usage
    full = real(tmp_path)._replace(free=20_000)
    usage = lambda path: full if isinstance(path, int) else real(path)  # noqa: E731
    monkeypatch.setattr(download.shutil, "disk_usage", usage)
    with pytest.raises(ResourceError, match="no scratch space"):
        api.build(address, tmp_path / "far", size=16)
    assert not proxy.gets(".tar")


def test_a_damaged_shard_is_named(packed, stored, tmp_path):
    folder = packed(*SHARDS["tars"])
    whole = (folder / "shard-000001.tar").read_bytes()
    (folder / "shard-000001.tar").write_bytes(whole[:-20_000])
    address = stored(folder)
    with pytest.raises(InputError, match=rf"{address}/shard-000001\.tar is damaged"):
        api.build(address, tmp_path / "far", size=16)


def test_archives_next_to_images_are_no_shards(packed, files, stored, tmp_path):
    address = stored(packed("0.tar"), **{"ant/x.png": files[1][0].read_bytes()})
    assert api.build(address, tmp_path / "far", size=16).shape[0] == 1


def test_progress_counts_the_bytes_of_all(packed, stored, tmp_path):
    folder, seen = packed(*SHARDS["packed"]), []
    api.build(stored(folder), tmp_path / "far", size=16, progress=seen.append)
    done = [each.done for each in seen if each.phase == "download"]
    assert done == sorted(done)
    assert seen[0].note.startswith("downloading 3 archives (")
    assert done[-1] == sum(path.stat().st_size for path in folder.iterdir())


def test_estimate_and_preview_download_them(packed, stored, tmp_path):
    address = stored(packed(*SHARDS["tars"]))
    preview = api.preview_build(address, tmp_path / "out", size=16)
    found = api.estimate(address)
    assert preview.images == found.images.rows == 17
    for notes in (preview.notes, found.images.notes):
        assert any(note.startswith("downloaded 3 archives (") for note in notes)


def test_images_next_to_them_are_read_many_at_once(packed, files, stored, proxy, tmp_path):
    """As one source of several, with a local one."""
    packed(*SHARDS["tars"])
    address = stored(tmp_path)
    most = counted_together(proxy)
    api.build([f"{address}/shards", f"{address}/set", str(files[0])], tmp_path / "out", size=8)
    assert max(most) > 8
