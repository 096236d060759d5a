"""Lead-in phrases by language, which are said while a tool runs.

The embedded engine says one before its calls; a live conversation says one if the model has not,
and the tool is slow. Each takes about one second, promises nothing, and fits any tool.
"""

from __future__ import annotations

_LEAD_INS: dict[str, tuple[str, ...]] = {
    "en": ("Let me check.", "One moment.", "I'll look into it.", "Just a second.", "Let me see."),
    "zh": ("我查一下。", "请稍等。", "我来看看。", "稍等一下。"),
    "de": ("Ich sehe nach.", "Einen Moment.", "Ich schaue kurz nach.", "Mal sehen."),
    "fr": ("Je regarde.", "Un instant.", "Je vérifie.", "Voyons voir."),
    "es": ("Voy a mirar.", "Un momento.", "Lo compruebo.", "A ver."),
    # Without kanji: espeak-ng can't read them.
    "ja": (
        "おしらべします。",
        "すこしおまちください。",
        "かくにんしますね。",
        "いま、みてみます。",
    ),
    "ko": ("확인해 볼게요.", "잠시만요.", "찾아볼게요.", "어디 볼까요."),
    "pt": ("Vou ver.", "Um momento.", "Deixe-me verificar.", "Só um instante."),
    "it": ("Controllo subito.", "Un momento.", "Vediamo un po'.", "Do un'occhiata."),
    "ru": ("Сейчас посмотрю.", "Одну минуту.", "Сейчас проверю.", "Секунду."),
    "nl": ("Ik kijk het na.", "Een moment.", "Even kijken.", "Ik zoek het op."),
    "pl": ("Już sprawdzam.", "Chwileczkę.", "Zaraz zobaczę."),
    "tr": ("Hemen bakıyorum.", "Bir saniye.", "Kontrol edeyim."),
}


def lead_ins(language: str) -> tuple[str, ...]:
    """Returns three or more phrases of that language (BCP 47), or of English if there are none."""
    return _LEAD_INS.get(language.lower().partition("-")[0], _LEAD_INS["en"])
