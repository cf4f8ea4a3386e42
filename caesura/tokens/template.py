"""The Jinja twin of `chat_format.py`, which travels in the folder so that other engines can serve the model.

It renders the same ids for every conversation whose text holds no marker's name. Where text does, the
twin breaks the name with a zero-width space, because those engines would read it as the marker.
Variables: `messages` (string or block content), `tools`, `add_generation_prompt`, `enable_thinking` (default
false: answer at once; "adaptive": let the model choose). Tools, calls and results are taken in both forms:
the Messages API's (`input_schema`, `tool_use`, `tool_result`) and the one that transformers and most servers
use (`function`, `tool_calls`, messages of the role `tool`, in the order of the calls). Documents and search
results are taken in the Messages API's form, but for PDFs and files, which no template can read; it cuts
sentences by the tables of `caesura/messages/sentences.py`. Of answers that cite, it writes the text alone.
Read next: `chat_format.py`.
"""

from __future__ import annotations

import json
import re

from caesura.messages import sentences
from caesura.tokens.document_text import CITING_HINT
from caesura.tokens.tool_text import ERROR_PREFIX, TOOLS_HEADING

_SOURCE = r"""
{%- macro plain(text) -%}
{{- text | replace("<|", "<\u200b|")
   | replace("<think>", "<\u200bthink>") | replace("</think>", "<\u200b/think>")
   | replace("<tool_call>", "<\u200btool_call>") | replace("</tool_call>", "<\u200b/tool_call>") -}}
{%- endmacro -%}
{%- macro heading(block, number) -%}
{%- if block["type"] == "search_result" -%}
{{- "Search result" ~ number ~ ": " ~ plain(block["title"]) ~ "\nSource: " ~ plain(block["source"]) -}}
{%- else -%}
{{- "Document" ~ number ~ (": " ~ plain(block["title"]) if block["title"] else "") -}}
{{- "\nContext: " ~ plain(block["context"]) if block["context"] else "" -}}
{%- endif -%}
{%- endmacro -%}
{%- macro sentence_lines(text, number) -%}
{%- set now = namespace(text=text, said="", count=0) -%}
{%- for line in BLANK_LINES -%}
{%- set now.text = now.text | replace(line, line ~ "\u001f") -%}
{%- endfor -%}
{%- for mark in WIDE_MARKS -%}
{%- set now.text = now.text | replace(mark, mark ~ "\u001f") -%}
{%- endfor -%}
{%- for mark in MARKS if mark in now.text -%}
{%- for closer in CLOSERS if mark ~ closer in now.text -%}
{%- for blank in BLANKS -%}
{%- set now.text = now.text | replace(mark ~ closer ~ blank, mark ~ closer ~ blank ~ "\u001f") -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}
{%- for piece in now.text.split("\u001f") + [none] -%}
{%- set words = now.said.split() -%}
{%- if words -%}
{%- set last = words[-1] -%}
{%- set is_paragraph = now.said.endswith("\n\n") or now.said.endswith("\n\r\n") -%}
{%- set is_short = (last | length == 2 and last[0].isupper() and last[1] == ".") or last in ABBREVIATIONS -%}
{%- set begun = "" if piece is none else piece | trim -%}
{%- if piece is none or is_paragraph or (begun and not begun[0].islower() and not is_short) -%}
{%- set said = now.said | trim -%}
{%- for at in range(0, said | length, MAX_CHARACTERS) -%}
{{- "\n[" ~ number ~ ":" ~ now.count ~ "] " ~ plain(said[at:at + MAX_CHARACTERS]) -}}
{%- set now.count = now.count + 1 -%}
{%- endfor -%}
{%- set now.said = "" -%}
{%- endif -%}
{%- endif -%}
{%- set now.said = now.said ~ (piece or "") -%}
{%- endfor -%}
{%- endmacro -%}
{%- macro reading(block, read) -%}
{%- set is_cited = block["citations"] and block["citations"]["enabled"] -%}
{%- set number = read.count -%}
{%- set source = block if block["type"] == "search_result" else block["source"] -%}
{%- if is_cited and number == 0 -%}{{- CITING_HINT ~ "\n\n" -}}{%- endif -%}
{{- heading(block, " " ~ number if is_cited else "") ~ ("" if is_cited else "\n") -}}
{%- if is_cited -%}{%- set read.count = number + 1 -%}{%- endif -%}
{%- if source["data"] and source["type"] == "text" -%}
{{- sentence_lines(source["data"], number) if is_cited else "\n" ~ plain(source["data"]) -}}
{%- elif source["content"] is string -%}
{{- "\n" ~ ("[" ~ number ~ ":0] " if is_cited else "") ~ plain(source["content"]) -}}
{%- elif source["content"] -%}
{%- for part in source["content"] -%}
{{- "\n" ~ ("[" ~ number ~ ":" ~ loop.index0 ~ "] " if is_cited else "") ~ plain(part["text"]) -}}
{%- endfor -%}
{%- else -%}
{{- raise_exception("this chat template reads no such document: " ~ source["type"]) -}}
{%- endif -%}
{%- endmacro -%}
{%- macro shown(block, read) -%}
{{- reading(block, read) if block["type"] in ["document", "search_result"] else plain(block["text"]) -}}
{%- endmacro -%}
{%- macro tool_lines() -%}
{{- TOOLS_HEADING -}}
{%- for tool in tools -%}
{%- set tool = tool["function"] or tool -%}
{%- set line = {"name": tool["name"], "description": tool["description"] or "",
                "input_schema": tool["input_schema"] or tool["parameters"] or {}} -%}
{{- "\n" ~ plain(line | tojson(separators=(",", ":"))) -}}
{%- endfor -%}
{%- endmacro -%}
{%- macro call(name, arguments) -%}
{%- if arguments is string -%}
{%- set text = '{"name": ' ~ (name | tojson) ~ ', "arguments": ' ~ arguments ~ '}' -%}
{%- else -%}
{%- set text = {"name": name, "arguments": arguments} | tojson -%}
{%- endif -%}
{{- "<tool_call>" ~ plain(text) ~ "</tool_call>" -}}
{%- endmacro -%}
{%- macro result(content, is_error, read) -%}
{{- "<|tool_result|>" ~ (ERROR_PREFIX if is_error else "") -}}
{%- if content is string -%}
{{- plain(content) -}}
{%- else -%}
{%- for part in content or [] -%}
{{- ("" if loop.first else "<|next|>") ~ shown(part, read) -}}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro results(content, asked, read) -%}
{%- set known = namespace(ids=[]) -%}
{%- for each in asked if each is mapping and each["type"] == "tool_use" -%}
{%- set known.ids = known.ids + [each["id"]] -%}
{%- for block in content if block["type"] == "tool_result" and block["tool_use_id"] == each["id"] -%}
{{- result(block["content"], block["is_error"], read) -}}
{%- endfor -%}
{%- endfor -%}
{%- for block in content if block["type"] == "tool_result" and block["tool_use_id"] not in known.ids -%}
{{- result(block["content"], block["is_error"], read) -}}
{%- endfor -%}
{%- endmacro -%}
{%- macro blocks(content, is_assistant, read) -%}
{%- set last = namespace(kind="", is_cited=false) -%}
{%- if content is string or not content -%}
{{- ("</think>" if is_assistant else "") ~ plain(content or "") -}}
{%- else -%}
{%- for block in content -%}
{%- if block["type"] == "thinking" -%}
{{- "<think>" ~ plain(block["thinking"]) ~ "</think>" -}}
{%- else -%}
{{- ("</think>" if is_assistant and loop.first else "") -}}
{%- if block["type"] == "tool_use" -%}
{{- call(block["name"], block["input"]) -}}
{%- else -%}
{%- set is_joined = is_assistant and read.count and (last.is_cited or block["citations"]) -%}
{{- ("<|next|>" if last.kind == "text" and not is_joined else "") ~ shown(block, read) -}}
{%- endif -%}
{%- endif -%}
{%- set last.is_cited = block["type"] == "text" and block["citations"] -%}
{%- set last.kind = "text" if block["type"] in ["document", "search_result"] else block["type"] -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro user_blocks(content, asked, read) -%}
{%- if content is string or not content -%}
{{- blocks(content, false, read) -}}
{%- else -%}
{%- set own = content | rejectattr("type", "equalto", "tool_result") | list -%}
{{- results(content, asked, read) -}}
{{- "<|user|>" if own and own | length < content | length else "" -}}
{{- blocks(own, false, read) if own else "" -}}
{%- endif -%}
{%- endmacro -%}
{{- "<|begin|>" -}}
{%- set read = namespace(count=0) -%}
{%- set has_system = messages and messages[0]["role"] == "system" -%}
{%- if tools is defined and tools -%}
{{- "<|system|>" ~ tool_lines() -}}
{{- ("<|next|>" ~ blocks(messages[0]["content"], false, read) if has_system else "") ~ "<|end|>" -}}
{%- set messages = messages[1:] if has_system else messages -%}
{%- endif -%}
{%- for message in messages -%}
{%- set before = messages[loop.index0 - 1] if loop.index0 else {} -%}
{%- set after = messages[loop.index0 + 1] if loop.index0 + 1 < messages | length else {} -%}
{%- set is_assistant = message["role"] == "assistant" -%}
{%- if message["role"] == "tool" -%}
{{- ("" if before["role"] == "tool" else "<|user|>") ~ result(message["content"], false, read) -}}
{%- elif is_assistant and message["reasoning_content"] -%}
{{- "<|assistant|><think>" ~ plain(message["reasoning_content"]) ~ "</think>" -}}
{{- plain(message["content"] or "") -}}
{%- elif message["role"] == "user" -%}
{{- "<|user|>" ~ user_blocks(message["content"], before["content"] or [], read) -}}
{%- else -%}
{{- "<|" ~ message["role"] ~ "|>" ~ blocks(message["content"], is_assistant, read) -}}
{%- endif -%}
{%- for each in message["tool_calls"] or [] -%}
{%- set each = each["function"] or each -%}
{{- call(each["name"], each["arguments"]) -}}
{%- endfor -%}
{{- "" if message["role"] == "tool" and after["role"] in ["tool", "user"] else "<|end|>" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{%- if enable_thinking is defined and enable_thinking == "adaptive" -%}
{{- "<|assistant|>" -}}
{%- elif enable_thinking is defined and enable_thinking -%}
{{- "<|assistant|><think>" -}}
{%- else -%}
{{- "<|assistant|></think>" -}}
{%- endif -%}
{%- endif -%}
""".strip()

_TABLES: dict[str, object] = {
    "TOOLS_HEADING": TOOLS_HEADING,
    "ERROR_PREFIX": ERROR_PREFIX,
    "CITING_HINT": CITING_HINT,
    "BLANK_LINES": sentences.BLANK_LINES,
    "WIDE_MARKS": sentences.WIDE_MARKS,
    "MARKS": sentences.MARKS,
    "CLOSERS": sentences.CLOSERS,
    "BLANKS": sentences.BLANKS,
    "ABBREVIATIONS": sentences.ABBREVIATIONS,
    "MAX_CHARACTERS": sentences.MAX_CHARACTERS,
}


def _filled(source: str) -> str:
    """The source with every table in the place of its name."""
    names = re.compile(r"\b(?:" + "|".join(_TABLES) + r")\b")
    return names.sub(lambda found: json.dumps(_TABLES[found[0]]), source)


CHAT_TEMPLATE = _filled(_SOURCE)
