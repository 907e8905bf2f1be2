"""Symbols in LaTeX as plain text, for widgets that show no mathematics."""

import re
import unicodedata

from ees.models import Parameter


def label(parameter: Parameter) -> str:
    """What a slider is called: the symbol, a word where the symbol says little, the unit."""
    symbol, word = plain(parameter.symbol), parameter.name.replace("_", " ")
    enough = len(symbol) > 1 or parameter.symbol in (word, f"\\{word}", f"\\var{word}")
    unit = f" ({parameter.unit})" if parameter.unit else ""
    return (symbol if enough else f"{word} {symbol}") + unit


def plain(latex: str) -> str:
    """A symbol in LaTeX as plain text."""
    text = re.sub(r"\\mathrm|[{}_]", "", latex).replace(r"\,", " ")
    # A dot above combines with the letter before it.
    text = re.sub(r"\\dot ?(\\?[A-Za-z]+)", "\\1\N{COMBINING DOT ABOVE}", text)
    return re.sub(r"\\(?:var)?([A-Za-z]+)", lambda found: _greek(found[1]), text)


def _greek(name: str) -> str:
    case = "SMALL" if name.islower() else "CAPITAL"
    # Unicode spells it this way.
    spelt = "LAMDA" if name.lower() == "lambda" else name.upper()
    return unicodedata.lookup(f"GREEK {case} LETTER {spelt}")
