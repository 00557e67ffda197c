"""Batches: what they hold, how they are prepared, and how an epoch goes on elsewhere."""

import json
import multiprocessing
import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
from support.datasets import write_dataset
from support.numbered import ON_READ, RESCALE, numbered_images, numbers_of, reference
from support.program import python

import imgmem
from imgmem import BatchSpec, NormalizeSpec
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.storage.record import Normalization

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

MEAN, STD = (120.0, 110.5, 100.25), (60.0, 61.5, 62.0)
GIVEN = Normalization(
    method="given",
    offset=MEAN,
    scale=tuple(1 / s for s in STD),
    dtype="float32",
    source_dtype="uint8",
)


def all_of(batches):
    """The images and labels of an epoch, joined."""
    parts = [(images.copy(), labels) for images, labels in batches]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def expected(images, layout):
    return images if layout == "NHWC" else images.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("normalization", [ON_READ, RESCALE], ids=["standardize", "rescale"])
@pytest.mark.parametrize("shape", [(6, 10, 3), (7, 5, 3), (8, 8, 1), (300, 320, 3)], ids=str)
def test_batches_equal_what_plain_numpy_makes(
    numbered, shape, normalization, dtype, layout, threads
):
    constants = {
        "offset": normalization.offset[: shape[2]],
        "scale": normalization.scale[: shape[2]],
    }
    normalization = Normalization(
        method="standardize", dtype="float32", source_dtype="uint8", on_read=True, **constants
    )
    path = numbered(20, shape=shape, normalization=normalization)
    stored = numbered_images(20, *shape)
    spec = BatchSpec(layout=layout, threads=threads)
    images, labels = all_of(
        imgmem.open(path).batches(8, order="sequential", dtype=dtype, spec=spec)
    )
    assert images.dtype == dtype
    assert np.array_equal(images, expected(reference(stored, normalization, dtype), layout))
    assert labels.tolist() == np.resize((0, 0, 0, 0, 1, 1, 2), 20).tolist()


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [None, "uint8", "float32", "float16"])
def test_values_come_as_stored_where_nothing_is_to_be_normalized(numbered, dtype, layout):
    batches = imgmem.open(numbered(40)).batches(
        16, order="sequential", dtype=dtype, spec=BatchSpec(layout=layout)
    )
    images, _ = all_of(batches)
    assert images.dtype == (dtype or "uint8")
    assert np.array_equal(images, expected(numbered_images(40), layout))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_normalizing_on_read_gives_the_bits_that_normalizing_in_place_writes(numbered, dtype):
    on_read, in_place = numbered(name="on_read"), numbered(name="in_place")
    imgmem.normalize(on_read, spec=NormalizeSpec(dtype=dtype, on_read=True))
    imgmem.normalize(in_place, spec=NormalizeSpec(dtype=dtype))
    written = imgmem.open(in_place).images
    images, _ = all_of(imgmem.open(on_read).batches(16, order="sequential"))
    assert images.dtype == written.dtype == dtype
    assert np.array_equal(images, written)


def test_normalize_false_gives_the_stored_levels(numbered):
    dataset = imgmem.open(numbered(normalization=ON_READ))
    images, _ = all_of(dataset.batches(30, order="sequential", normalize=False))
    assert np.array_equal(images, numbered_images(100))
    assert images.dtype == np.uint8


@pytest.mark.parametrize("recorded", [None, ON_READ])
def test_a_given_mean_and_std_are_applied_instead_of_what_is_recorded(numbered, recorded):
    dataset = imgmem.open(numbered(normalization=recorded))
    images, _ = all_of(dataset.batches(30, order="sequential", normalize=(MEAN, STD)))
    assert np.array_equal(images, reference(numbered_images(100), GIVEN))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("dtype", [None, "float32", "float16"])
def test_a_normalized_dataset_gives_its_own_values(tmp_path, stored, dtype, layout):
    values = reference(numbered_images(20), dtype=stored)
    normalization = replace(ON_READ, dtype=stored, on_read=False)
    path = write_dataset(tmp_path / "floats", values, np.zeros(20), normalization=normalization)
    images, _ = all_of(
        imgmem.open(path).batches(8, order="sequential", dtype=dtype, spec=BatchSpec(layout=layout))
    )
    assert images.dtype == (dtype or stored)
    assert np.array_equal(images, expected(values.astype(images.dtype), layout))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(None, 1e-6), ("float16", 2e-3)])
def test_float_pixel_values_are_normalized_on_the_way(tmp_path, dtype, tolerance, layout):
    levels = numbered_images(20).astype(np.float32)
    dataset = imgmem.open(write_dataset(tmp_path / "floats", levels, np.zeros(20)))
    images, _ = all_of(
        dataset.batches(
            8,
            order="sequential",
            normalize=(MEAN, STD),
            dtype=dtype,
            spec=BatchSpec(layout=layout),
        )
    )
    assert images.dtype == (dtype or "float32")
    assert np.allclose(images, expected(reference(levels, GIVEN), layout), atol=tolerance)


@pytest.mark.parametrize("order", ["random", "blocks", "sequential"])
@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_an_epoch_hands_out_every_row_once_with_its_own_label(numbered, order, batch_size):
    dataset = imgmem.open(numbered(splits={"val": (0, 13), "train": (13, 100)}), split="train")
    batches = dataset.batches(batch_size, order=order, spec=BatchSpec(block_rows=5))
    images, labels = all_of(batches)
    rows = numbers_of(images)
    assert sorted(rows) == list(range(13, 100))
    assert labels.tolist() == [dataset.labels[row - 13] for row in rows]


def test_drop_last_leaves_out_what_does_not_fill_a_batch(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(30, spec=BatchSpec(drop_last=True))
    assert len(batches) == 3
    assert [len(images) for images, _ in batches] == [30, 30, 30]
    assert len(dataset.batches(30)) == 4
    assert [len(images) for images, _ in dataset.batches(30)] == [30, 30, 30, 10]


def test_an_unlabeled_dataset_gives_batches_of_images(numbered):
    batches = imgmem.open(numbered(labels=None)).batches(30, order="sequential")
    assert [row for images in batches for row in numbers_of(images)] == list(range(100))


def test_balanced_batches_hold_every_class_equally_often(numbered):
    batches = imgmem.open(numbered()).batches(9, balanced=True)
    counts = [np.bincount(labels, minlength=3).tolist() for _, labels in batches]
    assert len(counts) > 11
    assert all(count == [3, 3, 3] for count in counts[:-1])


def test_an_empty_split_has_no_batches(numbered):
    dataset = imgmem.open(numbered(splits={"train": (0, 100), "val": (100, 100)}), split="val")
    assert list(dataset.batches(8)) == []
    assert list(dataset.batches("auto")) == []
    assert list(dataset.batches(8, balanced=True)) == []


def epochs(batches, count):
    return [[row for images, _ in batches for row in numbers_of(images)] for _ in range(count)]


def test_each_iteration_is_the_next_epoch_and_set_epoch_chooses_one(numbered):
    dataset = imgmem.open(numbered())
    first, second, third = epochs(dataset.batches(30, seed=5), 3)
    assert first != second != third
    again = dataset.batches(30, seed=5)
    again.set_epoch(1)
    assert epochs(again, 2) == [second, third]


def test_looking_at_one_batch_does_not_take_it_out_of_the_epoch(numbered):
    batches = imgmem.open(numbered()).batches(30)
    next(iter(batches))
    assert sorted(epochs(batches, 1)[0]) == list(range(100))


@pytest.mark.parametrize("taken", range(1, 5))
@pytest.mark.parametrize("order", ["random", "blocks", "sequential"])
def test_a_saved_state_resumes_with_the_next_batch_and_then_the_next_epoch(numbered, order, taken):
    dataset = imgmem.open(numbered())
    whole = epochs(dataset.batches(30, order=order), 3)
    interrupted = dataset.batches(30, order=order)
    interrupted.set_epoch(1)
    seen = []
    for number, (images, _) in enumerate(interrupted, start=1):
        seen += numbers_of(images)
        if number == taken:
            break
    state = json.loads(json.dumps(interrupted.state()))
    resumed = dataset.batches(30, order=order)
    resumed.load_state(state)
    assert resumed.state() == state
    assert [seen + epochs(resumed, 1)[0], *epochs(resumed, 1)] == whole[1:]


def test_iterators_that_live_at_the_same_time_do_not_disturb_each_other(numbered):
    batches = imgmem.open(numbered()).batches(10)
    first = iter(batches)
    rows = [numbers_of(next(first)[0]) for _ in range(3)]
    second = iter(batches)
    again = [numbers_of(next(second)[0])]
    rows += [numbers_of(images) for images, _ in first]
    assert batches.state()["batch"] == 1
    assert batches.epoch == 0
    again += [numbers_of(images) for images, _ in second]
    assert again == rows
    assert (batches.epoch, batches.state()["batch"]) == (1, 0)


def test_a_state_is_gone_on_from_once(numbered):
    batches = imgmem.open(numbered()).batches(30)
    batches.load_state(batches.state() | {"batch": 2})
    iterator = iter(batches)
    next(iterator)
    assert batches.state()["batch"] == 3
    assert sorted(epochs(batches, 1)[0]) == list(range(100))


def test_choosing_the_epoch_of_a_loaded_state_keeps_its_place(numbered):
    batches = imgmem.open(numbered()).batches(30)
    whole = [numbers_of(images) for images, _ in batches]
    batches.load_state(batches.state() | {"epoch": 0, "batch": 2})
    batches.set_epoch(0)  # as loops over epochs do
    assert batches.state()["batch"] == 2
    assert [numbers_of(images) for images, _ in batches] == whole[2:]
    batches.load_state(batches.state() | {"epoch": 1, "batch": 2})
    batches.set_epoch(0)
    assert [numbers_of(images) for images, _ in batches] == whole


def test_a_state_taken_between_epochs_begins_the_next_one(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(30)
    epochs(batches, 1)
    resumed = dataset.batches(30)
    resumed.load_state(batches.state())
    assert epochs(resumed, 1) == epochs(batches, 1)


def test_pickled_batches_are_small_and_resume_elsewhere(numbered):
    dataset = imgmem.open(numbered(normalization=ON_READ))
    spec = BatchSpec(layout="NCHW", memory=30 * 3 * 180 * 4)
    batches = dataset.batches("auto", balanced=True, seed=3, dtype="float32", spec=spec)
    next(iter(batches))
    data = pickle.dumps(batches)
    assert len(data) < 1200
    again = pickle.loads(data)
    for ours, theirs in zip(list(batches)[1:], again, strict=True):
        assert all(map(np.array_equal, ours, theirs))


def _put_rows(batches, queue):
    queue.put([row for images, _ in batches for row in numbers_of(images)])


def test_threads_of_the_parent_do_not_keep_a_forked_child_waiting(numbered):
    batches = imgmem.open(numbered()).batches(30, spec=BatchSpec(threads=2))
    next(iter(batches))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_put_rows, args=(batches, queue), daemon=True)
    child.start()
    assert sorted(queue.get(timeout=60)) == list(range(100))
    child.join()


@pytest.mark.parametrize("order", ["random", "sequential"])
def test_batches_can_be_had_by_number(numbered, order):
    batches = imgmem.open(numbered()).batches(30, order=order)
    batches.set_epoch(2)
    one_by_one = [batches[number] for number in range(4)]
    assert all(map(np.array_equal, batches[-1], one_by_one[3]))
    for ours, theirs in zip(one_by_one, batches, strict=True):
        assert all(map(np.array_equal, ours, theirs))
    with pytest.raises(IndexError):
        batches[4]


@pytest.mark.parametrize("changed", [{"batch_size": 20}, {"seed": 1}, {"order": "blocks"}])
def test_a_state_of_other_batches_is_refused(numbered, changed):
    dataset = imgmem.open(numbered())
    options = {"batch_size": 30, "seed": 0, "order": "random"}
    state = dataset.batches(**options).state()
    with pytest.raises(UsageError, match="different batch configuration"):
        dataset.batches(**options | changed).load_state(state)


def test_a_batch_that_is_kept_is_never_overwritten(numbered):
    dataset = imgmem.open(numbered())
    kept = [images for images, _ in dataset.batches(10, order="sequential")]
    assert [row for images in kept for row in numbers_of(images)] == list(range(100))


@pytest.mark.parametrize(
    "keep",
    [
        lambda images: images[3:],
        memoryview,
        lambda images: images.reshape(-1)[5:],
        lambda images: np.frombuffer(images, np.uint8),
    ],
    ids=["slice", "memoryview", "reshaped", "buffer"],
)
def test_a_view_of_a_batch_is_never_overwritten(numbered, keep):
    views = []
    for images, _ in imgmem.open(numbered()).batches(10):
        views.append((keep(images), np.array(keep(images))))
        del images
    assert all(np.array_equal(view, copy) for view, copy in views)


def addresses(batches):
    return [images.__array_interface__["data"][0] for images, _ in batches]


def test_memory_that_nothing_refers_to_is_used_again(numbered):
    batches = imgmem.open(numbered(1000)).batches(10)
    assert len(set(addresses(batches))) <= 4


def test_reuse_hands_out_one_array_more_than_are_prefetched(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(10, spec=BatchSpec(reuse=True, prefetch=2))
    kept = [images for images, _ in batches]
    assert len({images.__array_interface__["data"][0] for images in kept}) == 3


def test_reused_arrays_are_the_same_in_the_next_epoch(numbered):
    batches = imgmem.open(numbered(1000)).batches(10, reuse=True)
    first, second = set(addresses(batches)), set(addresses(batches))
    assert first == second


def test_epochs_that_run_at_the_same_time_reuse_different_arrays(numbered):
    batches = imgmem.open(numbered()).batches(10, reuse=True)
    both = [next(iterator)[0] for iterator in (iter(batches), iter(batches))]
    assert not np.shares_memory(*both)


def test_a_reused_batch_is_whole_until_the_next_is_asked_for(numbered):
    batches = imgmem.open(numbered(1000)).batches(
        10, order="sequential", spec=BatchSpec(reuse=True, prefetch=3)
    )
    for number, (images, _) in enumerate(batches):
        assert numbers_of(images) == list(range(10 * number, 10 * number + 10))


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_batches_are_writable_and_writing_changes_no_other(numbered, prefetch, reuse):
    path = numbered()
    before = (path / "X.npy").read_bytes()
    spec = BatchSpec(prefetch=prefetch, reuse=reuse)
    rows = []
    for images, labels in imgmem.open(path).batches(7, spec=spec):
        rows += numbers_of(images)
        images[:], labels[:] = 0, 99
    assert sorted(rows) == list(range(100))
    assert (path / "X.npy").read_bytes() == before


def test_transform_gets_each_batch_in_order_and_gives_what_is_handed_out(numbered):
    seen = []

    def transform(images):
        seen.append(images[:, 0, 0, 0].copy())
        return images[:, ::2, ::2] + np.uint8(len(seen))

    spec = BatchSpec(transform=transform, prefetch=3)
    batches = imgmem.open(numbered()).batches(10, order="sequential", spec=spec)
    images, _ = all_of(batches)
    numbers = np.repeat(np.arange(1, 11, dtype=np.uint8), 10)
    assert np.array_equal(images, numbered_images(100)[:, ::2, ::2] + numbers[:, None, None, None])


@pytest.fixture
def new_threads():
    """A function that gives our threads that were not there when the test began."""
    before = set(threading.enumerate())

    def find():
        new = set(threading.enumerate()) - before
        return [thread for thread in new if thread.name.startswith("imgmem")]

    return find


def all_end(threads):
    for thread in threads:
        thread.join(30)
    return not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_dropping_an_iterator_ends_its_threads(numbered, new_threads, taken):
    batches = imgmem.open(numbered()).batches(10, spec=BatchSpec(threads=2, prefetch=2))
    iterator = iter(batches)
    for _ in range(taken):
        next(iterator)
    threads = new_threads()
    assert bool(threads) == bool(taken)
    del iterator, batches
    assert all_end(threads)


def test_what_goes_wrong_in_the_background_is_raised_by_the_loop(numbered, new_threads):
    calls = []

    def transform(images):
        calls.append(0)
        if len(calls) == 3:
            raise ZeroDivisionError("in transform")
        return images

    batches = imgmem.open(numbered()).batches(10, spec=BatchSpec(transform=transform))
    done = []
    with pytest.raises(ZeroDivisionError, match="in transform"):
        done.extend(labels for _, labels in batches)
    assert batches.state()["batch"] == 2
    del batches
    assert all_end(new_threads())


def test_a_program_that_ends_in_mid_epoch_ends(numbered):
    program = (
        "import imgmem, sys\n"
        "batches = imgmem.open(sys.argv[1]).batches(10, spec=imgmem.BatchSpec(prefetch=4))\n"
        "iterator = iter(batches)\n"
        "next(iterator)\n"
        "print('leaving')\n"
    )
    run = python(program, numbered(), timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "leaving\n", "")


def test_auto_takes_the_largest_batch_that_the_memory_allows(numbered):
    dataset = imgmem.open(numbered(1000))
    row = 6 * 10 * 3 * 4
    spec = BatchSpec(memory=50 * 3 * row, prefetch=1)
    assert dataset.batches("auto", dtype="float32", spec=spec).batch_size == 50
    spec = BatchSpec(memory=50 * 3 * row - 1, prefetch=1)
    assert dataset.batches("auto", dtype="float32", spec=spec).batch_size == 49
    assert dataset.batches("auto", spec=BatchSpec(memory=2**40)).batch_size == 1000


def test_auto_without_room_for_one_image_says_how_much_it_takes(numbered):
    with pytest.raises(ResourceError, match="one image takes 720 B"):
        imgmem.open(numbered()).batches("auto", spec=BatchSpec(memory=100))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "batch_size must be >= 1"),
        ({"batch_size": "many"}, "'many'"),
        ({"order": "shuffle"}, "'shuffle'"),
        ({"dtype": "float64"}, "'float64'"),
        ({"spec": BatchSpec(layout="CHW")}, "'CHW'"),
        ({"spec": BatchSpec(prefetch=-1)}, "prefetch"),
        ({"spec": BatchSpec(threads=0)}, "threads"),
        ({"normalize": (MEAN, STD), "dtype": "uint8"}, "do not fit into uint8"),
        ({"normalize": ((1.0,), (1.0,))}, "3 numbers"),
        ({"normalize": (MEAN, (1.0, 0.0, 1.0))}, "above 0"),
        ({"normalize": (MEAN, (1.0, float("nan"), 1.0))}, "finite"),
        ({"normalize": (MEAN, (1.0, 1e-40, 1.0))}, "range of float32"),
        ({"balanced": True, "order": "sequential"}, "cannot be sequential"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_work(numbered, options, says):
    with pytest.raises(UsageError, match=says):
        imgmem.open(numbered()).batches(**{"batch_size": 10} | options)


def test_normalizing_a_normalized_dataset_again_is_refused(tmp_path):
    images = numbered_images(20).astype(np.float32)
    path = write_dataset(tmp_path / "done", images, normalization=replace(ON_READ, on_read=False))
    with pytest.raises(UsageError, match="already normalized"):
        imgmem.open(path).batches(8, normalize=(MEAN, STD))


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_constants_on_the_scale_of_torchvision_need_their_scale(numbered):
    dataset = imgmem.open(numbered())
    with pytest.raises(UsageError, match=r"at most 1.*255") as raised:
        dataset.batches(8, normalize=IMAGENET)
    assert "(mean, std, 1)" in raised.value.hint
    found, wanted = (
        all_of(dataset.batches(8, order="sequential", normalize=each))[0]
        for each in ((*IMAGENET, 1), tuple(255 * np.array(IMAGENET)))
    )
    assert np.array_equal(found, wanted)
    as_they_are = all_of(dataset.batches(8, normalize=(*IMAGENET, 255), order="sequential"))[0]
    assert as_they_are.max() > 1000


def test_constants_on_the_scale_0_to_1_are_those_of_normalize(numbered, tmp_path):
    path = numbered()
    mean, std = IMAGENET
    batches = imgmem.open(path).batches(8, order="sequential", normalize=(mean, std, 1))
    imgmem.normalize(path, mean=mean, std=std, to=tmp_path / "normalized")
    expected = imgmem.open(tmp_path / "normalized").images
    assert np.array_equal(all_of(batches)[0], expected)


@pytest.mark.parametrize(
    "normalize",
    [None, 0.5, (1, 1), (MEAN,), (*IMAGENET, 2), (*IMAGENET, 1, 1), (MEAN, ("a", "b", "c"))],
    ids=str,
)
def test_what_is_not_a_normalization_is_refused(numbered, normalize):
    with pytest.raises(UsageError, match="invalid"):
        imgmem.open(numbered()).batches(8, normalize=normalize)
