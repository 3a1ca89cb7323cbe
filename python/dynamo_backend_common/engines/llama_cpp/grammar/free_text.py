"""Text in which some texts do not occur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .characters import ALL, Characters
from .rules import EMPTY

if TYPE_CHECKING:
    from collections.abc import Collection

    from .rules import Rules


def free_text(rules: Rules, excluded: Collection[str]) -> str:
    """The rule of any text, also an empty one, that contains none of ``excluded``.

    It is an automaton. A state is the longest end of what was read that an excluded text begins
    with; each is a rule, for what may follow there.

    Args:
        rules: Takes the rules.
        excluded: Texts, none of them empty.
    """
    if not excluded:
        return rules.add(f"{ALL.gbnf}*")
    begins = {text[:length] for text in excluded for length in range(len(text))}
    names = {state: rules.reserve() for state in sorted(begins)}
    alphabet = sorted({character for text in excluded for character in text})
    for state, name in names.items():
        reached = {"": ~Characters.of("".join(alphabet))}
        for character in alphabet:
            ends = [(state + character)[at:] for at in range(len(state) + 1)]
            if any(end in excluded for end in ends):
                continue
            target = next((end for end in ends if end in begins), "")
            reached[target] = reached.get(target, Characters(())) | Characters.of(character)
        branches = [f"{each.gbnf} {names[target]}" for target, each in reached.items()]
        rules.define(name, " | ".join([*branches, EMPTY]))
    return names[""]
