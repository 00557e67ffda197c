"""Progress as a bar, for programs and notebooks that call imgmem."""

from typing import Any

from imgmem.core.progress import Progress


class ProgressBar:
    """A bar of tqdm for the progress of a function: in notebooks a widget, in terminals a line.

    `imgmem.build("photos", "flowers", progress=imgmem.ProgressBar())`

    Each phase has a bar of its own. An instance may be used for several calls, one after the
    other.
    """

    def __init__(self, bar: Any = None, **options: Any) -> None:
        """Choose the bar.

        Args:
            bar: A class like `tqdm.tqdm`; None for `tqdm.auto.tqdm`.
            **options: Further arguments of that class.
        """
        self._make, self._options = bar, options
        self._phase = ""
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show an event; the bar is closed at the end of its phase."""
        if self._bar is None or self._phase != progress.phase:
            self.close()
            self._phase = progress.phase
            self._bar = self._new(progress)
        self._bar.update(progress.done - self._bar.n)
        if progress.done >= progress.total > 0:
            self.close()

    def _new(self, progress: Progress) -> Any:
        if self._make is None:
            from tqdm.auto import tqdm

            self._make = tqdm
        return self._make(desc=progress.phase, **self._options, **shape(progress))

    def close(self) -> None:
        """Close the bar that is shown, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def shape(progress: Progress) -> dict[str, Any]:
    """A phase as tqdm's options; a total of 0 is one that is not known yet."""
    return {
        "total": progress.total or None,
        "unit": "B" if progress.unit == "B" else f" {progress.unit}",
        "unit_scale": progress.unit == "B",
        "unit_divisor": 1024,
        "initial": progress.done,
    }
