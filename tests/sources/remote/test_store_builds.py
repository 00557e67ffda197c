"""A build from an object store is that of a local copy, whatever happens in between."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from support.program import imgmem
from support.stores import BUCKET, SECRET, put, replace
from support.trees import class_folders, plant, snapshot

import imgmem as api
from imgmem.core.errors import DatasetError, InputError, ResourceError, UsageError
from imgmem.core.sources.remote import store


@pytest.fixture
def folder(tmp_path):
    return Path(class_folders(tmp_path / "set", {"ant": 9, "bee é +": 8}, extension=".jpg"))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setitem(store.RETRY, "max_retries", 2)


def test_the_dataset_is_that_of_a_local_copy(folder, stored, tmp_path):
    for name in ("ant/.hidden.png", "notes.txt", "ant/Thumbs.db", "__MACOSX/x.png"):
        plant(folder, name)
    (folder / "ant" / "raw").write_bytes(
        (folder / "ant" / os.listdir(folder / "ant")[0]).read_bytes()
    )
    address = stored(folder, **{"ant/": b""})
    api.build(folder, tmp_path / "local", size=16, split="train=0.6,val=0.4", on_error="skip")
    api.build(address, tmp_path / "far", size=16, split="train=0.6,val=0.4", on_error="skip")
    for path in sorted((tmp_path / "local").iterdir()):
        assert path.read_bytes() == (tmp_path / "far" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_workers_of_each_kind_read_it(folder, stored, tmp_path, executor):
    address = stored(folder)
    api.build(folder, tmp_path / "local", size=16)
    api.build(address, tmp_path / "far", size=16, workers=2, executor=executor)
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "local")


def test_built_again_it_is_done(folder, stored, tmp_path):
    address = stored(folder)
    api.build(address, tmp_path / "far", size=16)
    assert api.build(address, tmp_path / "far", size=16).already_done


def test_other_bytes_of_the_same_size_are_noticed(folder, stored, server, tmp_path):
    address = stored(folder)
    api.build(address, tmp_path / "far", size=16)
    name = sorted(os.listdir(folder / "ant"))[0]
    data = bytearray((folder / "ant" / name).read_bytes())
    data[-1] ^= 1
    replace(server, f"{address}/ant/{name}", bytes(data))
    with pytest.raises(DatasetError, match=f"1 changed .ant/{name}"):
        api.build(address, tmp_path / "far", size=16)


def test_an_interrupted_build_is_resumed(folder, stored, proxy, impatient, tmp_path):
    address = stored(folder)
    api.build(folder, tmp_path / "local", size=16)
    broken = sorted(os.listdir(folder / "ant"))[5]
    proxy.fault = lambda path, _: "503" if broken in path else None
    with pytest.raises(ResourceError, match="503") as caught:
        api.build(address, tmp_path / "far", size=16, workers=1, on_error="skip")
    assert caught.value.exit_code == 5
    proxy.fault = lambda path, _: None
    assert api.build(address, tmp_path / "far", size=16, workers=1, on_error="skip").resumed_at == 5
    done = snapshot(tmp_path / "far")
    api.build(folder, tmp_path / "skip", size=16, on_error="skip")
    assert done == snapshot(tmp_path / "skip")


def test_an_object_replaced_in_between_is_not_resumed_over(
    folder, stored, server, proxy, impatient, tmp_path
):
    address = stored(folder)
    proxy.fault = lambda path, _: "503" if "bee" in path and "list-type" not in path else None
    with pytest.raises(ResourceError):
        api.build(address, tmp_path / "far", size=16)
    proxy.fault = lambda path, _: None
    name = sorted(os.listdir(folder / "ant"))[0]
    data = (folder / "ant" / name).read_bytes()[::-1]
    replace(server, f"{address}/ant/{name}", data)
    with pytest.raises(DatasetError, match=f"1 changed .ant/{name}"):
        api.build(address, tmp_path / "far", size=16)


@pytest.mark.parametrize("fault", ["503", "reset", "short"])
def test_a_moment_of_trouble_is_not_noticed(folder, stored, proxy, tmp_path, fault):
    address = stored(folder)
    proxy.fault = lambda path, count: fault if count == 1 else None
    api.build(folder, tmp_path / "local", size=16)
    api.build(address, tmp_path / "far", size=16)
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "local")


@pytest.mark.parametrize("fault", ["503", "reset", "short", "lie"])
def test_lasting_trouble_is_never_a_reject(folder, stored, proxy, impatient, tmp_path, fault):
    address = stored(folder)
    proxy.fault = lambda path, _: fault if "bee" in path and "list-type" not in path else None
    with pytest.raises(ResourceError) as caught:
        api.build(address, tmp_path / "far", size=16, on_error="skip")
    assert caught.value.exit_code == 5
    assert "resume" in str(caught.value.hint)


@pytest.mark.parametrize(("code", "exit_code"), [("NoSuchKey", 0), ("NoSuchBucket", 5), ("", 5)])
def test_only_an_object_that_is_gone_is_a_reject(
    folder, stored, proxy, impatient, tmp_path, code, exit_code
):
    """404 also says a bucket that went, and a server on the way."""
    address = stored(folder)
    name = sorted(os.listdir(folder / "ant"))[3]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>" if code else "not here"
    proxy.fault = lambda path, _: "404" + body if f"ant/{name}" in path else None
    if exit_code:
        with pytest.raises(ResourceError, match="404 Not Found"):
            api.build(address, tmp_path / "far", size=16, on_error="skip")
    else:
        result = api.build(address, tmp_path / "far", size=16, on_error="skip")
        assert result.rejected == {"unreadable": 1}


def test_credentials_that_expire_are_never_rejects_and_it_is_resumed(
    folder, stored, proxy, impatient, tmp_path
):
    address = stored(folder)
    expired = f"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><m>{SECRET}</m></Error>"
    for status in ("403", "400"):
        proxy.fault = lambda path, _, status=status: status + expired if "bee" in path else None
        with pytest.raises(ResourceError, match="ExpiredToken") as caught:
            api.build(address, tmp_path / "far", size=16, workers=1, on_error="skip")
        assert "Check your credentials" in caught.value.hint
        assert SECRET not in f"{caught.value} {caught.value.facts}"
    proxy.fault = lambda path, _: None
    assert api.build(address, tmp_path / "far", size=16, on_error="skip").resumed_at == 9
    api.build(folder, tmp_path / "local", size=16, on_error="skip")
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "local")


def test_an_object_that_changes_after_it_was_listed_stops_the_build(
    folder, stored, server, proxy, tmp_path
):
    address = stored(folder)
    name = sorted(os.listdir(folder / "bee é +"))[0]

    data = (folder / "bee é +" / name).read_bytes()[::-1]

    lock, changed = threading.Lock(), []

    def change(path):
        with lock:
            if "list-type" in path or changed:
                return
            changed.append(path)
            replace(server, f"{address}/bee é +/{name}", data)

    proxy.before = change
    with pytest.raises(InputError, match="changed since it was listed"):
        api.build(address, tmp_path / "far", size=16, workers=1, on_error="skip")


def test_broken_images_are_rejects(folder, stored, tmp_path):
    (folder / "ant" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"x" * 100)
    result = api.build(stored(folder), tmp_path / "far", size=16, on_error="skip")
    assert sum(result.rejected.values()) == 1


def test_doubts_are_those_of_a_folder(tmp_path, stored):
    folder = Path(class_folders(tmp_path / "doubt" / "train", {"ant": 2, "bee": 2})).parent
    class_folders(folder / "holdout", {"ant": 2, "bee": 2})
    address = stored(folder)
    said = []
    for source in (folder, address):
        try:
            api.build(source, tmp_path / "out", size=8, overwrite=True)
            said.append("built")
        except InputError as error:
            said.append(str(error).replace(str(source), "SOURCE"))
    assert said[0] == said[1]


def test_a_preview_reads_no_image(folder, stored, proxy, tmp_path):
    preview = api.preview_build(stored(folder), tmp_path / "out", size=16)
    assert preview.images == 17
    assert all("list-type" in path for path, _ in proxy.requests)


def test_what_is_left_out_is_not_read(folder, stored, proxy, tmp_path):
    result = api.build(stored(folder), tmp_path / "out", size=16, include="*ant/*", labels="none")
    assert result.shape[0] == 9
    assert not [path for path, _ in proxy.requests if "bee" in path and "list-type" not in path]


@pytest.mark.parametrize(
    ("address", "error", "says"),
    [
        ("s3://no-such-bucket-here/x", InputError, "there is no bucket"),
        (f"s3://{BUCKET}/nothing/here", InputError, "there is nothing under"),
        ("ftp://host/x", UsageError, "not an address that imgmem reads"),
        ("s3://", UsageError, "not an address that imgmem reads"),
        (f"s3://{BUCKET}/a/../b", UsageError, "not an address that imgmem reads"),
        (f"s3://{BUCKET}/list.csv", UsageError, "img2dataset"),
        ("https://host/images/", UsageError, "img2dataset"),
        (f"s3://me:{SECRET}@{BUCKET}/x", UsageError, "holds a login"),
        (f"https://host/x.tar?sig={SECRET}", UsageError, "holds a login"),
    ],
)
def test_what_cannot_be_used_is_refused(proxy, tmp_path, address, error, says):
    with pytest.raises(error, match=says) as caught:
        api.build(address, tmp_path / "out", size=8)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.facts}"
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["a.npz", "X.npy", "data/train.parquet"])
def test_what_is_only_read_locally_is_to_be_copied(stored, server, tmp_path, name):
    (tmp_path / "none").mkdir()
    address = stored(tmp_path / "none", **{name: b"x"})
    for source in (address, f"{address}/{name}"):
        with pytest.raises((InputError, UsageError)) as caught:
            api.build(source, tmp_path / "out", size=8)
        assert "to a local disk" in caught.value.hint


def test_a_key_with_an_empty_part_is_named(stored, server, folder, tmp_path):
    address = stored(folder)
    put(server, f"{address.removeprefix(f's3://{BUCKET}/')}/ant//x.png", b"x")
    with pytest.raises(InputError, match=r"ant//x\.png"):
        api.build(address, tmp_path / "out", size=8)


def test_no_secret_is_written_or_shown(folder, stored, proxy, impatient, tmp_path):
    address = stored(folder)
    api.build(address, tmp_path / "out", size=8)
    for path in (tmp_path / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes()
    proxy.fault = lambda *_: "503"
    with pytest.raises(ResourceError) as caught:
        api.build(address, tmp_path / "other", size=8)
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert "127.0.0.1" not in str(caught.value)


def test_without_the_extra_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match="needs the package obstore") as caught:
        api.build("s3://bucket/x", tmp_path / "out")
    assert "imgmem[remote]" in caught.value.hint


def test_killed_and_resumed_it_is_that_of_a_local_copy(folder, stored, proxy, tmp_path):
    address, out = stored(folder), tmp_path / "far"
    api.build(folder, tmp_path / "local", size=16)
    proxy.before = lambda path: time.sleep(60 if "bee" in path and "list-type" not in path else 0)
    code = "import imgmem, sys; imgmem.build(sys.argv[1], sys.argv[2], size=16, workers=1)"
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code, address, str(out)])
    while not any("bee" in path and "list-type" not in path for path, _ in proxy.requests):
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert not out.exists()
    proxy.before = lambda path: None
    assert imgmem("build", address, str(out), "--size", "16", "-q").returncode == 0
    assert snapshot(out) == snapshot(tmp_path / "local")


def test_many_requests_are_under_way_at_once(folder, stored, proxy, tmp_path):
    address = stored(folder)
    waiting, most = [], []

    def wait(path):
        if "list-type" not in path:
            waiting.append(path)
            most.append(len(waiting))
            end = time.monotonic() + 5
            while max(most) <= 8 and time.monotonic() < end:
                time.sleep(0.01)
            waiting.remove(path)

    proxy.before = wait
    api.build(address, tmp_path / "out", size=16, workers=1)
    assert max(most) > 8


def test_each_image_is_requested_once(folder, stored, proxy, tmp_path):
    api.build(stored(folder), tmp_path / "out", size=16, workers=2)
    paths = [path for path, _ in proxy.requests if "list-type" not in path]
    assert len(paths) == len(set(paths)) == 17


def test_a_local_label_table_goes_with_it(folder, stored, tmp_path):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"{name},{len(name) % 2}\n" for name in names))
    api.build(folder, tmp_path / "local", size=8, labels=str(table))
    api.build(stored(folder), tmp_path / "far", size=8, labels=str(table))
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "local")


def test_several_prefixes_are_one_dataset(folder, stored, tmp_path):
    address = stored(folder)
    result = api.build(
        [f"{address}/ant", f"{address}/bee é +"], tmp_path / "far", size=8, labels="path:^(ant|bee)"
    )
    assert result.shape[0] == 17
    assert list(api.open(tmp_path / "far").classes) == ["ant", "bee"]
