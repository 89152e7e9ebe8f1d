"""How well are spoken messages understood? Heard without and with the page's language, read out by espeak-ng.

Error rates are edits over the length of what was said: of words in English, of characters in Chinese. A synthetic
voice is harder to understand than a person; espeak-ng of Debian reads Chinese only from Pinyin, and roughly.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein

from assistant.speech import SpeechToText
from catalog.amounts import plain
from catalog.errors import UserError
from catalog.types import Language

VOICES: Mapping[Language, tuple[str, ...]] = {
    "en": ("-v", "en-us", "-s", "140"),
    "zh": ("-v", "cmn-latn-pinyin+f3", "-s", "110"),
}
# What is said, and for Chinese how it is read.
SENTENCES: Mapping[Language, Sequence[tuple[str, str]]] = {
    "en": [(text, text) for text in (
        "I am looking for running shoes", "Do you have a red dress", "Show me something cheaper",
        "Where is my order", "I want to speak to a person", "A warm jacket under fifty dollars",
        "Which one has better reviews", "Put the second one in my cart", "I need a gift for my mother", "Not leather please",
    )],
    "zh": [
        ("我想买跑步鞋", "wo3 xiang3 mai3 pao3 bu4 xie2"), ("有没有红色的连衣裙", "you3 mei2 you3 hong2 se4 de5 lian2 yi1 qun2"),
        ("便宜一点的", "pian2 yi5 yi4 dian3 de5"), ("我的快递到哪里了", "wo3 de5 kuai4 di4 dao4 na3 li3 le5"),
        ("请帮我转人工客服", "qing3 bang1 wo3 zhuan3 ren2 gong1 ke4 fu2"), ("五百块以内的外套", "wu3 bai3 kuai4 yi3 nei4 de5 wai4 tao4"),
        ("哪个评价更好", "na3 ge5 ping2 jia4 geng4 hao3"), ("第二个加入购物车", "di4 er4 ge5 jia1 ru4 gou4 wu4 che1"),
        ("送给妈妈的礼物", "song4 gei3 ma1 ma5 de5 li3 wu4"), ("不要真皮的", "bu2 yao4 zhen1 pi2 de5"),
    ],
}  # fmt: skip


def run(speech: SpeechToText, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each language, without and with the language being expected. Needs `espeak-ng`."""
    rows = []
    for language, sentences in SENTENCES.items():
        recordings = [speak(reading, language) for _, reading in sentences]
        for expected in (None, language):
            wrong = length = found = 0
            began = time.monotonic()
            for (text, _), recording in zip(sentences, recordings, strict=True):
                progress(f"{language}: {text}")
                heard = speech.hear(recording, expected)
                said = units(text)
                wrong += Levenshtein.distance(said, units(heard.text))
                length += len(said)
                found += heard.language == language
            rows.append(
                {"language": language, "expected": "yes" if expected else "no", "sentences": len(sentences),
                 "language found": found, "error rate": round(wrong / length, 3),
                 "seconds each": round((time.monotonic() - began) / len(sentences), 1)}
            )  # fmt: skip
    return rows


def speak(reading: str, language: Language) -> bytes:
    """A WAV of a sentence, read out by espeak-ng."""
    if shutil.which("espeak-ng") is None:
        raise UserError("espeak-ng is not installed: apt-get install espeak-ng")
    done = subprocess.run(["espeak-ng", *VOICES[language], "--stdout", reading], check=True, capture_output=True)
    return done.stdout


def units(text: str) -> list[str]:
    """What errors are counted by: English words, Chinese characters."""
    return re.findall(r"[a-z0-9']+|[\u4e00-\u9fff]", plain(text))
