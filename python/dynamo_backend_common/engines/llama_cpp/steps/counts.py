"""What has been computed so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class Counts:
    """Sums over the life of an engine; the thread of the steps adds to them, others may look.

    Attributes:
        prompt_tokens: Tokens of prompts that were read, without those that were found in the cache.
        prompt_seconds: Seconds that this took.
        tokens_predicted: Tokens of output.
        tokens_predicted_seconds: Seconds that these took, but for the first of each output.
        n_decode: Batches that were computed.
        n_draft_tokens: Tokens of drafts.
        n_draft_accepted: Tokens of them that became output.
        prefix_cache_queries: Tokens of prompts that were looked for in the prefix cache.
        prefix_cache_hits: Tokens of them that were found.
        prompt_cache_hits: Tokens of these that came from the host's memory.
    """

    prompt_tokens: int = 0
    prompt_seconds: float = 0.0
    tokens_predicted: int = 0
    tokens_predicted_seconds: float = 0.0
    n_decode: int = 0
    n_draft_tokens: int = 0
    n_draft_accepted: int = 0
    prefix_cache_queries: int = 0
    prefix_cache_hits: int = 0
    prompt_cache_hits: int = 0

    @property
    def prefix_cache_hit_rate(self) -> float | None:
        """Part of the tokens that were looked for that was found, 0 to 1; None: there were none."""
        asked = self.prefix_cache_queries
        return self.prefix_cache_hits / asked if asked else None
