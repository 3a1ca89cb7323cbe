from dataclasses import dataclass


@dataclass
class GenerateReqInput:
    input_ids: list
    sampling_params: dict
    stream: bool
    rid: str = ""
