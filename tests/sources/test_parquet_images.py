"""Images in Parquet files, as Hugging Face writes them and otherwise."""

import io
import json
import random
import sys

import pytest
from support.images import encode, photo
from support.program import python
from support.sources import contents, doubted, exhausted, listed, placed
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError, ResourceError, UsageError
from imgmem.core.sources.parquet.pages import ChunkPlace, measured, pages, row_groups

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
PICTURES = [encode(photo(6, 8, seed), "PNG") for seed in range(5)]
NAMES = ["cat", "dog", "eel"]


def nested(pictures=PICTURES):
    return [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(pictures)]


def write(path, columns, *, names=None, label="label", **options):
    """A Parquet file; names: of the classes, as Hugging Face notes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names:
        features = {
            "image": {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"},
        }  # fmt: skip
        noted = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(noted)
    pq.write_table(table, path, **options)
    return path


def hugging_face(folder, **files):
    for name, labels in files.items():
        columns = {"image": nested()[: len(labels)], "label": labels}
        write(folder / f"{name}.parquet", columns, names=NAMES)
    return folder


def test_classes_have_the_names_and_numbers_of_the_schema_even_without_rows(tmp_path):
    folder = hugging_face(tmp_path / "a", **{"data/train-00000-of-00001": [2, 0, 2]})
    _, labeling = doubted(folder)
    assert labeling.classes == tuple(NAMES)
    result = imgmem.build(folder, tmp_path / "out", size=8)
    assert result.class_counts == {"cat": 1, "dog": 0, "eel": 2}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("data/train-00000-of-00002", "data/train-00001-of-00002"), {"train"}),
        (("train-00000-of-00001", "validation-00000-of-00001"), {"train", "val"}),
        (("unsupervised-00000-of-00001",), {"unsupervised"}),
        (("default/train/0000", "default/test/0000"), {"train", "test"}),
        (("default/partial-train/0000", "default/partial-test/0000"), {"train", "test"}),
        (("train", "test"), {"train", "test"}),
        (("part0", "part1"), {None}),
        (("train", "test", "extra"), {"train", "test", "extra"}),
        (("val", "test", "cats"), {None}),
        (("validation", "cats"), {None}),
        (("cats",), {None}),
    ],
)
def test_splits_are_in_the_names_of_files_and_folders(tmp_path, names, splits):
    hugging_face(tmp_path, **{name: [0, 1, 2] for name in names})
    assert {split for _, split in placed(tmp_path).values()} == splits
    assert {split for _, split in placed(tmp_path, auto_split=False).values()} == {None}


def test_images_are_the_very_bytes_and_one_file_is_a_source_too(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": nested(), "label": [0, 1, 2, 0, 1]}, names=NAMES)
    found = contents(path)
    assert list(found.values()) == PICTURES
    assert next(iter(found)) == "a.parquet/0"
    assert [label for label, _ in placed(path).values()] == ["cat", "dog", "eel", "cat", "dog"]


@pytest.mark.parametrize("column", ["img", "image", "jpg", "image_bytes", "content"])
def test_plain_columns_of_bytes_are_images_by_their_name(tmp_path, column):
    path = write(tmp_path / "a.parquet", {column: PICTURES, "label": ["b", "a", "b", "a", "c"]})
    assert [label for label, _ in placed(path).values()] == ["b", "a", "b", "a", "c"]


def test_other_columns_are_carried_along_and_may_be_split_and_group(tmp_path):
    columns = {
        "image": nested(), "label": [0, 1, 0, 1, 0], "part": ["train", "val"] * 2 + ["train"],
        "patient": ["p1", "p2", "p1", "p2", "p3"],
    }  # fmt: skip
    path = write(tmp_path / "a.parquet", columns)
    given = "image=image,label=label,split=part,group=patient"
    listing = exhausted(path, columns=given)
    assert listing.extra_columns == ("patient",)
    assert listing.group_column == "patient"
    assert {split for _, split in placed(path, columns=given).values()} == {"train", "val"}


def test_a_column_of_splits_is_taken_by_its_name(tmp_path):
    part = ["train", "val", "train", "val", "test"]
    path = write(
        tmp_path / "a.parquet", {"image": nested(), "label": [0, 1] * 2 + [0], "split": part}
    )
    assert [split for _, split in placed(path).values()] == part
    assert {split for _, split in placed(path, auto_split=False).values()} == {None}
    assert exhausted(path).extra_columns == ()
    named = path.rename(tmp_path / "train-00000-of-00001.parquet")
    assert {split for _, split in placed(named).values()} == {"train"}
    given = placed(named, columns="image=image,label=label,split=split")
    assert [split for _, split in given.values()] == part


def test_labels_that_look_like_numbers_are_doubted(tmp_path):
    columns = {"image": nested(), "label": [0.5, 1.25, 0.5, 2.0, 7.0]}
    path = write(tmp_path / "a.parquet", columns)
    (doubt,), _ = doubted(path)
    assert doubt.name == "number-labels"
    number, classes = (doubted(path, **remedy.options) for remedy in doubt.remedies)
    assert number[0] == classes[0] == ()
    assert number[1].target == "number" and len(classes[1].classes) == 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "a.parquet",
            "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "Git LFS pointer",
        ),
        ("a.zip", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        ("a.npz", "\n<!DOCTYPE html><html>Quota exceeded</html>", "a web page"),
        ("a.tar.gz", "<html>Quota exceeded</html>", "a web page"),
    ],
)
def test_what_is_often_found_instead_of_a_file_is_named(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        exhausted(tmp_path / name)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"image": nested(), "photo": nested(), "label": [0] * 5}, "image-column"),
        ({"image": nested(), "fine_label": [0] * 5, "label": [0] * 5, "class": [1] * 5},
         "label-column"),
    ],
)  # fmt: skip
def test_two_columns_that_could_be_it_are_a_doubt_that_its_remedies_settle(tmp_path, columns, name):
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(InputError) as caught:
        exhausted(path)
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["name"] == name
    for remedy in doubt["remedies"]:
        assert len(listed(path, **remedy["options"])) == 5


@pytest.mark.parametrize("given", ["", "label=labels"])
def test_a_column_of_lists_of_labels_is_a_doubt(tmp_path, given):
    path = write(tmp_path / "a.parquet", {"image": nested(), "labels": [[0]] * len(PICTURES)})
    with pytest.raises(InputError, match=r"the column labels of .* holds lists"):
        exhausted(path, columns=given)
    assert len(listed(path, columns=given, labels="none")) == len(PICTURES)


def test_several_configurations_in_one_folder_are_a_doubt(tmp_path):
    hugging_face(tmp_path, **{"full/train/0000": [0, 1], "cropped/train/0000": [0, 1]})
    (doubt,), _ = doubted(tmp_path)
    assert doubt.name == "configurations"
    for remedy in doubt.remedies:
        doubts, labeling = doubted(tmp_path, **remedy.options)
        assert doubts == () and sum(map(len, labeling.counts)) > 0
        assert len(listed(tmp_path, **remedy.options)) == 2


def test_rows_without_an_image_or_a_label_are_rejects(tmp_path):
    columns = {"image": [*nested()[:2], None], "label": [0, -1, 1]}
    found = listed(write(tmp_path / "a.parquet", columns, names=NAMES))
    assert [entry.locator[0] for entry in found.values()] == [0, "no-label", "missing"]


@pytest.mark.parametrize("hidden", [-1, None])
def test_a_split_whose_labels_are_hidden_is_doubted_and_its_remedies_settle_it(tmp_path, hidden):
    files = {"train-00000-of-00001": [0, 1, 0], "test-00000-of-00001": [hidden] * 2}
    hugging_face(tmp_path / "a", **files)
    problem = imgmem.preview_build(tmp_path / "a", tmp_path / "out").problem
    assert problem.message == "no image of the split test has a label (2 images)"
    left, rejected = (each["options"] for each in problem.facts["doubts"][0]["remedies"])
    assert imgmem.build(tmp_path / "a", tmp_path / "1", size=8, **left).splits == {"train": 3}
    result = imgmem.build(tmp_path / "a", tmp_path / "2", size=8, **rejected)
    assert result.rejected == {"no-label": 2}


def test_images_of_which_none_has_a_label_may_be_built_without(tmp_path):
    hugging_face(tmp_path / "a", **{"test-00000-of-00001": [-1, -1]})
    problem = imgmem.preview_build(tmp_path / "a", tmp_path / "out").problem
    (remedy,) = problem.facts["doubts"][0]["remedies"]
    assert imgmem.build(tmp_path / "a", tmp_path / "out", size=8, **remedy["options"]).shape[0] == 2


def test_columns_that_could_be_the_label_are_noted_where_none_is_called_so(tmp_path):
    kind = ["shirt", "jeans", "shirt", "jeans", "shirt"]
    use = ["casual", "formal", "casual", "casual", "casual"]
    path = write(tmp_path / "a.parquet", {"image": nested(), "kind": kind, "usage": use})
    (note,) = exhausted(path).notes
    assert note.endswith("without labels; columns='label=NAME' takes one of kind, usage")
    found = placed(path, columns="label=kind")
    assert list(found.values()) == [(each, None) for each in kind]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"exclude": "data/b*"}, ["data/a.parquet/0", "data/a.parquet/1"]),
        ({"include": "data/b.parquet"}, ["data/b.parquet/0", "data/b.parquet/1"]),
        ({"exclude": "data/*/0"}, ["data/a.parquet/1", "data/b.parquet/1"]),
    ],
)
def test_globs_hold_for_files_and_for_rows_and_are_used(tmp_path, options, rows):
    hugging_face(tmp_path, **{"data/a": [0, 1], "data/b": [0, 1]})
    assert list(listed(tmp_path, **options)) == rows
    assert not any("matched nothing" in note for note in exhausted(tmp_path, **options).notes)
    assert any("matched nothing" in note for note in exhausted(tmp_path, exclude="c").notes)


@pytest.mark.parametrize("picture", ["assets/preview.png", "thumbnail.jpg"])
@pytest.mark.parametrize("name", ["data/train-00000-of-00001", "train"])
def test_images_next_to_parquet_files_are_doubted(tmp_path, picture, name):
    hugging_face(tmp_path, **{name: [0, 1, 0]})
    plant(tmp_path, picture, "README.md")
    (doubt,), _ = doubted(tmp_path)
    assert doubt.name == "packed-images" and f"{name}.parquet" in doubt.evidence
    packed, files = (listed(tmp_path, **remedy.options) for remedy in doubt.remedies)
    assert len(packed) == 3 and set(files) == {picture}
    assert [doubted(tmp_path, **remedy.options)[0] for remedy in doubt.remedies] == [(), ()]


def test_a_label_table_next_to_images_is_not_doubted(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/2.jpg")
    write(tmp_path / "table.parquet", {"path": ["1.jpg"], "label": ["cat"]})
    assert doubted(tmp_path)[0] == ()


def test_nothing_is_left_where_all_files_are_left_out(tmp_path):
    hugging_face(tmp_path, **{"data/a": [0, 1]})
    assert listed(tmp_path, exclude="data") == {}


def test_files_with_other_classes_are_refused(tmp_path):
    hugging_face(tmp_path, **{"train-00000-of-00001": [0]})
    columns = {"image": nested(), "label": [0, 1, 0, 1, 0]}
    write(tmp_path / "test-00000-of-00001.parquet", columns, names=["dog", "cat"])
    with pytest.raises(InputError, match="different columns or classes"):
        exhausted(tmp_path)


def test_a_damaged_file_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": nested(), "label": [0, 1, 2, 0, 1]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is damaged"):
        exhausted(path)


def test_a_table_without_images_is_a_list_as_before(tmp_path):
    (tmp_path / "1.png").write_bytes(PICTURES[0])
    path = write(tmp_path / "a.parquet", {"path": ["1.png"], "label": ["cat"]})
    assert placed(path) == {"1.png": ("cat", None)}


def test_without_pyarrow_the_error_has_the_command_that_installs_it(tmp_path, monkeypatch):
    hugging_face(tmp_path, **{"train-00000-of-00001": [0, 1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        exhausted(tmp_path)
    assert "extra `parquet`" in caught.value.hint
    assert "install" in caught.value.hint and sys.executable in caught.value.hint


_MEASURED = """
import json, sys
from imgmem.core.decode import images
from imgmem.core.machine import process
from imgmem.core.machine.memory import PeakMemory
from imgmem.core.sources import open_source
process.keep()
found = []
for path in sys.argv[1:]:
    with PeakMemory() as peak:
        source = open_source(path)
        listing = source.listing()
        assert sum(1 for _ in listing.entries)
        source.close()
    found.append([peak.peak, listing.memory_bytes])
print(json.dumps(found))
"""
_NOISE = random.Random(1).randbytes(2**20)
PAGES = {
    "a row group of one page": ([_NOISE[n:] for n in range(32)], {}),
    "without a dictionary": ([_NOISE[n:] for n in range(32)], {"use_dictionary": False}),
    "not compressed": ([_NOISE[n:] for n in range(32)], {"compression": "none"}),
    "small row groups": ([_NOISE[n:] for n in range(60)], {"row_group_size": 5}),
    "small pages": ([_NOISE[n:] for n in range(60)],
                    {"use_dictionary": False, "write_batch_size": 5}),
    "one large among small": ([bytes(9)] * 900 + [_NOISE * 40], {"use_dictionary": False}),
    "one many times": ([_NOISE] * 100, {}),
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is measured on Linux")
def test_a_listing_takes_no_more_memory_than_it_says_however_a_file_is_packed(tmp_path):
    paths = [
        write(tmp_path / f"{n}.parquet", {"image": nested(data)}, **options)
        for n, (data, options) in enumerate(PAGES.values())
    ]
    measured = json.loads(python(_MEASURED, *paths).stdout)
    for name, (peak, said) in zip(PAGES, measured, strict=True):
        assert peak <= said, name
    assert measured[list(PAGES).index("small row groups")][1] < 140 * 2**20


PACKINGS = [
    {}, {"use_dictionary": False, "write_batch_size": 2}, {"data_page_version": "2.0"},
    {"compression": "zstd", "row_group_size": 2, "write_page_checksum": True},
    {"compression": "none", "store_schema": False, "write_page_index": True},
]  # fmt: skip


@pytest.mark.parametrize("options", PACKINGS)
def test_the_footer_says_what_pyarrow_finds_in_it(tmp_path, options):
    path = write(tmp_path / "a.parquet", {"image": nested(), "label": [0, 1, 2, 0, 1]}, **options)
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as file:
        found = row_groups(file)
    assert [len(chunks) for chunks in found] == [metadata.num_columns] * metadata.num_row_groups
    for number, chunks in enumerate(found):
        for at, chunk in enumerate(chunks):
            expected = metadata.row_group(number).column(at)
            packed = "packed" if expected.compression != "UNCOMPRESSED" else "UNCOMPRESSED"
            others = [
                getattr(expected, name) for name in ChunkPlace._fields if name != "compression"
            ]
            assert [value for value in chunk if value is not chunk.compression] == others
            assert chunk.compression == packed


@pytest.mark.parametrize("footer", [
    b"", b"\x00", bytes([0x1C]) * 5000, b"\x49\xfc\xff\xff\xff\x0f", b"\x49\x1c\x00",
])  # fmt: skip
def test_a_damaged_footer_is_a_value_error(footer):
    """Nothing; no row groups; structs in structs; a list without end; a column without facts."""
    end = len(footer).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ValueError):
        row_groups(io.BytesIO(b"PAR1" + footer + end))


@pytest.mark.parametrize("options", PACKINGS)
def test_the_headers_of_all_pages_are_read(tmp_path, options):
    path = write(tmp_path / "a.parquet", {"image": nested(), "label": [0, 1, 2, 0, 1]}, **options)
    metadata = pq.ParquetFile(path).metadata
    with path.open("rb") as file:
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                found = list(pages(file, chunk))
                assert sum(p.head + p.packed for p in found) == chunk.total_compressed_size
                assert sum(p.head + p.unpacked for p in found) == chunk.total_uncompressed_size


def test_pages_that_cannot_be_told_count_as_one(tmp_path):
    path = write(tmp_path / "a.parquet", {"image": nested()})
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    with io.BytesIO(bytes([255]) * path.stat().st_size) as unknown, path.open("rb") as file:
        for kept in (False, True):
            whole = measured(unknown, chunk, kept=kept)
            assert whole.memory >= measured(file, chunk, kept=kept).memory


def test_a_file_that_the_memory_budget_is_too_small_for_is_refused_with_what_is_enough(tmp_path):
    rough = [_NOISE[n:] for n in range(40)]
    path = write(tmp_path / "a.parquet", {"image": nested(rough), "label": [0, 1] * 20})
    for work in (imgmem.build, imgmem.preview_build):
        with pytest.raises(ResourceError, match=r"takes 2.* MiB of memory") as caught:
            work(path, tmp_path / "out", memory="200MiB")
        assert not (tmp_path / "out").exists()
    with pytest.raises(ResourceError) as estimated:
        imgmem.estimate(path, memory="200MiB")
    assert estimated.value.facts == caught.value.facts
    assert "memory='2" in caught.value.hint
    enough = caught.value.facts["needed_bytes"]
    assert imgmem.preview_build(path, tmp_path / "out", memory=enough).images == 40


def test_each_file_is_opened_twice(tmp_path, monkeypatch):
    hugging_face(tmp_path, **{f"train-0000{n}-of-00003": [0, 1] for n in range(3)})
    opened = []
    whole = pq.ParquetFile
    monkeypatch.setattr(
        pq, "ParquetFile", lambda path, **k: opened.append(path) or whole(path, **k)
    )
    exhausted(tmp_path)
    assert len(opened) == 6
