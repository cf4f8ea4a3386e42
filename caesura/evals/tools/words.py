"""Words for tools, arguments and values, in two parts that share nothing: one to train on, one to measure.

Enters: a generator. Leaves: words. Which part a word is in is decided by its hash. Read next: `exchange.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

_HELD_OUT_ONE_IN = 6


def _listed(text: str, border: str | None = None) -> tuple[str, ...]:
    """The words of a text, or what stands between borders."""
    return tuple(text.split(border))


_ONSETS = _listed("b bl br c cl cr d dr f fl fr g gl gr h j k l m n p pl pr r s sk sl sp st t tr v w z")
_VOWELS = _listed("a e i o u ai ea oo ou")
_CODAS = _listed("b ck d f g l ll m n nd nt p r rk rt s sh st t x")

THINGS = _listed(
    "city person book planet ship plant robot shop file player river word train team song film house garden "
    "island machine car school farm lake bridge company street bird dog cat horse market museum hotel"
)
QUALITIES = _listed(
    "price height colour owner age score address weight population mood temperature rank length speed size "
    "capital leader language currency birthday author title status name number code level taste smell depth "
    "width volume rating motto symbol density charge pressure balance shape"
)
PEOPLE = _listed(
    "Anna Ben Carla David Emma Frank Greta Henry Ines Jack Karen Leo Maria Nora Oscar Paul Rosa Sam Tina Uma "
    "Victor Wanda Xavier Yara Zoe Ahmed Bianca Chen Dora Elif Farid Gina Hugo Ivan Julia Kofi Lena Marco Nina"
)
PLACES = _listed(
    "Lima Oslo Paris Cairo Rome Tokyo Quito Delhi Berlin Madrid Vienna Dublin Havana Nairobi Seoul Hanoi "
    "Athens Prague Lisbon Warsaw Boston Denver Sydney Dakar Tunis Kyoto Milan Porto Bergen Malmo Lagos Accra"
)
COLOURS = _listed("red blue green yellow black white brown pink grey orange purple silver golden violet")
ITEMS = _listed(
    "apples pears eggs candles pencils books chairs lamps cups plates bananas lemons onions carrots tickets "
    "stamps buttons nails bricks shirts socks cookies bottles boxes batteries envelopes flowers seeds"
)
DEVICES = _listed(
    "lamp heater fan radio oven printer alarm camera kettle pump door gate washer dryer sprinkler projector "
    "speaker fridge"
)
CHORES = _listed(
    "water the plants|call the bank|feed the cat|buy milk|pay the rent|wash the car|send the letter|"
    "bake a cake|clean the desk|read the book|walk the dog|fix the bike|visit grandma|cut the grass|"
    "charge the phone|write the report|take a break|empty the bin|check the oven|lock the door",
    "|",
)
SAYINGS = _listed(
    "I am late|see you soon|dinner is ready|the train is here|happy birthday|call me back|I am at home|"
    "the door is open|good luck|we won the game|bring a coat|thank you for the gift|the meeting is over|"
    "I found your keys|come to the garden|the water is warm|please wait|it is raining|all is well|sleep well",
    "|",
)
TOPICS = _listed(
    "old maps|steam trains|wild horses|paper boats|deep sea fish|snow leopards|tall towers|clay pots|"
    "desert plants|night trains|honey bees|wooden toys|stone bridges|rain clouds|garden birds|sea shells|"
    "chess openings|apple trees|river otters|silk roads",
    "|",
)
LANGUAGES = _listed(
    "French German Spanish Italian Greek Polish Dutch Danish Turkish Arabic Hindi Korean Finnish Swahili"
)
DAYS = _listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
DIRECTIONS = ("north", "south", "east", "west")


def is_held_out(word: str) -> bool:
    """Whether a word is kept for measuring: a sixth of all, by its hash."""
    return hashlib.sha256(word.casefold().encode()).digest()[0] % _HELD_OUT_ONE_IN == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Draws words of one part.

    holds_out: the part that is kept for measuring, and not the other one.
    """

    holds_out: bool

    def pick(self, rng: Random, pool: Sequence[str]) -> str:
        """One of the pool's words that are in this part."""
        return rng.choice([word for word in pool if is_held_out(word) is self.holds_out])

    def several(self, rng: Random, pool: Sequence[str], num: int) -> list[str]:
        """Different ones, as many as there are up to `num`."""
        own = [word for word in pool if is_held_out(word) is self.holds_out]
        return rng.sample(own, min(num, len(own)))

    def made_up(self, rng: Random) -> str:
        """A word that means nothing."""
        while True:
            num = rng.choice((1, 2, 2))
            word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(num)) + rng.choice(_CODAS)
            if is_held_out(word) is self.holds_out and len(word) > 3:
                return word

    def noun(self, rng: Random, pool: Sequence[str]) -> str:
        """A word of the pool, or one that means nothing."""
        return self.pick(rng, pool) if rng.random() < 0.5 else self.made_up(rng)

    def number(self, rng: Random, low: int, high: int) -> int:
        """A whole number from `low` to `high`; small ones are in both parts."""
        while True:
            number = rng.randint(low, high)
            if high < 100 or is_held_out(str(number)) is self.holds_out:
                return number

    def entity(self, rng: Random, thing: str = "") -> str:
        """The name of something."""
        if thing == "person" or (not thing and rng.random() < 0.25):
            return self.pick(rng, PEOPLE)
        if thing == "city" or (not thing and rng.random() < 0.25):
            return self.pick(rng, PLACES)
        first = self.made_up(rng).capitalize()
        return rng.choice(
            (
                first,
                first,
                f"{first} {self.made_up(rng).capitalize()}",
                f"{first[:2].upper()}-{rng.randint(10, 999)}",
                f"{self.pick(rng, COLOURS)} {self.made_up(rng)}",
            )
        )

    def value(self, rng: Random) -> str:
        """What a look-up may find."""
        draws = (
            lambda: str(self.number(rng, 1, 9999)),
            lambda: f"{rng.randint(1, 99)}.{rng.randint(1, 9)}",
            lambda: self.made_up(rng),
            lambda: self.pick(rng, COLOURS),
            lambda: self.entity(rng),
            lambda: f"{rng.randint(2, 300)} {rng.choice(('metres', 'euros', 'kg', 'points', 'degrees'))}",
        )
        return rng.choice(draws)()


def identifier(rng: Random, parts: Sequence[str]) -> str:
    """Words as one name, the way one programmer or another writes names."""
    words = [word.lower() for part in parts for word in part.replace("-", " ").split()]
    style = rng.random()
    if style < 0.6:
        return "_".join(words)
    if style < 0.75:
        return words[0] + "".join(word.capitalize() for word in words[1:])
    return "-".join(words) if style < 0.85 else "".join(word.capitalize() for word in words)


def article(word: str) -> str:
    """The word with "a" or "an" before it."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
