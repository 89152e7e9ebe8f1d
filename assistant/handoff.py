"""When a person should take over."""

from assistant.state import DialogueState

NOT_UNDERSTOOD = 2  # turns in a row
VERY_NEGATIVE = -0.6  # running mood


def handoff_reason(state: DialogueState) -> str | None:
    """Why a person should take over, or None."""
    if state.intent == "human":
        return "asked"
    if state.not_understood >= NOT_UNDERSTOOD:
        return "not_understood"
    if state.mood <= VERY_NEGATIVE:
        return "upset"
    return None
