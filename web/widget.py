"""The shopper's page in Gradio: the frame of it, in two languages. What is said comes by the transcript's stream."""

from importlib.resources import files
from typing import Any

import gradio as gr

from assistant.phrases import phrase
from catalog.types import Language
from web.cards import hello, known_panel, person_button, photo_attached, photo_button, speech_button
from web.language import LANGUAGE_COOKIE, page_language
from web.messages import MAX_MESSAGE

_TEXTS = {
    "en": {"placeholder": "What are you looking for?", "send": "Send", "message": "Message", "language": "Language"},
    "zh": {"placeholder": "想买点什么？直接说", "send": "发送", "message": "消息", "language": "语言"},
}  # fmt: skip
# The scripts fill both; they are never rendered anew, so one label serves both languages.
_STATUS = '<p id="dg-status" role="status"></p>'
_TRANSCRIPT = '<div id="dg-transcript" role="log" aria-label="对话 Conversation" tabindex="0"></div>'
_SEND = "(text) => daogou.send(text)"
_REMEMBER = f"(language) => {{ document.cookie = `{LANGUAGE_COOKIE}=${{language}}; path=/; SameSite=Lax; max-age=31536000`; return language; }}"


def head() -> str:
    """What goes into the page's head: its scripts."""
    scripts = (files("web").joinpath(name).read_text("utf-8") for name in ("composer.js", "transcript.js", "widget.js"))
    return "".join(f"<script>{script}</script>" for script in scripts)


def css() -> str:
    """The widget's own style."""
    return files("web").joinpath("widget.css").read_text("utf-8")


def build_widget(shop_name: str, speech: bool) -> gr.Blocks:
    """The page as Gradio blocks, with a microphone if there is `speech`.

    No handler knows of a shopper: what concerns one goes through the API.
    """

    def greet(request: gr.Request) -> list[Any]:
        language = page_language(request.cookies, request.headers)
        return [gr.update(value=language), *relabel(language)]

    def relabel(language: Language) -> list[Any]:
        words = _TEXTS[language]
        return [
            gr.update(placeholder=words["placeholder"], label=words["message"]),
            gr.update(value=words["send"]),
            known_panel(language),
            person_button(language),
            _words(language),
            photo_button(language),
            speech_button(language),
            hello(language),
        ]

    with gr.Blocks(title=shop_name, analytics_enabled=False) as blocks:
        with gr.Row(elem_id="dg-head"):
            gr.Markdown(f"# {shop_name}")
            person = gr.HTML(person_button("zh"), elem_id="dg-person")
            language = gr.Radio(
                [("中文", "zh"), ("English", "en")],
                value="zh",
                label="语言 Language",
                show_label=False,
                elem_id="dg-language",
                scale=0,
            )
        gr.HTML(_TRANSCRIPT, elem_id="dg-chat", padding=False)
        opening = gr.HTML(hello("zh"), elem_id="dg-hello", padding=False)
        gr.HTML(_STATUS, elem_id="dg-outcome", padding=False)
        phrases = gr.HTML(_words("zh"), elem_id="dg-phrases", padding=False)
        gr.HTML(photo_attached(), padding=False)
        with gr.Row(elem_id="dg-composer"):
            photo = gr.HTML(photo_button("zh"), elem_classes="dg-tool", padding=False)
            voice = gr.HTML(speech_button("zh"), elem_classes="dg-tool", padding=False, visible=speech)
            box = gr.Textbox(
                label="消息", placeholder="想买点什么？直接说", scale=8, max_lines=4, autofocus=True, elem_id="dg-message",
                max_length=MAX_MESSAGE, show_label=False, min_width=80,
            )  # fmt: skip
            button = gr.Button("发送", variant="primary", scale=1, elem_id="dg-send")
        known = gr.HTML(known_panel("zh"), elem_id="dg-known")
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        for trigger in (box.submit, button.click):
            trigger(None, box, box, js=_SEND, **private)
        labels = [box, button, known, person, phrases, photo, voice, opening]
        language.input(relabel, language, labels, js=_REMEMBER, **private)
        blocks.load(greet, None, [language, *labels], **private)
    page: gr.Blocks = blocks
    return page


def _words(language: Language) -> str:
    """How the scripts say that a message did not go out, or that they hear nothing from the server."""
    unsent, lost = phrase("unsent", language), phrase("line_lost", language)
    return f'<data id="dg-words" data-unsent="{unsent}" data-lost="{lost}"></data>'
