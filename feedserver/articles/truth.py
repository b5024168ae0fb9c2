"""Truth values in front matter, in every spelling that programs write.

Knows texts only: the key that a value belongs to, and its meaning, are decided elsewhere.
"""

from __future__ import annotations

from feedserver.articles.nodes import Node, Scalar

# YAML 1.1, and the numbers that databases export (`draft: 0`).
_TRUE = ("true", "yes", "on", "y", "1")
_FALSE = ("false", "no", "off", "n", "0")
_TRUTH = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)


def truth(node: Node) -> bool | None:
    """The truth value of a node, quoted or not; None if it is none."""
    return truth_of(node.text) if isinstance(node, Scalar) else None


def truth_of(text: str) -> bool | None:
    """The truth value of a text, in any letter case; None if it is none."""
    return _TRUTH.get(text.strip().lower())
