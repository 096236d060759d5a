"""What the engine says of its own accord, in the languages it has it in; English else."""

from __future__ import annotations

import re

LEAD_IN, NOT_HEARD, UNCLEAR, NO_TOOL, NO_TOOLS, ASK, CAN_DO, FAILED, TIMEOUT, DONE = (
    "lead_in", "not_heard", "unclear", "no_tool", "no_tools", "ask", "can_do", "failed", "timeout",
    "done",
)  # fmt: skip

_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        LEAD_IN: ("Let me check.", "One moment.", "I'll look into it.", "Just a second."),
        NOT_HEARD: ("I didn't catch that. Could you say it again?",),
        UNCLEAR: (
            "I couldn't make out what you said. This small engine hears only clear English; you can"
            " also type your question in any language.",
        ),
        NO_TOOL: ("I have no tool for that.",),
        NO_TOOLS: ("I have no tools that I could use for that now.",),
        ASK: ("Which {}, please?",),
        CAN_DO: ("I can help with {}.", 'For example, say: "{}"'),
        FAILED: ("That didn't work.",),
        TIMEOUT: ("That took too long.",),
        DONE: ("Done.",),
        "hello": ("Hello! What can I do for you?",),
        "how_are_you": ("I'm fine, thank you. What can I do for you?",),
        "thanks": ("You're welcome.",),
        "bye": ("Goodbye.",),
        "who": (
            "I am a voice assistant. What answers you here is the built-in engine, made for trying"
            " things out: it calls tools, and knows nothing by itself.",
        ),
    },
    "zh": {
        LEAD_IN: ("我查一下。", "请稍等。", "我来看看。"),
        NOT_HEARD: ("我没听清楚，请再说一遍。",),
        UNCLEAR: ("我没听懂。这个小引擎只能听英语，您可以用文字输入任何语言的问题。",),
        NO_TOOL: ("我没有能做这件事的工具。",),
        NO_TOOLS: ("我现在没有可用的工具。",),
        ASK: ("请告诉我：{}是什么？",),
        CAN_DO: ("我可以帮您：{}。", "例如，您可以说：{}"),
        FAILED: ("没有成功。",),
        TIMEOUT: ("等待的时间太长了。",),
        DONE: ("好了。",),
        "hello": ("您好！有什么可以帮您？",),
        "how_are_you": ("我很好，谢谢。有什么可以帮您？",),
        "thanks": ("不客气。",),
        "bye": ("再见。",),
        "who": ("我是语音助手。这里回答您的是内置的试用引擎，它会调用工具，本身没有知识。",),
    },
    "de": {
        LEAD_IN: ("Ich sehe nach.", "Einen Moment.", "Ich schaue kurz nach."),
        NOT_HEARD: ("Das habe ich nicht verstanden. Sag es bitte noch einmal.",),
        UNCLEAR: (
            "Ich konnte das nicht verstehen. Diese kleine Engine hört nur deutliches Englisch;"
            " schreiben kannst du in jeder Sprache.",
        ),
        NO_TOOL: ("Dafür habe ich kein Werkzeug.",),
        NO_TOOLS: ("Ich habe gerade kein Werkzeug, das dafür taugt.",),
        ASK: ("Mir fehlt noch eine Angabe: {}?",),
        CAN_DO: ("Ich kann helfen mit: {}.", "Sag zum Beispiel: {}"),
        FAILED: ("Das hat nicht geklappt.",),
        TIMEOUT: ("Das hat zu lange gedauert.",),
        DONE: ("Erledigt.",),
        "hello": ("Hallo! Was kann ich für dich tun?",),
        "how_are_you": ("Mir geht es gut, danke. Was kann ich für dich tun?",),
        "thanks": ("Gern geschehen.",),
        "bye": ("Auf Wiedersehen.",),
        "who": (
            "Ich bin ein Sprachassistent. Hier antwortet die eingebaute Engine zum Ausprobieren:"
            " sie ruft Werkzeuge auf und weiß selbst nichts.",
        ),
    },
    "fr": {
        LEAD_IN: ("Je regarde.", "Un instant.", "Je vérifie."),
        NOT_HEARD: ("Je n'ai pas compris. Pouvez-vous répéter ?",),
        UNCLEAR: (
            "Je n'ai pas compris. Ce petit moteur n'entend que l'anglais ; vous pouvez écrire dans"
            " toutes les langues.",
        ),
        NO_TOOL: ("Je n'ai pas d'outil pour cela.",),
        NO_TOOLS: ("Je n'ai pas d'outil utilisable pour le moment.",),
        ASK: ("Il me manque une précision : {} ?",),
        CAN_DO: ("Je peux vous aider avec : {}.", "Dites par exemple : {}"),
        FAILED: ("Cela n'a pas marché.",),
        TIMEOUT: ("Cela a pris trop de temps.",),
        DONE: ("C'est fait.",),
        "hello": ("Bonjour ! Que puis-je faire pour vous ?",),
        "how_are_you": ("Je vais bien, merci. Que puis-je faire pour vous ?",),
        "thanks": ("De rien.",),
        "bye": ("Au revoir.",),
        "who": (
            "Je suis un assistant vocal. C'est le moteur d'essai intégré qui vous répond : il"
            " appelle des outils et ne sait rien par lui-même.",
        ),
    },
    "es": {
        LEAD_IN: ("Voy a mirar.", "Un momento.", "Lo compruebo."),
        NOT_HEARD: ("No te he entendido. ¿Puedes repetirlo?",),
        UNCLEAR: (
            "No te he entendido. Este pequeño motor solo oye inglés; puedes escribir en cualquier"
            " idioma.",
        ),
        NO_TOOL: ("No tengo ninguna herramienta para eso.",),
        NO_TOOLS: ("Ahora no tengo herramientas que pueda usar.",),
        ASK: ("Me falta un dato: ¿{}?",),
        CAN_DO: ("Puedo ayudarte con: {}.", "Di, por ejemplo: {}"),
        FAILED: ("No ha funcionado.",),
        TIMEOUT: ("Ha tardado demasiado.",),
        DONE: ("Hecho.",),
        "hello": ("¡Hola! ¿Qué puedo hacer por ti?",),
        "how_are_you": ("Estoy bien, gracias. ¿Qué puedo hacer por ti?",),
        "thanks": ("De nada.",),
        "bye": ("Adiós.",),
        "who": (
            "Soy un asistente de voz. Aquí responde el motor de prueba incluido: llama a"
            " herramientas y no sabe nada por sí mismo.",
        ),
    },
}

_SMALL_TALK = {
    "hello": "hello|hi|hey|good (?:morning|afternoon|evening)|hello there|hi there|你好|您好|hallo|guten"
    " (?:morgen|tag|abend)|bonjour|salut|hola|buenos días|buenas tardes",
    "how_are_you": "(?:hello |hi )?how are you(?: doing)?(?: today)?|how do you do|how is it going|你好吗"
    "|wie geht es (?:dir|ihnen)|wie geht s|comment (?:ça va|allez vous)|ça va|cómo estás|qué tal",
    "thanks": "(?:many )?thanks(?: a lot)?|thank you(?: very much| so much)?|谢谢(?:你|您)?|danke(?: schön)?"
    "|vielen dank|merci(?: beaucoup)?|(?:muchas )?gracias",
    "bye": "(?:good ?)?bye(?: bye)?|see you(?: later| soon)?|good night|再见|tschüss|auf wiedersehen"
    "|au revoir|adiós|hasta luego",
    "who": "who are you|what are you|what is your name|你是谁|你叫什么(?:名字)?|wer bist du|wie heißt du"
    "|qui es tu|qui êtes vous|quién eres",
    "can_do": "help|help me|what can you (?:do|help me with)(?: for me)?|how can you help me|what do you do"
    "|你(?:会|能)(?:做|干)?什么|was kannst du(?: tun)?|que peux tu faire|que sais tu faire|qué puedes hacer",
}
_SMALL_TALK_FORMS = {topic: re.compile(forms) for topic, forms in _SMALL_TALK.items()}
_NOT_WORDS = re.compile(r"[^\w]+|_")


def phrases(name: str, language: str) -> tuple[str, ...]:
    """The sentences of that name in the language; in English where there are none."""
    table = _PHRASES.get(language.lower().partition("-")[0], _PHRASES["en"])
    return table[name]


def phrase(name: str, language: str, *values: str, index: int = 0) -> str:
    return phrases(name, language)[index].format(*values)


def lead_in(language: str, previous: str) -> str:
    """A short sentence to say while a tool runs; never the previous one again."""
    options = phrases(LEAD_IN, language)
    after = options.index(previous) + 1 if previous in options else 0
    return options[after % len(options)]


def small_talk(text: str) -> str:
    """The topic where the whole text is a greeting, thanks and the like; empty else."""
    said = _NOT_WORDS.sub(" ", text.lower().replace("'s ", " is ")).strip()
    topics = _SMALL_TALK_FORMS.items()
    return next((topic for topic, form in topics if form.fullmatch(said)), "")
