"""The parts of `estimate`: what a source holds, and what that takes."""
