"""Random crops and flips while batches are made, in the threads that make them.

    steps = [imgmem.augment.RandomResizedCrop(176), imgmem.augment.HorizontalFlip()]
    batches = imgmem.open("flowers", "train").batches(64, augment=steps)
    train = imgmem.torch.ImageDataset("flowers", "train", augment=steps)

What is drawn depends on the seed, the epoch and the place in the epoch's order alone, so a resumed
run draws the same. The distributions are torchvision's.
"""

from imgmem.core.read.augment import CenterCrop, HorizontalFlip, RandomResizedCrop

__all__ = ["CenterCrop", "HorizontalFlip", "RandomResizedCrop"]
