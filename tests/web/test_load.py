"""Many pages at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from assistant.desk import Desk
from assistant.store import ConversationStore
from catalog.store import ProductStore
from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop
from web.load import Page, claims

PAGES = 60


def test_every_open_page_is_kept_up_to_date(shop: Shop, script: ScriptedLLM) -> None:
    async def told(page: Page) -> str:
        await page.open()
        updates = page.updates()
        await anext(updates)
        await page.say("hello")
        async for update in updates:
            if "Hello" in update:
                return update
        raise AssertionError("the page was told nothing")

    async def all_of_them() -> list[str]:
        pages = [Page(shop.url) for _ in range(PAGES)]
        return await asyncio.wait_for(asyncio.gather(*map(told, pages)), 60)

    script.enqueue(*[frame("chitchat")] * PAGES)
    with ThreadPoolExecutor(1) as elsewhere:  # Chromium's tests have a loop in this thread
        assert len(elsewhere.submit(asyncio.run, all_of_them()).result()) == PAGES


def test_one_of_many_gets_a_conversation(engine: Engine) -> None:
    row = claims(Desk(ConversationStore(engine), ProductStore(engine)), ConversationStore(engine), people=8, times=5)
    assert row["measured"] == "1 to 1 winners"
