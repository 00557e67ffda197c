"""The parts of `sample`: which rows, and what they are shown as."""
