"""Stands for the engine TokenSpeed, which wants a GPU: what ai-dynamo's adapter takes of it."""

from dataclasses import dataclass


@dataclass
class ServerArgs:
    model: str
    served_model_name: str
    block_size: int
    stream_output: bool = False

    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--model", required=True)
        parser.add_argument("--served-model-name")
        parser.add_argument("--block-size", type=int, default=16)

    @classmethod
    def from_cli_args(cls, options):
        return cls(options.model, options.served_model_name, options.block_size)
