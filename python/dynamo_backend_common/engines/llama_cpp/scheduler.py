"""One engine step at a time: what goes into the next batch, and what comes out of it.

A step holds the newest token of every request that is producing output, and pieces of the prompts
of the others. A request has a slot from its first step to its last; who finds none waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .logprobs import TokenLogprobs
from .prefill import share
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
        self._running: list[Sequence] = []
        self._waiting: deque[Sequence] = deque()
        self._steps = 0

    @property
    def load(self) -> Load:
        """What there is to do now; may be asked from any thread."""
        return Load(
            steps=self._steps,
            running=len(self._running),
            waiting=len(self._waiting),
            free_slots=self._slots.free,
        )

    @property
    def idle(self) -> bool:
        """Whether a step would do nothing."""
        return not self._running and not self._waiting

    def add(self, sequence: Sequence) -> None:
        """Takes a request; it runs as soon as a slot is free."""
        self._waiting.append(sequence)

    def step(self) -> list[Delivery]:
        """Frees what was cancelled, starts what waits, and runs the model once.

        Returns:
            The output of the step.

        Raises:
            RuntimeError: llama.cpp failed.
        """
        self._drop_cancelled()
        self._start_waiting()
        if not self._running:
            return []
        places = self._fill_batch()
        self._model.decode()
        self._steps += 1
        return [(sequence, self._advance(sequence, index)) for sequence, index in places]

    def close(self) -> list[Sequence]:
        """Gives up every request.

        Returns:
            Those that were not finished.
        """
        left = [*self._running, *self._waiting]
        for sequence in self._running:
            self._release(sequence)
        self._running.clear()
        self._waiting.clear()
        return left

    def _drop_cancelled(self) -> None:
        for sequence in [sequence for sequence in self._running if sequence.cancelled]:
            self._retire(sequence)
        if any(sequence.cancelled for sequence in self._waiting):
            self._waiting = deque(each for each in self._waiting if not each.cancelled)

    def _start_waiting(self) -> None:
        while self._waiting and (slot := self._slots.take()) is not None:
            sequence = self._waiting.popleft()
            sequence.slot = slot
            sequence.sampler = make_sampler(sequence.generation, self._model)
            self._running.append(sequence)

    def _fill_batch(self) -> list[tuple[Sequence, int]]:
        """Builds the batch; returns who gets a token from which place of it."""
        places = []
        prompts = []
        for sequence in self._running:
            if sequence.prompt_left:
                prompts.append(sequence)
            else:
                index = self._model.add(
                    sequence.last_token, sequence.decoded, sequence.slot, sample=True
                )
                sequence.decoded += 1
                places.append((sequence, index))
        room = self._model.max_num_batched_tokens - len(places)
        if places:
            room = min(room, self._prefill_chunk)
        shares = share([sequence.prompt_left for sequence in prompts], room)
        for sequence, count in zip(prompts, shares, strict=True):
            index = self._add_prompt(sequence, count)
            if not sequence.prompt_left:
                places.append((sequence, index))
        return places

    def _add_prompt(self, sequence: Sequence, count: int) -> int:
        """Adds the next ``count`` tokens of a prompt; returns the last one's place."""
        prompt, start, index = sequence.generation.prompt, sequence.decoded, -1
        for position in range(start, start + count):
            last = position == len(prompt) - 1
            index = self._model.add(prompt[position], position, sequence.slot, sample=last)
        sequence.decoded += count
        return index

    def _advance(self, sequence: Sequence, index: int) -> Chunk:
        """Chooses the next token of a request, and retires it when that was the last one."""
        generation = sequence.generation
        assert sequence.sampler is not None
        # Before any logit is forbidden: log probabilities are the model's own.
        wanted = generation.top_logprobs
        logprobs = None if wanted is None else TokenLogprobs(self._model, index)
        if sequence.produced < generation.min_tokens:
            self._model.forbid(index, generation.ends)
        token = self._model.sample(index, sequence.sampler)
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
            self._retire(sequence)
        return chunk

    def _retire(self, sequence: Sequence) -> None:
        self._running.remove(sequence)
        self._release(sequence)

    def _release(self, sequence: Sequence) -> None:
        if sequence.sampler is not None:
            sequence.sampler.close()
            sequence.sampler = None
        self._model.forget(sequence.slot)
        self._slots.give_back(sequence.slot)
