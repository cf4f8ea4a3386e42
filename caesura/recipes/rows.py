"""What the fine-tuning stage eats, under the names that the chat kinds use. See `caesura/train/data.py`."""

from caesura.train.data import Mode
from caesura.train.data import Row as ChatRow

__all__ = ["ChatRow", "Mode"]
