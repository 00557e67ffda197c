"""What the decoders would print, silenced: whatever they say is raised as well."""

import contextlib
import ctypes
import logging
import warnings

from PIL import AvifImagePlugin, _imaging


def silence() -> None:
    """Do so for the whole process."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # odd metadata; pixels are judged here
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # else it prints errors
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the workers are ours
    with contextlib.suppress(
        OSError, AttributeError
    ):  # libtiff prints its errors; they are raised too
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
