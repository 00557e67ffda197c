"""The parts of a dataset's batches: order, gathering, conversion."""
