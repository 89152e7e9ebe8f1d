"""Which language a page is in."""

from catalog.types import Language

LANGUAGE_COOKIE = "daogou_lang"


def page_language(cookie: str | None, accepted: str) -> Language:
    """The language chosen before, else Chinese if the browser names it before English."""
    if cookie in ("en", "zh"):
        return "zh" if cookie == "zh" else "en"
    chinese, english = accepted.lower().find("zh"), accepted.lower().find("en")
    return "zh" if chinese >= 0 and (english < 0 or chinese < english) else "en"
