"""One engine step at a time: what the model computes in it, and what comes out of it.

A request waits for a slot, then its prompt is read, then it produces output until it ends. A step
computes the next token of every request that produces output, all in one batch, and then pieces of
prompts, each as a batch of its own: llama.cpp cuts a batch of unequal parts at places that depend
on all of them, and by the cut its rounding differs. So the output of a request does not depend on
who else is running.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .logprobs import TokenLogprobs
from .prefill import next_piece
from .sampling import make_sampler
from .sequence import Chunk, Sequence
from .slots import Slots

if TYPE_CHECKING:
    from .binding import Model

Delivery: TypeAlias = tuple[Sequence, Chunk]
"""A chunk and the request that it is for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What the engine is busy with.

    Attributes:
        steps: Steps that were made so far.
        running: Requests that have a slot.
        waiting: Requests that wait for one.
        free_slots: Slots that nobody has.
    """

    steps: int
    running: int
    waiting: int
    free_slots: int


class Scheduler:
    """The requests of a model and the steps that serve them; belongs to one thread."""

    def __init__(self, model: Model, prefill_chunk: int) -> None:
        """Takes charge of ``model``.

        Args:
            model: The loaded model; nobody else may use it from now on.
            prefill_chunk: Tokens of prompts in a step at most while others produce output.
        """
        self._model = model
        self._prefill_chunk = prefill_chunk
        self._slots = Slots(model.max_num_seqs)
        self._waiting: deque[Sequence] = deque()
        self._reading: deque[Sequence] = deque()
        self._producing: list[Sequence] = []
        self._steps = 0

    @property
    def load(self) -> Load:
        """What there is to do now; may be asked from any thread."""
        return Load(
            steps=self._steps,
            running=len(self._reading) + len(self._producing),
            waiting=len(self._waiting),
            free_slots=self._slots.free,
        )

    @property
    def idle(self) -> bool:
        """Whether a step would do nothing."""
        return not (self._waiting or self._reading or self._producing)

    def add(self, sequence: Sequence) -> None:
        """Takes a request; it runs as soon as a slot is free."""
        self._waiting.append(sequence)

    def step(self) -> list[Delivery]:
        """Frees what was cancelled, starts what waits, and runs the model.

        Returns:
            The output of the step.

        Raises:
            RuntimeError: llama.cpp failed.
        """
        self._drop_cancelled()
        self._start_waiting()
        if self.idle:
            return []
        self._steps += 1
        room = self._prefill_chunk if self._producing else self._model.max_num_batched_tokens
        return [*self._produce(), *self._read_prompts(room)]

    def close(self) -> list[Sequence]:
        """Gives up every request.

        Returns:
            Those that were not finished.
        """
        left = [*self._producing, *self._reading, *self._waiting]
        for sequence in left:
            self._release(sequence)
        for stage in (self._producing, self._reading, self._waiting):
            stage.clear()
        return left

    def _drop_cancelled(self) -> None:
        for stage in (self._producing, self._reading, self._waiting):
            for sequence in [sequence for sequence in stage if sequence.cancelled]:
                stage.remove(sequence)
                self._release(sequence)

    def _start_waiting(self) -> None:
        while self._waiting and (slot := self._slots.take()) is not None:
            sequence = self._waiting.popleft()
            sequence.slot = slot
            sequence.sampler = make_sampler(sequence.generation, self._model)
            self._reading.append(sequence)

    def _produce(self) -> list[Delivery]:
        """Computes the next token of every request that produces output."""
        if not self._producing:
            return []
        places = []
        for sequence in self._producing:
            place = self._model.add(
                sequence.last_token, sequence.decoded, sequence.slot, sample=True
            )
            sequence.decoded += 1
            places.append((sequence, place))
        self._model.decode()
        return [(sequence, self._advance(sequence, place)) for sequence, place in places]

    def _read_prompts(self, room: int) -> list[Delivery]:
        """Reads pieces of prompts in turn, at most ``room`` tokens."""
        deliveries = []
        while self._reading:
            sequence = self._reading[0]
            length = next_piece(sequence.prompt_left, self._prefill_chunk)
            if length > room:
                break
            room -= length
            self._reading.popleft()
            place = self._read_piece(sequence, length)
            if sequence.prompt_left:
                self._reading.append(sequence)
            else:
                self._producing.append(sequence)
                deliveries.append((sequence, self._advance(sequence, place)))
        return deliveries

    def _read_piece(self, sequence: Sequence, length: int) -> int:
        """Reads the next ``length`` tokens of a prompt; returns the last one's place."""
        prompt, start, place = sequence.generation.prompt, sequence.decoded, -1
        for position in range(start, start + length):
            last = position == len(prompt) - 1
            place = self._model.add(prompt[position], position, sequence.slot, sample=last)
        self._model.decode()
        sequence.decoded += length
        return place

    def _advance(self, sequence: Sequence, place: int) -> Chunk:
        """Chooses the next token of a request, and retires it when that was the last one."""
        generation = sequence.generation
        assert sequence.sampler is not None
        # Before any logit is forbidden: log probabilities are the model's own.
        wanted = generation.top_logprobs
        logprobs = None if wanted is None else TokenLogprobs(self._model, place)
        if sequence.produced < generation.min_tokens:
            self._model.forbid(place, generation.ends)
        token = self._model.sample(place, sequence.sampler)
        reason = generation.ends.get(token)
        tokens = [token] if reason is None or token in generation.visible_ends else []
        sequence.last_token = token
        sequence.produced += len(tokens)
        if reason is None and sequence.produced >= generation.max_tokens:
            reason = "length"
        chunk = sequence.chunk(tokens, reason)
        if logprobs is not None and wanted is not None and tokens:
            sequence.cumulative_logprob += logprobs.of(token)
            chunk["log_probs"] = [logprobs.of(token)]
            chunk["cum_log_probs"] = sequence.cumulative_logprob
            chunk["top_logprobs"] = [logprobs.top(wanted)]
        if reason is not None:
            if token in generation.asked_ends:
                chunk["stop_reason"] = token
            self._producing.remove(sequence)
            self._release(sequence)
        return chunk

    def _release(self, sequence: Sequence) -> None:
        """Frees what a request holds, if it ever got a slot."""
        if sequence.sampler is None:
            return
        sequence.sampler.close()
        sequence.sampler = None
        self._model.forget(sequence.slot)
        self._slots.give_back(sequence.slot)
