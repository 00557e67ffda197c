"""What a doubt proposes works: also where settling it leads to the next doubt."""

import pytest
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError


def numbered(*folders, count=3):
    return [f"{folder}/{at}{n}.jpg" for at, folder in enumerate(folders) for n in range(count)]


CHAINS = {
    "masks, then splits": (
        [*numbered("images/seg_train/cat", "images/seg_train/dog", "images/seg_test/cat"),
         *numbered("images/seg_test/dog", "masks")],
        {"exclude": ("./masks",), "labels": "folder:3", "split": "folder:2",
         "split_map": ("seg_test=test", "seg_train=train")},
    ),
    "a copy, then spelling": (
        numbered("Cat", "cat", "dog", "data/Cat", "data/cat", "data/dog"),
        {"exclude": ("./data",), "class_map": ("cat=Cat",)},
    ),
    "loose images, then domains": (
        [*numbered("photo/cat", "photo/dog", "sketch/cat", "sketch/dog"), "cover.png"],
        {"exclude": ("./cover.png",), "labels": "folder:2"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_a_remedy_that_leads_to_a_doubt_is_completed(tmp_path, case):
    tree, options = CHAINS[case]
    plant(tmp_path / "source", *tree)
    preview = imgmem.preview_build(tmp_path / "source", tmp_path / "out")
    (doubt,) = preview.doubts
    assert doubt["remedies"][0]["options"] == options
    for remedy in doubt["remedies"]:
        again = imgmem.preview_build(tmp_path / "source", tmp_path / "out", **remedy["options"])
        assert again.problem is None


def test_a_table_in_the_folder_of_a_split_is_proposed(tmp_path):
    """Tiny ImageNet."""
    folders = ("val/images", "train/n01/images", "train/n02/images", "test/images")
    source = plant(tmp_path / "tiny", *numbered(*folders))
    (source / "val" / "notes.csv").write_text("file,label\nnone.jpg,n01\n")
    table = source / "val" / "val_annotations.txt"
    table.write_text("".join(f"0{n}.jpg\tn0{1 + n % 2}\t0\t1\t2\t3\n" for n in range(3)))
    (source / "wnids.txt").write_text("n01\nn02\n")
    (doubt,) = imgmem.preview_build(source, tmp_path / "out").doubts
    options = doubt["remedies"][0]["options"]
    assert options == {"labels": ("folder", str(table)), "split_map": ("test=",)}
    preview = imgmem.preview_build(source, tmp_path / "out", **options)
    assert preview.problem is None
    assert preview.splits == {"train": 6, "val": 3}


NEXT_TO_IMAGES = {
    "ids": (
        numbered("train_images", "test_images"),
        "train.csv",
        "id_code,diagnosis\n00,2\n01,0\n02,2\n",
    ),
    "parts": (
        numbered("part_1", "part_2"),
        "metadata.csv",
        "image_id,dx\n" + "".join(f"{at}{n},mel\n" for at in (0, 1) for n in range(3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NEXT_TO_IMAGES)
def test_a_table_next_to_folders_without_classes_is_proposed(tmp_path, case):
    tree, name, text = NEXT_TO_IMAGES[case]
    source = plant(tmp_path / "source", *tree, "readme.txt")
    (source / name).write_text(text)
    (source / "sample_submission.csv").write_text("id_code,diagnosis\n10,0\n11,0\n12,0\n")
    (doubt,) = imgmem.preview_build(source, tmp_path / "out").doubts
    options = doubt["remedies"][0]["options"]
    assert options == {"labels": str(source / name)}
    assert imgmem.preview_build(source, tmp_path / "out", **options).problem is None


def test_a_table_next_to_images_without_labels_is_noted(tmp_path):
    source = plant(tmp_path / "source", "a.jpg", "b.jpg", "notes.txt")
    (source / "labels.csv").write_text("file,label\na.jpg,x\nb.jpg,y\n")
    preview = imgmem.preview_build(source, tmp_path / "out")
    assert any("labels.csv is not read; labels=" in note for note in preview.notes)
    again = imgmem.preview_build(source, tmp_path / "out", labels=source / "labels.csv")
    assert not any("not read" in note for note in again.notes)


def test_a_table_of_ids_next_to_images_without_labels_is_noted(tmp_path):
    source = plant(tmp_path / "source", "train/0.jpg", "train/1.jpg", "test/2.jpg", "test/3.jpg")
    (source / "train.csv").write_text("id,label\n0,x\n1,y\n")
    (source / "prices.csv").write_text("fruit,price\npear,3\nplum,4\n")
    notes = imgmem.preview_build(source, tmp_path / "out").notes
    assert ["train.csv" in note for note in notes if "is not read" in note] == [True]


def test_tables_of_splits_next_to_images_are_noted_together(tmp_path):
    source = plant(tmp_path / "source", "images/1.jpg", "images/2.jpg", "images/3.jpg")
    (source / "train.csv").write_text("file,label\n1.jpg,x\n2.jpg,y\n")
    (source / "extra_val.csv").write_text("file,label\n3.jpg,x\n")
    (note,) = (
        note
        for note in imgmem.preview_build(source, tmp_path / "out").notes
        if "are not read" in note
    )
    assert note.index("train.csv") < note.index("extra_val.csv")
    assert note.endswith("take labels from them")


def test_a_list_of_test_images_is_not_noted_as_labels(tmp_path):
    source = plant(tmp_path / "source", "train/1.jpg", "test/1.jpg")
    (source / "Training_set.csv").write_text("filename,label\n1.jpg,x\n")
    (source / "Testing_set.csv").write_text("filename\n1.jpg\n")
    notes = imgmem.preview_build(source, tmp_path / "out").notes
    (note,) = (note for note in notes if "not read" in note)
    assert "Training_set.csv is not read" in note


def test_a_remedy_that_fails_is_not_proposed(tmp_path):
    """Of two columns that may be the label one has lines without a label."""
    plant(tmp_path / "images", "a.jpg", "b.jpg", "c.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("file,kind,sort\na.jpg,x,p\nb.jpg,,q\nc.jpg,y,q\n")
    with pytest.raises(InputError) as caught:
        imgmem.preview_build(tmp_path / "images", tmp_path / "out", labels=table)
    (doubt,) = caught.value.facts["doubts"]
    assert [each["options"] for each in doubt["remedies"]] == [{"columns": "path=file,label=sort"}]


def test_where_no_remedy_is_enough_all_are_shown(tmp_path):
    plant(tmp_path / "images", "a.jpg", "b.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("file,kind,sort\na.jpg,,p\nb.jpg,x,\n")
    with pytest.raises(InputError) as caught:
        imgmem.preview_build(tmp_path / "images", tmp_path / "out", labels=table)
    assert len(caught.value.facts["doubts"][0]["remedies"]) == 2


def test_tables_of_one_name_in_each_split_are_noted_with_the_options_that_take_them(tmp_path):
    for split in ("train", "test"):
        plant(tmp_path / "src" / split, "1.jpg", "2.jpg")
        text = "file_name,label\n1.jpg,cat\n2.jpg,dog\n"
        (tmp_path / "src" / split / "metadata.csv").write_text(text)
    preview = imgmem.preview_build(tmp_path / "src", tmp_path / "out")
    (note,) = (note for note in preview.notes if "are not read" in note)
    tables = [str(tmp_path / "src" / split / "metadata.csv") for split in ("test", "train")]
    assert all(f"labels={path!r}" in note for path in tables)
    found = imgmem.preview_build(tmp_path / "src", tmp_path / "out", labels=tables)
    assert found.problem is None and {each.name for each in found.classes} == {"cat", "dog"}
