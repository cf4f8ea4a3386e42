"""How the page looks: theme and style sheet, made of what every browser already has.

Enters: nothing. Leaves: a Gradio theme and CSS; no font, script or picture comes from anywhere.
Read next: `page.py`.
"""

from __future__ import annotations

from gradio.themes import Base, Font
from gradio.themes.default import Default


def theme() -> Base:
    """Gradio's default theme, without the fonts that it would load."""
    return Default(
        primary_hue="indigo",
        neutral_hue="slate",
        font=[Font("sans-serif")],
        font_mono=[Font("monospace")],
    ).set(body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400")


CSS = """
:root, .gradio-container {
  --font: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  --font-mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
.gradio-container { width: 100%; max-width: 860px !important; margin: 0 auto !important; }
.gradio-container main > .column { gap: 0.75rem; }
#title h1 { margin: 0; font-size: 1.5rem; }
#title p { margin: 0; color: var(--body-text-color-subdued); }

/* A reply keeps its width while it grows; Clear stands below, where it also forgets the history. */
#chat .bot-row { align-self: stretch; width: auto; max-width: none; margin-right: var(--spacing-xl); }
#chat .bot-row .flex-wrap, #chat .bot.message { width: 100%; max-width: 100%; box-sizing: border-box; }
#chat .icon-button-wrapper.top-panel { display: none; }
#chat img { display: none; }
#chat .message-content .counts, #chat .message-content .note {
  font-size: 0.8rem; color: var(--body-text-color-subdued);
}
#chat .message-content .failed {
  padding: 0.4rem 0.7rem; border-left: 3px solid #dc2626; background: rgb(220 38 38 / 8%);
}
#question .submit-button { background: var(--button-primary-background-fill); color: white; }

/* The slider counts doublings; the tokens stand in the field beside it. */
#steps .tab-like-container, #steps .min_value, #steps .max_value { display: none; }

@media (max-width: 640px) {
  .gradio-container .main { padding: 0.75rem !important; }
  .gradio-container main > .column { gap: 0.5rem; }
  #chat .bubble-wrap { padding: 0.25rem 0; }
  #chat .bot-row, #chat .user-row { margin: 0.5rem; }
  #mode label { padding: 0.35rem 0.5rem; }
}
"""
