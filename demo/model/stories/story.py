# SPDX-License-Identifier: MIT
"""One story being told: its cast, its place, and the passages that many plots share."""

from . import world
from .grammar import expand, pick, tidy
from .world import Person

# How a story may end, by what it was about. {a} is the hero, {b} whoever stood by the hero.
ENDINGS = {
    "help": [
        "From that day on, {a} and {b} [helped each other whenever they could|were good friends].",
        "{a} had learned that [even a small hand|even a little help] can [make a big "
            "difference|change a whole day].",
        '"It is good to have friends," said {a}. And {b} [agreed|nodded].',
        "And whenever someone on {isl} needed help, {a} was [the first to come|never far away].",
        "{a} felt [warm and happy|happy], because helping someone is [the best feeling in the "
            "world|like sitting in the sun].",
        "After that, {b} often told the story to [the other people in the village|anyone who would listen].",
    ],
    "courage": [
        "{a} was still a little afraid sometimes, but now {a.he} knew that [fear goes away|fear grows "
            "small] when you [take one step at a time|look at it closely].",
        "\"I was scared,\" said {a}. \"But I did it anyway.\" \"That is what being brave means,\" said {b}.",
        "From that day on, {a} was not afraid any more.",
        "{a} [went to bed|fell asleep] that night and felt [two inches taller|very proud].",
        "And the next time something looked [too hard|too big], {a} [remembered that day|took a deep "
            "breath] and tried.",
    ],
    "honest": [
        "{a} [felt light again|slept well that night]. The truth had been [hard|heavy] to say, but "
            "[it was good to have said it|a secret would have been heavier].",
        "From then on, {a} always told the truth, even when it was [hard|not easy].",
        "\"A [pot|thing] can be [mended|replaced],\" said {b}. \"Trust is harder to mend. You kept it "
            "whole today.\"",
        "{a} never forgot that day, and {b} [trusted {a.him} more than ever|was proud of {a.him}].",
    ],
    "patience": [
        "{a} had learned that [good things take time|some things cannot be hurried].",
        "\"You see,\" said {b}. \"[Slow and steady works best|A little every day is enough].\"",
        "Since then, whenever {a} wanted to hurry, {a.he} [stopped, took a breath|counted to ten] and "
            "[went on slowly|tried again].",
        "And {a} [smiled|laughed], because waiting had been [worth it|the best part of all].",
    ],
    "share": [
        "{a} found out that [a thing is twice as nice when you share it|sharing makes a small thing big].",
        "From that day on, {a} and {b} shared [everything|all they had].",
        "There was [less for each|only half for each of them], but somehow it [tasted|felt] "
            "[better|like more].",
        "\"[Next time|Tomorrow] I will bring something for you,\" said {b}. And {b.he} did.",
        "{a} was [glad|happy], because now {a.he} had [something better|a friend to share things with].",
    ],
    "listen": [
        "From that day on, everyone on {isl} listened to {a}.",
        "{b} [never forgot|always remembered] that [small voices can have big news|even a small voice "
            "may be right].",
        "And {a} [kept watch|went on watching] [day and night|in every weather], [quiet|small] but "
            "[very proud|very important].",
        "After that, people asked {a} [every morning|before every trip], and {a} always [gave a true "
            "answer|told them what {a.he} knew].",
    ],
    "care": [
        "From that day on, {a} [took good care of|looked after] {b} [every day|in every weather].",
        "{a} and {b} [stayed friends for many years|were never apart for long].",
        "And {b} never forgot {a}.",
        "[Every evening|In the evenings], {a} and {b} [sat by the fire|sat on the steps] and "
            "[listened to the sea|watched the boats come home].",
    ],
    "small": [
        "{a} [was small|was not big], but that day [it was just the right size|small was just right].",
        "After that, nobody [laughed at {a}|called {a} too small] again.",
        "\"You do not have to be big to be useful,\" said {b}. {a} [was very proud|shone with joy].",
        "{a} was [happy|proud]. [Big ones can do big things, and small ones can do the rest|Everyone "
            "is good at something].",
    ],
    "team": [
        "Neither of them could have done it alone. [Together it was easy|Together they could do "
            "almost anything].",
        "\"We make a good team,\" said {a}. \"[The best|Yes, we do],\" said {b}.",
        "From that day on, {a} and {b} worked together [every day|whenever there was a hard thing to do].",
        "{a} did one half and {b} did the other, and so [the work was done in no time|everything went well].",
    ],
}

NIGHT = [
    "That night, the [lighthouse|lamp on the pier] [blinked|shone] over the [quiet|dark] water, and "
        "[everyone slept well|all the boats were safe].",
    "[Outside|Far out], the sea was [calm|quiet] again, and the [stars came out one by one|moon shone "
        "on the roofs].",
    "The sun went down [behind the hill|into the sea], and the [harbour|island] [grew quiet|went to sleep].",
    "When {a} [looked out of the window|went to sleep] that night, the [stars|lights on the other "
        "shore] seemed [brighter|closer] than ever.",
]


class Story:
    def __init__(self, rng):
        self.rng = rng
        self.paragraphs = [[]]
        self.used = set()
        place = self.pick(world.PLACES)
        town = self.fresh(world.PLACES, place)
        self.slots = {
            "isl": self.pick(world.ISLANDS).format(place),
            "har": self.pick(world.TOWNS).format(town),
            "ferry": "the " + self.pick(world.BOATS),
        }

    # choices

    def pick(self, items):
        return pick(self.rng, items)

    def chance(self, p):
        return self.rng.random() < p

    def fresh(self, names, *taken):
        """A name that nobody in this story bears yet."""
        self.used.update(taken)
        while True:
            name = self.pick(names)
            if name not in self.used:
                self.used.add(name)
                return name

    # cast

    def set(self, **slots):
        self.slots.update(slots)

    def child(self, unlike=None):
        """A child; mostly of the other pronoun than @unlike, so that "he" and "she" stay clear."""
        if unlike is not None and self.chance(0.85):
            girl = unlike.pronoun != "she"
        else:
            girl = self.chance(0.5)
        name = self.fresh(world.GIRLS if girl else world.BOYS)
        return Person(name, "she" if girl else "he", "girl" if girl else "boy")

    def adult(self, noun="", title="", unlike=None):
        """A grown-up: "Mrs Lund", or @title with a surname. @noun is the trade."""
        if unlike is not None and unlike.pronoun != "it" and self.chance(0.85):
            woman = unlike.pronoun != "she"
        else:
            woman = self.chance(0.5)
        title = title or (self.pick(["Mrs", "Miss"]) if woman else "Mr")
        name = f"{title} {self.fresh(world.SURNAMES)}"
        return Person(name, "she" if woman else "he", noun)

    def kin(self, of):
        """Somebody of the family of @of, named "her grandmother"; kin.call is how to call out."""
        while True:
            noun, pronoun, call = self.pick(world.KIN)
            if pronoun != of.pronoun or self.chance(0.15):
                return Person(f"{of.his} {noun}", pronoun, noun, call)

    def animal(self, noun):
        name = self.fresh(world.ANIMALS)
        return Person(name, self.pick(["he", "she"]), noun)

    def device(self, noun):
        return Person(self.fresh(world.DEVICES), "it", noun)

    # text

    def p(self, template, **slots):
        self.paragraphs[-1].append(expand(template, {**self.slots, **slots}, self.rng))

    def br(self):
        self.paragraphs.append([])

    def text(self):
        return "\n".join(tidy(" ".join(part)) for part in self.paragraphs if part)

    # passages

    def intro(self, a, trait=True):
        """Presents the child @a, and where it lives."""
        self.p(
            self.pick([
                "Once upon a time, there was a [little|young|] {a.noun} [named|called] {a}. {a.He} lived "
                "[on {isl}|in {har}|in a small house by the sea|in a white house near the harbour].",
                "Once upon a time, a [little|young|] {a.noun} [named|called] {a} lived [on {isl}|in "
                    "{har}|by the sea].",
                "There was once a {a.noun} [named|called] {a} who lived [on {isl}|in {har}|near the "
                    "harbour of {har}].",
                "[On {isl}|In {har}] [there lived|lived] a [little|young|] {a.noun} [named|called] {a}.",
                "{a} was a [little|young|] {a.noun} who lived [on {isl}|in {har}] with {a.his} "
                    "[grandmother|grandfather|"
                "mother|father|family|aunt|uncle].",
                "{a} lived [on {isl}|in {har}], in a [small|blue|yellow|red|white] house [by the "
                    "sea|near the pier|on the hill|"
                "behind the dunes].",
                "In a [small|blue|yellow|red|white] house [by the sea|near the pier|on the hill] "
                    "lived a {a.noun} [named|called] {a}.",
                "A {a.noun} [named|called] {a} lived [on {isl}|in {har}].",
            ]), a=a)
        if trait and self.chance(0.55):
            self.p(self.pick(world.TRAITS), a=a)

    def morning(self, day="day"):
        """"One cold morning" and its kin, for the head of a sentence."""
        return self.pick([
            "One [cold|warm|bright|quiet|grey] [morning|afternoon]", "One day",
                "One [spring|summer|autumn] [morning|day]",
            "One [Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday]",
                "On a [cold|fine|quiet] [spring|autumn] day",
            "Early one morning",
        ])

    def weather(self, kind):
        self.p(self.pick(world.WEATHER[kind]))

    def thanks(self, giver, helper):
        self.p(
            self.pick([
                '"Thank you, {h}," said {g}. "[You saved the day|I could not have done it without '
                    'you|You are a true friend]."',
                '"Thank you," said {g}. "[That was kind of you|That was very clever|I will not forget '
                    'this]." '
                "{h} [smiled|blushed|beamed].",
                "{g} [thanked {h} with all {g.his} heart|did not know how to thank {h}].",
                '"How can I thank you?" asked {g}. "You do not have to," said {h}. "[I was glad to '
                    'help|It was fun]."',
                '"[Well done|Good work], {h}!" said {g} [with a big smile|and laughed|and clapped '
                    '{g.his} hands].',
            ]), g=giver, h=helper)

    def thanks_device(self, giver, device):
        self.p(
            self.pick([
                '"Thank you, {h}," said {g}. "[You saved the day|We could not have done it without you]." '
                "{h} [blinked|beeped] [happily|with joy|twice].",
                '"[Well done|Good work], {h}!" said {g}, and {g.he} [patted|polished] {h} '
                    '[gently|with {g.his} sleeve].',
                "{g} [put a hand on|smiled at] the little [box|machine]. \"[I am glad we have you|You "
                    "did well], {h}.\"",
                "{g} [wiped the dust from|cleaned] {h} with a soft cloth, and {h} [hummed|glowed] "
                    "[happily|with joy].",
            ]), g=giver, h=device)

    def ending(self, theme, a, b, night=0.3):
        self.p(self.pick(ENDINGS[theme]), a=a, b=b)
        if self.chance(night):
            self.p(self.pick(NIGHT), a=a, b=b)
