"""PyTorch: tensors equal to plain NumPy, through any DataLoader, sampler and kind of worker."""

import pickle
import warnings
from dataclasses import replace
from itertools import chain

import numpy as np
import psutil
import pytest
from support.numbered import ON_READ, numbered_images, numbers_of, reference

from imgmem.core.errors import UsageError
from imgmem.core.storage import store

torch = pytest.importorskip("torch", reason="PyTorch is not installed (scripts/test --all)")

from torch.utils.data import DataLoader, DistributedSampler, random_split  # noqa: E402

from imgmem._torch.shared_batches import MAX_SLOTS  # noqa: E402
from imgmem.torch import ImageDataset, RowSampler, collate, loader  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few CPUs
]


@pytest.fixture
def images(numbered):
    """100 rows of stored levels."""
    return ImageDataset(numbered(), dtype="uint8")


def rows_of(tensor):
    """The row numbers in raw (N, C, H, W) tensors."""
    return numbers_of(tensor.permute(0, 2, 3, 1).numpy())


def epoch(batches):
    """The rows of an epoch; each has its own label."""
    rows = []
    for tensor, labels in batches:
        rows += rows_of(tensor)
        assert labels.tolist() == [(0, 0, 0, 0, 1, 1, 2)[row % 7] for row in rows[-len(labels) :]]
    return rows


def test_an_item_is_a_normalized_tensor_and_its_label(numbered):
    dataset = ImageDataset(numbered(normalization=ON_READ, splits={"val": (60, 100)}), "val")
    image, label = dataset[5]
    assert (image.dtype, image.shape, label) == (torch.float32, (3, 6, 10), 0)
    expected = reference(numbered_images(100)[65]).transpose(2, 0, 1)
    assert np.array_equal(image.numpy(), expected)
    assert np.array_equal(dataset[-35][0].numpy(), expected)
    assert len(dataset) == 40


def test_an_item_without_a_label_is_an_image(numbered):
    dataset = ImageDataset(numbered(labels=None))
    assert rows_of(dataset[7][None]) == [7]
    assert [row for batch in loader(dataset, 32) for row in rows_of(batch)] != []


@pytest.mark.parametrize("row", [100, -101])
def test_a_row_that_is_not_there_is_an_index_error(images, row):
    with pytest.raises(IndexError):
        images[row]
    with pytest.raises(IndexError):
        images.__getitems__([0, row])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_batches_equal_what_plain_numpy_makes(numbered, dtype, channels_last, workers):
    path = numbered(normalization=ON_READ)
    dataset = ImageDataset(path, dtype=dtype, channels_last=channels_last)
    batches = list(loader(dataset, 32, order="sequential", num_workers=workers))
    assert [batch.shape for batch, _ in batches] == [(32, 3, 6, 10)] * 3 + [(4, 3, 6, 10)]
    for batch, _ in batches:
        kind = torch.channels_last if channels_last else torch.contiguous_format
        assert batch.is_contiguous(memory_format=kind)
    found = torch.cat([batch for batch, _ in batches]).numpy()
    assert np.array_equal(found, reference(numbered_images(100), dtype=dtype).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("order", ["random", "blocks", "sequential"])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_all_workers_together_visit_every_row_once(images, order, workers):
    assert sorted(epoch(loader(images, 8, order=order, num_workers=workers))) == list(range(100))


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_workers_may_be_started_in_any_way(images, start):
    batches = loader(
        images, 8, num_workers=2, multiprocessing_context=start, persistent_workers=True
    )
    epochs = [epoch(batches) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert [sorted(rows) for rows in epochs] == [list(range(100))] * 2


@pytest.mark.parametrize("workers", [0, 2])
def test_an_ordinary_data_loader_gets_the_same(images, workers):
    assert sorted(epoch(DataLoader(images, 8, shuffle=True, num_workers=workers))) == list(
        range(100)
    )
    one_by_one = DataLoader(images, batch_size=None, num_workers=workers)
    assert [rows_of(image[None])[0] for image, _ in one_by_one] == list(range(100))


@pytest.mark.parametrize("workers", [0, 2])
def test_samplers_of_users_own_decide(images, workers):
    rows = [5, 99, 5, 17, 0, 63]
    assert epoch(loader(images, 4, sampler=rows, num_workers=workers)) == rows
    weighted = torch.utils.data.WeightedRandomSampler([0.0] * 98 + [1.0] * 2, 20)
    assert set(epoch(loader(images, 4, sampler=weighted, num_workers=workers))) == {98, 99}


def test_distributed_samplers_share_the_rows(images):
    ranks = [DistributedSampler(images, 4, rank, seed=3) for rank in range(4)]
    shares = [epoch(loader(images, 8, sampler=sampler)) for sampler in ranks]
    assert sorted(chain(*shares)) == list(range(100))


def test_a_random_split_of_the_rows_works(images):
    first, second = random_split(images, [70, 30])
    rows = [epoch(DataLoader(part, 8, shuffle=True)) for part in (first, second)]
    assert sorted(chain(*rows)) == list(range(100))


def test_balanced_loaders_draw_every_class_equally_often(images):
    labels = torch.cat([labels for _, labels in loader(images, 9, balanced=True)])
    assert torch.bincount(labels).tolist() == [58, 58, 58]
    under = torch.cat([labels for _, labels in loader(images, 9, balanced="undersample")])
    assert torch.bincount(under).tolist() == [14, 14, 14]


def test_each_iteration_is_the_next_epoch_and_set_epoch_chooses_one(images):
    batches = loader(images, 8, seed=4)
    epochs = [epoch(batches) for _ in range(3)]
    batches.sampler.set_epoch(1)
    assert [epoch(batches), epoch(batches)] == epochs[1:]
    assert len({tuple(rows) for rows in epochs}) == 3


def test_the_order_is_that_of_batches_in_numpy(images):
    from_numpy = images.data.batches(8, seed=4, balanced=True)
    rows = [row for batch, _ in from_numpy for row in numbers_of(batch)]
    assert epoch(loader(images, 8, seed=4, balanced=True)) == rows


def test_a_sampler_knows_its_length(images):
    for balanced in (False, True, "undersample"):
        sampler = RowSampler(images, balanced=balanced)
        assert len(sampler) == len(list(sampler))


def test_an_order_that_contradicts_itself_is_refused(images):
    with pytest.raises(UsageError):
        loader(images, 8, balanced=True, order="sequential")


@pytest.mark.parametrize("workers", [0, 2])
def test_transform_gets_whole_batches_where_they_are_made(images, workers):
    images.transform = halved
    batches = list(loader(images, 40, order="sequential", num_workers=workers))
    assert [batch.shape for batch, _ in batches] == [(40, 3, 3, 5)] * 2 + [(20, 3, 3, 5)]
    assert np.array_equal(
        torch.cat([batch for batch, _ in batches]).permute(0, 2, 3, 1).numpy(),
        numbered_images(100)[:, ::2, ::2] / np.float32(2),
    )
    assert images[3][0].shape == (3, 3, 5)


def halved(batch):
    return batch[:, :, ::2, ::2] / 2


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("labels", [None, (0, 1)])
def test_batches_that_are_kept_are_never_overwritten(numbered, workers, labels):
    dataset = ImageDataset(numbered(1000, labels=labels))
    batches = loader(dataset, 10, order="sequential", num_workers=workers)
    kept = [batch if labels is None else batch[0] for batch in batches]
    assert len(kept) > 4 * MAX_SLOTS
    assert [row for batch in kept for row in rows_of(batch)] == list(range(1000))


def test_batches_of_any_size_pass_through_the_same_worker(numbered):
    rows = [list(range(start, stop)) for start, stop in ((0, 1), (1, 3), (3, 90), (90, 95))] * 25
    dataset = ImageDataset(numbered())
    batches = DataLoader(dataset, batch_sampler=rows, collate_fn=collate, num_workers=1)
    assert [rows_of(batch) for batch, _ in batches] == rows


@pytest.mark.parametrize("workers", [0, 2])
def test_views_of_batches_are_never_overwritten(numbered, workers):
    dataset = ImageDataset(numbered(1000))
    views = [batch[3:7] for batch, _ in loader(dataset, 10, num_workers=workers)]
    copies = [batch[3:7].clone() for batch, _ in loader(dataset, 10, seed=0, num_workers=workers)]
    assert all(map(torch.equal, views, copies))


def test_a_worker_uses_its_shared_memory_again(numbered):
    dataset = ImageDataset(numbered(1000))
    pieces = set()
    for batch, _ in loader(dataset, 10, num_workers=1):
        (address,) = {batch.data_ptr()}
        with open("/proc/self/maps", encoding="ascii") as maps:
            inode = next(line.split()[4] for line in maps if _holds(line, address))
        pieces.add(inode)
        del batch
    assert len(pieces) <= MAX_SLOTS


def _holds(line, address):
    first, last = (int(end, 16) for end in line.split()[0].split("-"))
    return first <= address < last


@pytest.mark.parametrize("workers", [0, 1])
def test_tensors_can_be_written_to_and_the_dataset_stays_as_it_is(numbered, workers):
    path = numbered()
    before = (path / "X.npy").read_bytes()
    dataset = ImageDataset(path)
    rows = []
    for batch, labels in loader(dataset, 8, num_workers=workers):
        rows += rows_of(batch)
        batch.zero_()
        labels.zero_()
    assert sorted(rows) == list(range(100))
    assert dataset[99][1] == 0 or dataset.data.labels[99] == dataset[99][1]
    assert (path / "X.npy").read_bytes() == before


@pytest.mark.parametrize("workers", [0, 2])
def test_pin_memory_is_passed_on(images, workers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without an accelerator PyTorch says that it cannot
        rows = epoch(loader(images, 8, num_workers=workers, pin_memory=True))
    assert sorted(rows) == list(range(100))


def test_a_pickled_dataset_is_small_and_opens_again_with_its_options(numbered):
    path = numbered(normalization=ON_READ, splits={"val": (60, 100)})
    dataset = ImageDataset(path, "val", dtype="float16", channels_last=True, transform=halved)
    data = pickle.dumps(dataset)
    assert len(data) < 600
    again = pickle.loads(data)
    assert torch.equal(again[3][0], dataset[3][0])
    assert again[3][0].dtype == torch.float16
    assert len(again) == 40


def test_breaking_off_an_epoch_leaves_the_loader_usable(numbered):
    dataset = ImageDataset(numbered(1000))
    batches = loader(dataset, 10, num_workers=2, persistent_workers=True)
    for _ in range(5):
        next(iter(batches))
    rows = [row for batch, _ in batches for row in rows_of(batch)]
    assert sorted(rows) == list(range(1000))


def test_workers_stay_small_next_to_a_dataset_of_several_gigabytes(tmp_path):
    """4 GB, of which an epoch's part would add 600 MB to a process that reads a memory map."""
    shape, path = (28_000, 224, 224, 3), tmp_path / "large"
    path.mkdir()
    record = store.Record(shape=shape, dtype="uint8", classes=("zero",))
    for name, header in record.arrays.items():
        with open(path / store.ARRAYS[name], "wb") as file:
            file.write(header.encode())
            file.truncate(header.file_bytes)  # sparse: zeros without disk space
    checksums = {
        name: [0] * -(-header.data_bytes // record.checksum_block)
        for name, header in record.arrays.items()
    }
    store.write_record(str(path), replace(record, checksums=checksums))
    sampler = torch.randperm(28_000)[:4000].tolist()
    batches = loader(ImageDataset(path), 16, sampler=sampler, num_workers=2)
    sizes = []
    for _ in batches:
        workers = psutil.Process().children()
        sizes.append(max(worker.memory_info().rss for worker in workers if worker.is_running()))
    assert max(sizes) - sizes[5] < 100 * 2**20
