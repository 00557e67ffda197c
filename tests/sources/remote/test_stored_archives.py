"""One archive at an address gives what a local copy of it gives."""

import shutil
import zipfile
from pathlib import Path

import pytest
from support import trees
from support.stores import SECRET, content, replace
from support.trees import class_folders, snapshot

import imgmem as api
from imgmem.core.errors import DatasetError, InputError, ResourceError, UsageError
from imgmem.core.sources.remote import download

KINDS = ["photos.zip", "photos.tar", "photos.tar.gz"]


@pytest.fixture
def packed(tmp_path):
    """Packs class folders; returns the path."""
    folder = Path(class_folders(tmp_path / "set", {"ant": 9, "bee é +": 8}))

    def pack(name, keep=17):
        (tmp_path / "archive").mkdir(exist_ok=True)
        path = tmp_path / "archive" / name
        return trees.pack(path, folder, sorted(folder.rglob("*.png"))[:keep])

    return pack


def by_http(proxy, address):
    return address.replace("s3://", f"http://127.0.0.1:{proxy.port}/")


@pytest.mark.parametrize("way", ["s3", "http"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_dataset_is_that_of_a_local_copy(packed, stored, proxy, tmp_path, kind, way):
    path = packed(kind)
    address = f"{stored(path.parent)}/{kind}"
    if way == "http":
        address = by_http(proxy, address)
    api.build(path, tmp_path / "local", size=16)
    result = api.build(address, tmp_path / "far", size=16)
    assert content(tmp_path / "far") == content(tmp_path / "local")
    assert any(note.startswith(f"downloaded {address} (") for note in result.notes)


def test_it_is_read_once(packed, stored, proxy, tmp_path):
    address = f"{stored(packed('photos.zip').parent)}/photos.zip"
    api.build(address, tmp_path / "far", size=16, workers=2)
    assert len(proxy.requests) == 2  # what it is, and its bytes


def test_a_name_may_be_quoted_in_a_web_address(packed, stored, proxy, tmp_path):
    address = by_http(proxy, stored(packed("my photos.zip").parent))
    result = api.build(f"{address}/my%20photos.zip", tmp_path / "far", size=16)
    assert result.shape[0] == 17


def test_built_again_it_is_done(packed, stored, tmp_path):
    address = f"{stored(packed('photos.tar').parent)}/photos.tar"
    api.build(address, tmp_path / "far", size=16)
    assert api.build(address, tmp_path / "far", size=16).already_done


def test_what_has_the_same_etag_is_not_downloaded_again(packed, stored, proxy, tmp_path):
    address = f"{stored(packed('photos.tar').parent)}/photos.tar"
    first = api.build(address, tmp_path / "far", size=16)
    again = api.build(address, tmp_path / "far", size=16)
    assert proxy.methods("photos.tar") == ["HEAD", "GET", "HEAD"]
    assert (again.shape, again.rule, again.images) == (first.shape, first.rule, first.images)


def test_an_updated_dataset_is_not_downloaded_again_either(packed, stored, server, proxy, tmp_path):
    address = f"{stored(packed('photos.tar', keep=16).parent)}/photos.tar"
    options = {"size": 16, "split": "val=0.3", "update": True}
    api.build(address, tmp_path / "far", **options)
    shutil.copytree(tmp_path / "far", tmp_path / "old")
    replace(server, address, packed("photos.tar").read_bytes())
    assert api.build(address, tmp_path / "far", **options).added == 1
    before = proxy.methods("photos.tar")
    assert api.build(address, tmp_path / "far", **options).already_done
    assert proxy.methods("photos.tar") == [*before, "HEAD"]
    api.build(address, tmp_path / "new", size=16, split=f"like:{tmp_path / 'old'}")
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "new")
    assert not api.build(address, tmp_path / "far", **options, resplit=True).already_done


def test_other_options_are_noticed(packed, stored, tmp_path):
    address = f"{stored(packed('photos.tar').parent)}/photos.tar"
    api.build(address, tmp_path / "far", size=16)
    with pytest.raises(DatasetError, match="size"):
        api.build(address, tmp_path / "far", size=8)


def test_another_label_table_is_noticed(packed, stored, tmp_path):
    path = packed("photos.zip")
    address = f"{stored(path.parent)}/photos.zip"
    names = zipfile.ZipFile(path).namelist()
    for odd in ("1", "2"):
        rows = (f"{name},{odd if at % 2 else 0}\n" for at, name in enumerate(names))
        (tmp_path / "labels.csv").write_text("path,label\n" + "".join(rows))
        options = {"size": 8, "labels": str(tmp_path / "labels.csv")}
        if odd == "1":
            api.build(address, tmp_path / "far", **options)
    with pytest.raises(DatasetError, match=r"has changed since|other options"):
        api.build(address, tmp_path / "far", **options)


def test_another_archive_is_noticed(packed, stored, server, tmp_path):
    address = f"{stored(packed('photos.tar').parent)}/photos.tar"
    api.build(address, tmp_path / "far", size=16)
    replace(server, address, packed("photos.tar", keep=16).read_bytes())
    with pytest.raises(DatasetError, match="1 gone"):
        api.build(address, tmp_path / "far", size=16)


@pytest.mark.parametrize("fault", ["reset", "short"])
def test_a_download_that_breaks_off_is_resumed(packed, stored, proxy, impatient, tmp_path, fault):
    path = packed("photos.zip")
    address = f"{stored(path.parent)}/photos.zip"
    proxy.fault = lambda _, count: fault if 1 < count < 5 else None
    api.build(path, tmp_path / "local", size=16)
    api.build(address, tmp_path / "far", size=16)
    assert content(tmp_path / "far") == content(tmp_path / "local")
    starts = [wanted for _, wanted in proxy.requests if wanted]
    assert len(set(starts)) == len(starts) > 2
    assert not any(wanted.startswith("bytes=0-") for wanted in starts)


def test_an_archive_that_is_replaced_meanwhile_stops_the_build(
    packed, stored, server, proxy, impatient, tmp_path
):
    path = packed("photos.zip")
    address = f"{stored(path.parent)}/photos.zip"
    other = path.read_bytes()[::-1]

    def change(_):
        if len(proxy.requests) == 2:
            replace(server, address, other)

    proxy.before = change
    with pytest.raises(InputError, match=r"photos\.zip changed"):
        api.build(address, tmp_path / "far", size=16)


@pytest.mark.parametrize("way", ["s3", "http"])
def test_one_that_is_not_there_is_named(stored, proxy, packed, tmp_path, way):
    address = f"{stored(packed('photos.zip').parent)}/other.zip"
    address = by_http(proxy, address) if way == "http" else address
    with pytest.raises(InputError, match=r"there is nothing at .*other\.zip") as caught:
        api.build(address, tmp_path / "far", size=16)
    assert caught.value.exit_code == 3


def test_a_server_that_refuses_head_is_read(packed, stored, proxy, tmp_path):
    address = by_http(proxy, stored(packed("photos.zip").parent))
    proxy.fault = lambda _, count: "405" if count == 1 else None
    assert api.build(f"{address}/photos.zip", tmp_path / "far", size=16).shape[0] == 17


@pytest.mark.parametrize("way", ["s3", "http"])
@pytest.mark.parametrize("fault", ["503", "reset", "lie"])
def test_lasting_trouble_is_the_fault_of_the_machine(
    packed, stored, proxy, impatient, tmp_path, fault, way
):
    address = f"{stored(packed('photos.zip').parent)}/photos.zip"
    address = by_http(proxy, address) if way == "http" else address
    proxy.fault = lambda *_: fault
    with pytest.raises(ResourceError) as caught:
        api.build(address, tmp_path / "far", size=16, on_error="skip")
    assert caught.value.exit_code == 5
    assert not (tmp_path / "far").exists()


def test_space_is_checked_before_it_is_downloaded(packed, stored, proxy, tmp_path, monkeypatch):
    address = f"{stored(packed('photos.zip').parent)}/photos.zip"
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    real = shutil.disk_usage
    usage = lambda path: full if isinstance(path, int) else real(path)  # noqa: E731
    monkeypatch.setattr(download.shutil, "disk_usage", usage)
    with pytest.raises(ResourceError, match="no scratch space"):
        api.build(address, tmp_path / "far", size=16)
    assert len(proxy.requests) == 1


def test_estimate_and_preview_say_that_it_is_downloaded(packed, stored, tmp_path):
    path = packed("photos.zip")
    address = f"{stored(path.parent)}/photos.zip"
    preview = api.preview_build(address, tmp_path / "out", size=16)
    found = api.estimate(address)
    assert preview.images == found.images.rows == 17
    for notes in (preview.notes, found.images.notes):
        assert any(note.startswith(f"downloaded {address} (") for note in notes)


def test_progress_of_the_download_is_reported(packed, stored, tmp_path):
    path = packed("photos.zip")
    seen = []
    api.build(f"{stored(path.parent)}/photos.zip", tmp_path / "o", size=16, progress=seen.append)
    last = [each for each in seen if each.phase == "download"][-1]
    assert last.done == last.total == path.stat().st_size


def test_a_signed_address_is_refused_without_its_parameters(tmp_path):
    with pytest.raises(UsageError, match="parameters") as caught:
        api.build(f"https://host/photos.zip?sig={SECRET}", tmp_path / "out")
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


def test_no_secret_is_written(packed, stored, tmp_path):
    api.build(f"{stored(packed('photos.zip').parent)}/photos.zip", tmp_path / "out", size=8)
    for path in (tmp_path / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes()
