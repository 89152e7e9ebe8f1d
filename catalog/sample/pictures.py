"""Draws the sample shop's pictures: one silhouette per kind of product, in its own colours, pattern and scene.

Each shape is SVG on a 200 x 200 canvas; `{c}` is the product's colour, patterned, `{d}` a darker and `{l}` a
lighter shade of it, `{a}` an accent that varies from product to product. Pattern, scene, size and tilt follow from
the product's id, the pattern from a feature that names one, so that products of one kind and colour differ as those of
a shop do.
"""

import colorsys
import hashlib
from html import escape
from pathlib import Path

from catalog.pictures import Picture, PictureError, read_picture
from catalog.types import Product

HUES = {
    "black": "#2b2d33", "white": "#f4f2ee", "grey": "#9aa0a6", "red": "#d63a36", "blue": "#2f6fd0",
    "green": "#2f9e5b", "yellow": "#f0c02e", "orange": "#ef8230", "purple": "#7f52b8", "navy": "#22355f",
    "beige": "#ddc9a3", "brown": "#80573a", "olive": "#6e7440", "burgundy": "#7c2439", "pink": "#f09cb5",
    "mint": "#9adfc4", "coral": "#f4776a", "silver": "#c9ced6", "teal": "#2a9d9a",
}  # fmt: skip
_OWN = {  # colours of what has none to choose
    "tea": "#5d8a4a", "coffee": "#5b3a26", "nuts": "#b9824b", "chocolate": "#4d2c1d", "honey": "#e3a32c",
    "fruit-box": "#e2574c", "noodles": "#e8b64c", "hotpot": "#c8322b", "sushi": "#ef8a6a", "vegetarian": "#67a84f",
    "sichuan": "#b3262a", "city-hotel": "#57779e", "resort": "#35a7c9", "homestay": "#a9714b",
    "hiking-tour": "#4d8a5e", "ski-trip": "#7db4dc", "city-tour": "#8b79b5", "knife-set": "#8d959e",
}  # fmt: skip
_LOW_SHOE = (
    '<path d="M25 122 Q28 96 48 92 Q70 112 98 86 Q118 108 160 114 Q182 118 180 138 L26 138 Z" fill="{c}"/>'
    '<path d="M22 138 H182 Q184 152 172 152 H32 Q20 152 22 138Z" fill="#fff" stroke="{d}" stroke-width="3"/>'
)
_TOP = "M62 50 L84 42 Q100 56 116 42 L138 50 L172 86 L150 104 L140 94 V164 H60 V94 L50 104 L28 86 Z"
_LONG_TOP = (
    "M66 44 L86 38 Q100 50 114 38 L134 44 L160 64 L170 150 L148 154 L140 96 V168 H60 V96 L52 154 L30 150 L40 64 Z"
)
_BOX = '<rect x="42" y="62" width="116" height="98" rx="8" fill="{c}"/><rect x="42" y="62" width="116" height="22" rx="8" fill="{d}"/>'
_PLATE = '<ellipse cx="100" cy="128" rx="80" ry="34" fill="#fff" stroke="#ccc" stroke-width="3"/><ellipse cx="100" cy="124" rx="58" ry="22" fill="#f0ece4"/>'
_LANDSCAPE = (
    '<rect x="20" y="36" width="160" height="128" rx="12" fill="{l}"/><circle cx="146" cy="68" r="16" fill="#ffd56b"/>'
)
SHAPES = {
    "running-shoes": _LOW_SHOE + '<path d="M58 112 L82 132 M76 106 L98 132 M98 102 L116 130" stroke="{a}" stroke-width="6" fill="none"/><path d="M134 112 Q150 126 178 128" stroke="{l}" stroke-width="5" fill="none"/>',
    "sneakers": _LOW_SHOE + '<path d="M56 106 H92 M60 114 H98 M66 122 H106" stroke="#fff" stroke-width="4"/><circle cx="44" cy="116" r="8" fill="{a}"/>',
    "hiking-boots": '<path d="M44 46 H96 L100 96 Q128 104 160 110 Q180 116 178 138 H40 Z" fill="{c}"/><path d="M36 138 H182 L178 156 L166 150 L154 156 L142 150 L130 156 L118 150 L106 156 L94 150 L82 156 L70 150 L58 156 L38 152Z" fill="{d}"/><path d="M70 60 H94 M70 74 H96 M72 88 H98" stroke="{a}" stroke-width="6"/>',
    "dress-shoes": '<path d="M26 124 Q26 90 46 84 Q68 104 100 90 Q130 112 164 118 Q184 124 178 140 H26 Z" fill="{c}"/><path d="M24 140 H180 V150 H60 V156 H24Z" fill="{d}"/><path d="M118 104 Q128 118 124 138" stroke="{d}" stroke-width="4" fill="none"/>',
    "sandals": '<path d="M24 138 Q60 118 110 132 Q160 140 178 132 Q186 150 170 154 H40 Q22 154 24 138Z" fill="{d}"/><path d="M112 132 Q124 92 158 134" stroke="{c}" stroke-width="14" fill="none"/><path d="M44 134 Q50 92 88 132" stroke="{c}" stroke-width="12" fill="none"/>',
    "t-shirt": f'<path d="{_TOP}" fill="{{c}}" stroke="{{d}}" stroke-width="3"/><circle cx="100" cy="104" r="15" fill="{{a}}"/>',
    "shirt": f'<path d="{_LONG_TOP}" fill="{{c}}" stroke="{{d}}" stroke-width="3"/><path d="M100 50 V168" stroke="{{d}}" stroke-width="3"/><path d="M86 38 L100 58 L114 38" fill="none" stroke="{{d}}" stroke-width="5"/><g fill="{{a}}"><circle cx="106" cy="80" r="3"/><circle cx="106" cy="104" r="3"/><circle cx="106" cy="128" r="3"/></g>',
    "sweater": f'<path d="{_LONG_TOP}" fill="{{c}}" stroke="{{d}}" stroke-width="3"/><path d="M82 36 Q100 50 118 36" stroke="{{d}}" stroke-width="9" fill="none"/><path d="M62 92 l9 9 9-9 9 9 9-9 9 9 9-9 9 9 9-9 M62 116 H138 M60 160 H140" stroke="{{a}}" stroke-width="5" fill="none"/>',
    "rain-jacket": f'<path d="M76 44 Q100 8 124 44 L112 56 H88Z" fill="{{d}}"/><path d="{_LONG_TOP}" fill="{{c}}"/><path d="M100 52 V168" stroke="{{a}}" stroke-width="5"/><path d="M68 124 h22 M110 124 h22" stroke="{{d}}" stroke-width="6"/>',
    "down-jacket": f'<path d="{_LONG_TOP}" fill="{{c}}"/><path d="M46 76 Q100 90 154 76 M58 98 Q100 110 142 98 M60 122 Q100 134 140 122 M60 146 Q100 158 140 146" stroke="{{d}}" stroke-width="5" fill="none"/><path d="M82 38 Q100 52 118 38" stroke="{{a}}" stroke-width="10" fill="none"/>',
    "coat": '<path d="M68 34 L100 48 L132 34 L160 56 L168 140 L148 144 L142 88 L150 180 H50 L58 88 L52 144 L32 140 L40 56 Z" fill="{c}"/><path d="M100 48 L84 84 L100 104 L116 84Z" fill="{d}"/><path d="M100 104 V180" stroke="{d}" stroke-width="3"/><g fill="{a}"><circle cx="90" cy="120" r="4"/><circle cx="110" cy="120" r="4"/><circle cx="90" cy="142" r="4"/><circle cx="110" cy="142" r="4"/></g>',
    "trousers": '<path d="M64 30 H136 L148 176 H112 L100 78 L88 176 H52 Z" fill="{c}"/><path d="M64 30 H136 L137 44 H63Z" fill="{d}"/><path d="M78 46 L72 172 M122 46 L128 172" stroke="{d}" stroke-width="2"/>',
    "jeans": '<path d="M64 30 H136 L146 176 H112 L100 78 L88 176 H54 Z" fill="{c}"/><path d="M64 42 H136" stroke="{a}" stroke-width="3" stroke-dasharray="6 4"/><path d="M68 48 Q84 62 88 46 M132 48 Q116 62 112 46" stroke="{a}" stroke-width="3" fill="none"/><path d="M54 166 H88 M112 166 H146" stroke="{l}" stroke-width="7"/>',
    "dress": '<path d="M80 28 Q100 46 120 28 L130 62 L118 92 L160 172 Q100 188 40 172 L82 92 L70 62 Z" fill="{c}"/><path d="M82 92 H118" stroke="{a}" stroke-width="8"/><path d="M64 140 Q100 154 136 140" stroke="{l}" stroke-width="4" fill="none"/>',
    "skirt": '<path d="M72 48 H128 L166 164 Q100 182 34 164 Z" fill="{c}"/><path d="M72 48 H128 V60 H70Z" fill="{d}"/><path d="M84 62 L64 170 M100 62 V174 M116 62 L136 170" stroke="{d}" stroke-width="3"/>',
    "scarf": '<path d="M58 42 Q100 86 142 42 L152 62 Q100 112 48 62Z" fill="{c}"/><path d="M108 78 L140 74 L150 168 H118Z" fill="{c}"/><path d="M72 82 L100 88 L92 150 H64Z" fill="{d}"/><path d="M113 110 h30 M116 134 h30 M69 108 h27 M66 130 h27" stroke="{a}" stroke-width="6"/><path d="M120 168 v10 M130 168 v10 M140 168 v10 M70 150 v10 M80 150 v10 M90 150 v10" stroke="{d}" stroke-width="4"/>',
    "hat": '<ellipse cx="100" cy="136" rx="84" ry="20" fill="{c}"/><path d="M52 132 Q54 62 100 62 Q146 62 148 132 Q100 148 52 132Z" fill="{c}"/><path d="M51 124 Q100 142 149 124 L149 110 Q100 128 52 110Z" fill="{a}"/>',
    "backpack": '<path d="M78 46 Q78 22 100 22 Q122 22 122 46" fill="none" stroke="{d}" stroke-width="9"/><rect x="48" y="40" width="104" height="132" rx="28" fill="{c}"/><rect x="60" y="104" width="80" height="56" rx="12" fill="{d}"/><path d="M66 122 H134" stroke="{a}" stroke-width="5"/><path d="M62 74 H138" stroke="{l}" stroke-width="5"/>',
    "phone": '<rect x="60" y="22" width="80" height="156" rx="16" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="68" y="36" width="64" height="124" rx="6" fill="{a}"/><circle cx="100" cy="168" r="4" fill="{l}"/><path d="M76 140 L124 140" stroke="#fff" stroke-width="4" opacity=".8"/>',
    "laptop": '<rect x="44" y="46" width="112" height="78" rx="8" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="52" y="54" width="96" height="62" fill="{a}"/><path d="M28 128 H172 L182 148 H18Z" fill="{c}" stroke="{d}" stroke-width="4"/>',
    "tablet": '<rect x="42" y="28" width="116" height="146" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="54" y="42" width="92" height="118" fill="{a}"/><path d="M70 130 Q90 80 130 70" stroke="#fff" stroke-width="5" fill="none"/>',
    "headphones": '<path d="M44 124 V100 A56 56 0 0 1 156 100 V124" fill="none" stroke="{c}" stroke-width="14"/><rect x="32" y="108" width="34" height="56" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="134" y="108" width="34" height="56" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="58" y="116" width="10" height="40" rx="5" fill="{a}"/><rect x="132" y="116" width="10" height="40" rx="5" fill="{a}"/>',
    "earbuds": '<rect x="44" y="98" width="112" height="70" rx="28" fill="{c}" stroke="{d}" stroke-width="4"/><circle cx="76" cy="76" r="20" fill="{c}" stroke="{d}" stroke-width="4"/><circle cx="124" cy="76" r="20" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="70" y="84" width="11" height="42" rx="5" fill="{d}"/><rect x="119" y="84" width="11" height="42" rx="5" fill="{d}"/><circle cx="100" cy="144" r="5" fill="{a}"/>',
    "speaker": '<rect x="56" y="26" width="88" height="150" rx="18" fill="{c}" stroke="{d}" stroke-width="4"/><circle cx="100" cy="68" r="20" fill="{d}"/><circle cx="100" cy="124" r="34" fill="{d}"/><circle cx="100" cy="124" r="16" fill="{a}"/><circle cx="100" cy="68" r="8" fill="{a}"/>',
    "smart-watch": '<path d="M76 20 H124 L130 64 H70Z M76 180 H124 L130 136 H70Z" fill="{d}"/><rect x="56" y="56" width="88" height="88" rx="22" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="66" y="66" width="68" height="68" rx="14" fill="#15181d"/><path d="M72 102 h14 l8-16 10 30 8-14 h14" stroke="{a}" stroke-width="5" fill="none"/>',
    "camera": '<rect x="28" y="64" width="144" height="92" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="74" y="46" width="52" height="24" rx="6" fill="{d}"/><circle cx="100" cy="110" r="36" fill="{d}"/><circle cx="100" cy="110" r="23" fill="{a}"/><circle cx="92" cy="101" r="7" fill="#fff" opacity=".8"/><circle cx="152" cy="82" r="6" fill="{a}"/>',
    "power-bank": '<rect x="62" y="32" width="76" height="138" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M106 62 L82 108 H100 L94 142 L120 92 H102Z" fill="{a}"/><rect x="88" y="34" width="24" height="8" fill="{d}"/>',
    "keyboard": '<rect x="20" y="66" width="160" height="74" rx="10" fill="{c}" stroke="{d}" stroke-width="4"/><g fill="{l}" stroke="{d}"><rect x="30" y="76" width="20" height="14"/><rect x="54" y="76" width="20" height="14"/><rect x="78" y="76" width="20" height="14"/><rect x="102" y="76" width="20" height="14"/><rect x="126" y="76" width="20" height="14"/><rect x="150" y="76" width="20" height="14" fill="{a}"/><rect x="36" y="96" width="20" height="14"/><rect x="60" y="96" width="20" height="14"/><rect x="84" y="96" width="20" height="14"/><rect x="108" y="96" width="20" height="14"/><rect x="132" y="96" width="32" height="14"/><rect x="62" y="116" width="76" height="14"/></g>',
    "monitor": '<rect x="22" y="36" width="156" height="100" rx="8" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="32" y="46" width="136" height="80" fill="{a}"/><path d="M90 136 h20 v22 h26 v8 H64 v-8 h26Z" fill="{d}"/><path d="M32 112 L76 78 L104 100 L134 66 L168 96 V126 H32Z" fill="#fff" opacity=".35"/>',
    "robot-vacuum": '<ellipse cx="100" cy="118" rx="76" ry="44" fill="{d}"/><ellipse cx="100" cy="106" rx="76" ry="44" fill="{c}" stroke="{d}" stroke-width="3"/><ellipse cx="100" cy="94" rx="24" ry="12" fill="{d}"/><circle cx="100" cy="126" r="6" fill="{a}"/><path d="M30 128 l-12 14 M34 134 l-8 16" stroke="{d}" stroke-width="4"/>',
    "tea": '<rect x="60" y="52" width="80" height="116" rx="10" fill="{c}"/><rect x="56" y="38" width="88" height="24" rx="8" fill="{d}"/><rect x="70" y="84" width="60" height="56" rx="6" fill="#fbf6e6"/><path d="M100 132 Q78 112 100 92 Q122 112 100 132Z" fill="{a}"/>',
    "coffee": '<path d="M62 40 H138 L146 166 H54Z" fill="{c}"/><path d="M62 40 H138 L140 60 H60Z" fill="{d}"/><ellipse cx="100" cy="112" rx="26" ry="34" fill="{a}"/><path d="M104 80 Q88 104 104 116 Q114 128 98 144" stroke="{d}" stroke-width="5" fill="none"/>',
    "nuts": _BOX + '<g fill="{a}" stroke="{d}" stroke-width="2"><ellipse cx="74" cy="112" rx="15" ry="10"/><ellipse cx="106" cy="122" rx="15" ry="10"/><ellipse cx="130" cy="106" rx="14" ry="9"/><ellipse cx="86" cy="138" rx="14" ry="9"/><ellipse cx="122" cy="142" rx="14" ry="9"/></g>',
    "chocolate": '<rect x="46" y="52" width="108" height="104" rx="8" fill="{c}"/><path d="M82 52 V156 M118 52 V156 M46 87 H154 M46 121 H154" stroke="{d}" stroke-width="5"/><path d="M38 112 H162 V164 H38Z" fill="{a}"/><path d="M38 112 l10-8 10 8 10-8 10 8 10-8 10 8 10-8 10 8 10-8 10 8 10-8 14 8" fill="#eee"/>',
    "honey": '<path d="M62 66 H138 Q152 76 150 96 V148 Q150 166 132 166 H68 Q50 166 50 148 V96 Q48 76 62 66Z" fill="{c}"/><rect x="60" y="44" width="80" height="22" rx="6" fill="{d}"/><rect x="66" y="98" width="68" height="44" rx="6" fill="#fff5da"/><path d="M100 104 l14 8 v16 l-14 8 -14 -8 v-16Z" fill="{a}"/>',
    "fruit-box": '<circle cx="74" cy="84" r="26" fill="{c}"/><circle cx="124" cy="82" r="27" fill="{a}"/><circle cx="100" cy="66" r="22" fill="#f3b03c"/><path d="M100 46 q4-16 18-16" stroke="#4c8a3f" stroke-width="5" fill="none"/><path d="M30 96 H170 L158 164 H42Z" fill="#c79a63"/><path d="M34 116 H166 M38 138 H162" stroke="#a77b48" stroke-width="4"/>',
    "noodles": '<path d="M36 96 H164 Q160 162 118 168 H82 Q40 162 36 96Z" fill="{a}"/><path d="M46 96 q8-30 18 0 q8-34 18 0 q8-30 18 0 q8-34 18 0 q8-30 18 0 q8-26 16 0" stroke="{c}" stroke-width="8" fill="none"/><path d="M120 90 L170 30 M132 92 L182 40" stroke="#8a5a34" stroke-width="5"/>',
    "hotpot": '<path d="M28 88 H172 Q170 158 124 164 H76 Q30 158 28 88Z" fill="#5a5f66"/><ellipse cx="100" cy="88" rx="72" ry="22" fill="{c}"/><path d="M100 66 Q120 88 100 110" stroke="#3c4046" stroke-width="5" fill="none"/><path d="M102 67 A72 22 0 0 1 102 109Z" fill="#f2e2c0"/><circle cx="66" cy="86" r="8" fill="{a}"/><circle cx="84" cy="98" r="6" fill="#7cab4c"/><path d="M70 50 q-8-12 0-22 M100 46 q-8-12 0-22 M130 50 q-8-12 0-22" stroke="#bbb" stroke-width="5" fill="none"/>',
    "sushi": '<rect x="22" y="126" width="156" height="14" rx="4" fill="#8a5a34"/><path d="M36 140 v14 M164 140 v14" stroke="#8a5a34" stroke-width="10"/><g><rect x="34" y="98" width="38" height="28" rx="12" fill="#fff" stroke="#ddd"/><path d="M30 102 Q52 78 78 102Z" fill="{c}"/><rect x="82" y="98" width="38" height="28" rx="12" fill="#fff" stroke="#ddd"/><path d="M78 102 Q100 78 126 102Z" fill="{a}"/><rect x="130" y="88" width="36" height="38" rx="6" fill="#25352b"/><ellipse cx="148" cy="88" rx="18" ry="9" fill="#fff"/><circle cx="148" cy="88" r="5" fill="{c}"/></g>',
    "vegetarian": _PLATE + '<g fill="{c}"><ellipse cx="76" cy="112" rx="24" ry="12" transform="rotate(-24 76 112)"/><ellipse cx="122" cy="112" rx="24" ry="12" transform="rotate(24 122 112)"/></g><circle cx="100" cy="120" r="12" fill="#e2574c"/><circle cx="82" cy="126" r="7" fill="{a}"/><circle cx="122" cy="126" r="7" fill="#f0c02e"/>',
    "sichuan": _PLATE + '<path d="M60 120 Q100 84 140 120 Q100 142 60 120Z" fill="{c}"/><path d="M76 116 q14-10 26 2 M100 110 q16-6 24 8" stroke="{a}" stroke-width="6" fill="none"/><path d="M136 60 q22 6 16 30 q-16-4-16-30Z" fill="#e0342c"/><path d="M136 60 l-4-12" stroke="#3f7d36" stroke-width="5"/>',
    "city-hotel": _LANDSCAPE + '<rect x="58" y="54" width="84" height="110" fill="{c}"/><g fill="#ffe9a8"><rect x="68" y="66" width="14" height="14"/><rect x="93" y="66" width="14" height="14"/><rect x="118" y="66" width="14" height="14"/><rect x="68" y="90" width="14" height="14"/><rect x="93" y="90" width="14" height="14"/><rect x="118" y="90" width="14" height="14"/><rect x="68" y="114" width="14" height="14"/><rect x="118" y="114" width="14" height="14"/></g><rect x="88" y="132" width="24" height="32" fill="{a}"/>',
    "resort": _LANDSCAPE + '<path d="M20 122 q20-12 40 0 t40 0 t40 0 t40 0 V152 Q180 164 168 164 H32 Q20 164 20 152Z" fill="{c}"/><path d="M64 126 Q72 92 66 74" stroke="#8a5a34" stroke-width="8" fill="none"/><path d="M66 74 Q40 62 30 84 Q52 72 66 74 Q84 52 104 72 Q80 68 66 74 Q60 46 40 48 Q60 58 66 74" fill="#3f9a56"/><path d="M112 120 L150 86 L162 120Z" fill="{a}"/><path d="M150 86 L158 128" stroke="#777" stroke-width="4"/>',
    "homestay": _LANDSCAPE + '<path d="M44 106 L100 58 L156 106Z" fill="{d}"/><rect x="58" y="104" width="84" height="60" fill="{c}"/><rect x="90" y="124" width="22" height="40" fill="{d}"/><rect x="66" y="116" width="16" height="16" fill="#ffe9a8"/><rect x="120" y="116" width="16" height="16" fill="#ffe9a8"/><circle cx="40" cy="140" r="20" fill="{a}"/><rect x="37" y="150" width="6" height="14" fill="#8a5a34"/>',
    "suitcase": '<path d="M80 46 V24 H120 V46" fill="none" stroke="{d}" stroke-width="8"/><rect x="50" y="44" width="100" height="120" rx="14" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M74 52 V156 M100 52 V156 M126 52 V156" stroke="{d}" stroke-width="4"/><circle cx="68" cy="172" r="8" fill="#444"/><circle cx="132" cy="172" r="8" fill="#444"/><rect x="112" y="70" width="26" height="18" rx="3" fill="{a}"/>',
    "hiking-tour": _LANDSCAPE + '<path d="M20 164 L74 74 L112 130 L136 98 L180 164Z" fill="{c}"/><path d="M74 74 L60 98 L74 92 L88 98Z" fill="#fff"/><path d="M60 164 Q92 140 84 124 Q110 120 104 108" stroke="{a}" stroke-width="6" fill="none" stroke-dasharray="9 7"/>',
    "ski-trip": _LANDSCAPE + '<path d="M20 164 V110 L180 66 V152 Q180 164 168 164Z" fill="#fff"/><path d="M34 142 L150 112 M44 154 L160 124" stroke="{c}" stroke-width="5"/><circle cx="104" cy="76" r="10" fill="{d}"/><path d="M104 86 L92 108 L112 116 L100 132" stroke="{a}" stroke-width="10" fill="none"/><path d="M98 94 L72 100" stroke="{a}" stroke-width="7"/>',
    "city-tour": _LANDSCAPE + '<path d="M50 90 L100 60 L150 90Z" fill="{d}"/><rect x="48" y="90" width="104" height="10" fill="{c}"/><g fill="{c}"><rect x="56" y="102" width="12" height="44"/><rect x="80" y="102" width="12" height="44"/><rect x="108" y="102" width="12" height="44"/><rect x="132" y="102" width="12" height="44"/></g><rect x="44" y="146" width="112" height="12" fill="{d}"/><circle cx="100" cy="80" r="7" fill="{a}"/>',
    "sofa": '<rect x="36" y="62" width="128" height="62" rx="16" fill="{d}"/><rect x="20" y="92" width="32" height="58" rx="12" fill="{c}"/><rect x="148" y="92" width="32" height="58" rx="12" fill="{c}"/><rect x="44" y="106" width="112" height="44" rx="8" fill="{c}"/><path d="M100 108 V148" stroke="{d}" stroke-width="3"/><rect x="62" y="82" width="32" height="28" rx="5" fill="{a}" transform="rotate(-10 78 96)"/><path d="M40 150 v12 M160 150 v12" stroke="#6a4a33" stroke-width="8"/>',
    "desk": '<rect x="20" y="78" width="160" height="14" rx="4" fill="{c}"/><path d="M34 92 L28 168 M166 92 L172 168" stroke="{d}" stroke-width="9"/><rect x="112" y="92" width="46" height="42" fill="{c}" stroke="{d}" stroke-width="3"/><path d="M128 106 h14 M128 124 h14" stroke="{d}" stroke-width="4"/><rect x="52" y="48" width="48" height="30" rx="3" fill="{a}"/>',
    "chair": '<rect x="66" y="24" width="68" height="76" rx="16" fill="{c}" stroke="{d}" stroke-width="4"/><rect x="56" y="106" width="88" height="22" rx="10" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M100 128 V152 M60 170 L100 152 L140 170 M100 152 V172" stroke="#555" stroke-width="8" fill="none"/><path d="M52 90 V112 M148 90 V112" stroke="{d}" stroke-width="8"/><path d="M78 48 H122" stroke="{a}" stroke-width="6"/>',
    "lamp": '<ellipse cx="92" cy="166" rx="40" ry="10" fill="{d}"/><path d="M92 162 L70 104 L118 62" stroke="{d}" stroke-width="8" fill="none"/><path d="M100 40 L146 74 L122 100 L88 66Z" fill="{c}"/><path d="M122 100 L146 74 L178 132 L136 146Z" fill="#ffe9a0" opacity=".8"/><circle cx="70" cy="104" r="7" fill="{a}"/>',
    "mug": '<path d="M48 56 H132 V148 Q132 164 116 164 H64 Q48 164 48 148Z" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M132 78 Q168 78 166 108 Q164 138 132 136" fill="none" stroke="{c}" stroke-width="13"/><ellipse cx="90" cy="58" rx="42" ry="9" fill="{d}"/><path d="M62 112 q14-16 28 0 t28 0" stroke="{a}" stroke-width="7" fill="none"/><path d="M76 40 q-6-10 0-18 M100 40 q-6-10 0-18" stroke="#bbb" stroke-width="4" fill="none"/>',
    "pot": '<path d="M40 84 H160 V140 Q160 162 138 162 H62 Q40 162 40 140Z" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M40 100 H20 M160 100 H180" stroke="{d}" stroke-width="12"/><path d="M36 84 Q100 40 164 84Z" fill="{c}" stroke="{d}" stroke-width="4"/><circle cx="100" cy="52" r="10" fill="{a}"/>',
    "knife-set": '<path d="M48 84 L120 72 L148 160 L72 170Z" fill="#8a5a34"/><g fill="{c}" stroke="{d}" stroke-width="2"><path d="M58 82 l-10-44 14-3 8 44Z" fill="#333"/><path d="M78 79 l-8-46 14-3 6 46Z" fill="#333"/><path d="M98 76 l-6-46 14-2 4 46Z" fill="#333"/></g><path d="M156 40 L168 44 L164 132 L150 118Z" fill="{c}" stroke="{d}" stroke-width="2"/><rect x="153" y="18" width="16" height="28" rx="5" fill="{a}"/>',
    "bedding": '<rect x="24" y="54" width="152" height="46" rx="8" fill="{d}"/><rect x="22" y="98" width="156" height="52" rx="10" fill="{c}"/><rect x="38" y="72" width="54" height="30" rx="10" fill="#fff" stroke="#ddd"/><rect x="108" y="72" width="54" height="30" rx="10" fill="#fff" stroke="#ddd"/><path d="M22 118 Q100 102 178 118" stroke="{a}" stroke-width="8" fill="none"/><path d="M32 150 v16 M168 150 v16" stroke="#6a4a33" stroke-width="9"/>',
    "pillow": '<path d="M34 66 Q100 50 166 66 Q178 104 166 142 Q100 156 34 142 Q22 104 34 66Z" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M54 84 Q100 74 146 84 M54 126 Q100 136 146 126" stroke="{a}" stroke-width="4" fill="none" stroke-dasharray="7 5"/>',
    "towel": '<rect x="36" y="44" width="128" height="8" rx="4" fill="#999"/><path d="M58 48 H142 V160 H58Z" fill="{c}"/><path d="M58 128 H142 M58 140 H142" stroke="{a}" stroke-width="6"/><path d="M58 160 v10 M74 160 v10 M90 160 v10 M106 160 v10 M122 160 v10 M140 160 v10" stroke="{d}" stroke-width="3"/>',
    "rug": '<path d="M44 56 H156 L182 152 H18Z" fill="{c}"/><path d="M56 70 H144 L162 138 H38Z" fill="none" stroke="{a}" stroke-width="6"/><path d="M100 78 L132 104 L100 130 L68 104Z" fill="{d}"/><path d="M18 152 l-4 12 M50 152 l-2 12 M84 152 v12 M116 152 v12 M150 152 l2 12 M182 152 l4 12" stroke="{d}" stroke-width="4"/>',
    "vase": '<path d="M84 70 H116 Q112 88 130 104 Q150 132 122 168 H78 Q50 132 70 104 Q88 88 84 70Z" fill="{c}" stroke="{d}" stroke-width="4"/><path d="M64 126 Q100 140 136 126" stroke="{l}" stroke-width="6" fill="none"/><path d="M94 70 Q84 44 66 34 M104 70 Q110 40 128 26 M100 70 V24" stroke="#5c7a4a" stroke-width="4" fill="none"/><circle cx="66" cy="32" r="9" fill="{a}"/><circle cx="128" cy="26" r="9" fill="{a}"/><circle cx="100" cy="22" r="9" fill="{a}"/>',
}  # fmt: skip


# Patterns on a tile of 24 x 24, over the colour; `{p}` is a shade of it.
PATTERNS = {
    "plain": "",
    "stripes": '<path d="M0 6 H24 M0 18 H24" stroke="{p}" stroke-width="5"/>',
    "pinstripes": '<path d="M4 0 V24 M12 0 V24 M20 0 V24" stroke="{p}" stroke-width="1.5"/>',
    "checks": '<path d="M0 0 H12 V12 H0Z M12 12 H24 V24 H12Z" fill="{p}"/>',
    "dots": '<circle cx="6" cy="6" r="3.500" fill="{p}"/><circle cx="18" cy="18" r="3.500" fill="{p}"/>',
    "zigzag": '<path d="M0 8 L6 2 L12 8 L18 2 L24 8 M0 20 L6 14 L12 20 L18 14 L24 20" stroke="{p}" stroke-width="3" fill="none"/>',
    "flowers": '<g fill="{p}"><circle cx="12" cy="7" r="3"/><circle cx="12" cy="17" r="3"/><circle cx="7" cy="12" r="3"/><circle cx="17" cy="12" r="3"/></g><circle cx="12" cy="12" r="2" fill="{a}"/>',
    "weave": '<path d="M0 12 H24 M12 0 V24" stroke="{p}" stroke-width="7" opacity=".6"/>',
    "waves": '<path d="M0 6 Q6 0 12 6 T24 6 M0 18 Q6 12 12 18 T24 18" stroke="{p}" stroke-width="3" fill="none"/>',
    "triangles": '<path d="M2 20 L12 4 L22 20Z" fill="{p}"/>',
    "leaves": '<path d="M12 2 Q20 12 12 22 Q4 12 12 2Z" fill="{p}"/>',
    "rings": '<circle cx="12" cy="12" r="7" fill="none" stroke="{p}" stroke-width="3"/>',
}  # fmt: skip
_NAMED = {"striped": "stripes", "checked": "checks", "floral": "flowers", "printed": "leaves", "pleated": "pinstripes"}
# What stands behind a product: `{s}` is a second shade of its backdrop, `{a}` the accent. It reaches the edge.
SCENES = (
    "",
    '<rect y="128" width="200" height="72" fill="{s}"/>',
    '<circle cx="100" cy="100" r="112" fill="{s}"/>',
    '<path d="M0 0 H200 L0 200Z" fill="{s}"/>',
    '<path d="M0 50 H200 M0 150 H200 M50 0 V200 M150 0 V200" stroke="{s}" stroke-width="12"/>',
    '<path d="M0 0 H100 V200 H0Z" fill="{s}"/>',
    '<path d="M0 0 H66 V200 H0Z M134 0 H200 V200 H134Z" fill="{s}"/>',
    '<circle cx="0" cy="0" r="80" fill="{s}"/><circle cx="200" cy="200" r="80" fill="{s}"/>',
    '<path d="M0 40 Q50 10 100 40 T200 40 V0 H0Z M0 190 Q50 160 100 190 T200 190 V200 H0Z" fill="{s}"/>',
    '<rect width="200" height="28" fill="{a}" opacity=".5"/><rect y="172" width="200" height="28" fill="{s}"/>',
)
# What lies beside a product, in the lower left corner.
PROPS = (
    "",
    '<circle cx="30" cy="166" r="16" fill="{a}"/><path d="M14 166 H46" stroke="#fff" stroke-width="4"/>',
    '<path d="M12 184 V156 H44 V184Z" fill="{a}"/><path d="M28 156 V184 M12 168 H44" stroke="#fff" stroke-width="4"/>',
    '<path d="M28 142 L34 158 L50 158 L37 168 L42 184 L28 174 L14 184 L19 168 L6 158 L22 158Z" fill="{a}"/>',
    '<path d="M18 184 H38 L42 162 H14Z" fill="{a}"/><path d="M28 162 Q8 150 14 132 Q28 140 28 162 Q30 138 44 132 Q48 150 28 162" fill="#4c8a55"/>',
    '<path d="M6 184 L28 146 L50 184Z" fill="{a}"/><path d="M18 184 L28 166 L38 184Z" fill="#fff"/>',
    '<rect x="8" y="172" width="44" height="12" rx="3" fill="{a}"/><rect x="12" y="160" width="36" height="12" rx="3" fill="#fff" stroke="{a}" stroke-width="2"/>',
)
_TILTS = (-5, 0, 5)
_SIZES = (0.78, 0.9, 1.0)


def draw(product: Product) -> str:
    """The SVG of one sample product, labelled with its title."""
    kind = product.external_id.rpartition("-")[0]
    color = next(iter(product.values("color", "en")), "")
    base = HUES.get(color) or _OWN[kind]
    seed = hashlib.sha256(product.external_id.encode()).digest()
    accent = _accent(base, seed[0])
    shape = SHAPES[kind].format(c="url(#p)", d=_shade(base, -0.18), l=_shade(base, 0.35), a=accent)
    backdrop, second = _hsl(seed[1] / 255, 0.36, 0.87), _hsl(seed[1] / 255 + 0.06, 0.38, 0.74)
    side = "-1 1" if seed[2] % 2 else "1 1"
    placed = (
        f"translate(100 100) rotate({_TILTS[seed[3] % len(_TILTS)]}) scale({_SIZES[seed[4] % len(_SIZES)]}) "
        f"scale({side}) translate(-100 -100)"
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" role="img">'
        f"<title>{escape(product.text('en').title)}</title>"
        f"<defs>{_pattern(product, base, accent, seed)}</defs>"
        f'<rect width="200" height="200" fill="{backdrop}"/>'
        f"{SCENES[seed[5] % len(SCENES)].format(s=second, a=accent)}"
        '<ellipse cx="100" cy="176" rx="70" ry="9" fill="#000" opacity=".10"/>'
        f'<g transform="{placed}">{shape}</g>{PROPS[seed[9] % len(PROPS)].format(a=accent)}</svg>'
    )


def _pattern(product: Product, base: str, accent: str, seed: bytes) -> str:
    """What `url(#p)` paints with: the colour under a pattern, large or small, straight or at a slant."""
    named = next((_NAMED[f] for f in product.values("feature", "en") if f in _NAMED), "")
    names = sorted(PATTERNS)
    tile = PATTERNS[named or names[seed[6] % len(names)]].format(p=_over(base), a=accent)
    turned = f"rotate({(0, 45)[seed[7] % 2]}) scale({(0.7, 1.2)[seed[8] % 2]})"
    return (
        f'<pattern id="p" width="24" height="24" patternUnits="userSpaceOnUse" patternTransform="{turned}">'
        f'<rect width="24" height="24" fill="{base}"/>{tile}</pattern>'
    )


def write_pictures(products: list[Product], directory: Path) -> None:
    """One `images/<id>.svg` a product below `directory`."""
    (directory / "images").mkdir(parents=True, exist_ok=True)
    for product in products:
        (directory / product.image).write_text(draw(product), "utf-8")


def rasterised(drawing: str) -> Picture:
    """The drawing in pixels. Needs resvg, of `daogou[test]`."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise PictureError("drawings become pictures by resvg: pip install 'daogou[test]'") from error
    return read_picture(bytes(svg_to_bytes(svg_string=drawing)))


def _shade(color: str, by: float) -> str:
    """Lighter for `by` > 0, darker below."""
    h, light, s = colorsys.rgb_to_hls(*(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    return _hsl(h, s, min(0.97, max(0.06, light + by)))


def _over(base: str) -> str:
    """The shade of a pattern: lighter on what is dark, darker on what is light."""
    _, light, _ = colorsys.rgb_to_hls(*(int(base[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    return _shade(base, 0.13 if light < 0.55 else -0.13 if light < 0.85 else -0.07)


def _accent(base: str, seed: int) -> str:
    """A colour that stands out from `base`."""
    h, light, _ = colorsys.rgb_to_hls(*(int(base[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    return _hsl((h + 0.33 + seed / 255 * 0.34) % 1, 0.62, 0.72 if light < 0.5 else 0.45)


def _hsl(hue: float, saturation: float, lightness: float) -> str:
    return "#" + "".join(f"{round(c * 255):02x}" for c in colorsys.hls_to_rgb(hue, lightness, saturation))
