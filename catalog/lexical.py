"""Words to ranked product ids: full text in the database, for Chinese and English alike.

English words are stemmed. Chinese is stored character by character and asked for as phrases,
one per word that the segmenter finds, so that 跑鞋 finds 越野跑鞋 whatever way either was cut.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, TextClause, literal_column, select, table, text
from sqlalchemy.sql import column

from catalog.amounts import normalize_measures, plain
from catalog.facets import stem
from catalog.schema import ProductRow

ENOUGH = 20  # with fewer products that hold all words, those that hold any are ranked too
TITLE_WEIGHT = 4.0

_TOKEN = re.compile(r"[\u4e00-\u9fff]+|[a-z0-9]+(?:\.[0-9]+)?(?:'[a-z]+)?")
_FREE = re.compile(r"\b([a-z]+)[- ]free\b")
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "any",
        "at",
        "be",
        "but",
        "by",
        "can",
        "do",
        "for",
        "from",
        "have",
        "i",
        "i'd",
        "i'm",
        "in",
        "is",
        "it",
        "like",
        "looking",
        "me",
        "my",
        "need",
        "of",
        "on",
        "one",
        "or",
        "please",
        "show",
        "some",
        "something",
        "that",
        "the",
        "this",
        "to",
        "under",
        "want",
        "what",
        "with",
        "would",
        "you",
        "your",
        "我",
        "你",
        "想",
        "要",
        "想要",
        "买",
        "找",
        "的",
        "了",
        "吗",
        "有",
        "有没有",
        "一",
        "个",
        "一个",
        "件",
        "一件",
        "双",
        "一双",
        "条",
        "一条",
        "款",
        "一款",
        "请",
        "帮",
        "帮我",
        "给",
        "给我",
        "推荐",
        "适合",
        "可以",
        "什么",
        "怎么",
        "呢",
        "吧",
        "啊",
        "和",
        "或",
        "在",
        "是",
        "不",
        "就",
        "点",
        "一点",
        "最好",
        "左右",
        "以内",
        "以下",
        "多少",
    ]
)

product_words = table("product_words", column("rowid"))


def document_words(raw: str) -> str:
    """Text as it is indexed: `Leather-free 跑鞋 40 litres` -> `leatherfree 跑 鞋 40l`."""
    return " ".join(part for token in _tokens(raw) for part in token)


def query_words(raw: str) -> list[str]:
    """The phrases to look for, each as indexed, stop words left out."""
    phrases: dict[str, None] = {}
    for token in _tokens(raw, cut=True):
        if (phrase := " ".join(token)) and "".join(token) not in _STOP_WORDS:
            phrases[phrase] = None
    return list(phrases)


def phrase(words: Iterable[str]) -> str:
    """A match expression for any of `words`, each as one phrase; for filters on text."""
    return " OR ".join(f'"{p}"' for w in words if (p := document_words(w)))


class LexicalIndex:
    """BM25 over the words of titles and of everything else (SQLite FTS5)."""

    def rank(
        self, connection: Connection, raw: str, where: Sequence[ColumnElement[bool]], k: int
    ) -> tuple[list[int], int]:
        """Ids of at most `k` products that satisfy `where`, best match first, and how many are complete.

        The complete ones, which hold all words of the query, come first, by BM25; if they are few,
        those that hold some words follow.
        """
        words = [f'"{p}"' for p in query_words(raw)]
        if not words:
            return [], 0
        ids = self._match(connection, " AND ".join(words), where, k)
        complete = len(ids)
        if complete < min(ENOUGH, k) and len(words) > 1:
            known = set(ids)
            ids += [i for i in self._match(connection, " OR ".join(words), where, k) if i not in known]
        return ids[:k], complete

    def _match(
        self, connection: Connection, expression: str, where: Sequence[ColumnElement[bool]], k: int
    ) -> list[int]:
        score: ColumnElement[Any] = literal_column(f"bm25(product_words, {TITLE_WEIGHT}, 1.0)")
        statement = (
            select(ProductRow.id)
            .join(product_words, product_words.c.rowid == ProductRow.id)
            .where(matches(expression), *where)
            .order_by(score)
            .limit(k)
        )
        return list(connection.scalars(statement))


def matches(expression: str) -> TextClause:
    """The condition that a row of `product_words` matches `expression`."""
    name = f"words_{abs(hash(expression)) % 10**9}"
    return text(f"product_words MATCH :{name}").bindparams(**{name: expression})


def _tokens(raw: str, cut: bool = False) -> Iterable[list[str]]:
    """Each token as its parts: an English word alone, a Chinese run as characters.

    With `cut`, Chinese runs are first cut into words.
    """
    prepared = _FREE.sub(r"\1free", normalize_measures(plain(raw)))
    for token in _TOKEN.findall(prepared):
        if token[0] < "\u4e00":
            yield [token if token in _STOP_WORDS else stem(token)]
        elif cut:
            yield from (list(word) for word in _cut(token))
        else:
            yield list(token)


@cache
def _cut(run: str) -> tuple[str, ...]:
    import rjieba

    return tuple(rjieba.cut(run))
