"""Classes of English words, as far as they tell whether a sentence may end with them."""

from __future__ import annotations


def _class(words: str) -> frozenset[str]:
    return frozenset(words.split())


FILLED_PAUSES = _class("um uh er erm eh hm hmm mm umm uhm")
BACKCHANNELS = _class("mm-hm mm-hmm uh-huh mhm m-hm")
MARKERS = _class("well so actually anyway basically also just like then look listen please oh wait")
"""Words that begin a sentence and are no sentence alone."""

DETERMINERS = _class(
    "a an the my your our their its his every several which whose another both either some"
)
DEMONSTRATIVES = _class("this that these those")
CONJUNCTIONS = _class("and or but because cause if unless although whether than nor whereas except")
DEGREES = _class("very quite rather extremely really slightly fairly too so as most only such")
ADJECTIVES = _class(
    "deep high low soft loud young old male female big small large new nice good bad great "
    "short long different quick slow brief single deeper higher lower softer louder younger "
    "older better bigger smaller newer shorter longer quicker slower faster warm warmer calm "
    "friendly cheap cheaper next last other certain particular specific robotic british "
    "american"
)
PREPOSITIONS = _class(
    "of at with from to for about by into onto in on between during against among per via until "
    "till through over under near towards toward behind above below without within across past "
    "upon since around like"
)
WH = _class("what who whom where when why how which whose")
TIMES = _class("time day date year month")
SUBJECTS = _class("i he she we they")
PRONOUNS = SUBJECTS | _class("it you this that there one someone something everyone")
BE = _class("am is are was were be been being isn't aren't wasn't weren't")
INVERTING = _class("do does did can could will would shall should may might must cannot")
HELPERS = INVERTING | _class("have has had")
"""Words that form a question with the subject behind them, so that its verb comes last."""

CONTRACTED = _class("'s 're 'm 'll 've 'd")
CONTRACTED_AFTER = WH | PRONOUNS | _class("here let")
ANSWERS = _class("yes yeah yep no nope sure sorry please of")
"""`yes i do`, `please don't`: with one of these a helper may stand at the end."""

DATIVE_VERBS = _class("tell give show send bring remind get find read buy teach let ask")
TRANSITIVE = DATIVE_VERBS | _class(
    "play set add cancel book order search convert translate open make put turn switch use want "
    "need wanna gonna gotta take write schedule create change say know think mean guess wonder "
    "wondering prefer believe hope explain describe choose select increase decrease transfer got "
    "request reserve purchase provide receive"
) - {"ask"}
"""Verbs that mean little without an object."""

NEEDS_SUBJECT = (
    SUBJECTS
    | MARKERS
    | CONJUNCTIONS
    | _class("you to please can could will would cannot let's wanna gonna yes no sure okay ok")
)
"""Words that stand before a verb; behind anything else the same word is a noun (`my order`)."""

OPINIONS = _class("think hope guess suppose say said believe told")
"""Words that form a complete reply with a final `so`."""
TELLING = _class(
    "idea know tell ask asked see wonder remember understand say said explain me us that's"
)
"""Words that form a complete sentence with a final `why` or `how`."""

STRANDING = _class(
    "came went comes goes lives works "
    "go come work live belong look talk speak listen wait pay ask need use used made called "
    "stand depend fly travel move born based located known famous good written stop deal begin "
    "start end open connect connected interested similar invited allowed supposed"
)
"""Verbs behind which a preposition may end a question, as in `what is it made of`."""

INTRANSITIVE = {
    "on": _class("go gone went going come move carry hold happening goes"),
    "in": _class("come log sign check move go"),
    "over": _class("start come"),
    "around": _class("turn look"),
    "through": _class("go gone went come"),
    "by": _class("go stand stop"),
}
"""`log in`: the sentence may end there."""
SEPARABLE = {
    "on": _class("turn switch put leave keep turned switched left"),
    "in": _class("hand bring let fill plug type"),
    "over": _class("read move hand"),
    "around": _class("show"),
    "through": _class("put"),
    "up": _class("turn look pick put bring wake make set"),
    "down": _class("turn write put take cut bring"),
    "off": _class("turn switch put take shut cut"),
    "out": _class("find figure check turn take point put"),
    "back": _class("call give put bring take send"),
    "away": _class("put take send throw"),
}
"""`turn the lights on`: with the object in between."""
PARTICLES = _class("on in over around through by up down off out back away")

DIGITS = _class("zero oh one two three four five six seven eight nine double triple")
NUMBERS = DIGITS | _class(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty "
    "thirty forty fifty sixty seventy eighty ninety hundred thousand million"
)
DICTATED = {"pin": 4, "code": 4, "zip": 5, "postcode": 5, "phone": 10, "card": 16, "number": 10}
"""Things that are spoken digit by digit, with their number of digits."""
DURATIONS = _class("timer remind snooze wait pause minutes")
OPERATORS = _class("plus minus point dot times")

SUBORDINATE = _class("if unless although while since once before after until when whenever")
KINDS = TIMES | _class("kind sort type color colour size")

WANTING = _class(
    "want wants wanted need like love going have had how able trying supposed used got wish plan"
    " ready about just not decided hoping i'd to"
)
"""Words that stand before `to` and a verb; behind others the verb has its object (`a card to use`).
"""
INCOMPLETE = _class("able unable trying supposed hoping planning looking")
ADVERBS = _class("just really also still always never usually probably already")
QUANTIFIERS = DETERMINERS | DEMONSTRATIVES | _class("any no many more")
WHOLES = _class("all everything anything something nothing")
OPENINGS = CONJUNCTIONS | _class("so well then yes no okay ok actually")
