"""Texts and contexts as rows of tokens: one row for a text that fits, several windows for a longer one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError
from sentire.core.pooling import TEXT_SEGMENT, make_pooling_weights
from sentire.runtime.batches import iterate_batches
from sentire.runtime.encoder_settings import EncoderSettings
from sentire.runtime.onnx_files import TokenBatch

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

TokenIds = NDArray[np.int32]

MOST_UNKNOWN_SHARE = 0.8
"""From this share of unknown tokens on, a model knows nothing of a text."""

MOST_CHARS_AT_ONCE = 50_000
"""Tokenised in one call: what the library makes of a text takes hundreds of bytes for every token."""

LONGEST_PIECE_CHARS = 8_000
"""Longer texts are tokenised piece by piece, for the same reason."""

FEWEST_TEXTS_IN_PARALLEL = 32

# A letter, or what carries feeling without one: ! and ?, emoticons, emoji.
_TELLING = re.compile(r"[^\W\d_]|[!?]|<3|[:;=][-'^]?[)(\]\[/\\|*]|[\u2600-\u27bf\U0001f300-\U0001faff]")
_NO_TOKENS: TokenIds = np.zeros(0, dtype=np.int32)
_PROBE = "a"


@dataclass(frozen=True, slots=True)
class _Frame:
    """The special tokens before, between and after the parts of a row."""

    before: TokenIds
    between: TokenIds
    after: TokenIds

    def __len__(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRows:
    """What N texts become: R rows, those of a text one after the other, in the order of the texts.

    Attributes:
        text_ids: The tokens of each text, without special ones; N arrays.
        context_ids: Of each context, shortened; N arrays, empty where there is none.
        owners: The text of each row, shape (R,), ascending.
        starts: Where in its text each row begins, in tokens, shape (R,).
        ends: Where it ends, shape (R,).
        lengths: Tokens of each row, context and special ones included, shape (R,).
        shares: How much of its text each row stands for, shape (R,): a token in k windows counts 1/k in each; those
            of a text sum to 1, a single one is exactly 1.
        spans: For each text in windows, shape (W, 2): where each begins and ends, in characters.
        is_known: Shape (N,): whether the model knows anything of the text.
        is_context_cut: Shape (N,): whether the beginning of the context was left out.
    """

    text_ids: list[TokenIds]
    context_ids: list[TokenIds]
    owners: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]
    shares: NDArray[np.float64]
    spans: Mapping[int, NDArray[np.int64]]
    is_known: NDArray[np.bool_]
    is_context_cut: NDArray[np.bool_]
    _first_rows: NDArray[np.int64] = field(repr=False)

    def rows_of(self, text: int) -> slice:
        """Return the rows of one text."""
        last = self._first_rows[text + 1] if text + 1 < len(self.text_ids) else len(self.owners)
        return slice(int(self._first_rows[text]), int(last))

    def average(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the rows of each text, each row by its share.

        Args:
            values: Shape (R, K).

        Returns:
            Shape (N, K); of a text that is one row, its values unchanged.
        """
        if not self.spans:
            return values
        weighted = values.astype(np.float64) * self.shares[:, None]
        return np.add.reduceat(weighted, self._first_rows, axis=0).astype(np.float32)


class TextTokens:
    """Makes rows of tokens of texts.

    A lone text becomes ``[CLS] text [SEP]``, a text with context ``[CLS] context [SEP] text [SEP]``, or whatever the
    tokenizer's post-processor puts around them. Special tokens that are written in a text are letters like any other.

    Args:
        tokenizer: Of the model; truncation and padding are switched off.
        settings: Of the model.
        where: What messages call the tokenizer's file.

    Raises:
        ArtifactError: The tokenizer puts no special token before a text, or the settings leave no room for a text.
    """

    def __init__(self, tokenizer: "Tokenizer", settings: EncoderSettings, *, where: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self.settings = settings
        self._tokenizer = tokenizer
        unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "<unk>")
        self._unknown_id = -1 if unknown is None else unknown
        self._lone = _find_frame(tokenizer.encode(_PROBE), 1, where)
        self._paired = _find_frame(tokenizer.encode(_PROBE, _PROBE), 2, where)
        n_context = settings.max_context_tokens if settings.uses_context else 0
        room = settings.max_tokens - max(len(self._lone), len(self._paired) + n_context if n_context else 0)
        if room < 1:
            raise ArtifactError(
                expected="a max_tokens that leaves room for text beside the context and the special tokens",
                got=f"{settings.max_tokens}, of which {settings.max_tokens - room} are taken",
                where="encoder in config.json",
            )

    def make_probe(self) -> TokenBatch:
        """Return a row that asks all of a graph: as long as may be, with the largest token and both segments."""
        length = self.settings.max_tokens
        largest = max(self._tokenizer.get_vocab().values(), default=0)
        ids = np.linspace(0, largest, length).round().astype(np.int64)[None]
        types = np.zeros((1, length), dtype=np.int64)
        if self.settings.uses_context:
            types[:, length // 2 :] = TEXT_SEGMENT
        return self._make_batch(ids, types, np.array([self.settings.uses_context]))

    def tokenise(self, texts: Sequence[str], contexts: Sequence[str] | None, *, n_threads: int) -> TokenRows:
        """Make the rows of N prepared texts.

        Args:
            texts: As ``prepare_text`` returns them.
            contexts: As ``prepare_contexts`` returns them; not looked at by a model without context.
            n_threads: With 1, no other thread is used.
        """
        text_ids, is_known = [], []
        for text, ids in zip(texts, self._encode(texts, n_threads), strict=True):
            text_ids.append(np.array(ids, dtype=np.int32))
            is_known.append(
                ids.count(self._unknown_id) < MOST_UNKNOWN_SHARE * len(ids) and _TELLING.search(text) is not None
            )
        context_ids, is_context_cut = self._tokenise_contexts(contexts, len(texts), n_threads)
        owners: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        lengths: list[int] = []
        shares: list[float] = []
        first_rows: list[int] = []
        spans: dict[int, NDArray[np.int64]] = {}
        for owner, (ids_of_text, ids_of_context) in enumerate(zip(text_ids, context_ids, strict=True)):
            n_tokens = len(ids_of_text)
            n_others = len(ids_of_context) + len(self._paired) if len(ids_of_context) else len(self._lone)
            room = self.settings.max_tokens - n_others
            first_rows.append(len(owners))
            if n_tokens <= room:
                owners.append(owner)
                starts.append(0)
                ends.append(n_tokens)
                lengths.append(n_tokens + n_others)
                shares.append(1.0)
                continue
            window_starts = cut_windows(n_tokens, room, self.settings.window_stride_tokens)
            spans[owner] = self._find_spans(texts[owner], window_starts, room)
            owners.extend([owner] * len(window_starts))
            starts.extend(window_starts.tolist())
            ends.extend((window_starts + room).tolist())
            lengths.extend([room + n_others] * len(window_starts))
            shares.extend(share_windows(n_tokens, window_starts, room).tolist())
        return TokenRows(
            text_ids=text_ids,
            context_ids=context_ids,
            owners=np.array(owners, dtype=np.int64),
            starts=np.array(starts, dtype=np.int64),
            ends=np.array(ends, dtype=np.int64),
            lengths=np.array(lengths, dtype=np.int64),
            shares=np.array(shares, dtype=np.float64),
            spans=spans,
            is_known=np.array(is_known, dtype=np.bool_),
            is_context_cut=is_context_cut,
            _first_rows=np.array(first_rows, dtype=np.int64),
        )

    def find_context_start(self, context: str) -> int:
        """Return where the part of a context that is read begins, in characters; its length where nothing is read.

        Args:
            context: As ``prepare_contexts`` returns it.
        """
        most = self.settings.max_context_tokens
        if not self.settings.uses_context or not most:
            return len(context)
        offsets = self._tokenizer.encode(context, add_special_tokens=False).offsets
        return int(offsets[-most][0]) if len(offsets) > most else 0

    def make_batch(self, rows: TokenRows, chosen: NDArray[np.int64]) -> TokenBatch:
        """Make a batch of rows that are equally long."""
        length = int(rows.lengths[chosen[0]])
        input_ids = np.empty((len(chosen), length), dtype=np.int64)
        types = np.zeros((len(chosen), length), dtype=np.int64)
        has_context = np.zeros(len(chosen), dtype=np.bool_)
        for place, row in enumerate(chosen.tolist()):
            owner = rows.owners[row]
            text, context = rows.text_ids[owner][rows.starts[row] : rows.ends[row]], rows.context_ids[owner]
            if len(context):
                frame = self._paired
                parts = [frame.before, context, frame.between, text, frame.after]
                types[place, length - len(text) - len(frame.after) :] = TEXT_SEGMENT
                has_context[place] = True
            else:
                parts = [self._lone.before, text, self._lone.after]
            np.concatenate(parts, out=input_ids[place])
        return self._make_batch(input_ids, types, has_context)

    def _make_batch(
        self, input_ids: NDArray[np.int64], types: NDArray[np.int64], has_context: NDArray[np.bool_]
    ) -> TokenBatch:
        weights = make_pooling_weights(
            types, np.ones_like(types), pooling=self.settings.pooling, has_context=has_context
        )
        return TokenBatch(input_ids=input_ids, token_type_ids=types, pooling_weights=weights)

    def _encode(self, texts: Sequence[str], n_threads: int) -> Iterator[list[int]]:
        """Yield the tokens of each text, without special ones."""
        for part in iterate_batches(texts, most_chars=MOST_CHARS_AT_ONCE):
            pieces = [cut_pieces(text) for text in texts[part]]
            together = [piece for one in pieces for piece in one]
            encodings: Iterable[Encoding]
            if n_threads > 1 and len(together) >= FEWEST_TEXTS_IN_PARALLEL:
                # As many threads as the library thinks right, or one where TOKENIZERS_PARALLELISM says so.
                encodings = self._tokenizer.encode_batch_fast(together, add_special_tokens=False)
            else:
                encodings = (self._tokenizer.encode(piece, add_special_tokens=False) for piece in together)
            ids = (encoding.ids for encoding in encodings)
            for one in pieces:
                first = next(ids)
                for more in islice(ids, len(one) - 1):
                    first += more
                yield first

    def _tokenise_contexts(
        self, contexts: Sequence[str] | None, n_texts: int, n_threads: int
    ) -> tuple[list[TokenIds], NDArray[np.bool_]]:
        """Return the end of each context, and whether there was more."""
        is_cut = np.zeros(n_texts, dtype=np.bool_)
        most = self.settings.max_context_tokens
        if contexts is None or not self.settings.uses_context or not most:
            return [_NO_TOKENS] * n_texts, is_cut
        kept = []
        for position, ids in enumerate(self._encode(contexts, n_threads)):
            kept.append(np.array(ids[-most:], dtype=np.int32))
            is_cut[position] = len(ids) > most
        return kept, is_cut

    def _find_spans(self, text: str, starts: NDArray[np.int64], n_tokens: int) -> NDArray[np.int64]:
        """Return where windows of a text begin and end, in characters."""
        # Once more, with the places of the tokens, which cost time that short texts are spared.
        firsts, lasts = [], []
        n_before = 0
        for piece in cut_pieces(text):
            offsets = np.array(self._tokenizer.encode(piece, add_special_tokens=False).offsets, dtype=np.int64)
            firsts.append(offsets.reshape(-1, 2)[:, 0] + n_before)
            lasts.append(offsets.reshape(-1, 2)[:, 1] + n_before)
            n_before += len(piece)
        return np.stack((np.concatenate(firsts)[starts], np.concatenate(lasts)[starts + n_tokens - 1]), axis=1)


def cut_pieces(text: str) -> list[str]:
    """Cut a text into pieces of at most ``LONGEST_PIECE_CHARS`` characters, before a blank where there is one.

    Joined, they are the text. A word that is longer than a piece is torn, which no model minds: it knows no such word.

    Example:
        >>> [len(piece) for piece in cut_pieces("so very glad " * 1000)]
        [7997, 5003]
    """
    if len(text) <= LONGEST_PIECE_CHARS:
        return [text]
    pieces, start = [], 0
    while len(text) - start > LONGEST_PIECE_CHARS:
        end = start + LONGEST_PIECE_CHARS
        blank = max(text.rfind(blank, start + 1, end) for blank in (" ", "\n"))
        end = blank if blank > start else end
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]


def cut_windows(n_tokens: int, room: int, stride: int) -> NDArray[np.int64]:
    """Return where the windows of a long text begin, in tokens.

    Each holds ``room`` tokens, and begins at most ``stride`` after the one before; the last one ends with the text.
    So every token is in a window, and every window is full.

    Args:
        n_tokens: Of the text, more than ``room``.
        room: Tokens of a window, at least 1.
        stride: At least 1; where it is larger than ``room``, that is taken.

    Example:
        >>> cut_windows(10, 4, 3).tolist()
        [0, 3, 6]
        >>> cut_windows(9, 4, 3).tolist()
        [0, 3, 5]
    """
    return np.append(np.arange(0, n_tokens - room, min(stride, room)), n_tokens - room).astype(np.int64)


def share_windows(n_tokens: int, starts: NDArray[np.int64], room: int) -> NDArray[np.float64]:
    """Return how much of a text each window stands for: a token that is in k windows counts 1/k in each of them.

    Args:
        n_tokens: Of the text.
        starts: As ``cut_windows`` returns them, shape (W,).
        room: Tokens of a window.

    Returns:
        Shape (W,), positive, with the sum 1.

    Example:
        >>> share_windows(6, cut_windows(6, 4, 2), 4).tolist()  # windows 0-3 and 2-5 share two tokens
        [0.5, 0.5]
        >>> share_windows(9, cut_windows(9, 4, 3), 4).round(3).tolist()
        [0.389, 0.278, 0.333]
    """
    changes = np.zeros(n_tokens + 1)
    np.add.at(changes, starts, 1.0)
    np.add.at(changes, starts + room, -1.0)
    summed = np.append(0.0, np.cumsum(1.0 / np.cumsum(changes[:-1])))
    shares: NDArray[np.float64] = (summed[starts + room] - summed[starts]) / n_tokens
    return shares


def _find_frame(encoding: "Encoding", n_texts: int, where: str) -> _Frame:
    """Tell the special tokens around one text or two from what a tokenizer made of them."""
    ids, sequences = np.array(encoding.ids, dtype=np.int32), encoding.sequence_ids
    places = [[place for place, owner in enumerate(sequences) if owner == text] for text in range(n_texts)]
    is_framed = all(places) and bool(places[0][0])
    if is_framed:
        cuts = [place for text in places for place in (text[0], text[-1] + 1)]
        frame = _Frame(ids[: cuts[0]], ids[cuts[1] : cuts[-2]], ids[cuts[-1] :])
        is_framed = len(frame) == sequences.count(None) and cuts == sorted(cuts)
    if not is_framed:
        raise ArtifactError(
            expected="a tokenizer that puts special tokens before and between texts and keeps their order",
            got=f"{len(ids)} tokens around {n_texts} times {_PROBE!r}",
            where=where,
        )
    return frame
