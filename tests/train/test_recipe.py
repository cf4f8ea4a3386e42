"""Recipes: fields change from the command line, by path, with errors that name what may stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.messages.errors import DataError
from caesura.recipes import RECIPES
from caesura.tokens import Tokenizer
from caesura.train.recipe import Recipe, ensure_tokenizer, override
from caesura.train.stage import Stage
from tests.tokens.conversations import chat_format

NANO = RECIPES["nano"]()


def stages_of(recipe: Recipe) -> list[Stage]:
    return [stage for stage in recipe.stages if isinstance(stage, Stage)]


def test_a_path_changes_every_stage() -> None:
    changed = override(NANO, ["loop.num_steps=7"])
    assert [stage.loop.num_steps for stage in stages_of(changed)] == [7] * len(stages_of(NANO))


def test_a_stage_name_limits_the_change_to_that_stage() -> None:
    changed = override(NANO, ["nano-sft.loop.optimiser.learning_rate=1"])
    assert changed.stages[0] == NANO.stages[0]
    assert stages_of(changed)[1].loop.optimiser.learning_rate == 1


def test_lists_become_tuples_and_words_stay_words() -> None:
    changed = override(NANO, ["packing.row_tokens=[64,128]", "loop.optimiser.name=adamw"])
    assert stages_of(changed)[0].packing.row_tokens == (64, 128)
    assert stages_of(changed)[0].loop.optimiser.name == "adamw"


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("loop.num_steps", "is not of the form path=value"),
        ("no.such=1", "no stage has a field 'no'; there are .*loop"),
        ("loop.steps=1", "no field 'steps'; there are num_steps, "),
        ("loop.num_steps=many", "'many' is not of the type of"),
        ("loop.num_steps.deeper=1", "no field 'deeper'; there are none"),
        ("loop.is_compiled=3", "3 is not of the type of True"),
        ("loop.num_steps=true", "True is not of the type of"),
        ("loop.num_steps=0", "must be at least 1"),
        ("loop.optimiser.name=sgd", "'sgd' is not one of 'muon', 'adamw'"),
        ("loop.optimiser.learning_rate=0", "must be above 0"),
    ],
)
def test_a_wrong_override_says_what_may_stand_there(assignment: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        override(NANO, [assignment])


def test_the_tokenizer_is_learnt_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def texts(data: Path) -> list[str]:
        calls.append(data)
        return ["hello hello world"] * 9

    recipe = Recipe(name="tiny", tokenizer_texts=texts, vocab_size=280, stages=(), max_positions=64)
    folders = {ensure_tokenizer(recipe, runs=tmp_path, data=tmp_path) for _ in range(2)}
    assert len(calls) == 1
    assert Tokenizer.load(folders.pop()).encode("hello") != []


def test_a_recipe_without_words_of_its_own_takes_those_of_its_start(tmp_path: Path) -> None:
    chosen = RECIPES["finetune"]()
    with pytest.raises(ValueError, match="needs a model to start from: --set start_from=FOLDER"):
        ensure_tokenizer(chosen, runs=tmp_path, data=tmp_path)
    started = override(chosen, ["start_from=some/folder"])
    assert ensure_tokenizer(started, runs=tmp_path, data=tmp_path) == Path("some/folder")


def test_fine_tuning_learns_the_rows_of_a_file_and_names_a_bad_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]}\n{'
    )
    chosen = override(RECIPES["finetune"](), [f'documents.paths=["{path}"]'])
    documents = stages_of(chosen)[0].documents(chat_format(), tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"mine\.jsonl:2: "):
        list(documents)
