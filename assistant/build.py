"""Settings to a working assistant; the only place where parts meet."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.answers import Answers
from assistant.attributes import AttributeReader
from assistant.basket import Basket
from assistant.desk import Desk
from assistant.explain import Explainer, Shop
from assistant.finding import Finder
from assistant.fitting import FittingRoom
from assistant.handoff import Thresholds
from assistant.llm import LLM, LLMError
from assistant.llm.adapters import SHIPPED, adapter_version, shipped_adapters
from assistant.memory import Memory
from assistant.parser import FewShotPrompt, Parser, tuned_prompt
from assistant.photos import PhotoSearch, PhotoStore
from assistant.ranking.blend import TAUGHT, Blend, Combined, RankerError, Weighted
from assistant.ranking.exposure import ExposureFloor, small_brands
from assistant.ranking.ranker import MANIFEST, Ranker
from assistant.reviews import ReviewReader
from assistant.schema import MOST_PROPERTIES, ShopSchema
from assistant.settings import Settings
from assistant.speech import SpeechToText, open_speech
from assistant.staff import StaffStore
from assistant.store import ConversationStore
from assistant.tracing import start_tracing
from assistant.turn import Assistant
from catalog.embedding import EMBEDDED, Embedder, add_vectors, embed_products, open_embedder, product_vectors
from catalog.feeds import jsonlines, sizes
from catalog.feeds.importer import import_catalog, import_history
from catalog.feeds.source import FeedOptions
from catalog.fit import FitStore
from catalog.following import Following
from catalog.fusion import MANIFEST as FUSION
from catalog.fusion import Fusion
from catalog.looks import PictureSearch
from catalog.pictures import EMBEDDED_PICTURES, picture_hash
from catalog.schema import open_database
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, ChartSize, Product, Query

if TYPE_CHECKING:
    from assistant.ranking.recommenders import Recommenders

log = logging.getLogger(__name__)
Progress = Callable[[str], Any]
NO_ADAPTER = "none"
SAMPLE_RANKER = "sample-shop-ranker"


@dataclass(frozen=True)
class Parts:
    """Everything that a running shop consists of."""

    settings: Settings
    products: ProductStore
    conversations: ConversationStore
    search: Search
    photos: PhotoStore
    answers: Answers
    assistant: Assistant
    memory: Memory
    desk: Desk
    staff: StaffStore
    parser: Parser
    llm: LLM
    speech: SpeechToText | None = None  # none where the shop wants none


def open_store(settings: Settings) -> ProductStore:
    """The catalog's database, created or migrated if need be."""
    return ProductStore(open_database(settings.database))


def open_search(settings: Settings, store: ProductStore, embedder: Embedder | None = None) -> Search:
    """Search over the catalog."""
    return Search(store, embedder or open_embedder(settings.embedding_model), open_fusion(settings))


def open_fusion(settings: Settings) -> Fusion | None:
    """What the shop has learned of its products (`daogou train fusion`), if it goes with the encoders that are set."""
    folder = fusion_path(settings)
    if not (folder / FUSION).exists():
        return None
    fusion = Fusion.load(folder)
    wanted = settings.embedding_model, settings.picture_model
    if (fusion.embedding_model, fusion.picture_model) != wanted:
        log.warning("%s was learned for other encoders than %s and %s: run `daogou train fusion`", folder, *wanted)
        return None
    return fusion


def fusion_path(settings: Settings) -> Path:
    """Where the shop's fusion is kept."""
    return settings.data_dir / "fusion"


def search_by_photo(
    settings: Settings, store: ProductStore, search: Search, query: Query, photo: bytes
) -> list[Candidate]:
    """Products that look like a photo and satisfy the query's filters."""
    return PictureSearch(store, search, settings.picture_model).search_by_photo(query, photo)


def open_llm(settings: Settings, progress: Progress = lambda step: None) -> LLM:
    """The language model that the settings name, made ready if it has to be."""
    if settings.llm_url:
        from assistant.llm.server import ServerLLM

        tuned = settings.llm_adapter not in ("", NO_ADAPTER)
        return ServerLLM(settings.llm_url, settings.llm_model, settings.llm_api_key, settings.llm_timeout, tuned)
    from assistant.llm import embedded
    from assistant.llm.local import LocalLLM

    model = settings.llm_model or embedded.fetch(settings.cache_dir, progress)
    return LocalLLM(model, adapter_path(settings), settings.device, settings.precision)


def adapter_path(settings: Settings) -> Path | None:
    """The adapter that the settings name; the embedded model has the shipped one unless they say `none`."""
    if settings.llm_adapter == NO_ADAPTER:
        return None
    if settings.llm_adapter:
        return Path(settings.llm_adapter)
    return None if settings.llm_model else shipped_adapters() / SHIPPED


def open_reader(settings: Settings, progress: Progress = lambda step: None) -> ReviewReader:
    """What reads reviews: a tuned model. Raises `LLMError` for one that is not."""
    return ReviewReader(*_open_tuned(settings, progress, "reviews"))


def open_attribute_reader(settings: Settings, progress: Progress = lambda step: None) -> AttributeReader:
    """What reads products' texts: a tuned model. Raises `LLMError` for one that is not."""
    return AttributeReader(*_open_tuned(settings, progress, "products' texts"))


def _open_tuned(settings: Settings, progress: Progress, what: str) -> tuple[LLM, str]:
    """The model, and its adapter's name and version, under which what it has read is kept."""
    llm = open_llm(settings, progress)
    if not llm.tuned:
        raise LLMError(
            f"{llm.name} has no adapter: only a model that was tuned for it (`daogou train parser`) reads {what}"
        )
    adapter = None if settings.llm_url else adapter_path(settings)
    return llm, adapter_version(adapter) if adapter else settings.llm_adapter


def open_parser(llm: LLM, embedder: Callable[[], Embedder], store: ProductStore | None = None) -> Parser:
    """The parser: a tuned model gets the message, any other is shown examples, too, which are chosen by `embedder`.

    With a `store` both are told what the shop's records call things.
    """
    prompt = tuned_prompt if llm.tuned else FewShotPrompt(embedder())
    return Parser(llm, prompt) if store is None else Parser(llm, prompt, ShopSchema(store).line)


def open_ranker(settings: Settings, store: ProductStore) -> Ranker:
    """The ranker that the settings name, else the shop's own, else the sample shop's if it is the one.

    Without any that can be used, picks are ranked by hand-set weights; one that was named must be usable.
    """
    share = settings.exposure_floor
    floor = ExposureFloor(share, small_brands(store.reviews_by_brand()) if share else frozenset())
    by_hand = Ranker(diversity=settings.diversity, floor=floor)
    try:
        trained = open_trained(settings, store)
    except RankerError as error:
        if settings.ranker:
            raise
        log.warning("ranking by hand-set weights: %s", error)
        return by_hand
    if trained is None:
        return by_hand
    recommenders, blend = trained
    return Ranker(Combined((blend, Weighted(TAUGHT))), recommenders, settings.diversity, floor)


def open_trained(settings: Settings, store: ProductStore) -> "tuple[Recommenders, Blend] | None":
    """What was learned in this shop, with the products that came since; none where that is only the sample shop's.

    Raises `RankerError` where it cannot be used.
    """
    folder = ranker_path(settings)
    if folder is None:
        return None
    from assistant.ranking.recommenders import extended, load

    vectors = product_vectors(store, settings.embedding_model)
    recommenders, blend = load(folder)
    if not settings.ranker and not set(recommenders.products) & set(vectors):
        return None
    return extended(recommenders, vectors), blend


def open_explainer(store: ProductStore, llm: LLM | None) -> Explainer:
    """What writes about picks; without a model it composes."""
    shop = Following(store.version, lambda: Shop(store.brands(), store.properties(MOST_PROPERTIES)))
    return Explainer(llm, shop)


def open_answers(settings: Settings, store: ProductStore, search: Search, llm: LLM | None = None) -> Answers:
    """What answers a state; without a model its sentences are made from the record."""
    explainer = open_explainer(store, llm)
    looks = PhotoSearch(PhotoStore(store.engine), PictureSearch(store, search, settings.picture_model))
    ranker, picks, contact = open_ranker(settings, store), settings.picks, settings.support_contact
    fitting = FittingRoom(FitStore(store.engine), store)
    finder = Finder(search, explainer, store, ranker, picks, contact, looks, fitting)
    return Answers(finder, Basket(store, ranker, picks, contact), store, contact, settings.opening_hours)


def ranker_path(settings: Settings) -> Path | None:
    """Where the trained ranker is that the settings name or the shop has; `none` is none."""
    if settings.ranker:
        return None if settings.ranker == NO_ADAPTER else Path(settings.ranker)
    own = settings.data_dir / "ranker"
    shipped = shipped_adapters() / SAMPLE_RANKER
    return next((folder for folder in (own, shipped) if (folder / MANIFEST).exists()), None)


def build(settings: Settings, progress: Progress = lambda step: None, llm: LLM | None = None) -> Parts:
    """Open the database, load the models and put the parts together.

    An empty catalog gets the sample shop; products without a vector are embedded.
    """
    start_tracing(settings.trace_endpoint)
    store = open_store(settings)
    embedder = open_embedder(settings.embedding_model)
    if not store.count():
        progress("loading the sample shop")
        load_sample(store, settings.data_dir)
    if embed_products(store, embedder, lambda done, total: progress(f"embedding products, {done} of {total}")):
        progress("products embedded")
    progress("loading the language model")
    model = llm or open_llm(settings, progress)
    conversations = ConversationStore(store.engine)
    search = open_search(settings, store, embedder)
    answers = open_answers(settings, store, search, model if settings.explain else None)
    thresholds = Thresholds(
        settings.handoff_mood, not_understood=settings.handoff_not_understood, repeated=settings.handoff_repeated
    )
    parser = open_parser(model, lambda: embedder, store)
    assistant = Assistant(parser, answers, store, conversations, thresholds)
    return Parts(
        settings, store, conversations, search, PhotoStore(store.engine), answers, assistant,
        Memory(store, conversations), Desk(conversations, store, model if settings.explain else None),
        StaffStore(store.engine), parser, model, open_speech(settings.speech_model, settings.cache_dir, settings.device),
    )  # fmt: skip


def catalog_or_sample(settings: Settings) -> list[Product]:
    """The products of the shop, or of the sample shop where there is none yet; nothing is written."""
    there = settings.database_url or Path(settings.database.removeprefix("sqlite:///")).exists()
    products = list(open_store(settings).all()) if there else []
    if products:
        return products
    with as_file(files("catalog.sample")) as sample:
        feed = jsonlines.read(sample / "products.jsonl.gz", FeedOptions())
        return [item for item in feed if isinstance(item, Product)]


def sample_charts() -> list[ChartSize]:
    """The sample shop's size charts."""
    with as_file(files("catalog.sample")) as sample:
        return sizes.read(sample / "size_charts.csv", FeedOptions())


def load_sample(store: ProductStore, data_dir: Path) -> None:
    """The sample shop: products, reviews, pictures, vectors and 300 shoppers' histories."""
    from catalog.sample.pictures import write_pictures

    with as_file(files("catalog.sample")) as sample:
        import_catalog(
            store, sample / "products.jsonl.gz", FeedOptions(), rejects_file=data_dir / "sample.rejects.jsonl"
        )
        import_history(store, sample / "history.csv.gz", FeedOptions(), rejects_file=data_dir / "sample.rejects.jsonl")
        for model, name in ((EMBEDDED, "vectors.npz"), (EMBEDDED_PICTURES, "picture_vectors.npz")):
            saved = np.load(sample / name)
            add_vectors(store.engine, model, dict(zip(saved["hashes"].tolist(), saved["vectors"], strict=True)))
    FitStore(store.engine).set_charts(sample_charts())
    products = list(store.all())
    write_pictures(products, data_dir)
    store.set_pictures({p.external_id: picture_hash((data_dir / p.image).read_bytes()) for p in products})
