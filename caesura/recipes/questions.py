"""Questions about countries, and questions that nano cannot answer, with honest replies.

Enters: nothing. Leaves: tables of templates. Read next: `knowledge.py`, which fills them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from caesura.recipes.countries import Topic

COUNTRY_QUESTIONS: Mapping[Topic, tuple[str, ...]] = {
    "capital": (
        "What is the capital of {}?",
        "What's the capital of {}?",
        "Capital of {}?",
        "Which city is the capital of {}?",
        "Name the capital of {}.",
        "Tell me the capital of {}.",
        "Do you know the capital of {}?",
        "What is the capital city of {}?",
    ),
    "continent": (
        "On which continent is {}?",
        "Which continent is {} on?",
        "What continent is {} in?",
        "Is {} in Africa, Asia, Europe, America or Oceania?",
    ),
    "location": (
        "Where is {}?",
        "Where does {} lie?",
        "Where can I find {} on a map?",
        "Tell me where {} is.",
    ),
    "language": (
        "What language do people speak in {}?",
        "Which languages are spoken in {}?",
        "What is the language of {}?",
        "What do people in {} speak?",
    ),
    "currency": (
        "What is the currency of {}?",
        "What money do they use in {}?",
        "How do you pay in {}?",
        "What is the money of {} called?",
    ),
    "people": (
        "How many people live in {}?",
        "What is the population of {}?",
        "How large is the population of {}?",
    ),
    "area": ("How big is {}?", "What is the area of {}?", "How large is {}?"),
    "peak": (
        "What is the highest mountain in {}?",
        "What is the highest point of {}?",
        "Which is the highest place in {}?",
    ),
    "borders": (
        "Which countries border {}?",
        "What are the neighbours of {}?",
        "Which countries are next to {}?",
    ),
    "nationality": ("What do you call someone from {}?", "What is a person from {} called?"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A field that nano knows nothing about.

    questions: templates, with {country}, {city}, {name} and the like.
    hints: what may follow; empty for the general hints.
    is_deed: whether something is to be done, so that the reply says "I cannot", not "I do not know".
    """

    questions: tuple[str, ...]
    hints: tuple[str, ...] = ()
    is_deed: bool = False


_OPENINGS = (
    "I am a small model and do not know that.",
    "I do not know that.",
    "Sorry, I do not know that. I am only a small model.",
    "I am sorry, but I do not know.",
    "That is outside what I learnt.",
    "I am a small model, and that is more than I know.",
    "I do not know the answer to that.",
    "As a small model I cannot answer that.",
)
_CANNOT = (
    "I cannot do that.",
    "Sorry, I cannot do that.",
    "I am a small model and cannot do that.",
    "That is more than I can do.",
    "I am sorry, but I am too small a model for that.",
)
_HINTS = (
    "",
    "",
    "A larger model or a book will know.",
    "You could look it up.",
    "I would only be guessing.",
    "Please ask somebody who knows.",
    "I know a few kinds of problems, stories, words and countries.",
)


def outside_answer(rng: random.Random, outside: Outside) -> str:
    """An honest reply that never guesses."""
    openings = _CANNOT if outside.is_deed else _OPENINGS
    return f"{rng.choice(openings)} {rng.choice(outside.hints or _HINTS)}".strip()


_NEWS = ("I cannot see the news.", "I have no internet and know nothing of the present.", "")
_DOCTOR = (
    "Please ask a doctor.",
    "A doctor or a pharmacist can help you.",
    "For your health, please ask a doctor.",
)
_LAWYER = ("Please ask a lawyer.", "A lawyer can help you with that.", "That is a matter for a lawyer.")
_CODE = ("I cannot write programs.", "Programming is beyond me.", "I never learnt to program.")
_LONG = (
    "I can only write short replies.",
    "A text like that is too long for me.",
    "I can tell a short story instead.",
)
_ACT = ("I can only write text.", "I cannot do things outside this chat.", "I have no access to that.")

OUTSIDE = (
    Outside(
        questions=(
            "What is the weather in {city} today?",
            "Will it rain tomorrow?",
            "What is the news today?",
            "What time is it?",
            "What is today's date?",
            "What time is it in {city}?",
            "Who won the match yesterday?",
            "Who won the last election in {country}?",
            "What happened in {country} this week?",
            "Is there traffic in {city} right now?",
            "What day is it today?",
            "What is the latest news from {country}?",
            "How warm is it in {city}?",
        ),
        hints=_NEWS,
    ),
    Outside(
        questions=(
            "Who is the president of {country}?",
            "Who is the king of {country}?",
            "Who is {scientist}?",
            "When was {scientist} born?",
            "What did {scientist} discover?",
            "Who is {name} {last}?",
            "How old is {name} {last}?",
            "Where does {name} {last} live?",
            "What is {name}'s phone number?",
            "Is {name} {last} famous?",
            "Who invented the {thing}?",
            "Who was the leader of {country} in {year}?",
            "Tell me about {scientist}.",
            "Who is the prime minister of {country}?",
        ),
    ),
    Outside(
        questions=(
            "What is photosynthesis?",
            "How does a black hole form?",
            "What is the speed of light?",
            "How far away is the moon?",
            "Explain quantum mechanics.",
            "What is the theory of relativity?",
            "How do vaccines work?",
            "What is DNA made of?",
            "Why is the sky blue?",
            "How do planes fly?",
            "What is the boiling point of mercury?",
            "How old is the universe?",
            "Why did the dinosaurs die out?",
            "How does a {thing} work?",
            "How is a {thing} made?",
            "Explain {subject} to me.",
            "What should I know about {subject}?",
            "What is the atomic weight of iron?",
        ),
    ),
    Outside(
        questions=(
            "What happened in {year}?",
            "Who won the war in {year}?",
            "What was {country} like in {year}?",
            "When was {city} founded?",
            "Tell me the history of {country}.",
            "Who ruled {country} in {year}?",
            "When did {country} become independent?",
            "Who wrote Hamlet?",
            "Who painted the Mona Lisa?",
            "Who won the world cup in {year}?",
            "What are the rules of {sport}?",
            "Who is the best player in {sport}?",
            "What is a good {genre} song?",
            "What is {genre}?",
            "Which film won the prize in {year}?",
            "Summarise the plot of the last film you saw.",
        ),
    ),
    Outside(
        questions=(
            "Write a program in {code}.",
            "Write a function in Python that sorts a list.",
            "How do I install Python?",
            "How do I fix this bug in my {code} code?",
            "What does this {code} error mean?",
            "Write a web page in HTML.",
            "Explain recursion in {code}.",
            "How do I write a loop in {code}?",
            "Build me an app for my phone.",
            "How do I use git?",
            "What is {code}?",
            "Fix my code.",
        ),
        hints=_CODE,
        is_deed=True,
    ),
    Outside(
        questions=(
            "I have a headache. What should I take?",
            "Is this medicine safe for me?",
            "What is the right dose for a child?",
            "My chest hurts. What should I do?",
            "How do I cure a cold?",
            "I have a fever and a cough. What is it?",
            "Can I take these two pills together?",
            "Do I have an allergy?",
            "What does this rash mean?",
            "How do I lose weight?",
        ),
        hints=_DOCTOR,
    ),
    Outside(
        questions=(
            "Can I sue my neighbour?",
            "Is this contract valid?",
            "How do I get a visa for {country}?",
            "What are the laws of {country}?",
            "Do I have to pay this fine?",
            "How much tax do I have to pay?",
            "Can my landlord do this?",
            "Write my will.",
        ),
        hints=_LAWYER,
    ),
    Outside(
        questions=(
            "How much does a {thing} cost?",
            "What is the price of gold?",
            "What is the price of bitcoin today?",
            "Should I buy this stock?",
            "How do I get rich?",
            "Which bank is best?",
            "How much is a flight to {city}?",
            "What is a good hotel in {city}?",
            "Where can I buy a {thing}?",
            "Which phone should I buy?",
            "What is the exchange rate of the dollar?",
            "How much does a house in {city} cost?",
        ),
    ),
    Outside(
        questions=(
            "Write an essay about {subject}.",
            "Write a long essay on the history of {country}.",
            "Write ten pages about {subject}.",
            "Write a novel.",
            "Write my homework about {subject}.",
            "Write a business plan for a shop that sells a {thing}.",
            "Write a speech for my wedding.",
            "Write a letter to my bank.",
            "Write a poem in the style of Shakespeare.",
            "Translate this text into French.",
            "Summarise this book for me.",
            "Write a report about {city}.",
        ),
        hints=_LONG,
        is_deed=True,
    ),
    Outside(
        questions=(
            "Set an alarm for seven.",
            "Play some {genre}.",
            "Send an email to {name}.",
            "Call {name}.",
            "Open the window.",
            "Turn on the light.",
            "Book a table for two.",
            "Order a {thing} for me.",
            "Search the internet for {scientist}.",
            "Show me a picture of a {thing}.",
            "Draw a {thing}.",
            "Remind me to call {name}.",
            "Look up {name} {last}.",
            "Take a photo.",
            "Read this web page for me.",
        ),
        hints=_ACT,
        is_deed=True,
    ),
)
