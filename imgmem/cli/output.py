"""Where a command's progress, result and failed check go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from imgmem.core.errors import CheckFailed, ImgmemError
from imgmem.core.progress import ProgressCallback

if TYPE_CHECKING:
    from rich.console import Console

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Output:
    """The output of one command: tables or one JSON object on stdout, progress on stderr."""

    command: str
    as_json: bool = False
    quiet: bool = False

    def run(
        self,
        work: Callable[[ProgressCallback], Result],
        show: Callable[["Console", Result], None],
        body: Callable[[Result], Any] = lambda result: result,
    ) -> None:
        """Do the work and show its result, also where a check of it failed.

        Args:
            work: Called with a callable for progress events.
            show: Prints the result on a console.
            body: Makes of it what JSON shows, a dataclass or a dict.
        """
        from imgmem.cli.progress import progress_display

        check = None
        with progress_display(quiet=self.quiet) as progress:
            try:
                result = work(progress)
            except CheckFailed as failed:
                if failed.result is None:
                    raise
                result, check = failed.result, failed
        self.emit(body(result), lambda console: show(console, result), check)

    def emit(
        self, body: Any, show: Callable[["Console"], None], check: ImgmemError | None = None
    ) -> None:
        """Print a result as JSON, or let `show` draw it, or print nothing.

        check: the failure of a check that was asked for, or of what is previewed; it joins the
        JSON object as "error" and is raised once the result is printed.
        """
        from imgmem.cli import render
        from imgmem.cli.stdout import ignore_broken_pipe

        if self.as_json:
            render.print_result(self.command, body, check)
        elif not self.quiet:
            with ignore_broken_pipe():
                show(render.console())
        if check:
            check.in_result = self.as_json
            raise check
