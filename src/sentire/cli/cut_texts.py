"""What a command says about texts that were longer than what is embedded of one."""

from sentire.cli.console import say


def say_cut(n_cut: int, which: str = "") -> None:
    """Tell of how many texts only the beginning was embedded; nothing where of none.

    Args:
        n_cut: How many.
        which: What tells them from other texts of the command.
    """
    from sentire.runtime.texts import LONGEST_TEXT_CHARS

    if n_cut:
        noun, verb, whose = ("text", "was", "its") if n_cut == 1 else ("texts", "were", "their")
        those = f"{noun} {which}" if which else noun
        most = f"{LONGEST_TEXT_CHARS:,} characters"
        say(f"note: {n_cut:,} {those} {verb} longer than {most}; only {whose} beginning was embedded")
