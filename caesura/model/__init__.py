"""The network. Read `config.py`, `transformer.py`, `attention.py`, `folder.py`, in this order."""

from caesura.model.attention import Attend, PackedAttention, document_mask
from caesura.model.config import PRESETS, ModelConfig, RopeConfig
from caesura.model.folder import load_model, read_config, save_model
from caesura.model.transformer import Transformer

__all__ = [
    "PRESETS",
    "Attend",
    "ModelConfig",
    "PackedAttention",
    "RopeConfig",
    "Transformer",
    "document_mask",
    "load_model",
    "read_config",
    "save_model",
]
