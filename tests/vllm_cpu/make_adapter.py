"""Makes a LoRA adapter for the model of a folder: ``make_adapter.py MODEL FOLDER SEED``."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

RANK = 8


def main(model: Path, folder: Path, seed: int) -> None:
    config = json.loads((model / "config.json").read_text())
    hidden = config["hidden_size"]
    heads = hidden if config.get("head_dim") is None else config["head_dim"]
    heads *= config["num_attention_heads"] if config.get("head_dim") else 1
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        for module, inputs, outputs in (("q_proj", hidden, heads), ("o_proj", heads, hidden)):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, inputs, generator=generator)
            weights[f"{name}.lora_B.weight"] = torch.randn(outputs, RANK, generator=generator)
    folder.mkdir(parents=True)
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(
        json.dumps(
            {
                "peft_type": "LORA",
                "task_type": "CAUSAL_LM",
                "base_model_name_or_path": str(model),
                "r": RANK,
                "lora_alpha": 2 * RANK,
                "target_modules": ["q_proj", "o_proj"],
                "bias": "none",
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
