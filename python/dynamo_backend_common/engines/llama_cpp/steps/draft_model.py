"""Drafts by a small model that has read what the large one has, in the same slots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..cache.common_length import common_length
from .batches import equal_batches
from .prefill import next_piece

if TYPE_CHECKING:
    from collections.abc import Sequence as List

    from ..binding.model import Model
    from .sequence import Sequence


@dataclass(kw_only=True, slots=True)
class _Slot:
    # What is in the draft model's context.
    tokens: list[int] = field(default_factory=list)
    # Of these, the ones at the beginning that were read in pieces: others may begin with them.
    read: int = 0
    # Of these, the ones at the beginning that are known to be the owner's.
    known: int = 0
    # Whose they are; None: what a request has left.
    owner: Sequence | None = None
    # Whether there is a token that the draft model does not have.
    lost: bool = False


class ModelDrafter:
    """Guesses what a small model would choose.

    What it has read of a prompt is kept, and copied to other slots, as the large model's prefixes
    are, and at least as long. Only what the large model has from the host's memory it must read
    itself: piece by piece, with no drafts until then.
    """

    def __init__(
        self,
        model: Model,
        *,
        vocab_size: int,
        n_max: int,
        n_min: int,
        p_min: float,
        piece: int,
        reuses: bool,
    ) -> None:
        """Takes charge of ``model``.

        Args:
            model: The small model; nobody else may use it from now on.
            vocab_size: Tokens that the large model knows.
            n_max: Tokens of a draft at most.
            n_min: Tokens of a draft at least: a shorter one is no draft.
            p_min: Probability that the small model must give a token.
            piece: Tokens of a prompt that are read at once.
            reuses: Whether what was read for one request is used for another.
        """
        self._model = model
        self._vocab_size = min(vocab_size, model.vocab_size)
        self._n_max = n_max
        self._n_min = n_min
        self._p_min = p_min
        self._batch = model.ubatch_size
        self._piece = min(piece, self._batch)
        self._reuses = reuses
        self._slots = [_Slot() for _ in range(model.max_num_seqs)]
        for number in range(model.max_num_seqs):
            model.keep(number, 0)

    def read(self, sequence: Sequence) -> None:
        """Reads what the large model has read of a prompt, at most what is computed at once."""
        if sequence.decoded <= self._model.context_length:
            missing = self._missing(sequence, sequence.decoded)
            self._read([(sequence.slot, missing[: self._batch])])

    def draft(self, wanted: List[tuple[Sequence, int]]) -> List[List[int]]:
        """What the small model would choose next, for all requests at once."""
        drafts: list[list[int]] = [[] for _ in wanted]
        limits = [min(most, self._n_max) for _, most in wanted]
        missing, running = [], []
        for number, (sequence, _) in enumerate(wanted):
            if self._can_draft(sequence, limits[number]):
                lacking = self._missing(sequence, sequence.decoded)
                missing.append((sequence.slot, lacking[: self._piece]))
                if len(lacking) <= self._piece:
                    running.append((number, sequence.slot, sequence.last_token))
        self._read(missing)
        running = [each for each in running if not self._slots[each[1]].lost]
        while running:
            tokens = self._next([(slot, token) for _, slot, token in running])
            found = zip(running, tokens, strict=True)
            running = []
            for (number, slot, _), token in found:
                if token is not None:
                    drafts[number].append(token)
                    if len(drafts[number]) < limits[number]:
                        running.append((number, slot, token))
        return [draft if len(draft) >= self._n_min else [] for draft in drafts]

    def forget(self, sequence: Sequence) -> None:
        """Leaves in the request's slot what others may begin with."""
        if sequence.slot >= 0 and self._slots[sequence.slot].owner is sequence:
            slot = self._slots[sequence.slot]
            self._cut(sequence.slot, slot.read if self._shares(sequence) else 0)
            slot.owner = None

    def interrupt(self) -> None:
        """Makes the small model give up what it computes, and all from then on."""
        self._model.interrupt()

    def _shares(self, sequence: Sequence) -> bool:
        return self._reuses and sequence.generation.shares_prefix

    def _can_draft(self, sequence: Sequence, limit: int) -> bool:
        return (
            limit >= max(self._n_min, 1)
            and sequence.decoded + limit <= self._model.context_length
            and sequence.last_token < self._model.vocab_size
        )

    def _next(self, newest: List[tuple[int, int]]) -> list[int | None]:
        """The likeliest token behind each sequence's newest; None where that is not likely."""
        places = [self._add(slot, token, sample=True) for slot, token in newest]
        self._model.decode()
        return [self._likeliest(place) for place in places]

    def _likeliest(self, place: int) -> int | None:
        import numpy as np  # a dependency of llama-cpp-python

        logits = self._model.logits(place)
        token = int(logits.argmax())
        if token >= self._vocab_size:
            return None
        if self._p_min > 0.0 and 1.0 / np.exp(logits - logits[token]).sum() < self._p_min:
            return None
        return token

    def _missing(self, sequence: Sequence, count: int) -> list[int]:
        """What the slot lacks of a request's first ``count`` tokens; what is not theirs goes."""
        slot = self._slots[sequence.slot]
        if slot.owner is not sequence:
            self._begin(sequence, count)
        tokens = sequence.tokens_from(slot.known)[: count - slot.known]
        same = common_length(slot.tokens[slot.known :], tokens)
        slot.known += same
        self._cut(sequence.slot, slot.known)
        return tokens[same:]

    def _begin(self, sequence: Sequence, count: int) -> None:
        """Begins with what is known of the prompt, at best in another slot."""
        slot, prompt = self._slots[sequence.slot], sequence.generation.prompt
        # A rest of one token would be computed as output is, see `prefill`.
        limit = max(count - 2, 0) if self._shares(sequence) else 0
        best, kept = sequence.slot, 0
        for number in (sequence.slot, *range(len(self._slots))):
            other = self._slots[number]
            if other.owner is None or self._shares(other.owner):
                same = common_length(other.tokens[: min(other.read, limit)], prompt)
                if same > kept:
                    best, kept = number, same
        if best != sequence.slot:
            self._cut(sequence.slot, 0)
            self._model.copy(best, sequence.slot)
            slot.tokens = list(self._slots[best].tokens)
            slot.read = kept
        self._cut(sequence.slot, kept)
        slot.owner, slot.known, slot.lost = sequence, kept, False

    def _read(self, missing: List[tuple[int, list[int]]]) -> None:
        """Reads what slots lack."""
        left = [each for each in missing if each[1]]
        while left:
            pieces = [
                (slot, tokens[: next_piece(len(tokens), self._piece)]) for slot, tokens in left
            ]
            known = [each for each in pieces if self._knows(*each)]
            for batch in equal_batches(known, lambda each: len(each[1]), self._batch):
                for slot, tokens in batch:
                    self._read_piece(slot, tokens)
                self._model.decode()
            left = [
                (slot, tokens[len(piece) :])
                for (slot, tokens), (_, piece) in zip(left, pieces, strict=True)
                if len(tokens) > len(piece) and not self._slots[slot].lost
            ]

    def _knows(self, slot: int, tokens: List[int]) -> bool:
        """Whether the draft model has all ``tokens``; where not, it drafts no more in the slot."""
        self._slots[slot].lost = self._slots[slot].lost or max(tokens) >= self._model.vocab_size
        return not self._slots[slot].lost

    def _read_piece(self, number: int, tokens: List[int]) -> None:
        slot = self._slots[number]
        if slot.read == len(slot.tokens) and len(tokens) > 1:
            slot.read += len(tokens)
        for token in tokens:
            self._add(number, token, sample=False)
        slot.known = len(slot.tokens)

    def _add(self, number: int, token: int, *, sample: bool) -> int:
        slot = self._slots[number]
        slot.tokens.append(token)
        return self._model.add(token, len(slot.tokens) - 1, number, sample=sample)

    def _cut(self, number: int, count: int) -> None:
        slot = self._slots[number]
        if len(slot.tokens) > count:
            del slot.tokens[count:]
            slot.read = min(slot.read, count)
            self._model.keep(number, count)
