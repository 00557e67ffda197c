"""Arrays of images with their labels: `.npz`, `.npy` and MNIST's idx files."""
