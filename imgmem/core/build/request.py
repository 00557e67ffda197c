"""What a build is asked for, checked as far as it can be before the source is opened."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from imgmem.core.build import workdir
from imgmem.core.build.update import settled_spec
from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.options.option import applied
from imgmem.core.options.tables import BuildOptions
from imgmem.core.paths import SourcePaths, local_path
from imgmem.core.sources.prefixes import require_no_images, source_paths
from imgmem.core.specs import BuildSpec, OutPolicy, RejectPolicy, RunSpec
from imgmem.core.storage.destination import Destination
from imgmem.core.storage.record import Record


@dataclass(frozen=True)
class BuildRequest:
    """The arguments of `build`, with the options in the specs that they set.

    given: these options by their names.
    """

    sources: tuple[str, ...]
    destination: Destination
    given: Mapping[str, Any]
    spec: BuildSpec
    policy: RejectPolicy
    existing: OutPolicy
    run: RunSpec

    @classmethod
    def of(
        cls,
        source: SourcePaths,
        out: str | os.PathLike[str],
        given: Mapping[str, Any],
        *specs: *tuple[BuildSpec, RejectPolicy, OutPolicy, RunSpec],
    ) -> Self:
        """specs: those that the options change, in the order of the fields.

        Raises UsageError where options are unknown or contradict each other, or where `out` and
        the source are inside one another.
        """
        settings = applied(BuildOptions, given, *specs)
        destination = Destination.of(local_path(out, "OUT"), workdir.SUFFIX)
        request = cls(source_paths(source), destination, given, *settings)
        _require_consistent(request.policy, request.existing)
        require_no_images(request.sources, "build", request.out)
        workdir.require_not_nested(request.sources, request.out)
        return request

    @property
    def out(self) -> str:
        """The folder of the dataset."""
        return os.path.normpath(self.destination.out)

    def settled(self, record: Record | None) -> BuildSpec:
        """The spec with what it takes from other datasets, as from the one that is at `out`."""
        return settled_spec(
            self.sources,
            self.spec,
            self.given,
            out=self.out,
            updated=record if self.existing.update else None,
            existing=self.existing,
        )


def _require_consistent(policy: RejectPolicy, existing: OutPolicy) -> None:
    """UsageError for options that contradict each other."""
    if existing.update and existing.overwrite:
        raise UsageError(
            f"{option('update', True)} keeps what has not changed, but "
            f"{option('overwrite', True)} rebuilds everything",
            hint="Leave out one of them.",
        )
    if existing.resplit and not existing.update:
        raise UsageError(
            f"{option('resplit', True)} requires {option('update', True)}",
            hint=f"Add {option('update', True)}; other builds draw all splits anyway.",
        )
    if policy.on_error == "stop" and policy.max_rejects is not None:
        raise UsageError(
            f"{option('max_rejects')} requires {option('on_error', 'skip')}",
            hint=f"Add {option('on_error', 'skip')}.",
        )
