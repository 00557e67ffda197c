"""The parts of `imgmem.torch`."""
