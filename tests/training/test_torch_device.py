"""uint8 batches, normalized on the device as the CPU path would have done it."""

import copy

import numpy as np
import pytest
from support.numbered import ON_READ, RESCALE

from imgmem.core.errors import UsageError

torch = pytest.importorskip("torch", reason="PyTorch is not installed (scripts/test --all)")

from torch.utils.data import ConcatDataset, Subset  # noqa: E402

from imgmem.torch import ImageDataset, Normalize, loader  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few CPUs
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning"),  # by inductor
]


@pytest.fixture(params=[ON_READ, RESCALE], ids=["standardize", "rescale"])
def train(request, numbered):
    return ImageDataset(numbered(normalization=request.param))


def expected(train):
    return [images for images, _ in loader(train, 32, order="sequential")]


def within_one_ulp(found, wanted):
    wanted = wanted.numpy()
    return (np.abs(found.numpy() - wanted) <= np.spacing(np.abs(wanted))).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_uint8_batches_are_normalized_within_one_ulp(train, workers):
    normalize = Normalize(train)
    loading = loader(train, 32, order="sequential", normalize="device", num_workers=workers)
    for (stored, _), wanted in zip(loading, expected(train), strict=True):
        assert stored.dtype == torch.uint8
        assert within_one_ulp(normalize(stored), wanted)


def test_a_loader_with_a_device_moves_and_normalizes(train):
    loading = loader(train, 32, order="sequential", device="cpu")
    for (images, labels), wanted in zip(loading, expected(train), strict=True):
        assert within_one_ulp(images, wanted)
        assert labels.dtype == torch.int64
    assert len(loading) == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(train, dtype):
    stored = train.with_options(normalize="device")[5][0][None]
    assert torch.equal(Normalize(train, dtype)(stored), Normalize(train)(stored).to(dtype))


def test_constants_stay_exact_in_a_model_that_is_cast(train):
    stored = train.with_options(normalize="device")[5][0][None]
    model = torch.nn.Sequential(Normalize(train)).half()
    assert torch.equal(model(stored), Normalize(train)(stored))
    assert torch.equal(copy.deepcopy(model)(stored), Normalize(train)(stored))


def test_channels_last_is_kept(train):
    dataset = train.with_options(channels_last=True)
    images, _ = next(iter(loader(dataset, 8, device="cpu")))
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_torch_compile_takes_it(train, dtype, by_tier):
    """Inductor, the real backend, takes a minute and a C++ compiler."""
    backend = by_tier("aot_eager", "aot_eager", "inductor")
    stored = train.with_options(normalize="device")[5][0][None]
    compiled = torch.compile(Normalize(train, dtype), backend=backend, fullgraph=True)
    assert torch.equal(compiled(stored), Normalize(train, dtype)(stored))


def test_it_can_be_exported(train):
    module, images = Normalize(train), torch.arange(180, dtype=torch.uint8).reshape(1, 3, 6, 10)
    exported = torch.export.export(module, (images,)).module()
    assert torch.equal(exported(images), module(images))


def test_given_constants_are_those_of_the_module(numbered):
    train = ImageDataset(numbered(), normalize=((120.0, 110.0, 100.0), (60.0, 61.0, 62.0)))
    loading = loader(train, 32, order="sequential", device="cpu")
    for (images, _), wanted in zip(loading, expected(train), strict=True):
        assert within_one_ulp(images, wanted)


def test_the_state_of_a_loader_with_a_device_is_that_of_what_was_handed_out(train):
    first = loader(train, 32, device="cpu")
    iterator = iter(first)
    next(iterator)
    assert first.state_dict()["batch"] == 1
    second = loader(train, 32, device="cpu")
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(iter(second))[0], next(iterator)[0])


def test_a_subset_is_normalized_on_a_device_too(train):
    images, _ = next(iter(loader(Subset(train, [7, 5]), 2, shuffle=False, device="cpu")))
    assert within_one_ulp(images[0], train[7][0])


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 6, 10), torch.zeros(2, 1, 6, 10).byte(), torch.zeros(2, 6, 10, 3).byte()],
    ids=["normalized", "gray", "channels behind"],
)
def test_what_are_not_stored_images_is_not_normalized(train, images):
    with pytest.raises(UsageError, match="as stored"):
        Normalize(train)(images)


def test_what_has_no_constants_is_refused(numbered, tmp_path):
    plain = ImageDataset(numbered())
    with pytest.raises(UsageError, match="no normalization"):
        Normalize(plain)
    with pytest.raises(UsageError, match="no normalization"):
        loader(plain, 8, device="cpu")
    with pytest.raises(UsageError, match="ImageDataset"):
        loader(ConcatDataset([plain, plain]), 8, normalize="device")
    for normalize in ("gpu", "cpu"):
        with pytest.raises(UsageError, match="invalid normalize"):
            loader(plain, 8, normalize=normalize)
        with pytest.raises(UsageError, match="invalid normalize"):
            ImageDataset(plain.data.path, normalize=normalize)
