"""The Jinja twin of `chat_format.py`, which travels in the folder so that other engines can serve the model.

It renders the same ids for every conversation whose text holds no marker's name. Where text does, the
twin breaks the name with a zero-width space, because those engines would read it as the marker.
Variables: `messages` (string or block content), `tools`, `add_generation_prompt`, `enable_thinking` (default
false: answer at once; "adaptive": let the model choose). Tools, calls and results are taken in both forms:
the Messages API's (`input_schema`, `tool_use`, `tool_result`) and the one that transformers and most servers
use (`function`, `tool_calls`, messages of the role `tool`, in the order of the calls).
Read next: `chat_format.py`.
"""

from __future__ import annotations

import json

from caesura.tokens.tool_text import ERROR_PREFIX, TOOLS_HEADING

_SOURCE = r"""
{%- macro plain(text) -%}
{{- text | replace("<|", "<\u200b|")
   | replace("<think>", "<\u200bthink>") | replace("</think>", "<\u200b/think>")
   | replace("<tool_call>", "<\u200btool_call>") | replace("</tool_call>", "<\u200b/tool_call>") -}}
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
{%- macro result(content, is_error) -%}
{{- "<|tool_result|>" ~ (ERROR_PREFIX if is_error else "") -}}
{%- if content is string -%}
{{- plain(content) -}}
{%- else -%}
{%- for part in content or [] -%}
{{- ("" if loop.first else "<|next|>") ~ plain(part["text"]) -}}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro results(content, asked) -%}
{%- set known = namespace(ids=[]) -%}
{%- for each in asked if each is mapping and each["type"] == "tool_use" -%}
{%- set known.ids = known.ids + [each["id"]] -%}
{%- for block in content if block["type"] == "tool_result" and block["tool_use_id"] == each["id"] -%}
{{- result(block["content"], block["is_error"]) -}}
{%- endfor -%}
{%- endfor -%}
{%- for block in content if block["type"] == "tool_result" and block["tool_use_id"] not in known.ids -%}
{{- result(block["content"], block["is_error"]) -}}
{%- endfor -%}
{%- endmacro -%}
{%- macro blocks(content, is_assistant) -%}
{%- set last = namespace(kind="") -%}
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
{{- ("<|next|>" if last.kind == "text" else "") ~ plain(block["text"]) -}}
{%- endif -%}
{%- endif -%}
{%- set last.kind = block["type"] -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro user_blocks(content, asked) -%}
{%- if content is string or not content -%}
{{- blocks(content, false) -}}
{%- else -%}
{%- set own = content | rejectattr("type", "equalto", "tool_result") | list -%}
{{- results(content, asked) -}}
{{- ("<|user|>" if own and own | length < content | length else "") ~ (blocks(own, false) if own else "") -}}
{%- endif -%}
{%- endmacro -%}
{{- "<|begin|>" -}}
{%- set has_system = messages and messages[0]["role"] == "system" -%}
{%- if tools is defined and tools -%}
{{- "<|system|>" ~ tool_lines() -}}
{{- ("<|next|>" ~ blocks(messages[0]["content"], false) if has_system else "") ~ "<|end|>" -}}
{%- set messages = messages[1:] if has_system else messages -%}
{%- endif -%}
{%- for message in messages -%}
{%- set before = messages[loop.index0 - 1] if loop.index0 else {} -%}
{%- set after = messages[loop.index0 + 1] if loop.index0 + 1 < messages | length else {} -%}
{%- set is_assistant = message["role"] == "assistant" -%}
{%- if message["role"] == "tool" -%}
{{- ("" if before["role"] == "tool" else "<|user|>") ~ result(message["content"], false) -}}
{%- elif is_assistant and message["reasoning_content"] -%}
{{- "<|assistant|><think>" ~ plain(message["reasoning_content"]) ~ "</think>" -}}
{{- plain(message["content"] or "") -}}
{%- elif message["role"] == "user" -%}
{{- "<|user|>" ~ user_blocks(message["content"], before["content"] or []) -}}
{%- else -%}
{{- "<|" ~ message["role"] ~ "|>" ~ blocks(message["content"], is_assistant) -}}
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

CHAT_TEMPLATE = _SOURCE.replace("TOOLS_HEADING", json.dumps(TOOLS_HEADING)).replace(
    "ERROR_PREFIX", json.dumps(ERROR_PREFIX)
)
