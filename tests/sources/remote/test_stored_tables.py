"""A label table at an address is read like a local copy of it."""

from pathlib import Path

import pytest
from support.stores import SECRET, replace
from support.trees import class_folders, plant, snapshot

import imgmem as api
from imgmem.core.errors import DatasetError, InputError, ResourceError, UsageError
from imgmem.core.sources.remote import fetched, store


@pytest.fixture
def folder(tmp_path):
    return Path(class_folders(tmp_path / "set", {"ant": 4, "bee": 3}))


def lines(folder, separator=",", odd="1"):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    cells = [("path", "label"), *((name, odd if at % 2 else "0") for at, name in enumerate(names))]
    return "".join(f"{separator.join(line)}\n" for line in cells)


def as_parquet(folder, path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [line.split(",") for line in lines(folder).splitlines()[1:]]
    columns = dict(zip(("path", "label"), map(list, zip(*rows, strict=True)), strict=True))
    parquet.write_table(arrow.table(columns), path)


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
@pytest.mark.parametrize("far", [False, True])
def test_the_dataset_is_that_of_a_local_table(folder, stored, tmp_path, name, far):
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / name
    if name.endswith("parquet"):
        as_parquet(folder, table)
    else:
        table.write_text(lines(folder, "\t" if name.endswith("tsv") else ","))
    address = stored(folder)
    at = f"{stored(table.parent)}/{name}"
    api.build(folder, tmp_path / "local", size=8, labels=str(table))
    api.build(address if far else folder, tmp_path / "far", size=8, labels=at)
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "local")
    assert api.build(address if far else folder, tmp_path / "far", size=8, labels=at).already_done


def test_its_bytes_are_requested_once(folder, stored, proxy, tmp_path):
    address = stored(folder, **{"labels.csv": lines(folder).encode()})
    api.build(folder, tmp_path / "out", size=8, labels=f"{address}/labels.csv")
    assert proxy.methods("labels.csv").count("GET") == 1


def test_another_table_is_noticed(folder, stored, server, tmp_path):
    at = stored(folder, **{"labels.csv": lines(folder).encode()}) + "/labels.csv"
    api.build(folder, tmp_path / "out", size=8, labels=at)
    replace(server, at, lines(folder, odd="2").encode())
    with pytest.raises(DatasetError, match=r"has changed since|other options"):
        api.build(folder, tmp_path / "out", size=8, labels=at)


def test_one_that_is_not_there_is_named(folder, stored, tmp_path):
    with pytest.raises(InputError, match=r"nothing at s3://.*/labels\.csv"):
        api.build(folder, tmp_path / "out", size=8, labels=f"{stored(folder)}/labels.csv")


def test_lasting_trouble_is_the_fault_of_the_machine(folder, stored, proxy, monkeypatch, tmp_path):
    monkeypatch.setitem(store.RETRY, "max_retries", 1)
    at = stored(folder, **{"labels.csv": lines(folder).encode()}) + "/labels.csv"
    proxy.fault = lambda path, _: "503" if "labels" in path else None
    with pytest.raises(ResourceError) as caught:
        api.build(folder, tmp_path / "out", size=8, labels=at)
    assert caught.value.exit_code == 5


def test_one_that_is_too_large_is_refused(folder, stored, monkeypatch, tmp_path):
    monkeypatch.setattr(fetched, "MAX_BYTES", 10)
    at = stored(folder, **{"labels.csv": lines(folder).encode()}) + "/labels.csv"
    with pytest.raises(InputError, match="at most 10 B"):
        api.build(folder, tmp_path / "out", size=8, labels=at)


def test_a_login_in_its_address_is_not_shown(folder, tmp_path):
    with pytest.raises(UsageError, match="login") as caught:
        api.build(folder, tmp_path / "out", labels=f"https://host/labels.csv?sig={SECRET}")
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


def test_estimate_takes_it(folder, stored, tmp_path):
    at = stored(folder, **{"labels.csv": lines(folder).encode()}) + "/labels.csv"
    assert api.estimate(folder, labels=at).images.class_counts == {"0": 4, "1": 3}


def test_a_table_next_to_the_images_is_noted(stored, tmp_path):
    flat = tmp_path / "flat"
    for at in range(3):
        plant(flat, f"{at}.png")
    (flat / "train.csv").write_text("path,label\n0.png,a\n1.png,b\n2.png,a\n")
    address = stored(flat)
    notes = [
        api.preview_build(source, tmp_path / "out", size=8).notes for source in (flat, address)
    ]
    near, far = (next(each for each in said if "is not read" in each) for said in notes)
    assert near.replace(str(flat), address) == far
