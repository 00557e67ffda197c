"""Compiled arithmetic makes the same bits as NumPy's, and NumPy does without it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.numbered import ON_READ, numbered_images, reference
from support.program import python

import imgmem
from imgmem.core.read import compiled, convert
from imgmem.core.storage.record import Normalization

numba = pytest.importorskip("numba", reason="numba is not installed")
finite = st.floats(-300, 300, width=32)


def converted(images, normalization, layout, *, is_compiled, count):
    conversion = convert.Conversion(np.dtype(np.uint8), np.dtype(np.float32), layout, normalization)
    converter = convert.Converter(conversion, *images.shape[1:3], compiled=is_compiled)
    assert (converter._kernels is not None) == is_compiled
    _, height, width, depth = images.shape
    row = (height, width, depth) if layout == "NHWC" else (depth, height, width)
    out = np.full((count, *row), np.nan, np.float32)
    converter.from_block(images)(count, out)
    return out.view(np.uint32)


@given(
    shape=st.tuples(*(st.integers(1, 40) for _ in range(2)), st.sampled_from([1, 3])),
    layout=st.sampled_from(["NHWC", "NCHW"]),
    constants=st.tuples(*(st.tuples(finite, st.floats(1e-3, 300)) for _ in range(3))),
    rows=st.integers(1, 3),
    count=st.integers(1, 3),
)
def test_compiled_values_are_the_bits_of_numpy(shape, layout, constants, rows, count):
    images = np.resize(np.arange(256, dtype=np.uint8), (max(rows, count), *shape))
    offset, scale = zip(*constants[: shape[2]], strict=True)
    normalization = Normalization(
        method="given", offset=offset, scale=scale, dtype="float32", source_dtype="uint8"
    )
    found, expected = (
        converted(images, normalization, layout, is_compiled=each, count=count)
        for each in (True, False)
    )
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_batches_without_numba_equal_what_plain_numpy_makes(numbered, monkeypatch, layout):
    monkeypatch.setattr(convert, "kernels", lambda: None)
    path = numbered(20, normalization=ON_READ)
    batches = imgmem.open(path).batches(20, order="sequential", layout=layout)
    expected = reference(numbered_images(20, 6, 10, 3), ON_READ, "float32")
    found = next(iter(batches))[0]
    found = found if layout == "NHWC" else found.transpose(0, 2, 3, 1)
    assert np.array_equal(found, expected)


def kernels_in(prelude):
    """What a fresh process that begins with `prelude` has, and what it warns of."""
    script = "from imgmem.core.read import compiled\nprint(compiled.kernels())"
    done = python(f"import os, sys\n{prelude}\n{script}")
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    "prelude",
    ["sys.modules['numba'] = None", "os.environ['NUMBA_DISABLE_JIT'] = '1'"],
    ids=["not installed", "switched off"],
)
def test_numpy_stands_in_where_numba_does_not_compile(prelude):
    assert kernels_in(prelude) == ("None", "")


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    prelude = f"os.environ['NUMBA_CACHE_DIR'] = {str(tmp_path / 'file' / 'cache')!r}"
    kernels, warned = kernels_in(prelude)
    assert kernels.startswith("Kernels(")
    assert warned == ""


def test_numpy_stands_in_with_a_warning_where_compiling_fails(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no LLVM")

    monkeypatch.setattr(numba, "njit", fail)
    with pytest.warns(UserWarning, match="NumPy makes the batches: no LLVM"):
        assert compiled.kernels.__wrapped__() is None


def test_one_image_is_read_without_loading_numba(numbered):
    path = numbered(normalization=ON_READ)
    script = f"import imgmem, sys\nimgmem.open({str(path)!r})[3]\nprint('numba' in sys.modules)"
    assert python(script).stdout.strip() == "False"
