"""Ten tools of different kinds, as plugin authors write them; some without any example."""

from __future__ import annotations

from typing import Any

from assistant.messages import ToolSchema


def schema(
    name: str,
    description: str,
    parameters: dict[str, dict[str, Any]],
    required: tuple[str, ...] = (),
    examples: tuple[str, ...] = (),
) -> ToolSchema:
    whole = {"type": "object", "properties": parameters, "required": list(required)}
    return ToolSchema(name, description, whole, examples)


def text(description: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


WEB_SEARCH = schema(
    "web_search",
    "Searches the web for facts, people, places, news and anything else that is not known.",
    {
        "query": text("What to search for, such as 'history of the silk road'"),
        "max_results": {"type": "integer", "default": 5, "description": "How many, 1 to 20"},
    },
    ("query",),
    (
        "search the web for cheap flights to lisbon",
        "search for the history of the silk road",
        "look up the population of norway",
        "give me a brief introduction to the eiffel tower",
        "tell me about marie curie",
        "who invented the telephone",
        "who is the president of france",
        "what is photosynthesis",
        "find out how tall mount everest is",
        "搜索一下人工智能的最新消息",
        "帮我查一下长城的历史",
        "介绍一下故宫",
    ),
)
DATE_TIME = schema(
    "date_time",
    "Tells the current time, date and day of the week in a place, or between two places.",
    {
        "location_or_timezone": text(
            "City, country or IANA time zone, such as 'Tokyo' or 'Europe/Berlin'", default=""
        ),
        "compared_to": text("A second place, to get the time difference", default=""),
    },
    (),
    (
        "what time is it",
        "what time is it in tokyo",
        "what's the time in new york",
        "what day is it today",
        "what is the date today",
        "what is the time difference between berlin and tokyo",
        "现在几点了",
        "东京现在几点",
        "今天星期几",
    ),
)
WEATHER = schema(
    "weather",
    "Tells the weather in a place: temperature, rain, snow and wind, now or in the next days.",
    {
        "location": text("City or place, such as 'Berlin' or 'Paris, Texas'"),
        "day": text("now, today, tomorrow, a weekday, in 3 days or a date", default="now"),
        "units": {"enum": ["auto", "metric", "imperial", "celsius", "fahrenheit"]},
    },
    ("location",),
    (
        "what's the weather in berlin",
        "what is the weather like in san francisco right now",
        "will it rain in paris tomorrow",
        "weather forecast for new york on friday",
        "how cold will it be in oslo this weekend",
        "temperature in chicago in fahrenheit",
        "北京今天天气怎么样",
        "上海明天会下雨吗",
    ),
)
AUDIO_SEARCH = schema(
    "audio_search",
    "Finds a voice in the voice library and speaks in it from now on.",
    {
        "description": text("What the voice should be like, such as 'deep slow male voice'"),
        "language": text("Language of the voice, if it matters", default=""),
    },
    ("description",),
    (
        "speak in a deep male voice",
        "please talk like a young woman",
        "use a slower voice",
        "go back to the normal voice",
        "用低沉的男声说话",
    ),
)
TRANSLATE = schema(
    "translate",
    "Translates a text into another language.",
    {"text": text("The text"), "target_language": text("Language to translate into")},
    ("text", "target_language"),
    ("translate good night into german", "how do you say thank you in spanish"),
)
SET_TIMER = schema(
    "set_timer",
    "Sets a countdown timer.",
    {
        "minutes": {"type": "number", "description": "Length in minutes"},
        "label": text("What it is for", default=""),
    },
    ("minutes",),
    ("set a timer for five minutes", "start a 10 minute timer"),
)
LIGHTS = schema(
    "lights",
    "Turns the lights of a room on or off.",
    {
        "room": {"enum": ["kitchen", "bedroom", "living_room"]},
        "on": {"type": "boolean", "description": "True to turn on"},
    },
    ("room", "on"),
    ("turn on the lights in the kitchen", "switch off the bedroom light"),
)
SEND_MESSAGE = schema(
    "send_message",
    "Sends a text message to a person.",
    {"recipient": text("Who gets it"), "message": text("What to say")},
    ("recipient", "message"),
    ("send a message to bob saying hello there", "text anna that i will be late"),
)
ROLL_DICE = schema("roll_dice", "Rolls a dice.", {"sides": {"type": "integer", "default": 6}})
ORDER_STATUS = schema(
    "order_status",
    "Looks up the status of an order.",
    {"order_number": {"type": "integer"}},
    ("order_number",),
)

TOOLS = (
    WEB_SEARCH, DATE_TIME, WEATHER, AUDIO_SEARCH, TRANSLATE, SET_TIMER, LIGHTS, SEND_MESSAGE,
    ROLL_DICE, ORDER_STATUS,
)  # fmt: skip
