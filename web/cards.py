"""Product cards and quick replies as HTML. Everything that comes from a record is escaped."""

from collections.abc import Collection, Sequence
from html import escape

from assistant.phrases import money, phrase
from assistant.types import Pick, QuickReply
from catalog.types import Language, Product

LABELS = {
    "en": {"cart": "Add to cart", "carted": "In cart", "like": "Like", "dislike": "Not for me", "stars": "stars",
           "reviews": "reviews", "why": "Why this?"},
    "zh": {"cart": "加入购物车", "carted": "已加入", "like": "喜欢", "dislike": "不喜欢", "stars": "分", "reviews": "条评价", "why": "为什么推荐？"},
}  # fmt: skip

_THUMB = (
    '<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="2" '
    'aria-hidden="true"><path d="M7 11v9H3v-9h4zm0 0 4-8c2 0 3 1 3 3v4h5c1.500 0 2.500 1 2 3l-1.500 6c-.300 1-1 1-2 1H7"/></svg>'
)

_CAMERA = (
    '<svg viewBox="0 0 24 24" width="22" height="22" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">'
    '<path d="M3 8h4l2-3h6l2 3h4v12H3z"/><circle cx="12" cy="13.500" r="4"/></svg>'
)
_MICROPHONE = (
    '<svg viewBox="0 0 24 24" width="22" height="22" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">'
    '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11a7 7 0 0 0 14 0M12 18v3"/></svg>'
)


def cards(
    picks: Sequence[Pick], language: Language, done: Collection[tuple[str, str]], offers: Sequence[QuickReply] = ()
) -> str:
    """A list of cards; `done` holds the (product, kind) clicks that were made already, `offers` what cards say."""
    on_card = {offer.item: _say(offer.text, "dg-similar") for offer in offers if offer.item}
    shown = (_card(n, pick, language, done, on_card.get(n, "")) for n, pick in enumerate(picks, 1))
    return f'<ul class="dg-cards">{"".join(shown)}</ul>'


def quick_replies(offers: Sequence[QuickReply]) -> str:
    """Buttons below an answer that say something for the shopper."""
    return f'<div class="dg-quicks">{"".join(_say(o.text, "dg-quick") for o in offers if not o.item)}</div>'


def hello(language: Language) -> str:
    """What an empty conversation shows: a greeting, and what one may say."""
    begins = (f"try_{what}" for what in ("gift", "popular", "order"))
    buttons = "".join(_say(phrase(begin, language), "dg-quick") for begin in begins)
    return (
        f'<div class="dg-opening"><p class="dg-said dg-bot">{escape(phrase("hello", language))}</p>'
        f'<div class="dg-tries">{buttons}</div></div>'
    )


def known_panel(language: Language) -> str:
    """Where the shopper reads what is known of them; the page's script fills it when it is opened."""
    return (
        f'<details class="dg-known"><summary>{escape(phrase("known_title", language))}</summary><div></div></details>'
    )


def person_button(language: Language) -> str:
    """What calls a person, always in sight."""
    return f'<button type="button" class="dg-person" data-dg-person="{language}">{escape(phrase("ask_person", language))}</button>'


def photo_button(language: Language) -> str:
    """What chooses a photo to show."""
    label = escape(phrase("photo_add", language))
    return f'<button type="button" id="dg-photo-button" title="{label}" aria-label="{label}">{_CAMERA}</button>'


def speech_button(language: Language) -> str:
    """What records a message, and what its script tells meanwhile."""
    label, *told = (escape(phrase(f"speak{part}", language)) for part in ("", "_on", "_wait", "_denied", "_nothing"))
    texts = " ".join(
        f'data-{name}="{text}"' for name, text in zip(("on", "wait", "denied", "nothing"), told, strict=True)
    )
    return (
        f'<button type="button" id="dg-speech-button" aria-pressed="false" title="{label}" aria-label="{label}" {texts}>'
        f"{_MICROPHONE}</button>"
    )


def photo_attached() -> str:
    """The photo that goes with the next message, and what takes it away again.

    The script fills it; it is never rendered anew, so one label serves both languages.
    """
    label = escape(f"{phrase('photo_remove', 'zh')} {phrase('photo_remove', 'en')}")
    return f'<div id="dg-attached" hidden><img alt=""><button type="button" title="{label}" aria-label="{label}">×</button></div>'


def closing(language: Language, rated: bool) -> str:
    """That a conversation is closed, and five stars to rate it by unless that is done."""
    stars = (
        ""
        if rated
        else "".join(
            f'<button type="button" class="dg-star" data-dg-rate="{n}" aria-label="{n} / 5">★</button>'
            for n in range(1, 6)
        )
    )
    return f'<div class="dg-notice">{escape(phrase("closed", language))} {stars}</div>'


def _say(text: str, style: str) -> str:
    """A button that says something for the shopper."""
    return f'<button type="button" class="{style}" data-dg-say="{escape(text)}">{escape(text)}</button>'


def _card(number: int, pick: Pick, language: Language, done: Collection[tuple[str, str]], similar: str) -> str:
    product, words = pick.product, LABELS[language]
    title = product.text(language).title
    rating = (
        f'<span class="dg-rating">★ {product.rating:.1f} <small>({product.review_count} {words["reviews"]})</small></span>'
        if product.review_count
        else ""
    )
    return (
        f'<li class="dg-card" data-product="{escape(product.external_id)}">'
        f"{_picture(product.image, title)}"
        f'<div class="dg-body"><div class="dg-title"><span class="dg-number">{number}.</span> {_title(product, title)}</div>'
        f'<div class="dg-line"><span class="dg-price">{escape(money(product.price, product.currency))}</span>{rating}</div>'
        f"{_size(pick)}"
        f'<div class="dg-why">{escape(pick.why)}{_parts(pick, language)}</div>'
        f'<div class="dg-actions">{_button("cart", product.external_id, title, words, done)}'
        f"{_button('like', product.external_id, title, words, done)}"
        f"{_button('dislike', product.external_id, title, words, done)}{similar}</div></div></li>"
    )


def _size(pick: Pick) -> str:
    return f'<div class="dg-size">{escape(pick.size)}</div>' if pick.size else ""


def _title(product: Product, title: str) -> str:
    """The title, which leads to the shop's own page of the product if the feed names one."""
    if not product.url.startswith(("https://", "http://")):
        return escape(title)
    return (
        f'<a href="{escape(product.url)}" target="_blank" rel="noopener noreferrer" '
        f'data-dg-view="{escape(product.external_id)}">{escape(title)}</a>'
    )


def _parts(pick: Pick, language: Language) -> str:
    """What the score is made of, as bars; what speaks against the pick is marked."""
    bars = "".join(
        f"<li><span>{'− ' if value < 0 else ''}{escape(phrase(f'part_{name}', language))}</span>"
        f'<meter min="0" max="1" value="{abs(value):.2f}" aria-label="{abs(value):.0%}"></meter></li>'
        for name, value in pick.parts
    )
    return (
        f'<details class="dg-parts"><summary>{LABELS[language]["why"]}</summary><ul>{bars}</ul></details>'
        if bars
        else ""
    )


def _picture(image: str, title: str) -> str:
    """Only the shop's own pictures: a page of a shopper asks no other host for anything."""
    if not image or "://" in image:
        return '<div class="dg-picture" aria-hidden="true"></div>'
    return (
        f'<img class="dg-picture" src="/{escape(image)}" alt="{escape(title)}" loading="lazy" width="200" height="200">'
    )


def _button(kind: str, product: str, title: str, words: dict[str, str], done: Collection[tuple[str, str]]) -> str:
    pressed = (product, kind) in done
    text = {"cart": words["carted"] if pressed else words["cart"], "like": _THUMB, "dislike": _THUMB}[kind]
    label = f"{words[kind]}: {title}"
    return (
        f'<button type="button" class="dg-action dg-{kind}" data-dg-kind="{kind}" data-dg-product="{escape(product)}" '
        f'aria-label="{escape(label)}" aria-pressed="{str(pressed).lower()}">{text}</button>'
    )
