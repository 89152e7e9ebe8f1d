"""Language models behind one protocol: in this process, or on an OpenAI-compatible server."""

from assistant.llm.protocol import LLM, LLMAway, LLMError

__all__ = ["LLM", "LLMAway", "LLMError"]
