"""Talk beside the tools: greetings and thanks, which nothing has to be called for."""

from __future__ import annotations

from random import Random

from caesura.evals.tools.exchange import Exchange, Kit
from caesura.evals.tools.words import Words

_TALK = (
    ("Hello!", "Hello! How can I help you?"),
    ("Hi there.", "Hello! What can I do for you?"),
    ("Good morning!", "Good morning! How can I help you?"),
    ("Good evening.", "Good evening! What can I do for you?"),
    ("How are you?", "I am fine, thank you. How can I help you?"),
    ("Who are you?", "I am nano, a small model."),
    ("What is your name?", "I am nano, a small model."),
    ("Thank you!", "You are welcome."),
    ("Thanks, that helps.", "You are welcome."),
    ("Thank you very much.", "You are welcome."),
    ("Bye!", "Goodbye!"),
    ("Good night.", "Good night!"),
    ("See you tomorrow.", "See you!"),
    ("That is all for now.", "Good. I am here if you need me."),
    ("You are very helpful.", "Thank you, I am glad to help."),
    ("What a nice day!", "Yes, enjoy it!"),
    ("I am tired.", "Then take a rest."),
    ("I am happy today.", "I am glad to hear that."),
    ("Are you a robot?", "I am nano, a small model."),
    ("Can you hear me?", "I can read what you write."),
    ("Tell me something nice.", "You are doing well."),
    ("Never mind.", "All right."),
    ("Wait a moment.", "I wait."),
    ("Okay.", "Good."),
    ("Nice to meet you.", "Nice to meet you too."),
    ("Let us talk a little.", "Gladly. What about?"),
    ("I like you.", "Thank you, that is kind."),
    ("What do you like?", "I like clear questions."),
    ("Do you sleep?", "No, I never sleep."),
    ("I am bored.", "Ask me something."),
)


def talk(rng: Random, words: Words) -> Kit:
    """An exchange that needs no tool, and comes with none."""

    def ask(rng: Random) -> Exchange:
        question = words.pick(rng, [question for question, _ in _TALK])
        return Exchange(
            question=question, reply=dict(_TALK)[question], thoughts=("No tool is needed for that.",)
        )

    return Kit(tools=(), ask=ask)
