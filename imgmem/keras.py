"""Keras 3: batches for `model.fit`, on any backend.

    train = imgmem.open("flowers", split="train").batches(64, balanced=True)
    model.fit(imgmem.keras.PyDataset(train), epochs=5)

Needs the extra `keras` (Keras 3) and a backend.
"""

from typing import Any

import keras

from imgmem.core.errors import UsageError
from imgmem.core.read.batches import Batch, Batches, have_rows

MAX_QUEUE_SIZE = 4
"""Batches ready at most: 64 images of 224 × 224 in float32 take 37 MiB, Keras's default is 10."""


class PyDataset(keras.utils.PyDataset):
    """The batches of `imgmem.open(…).batches(…)`, each epoch in a new order.

    Keras hands out whole batches by number, each once an epoch. With `workers` above 1 threads or
    processes make them ahead. But Keras (seen in 3.15) peeks at the first batch of a model that
    was not trained yet, and with such workers hands what was queued by then out twice, and as
    many other batches never: run `model.train_on_batch` once before `fit`.
    `prefetch` and `reuse` of the `BatchSpec` mean nothing here; its `transform` may be called
    from several threads at once where `workers` is above 1.
    """

    def __init__(self, batches: Batches, **options: Any) -> None:
        """options: Keras's own, `workers`, `use_multiprocessing` and `max_queue_size`.

        Raises UsageError for batches with row numbers.
        """
        if have_rows(batches):
            raise UsageError(
                "Keras would take row numbers as targets or sample weights",
                hint='Omit rows; by order="sequential" predictions are in the order of the rows.',
            )
        super().__init__(**{"max_queue_size": MAX_QUEUE_SIZE} | options)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]

    def on_epoch_end(self) -> None:
        """The next epoch has its own order; Keras calls this between epochs."""
        self.batches.set_epoch(self.batches.epoch + 1)
