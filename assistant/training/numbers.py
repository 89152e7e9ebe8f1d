"""Numbers as shoppers write them: digits, words, k and w, with and without a currency."""

import random
from decimal import Decimal

import cn2an
from num2words import num2words

from catalog.types import Language

# A written form: what stands before the copied span, the span, what stands behind it.
Said = tuple[str, str, str]


def money(value: Decimal, language: Language, rng: random.Random) -> Said:
    """A price; the span leaves the currency out, so that 300块 and 300 are both `300`."""
    span = _amount(value, language, rng)
    if language == "zh":
        return rng.choice([("", span, s) for s in ("", "", "元", "块", "块", "块钱")] + [("¥", span, "")])
    worded = not span[-1].isdigit()
    if worded or rng.random() < 0.45:
        return "", span, rng.choice(("", "", "", " dollars", " bucks", " euros", " pounds", " yuan"))
    return rng.choice((("$", span, ""), ("$", span, ""), ("£", span, ""), ("€", span, ""), ("", span, "")))


def price(low: int, high: int, rng: random.Random) -> Decimal:
    """A round price, as shoppers name them, spread evenly over the scales of the range."""
    value = low * (high / low) ** rng.random()
    step = 1 if value < 10 else 5 if value < 60 else 10 if value < 300 else 50 if value < 1000 else 100
    if rng.random() < 0.07:
        return Decimal(max(1, round(value))) + Decimal(rng.choice(("-0.01", "0.5", "0.00")))
    if rng.random() < 0.15:
        return Decimal(max(1, round(value)))
    return Decimal(max(step, round(value / step) * step))


def height(language: Language, rng: random.Random) -> Said:
    """A body height of 150 to 195 cm; the span keeps the unit, which decides the number."""
    cm = rng.randint(150, 195)
    if language == "en":
        feet, inches = divmod(round(cm / 2.54), 12)
        forms = [f"{cm} cm", f"{cm}cm", f"{cm} cm", f"{cm / 100:.2f} m", f"{cm / 100:.2f}m", f"{feet} ft {inches}"]
        forms += [
            f"{feet}'{inches}",
            f"{feet}'{inches}",
            f"{feet} foot {inches}",
            f"{feet} feet {inches}",
            f"{feet}ft {inches}in",
        ]
        return "", rng.choice(forms), ""
    tens = cm % 100 // 10
    forms = [f"{cm}", f"{cm}cm", f"{cm}厘米", f"1米{cm % 100}", f"{cm / 100:.2f}米", f"1.{cm % 100}"]
    worded = [f"一米{cn2an.an2cn(tens)}"] if cm % 10 == 0 else [f"一米{_digits(cm % 100)}"]
    return "", rng.choice(forms + worded), ""


def weight(language: Language, rng: random.Random) -> Said:
    """A body weight of 42 to 110 kg."""
    kg = rng.randint(42, 110)
    if language == "en":
        pounds = round(kg / 0.4536)
        imperial = [f"{pounds} lbs", f"{pounds} pounds", f"{pounds} pounds", f"{pounds}lbs", f"{pounds} lb"]
        return "", rng.choice([f"{kg} kg", f"{kg}kg", f"{kg} kilos", f"{kg} kgs", *imperial]), ""
    jin = kg * 2
    forms = [f"{kg}kg", f"{kg}公斤", f"{jin}斤", f"{jin}斤", f"{cn2an.an2cn(jin)}斤", f"{kg}千克"]
    return "", rng.choice(forms), ""


def shoe_size(language: Language, rng: random.Random) -> Said:
    """A European or British shoe size."""
    if language == "zh":
        return "", str(rng.randint(34, 45)), "码"
    return "", rng.choice((str(rng.randint(36, 46)), str(rng.randint(4, 12)), f"{rng.randint(5, 11)}.5")), ""


def rating(language: Language, rng: random.Random) -> Said:
    """A number of stars out of five."""
    words = ("four", "three") if language == "en" else ("四", "三")
    return "", rng.choice(("4", "4", "4.5", "4.2", "3", "3.5", "4.8", *words)), ""


def quantity(language: Language, rng: random.Random) -> Said:
    """A small count."""
    words = ("two", "three", "four", "five", "six", "ten") if language == "en" else ("两", "三", "四", "五", "六", "十")
    return "", rng.choice((*words, *words, "2", "3", "4", "5", "6", "10", "12", "20")), ""


def _amount(value: Decimal, language: Language, rng: random.Random) -> str:
    plain = f"{value:f}"
    if value != value.to_integral_value() or rng.random() < 0.6:
        return f"{value:,f}" if language == "en" and value >= 1000 and rng.random() < 0.4 else plain
    whole = int(value)
    if language == "en":
        forms = [plain, str(num2words(whole)).replace(",", "").replace("-", rng.choice((" ", "-")))]
        if whole % 100 == 0 and whole >= 1000:
            forms += [f"{whole / 1000:g}k"] * 2
        if whole == 1000:
            forms.append("a grand")
        if whole == 100:
            forms += ["a hundred"] * 2
        return rng.choice(forms)
    forms = [plain, _spoken(whole)]
    if whole % 1000 == 0:
        forms += [f"{whole // 1000}千", f"{whole // 1000}k"]
    if whole % 100 == 0 and whole >= 1000:
        forms.append(f"{whole / 1000:g}k")
    if whole % 1000 == 0 and whole >= 10_000:
        forms += [f"{whole / 10_000:g}w", f"{whole / 10_000:g}万"] * 2
    return rng.choice(forms)


def _spoken(whole: int) -> str:
    """三千五百 is said 三千五, and 两百 more often than 二百."""
    said: str = cn2an.an2cn(whole)
    for unit, below in (("千", "百"), ("百", "十")):
        if said.endswith(below) and unit in said and "零" not in said:
            said = said.removesuffix(below)
            break
    return ("两" + said[1:]) if said[:2] in ("二百", "二千", "二万") else said


def _digits(number: int) -> str:
    return "".join("零一二三四五六七八九"[int(d)] for d in str(number))
