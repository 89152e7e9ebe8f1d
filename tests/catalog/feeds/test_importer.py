"""Every feed format through the importer, and every way a feed can be bad."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.feeds import jsonlines, orders
from catalog.feeds.importer import ImportReport, detect_format, import_catalog, import_history
from catalog.feeds.source import FeedError, FeedOptions
from catalog.store import ProductStore, Written
from catalog.types import Interaction
from tests.toy_shop import PRODUCTS

OPTIONS = FeedOptions(currency="USD")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def load(store: ProductStore, path: Path, **arguments: object) -> ImportReport:
    return import_catalog(store, path, OPTIONS, **arguments)  # type: ignore[arg-type]


def test_google_tsv(store: ProductStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "feed.tsv",
        "id\ttitle\tdescription\tlink\timage_link\tavailability\tprice\tsale_price\tbrand\tproduct_type\tcolor\tsize\titem_group_id\n"
        "s1\tRed tee\tSoft\thttp://x/1\thttp://x/1.jpg\tin_stock\t20.00 USD\t15.00 USD\tAcme\tClothing > T-shirts\tRed\tM\tg1\n"
        "s2\tRed tee\tSoft\thttp://x/1\thttp://x/1.jpg\tout_of_stock\t20.00 USD\t15.00 USD\tAcme\tClothing > T-shirts\tRed\tL\tg1\n"
        "s3\tMug\tBlue\thttp://x/3\t\tin_stock\t$7\t\tAcme\tHome\t\t\t\n",
    )
    assert detect_format(path) == "google-tsv"
    assert load(store, path).written == Written(added=2)
    tee = store.get("g1")
    assert tee is not None
    assert (tee.price, tee.currency, tee.text("en").category) == (Decimal("15.00"), "USD", ("Clothing", "T-shirts"))
    assert [(v.size, v.stock > 0) for v in tee.variants] == [("M", True), ("L", False)]


def test_google_xml(store: ProductStore, tmp_path: Path) -> None:
    items = "".join(
        f"<item><g:id>{n}</g:id><title>Lamp {n}</title><description>&lt;b&gt;Warm&lt;/b&gt; light</description>"
        f"<g:price>{n}9.50 EUR</g:price><g:availability>in stock</g:availability></item>"
        for n in (1, 2)
    )
    path = write(tmp_path / "f.xml", f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{items}</channel></rss>')
    assert load(store, path).written.added == 2
    lamp = store.get("2")
    assert lamp is not None
    assert (lamp.price, lamp.currency, lamp.text("en").description) == (Decimal("29.50"), "EUR", "Warm light")


def test_half_an_xml_file_keeps_what_came_before(store: ProductStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.xml", "<rss><channel><item><id>1</id><title>Lamp</title><price>9</price></item><item><id>2</"
    )
    report = load(store, path)
    assert (report.written.added, report.rejected) == (1, 1)
    assert "breaks off" in report.rejects[0].reason


def test_shopify(store: ProductStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "products.csv",
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src\n"
        'tee,Tee,"<p>Nice &amp; soft</p><script>alert(1)</script>",Acme,T-shirts,"summer, sale",Size,M,Color,Red,T-M,3,25.00,http://x/t.jpg\n'
        "tee,,,,,,,L,,Red,T-L,0,27.00,\n"
        "bad,No price,,,,,,,,,,,,\n",
    )
    report = load(store, path)
    assert (report.written.added, report.rejected) == (1, 1)
    assert (report.rejects[0].row, report.rejects[0].column) == (4, "Variant Price")
    tee = store.get("tee")
    assert tee is not None
    assert (tee.price, tee.stock, tee.text("en").description) == (Decimal("25.00"), 3, "Nice & soft")
    assert [(v.size, v.color) for v in tee.variants] == [("M", "Red"), ("L", "Red")]


def test_json_lines_round_trip(store: ProductStore, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with path.open("w", encoding="utf-8") as text:
        assert jsonlines.write(PRODUCTS, text) == len(PRODUCTS)
    load(store, path)
    assert {p.external_id: p for p in store.all()} == {p.external_id: p for p in PRODUCTS}


def test_csv_with_a_column_map(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "货.csv", "货号,品名,卖价\nA1,红色围巾,￥89\nA2,蓝色围巾,\n")
    options = FeedOptions({"id": "货号", "title": "品名", "price": "卖价"})
    report = import_catalog(store, path, options)
    assert (report.written.added, report.rejected) == (1, 1)
    assert (report.rejects[0].row, report.rejects[0].column, report.rejects[0].reason) == (3, "卖价", "missing")
    scarf = store.get("A1")
    assert scarf is not None
    assert (scarf.price, scarf.currency, list(scarf.texts)) == (Decimal("89.00"), "CNY", ["zh"])


def test_a_column_that_is_mapped_is_no_other_field(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "goods.csv", "id,title,category,style,price,occasion\nA1,Oak desk,home,rustic,89,work\n")
    import_catalog(store, path, FeedOptions({"style": "style"}))
    desk = store.get("A1")
    assert desk is not None
    assert desk.text("en").category == ("home",)
    assert {(a.name, a.value) for a in desk.attributes} == {("style", "rustic"), ("occasion", "work")}


def test_yaml(store: ProductStore, tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.yaml", "- {id: a, name: Oak desk, price: 129.99, current_stock: 4, category: home, style: desk}\n"
    )
    load(store, path)
    desk = store.get("a")
    assert desk is not None
    assert (desk.stock, desk.text("en").category) == (4, ("home", "desk"))


def test_the_rejects_file_has_every_bad_row(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "id,title,price\n1,Good,5\n2,Bad,free\n3,,7\n")
    rejects = tmp_path / "out" / "rejects.jsonl"
    report = load(store, path, rejects_file=rejects)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["row"], line["column"]) for line in lines] == [(3, "price"), (4, "title")]
    assert report.rejects_file == rejects
    assert lines[0]["values"]["title"] == "Bad"


def test_strict_refuses_the_whole_feed(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "id,title,price\n1,Good,5\n2,Bad,free\n")
    with pytest.raises(FeedError, match=r"row 3, column price: 'free' is not a price"):
        load(store, path, strict=True)
    assert store.count() == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.csv", b"", "empty"),
        ("f.csv", b"id,title,price\n", "no products"),
        ("f.csv", b"id,title,price\n1,X,free\n", "no products"),
        ("f.yaml", b"a: 1", "expected a list"),
        ("f.yaml", b"- [", "not readable as YAML"),
        ("f.bin", b"hello", "cannot tell the format"),
        ("f.csv.gz", gzip.compress(b"id,title,price\n1,Mug,5\n", mtime=0)[:-9], "damaged or cut off"),
    ],
)
def test_unusable_feeds_say_why(store: ProductStore, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        load(store, write(tmp_path / name, content))
    assert store.count() == 0


def test_a_missing_file_is_named(store: ProductStore, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"nowhere\.csv: no such file"):
        load(store, tmp_path / "nowhere.csv")


def test_a_wrong_column_map_is_named(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "id,title,price\n1,Mug,5\n")
    with pytest.raises(FeedError, match="no column 'Prix' for 'price'; there are id, title, price"):
        import_catalog(store, path, FeedOptions({"price": "Prix"}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_found_out(store: ProductStore, tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "f.csv", "id,title,price\n1,红色的羊毛围巾,5\n2,蓝色的真丝围巾,6\n".encode(encoding))
    load(store, path)
    scarf = store.get("1")
    assert scarf is not None
    assert scarf.text("zh").title == "红色的羊毛围巾"


def test_a_wrong_encoding_is_refused(store: ProductStore, tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "id,title,price\n1,红色的羊毛围巾,5\n".encode("gb18030"))
    with pytest.raises(FeedError, match="not valid utf-8"):
        import_catalog(store, path, FeedOptions(encoding="utf-8"))


def test_half_a_json_file_keeps_what_came_before(store: ProductStore, tmp_path: Path) -> None:
    whole = '{"sku": "1", "name": "Mug", "offers": {"price": 5}}\n'
    report = load(store, write(tmp_path / "f.jsonl", whole + whole[:20]))
    assert (report.written.added, report.rejected) == (1, 1)
    assert report.rejects[0].row == 2


def test_orders_with_a_column_map(store: ProductStore, tmp_path: Path) -> None:
    store.upsert(PRODUCTS)
    path = write(
        tmp_path / "orders.csv",
        "InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID\n"
        "1,red-scarf,2,2010-12-01 08:26:00,17850.0\n1,red-scarf,-2,2010-12-02 08:26:00,17850.0\n"
        "2,bag,1,2010-12-03 08:26:00,\n3,unknown,1,2010-12-03 08:26:00,1\n",
    )
    report = import_history(store, path, FeedOptions())
    assert (report.written.added, report.rejected) == (1, 3)
    assert [(i.product, i.value) for i in store.history("17850")] == [("red-scarf", 2.0)]


def test_shopify_orders(store: ProductStore, tmp_path: Path) -> None:
    store.upsert(PRODUCTS)
    path = write(
        tmp_path / "orders.csv",
        "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem sku\n"
        "#1,a@b.c,paid,2025-01-02 10:00:00 +0800,1,bag\n#1,,,,2,red-scarf\n"
        "#2,a@b.c,refunded,2025-01-03 10:00:00 +0800,1,trail\n",
    )
    assert import_history(store, path, FeedOptions(), format="shopify").written.added == 2
    assert {i.product for i in store.history("a@b.c")} == {"bag", "red-scarf"}


def test_returns_say_how_a_size_was_wrong(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "shopper,product,time,kind,size,reason\n"
        "ann,red-scarf,2026-01-01,purchase,M,\n"
        "ann,red-scarf,2026-01-02,return,M,too small\n"
        "ann,red-scarf,2026-01-03,return,L,太大\n"
        "ann,red-scarf,2026-01-04,return,L,damaged\n",
        "utf-8",
    )
    rows = [row for row in orders.read(path, FeedOptions()) if isinstance(row, Interaction)]
    assert [(row.kind, row.size, row.value) for row in rows] == [
        ("purchase", "M", 1), ("return", "M", -1), ("return", "L", 1), ("return", "L", 0),
    ]  # fmt: skip
