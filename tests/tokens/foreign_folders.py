"""Small folders of the four families: tokenizers trained here, templates in reduced but faithful form.

Enters: a folder to write to. Leaves: tokenizer and template as the families ship them, and, on top of the
templates, what each family does to thoughts, system prompts and whitespace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from caesura.tokens.foreign_tokenizer import ForeignTokenizer
from tests.tokens.tool_templates import (
    LLAMA31,
    MISTRAL_MARKED,
    MISTRAL_NEMO,
    MISTRAL_NUMBERED,
    MISTRAL_V3,
)

Kind = Literal["byte_level", "sentence_piece", "metaspace"]

_PROSE = [
    "The answer is 42. Take 3 apples, add 8 more; what is left? Step 1: 7+5=12. Okay, so I think. " * 20,
    "You are a helpful assistant. user system assistant naïve café 日本語 🙂\n\nIt is four.\n" * 20,
    "<s> </s> [INST] [/INST] <think> </think> <|im_start|> <|im_end|> <tool_call> " * 20,
]
# Llama 3's and Qwen's: runs of line breaks take the spaces before them along.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHATML = """
{%- if messages[0].role == 'system' -%}
{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- else -%}
{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- endif -%}
{%- for message in messages -%}
{%- if message.role in ['user', 'assistant'] or (message.role == 'system' and not loop.first) -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.tool_calls -%}
{{- '<tool_call>\n' + message.tool_calls | tojson + '\n</tool_call>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' }}
{%- endif -%}
""".strip()

QWEN3 = """
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\nYou are provided with function signatures within <tools></tools> XML tags:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\nFor each function call, return a json object with function name and arguments " }}
    {{- "within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\": <function-name>, " }}
    {{- "\\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string
            and not(message.content.startswith('<tool_response>')
            and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n') %}
                {%- set reasoning_content = reasoning_content.split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n')
                    + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""".strip()

# As models do that always think: the prompt opens the thought, and history loses it.
ALWAYS_THINKS = """
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{%- set content = message.content -%}
{%- if '</think>' in content -%}{%- set content = content.split('</think>')[-1] -%}{%- endif -%}
{{- '<|im_start|>assistant\n' + content + '<|im_end|>' }}
{%- else -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' }}{%- endif -%}
""".strip()

LLAMA3 = """
{{- bos_token }}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'
            + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n<|python_tag|>' }}
        {{- message.tool_calls[0] | tojson }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""".strip()

# Alternating roles only; the system prompt goes into the last user turn.
MISTRAL = """
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {%- if message.tool_calls is defined %}
            {{- "[TOOL_CALLS] " + message.tool_calls | tojson }}
        {%- endif %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- endif %}
{%- endfor %}
""".strip()

# The first Mistral and Llama 2 without a system prompt: the markers are plain text.
LLAMA2 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family's words and template.

    kind: of the tokenizer.
    special, added: markers that decoding leaves out, and markers that it shows.
    template, bos, eos: see the folder's files.
    eos_names: what generation_config.json names.
    """

    kind: Kind
    special: tuple[str, ...]
    added: tuple[str, ...] = ()
    template: str
    bos: str | None
    eos: str
    eos_names: tuple[str, ...]


_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_THOUGHTS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
_HEADERS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)

_QWEN3 = Family(
    kind="byte_level",
    special=_IM,
    added=_THOUGHTS,
    template=QWEN3,
    bos=None,
    eos="<|im_end|>",
    eos_names=("<|im_end|>", "<|endoftext|>"),
)
_LLAMA2 = Family(
    kind="sentence_piece",
    special=("<unk>", "<s>", "</s>"),
    template=LLAMA2,
    bos="<s>",
    eos="</s>",
    eos_names=("</s>",),
)
_LLAMA3 = Family(
    kind="byte_level",
    special=_HEADERS,
    template=LLAMA3,
    bos="<|begin_of_text|>",
    eos="<|eot_id|>",
    # As the first release had it: the end of a turn is missing here.
    eos_names=("<|end_of_text|>",),
)
_MISTRAL_SPECIAL = (*_LLAMA2.special, "[INST]", "[/INST]", "[TOOL_CALLS]")
_MISTRAL_TOOLS = ("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]")
_MISTRAL_MARKS = ("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[CALL_ID]", "[ARGS]")
_MISTRAL_V3 = replace(
    _LLAMA2, kind="metaspace", special=(*_MISTRAL_SPECIAL, *_MISTRAL_TOOLS), template=MISTRAL_V3
)
_MISTRAL_MARKED = replace(
    _MISTRAL_V3,
    kind="byte_level",
    special=(*_MISTRAL_V3.special, *_MISTRAL_MARKS),
    template=MISTRAL_MARKED,
)

FAMILIES: dict[str, Family] = {
    "qwen3": _QWEN3,
    "qwen2": replace(_QWEN3, added=_THOUGHTS[:2], template=CHATML),
    "always_thinks": replace(_QWEN3, template=ALWAYS_THINKS, eos_names=("<|im_end|>",)),
    "llama3": _LLAMA3,
    "mistral": replace(_LLAMA2, kind="metaspace", special=_MISTRAL_SPECIAL, template=MISTRAL),
    "llama2": _LLAMA2,
    "llama31": replace(_LLAMA3, template=LLAMA31),
    "mistral_v3": _MISTRAL_V3,
    "mistral_nemo": replace(_MISTRAL_V3, kind="byte_level", template=MISTRAL_NEMO),
    "mistral_marked": _MISTRAL_MARKED,
    "mistral_numbered": replace(_MISTRAL_MARKED, template=MISTRAL_NUMBERED),
}


def _added(names: tuple[str, ...], ids: dict[str, int], *, special: bool) -> list[dict[str, Any]]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
    return [{"id": ids[name], "content": name, **flags} for name in names]


@cache
def tokenizer_json(name: str) -> str:
    """`tokenizer.json` of a family."""
    family = FAMILIES[name]
    spec = _byte_level() if family.kind == "byte_level" else _sentence_piece(family)
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    ids = dict(vocabulary)
    for marker in (*family.special, *family.added):
        ids.setdefault(marker, len(ids))
    spec["added_tokens"] = [
        *_added(family.special, ids, special=True),
        *_added(family.added, ids, special=False),
    ]
    spec["added_tokens"].sort(key=lambda token: token["id"])
    return json.dumps(spec)


@cache
def foreign_tokenizer(name: str) -> ForeignTokenizer:
    """The same, as we read it."""
    return ForeignTokenizer(json.loads(tokenizer_json(name)))


def _byte_level() -> dict[str, Any]:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    backend.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    backend.train_from_iterator(_PROSE, trainer)
    return json.loads(backend.to_str())


def _sentence_piece(family: Family) -> dict[str, Any]:
    """Bytes for what no piece holds, and, as older conversions have it, merges that lead to markers."""
    backend = Tokenizer(models.BPE())
    if family.kind == "sentence_piece":
        backend.normalizer = normalizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(  # pyright: ignore[reportAttributeAccessIssue]
            prepend_scheme="first", split=False
        )
    backend.decoder = decoders.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    lines = [line for text in _PROSE for line in text.split(" ")]
    backend.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=250, show_progress=False))
    spec = json.loads(backend.to_str())
    model = spec["model"]
    learnt = [token for token in model["vocab"] if token not in family.special]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = dict.fromkeys([*family.special, *bytes_, *learnt, "</", "s>", "[", "INST]"])
    model["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    more = [["<", "/"], ["s", ">"], ["</", "s>"], ["[", "INST]"]]
    model["merges"] += [pair for pair in more if "".join(pair) in pieces]
    model |= {"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}
    return spec


def write_tokenizer(name: str, folder: Path) -> None:
    """Write a family's tokenizer, template and ends of turns."""
    family = FAMILIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    text = tokenizer_json(name)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": family.bos,
        "eos_token": family.eos,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "chat_template": family.template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    ids = {token["content"]: token["id"] for token in json.loads(text)["added_tokens"]}
    ends = [ids[each] for each in family.eos_names]
    generation = {"eos_token_id": ends if len(ends) > 1 else ends[0]}
    (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
