"""Counting a letter in one to five common words, spelt out with a running count."""

from __future__ import annotations

from random import Random

from caesura.evals.tasks.problem import Family, Problem

_TEXT = """
apple banana cherry orange lemon melon pepper carrot onion tomato potato cheese butter coffee sugar
bread kitchen window garden flower forest meadow river mountain valley island desert harbour bridge street
village castle temple school teacher student letter pencil paper picture colour yellow purple silver golden
summer winter spring autumn morning evening weather thunder rainbow shadow candle mirror blanket pillow
ladder hammer needle button basket bottle kettle saucer rabbit squirrel kitten puppy sheep goose beetle
spider butterfly elephant giraffe monkey parrot penguin dolphin turtle lizard dragon princess soldier sailor
farmer doctor baker painter singer dancer writer reader runner traveller stranger neighbour brother sister
mother father daughter parent children family friend people country city planet comet rocket engine wagon
bicycle railway station ticket journey adventure treasure secret riddle puzzle number seven eleven hundred
thousand little better happy merry clever gentle simple difficult different important beautiful wonderful
remember discover deliver believe follow answer question laughter freedom reason season lesson moment
minute second distance balance silence science history music violin trumpet guitar theatre library
"""
_WORDS = tuple(_TEXT.split())
_WORDINGS = (
    'How many times does the letter {letter} occur in "{phrase}"?',
    'Count the letter {letter} in "{phrase}".',
    'How often do you find {letter} in "{phrase}"?',
)


def _make(rng: Random, difficulty: int) -> Problem:
    words = rng.sample(_WORDS, difficulty)
    phrase = " ".join(words)
    # A count is drawn first and then a letter that has it, or almost every answer would be 1.
    counts = {each: phrase.count(each) for each in sorted(set(phrase) - {" "})}
    wanted = rng.choice(sorted(set(counts.values())))
    letter = rng.choice([each for each, number in counts.items() if number == wanted])
    steps: list[str] = []
    count = 0
    for word in words:
        line = f"{word}:"
        for each in word:
            count += each == letter
            line += f" {each}{count if each == letter else ''}"
        steps.append(line)
    question = rng.choice(_WORDINGS).format(letter=letter, phrase=phrase)
    return Problem(question=question, steps=tuple(steps), answer=str(count))


FAMILY = Family(name="letters", title="letter counting", make=_make, chance=0.39)
