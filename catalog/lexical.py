"""Words to ranked product ids: full text in the database, SQLite's or PostgreSQL's, for Chinese and English alike.

English words are stemmed. Chinese is stored character by character and asked for as phrases,
one per word that the segmenter finds, so that 跑鞋 finds 越野跑鞋 whatever way either was cut.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any, Protocol

from sqlalchemy import (
    ARRAY,
    REAL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Subquery,
    cast,
    desc,
    false,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.sql import column

from catalog.amounts import normalize_measures, plain
from catalog.facets import stem
from catalog.schema import ProductRow

ENOUGH = 20  # with fewer products that hold all words, those that hold any that is not common are ranked too
RANKED = 1_000  # products that hold the words, and are ranked by them; of more the words say little, and vectors decide
WORDS_KNOWN = 20_000
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

_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")  # words are stemmed and cut already

_WRITE_WORDS = text(
    "INSERT INTO product_words (rowid, words) "
    "SELECT id, setweight(to_tsvector('simple', title), 'A') || to_tsvector('simple', body) "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:titles AS text[]), CAST(:bodies AS text[])) AS t (id, title, body) "
    "ON CONFLICT (rowid) DO UPDATE SET words = excluded.words"
)

product_words = table("product_words", column("rowid"), column("words"))


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


class FullText(Protocol):
    """Full text search in one kind of database. Words are as `query_words` has them.

    `common` is how many products may have a word for it to be looked for where few have all.
    """

    common: int

    def write(self, connection: Connection, texts: Mapping[int, tuple[str, str]]) -> None:
        """Index the words of titles and of the rest, by row id, in place of what was indexed before."""
        ...

    def match(self, words: Sequence[str], of_all: bool, where: Sequence[ColumnElement[bool]], k: int) -> Select[Any]:
        """Selects `id` and `cost` of at most `k` products that satisfy `where` and hold all, or any, of the words.

        The best come first, and cost least.
        """
        ...

    def has(self, phrases: Sequence[str]) -> ColumnElement[bool]:
        """The condition that a row of `product_words` has any of some phrases."""
        ...


class LexicalIndex:
    """Ranks by the words of titles and of everything else."""

    def __init__(self, text: FullText) -> None:
        self._text = text
        # Kept for good: which words are common changes slowly, and costs no more than time if it is wrong.
        self._common: dict[str, bool] = {}

    def rank(
        self, connection: Connection, raw: str, where: Sequence[ColumnElement[bool]], k: int
    ) -> tuple[list[int], int]:
        """Ids of at most `k` products that satisfy `where`, best match first, and how many are complete.

        The complete ones, which hold all words of the query, come first; if they are few, those that hold some
        words follow.
        """
        words = query_words(raw)
        if not words:
            return [], 0
        new = [word for word in words if word not in self._common]
        if new and len(words) > 1:
            found = self._look(connection, words, (), where, k)
            if len(found) >= min(ENOUGH, k):
                return list(found), len(found)
            self._learn(connection, new)
        rare = [word for word in words if not self._common.get(word, False)] if len(words) > 1 else []
        found = self._look(connection, words, rare, where, k)
        return list(found)[:k], sum(found.values())

    def _look(
        self,
        connection: Connection,
        words: Sequence[str],
        rare: Sequence[str],
        where: Sequence[ColumnElement[bool]],
        k: int,
    ) -> dict[int, bool]:
        """Ids, best first, and whether each holds all words. Where few do, those that hold one of `rare` follow.

        Whether they are few is for the database to see: that saves asking it again.
        """
        whole = self._text.match(words, True, where, k).cte("whole").prefix_with("MATERIALIZED")
        parts = [select(whole.c.id, literal(True).label("complete"), whole.c.cost)]
        if rare:
            few = select(func.count()).select_from(whole).scalar_subquery() < min(ENOUGH, k)
            some = self._text.match(rare, False, [few, *where], k).subquery()
            parts.append(select(some.c.id, literal(False), some.c.cost).where(some.c.id.not_in(select(whole.c.id))))
        ranked = union_all(*parts).order_by(desc("complete"), "cost", "id")
        return {row.id: bool(row.complete) for row in connection.execute(ranked)}

    def _learn(self, connection: Connection, words: Sequence[str]) -> None:
        """Ask of which words there are very many products, of all of them at once."""
        most = self._text.common
        some = (select(product_words.c.rowid).where(self._text.has([w])).limit(most + 1).subquery() for w in words)
        counts = connection.execute(
            select(*(select(func.count()).select_from(s).scalar_subquery().label(f"n{n}") for n, s in enumerate(some)))
        ).one()
        if len(self._common) + len(words) > WORDS_KNOWN:
            self._common.clear()
        self._common |= {word: count > most for word, count in zip(words, counts, strict=True)}


class SqliteText:
    """FTS5, ranked by BM25."""

    common = 20_000

    def write(self, connection: Connection, texts: Mapping[int, tuple[str, str]]) -> None:
        rows = [{"id": i, "title": title, "body": body} for i, (title, body) in texts.items()]
        connection.execute(text("DELETE FROM product_words WHERE rowid = :id"), rows)
        connection.execute(text("INSERT INTO product_words (rowid, title, body) VALUES (:id, :title, :body)"), rows)

    def match(self, words: Sequence[str], of_all: bool, where: Sequence[ColumnElement[bool]], k: int) -> Select[Any]:
        score: ColumnElement[Any] = literal_column(f"bm25(product_words, {TITLE_WEIGHT}, 1.0)")
        expression = (" AND " if of_all else " OR ").join(f'"{word}"' for word in words)
        found = _matching(_matches(expression), where, score.label("cost"))
        return select(found.c.id, found.c.cost).order_by(found.c.cost, found.c.id).limit(k)

    def has(self, phrases: Sequence[str]) -> ColumnElement[bool]:
        return _matches(" OR ".join(f'"{phrase}"' for phrase in phrases))


class PostgresText:
    """A tsvector with a GIN index, ranked by `ts_rank_cd` (cover density), words in titles counting most."""

    common = 5_000

    def write(self, connection: Connection, texts: Mapping[int, tuple[str, str]]) -> None:
        titles, bodies = zip(*texts.values(), strict=True)
        connection.execute(_WRITE_WORDS, {"ids": list(texts), "titles": list(titles), "bodies": list(bodies)})

    def match(self, words: Sequence[str], of_all: bool, where: Sequence[ColumnElement[bool]], k: int) -> Select[Any]:
        query = self._query(words, "&&" if of_all else "||")
        body = 1 / TITLE_WEIGHT
        weights = cast(literal(f"{{{body},{body},{body},1.0}}"), ARRAY(REAL))  # of the classes D, C, B, A
        found = _matching(product_words.c.words.op("@@")(query), where, product_words.c.words)
        cost = (-func.ts_rank_cd(weights, found.c.words, query)).label("cost")
        return select(found.c.id, cost).order_by(cost, found.c.id).limit(k)

    def has(self, phrases: Sequence[str]) -> ColumnElement[bool]:
        return product_words.c.words.op("@@")(self._query(phrases, "||"))

    @staticmethod
    def _query(phrases: Sequence[str], operator: str) -> ColumnElement[Any]:
        each: list[ColumnElement[Any]] = [func.phraseto_tsquery(_SIMPLE, phrase) for phrase in phrases]
        return reduce(lambda whole, one: whole.op(operator)(one), each)


def full_text(engine: Engine) -> FullText:
    """The full text search of a database."""
    return SqliteText() if engine.dialect.name == "sqlite" else PostgresText()


def holds(text: FullText, words: Iterable[str]) -> ColumnElement[bool]:
    """The condition that a product has any of `words`, each as one phrase; a word without any letter stands nowhere."""
    phrases = [phrase for word in words if (phrase := document_words(word))]
    return ProductRow.id.in_(select(product_words.c.rowid).where(text.has(phrases))) if phrases else false()


def _matching(matches: ColumnElement[bool], where: Sequence[ColumnElement[bool]], more: ColumnElement[Any]) -> Subquery:
    """The first `RANKED` products that match and satisfy `where`: their `id`, and one more column."""
    joined = select(ProductRow.id, more).join(product_words, product_words.c.rowid == ProductRow.id)
    return joined.where(matches, *where).limit(RANKED).subquery()


def _matches(expression: str) -> ColumnElement[bool]:
    """The condition that a row of SQLite's `product_words` matches `expression`."""
    return literal_column("product_words").op("MATCH", is_comparison=True)(literal(expression))


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


@lru_cache(maxsize=8_192)
def _cut(run: str) -> tuple[str, ...]:
    import rjieba

    return tuple(rjieba.cut(run))
