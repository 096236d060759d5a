"""Judges by its last characters whether a Chinese sentence may be complete."""

from __future__ import annotations

import re

_NOT_SAID = re.compile(r"[^\u3400-\u9fffA-Za-z0-9]+")

_WHOLE = re.compile(
    "[好是对行]的?|可以的?|不要?|不[用是对]|没有|没事|有|要|会|能|谢谢|喂|为什么|怎么样|怎么办|当然|哦|啊"
)
"""ResponseRunner that are whole by themselves, though their last character hangs elsewhere."""

_PARTICLES = "吗呢吧呀啦么嘛哈嘞了"
"""A sentence may end with them, and mostly does."""

_QUESTIONS = re.compile(
    r"(?:为什么|怎么样|怎么办|怎么说|什么时候|好不好|行不行|可不可以|对不对|可以|怎么|.什么)$"
)
_OF_QUESTION = re.compile(r"(?:是|怎么|谁|哪|什么时候|真|好|挺).*的$")
_LAST_CLAUSE = re.compile(r"(?:如果|要是|假如|虽然|只要|除非|当)[^就那则再会请帮但也都给]*$")
_DIGITS = re.compile(r"[零〇一二三四五六七八九幺两0-9]+$")
_COUNTED = re.compile(
    r"[一二两三四五六七八九十几0-9](?:个|首|张|部|本|条|份|家|位|只|件|次性|间|杯)$"
)
_COUNTED_WHOLE = re.compile(
    r"(?:第|下|上|哪|这|那|再来|换|任何|每|几|讲|来|有|买|要)一?[一-鿿]{1,2}$"
)
_PHONE_DIGITS = 11

_HANGING = re.compile(
    "(?:"
    # filled pauses, and what only begins a sentence
    r"嗯|呃|额|唔|(?:^|[，\s])(?:那个|这个|就是|然后|那么|其实|还有)|请问|然后|就是说|就是"
    # conjunctions
    r"|和|跟|与|或|或者|还是|以及|因为|所以|但是|可是|不过|如果|要是|虽然|而且|并且|比如|例如|的话"
    # prepositions, and 把 and 被
    r"|在|从|到|向|往|对|把|被|给|让|叫|比|为|为了|关于|按照|根据|由|以|于|用"
    # verbs that wait for another verb or an object
    r"|我想|我要|想要|想听|想知道|我觉得|你觉得|认为|希望|需要|打算|准备|(?:[我你他她要想]|张)去"
    r"|帮我|给我|告诉我|查一下|找一下|问一下|搜一下|请"
    r"|(?:^|请|帮我|给我|我想|我要|能|可以|你|就)(?:查|找|订|买|设|设置|播放|打开|关闭|关掉|翻译|搜索)"
    r"|(?:^|请|能|你)提醒我"
    r"|能|能不能|会不会|是不是|要不要|有没有|应该|必须|正在|已经|我会|我可以|你可以"
    # adverbs, and what comes before a noun
    r"|不|没|很|非常|太|更|最|比较|特别|有点|都|也|再|又|是|叫做|叫|这|那|每|某|第|几|百分之|的|得|地"
    r")$"
)
_OBJECT_FIRST = re.compile(r"(?:^|我|帮|请)把[^把]{1,4}$")
_WHEN = re.compile(r"的时候$|之前$|以前$|之后$|以后$")


def is_complete_chinese(text: str) -> bool | None:
    """True: it may end here; False: it hangs; None: nothing was said."""
    said = _NOT_SAID.sub("", text)
    if not said:
        return None
    if _WHOLE.fullmatch(said) or said[-1] in _PARTICLES or _QUESTIONS.search(said):
        return not _LAST_CLAUSE.match(said)
    if _OF_QUESTION.search(said):
        return True
    if _HANGING.search(said) or _OBJECT_FIRST.search(said) or _LAST_CLAUSE.search(said):
        return False
    return not (_is_dictated(said) or _lacks_noun(said) or _is_time_clause(said))


def _is_dictated(said: str) -> bool:
    """Digits, one by one, and fewer than a telephone number has."""
    digits = _DIGITS.search(said)
    if digits is None:
        return False
    count = len(digits.group())
    return 2 <= count < _PHONE_DIGITS or (count == 1 and "号" in said)


def _lacks_noun(said: str) -> bool:
    """`一首`, `两张`: how many, but not of what."""
    return bool(_COUNTED.search(said)) and not _COUNTED_WHOLE.search(said)


def _is_time_clause(said: str) -> bool:
    return bool(_WHEN.search(said)) and "什么时候" not in said and len(said) > 3
