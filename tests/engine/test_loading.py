from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest, build_engine, load
from caesura.messages.request import Sampling
from caesura.model import PackedAttention, Transformer, save_model
from caesura.model.folder import FolderError
from caesura.model.quantised import Quantisation
from caesura.model.rope_scaling import RopeScaling
from caesura.tokens import Tokenizer, TokenizerError


@pytest.fixture
def folder(loaded: LoadedModel, tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    save_model(loaded.model, folder, dtype=torch.float32)
    assert isinstance(loaded.tokenizer, Tokenizer)
    loaded.tokenizer.save(folder, max_positions=512)
    return folder


def test_a_folder_serves_what_was_saved(loaded: LoadedModel, folder: Path) -> None:
    request = SequenceRequest(prompt=(20, 21, 22), max_tokens=20, sampling=Sampling(temperature=0.0))
    config = EngineConfig(num_pages=8, num_threads=1)
    outputs: list[tuple[int, ...]] = []
    for model in (loaded, load(folder, dtype=torch.float32)):
        engine = build_engine(model, config)
        outputs.append(engine.generate([request])[0].finished.output)
        engine.close()
    assert outputs[0] == outputs[1]


def test_caesura_json_describes_the_model(folder: Path) -> None:
    plain = load(folder).info
    assert (plain.id, plain.display_name, plain.trained_tokens) == ("tiny", "tiny", 512)
    fields = {"display_name": "Tiny", "created_at": "2026-02-03T00:00:00Z", "trained_tokens": 128}
    (folder / "caesura.json").write_text(json.dumps(fields))
    info = load(folder, name="mine").info
    assert (info.id, info.display_name, info.created_at) == ("mine", "Tiny", "2026-02-03T00:00:00Z")
    assert (info.trained_tokens, info.max_tokens, info.max_input_tokens) == (128, 512, 512)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not a JSON object"),
        ("{", "not valid JSON"),
        ('{"trained_tokens": "many"}', "trained_tokens 'many' is not a whole number from 1"),
        ('{"max_tokens": true}', "max_tokens True is not a whole number from 1"),
        ('{"max_tokens": -5}', "max_tokens -5 is not a whole number from 1"),
        ('{"max_tokens": 0}', "max_tokens 0 is not a whole number from 1"),
        ('{"display_name": 7}', "display_name 7 is not a text"),
    ],
)
def test_a_broken_caesura_json_is_named(folder: Path, text: str, words: str) -> None:
    (folder / "caesura.json").write_text(text)
    with pytest.raises(FolderError, match=rf"caesura\.json.* {words}"):
        load(folder)


def test_a_missing_or_damaged_folder_is_named(folder: Path) -> None:
    with pytest.raises(FolderError, match="nowhere is not a folder"):
        load(folder / "nowhere")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FolderError, match=r"model\.safetensors"):
        load(folder)


def test_a_missing_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json"):
        load(folder)


def test_a_vocabulary_that_does_not_fit_is_refused(folder: Path) -> None:
    Tokenizer.train(["all sorts of other words " * 9], vocab_size=600).save(folder, max_positions=512)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    first = tokenizer["added_tokens"][0]
    extra = [dict(first, id=1000 + number, content=f"<extra{number}>") for number in range(99)]
    tokenizer["added_tokens"] += extra
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(FolderError, match=r"tokenizer\.json has \d+ tokens"):
        load(folder)


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_a_quantised_folder_generates_what_its_network_scores_best(folder: Path, kind: Quantisation) -> None:
    packed = load(folder, quantise=kind)
    assert packed.model.embed_tokens.weight.dtype == torch.bfloat16
    request = SequenceRequest(prompt=(20, 21, 22), max_tokens=12, sampling=Sampling(temperature=0.0))
    engine = build_engine(packed, EngineConfig(num_pages=8, num_threads=1))
    output = engine.generate([request])[0].finished.output
    engine.close()
    ids = torch.tensor([[*request.prompt, *output]])
    with torch.inference_mode():
        hidden = packed.model(ids, torch.arange(ids.shape[1])[None], PackedAttention())
        logits_TV = packed.model.logits(hidden)[0].float()[len(request.prompt) - 1 : -1]
    chosen_T = logits_TV.gather(1, torch.tensor(output)[:, None])[:, 0]
    # Some words cannot be drawn at all, so the best of what is left may score below the best of all.
    words_TV = logits_TV[:, 16 : packed.tokenizer.vocab_size]
    assert (chosen_T >= words_TV.amax(dim=1) - 0.1).all()


def test_pages_of_other_weights_are_not_found(folder: Path) -> None:
    identities = [load(folder, quantise=kind).identity for kind in (None, "int8", "int4")]
    assert len(set(identities)) == 3


class ReplacedFolder(type(Path())):
    """A folder that others replace once its weights were read: when its tokenizer is looked for."""

    replacement: Path

    def __truediv__(self, key: str) -> Path:  # pyright: ignore[reportIncompatibleMethodOverride]
        if key == "tokenizer.json" and self.replacement.exists():
            self.replacement.rename(Path(self) / "model.safetensors")
        return Path(self).joinpath(key)


def test_a_folder_that_is_replaced_while_it_is_read_is_refused(
    loaded: LoadedModel, folder: Path, tmp_path: Path
) -> None:
    other = Transformer(loaded.model.config)
    other.initialise(torch.Generator().manual_seed(8))
    save_model(other, tmp_path / "other", dtype=torch.float32)
    replaced = ReplacedFolder(folder)
    replaced.replacement = tmp_path / "other" / "model.safetensors"
    with pytest.raises(FolderError, match="tiny was changed while it was read; load it again"):
        load(replaced)
    assert not replaced.replacement.exists()
    assert load(replaced).identity == load(folder).identity


def test_quantised_weights_want_bfloat16(folder: Path) -> None:
    with pytest.raises(FolderError, match=r"int8 weights want bfloat16 activations, not torch\.float32"):
        load(folder, dtype=torch.float32, quantise="int8")


def test_a_stretched_window_is_on_offer(folder: Path) -> None:
    loaded = load(folder, rope_scaling=RopeScaling.parse("yarn:4"))
    assert (loaded.info.max_input_tokens, loaded.model.config.max_positions) == (2048, 2048)
