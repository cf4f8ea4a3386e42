"""The catalogue of public texts: stories, books, facts, words, small talk, exercises.

Enters: nothing. Leaves: `TEXT_SETS`. Read next: `request_sets.py` and `judged_sets.py`, its other parts.
"""

from __future__ import annotations

from caesura.train import books, convert, exercises
from caesura.train.data_set import DataSet, Origin


def _books(paths: tuple[str, ...]) -> tuple[Origin, ...]:
    """Some of the public-domain books; the repository's README grants them."""
    repository = "mlschmitt/classic-books-markdown"
    return (Origin(repository=repository, commit="944882722e9a", paths=paths, licence_paths=("README.md",)),)


_WORD_LISTS = """
    animals/common foods/fruits foods/vegetables music/instruments music/genres objects/clothing
    objects/containers objects/objects humans/bodyParts humans/occupations humans/firstNames
    humans/lastNames humans/scientists plants/flowers technology/appliances
    technology/programming_languages sports/sports books/academic_subjects
"""
# Later commits are under a licence that forbids commerce.
_TEXTBOOKS = {
    "prealgebra-bundle": "77a933c672e9",
    "psychology": "e061043bf2f9",
    "introduction-sociology": "d35d5f3bdac4",
    "introduction-philosophy": "d7bd4f0f5205",
    "introductory-statistics-bundle": "50ec91749080",
    "introduction-political-science": "4391e659b98e",
    "college-success-bundle": "4c04b87eb275",
    "introduction-python-programming": "d6d069bb2467",
}


def _textbooks(*names: str) -> tuple[Origin, ...]:
    """The modules of some textbooks."""
    return tuple(
        Origin(
            repository=f"openstax/osbooks-{name}", commit=_TEXTBOOKS[name], paths=("modules/*/index.cnxml",)
        )
        for name in names
    )


TEXT_SETS = (
    DataSet(
        name="stories",
        file="stories_simple/stories.jsonl.zst",
        licence="CC-BY-4.0 or CC-BY-3.0, per story",
        use="pretraining; story telling",
        origins=(
            Origin(repository="global-asp/asp-raw-db", commit="096a27fe24ec", paths=("data/*.txt",)),
            Origin(repository="global-asp/pb-source", commit="9ea530dfb001", paths=("en/*.md",)),
            Origin(repository="global-asp/asp-source", commit="99e022369a98", paths=("en/*.md",)),
        ),
        converter=convert.simple_stories,
    ),
    DataSet(
        name="books_young",
        file="books_public_domain/young.jsonl.zst",
        licence="public domain",
        use="pretraining",
        origins=_books(books.YOUNG),
        converter=convert.book_sections("young"),
    ),
    DataSet(
        name="books_general",
        file="books_public_domain/general.jsonl.zst",
        licence="public domain",
        use="pretraining",
        origins=_books(books.GENERAL),
        converter=convert.book_sections("general"),
    ),
    DataSet(
        name="textbooks",
        file="openstax_textbooks/modules.jsonl.zst",
        licence="CC-BY-4.0",
        use="pretraining",
        origins=_textbooks(*_TEXTBOOKS),
        converter=None,
    ),
    DataSet(
        name="openstax_exercises",
        file="openstax_exercises/exercises.jsonl.zst",
        licence="CC-BY-4.0",
        use="harmless requests: problems of algebra and statistics, with answers",
        origins=_textbooks("prealgebra-bundle", "introductory-statistics-bundle"),
        converter=exercises.textbook_exercises,
    ),
    DataSet(
        name="wordnet",
        file="english_wordnet/synsets.jsonl.zst",
        licence="CC-BY-4.0 and WordNet licence",
        use="pretraining; definitions",
        origins=(
            Origin(
                repository="globalwordnet/english-wordnet",
                commit="d94538ad0df3",
                paths=tuple(f"src/yaml/{part}.*.yaml" for part in ("adj", "adv", "noun", "verb")),
            ),
        ),
        converter=convert.synsets,
    ),
    DataSet(
        name="factbook",
        file="world_factbook/countries.jsonl.zst",
        licence="CC0-1.0",
        use="pretraining; country facts",
        origins=(
            Origin(repository="factbook/factbook.json", commit="8662a8b17a78", paths=("[a-z]*/??.json",)),
        ),
        converter=convert.country_pages,
    ),
    DataSet(
        name="persona_chat",
        file="persona_chat_synthetic/conversations.jsonl.zst",
        licence="CC-BY-4.0",
        use="pretraining; small talk over several turns",
        origins=(
            Origin(
                repository="google-research-datasets/Synthetic-Persona-Chat",
                commit="1f367a0f05d3",
                paths=tuple(f"data/Synthetic-Persona-Chat_{part}.csv" for part in ("valid", "test")),
                licence_paths=("README.md",),
            ),
        ),
        converter=convert.persona_dialogues,
    ),
    DataSet(
        name="chatterbot",
        file="chatterbot_corpus/conversations.jsonl",
        licence="BSD-3-Clause",
        use="small talk",
        origins=(
            Origin(
                repository="gunthercox/chatterbot-corpus",
                commit="a01efece2666",
                paths=("chatterbot_corpus/data/english/*.yml",),
            ),
        ),
        converter=convert.small_talk,
    ),
    DataSet(
        name="word_lists",
        file="word_lists/lists.jsonl.zst",
        licence="CC0-1.0",
        use="generators; `fetch` brings the lists that the recipes read",
        origins=(
            Origin(
                repository="dariusk/corpora",
                commit="cf30ca27ab17",
                paths=tuple(f"data/{name}.json" for name in _WORD_LISTS.split()),
            ),
        ),
        converter=convert.word_lists,
    ),
)
