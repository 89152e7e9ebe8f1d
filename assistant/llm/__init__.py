"""Language models behind one protocol: in this process, or on an OpenAI-compatible server."""

from assistant.llm.protocol import LLM, Attributing, LLMAway, LLMError

__all__ = ["LLM", "Attributing", "LLMAway", "LLMError"]
