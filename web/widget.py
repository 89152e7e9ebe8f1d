"""The shopper's chat. The page follows the event log; it holds no conversation of its own."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr

from assistant.build import Parts
from assistant.payload import from_payload
from assistant.phrases import phrase
from assistant.store import Event
from assistant.types import Pick, Reply
from catalog.types import Language
from web.api import MAX_MESSAGE
from web.cards import cards, closing, known_panel, person_button, quick_replies
from web.identity import COOKIE, Identity
from web.language import LANGUAGE_COOKIE, page_language
from web.limit import Limit
from web.live import Live
from web.messages import NOTICES, shown_products

VISIBLE = ("message", "answer", "staff", "feedback", "cart", "rating", *NOTICES)  # events that change the page
MOST_PAGES = 5_000  # that one process follows a conversation for at once
_TEXTS = {
    "en": {"placeholder": "What are you looking for?", "send": "Send", "chat": "Conversation", "message": "Message",
           "language": "Language"},
    "zh": {"placeholder": "想买点什么？直接说", "send": "发送", "chat": "对话", "message": "消息", "language": "语言"},
}  # fmt: skip


@dataclass
class Page:
    """What an open page has been told: the events so far, and what it shows of them."""

    events: list[Event] = field(default_factory=list)
    shown: tuple[int, Reply | None, bool, str] | None = None


def head() -> str:
    """What goes into the page's head: the script for clicks."""
    return f"<script>{files('web').joinpath('widget.js').read_text('utf-8')}</script>"


def css() -> str:
    """The widget's own style."""
    return files("web").joinpath("widget.css").read_text("utf-8")


def build_widget(parts: Parts, live: Live, identity: Identity, limit: Limit) -> gr.Blocks:
    """The page as Gradio blocks."""

    def conversation_of(request: gr.Request) -> str:
        """The caller's own conversation, whatever the client claims."""
        shopper = identity.shopper(request.cookies.get(COOKIE))
        if shopper is None:
            raise gr.Error("Reload the page to begin. 请刷新页面。", print_exception=False)
        return parts.conversations.open(shopper)

    def look(conversation: str, page: Page) -> list[dict[str, Any]] | None:
        """The messages of a conversation, and who is about to speak; None if the page shows all that already."""
        page.events += parts.conversations.events(conversation, after=len(page.events))
        growing, busy, typing = live.reply(conversation), live.busy(conversation), live.typing(conversation)
        visible = sum(event.kind in VISIBLE for event in page.events)
        if (state := (visible, growing, busy, typing)) == page.shown:
            return None
        page.shown = state
        messages = render(parts, page.events, growing)
        if busy and growing is None:
            messages.append({"role": "assistant", "content": "…"})
        if typing:
            messages.append(_text("assistant", f"{typing}: …"))
        return messages

    async def follow(request: gr.Request) -> AsyncIterator[Any]:
        """Write the conversation to the page whenever it changes, for as long as the page is there."""
        conversation = await asyncio.to_thread(conversation_of, request)
        await asyncio.to_thread(live.ensure_answer, conversation)
        page = Page()
        with live.watched(conversation):
            async for anew in live.looks(conversation):
                if not anew:
                    yield gr.skip()
                elif (messages := await asyncio.to_thread(look, conversation, page)) is not None:
                    yield messages

    def send(text: str, request: gr.Request) -> str:
        conversation = conversation_of(request)
        if text and text.strip():
            if seconds := limit.wait(conversation, request.client.host):
                language = page_language(
                    request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")
                )
                gr.Warning(phrase("too_often", language, seconds=seconds))
                return text
            live.say(conversation, text.strip()[:MAX_MESSAGE])
        return ""

    def greet(request: gr.Request) -> list[Any]:
        language = page_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
        return [gr.update(value=language), *relabel(language)]

    def relabel(language: Language) -> list[Any]:
        words = _TEXTS[language]
        return [
            gr.update(placeholder=words["placeholder"], label=words["message"]),
            gr.update(value=words["send"]),
            gr.update(label=words["chat"]),
            known_panel(language),
            person_button(language),
        ]

    with gr.Blocks(title=parts.settings.shop_name, analytics_enabled=False) as blocks:
        with gr.Row(elem_id="dg-head"):
            gr.Markdown(f"# {parts.settings.shop_name}")
            person = gr.HTML(person_button("zh"), elem_id="dg-person")
            language = gr.Radio(
                [("中文", "zh"), ("English", "en")],
                value="zh",
                label="语言 Language",
                show_label=False,
                elem_id="dg-language",
                scale=0,
                min_width=260,
            )
        chat = gr.Chatbot(
            label="对话", show_label=False, height="68vh", group_consecutive_messages=False, render_markdown=False, elem_id="dg-chat",
            buttons=[], feedback_options=None,
        )  # fmt: skip
        with gr.Row():
            box = gr.Textbox(
                label="消息", placeholder="想买点什么？直接说", scale=8, max_lines=4, autofocus=True, elem_id="dg-message",
                max_length=MAX_MESSAGE,
            )  # fmt: skip
            button = gr.Button("发送", variant="primary", scale=1, elem_id="dg-send")
        known = gr.HTML(known_panel("zh"))
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for trigger in (box.submit, button.click):
            trigger(send, box, box, queue=False, **private)
        labels = [box, button, chat, known, person]
        remember = f"(language) => {{ document.cookie = `{LANGUAGE_COOKIE}=${{language}}; path=/; SameSite=Lax; max-age=31536000`; return language; }}"
        language.input(relabel, language, labels, js=remember, queue=False, **private)
        blocks.load(greet, None, [language, *labels], queue=False, **private)
        blocks.load(follow, None, chat, concurrency_limit=None, **private)
    blocks.max_threads = MOST_PAGES  # before the queue is made, which has forty places otherwise
    blocks.queue(default_concurrency_limit=None)
    page: gr.Blocks = blocks
    return page


def render(parts: Parts, events: list[Event], growing: Reply | None) -> list[dict[str, Any]]:
    """The event log, and the reply under way, as chat messages."""
    products = parts.products.by_external_id(shown_products(events))
    done = {(e.payload["product"], e.payload["kind"]) for e in events if e.kind in ("feedback", "cart")}
    messages: list[dict[str, Any]] = []
    language: Language = "en"
    last = max((e.seq for e in events if e.kind in ("message", "answer", "staff", *NOTICES)), default=0)
    for event in events:
        if event.kind == "message":
            messages.append(_text("user", event.payload["text"]))
        elif event.kind == "answer":
            reply = from_payload(event.payload, products)
            language = reply.language
            messages += _reply(reply, done, latest=event.seq == last and growing is None)
        elif event.kind == "staff":
            messages += _staff(event, products, language, done)
        elif event.kind == "resolved":
            rated = any(e.kind == "rating" for e in events[event.seq :])
            messages.append(_html(closing(language, rated)))
        elif event.kind in NOTICES:
            messages.append(_notice(event, language))
    if growing is not None and not growing.done:
        messages += _reply(growing, done, latest=False)
    return messages


def _reply(reply: Reply, done: Collection[tuple[str, str]], latest: bool) -> list[dict[str, Any]]:
    """An answer as messages: its opening line, its cards, what is said about them, quick replies."""
    opening, _, rest = reply.text.partition("\n")
    messages = [_text("assistant", opening if reply.picks else reply.text)]
    if reply.picks:
        messages.append(_html(cards(reply.picks, reply.language, done, reply.quick_replies if latest else ())))
        if rest:
            messages.append(_text("assistant", rest))
    if latest and reply.quick_replies:
        messages.append(_html(quick_replies(reply.quick_replies)))
    return messages


def _staff(event: Event, products: Any, language: Language, done: Collection[tuple[str, str]]) -> list[dict[str, Any]]:
    """What a person says, under their name, and the products that they send."""
    picks = [Pick(products[p["product"]], p["why"]) for p in event.payload["picks"] if p["product"] in products]
    said = _text("assistant", f"{event.payload['staff']}: {event.payload['text']}") if event.payload["text"] else None
    return [*([said] if said else []), *([_html(cards(picks, language, done))] if picks else [])]


def _notice(event: Event, language: Language) -> dict[str, Any]:
    """Who has come or gone."""
    name = event.payload.get("to") or event.payload.get("staff", "")
    return _html(f'<div class="dg-notice">{escape(phrase(NOTICES[event.kind], language, name=name))}</div>')


def _text(role: str, text: str) -> dict[str, Any]:
    """Plain text: the chatbot takes tags for HTML even where it renders no Markdown."""
    return {"role": role, "content": escape(text).replace("\n", "<br>")}


def _html(value: str) -> dict[str, Any]:
    return {"role": "assistant", "content": gr.HTML(value)}
