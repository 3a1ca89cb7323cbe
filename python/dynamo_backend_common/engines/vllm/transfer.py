"""How the KV cache of a prefill gets to its decode: the parameters of vLLM's connectors.

They depend on the connector that vLLM was started with (``--kv-transfer-config``):

- NIXL's: the prefill's engine answers where its blocks are, and the decode's engine fetches them. A
  connector that is not known here is taken for one of this kind: what its engine answers is handed
  on as it is.
- Mooncake's: both sides know the transfer by an id, which is made here.
- A cache that both share, such as a folder: nothing is handed over, and what the decode does not
  find there it computes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...disaggregation import require_prefill_result
from ...exceptions import InvalidArgument
from ...messages import HEALTH_CHECK_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vllm.config import VllmConfig

    from ...config import DisaggregationMode

KEY = "kv_transfer_params"
"""Where vLLM looks for them, in ``SamplingParams.extra_args``, and the decode worker in
``disaggregated_params``."""

_SHARED = frozenset(
    {
        "ExampleConnector",
        "FlexKVConnectorV1",
        "HF3FSKVConnector",
        "LMCacheConnectorV1",
        "LMCacheMPConnector",
        "MooncakeStoreConnector",
        "OffloadingConnector",
        "SimpleCPUOffloadConnector",
    }
)
_MOONCAKE = "MooncakeConnector"
_WRAPPERS = frozenset({"MultiConnector", "PdConnector"})
_ANY_DECODE = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}
# The router sends what is cheaper to compute than to fetch straight to a decode worker.
_WITHOUT_PREFILL = "x-bypass-remote-prefill"


@dataclass(frozen=True, kw_only=True, slots=True)
class Handover:
    """Of one prefill.

    Attributes:
        asked: What the prefill's engine is asked with; empty: nothing.
        told: What the decode's engine gets, where it is known beforehand.
    """

    asked: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] | None = None

    def disaggregated_params(self, answered: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the prefill worker answers.

        Args:
            answered: What the prefill's engine said; None: nothing.
        """
        return {KEY: dict((answered or {}) if self.told is None else self.told)}


class Transfer:
    """The part of one worker in the transfers."""

    def __init__(self, config: VllmConfig, mode: DisaggregationMode) -> None:
        """Looks which connector there is.

        Raises:
            InvalidArgument: The worker prefills or decodes, and there is none.
        """
        # `WorkerConfig` has checked it, and takes it in any case.
        self._mode = mode.strip().lower()
        self._config = config
        given = config.kv_transfer_config
        self._name: str | None = None if given is None else given.kv_connector
        if self._name is None and (self.prefills or self.decodes):
            raise InvalidArgument(
                f"disaggregation_mode is {self._mode}, and vLLM was given no connector for the KV"
                " cache: start prefill and decode workers with the same --kv-transfer-config, such"
                ' as \'{"kv_connector": "NixlConnector", "kv_role": "kv_both"}\''
            )
        self._engine_id: str | None = None if given is None else given.engine_id
        if self._name in _WRAPPERS:
            self._choose_child(given.kv_connector_extra_config)

    @property
    def prefills(self) -> bool:
        """Whether the worker prefills for others."""
        return self._mode == "prefill"

    @property
    def decodes(self) -> bool:
        """Whether the worker decodes what others have prefilled."""
        return self._mode == "decode"

    @property
    def is_fetched(self) -> bool:
        """Whether what the worker prefills is fetched from it after the request has ended."""
        return self.prefills and self._name not in _SHARED

    def handover(self, request: Mapping[str, Any]) -> Handover | None:
        """Of a prefill's request; None: nobody decodes elsewhere."""
        if not self.prefills or request.get(HEALTH_CHECK_KEY):
            return None
        if self._name in _SHARED:
            return Handover()
        if self._name == _MOONCAKE:
            return self._mooncake()
        return Handover(asked=_ANY_DECODE)

    def taken_over(
        self, request: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Of a decode's request: parameters of the transfer, and details of the prompt's tokens.

        Returns:
            None where nobody has prefilled it.

        Raises:
            InvalidArgument: The prefill is missing, or told something else.
        """
        if not self.decodes or request.get(HEALTH_CHECK_KEY):
            return None
        if _WITHOUT_PREFILL in (request.get("annotations") or ()):
            return None
        result = require_prefill_result(request)
        params = result.disaggregated_params.get(KEY)
        if not isinstance(params, dict):
            raise InvalidArgument(
                f"prefill_result.disaggregated_params.{KEY}: {params!r} is no dict; let a prefill"
                " worker of this engine, with the same connector, serve the prefill"
            )
        return params, result.prompt_tokens_details or {}

    def staged(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Of a decode's request that is refused: by what its prefill's engine is told to let go.

        None where that engine waits for nobody.
        """
        try:
            taken_over = self.taken_over(request)
        except InvalidArgument:
            return None
        if taken_over is None or not taken_over[0].get("do_remote_prefill"):
            return None
        return taken_over[0]

    def _choose_child(self, extra: Mapping[str, Any]) -> None:
        """Of a connector of several, the one that hands over: vLLM allows but one."""

        def is_likely(child: Mapping[str, Any]) -> tuple[bool, bool]:
            name = child.get("kv_connector")
            return name == _MOONCAKE, name not in _SHARED

        child = max(extra.get("connectors") or [{}], key=is_likely)
        self._name = child.get("kv_connector")
        self._engine_id = child.get("engine_id") or self._engine_id

    def _mooncake(self) -> Handover:
        from vllm.distributed.kv_transfer.kv_connector.v1.mooncake.mooncake_connector import (
            get_mooncake_bootstrap_addr,
        )

        host, port = get_mooncake_bootstrap_addr(self._config)
        transfer_id = str(uuid.uuid4())
        return Handover(
            asked={
                "do_remote_decode": True,
                "do_remote_prefill": False,
                "transfer_id": transfer_id,
            },
            told={
                "do_remote_decode": False,
                "do_remote_prefill": True,
                "transfer_id": transfer_id,
                "remote_bootstrap_addr": f"http://{host}:{port}",
                "remote_engine_id": self._engine_id,
            },
        )
