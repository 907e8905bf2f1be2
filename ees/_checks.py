"""What values that nobody has checked must be, and what is said of those that are not."""

import math
import reprlib
from collections.abc import Mapping


class _Short(reprlib.Repr):
    """The `repr` of a value, short however long or deep the value is."""

    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = 80

    def repr_int(self, x, level):
        # Python prints no integer of more than 4300 digits.
        bits = x.bit_length()
        return super().repr_int(x, level) if bits < 4096 else f"an integer of {bits} bits"


shortly = _Short().repr
"""`shortly(value)`: that."""


def entry_of(argument: str, key) -> str:
    """What an entry of a mapping is called."""
    return f"{argument}[{key if isinstance(key, str) else shortly(key)}]"


def check_among(argument: str, value, allowed) -> None:
    """Raises `ValueError` unless the value is one of the names that are allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{argument}={shortly(value)}: allowed are {', '.join(sorted(allowed))}.")


def check_mapping(argument: str, value) -> None:
    """Raises `ValueError` unless the value is a mapping."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{argument}={shortly(value)}: it must be a mapping of names to values.")


def check_number(argument: str, value) -> None:
    """Raises `ValueError` unless the value is a finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared and not converted: an integer may be too large for a float.
    if not (number and -math.inf < value < math.inf and abs(value) <= 1e300):
        raise ValueError(f"{argument}={shortly(value)}: it must be a finite number.")


def check_whole(argument: str, value, highest: int) -> None:
    """Raises `ValueError` unless the value is a whole number from 0 to `highest`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise ValueError(
            f"{argument}={shortly(value)}: allowed is every whole number from 0 to {highest}."
        )
