import pytest
from sqlalchemy import Engine

from assistant.store import ConversationStore
from tests.contracts import ConversationContract


class TestConversations(ConversationContract):
    @pytest.fixture
    def conversations(self, engine: Engine) -> ConversationStore:
        return ConversationStore(engine)


def test_an_unknown_conversation_is_named(store: object) -> None:
    with pytest.raises(KeyError, match="no conversation 'x'"):
        ConversationStore(store.engine).shopper_of("x")  # type: ignore[attr-defined]
