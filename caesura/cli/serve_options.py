"""The options of `caesura serve` that are its own, with their help.

Enters, leaves: nothing; read by typer. Read next: `serve.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from caesura.cli.dtypes import Dtype, KVDtype, Quantise
from caesura.cli.log_lines import LogFormat

Host = Annotated[str, typer.Option(help="Where to listen; beyond this machine only with a key.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]MODEL",
        help="A folder, or an id on the Hugging Face hub such as Qwen/Qwen3-0.6B; NAME is what requests"
        " call it. Repeatable, the first is the default.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="CAESURA_API_KEY", help="What clients must show; several, separated by commas."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")]
Weights = Annotated[Dtype, typer.Option(help="How weights are kept.")]
Quantize = Annotated[
    Quantise | None,
    typer.Option(help="Pack weights to a half or a quarter of bfloat16's bytes; int4 costs accuracy."),
]
PdfPages = Annotated[int, typer.Option(min=1, help="The most PDF pages of a request.")]
Strict = Annotated[bool, typer.Option(help="Refuse request fields that are not known.")]
Page = Annotated[bool, typer.Option(help="Whether to serve the chat page.")]
Verbose = Annotated[bool, typer.Option(help="Whether to log every request.")]
Log = Annotated[LogFormat, typer.Option(help="How the log looks.")]
KvMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory for each model's keys and values, such as 2GB; default: 4GB, or what is left.",
    ),
]
KvDtype = Annotated[
    KVDtype,
    typer.Option(help="How keys and values are kept; int8 fits nearly twice bfloat16's into a memory."),
]
Native = Annotated[
    bool,
    typer.Option(
        envvar="CAESURA_NATIVE",
        help="Compute small steps in native code, built at the start where a C++ compiler is installed.",
    ),
]
RopeScaling = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE:FACTOR",
        help="Stretch the window: yarn:4 makes it four times as long. Types: yarn, ntk, linear.",
    ),
]
AllowSampling = Annotated[
    bool, typer.Option(help="Take temperature, top_p and top_k in API version 2026-10-21 too.")
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A further name for a server without a key; repeatable."),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="A further origin whose pages may call the API; repeatable."),
]
FetchUrls = Annotated[
    bool, typer.Option(help="Fetch images from public http and https URLs that requests name.")
]
OpenMetrics = Annotated[
    bool, typer.Option(help="Show /metrics without a key, where everything else needs one.")
]
