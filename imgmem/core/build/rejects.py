"""When rejected images end a build: what `on_error` and `max_rejects` allow."""

from collections.abc import Mapping

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.specs import DROP_REASON, RejectPolicy
from imgmem.core.storage.record import Record


def require_allowed(
    reasons: Mapping[str, int], policy: RejectPolicy, *, done: int, total: int, out: str = ""
) -> None:
    """InputError where more images were rejected, counted by reason, than the policy allows.

    Args:
        reasons: Rejected images by reason.
        policy: What is allowed.
        done: Images that have been tried.
        total: Images of the source.
        out: The finished dataset; "" for a build in progress.
    """
    reasons = {each: n for each, n in reasons.items() if not each.startswith(DROP_REASON)}
    rejected, allowed = sum(reasons.values()), policy.max_rejects
    if policy.on_error == "stop" and rejected:
        raise _not_to_be_skipped(reasons, out)
    if allowed is None:
        return
    if rejected > (allowed if isinstance(allowed, int) else allowed * total):
        where = f"for {out}" if out else "so far"
        raise InputError(
            f"{rejected} of {done} images {where} were rejected ({reasons_text(reasons)}), more "
            f"than {option('max_rejects')} allows",
            hint=f"Check them, or raise {option('max_rejects')} and run the same command again.",
            rejected=dict(reasons),
        )


def require_allowed_in(record: Record, policy: RejectPolicy, *, total: int, out: str) -> None:
    """`require_allowed` for a complete dataset of `total` images that is at `out`, or will be."""
    reasons = record.build.get("rejected", {})
    require_allowed(reasons, policy, done=total, total=total, out=out)


def _not_to_be_skipped(reasons: Mapping[str, int], out: str) -> InputError:
    """The error where an earlier run skipped images, and this one must not."""
    skip = option("on_error", "skip")
    if out:
        again = f"repair the files and build again with {option('overwrite', True)}"
        accept = f"Accept them with {skip}, or"
    else:
        again, accept = f"start over with {option('restart', True)}", f"Resume with {skip}, or"
    return InputError(
        f"{sum(reasons.values())} images {f'for {out} ' if out else ''}were rejected by an "
        f"earlier run with {skip}" + (f" ({reasons_text(reasons)})" if out else ""),
        hint=f"{accept} {again}.",
        rejected=dict(reasons),
    )


def reasons_text(reasons: Mapping[str, int]) -> str:
    """`2 corrupt, 1 truncated`."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
