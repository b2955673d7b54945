"""The order of image files by their names: by the numbers in them, or by the decimal numbers that they are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path

# A number with a point, perhaps after other text; three numbers with points between them are no decimal number.
_DECIMAL = re.compile(r"(.*[^0-9.])?([0-9]+)\.([0-9]+)")
_EPOCH_DIGITS = 9  # Whole numbers of so many digits are seconds since 1970.
_MAX_EPOCH_DECIMALS = 7  # Of a float of these; more may be nanoseconds without the zeros before them.
_MAX_COUNT_DECIMALS = 9  # Numbers with more are neither counts nor nanoseconds.


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """A sorting key that puts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def in_order(files: Sequence[Path]) -> list[Path]:
    """Files in natural order; those whose names are decimal numbers, in the order of these.

    With as many decimals in all names, both orders are the same. Otherwise 1.10.png is later than 1.9.png if what
    follows the point counts something, such as frames or nanoseconds, and earlier if it is decimals.
    """
    return _orders(files)[0]


def other_order(files: Sequence[Path]) -> tuple[str, str] | None:
    """If files could as well be meant in another order: the names of two that are swapped then; otherwise None."""
    order, other = _orders(files)
    return next(((one.name, two.name) for one, two in zip(order, other) if one != two), None)


def _orders(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Files in order, and in the other order that may be meant; that is the same if there is no doubt."""
    natural = sorted(files, key=natural_key)
    matches = [match for path in files if (match := _DECIMAL.fullmatch(path.stem))]
    if len(matches) < len(files) or len({match[1] for match in matches}) > 1:
        return natural, natural
    values = {path: Decimal(f"{match[2]}.{match[3]}") for path, match in zip(files, matches)}
    by_value = sorted(files, key=lambda path: (values[path], path.name))
    if by_value == natural:
        return natural, natural
    units, decimals = [match[2] for match in matches], [match[3] for match in matches]
    counts = [int(part) for part in decimals] if len(set(units)) == 1 else []
    are_values, is_certain = _judged(units, decimals, (_is_regular(values.values()), _is_regular(counts)))
    order, other = (by_value, natural) if are_values else (natural, by_value)
    return order, order if is_certain else other


def _is_regular(numbers: Collection[Decimal | int]) -> bool:
    """Whether numbers, of which there are several, are at equal intervals."""
    return len(numbers) > 2 and len({b - a for a, b in itertools.pairwise(sorted(numbers))}) == 1


def _judged(units: Sequence[str], decimals: Sequence[str], are_regular: tuple[bool, bool]) -> tuple[bool, bool]:
    """Whether names are meant as decimal numbers, of which some have more decimals than others, and if that is certain.

    units        what is before the point
    decimals     what is after it
    are_regular  whether the decimal numbers are at equal intervals, and whether the numbers after the point are
    """
    if are_regular[0] != are_regular[1]:
        return are_regular[0], True
    most = max(map(len, decimals))
    has_zero = any(len(part) > 1 and part.startswith("0") for part in decimals)
    if all(len(unit) >= _EPOCH_DIGITS for unit in units):
        return has_zero or most <= _MAX_EPOCH_DECIMALS, True
    lengths_with_zero = {len(part) for part in decimals if part.startswith("0")}
    is_padded = has_zero and lengths_with_zero == {min(map(len, decimals))}
    ends_in_zero = any(len(part) > 1 and part.endswith("0") for part in decimals)  # as in a count
    if is_padded:  # A count with zeros before it, that outgrew its digits, or decimals by chance.
        return False, False
    if has_zero or most > _MAX_COUNT_DECIMALS:
        return True, not ends_in_zero
    return not ends_in_zero and 2 < most <= _MAX_EPOCH_DECIMALS, ends_in_zero
