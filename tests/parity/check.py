"""What every parity module returns: named checks, each a function that measures one difference from a peer."""
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    value: float  # what must not exceed `tolerance`; NaN fails
    tolerance: float
    note: str = ""  # what was compared, such as sizes and the peer's own number

    @property
    def passed(self) -> bool:
        return bool(self.value <= self.tolerance)


@dataclass(frozen=True)
class Check:
    name: str
    measure: Callable[[], Measured]


def expect_covered(kind: str, registered: set[str], covered: set[str]) -> Check:
    """Fails when the program has an entry that no row of the suite compares with a peer, or the other way round."""

    def measure() -> Measured:
        missing, unknown = sorted(registered - covered), sorted(covered - registered)
        return Measured(len(missing) + len(unknown), 0, f"without a row: {missing}, not in the program: {unknown}")

    return Check(f"every {kind} of `assay list` has a row", measure)
