"""What people say, and the calls that it asks for: (tool, arguments) in order; None: any value."""

from __future__ import annotations

from typing import Any

Calls = list[tuple[str, dict[str, Any]]]


def search(query: str) -> Calls:
    return [("web_search", {"query": query})]


def time(*places: str) -> Calls:
    names = ("location_or_timezone", "compared_to")
    return [("date_time", dict(zip(names, places, strict=False)))]


def weather(location: str, **more: str) -> Calls:
    return [("weather", {"location": location, **more})]


def voice(description: str) -> Calls:
    return [("audio_search", {"description": description})]


UTTERANCES: list[tuple[str, Calls]] = [
    # One request, as it is typed and as a recognizer writes it.
    ("what time is it", time()),
    ("What time is it in Tokyo?", time("Tokyo")),
    ("do you know what time it is in nairobi", time("nairobi")),
    ("could you please tell me the time in new york", time("new york")),
    ("what's the date today", time()),
    ("what is the time difference between london and los angeles", time("london", "los angeles")),
    ("what is the weather in Paris, Texas tomorrow?", weather("Paris, Texas", day="tomorrow")),
    ("is it going to rain in amsterdam on monday", weather("amsterdam", day="monday")),
    ("how's the weather in hong kong", weather("hong kong")),
    ("i would like to know the weather in madrid", weather("madrid")),
    ("how cold will it be in helsinki in three days", weather("helsinki", day="in three days")),
    ("temperature in boston in celsius", weather("boston", units="celsius")),
    ("weather for rio de janeiro this weekend", weather("rio de janeiro", day="this weekend")),
    ("speak in a deep male voice", voice("deep male")),
    ("please talk like an old man", voice("an old man")),
    ("go back to the normal voice", voice("normal")),
    ("use a higher voice please", voice("higher")),
    # Knowledge: only the first words match an example.
    ("give me a brief introduction to the great wall",
     search("brief introduction to the great wall")),
    ("who is albert einstein", search("who is albert einstein")),
    ("Who painted the Mona Lisa?", search("Who painted the Mona Lisa")),
    ("what is the capital of australia", search("what is the capital of australia")),
    ("tell me about the roman empire", search("the roman empire")),
    ("find out how old the pyramids are", search("how old the pyramids are")),
    ("look up the height of the matterhorn", search("height of the matterhorn")),
    ("when was the french revolution", search("when was the french revolution")),
    ("how far is the moon", search("how far is the moon")),
    ("search the web for how to cook rice and beans", search("how to cook rice and beans")),
    ("search for three results about cats",
     [("web_search", {"query": "cats", "max_results": 3})]),
    # Numbers, choices, two texts, and tools without examples.
    ("translate good morning into french",
     [("translate", {"text": "good morning", "target_language": "french"})]),
    ("how do you say where is the station in italian",
     [("translate", {"text": "where is the station", "target_language": "italian"})]),
    ("set a timer for twenty five minutes", [("set_timer", {"minutes": 25})]),
    ("start a 2.5 minute timer", [("set_timer", {"minutes": 2.5})]),
    ("turn on the lights in the living room", [("lights", {"room": "living_room", "on": True})]),
    ("please switch off the kitchen light", [("lights", {"room": "kitchen", "on": False})]),
    ("send a message to maria saying i will be there soon",
     [("send_message", {"recipient": "maria", "message": "i will be there soon"})]),
    ("roll a dice", [("roll_dice", {})]),
    ("can you roll a dice with twenty sides for me", [("roll_dice", {"sides": 20})]),
    ("what is the status of order 42", [("order_status", {"order_number": 42})]),
    ("what's the status of my order number one thousand and seven",
     [("order_status", {"order_number": 1007})]),
    ("order status of 7,301", [("order_status", {"order_number": 7301})]),
    # Several requests in one utterance, with and without marks.
    ("Please speak in a deep male voice. What time is it in Tokyo?",
     voice("deep male") + time("Tokyo")),
    ("please speak in a deep male voice what time is it in tokyo",
     voice("deep male") + time("tokyo")),
    ("what's the weather in berlin and what time is it in tokyo",
     weather("berlin") + time("tokyo")),
    ("roll a dice and then set a timer for three minutes",
     [("roll_dice", {}), ("set_timer", {"minutes": 3})]),
    ("set a timer for ten minutes and turn off the bedroom lights",
     [("set_timer", {"minutes": 10}), ("lights", {"room": "bedroom", "on": False})]),
    ("what time is it in paris what's the weather in rome and roll a dice",
     time("paris") + weather("rome") + [("roll_dice", {})]),
    # Chinese, by examples in Chinese.
    ("深圳明天天气怎么样", weather("深圳", day="明天")),
    ("巴黎现在几点", time("巴黎")),
    ("介绍一下兵马俑", search("兵马俑")),
    ("帮我查一下黄河的长度", search("黄河的长度")),
    ("广州今天会下雨吗？", weather("广州", day="今天")),
    ("用温柔的女声说话", voice("温柔的女声说话")),
    # A word misrecognized or misspelled.
    ("whats the wether in lisbon", weather("lisbon")),
    ("roll a dise", [("roll_dice", {})]),
    ("translate goodbye into portugese please",
     [("translate", {"text": "goodbye", "target_language": "portuguese"})]),
    # Requests that no tool serves.
    ("hello", []),
    ("how are you", []),
    ("thank you very much", []),
    ("who are you", []),
    ("tell me a joke", []),
    ("i am so tired today", []),
    ("sing me a song", []),
    ("what is your name", []),
    ("that was great", []),
    ("order a pizza", []),
    ("i love my dog", []),
    ("what do you think about me", []),
    ("play some jazz music", []),
    ("book a flight to rome", []),
    ("你是谁", []),
    ("ich hätte gerne ein bier", []),
]  # fmt: skip
