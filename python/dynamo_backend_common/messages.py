"""The shapes of requests and chunks: plain dicts with Dynamo's own keys.

A request is Dynamo's ``PreprocessedRequest``, a chunk its ``LLMEngineOutput``. These types name the
keys that engines use; a dict may have more of them. Those of a chunk that Dynamo does not know are
ignored, each with one warning.

All of a request is what `json.dumps` takes, but for the prompt: give it ``default=list``, or have
the engine say ``token_ids_as_list = True``.

A chunk's numbers may be of any library, such as numpy's scalars, and its lists of numbers may be
arrays. A bool is no token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NotRequired,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypedDict,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._core import TokenIds

HEALTH_CHECK_KEY: Final = "_HEALTH_CHECK"
"""Key of a request that is there, and true, where the request is a probe of the health canary."""

FinishReason: TypeAlias = (
    Literal["stop", "length", "eos", "cancelled", "content_filter", "error"]
    | str
    | Mapping[str, Any]
    | Enum
)
"""Why a stream ended.

Also ``"error: message"``, vLLM's ``"abort"``, which is ``"cancelled"``, and a member of an enum
that stands for one of them. A dict is SGLang's: its ``type`` is the reason, ``matched`` the chunk's
``stop_reason``, and an abort with a ``status_code`` is an error with its ``message``.
"""


class StopConditions(TypedDict, total=False):
    """When to stop. A key that is absent or None sets no condition."""

    max_tokens: int | None
    """Tokens to produce at most."""
    min_tokens: int | None
    """Tokens to produce at least."""
    stop: list[str] | None
    """Texts that end the output and are not part of it; the frontend looks for them."""
    stop_token_ids: list[int] | None
    """Tokens that end the output and are not part of it."""
    stop_token_ids_visible: list[int] | None
    """Tokens that end the output and are part of it."""
    stop_token_ids_hidden: list[int] | None
    """Tokens of the model itself that end the output and are not part of it."""
    ignore_eos: bool | None
    """Whether to go on after the end-of-sequence token."""
    max_thinking_tokens: int | None
    """Tokens to spend on reasoning at most."""


class SamplingOptions(TypedDict, total=False):
    """How to choose tokens. A key that is absent or None leaves the engine's default."""

    n: int | None
    """Outputs for the prompt."""
    best_of: int | None
    """Outputs to choose the ``n`` from."""
    temperature: float | None
    """0 chooses the likeliest token."""
    top_p: float | None
    """Probability, above 0 up to 1, that the candidates have together; 1: all."""
    top_k: int | None
    """Number of candidates; -1: all."""
    min_p: float | None
    """Probability, 0 to 1, relative to the likeliest token's, that a candidate needs."""
    seed: int | None
    """Seed of the random choice."""
    repetition_penalty: float | None
    """Above 1 against tokens of prompt and output, below 1 for them."""
    presence_penalty: float | None
    """Above 0 against tokens that are in the output, below 0 for them."""
    frequency_penalty: float | None
    """As ``presence_penalty``, once per occurrence."""
    use_beam_search: bool | None
    """Beam search in place of sampling."""
    length_penalty: float | None
    """Against long outputs of a beam search."""
    include_stop_str_in_output: bool | None
    """Whether the text that ended the output stays in it."""
    guided_decoding: dict[str, Any] | None
    """Constraint: one of ``json``, ``regex``, ``choice``, ``grammar``, ``structural_tag``."""


class OutputOptions(TypedDict, total=False):
    """What to return beside the tokens."""

    logprobs: int | None
    """Log probabilities per token of the output."""
    prompt_logprobs: int | None
    """Log probabilities per token of the prompt."""
    skip_special_tokens: bool | None
    """Whether special tokens are left out of the text."""


class Request(TypedDict):
    """One request, tokenized."""

    model: NotRequired[str]
    """The name that the client asked for; absent in a probe."""
    token_ids: TokenIds | list[int]
    """The prompt. From a worker a `TokenIds`, which becomes a list when somebody wants one; for an
    engine with ``token_ids_as_list`` a list."""
    stop_conditions: StopConditions
    """When to stop."""
    sampling_options: SamplingOptions
    """How to choose tokens."""
    output_options: OutputOptions
    """What to return beside the tokens."""
    eos_token_ids: list[int]
    """The model's end-of-sequence tokens."""
    annotations: list[str]
    """Annotations that the client asked for."""
    routing: NotRequired[dict[str, Any] | None]
    """Hints of the router; ``dp_rank`` is the data-parallel rank that it chose."""
    prefill_result: NotRequired[dict[str, Any] | None]
    """What the prefill worker returned, on a decode worker."""
    bootstrap_info: NotRequired[dict[str, Any] | None]
    """Host, port and room of a KV transfer."""
    multi_modal_data: NotRequired[dict[str, Any] | None]
    """Images and the like, by kind: lists under ``image_url``, ``video_url``, ``audio_url``.

    Each is ``{"Url": …}`` or, from a frontend that decodes media, ``{"Decoded": …}``, which says
    where the decoded bytes are."""
    mm_processor_kwargs: NotRequired[dict[str, Any] | None]
    """What the client said of how they are processed."""
    encoder_result: NotRequired[dict[str, Any] | None]
    """What the encode worker made of them; see `encoder_result`."""
    extra_args: NotRequired[Any]
    """What the client sent beyond the known options."""
    _HEALTH_CHECK: NotRequired[bool]
    """True where the request is a probe; see `HEALTH_CHECK_KEY`."""


class Usage(TypedDict):
    """Tokens that a request used; may also have OpenAI's details of both."""

    prompt_tokens: int
    """Tokens of the prompt."""
    completion_tokens: int
    """Tokens of the output."""
    total_tokens: int
    """Both together."""
    prompt_tokens_details: NotRequired[dict[str, Any] | None]
    """Such as ``cached_tokens``."""
    completion_tokens_details: NotRequired[dict[str, Any] | None]
    """Such as ``reasoning_tokens``."""


class TopLogprob(TypedDict):
    """One candidate of a position."""

    rank: int
    """1 for the likeliest."""
    token_id: int
    """The candidate."""
    token: str | None
    """Its text, if the engine knows it."""
    logprob: float
    """Its log probability."""
    bytes: NotRequired[list[int] | None]
    """The bytes of its text."""


class Chunk(TypedDict):
    """A piece of a stream. The last one, and only that, has a ``finish_reason``."""

    token_ids: Sequence[SupportsIndex] | Buffer
    """New tokens, none of them negative; may be empty. An array has one dimension."""
    finish_reason: NotRequired[FinishReason | None]
    """Why the stream ends."""
    index: NotRequired[SupportsIndex | None]
    """Which of ``n`` outputs it belongs to, from 0."""
    completion_usage: NotRequired[Usage | None]
    """Tokens used so far, on the last chunk at least.

    What was cached (``prompt_tokens_details``) belongs on the first one too: where the frontend
    ends the output itself, by a stop text, or asks for the usage midway, it has no other.
    """
    stop_reason: NotRequired[str | int | list[int] | None]
    """The text or tokens that ended the output, where ``finish_reason`` is ``stop``."""
    tokens: NotRequired[list[str | None] | None]
    """Texts of ``token_ids``, where the engine makes them."""
    text: NotRequired[str | None]
    """Text of the chunk, where the engine makes it."""
    log_probs: NotRequired[Sequence[SupportsFloat] | Buffer | None]
    """Log probability per token of ``token_ids``."""
    cum_log_probs: NotRequired[SupportsFloat | None]
    """Sum of the log probabilities so far."""
    top_logprobs: NotRequired[list[list[TopLogprob]] | None]
    """Candidates per token of ``token_ids``."""
    disaggregated_params: NotRequired[dict[str, Any] | None]
    """What a prefill worker hands to the decode worker."""
    encoder_result: NotRequired[dict[str, Any] | None]
    """What an encode worker hands to those that generate; see `encoder_chunk`."""
    engine_data: NotRequired[Any]
    """Passed on to the response as it is."""
    extra_args: NotRequired[Any]
    """Anything more, for a peer that knows it."""


Tokens: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | Buffer"
"""One token, or some."""

Step: TypeAlias = (
    tuple[SupportsIndex, Tokens]
    | tuple[SupportsIndex, Tokens, FinishReason]
    | tuple[SupportsIndex, Tokens, FinishReason, Usage]
    | tuple[SupportsIndex, Chunk | BaseException]
)
"""What a step made for one stream: the stream's id, and what `Steps.push` hands over."""
