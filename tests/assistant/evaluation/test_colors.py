from assistant.evaluation.colors import run


def test_the_product_tells_more_than_the_whole_picture() -> None:
    mean, product = run(lambda step: None, most=40)
    assert (mean["products"], product["products"]) == (40, 40)
    assert product["f1"] > mean["f1"]
    assert product["precision"] >= 0.75
