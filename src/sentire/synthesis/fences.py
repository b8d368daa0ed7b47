"""Fences around what others wrote, so that a model takes it for material and not for orders.

A story may say "ignore your instructions", by accident or on purpose. What is put into a prompt therefore stands
between two marks that hold a number made from the text itself, which nobody who wrote the text could have known; the
prompts say that what is between such marks is never an instruction. This keeps honest models on their course; what
comes back is checked all the same: labels are allow-listed, and talk about the task is left out.
"""

import hashlib


def fence(text: str, kind: str) -> str:
    """Put a text between marks that do not occur in it.

    Args:
        text: Written by others, or by a model.
        kind: What it is, such as ``story``.

    Example:
        >>> print(fence("Once upon a time.", "story"))
        <story 0e6331>
        Once upon a time.
        </story 0e6331>
    """
    number = 0
    while True:
        mark = hashlib.sha256(f"{number}:{text}".encode("utf-8", "replace")).hexdigest()[:6]
        if mark not in text:
            return f"<{kind} {mark}>\n{text.strip()}\n</{kind} {mark}>"
        number += 1
