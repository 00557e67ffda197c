"""The parts of `build`: what to do, the work in progress, and its place."""
