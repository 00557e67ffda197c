"""PyTorch loaders: shared among processes, resumed, as ImageFolder, in small containers."""

import inspect
import json
import os
import pickle
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest
from support.numbered import ON_READ, numbers_of
from support.program import run

from imgmem.core.errors import UsageError

torch = pytest.importorskip("torch", reason="PyTorch is not installed (scripts/test --all)")

from torch.utils.data import (  # noqa: E402
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    Subset,
    WeightedRandomSampler,
    random_split,
)

from imgmem.torch import ImageDataset, RowSampler, collate, loader  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few CPUs
]

LABELS = [(0, 0, 0, 0, 1, 1, 2)[row % 7] for row in range(100)]


@pytest.fixture
def images(numbered):
    """100 rows of stored pixel values."""
    return ImageDataset(numbered(), dtype="uint8")


def rows_of(tensor):
    return numbers_of(tensor.permute(0, 2, 3, 1).numpy())


def flat(lists):
    return list(chain.from_iterable(lists))


def batches_of(loading):
    """The rows of each batch; each has its own label."""
    batches = []
    for tensor, labels in loading:
        batches.append(rows_of(tensor))
        assert labels.tolist() == [LABELS[row] for row in batches[-1]]
    return batches


def rows_in(loading):
    return flat(batches_of(loading))


# ---- as ImageFolder


def test_the_attributes_of_image_folder_are_there(numbered):
    dataset = ImageDataset(numbered(splits={"val": (60, 100)}), "val")
    assert dataset.classes == ["c0", "c1", "c2"]
    assert dataset.class_to_idx == {"c0": 0, "c1": 1, "c2": 2}
    assert dataset.targets == LABELS[60:]
    assert {type(target) for target in dataset.targets} == {int}
    assert dataset.samples[0] == ("60.png", LABELS[60])
    assert dataset.imgs == dataset.samples
    assert len(dataset.samples) == 40
    unlabeled = ImageDataset(numbered(3, "unlabeled", labels=None))
    assert unlabeled.samples == [(f"{row}.png", -1) for row in range(3)]
    assert (unlabeled.classes, unlabeled.targets) == (None, [])


def test_shuffle_says_whether_the_order_is_random(images):
    assert rows_in(loader(images, 10, shuffle=False)) == list(range(100))
    assert rows_in(loader(images, 10, shuffle=True)) == rows_in(loader(images, 10, order="random"))
    with pytest.raises(UsageError, match="contradicts"):
        loader(images, 10, shuffle=True, order="sequential")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_subset_is_loaded_in_whole_batches_and_balanced(images, workers):
    part = Subset(images, [*range(0, 70), 99])
    assert sorted(rows_in(loader(part, 9, num_workers=workers))) == [*range(70), 99]
    rows = rows_in(loader(part, 9, balanced=True, num_workers=workers))
    assert len(set(np.bincount([LABELS[row] for row in rows]))) == 1
    assert set(rows) == {*range(70), 99}


def test_random_splits_share_the_rows(images):
    parts = random_split(images, [0.8, 0.2])
    assert sorted(row for part in parts for row in rows_in(loader(part, 9))) == list(range(100))


def test_concatenated_datasets_are_loaded_and_balanced(numbered):
    path = numbered(splits={"a": (0, 30), "b": (50, 100)})
    both = ConcatDataset([ImageDataset(path, name, dtype="uint8") for name in ("a", "b")])
    assert sorted(rows_in(loader(both, 9))) == [*range(30), *range(50, 100)]
    rows = rows_in(loader(both, 9, balanced=True))
    assert len(set(np.bincount([LABELS[row] for row in rows]))) == 1


def test_a_weighted_sampler_draws_what_it_wants(images):
    weights = [1.0 if target == 2 else 0.0 for target in images.targets]
    rows = rows_in(loader(images, 9, sampler=WeightedRandomSampler(weights, 50)))
    assert {LABELS[row] for row in rows} == {2}
    assert len(rows) == 50


def test_row_numbers_come_with_the_batches(numbered):
    dataset = ImageDataset(numbered(splits={"val": (60, 100)}), "val", dtype="uint8", rows=True)
    for workers in (0, 2):
        seen = []
        for tensor, labels, rows in loader(dataset, 7, num_workers=workers):
            assert rows_of(tensor) == (rows + 60).tolist()
            assert dataset.data.paths(rows) == [f"{row}.png" for row in rows_of(tensor)]
            assert labels.tolist() == dataset.data.labels[rows].tolist()
            seen += rows.tolist()
        assert sorted(seen) == list(range(40))
    assert dataset[3][1:] == (LABELS[63], 3)


def test_row_numbers_come_without_labels_too(numbered):
    dataset = ImageDataset(numbered(labels=None), dtype="uint8", rows=True)
    for tensor, rows in loader(dataset, 7, num_workers=1):
        assert rows_of(tensor) == rows.tolist()


@pytest.mark.slow
def test_the_trainer_of_hugging_face_trains(numbered, tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(180, 3)

        def forward(self, pixel_values, labels):
            scores = self.head(pixel_values.flatten(1))
            return {"loss": torch.nn.functional.cross_entropy(scores, labels), "logits": scores}

    def collator(samples):
        images, labels = collate(samples)
        return {"pixel_values": images, "labels": labels}

    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=3, per_device_train_batch_size=8, report_to=[], use_cpu=True,
        dataloader_num_workers=2, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    train = ImageDataset(numbered(normalization=ON_READ))
    trainer = transformers.Trainer(Model(), arguments, train_dataset=train, data_collator=collator)
    assert np.isfinite(trainer.train().training_loss)


# ---- several processes


def shares(dataset, world, **options):
    """The batches of each rank."""
    return [
        batches_of(loader(dataset, 8, rank=rank, world_size=world, **options))
        for rank in range(world)
    ]


@pytest.mark.parametrize("world", [2, 3, 7])
@pytest.mark.parametrize("order", ["random", "blocks"])
def test_ranks_share_one_order_in_equal_lengths(images, order, world):
    parts = [flat(batches) for batches in shares(images, world, order=order)]
    each = -(-100 // world)
    assert [len(rows) for rows in parts] == [each] * world
    joined = flat(parts)
    assert joined[:100] == rows_in(loader(images, 8, order=order))
    assert joined[100:] == joined[: each * world - 100]  # padded from the beginning


def test_ranks_leave_rows_out_with_drop_last(images):
    parts = [flat(batches) for batches in shares(images, 3, drop_last=True)]
    assert [len(rows) for rows in parts] == [32] * 3
    assert len(set(flat(parts))) == 96


def test_ranks_visit_every_row_once_in_sequential_order(images):
    parts = [flat(batches) for batches in shares(images, 3, order="sequential")]
    assert flat(parts) == list(range(100))
    assert sorted(map(len, parts)) == [33, 33, 34]


@pytest.mark.parametrize("balanced", ["oversample", "undersample"])
def test_every_batch_of_every_rank_is_balanced(images, balanced):
    for batches in shares(images, 2, balanced=balanced):
        for rows in batches[:-1]:
            counts = np.bincount([LABELS[row] for row in rows], minlength=3)
            assert counts.max() - counts.min() <= 2


def test_set_epoch_keeps_ranks_in_step(images):
    loaders = [loader(images, 8, rank=rank, world_size=2) for rank in range(2)]
    for each in loaders:
        each.set_epoch(5)
    rows = [row for each in loaders for row in rows_in(each)]
    assert sorted(rows) == list(range(100))
    whole = loader(images, 8)
    whole.set_epoch(5)
    assert rows == rows_in(whole)


@pytest.mark.parametrize(
    "options",
    [{"rank": 0}, {"world_size": 2}, {"rank": 2, "world_size": 2}, {"rank": -1, "world_size": 2}],
    ids=str,
)
def test_ranks_that_make_no_sense_are_refused(images, options):
    with pytest.raises(UsageError, match="world_size"):
        loader(images, 8, **options)


@pytest.mark.parametrize(
    "options",
    [{"shuffle": True}, {"order": "sequential"}, {"rank": 0, "world_size": 2}],
    ids=str,
)
def test_what_a_sampler_decides_cannot_be_chosen_too(images, options):
    with pytest.raises(UsageError, match="decides which rows"):
        loader(images, 8, sampler=RowSampler(images), **options)
    assert rows_in(loader(images, 8, sampler=range(9), shuffle=False)) == list(range(9))


def test_a_sampler_that_undoes_the_balance_is_warned_about(images):
    sampler = DistributedSampler(images, num_replicas=2, rank=0)
    with pytest.warns(UserWarning, match=r"DistributedSampler.*balanced=True.*among processes"):
        loader(images, 8, balanced=True, sampler=sampler)


PROCESS = """
import json, os, sys
import torch.distributed as dist
from imgmem.torch import ImageDataset, loader
path, rank, world, meeting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
dist.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=world)
train = ImageDataset(path, dtype="uint8", rows=True)
found = {}
for name, options in {
    "random": {}, "sequential": {"order": "sequential"}, "balanced": {"balanced": True},
}.items():
    loading = loader(train, 8, num_workers=1, **options)
    loading.set_epoch(3)
    found[name] = [rows.tolist() for _, _, rows in loading]
loading = loader(train, 8)
for number, _ in enumerate(loading, 1):
    if number == 2:
        break
states = [None] * world
dist.all_gather_object(states, loading.state_dict())
resumed = loader(train, 8, num_workers=2)
resumed.load_state_dict(states[0])  # rank 0 saves, all load
found["resumed"] = [rows.tolist() for _, _, rows in resumed]
found["whole"] = [rows.tolist() for _, _, rows in loader(train, 8)]
everything = [None] * world
dist.all_gather_object(everything, found)
if rank == 0:
    print(json.dumps(everything))
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("world", [2, 3])
def test_processes_of_gloo_share_balance_and_resume(numbered, tmp_path, world):
    path, meeting = str(numbered()), str(tmp_path / "meeting")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROCESS, path, str(rank), str(world), meeting],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(world)
    ]
    printed = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * world, printed
    found = json.loads(printed[0][0])
    each = -(-100 // world)
    random = [flat(rank["random"]) for rank in found]
    assert [len(rows) for rows in random] == [each] * world
    assert set(flat(random)) == set(range(100))
    assert flat(flat(rank["sequential"]) for rank in found) == list(range(100))
    for rank in found:
        for rows in rank["balanced"][:-1]:
            counts = np.bincount([LABELS[row] for row in rows], minlength=3)
            assert counts.max() - counts.min() <= 2
        assert rank["resumed"] == rank["whole"][2:]
    assert found[0]["balanced"] != found[1]["balanced"]


# ---- resuming


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)])
def test_a_loader_resumes_in_mid_epoch_with_any_number_of_workers(images, before, after):
    whole = [batches_of(each) for each in [loader(images, 8)] * 2]
    first = loader(images, 8, num_workers=before)
    iterator = iter(first)
    taken = [rows_of(next(iterator)[0]) for _ in range(5)]
    state = json.loads(json.dumps(first.state_dict()))
    second = loader(images, 8, num_workers=after)
    second.load_state_dict(state)
    assert taken + batches_of(second) == whole[0]
    assert batches_of(second) == whole[1]


def test_choosing_the_epoch_of_a_loaded_state_keeps_its_place(images):
    loading = loader(images, 8)
    whole = batches_of(loading)
    loading.load_state_dict(loading.state_dict() | {"epoch": 0, "batch": 5})
    loading.set_epoch(0)  # as loops over epochs do
    assert loading.state_dict()["batch"] == 5
    assert batches_of(loading) == whole[5:]
    loading.load_state_dict(loading.state_dict() | {"epoch": 1, "batch": 5})
    loading.set_epoch(0)
    assert batches_of(loading) == whole


def test_batches_in_any_order_have_no_state(images):
    if "in_order" not in inspect.signature(DataLoader).parameters:
        pytest.skip("this PyTorch keeps the order")
    loading = loader(images, 8, num_workers=2, in_order=False)
    assert sorted(rows_in(loading)) == list(range(100))
    with pytest.raises(UsageError, match="any order"):
        loading.state_dict()


def test_a_state_between_epochs_starts_the_next_one(images):
    first, second = loader(images, 8), loader(images, 8)
    epochs = [batches_of(first)]
    second.load_state_dict(first.state_dict())
    assert batches_of(second) == batches_of(first) != epochs[0]


def test_iterations_that_live_at_the_same_time_keep_the_state_of_the_last(images):
    loading = loader(images, 8)
    first = iter(loading)
    for _ in range(3):
        next(first)
    second = iter(loading)
    next(second)
    next(first)
    state = loading.state_dict()
    assert (state["epoch"], state["batch"]) == (1, 1)


def test_a_state_of_another_loader_is_refused(images):
    state = loader(images, 8).state_dict()
    for other in ({"seed": 1}, {"order": "sequential"}, {"rank": 0, "world_size": 2}):
        with pytest.raises(UsageError, match="different loader"):
            loader(images, 8, **other).load_state_dict(state)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata 0.11
@pytest.mark.parametrize("workers", [0, 2])
def test_torchdata_saves_and_loads_its_own_state(images, workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="needs torchdata")

    def make():
        return stateful.StatefulDataLoader(
            images, 8, sampler=RowSampler(images), num_workers=workers
        )

    reference = make()
    whole = [batches_of(reference), batches_of(reference)]
    first = make()
    iterator = iter(first)
    taken = [rows_of(next(iterator)[0]) for _ in range(5)]
    second = make()
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert taken + batches_of(second) == whole[0]
    assert batches_of(second) == whole[1]


# ---- workers


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_a_transform_that_cannot_be_pickled_is_named_before_workers_start(numbered, start):
    dataset = ImageDataset(numbered(), transform=lambda images: images)
    with pytest.raises(UsageError, match="transform cannot be sent"):
        loader(dataset, 8, num_workers=1, multiprocessing_context=start)
    with pytest.raises(UsageError, match="transform cannot be sent"):
        next(iter(DataLoader(dataset, 8, num_workers=1, multiprocessing_context=start)))
    assert len(batches_of(loader(dataset, 8, num_workers=1, multiprocessing_context="fork"))) == 13


@pytest.mark.parametrize("name", ["collate_fn", "worker_init_fn"])
def test_other_functions_that_cannot_be_pickled_are_named_too(images, name):
    options = {"num_workers": 1, "multiprocessing_context": "spawn"}
    with pytest.raises(UsageError, match=f"{name} cannot be sent"):
        loader(images, 8, **options, **{name: lambda _: None})


NOTEBOOK = """
from imgmem.torch import ImageDataset, loader
def brighter(images):
    return images + 1
try:
    loader(ImageDataset({path!r}, transform=brighter), 8, num_workers=1,
           multiprocessing_context="spawn")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_transform_of_an_interactive_session_is_named(numbered):
    done = run([sys.executable, "-c", NOTEBOOK.format(path=str(numbered()))])
    assert "UsageError transform cannot be sent" in done.stdout
    assert "interactive session" in done.stdout


SMALL = """
import sys
from imgmem.torch import ImageDataset, loader
if __name__ == "__main__":
    batches = loader(ImageDataset(sys.argv[1], dtype="float32"), 50, num_workers=2)
    print(sum(len(images) for images, _ in batches), all(float(i.sum()) > 0 for i, _ in batches))
"""


def test_a_small_dev_shm_slows_workers_down_and_is_named(numbered, tmp_path):
    path = numbered(400, shape=(100, 100, 3))  # 6 MB a batch
    (tmp_path / "train.py").write_text(SMALL)
    script = f"mount -t tmpfs -o size=8m none /dev/shm || exit 77; exec {sys.executable} train.py"
    done = run(["unshare", "-rm", "bash", "-c", f"{script} {path}"], cwd=tmp_path)
    if done.returncode in (1, 77) and "train.py" not in done.stderr:
        pytest.skip("cannot mount here")
    assert (done.returncode, done.stdout.split()) == (0, ["400", "True"]), done.stderr
    assert "--shm-size" in done.stderr


def in_place(images):
    return images.mul_(2)


@pytest.mark.parametrize(
    "transform",
    [
        in_place,
        lambda images: images[:, :, 1:4],
        lambda images: images[:, :, :4],
        lambda images: images.permute(0, 1, 3, 2),
        lambda images: images.flip(3),
        lambda images: images.to(torch.uint8),
    ],
    ids=["in place", "inner part", "first lines", "permuted", "new", "another dtype"],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_whatever_a_transform_returns_arrives_whole(numbered, transform, channels_last):
    options = {"dtype": "float32", "channels_last": channels_last, "transform": transform}
    train = ImageDataset(numbered(300), **options)
    here = [images.clone() for images, _ in loader(train, 10)]
    workers = loader(train, 10, num_workers=2, multiprocessing_context="fork")
    there = [images for images, _ in workers]
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
