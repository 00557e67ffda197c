"""Every failure that a user can meet, each with its exit code. Imports nothing."""

from typing import Any, ClassVar, Literal, get_args


class ImgmemError(Exception):
    """A failure with a message (which file, what is wrong) and a hint (what to do).

    `facts` are the machine-readable details that `--json` shows beside the message.
    """

    exit_code: ClassVar[int] = 70
    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts


class CheckFailed(ImgmemError):
    """A check that was asked for said no (`estimate --limit`, `stats --fail-on`)."""

    exit_code = 1
    kind = "check"


class UsageError(ImgmemError):
    """Options that are unknown, or contradict each other or the dataset."""

    exit_code = 2
    kind = "usage"


class InputError(ImgmemError):
    """The source or its images are missing or unusable."""

    exit_code = 3
    kind = "input"


class DatasetError(ImgmemError):
    """The dataset is damaged, in transition, locked, different or of an unknown version."""

    exit_code = 4
    kind = "dataset"


class ResourceError(ImgmemError):
    """The machine lacks something: space on the disk, memory, or a system library."""

    exit_code = 5
    kind = "resource"


class Interrupted(ImgmemError):
    """Stopped by SIGINT or SIGTERM; the state is kept."""

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
    "unreadable",  # the source could not be read: permissions, a dangling link, an I/O error
    "changed",  # the source is not what it was when it was listed
]
REJECT_REASONS: tuple[str, ...] = get_args(RejectReason)


class RejectedImage(Exception):
    """One image that must not become a row: a reason code and what the decoder said."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
