"""`caesura chat`: a streaming chat in the terminal, with any Messages server.

Enters: lines that someone types. Leaves: the thought, dimmed, the answer, and what they took. Read next:
`caesura/web/follow.py`, which the chat page shares.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from caesura.cli.connect import Connection, connected
from caesura.cli.screen import configure_logging, fail, printable, stderr, stdout
from caesura.messages.content import text_of, thinking_of
from caesura.messages.errors import CaesuraError
from caesura.messages.request import MessagesRequest
from caesura.web.ask import Settings, request_for
from caesura.web.follow import follow
from caesura.web.reply import Exchange, Reply
from caesura.web.show import counts

HELP = "/think N|off|adaptive  how long to think   /clear  forget   /quit  leave   Ctrl-C  stop the reply"


def chat(
    prompt: Annotated[str | None, typer.Argument(help="Ask this one thing, print the reply, leave.")] = None,
    think: Annotated[str, typer.Option(help="Thinking tokens at most, or off, or adaptive.")] = "256",
    base_url: Annotated[
        str | None,
        typer.Option(
            help="A Messages server; default: the one on port 8000 here, or else the bundled model."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Its name; default: the server's first.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="CAESURA_API_KEY", help="The server's key.")] = None,
    system: Annotated[str, typer.Option(help="Instructions before the chat.")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer; thinking comes on top.")] = 1024,
) -> None:
    """Talk to a model in the terminal.

    Example: caesura chat --think 128 "What is 23*45?"
    """
    configure_logging(is_verbose=False)
    try:
        settings = with_think(Settings(system=system, answer_tokens=max_tokens), think)
        # One event loop for the whole chat: a model in this process answers on the loop that opened it.
        with asyncio.Runner() as runner, _opened(runner, base_url, api_key) as connection:
            name = model or runner.run(_first_model(connection))
            terminal = TerminalChat(runner, connection, name, settings)
            if prompt is None:
                terminal.run()
            elif terminal.ask(prompt).outcome == "failed":
                raise typer.Exit(1)
    except CaesuraError as error:
        fail(str(error))


def shown(text: str) -> str:
    """A text from elsewhere, as part of one with markup."""
    return escape(printable(text))


def with_think(settings: Settings, word: str) -> Settings:
    """The settings with what `--think` or `/think` says; raises CaesuraError for anything else."""
    if word in ("off", "adaptive"):
        return replace(settings, mode=word)
    if word == "0":
        return replace(settings, mode="off")
    if word.isdecimal():
        return replace(settings, mode="budget", budget_tokens=int(word))
    raise CaesuraError(f"thinking is a number of tokens, `off` or `adaptive`, not `{word}`")


@contextmanager
def _opened(runner: asyncio.Runner, base_url: str | None, api_key: str | None) -> Generator[Connection]:
    stack = AsyncExitStack()

    async def enter() -> Connection:
        return await stack.enter_async_context(connected(base_url, api_key))

    try:
        yield runner.run(enter())
    finally:
        runner.run(stack.aclose())


async def _first_model(connection: Connection) -> str:
    offered = await connection.client.models()
    if not offered:
        raise CaesuraError(f"{connection.place} offers no model")
    return offered[0].id


class TerminalChat:
    """One chat: what was said, and how the next question is asked."""

    def __init__(
        self, runner: asyncio.Runner, connection: Connection, model: str, settings: Settings
    ) -> None:
        self._runner = runner
        self._connection = connection
        self._model = model
        self._settings = settings
        self._exchanges: tuple[Exchange, ...] = ()

    def run(self) -> None:
        """Read lines and answer them until /quit or the end of input."""
        stderr.print(f"[bold]{shown(self._model)}[/] at {shown(self._connection.place)}\n[dim]{HELP}[/]")
        while True:
            try:
                line = stdout.input("[bold]> [/]").strip()
            except (EOFError, KeyboardInterrupt):
                stdout.print()
                return
            if line == "/quit":
                return
            if line.startswith("/"):
                self._obey(line)
            elif line:
                self.ask(line)

    def _obey(self, line: str) -> None:
        match line.split():
            case ["/clear"]:
                self._exchanges = ()
                stderr.print("[dim]forgotten[/]")
            case ["/think", word]:
                self._change_thinking(word)
            case _:
                stderr.print(f"[dim]{HELP}[/]")

    def _change_thinking(self, word: str) -> None:
        try:
            self._settings = with_think(self._settings, word)
        except CaesuraError as error:
            stderr.print(f"[red]{shown(str(error))}[/]")
        else:
            stderr.print(f"[dim]thinking: {word}[/]")

    def ask(self, question: str) -> Reply:
        """One question, answered on the screen."""
        request = request_for(self._settings, model=self._model, past=self._exchanges, question=question)
        reply = self._runner.run(self._answer(request))
        self._exchanges = (*self._exchanges, Exchange(question=question, reply=reply))
        return reply

    async def _answer(self, request: MessagesRequest) -> Reply:
        stop, printer, reply = asyncio.Event(), ReplyPrinter(stdout), Reply()
        with _interrupt_sets(stop):
            async with aclosing(follow(self._connection.client, request, stop)) as replies:
                async for reply in replies:
                    printer.show(reply)
        printer.finish(reply)
        return reply


@contextmanager
def _interrupt_sets(stop: asyncio.Event) -> Generator[None]:
    """While it lasts, Ctrl-C stops the reply and not the program."""
    loop = asyncio.get_running_loop()
    former = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


class ReplyPrinter:
    """Prints what each snapshot adds to the one before."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._thinking = ""
        self._answer = ""

    def show(self, reply: Reply) -> None:
        """The thought dimmed, the answer plain, each as far as it has come."""
        thinking, answer = thinking_of(reply.blocks), text_of(reply.blocks)
        self._write(thinking[len(self._thinking) :], "dim")
        if answer and not self._answer and thinking:
            self._write("\n\n", "dim")
        self._write(answer[len(self._answer) :], "")
        self._thinking, self._answer = thinking, answer

    def finish(self, reply: Reply) -> None:
        """The last line: what it took, or what went wrong."""
        if self._thinking or self._answer:
            self._console.print()
        if reply.outcome == "failed":
            stderr.print(f"[red]{shown(reply.error)}[/]", soft_wrap=True)
        else:
            stderr.print(f"[dim]{shown(counts(reply))}[/]", soft_wrap=True)

    def _write(self, text: str, style: str) -> None:
        if text:
            self._console.print(Text(printable(text), style=style), end="", soft_wrap=True)
