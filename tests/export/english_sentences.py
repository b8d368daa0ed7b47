"""Sentences that we wrote, of many lengths, for calibrating and comparing the real encoder."""

import itertools

_BEGINNINGS = (
    "Thank you",
    "I can't believe this",
    "My sister finally called me back",
    "Why would anyone do that to a dog?",
    "That was the best evening I have had in years",
    "They closed the library and nobody asked us",
    "Honestly, I miss him more than I expected",
    "The doctor says it is nothing, but I keep lying awake",
)
_MIDDLES = (
    "",
    ", and I mean it",
    " because the train was late again and the shop had already shut",
    " - what a mess!!!",
    " :) see you on Tuesday",
    ", although my neighbour, who knows about such things, says the opposite and shows me the letters to prove it",
    " (again)",
)
_ENDINGS = (".", "...", "! We laughed until it hurt.", ", so now I don't know whom to trust.", "?")

SENTENCES = ["".join(parts) for parts in itertools.product(_BEGINNINGS, _MIDDLES, _ENDINGS)]
CALIBRATION_SENTENCES, OTHER_SENTENCES = SENTENCES[::2], SENTENCES[1::2]
