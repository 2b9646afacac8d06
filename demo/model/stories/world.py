# SPDX-License-Identifier: MIT
"""Who and what there is: people with their pronouns, animals, devices, islands, weather, things."""

GIRLS = """Mira Anna Lena Rosa Ida Nora Ella Maya Lily Tess Ruth Clara Vera Emma Hanna Sara Zoe Ivy Nell
Freya Alma Dora Kira Wren Lucy Elin June Molly Tilda Pia Greta Signe Asha Noor Leila Yuki Amina Ines Runa
Mina""".split()
BOYS = """Tom Ben Finn Max Leo Sam Jonas Otto Emil Hugo Nils Theo Oscar Adam Paul Ravi Omar Kofi Luca Mateo
Jack Henry Peter Erik Lars Anton Felix Toby Noah Eli Arlo Rory Milo Ned Karl Simon Dan Will Ivan
Hassan""".split()
SURNAMES = """Rowe Pell Lund Hart Marsh Webb Dale Finch Berg Moss Reed Vance Holm Tate Quill Brand Wick Bell
Shaw Gray""".split()
BOATS = """Heron Swallow Petrel Curlew Plover Kestrel Lark Osprey Dolphin Porpoise Daisy Marigold Juniper
Bluebell Snowdrop Wanderer Pilgrim Patience Harmony Star""".split()
DEVICES = "Dot Blip Bolt Spark Tick Beep Chip Nib Echo Pixel Zip Sprocket Volt Byte Button Rivet".split()
ANIMALS = """Pip Biscuit Pepper Moss Patch Barley Socks Pebble Ginger Tuft Bramble Olive Nutmeg Clover
Pickle Teasel""".split()
PLACES = """Tern Gull Heron Otter Seal Fern Stone Salt Amber Willow Thistle Puffin Hazel Copper Lantern
Foxglove Drift Long Green White""".split()
ISLANDS = ["{} Island", "{} Island", "{} Rock", "{} Holm"]
TOWNS = ["{} Harbour", "{} Bay", "{} Cove", "{} Point", "{} Haven"]

PRONOUNS = {
    "he": dict(he="he", him="him", his="his", himself="himself", boy="boy", man="man"),
    "she": dict(he="she", him="her", his="her", himself="herself", boy="girl", man="woman"),
    "it": dict(he="it", him="it", his="its", himself="itself", boy="one", man="one"),
}


class Person:
    """A name that knows its pronouns; capital attributes begin sentences (a.He)."""

    def __init__(self, name, pronoun, noun="", call=""):
        self.name = name
        self.pronoun = pronoun
        self.noun = noun
        self.call = call or name

    def __str__(self):
        return self.name

    @property
    def cap(self):
        """The name where a sentence begins behind a quotation."""
        return self.name[0].upper() + self.name[1:]

    def __getattr__(self, key):
        words = PRONOUNS[self.pronoun]
        if key in words:
            return words[key]
        if key.lower() in words:
            return words[key.lower()].capitalize()
        raise AttributeError(key)


class Thing:
    """A bundle of words that belong together."""

    def __init__(self, text, **words):
        self.text = text
        self.__dict__.update(words)

    def __str__(self):
        return self.text


KIN = [
    ("grandmother", "she", "Grandma"),
    ("grandfather", "he", "Grandpa"),
    ("mother", "she", "Mum"),
    ("father", "he", "Dad"),
    ("aunt", "she", "Auntie"),
    ("uncle", "he", "Uncle"),
]

# What a child may be like: fits every plot.
TRAITS = [
    "{a} [was curious about everything|wanted to know how everything worked], and {a.he} "
    "[asked questions|asked about a hundred questions] [every day|from morning to night].",
    "{a.He} [liked|loved] to [watch the boats come and go|count the boats in the harbour].",
    "{a.He} [liked|loved] to [collect shells|pick up smooth stones|look for crabs] [on the "
        "beach|along the shore].",
    "{a.He} had a [red|blue|yellow|green] [coat|scarf|hat] and wore it [every day|in every kind of weather].",
    "{a.He} was [small for {a.his} age|not very tall], but {a.he} [had a big heart|was never afraid "
        "to help].",
    "{a.He} [knew every path|knew every stone] on the [island|shore].",
    "{a.He} could [whistle|hum] every song {a.he} had ever heard.",
    "{a.He} liked [stories|old stories] about [the sea|brave sailors|far away places] best of all.",
    "{a.He} kept [a notebook|a small book] in {a.his} pocket and [wrote down|drew] [everything {a.he} "
        "saw|the birds and the boats].",
    "{a.He} [laughed a lot|smiled at everyone], and people [were always glad to see {a.him}|liked to "
        "have {a.him} around].",
    "{a.He} was [quiet|a quiet {a.boy}], but {a.he} [saw|noticed] things that other people "
        "[missed|did not see].",
    "{a.He} was good at [fixing|mending] [small things|broken things].",
]
WEATHER = {
    "fog": [
        "A thick fog [lay over|had rolled in over|hung over] the [water|harbour|sea].",
        "The fog was so thick that [nobody could see the end of the pier|the boats were only grey shapes].",
        "White fog had come in from the sea, and [every sound was soft|the whole world was grey].",
    ],
    "storm": [
        "Dark clouds [came up|gathered] [in the west|over the sea], and the wind [began to howl|grew "
            "stronger and stronger].",
        "A great storm [came in from the sea|was blowing]. [Waves crashed against the rocks|The waves "
            "were as high as houses].",
        "The wind [roared|howled] around the [houses|roofs], and the waves [broke over the pier|beat "
            "against the harbour wall].",
    ],
    "rain": [
        "It [rained|had rained] [all day|since the early morning], and [the paths were full of "
            "puddles|water ran down the windows].",
        "Rain [fell|drummed] on the roofs, and [everyone stayed inside|the streets were empty].",
        "The sky was grey, and [a soft rain was falling|it would not stop raining].",
    ],
    "wind": [
        "A [strong|fresh] wind blew [from the sea|over the island], and [the flags snapped|the boats "
            "rocked in the harbour].",
        "It was a windy day, and the [clouds|gulls] [raced|flew] [across the sky|over the roofs].",
        "The wind [pulled at the trees|shook the windows|whistled around the houses].",
    ],
    "sun": [
        "The sun [was shining|shone], and the sea was [calm|flat] and [blue|bright].",
        "It was a [bright|warm|clear] day, and [the gulls were calling|the water sparkled].",
        "The sky was blue [without a single cloud|from end to end], and [a soft wind blew|the air "
            "smelled of salt].",
    ],
    "snow": [
        "Snow [covered|lay on] the [roofs|boats|path], and the air was [cold and still|sharp and cold].",
        "It had snowed [all night|for two days], and [the whole island was white|everything was white "
            "and quiet].",
        "Big white flakes [fell|drifted] from the sky, and [the harbour was silent|the stones were "
            "hidden under the snow].",
    ],
    "night": [
        "The night was [clear|dark|still], and [the stars were out|a thin moon hung over the sea].",
        "It was [late|dark] [outside|], and [the village was asleep|only a few windows were bright].",
        "The moon [rose|stood] over the [hill|water], and [everything was quiet|the waves were silver].",
    ],
}

# thing, colour or kind, where it may lie when lost (place, why it was there)
LOST = [
    ("key", "[little|small|old] [brass|iron|silver] key", [
        ("under the mat by the door",
            "it must have slipped from {a.his} pocket when {a.he} took off {a.his} boots"),
        ("in the bottom of the bread basket", "it had fallen in when {a.he} put the rolls on the table"),
        ("on the path behind the well", "it had dropped out when {a.he} jumped over the wall")]),
    ("hat", "[red|blue|green|striped] [wool|knitted] hat", [
        ("on top of a fence post", "someone had found it on the ground and put it there"),
        ("in the bottom of a rowing boat", "the wind had carried it over the harbour wall"),
        ("on the head of a snowman", "the little children had needed a hat for him")]),
    ("whistle", "[tin|silver|wooden] whistle", [
        ("in the grass by the old bench",
            "it had slipped off its string when {a.he} lay down to watch the clouds"),
        ("in the nest of a magpie", "magpies love everything that shines"),
        ("in the pocket of {a.his} other coat", "{a.he} had changed coats when the rain began")]),
    ("compass", "[old|small|round] [brass|copper] compass", [
        ("on the roof of the boathouse", "{a.he} had put it down there to look at the sea"),
        ("between two stones on the beach", "it had fallen there when {a.he} looked for crabs"),
        ("under the seat of the ferry", "it had rolled there when the ferry turned")]),
    ("book", "[thick|blue|red] book [of stories|about the stars|about birds]", [
        ("on the bench at the ferry landing", "{a.he} had been so busy with waving that {a.he} forgot it"),
        ("under the apple tree", "{a.he} had fallen asleep there in the sun"),
        ("in the basket of a bicycle", "it was not {a.his} bicycle, but it looked just the same")]),
    ("kite", "[yellow|red|green] kite [with a long tail|]", [
        ("at the top of a pine tree", "the wind had torn it from the string"),
        ("behind the lighthouse", "the wind had dropped it in the only quiet corner"),
        ("in the sheep field", "three sheep were standing around it and looking puzzled")]),
    ("scarf", "[red|blue|grey] [wool|] scarf", [
        ("on the handle of the water pump", "{a.he} had taken it off to drink"),
        ("in the basket where the cat slept", "the cat had carried it home to make her bed warmer"),
        ("at the school gate", "it had fallen there when {a.he} ran to the bell")]),
    ("toy boat", "[small|little] [wooden|red|white] boat", [
        ("in the reeds where the stream meets the sea", "the water had carried it all the way down"),
        ("in the old stone pool", "the tide had left it there"),
        ("under the bridge", "it had been caught on a branch")]),
    ("lantern", "[small|old] [green|copper|tin] lantern", [
        ("on the bottom step of the lighthouse", "{a.he} had put it down there to tie {a.his} shoe"),
        ("in the boathouse behind the nets", "somebody had borrowed it and put it in the wrong place"),
        ("in the wheelbarrow in the garden", "{a.he} had used it to look for snails")]),
]
