"""Every failure that a user can meet, each with its exit code."""

from typing import Any, ClassVar, Literal, get_args

from imgmem.core.messages import Message


class ImgmemError(Exception):
    """A failure that a user can meet; `str(error)` is the message, then the hint.

    Attributes:
        message: Which file, and what is wrong with it.
        hint: What to do about it; may be empty.
        facts: Machine-readable details, which the JSON of the command line shows too.
        exit_code: With which the command line ends.
        kind: One word for the class of failure, as JSON has it.
    """

    exit_code: ClassVar[int] = 70
    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = Message(message)
        self.hint = Message(hint)
        self.facts = facts
        self.in_result = False

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class CheckFailed(ImgmemError):
    """A requested check failed: `limit` of estimate, `fail_on` of stats."""

    exit_code = 1
    kind = "check"
    result: Any = None

    def of(self, result: Any) -> "CheckFailed":
        """The failure with the result that was checked, for callers who want it anyway."""
        self.result = result
        return self


class UsageError(ImgmemError):
    """Unknown options, or options that contradict each other or the dataset."""

    exit_code = 2
    kind = "usage"


class InputError(ImgmemError):
    """The source or its images are missing or unusable."""

    exit_code = 3
    kind = "input"


class DatasetError(ImgmemError):
    """The dataset is damaged, locked, mismatched, partially normalized or of an unknown version."""

    exit_code = 4
    kind = "dataset"


RESTORE = "Restore it from a copy, or remove the dataset and build it again."
"""The hint for a dataset that is damaged: to build over it does nothing if its record is whole."""


class ResourceError(ImgmemError):
    """Out of a resource: disk space, memory, or a missing system library."""

    exit_code = 5
    kind = "resource"


class Interrupted(ImgmemError):
    """Stopped by SIGINT, SIGTERM or SIGHUP; finished work is kept."""

    exit_code = 130
    kind = "interrupted"


RejectReason = Literal[
    "empty",  # no bytes at all
    "not-an-image",  # the bytes are of no image format: HTML, text, a Git LFS pointer …
    "unsupported",  # an image, but of a format or pixel type that is not read
    "truncated",  # the file ends before the image does
    "corrupt",  # a checksum or the decoder says that the bytes are damaged
    "too-large",  # more pixels than max_pixels
    "wrong-size",  # native size is wanted and this image's is another
    "missing",  # a line of the label table names it, but the source has no such image
    "crashes-decoder",  # its decoder ends the process that it runs in
    "unreadable",  # the source could not be read: permissions, a dangling link, an I/O error
    "no-label",  # nothing in its name or path is the label that was asked for
    "changed",  # the source is not what it was when it was listed
]
REJECT_REASONS: tuple[str, ...] = get_args(RejectReason)


class RejectedImage(Exception):
    """One image that must not become a row: a reason code and what the decoder said."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
