"""The Jinja twin of `chat_format.py`, which travels in the folder so that other engines can serve the model.

It renders the same ids for every conversation whose text holds no marker's name. Where text does, the
twin breaks the name with a zero-width space, because those engines would read it as the marker.
Variables: `messages` (string or block content), `add_generation_prompt`, `enable_thinking` (default
false: answer at once; "adaptive": let the model choose). Read next: `chat_format.py`.
"""

from __future__ import annotations

CHAT_TEMPLATE = r"""
{%- macro plain(text) -%}
{{- text | replace("<|", "<\u200b|")
   | replace("<think>", "<\u200bthink>") | replace("</think>", "<\u200b/think>")
   | replace("<tool_call>", "<\u200btool_call>") | replace("</tool_call>", "<\u200b/tool_call>") -}}
{%- endmacro -%}
{%- macro blocks(content, is_assistant) -%}
{%- set last = namespace(kind="") -%}
{%- if content is string -%}
{{- ("</think>" if is_assistant else "") ~ plain(content) -}}
{%- else -%}
{%- for block in content -%}
{%- if block["type"] == "thinking" -%}
{{- "<think>" ~ plain(block["thinking"]) ~ "</think>" -}}
{%- else -%}
{{- ("</think>" if is_assistant and loop.first else "") ~ ("<|next|>" if last.kind == "text" else "") -}}
{{- plain(block["text"]) -}}
{%- endif -%}
{%- set last.kind = block["type"] -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{{- "<|begin|>" -}}
{%- for message in messages -%}
{%- set is_assistant = message["role"] == "assistant" -%}
{%- if is_assistant and message["reasoning_content"] -%}
{{- "<|assistant|><think>" ~ plain(message["reasoning_content"]) ~ "</think>" ~ plain(message["content"]) -}}
{%- else -%}
{{- "<|" ~ message["role"] ~ "|>" ~ blocks(message["content"], is_assistant) -}}
{%- endif -%}
{{- "<|end|>" -}}
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
