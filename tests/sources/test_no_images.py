"""Sources without images: what they hold instead, and what to do with it."""

import pytest
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError


@pytest.mark.parametrize(
    ("files", "holds", "remedy"),
    [
        (["CT/1.dcm", "MR/2.dcm"], "2 files of a format that is not read (DICOM)", "Convert its"),
        (["1.nii.gz"], "1 file of a format that is not read (NIfTI)", "(nibabel)"),
        (["d.zip.001", "d.zip.002"], "1 .001 file, 1 .002 file", "cat NAME.001 NAME.002"),
        (["d.zip", "d.z01"], "1 .z01 file, 1 .zip archive", "zip -s 0 NAME.zip"),
        (["a/x.h5.gz", "y.h5.gz", "z.txt"], "2 .gz archives", "with gunzip"),
        (["train.tfrecord"], "1 .tfrecord file", "TFRecord files are not read"),
        (["data.mdb", "lock.mdb"], "2 .mdb files", "LMDB databases are not read"),
        (["data.arrow", "state.json"], "1 .arrow file, 1 .json file", "to_parquet("),
    ],
)
def test_what_a_source_holds_instead_comes_with_what_to_do(tmp_path, files, holds, remedy):
    plant(tmp_path / "src", *files)
    with pytest.raises(InputError, match="no images found") as caught:
        imgmem.preview_build(tmp_path / "src", tmp_path / "out")
    said = str(caught.value)
    assert holds in said and remedy in said
