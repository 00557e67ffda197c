"""Random crops and flips: what they do, how they are distributed, and that they are repeatable."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.datasets import write_dataset
from support.numbered import ON_READ, numbered_images, reference

import imgmem
from imgmem.augment import CenterCrop, HorizontalFlip, RandomResizedCrop
from imgmem.core.errors import UsageError
from imgmem.core.read.augment import Augmenter, uniforms

STEPS = [RandomResizedCrop(5), HorizontalFlip()]


def keys(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def drawn(steps, shape=(60, 80, 3), count=20_000):
    return Augmenter(steps, shape, np.dtype(np.uint8)).draw(keys(count))


def images_of(batches):
    return np.concatenate([images.copy() for images, _ in batches])


# ---- what is drawn


def test_numbers_are_uniform():
    numbers = uniforms(keys(100_000), 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.allclose(numbers.mean(axis=0), 1 / 2, atol=0.005)
    assert np.allclose(numbers.var(axis=0), 1 / 12, atol=0.002)
    assert np.abs(np.corrcoef(numbers.T) - np.eye(3)).max() < 0.02


@settings(deadline=None, max_examples=50)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    scale=st.tuples(st.floats(0.01, 1), st.floats(0.01, 2)).map(sorted).map(tuple),
    ratio=st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)).map(sorted).map(tuple),
)
def test_every_part_lies_within_the_image(height, width, scale, ratio):
    step = RandomResizedCrop(7, scale=scale, ratio=ratio)
    boxes, _ = drawn([step], (height, width, 3), 50)
    top, left, h, w = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()


def torchvisions(count, height, width, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3)):
    """torchvision's RandomResizedCrop.get_params, with NumPy's generator."""
    random = np.random.default_rng(1)
    boxes = []
    for _ in range(count):
        for _ in range(10):
            area = height * width * random.uniform(*scale)
            aspect = np.exp(random.uniform(*np.log(ratio)))
            w, h = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top, left = random.integers(height - h + 1), random.integers(width - w + 1)
                boxes.append((top, left, h, w))
                break
    return np.array(boxes)


def test_parts_are_distributed_as_torchvisions():
    boxes, _ = drawn([RandomResizedCrop(32)])
    wanted = torchvisions(20_000, 60, 80)
    for moment in (np.mean, np.std):
        assert np.allclose(moment(boxes, axis=0), moment(wanted, axis=0), rtol=0.03)
    assert np.abs(np.corrcoef(boxes.T) - np.corrcoef(wanted.T)).max() < 0.03


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_as_many_images_are_flipped_as_asked_for(p):
    _, flips = drawn([HorizontalFlip(p)])
    assert flips.mean() == pytest.approx(p, abs=0.01)


def test_draws_of_crop_and_flip_do_not_depend_on_each_other():
    boxes, flips = drawn(STEPS)
    assert np.abs(np.corrcoef(boxes.T, flips)[-1, :-1]).max() < 0.03


def test_a_part_that_never_fits_is_the_largest_in_the_middle():
    wide = RandomResizedCrop(5, scale=(1.0, 1.0), ratio=(4.0, 4.0))
    boxes, _ = drawn([wide], (60, 80, 3), 10)
    assert boxes.tolist() == [[20, 0, 20, 80]] * 10


# ---- what becomes of the pixels


def test_a_center_crop_is_the_middle(numbered):
    batches = imgmem.open(numbered()).batches(9, order="sequential", augment=[CenterCrop((4, 6))])
    assert np.array_equal(images_of(batches), numbered_images(100)[:, 1:5, 2:8])


def test_a_flip_mirrors_each_image(numbered):
    batches = imgmem.open(numbered()).batches(9, order="sequential", augment=[HorizontalFlip(1.0)])
    assert np.array_equal(images_of(batches), numbered_images(100)[:, :, ::-1])


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("shape", [(6, 10, 3), (6, 10, 1), (90, 80, 3)], ids=str)
@pytest.mark.parametrize("size", [4, (5, 7), (40, 30)], ids=str)
def test_crops_are_resized_flipped_and_normalized(numbered, shape, size, layout):
    constants = {"offset": ON_READ.offset[: shape[2]], "scale": ON_READ.scale[: shape[2]]}
    path = numbered(30, shape=shape, normalization=type(ON_READ)(**{**vars(ON_READ), **constants}))
    steps = [RandomResizedCrop(size), HorizontalFlip()]
    dataset = imgmem.open(path)
    raw = images_of(dataset.batches(7, order="sequential", augment=steps, normalize=False))
    found = images_of(dataset.batches(7, order="sequential", augment=steps, layout=layout))
    height, width = (size, size) if isinstance(size, int) else size
    assert raw.shape == (30, height, width, shape[2])
    wanted = reference(raw, type(ON_READ)(**{**vars(ON_READ), **constants}))
    assert np.array_equal(found, wanted if layout == "NHWC" else wanted.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("shrink", [1, 1.3, 2, 3, 6])
def test_a_gradient_stays_a_gradient(tmp_path, shrink):
    """A part of a smooth image looks as that part resized by OpenCV's area mean."""
    across = np.linspace(0, 255, 96).astype(np.uint8)
    image = np.repeat(np.repeat(across[None, :, None], 96, 0), 3, 2)
    path = write_dataset(tmp_path / "smooth", image[None], [0])
    step = RandomResizedCrop(int(96 / shrink), scale=(1.0, 1.0), ratio=(1.0, 1.0))
    ((found, _),) = imgmem.open(path).batches(1, augment=[step])
    side = int(96 / shrink)
    wanted = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    assert np.abs(found[0].astype(int) - wanted).max() <= 3


# ---- repeatable


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 3}, {"prefetch": 0}], ids=str)
@pytest.mark.parametrize("size", [7, 64])
def test_draws_depend_neither_on_batches_nor_on_threads(numbered, options, size):
    dataset = imgmem.open(numbered())
    once = images_of(dataset.batches(10, augment=STEPS))
    assert np.array_equal(images_of(dataset.batches(size, augment=STEPS, **options)), once)


def test_epochs_and_seeds_draw_differently(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(10, order="sequential", augment=STEPS)
    other = dataset.batches(10, order="sequential", augment=STEPS, seed=1)
    drawn = [images_of(batches), images_of(batches), images_of(other)]
    assert not any(np.array_equal(drawn[a], drawn[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_a_resumed_epoch_draws_the_same(numbered):
    dataset = imgmem.open(numbered())
    first, second = (dataset.batches(10, augment=STEPS) for _ in range(2))
    iterator = iter(first)
    for _ in range(4):
        next(iterator)
    second.load_state(first.state())
    for (images, _), (again, _) in zip(iterator, second, strict=True):
        assert np.array_equal(images, again)


def test_ranks_draw_the_shares_of_one_order(numbered):
    dataset = imgmem.open(numbered())
    parts = [dataset.batches(10, augment=STEPS, rank=rank, world_size=2) for rank in range(2)]
    joined = np.concatenate([images_of(part) for part in parts])
    assert np.array_equal(joined, images_of(dataset.batches(10, augment=STEPS)))


def test_repeated_rows_of_a_balanced_epoch_are_drawn_again(numbered):
    dataset = imgmem.open(numbered(labels=(0, 0, 0, 0, 0, 0, 0, 0, 0, 1)))
    batches = dataset.batches(10, balanced=True, augment=STEPS)
    seen = [image.tobytes() for images, _ in batches for image in images]
    assert len(set(seen)) > 0.9 * len(seen) > 0.9 * 150


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([CenterCrop(4), RandomResizedCrop(4)], "at most one crop"),
        ([HorizontalFlip(), HorizontalFlip()], "at most one crop"),
        (["flip"], "at most one crop"),
        ([CenterCrop(11)], "does not fit"),
        ([CenterCrop(0)], "invalid crop size"),
        ([RandomResizedCrop(4, scale=(0.5, 0.1))], "invalid scale"),
        ([RandomResizedCrop(4, ratio=(0.0, 1.0))], "invalid ratio"),
        ([HorizontalFlip(1.5)], "invalid probability"),
    ],
    ids=str,
)
def test_steps_that_make_no_sense_are_refused(numbered, steps, says):
    with pytest.raises(UsageError) as raised:
        imgmem.open(numbered()).batches(10, augment=steps)
    assert says in f"{raised.value.message} {raised.value.hint}"


def test_only_stored_uint8_is_augmented(tmp_path):
    path = write_dataset(tmp_path / "float", numbered_images(10).astype(np.float32))
    with pytest.raises(UsageError, match="uint8"):
        imgmem.open(path).batches(10, augment=STEPS)


# ---- PyTorch


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_draws_what_batches_draw(numbered, workers):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (scripts/test --all)")
    from imgmem.torch import ImageDataset, loader

    path = numbered(normalization=ON_READ)
    wanted = images_of(imgmem.open(path).batches(10, augment=STEPS, layout="NCHW"))
    train = ImageDataset(path, augment=STEPS)
    first = loader(train, 10, num_workers=workers)
    found = torch.cat([images for images, _ in first]).numpy()
    assert np.array_equal(found, wanted)
    second = loader(train, 10, num_workers=workers)
    second.load_state_dict({**second.state_dict(), "batch": 6})
    assert np.array_equal(torch.cat([images for images, _ in second]).numpy(), wanted[60:])
