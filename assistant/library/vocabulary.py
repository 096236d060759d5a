"""The words people have for voices, in English and Chinese: one table for all uses.

A concept is one thing that is said of a voice; all words of one concept mean the same to a search.
What can be measured of a concept is in fit.py.
"""

from __future__ import annotations

from collections.abc import Mapping

# Concept: its words, one language a line.
WORDS: Mapping[str, tuple[str, str]] = {
    "male": (
        "male man men man's guy gentleman masculine father dad uncle mr",
        "男声 男 男性 男人 男士 男的 男生 先生 大叔 爸爸",
    ),
    "female": (
        "female woman women woman's lady ladies feminine mother mom aunt mrs ms",
        "女声 女 女性 女人 女士 女的 女生 小姐 阿姨 妈妈",
    ),
    "child": (
        "child child's childlike kid kid's kids children baby boy girl boy's girl's",
        "童声 孩子 小孩 儿童 宝宝 男孩 女孩 小男孩 小女孩 男童 女童",
    ),
    "deep": ("deep deeper low lower low-pitched bass baritone", "低沉 深沉 低音 浑厚 磁性 低"),
    "high": (
        "high higher high-pitched squeaky shrill soprano tenor",
        "高音 尖细 尖 尖锐 高亢 音调高",
    ),
    "slow": ("slow slower slowly unhurried leisurely", "缓慢 慢 慢速 慢慢 慢吞吞"),
    "fast": ("fast faster quick quickly rapid hurried", "快速 快一点 快点 很快 语速快 飞快 急促"),
    "bright": ("bright brighter crisp clear sharp", "明亮 清脆 清亮 清晰 响亮"),
    "dark": ("dark darker warm warmer mellow muffled", "温暖 柔和 沉闷 暗"),
    "quiet": ("quiet quieter soft softer softly gentle faint", "轻声 小声 轻柔 安静"),
    "loud": ("loud louder booming", "大声 洪亮"),
    "flat": ("monotone monotonous flat even", "平淡 单调 平稳"),
    "lively": (
        "lively expressive animated energetic excited",
        "生动 活泼 有感情 抑扬顿挫",
    ),
    "whisper": (
        "whispering whisper whispered whispers whispery breathy",
        "耳语 悄悄话 悄悄 低语 气声",
    ),
    "robot": (
        "robotic robot robots machine computer synthetic android",
        "机器人 机器 电子音 机械",
    ),
    "old": (
        "old elderly aged grandma grandmother granny grandpa grandfather",
        "年老 老人 奶奶 爷爷 老年 苍老",
    ),
    "young": ("young youthful teenage teenager", "年轻 少年 少女 青年"),
    "hoarse": ("hoarse rough raspy gravelly croaky croak croaking husky", "沙哑 嘶哑 粗哑"),
    "giant": ("giant monster ogre huge troll", "巨人 怪物"),
    "english": ("english", "英语 英文"),
    "chinese": ("chinese mandarin", "中文 汉语 普通话 国语 华语"),
    "japanese": ("japanese", "日语 日文"),
    "korean": ("korean", "韩语"),
    "french": ("french", "法语"),
    "german": ("german", "德语"),
    "spanish": ("spanish", "西班牙语"),
    "american": ("american", "美国 美式"),
    "british": ("british england english-accented", "英国 英式"),
    "scottish": ("scottish scotland scots scotsman", "苏格兰"),
}
OPPOSITES: Mapping[str, str] = {
    one: other
    for pair in (
        ("male", "female"),
        ("deep", "high"),
        ("slow", "fast"),
        ("bright", "dark"),
        ("quiet", "loud"),
        ("flat", "lively"),
        ("old", "young"),
    )
    for one, other in (pair, pair[::-1])
}
LANGUAGE_CONCEPTS: Mapping[str, str] = {
    "en": "english",
    "zh": "chinese",
    "cmn": "chinese",
    "ja": "japanese",
    "ko": "korean",
    "fr": "french",
    "de": "german",
    "es": "spanish",
}
"""The concept of each language, by the first part of its BCP 47 tag."""

CONCEPT_OF: Mapping[str, str] = {
    word: name for name, lines in WORDS.items() for line in lines for word in line.split()
}
# Words of a request that do not describe a voice. They replace IDF weights: those would
# change every stored vector with every clip added, and mean little in a library of ten clips.
_STOP = """
a an the and or in of on to for with as at by from is are be been it its i me my mine we our you
your yours he she his her they them that this these those some any one can could would will should
may might do does did have has had let please just now then so very really more less much bit
little like want need give use using used speak speaking speaks say says saying talk talking talks
read reading sound sounds sounding change changing switch switching make turn try tell voice voices
voiced tone timbre speaker clip kind type sort someone somebody something person back into instead
again
请 用 的 说话 声音 嗓音 音色 说 讲话 讲 声 吧 一个 一点 一下 给我 换成 换 改成 我 你 您 要 想 来 个
这 那 位 能 可以 好吗 吗 呢 了 和 跟 像 一样 有 点 很 非常 帮 把 变成 切换 到 成
"""
_NOT = "not no non without isn't don't never 不要 不是 不 别"
STOP, NOT = frozenset(_STOP.split()), frozenset(_NOT.split())
