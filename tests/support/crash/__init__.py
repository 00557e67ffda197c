"""The crash model: a recorded disk, cases, checks."""
