"""The parts of `normalize`: constants, the rewrite in place and its journal."""
