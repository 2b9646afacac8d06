# SPDX-License-Identifier: MIT
"""Plots without a plan: days, weeks, letters and conversations, made of small events in any order."""


# What may happen to a child {a}, alone or with its friend {b}. {x} is a thing, {w} somebody of the village.
EVENTS = [
    "{a} found {x} [on the beach|behind the boathouse|under a bench] and [put it in {a.his} "
        "pocket|gave it back to {w}|took it home].",
    "{a} helped {w} to [carry a heavy box|wash the windows|roll a barrel up the street|sort the "
        "letters], and got {f} for it.",
    "{a} and {b} built [a castle of sand with four towers|a dam across the stream|a house of "
        "driftwood]. [The tide took it away in the end.|A big dog ran right through it.|It stood until "
        "the evening.]",
    "[a seal|a dolphin|a big fish] came close to the pier, and {a} [held {a.his} breath|counted its "
        "spots|waved to it].",
    "{a} [lay in the grass|sat on the harbour wall] and watched the clouds. One looked like {c}, and "
        "one looked like {d}.",
    "{w} told {a} a story about {c}, and {a} did not believe a word of it.",
    "{a} and {b} had a race [to the lighthouse|to the old mill|around the church]. {a} was faster, "
        "but {b} [knew a shorter way|laughed more].",
    "{a} and {b} had a race [to the pier|to the big oak|up the hill]. {b} won, and {a} [wanted to try "
        "again|said it was the wind].",
    "it [began to rain|rained a little], so {a} [ran under the roof of the market|hid in the "
        "boathouse|crawled under a boat] and [listened to the drops|talked with {w} for a while].",
    "{a} learned how to [tie a new knot|whistle with two fingers|row backwards|mend a net|read the "
        "weather from the clouds]. [It was not easy.|{w} showed {a.him} how.|It took a long time.]",
    "a gull stole {a.his} [bread|biscuit|sandwich]. {a} [was angry at first, but then {a.he} had to "
        "laugh|threw it the rest as well].",
    "{a} fed [the hens|the ducks|the donkey|the goats] and [talked to them about the weather|gave "
        "each of them a name].",
    "{a} drew {c} [with chalk on the pier|in the sand with a stick|on the back of an old map], and "
        "{w} stopped to look at it.",
    "{a} [dropped {a.his} hat into the water|lost a shoe in the mud], and {b} [fished it out with a "
        "long stick|laughed and helped {a.him} to get it back].",
    "{a} and {b} shared {f} and [sat with their feet in the water|looked out at the islands|made "
        "plans for the summer].",
    "{a} asked {w} a question about [the moon|the tides|the fog|the stars|the wind], and {w} [knew "
        "the answer|did not know, so they looked it up together].",
    "{a} found a [small|baby] [crab|bird|frog] [in a bucket|on the path] and [carried it to a safe "
        "place|put it back where it belonged].",
    "{a} wrote {a.his} name [in the wet sand, and the sea read it and washed it away|on a flat stone "
        "and left it there for somebody to find|on a leaf and let the wind carry it away].",
    "the ferry came in, and {a} [caught the rope|waved to the captain|counted nine people and a goat "
        "on board|counted twelve people on board|helped an old man down the ramp].",
    "{a} turned on the old radio and heard [a song in a strange language|a voice that counted to "
        "ten|the weather report for the ships].",
    "{a} climbed [the old tower|the big oak|the hill] and could see [all the islands|the smoke of a "
        "far ship|as far as the other shore].",
    "{a} and {b} [looked for|hunted for] a treasure and found {x}. [That was good enough.|It was a "
        "kind of treasure too.]",
    "{a} helped the little robot at the harbour to [find its way|charge its battery|get out of a "
        "hole]. It [beeped three times|blinked] to say thank you.",
    "{a} picked [blackberries|apples|yellow flowers|mushrooms] for {k}, and [ate only a few of "
        "them|came home with a full basket].",
]
THINGS = ["a blue glass ball", "a rusty key", "a white feather", "a round stone with a hole",
    "a silver button", "a piece of green glass", "an old coin",
          "a broken compass", "a wooden spoon", "a shell as big as a hand", "a small brass bell",
              "a pair of glasses", "a toy whale"]
SHAPES = ["a whale", "a ship", "a dragon", "a sleeping cat", "a giant with a hat", "a horse", "a rabbit",
    "an old woman with a stick", "a loaf of bread", "a sea monster"]
FOOD = ["an apple", "a pear", "a warm roll", "a piece of cake", "a handful of nuts", "a ginger biscuit",
    "a slice of bread with honey", "a bag of cherries"]
PEOPLE = ["the baker", "the postman", "the ferry captain", "the lighthouse keeper", "the fisher",
    "the teacher", "the shepherd", "the doctor", "the clock mender", "the old sailor"]


def _deal(s, n):
    """@n different events, each with its own things."""
    events = list(EVENTS)
    for _ in range(n):
        event = s.pick(events)
        events.remove(event)
        shape = s.pick(SHAPES)
        yield event, dict(x=s.pick(THINGS), w=s.pick(PEOPLE), f=s.pick(FOOD), c=shape,
            d=s.pick([d for d in SHAPES if d != shape]))


def day_out(s):
    a = s.child()
    b = s.child(unlike=a)
    k = s.kin(a)
    s.set(a=a, b=b, k=k)
    s.intro(a)
    s.p(
        "[It was the first day of the holidays.|It was Saturday, and there was no school.|There was no "
        "school that day.]"
    )
    s.weather(s.pick(["sun", "wind"]))
    s.p(
        '"[Be home for supper|Come back before dark]," said {k}. "[And take a coat|And look after each '
        'other]." [{a.His} friend {b} was already waiting at the gate.|{a} ran to the house of {a.his} '
        'friend {b}.]'
    )
    events = list(_deal(s, s.pick([4, 5, 6])))
    half = len(events) // 2
    for part, heads in ((events[:half], ["First,", "In the morning,", ""]), (events[half:], ["After lunch,",
        "In the afternoon,", "Later,"])):
        s.br()
        for number, (event, words) in enumerate(part):
            head = s.pick(heads) if number == 0 else s.pick(["", "", "Then", "After that,",
                "A little later,"])
            s.p(head + " " + event, **words)
    s.br()
    s.p(
        "When {a} came home, {k} [asked|looked up and asked], \"What did you do all day?\" \"[Nothing "
        "special|Oh, nothing much],\" said {a}. [And {a.he} smiled, because it had been a wonderful "
        "day.|But {a.his} pockets were full, and {a.his} shoes were wet.|It had been the best day of the "
        "year.]"
    )


def week(s):
    d = s.device("weather station")
    a = s.child()
    s.set(a=d, c=a, b=a)
    s.p(
        "{a} was a small weather station [on the roof of the school|at the end of the pier|on the hill "
        "above the village] [of {har}|on {isl}]. Every morning, {c}, a [little|young] {c.noun}, came to "
        "read [its numbers|what it had measured]."
    )
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    kinds = [
        ("it rained", ["{c} came with a big umbrella", "the children jumped over the puddles",
            "the snails were happy, and nobody else"]),
        ("the wind blew from the north", ["the ferry was late", "three hats flew into the harbour",
            "{c} had to hold on to the rail"]),
        ("there was fog", ["the bell rang every five minutes", "{c} could not see {c.his} own feet",
            "the gulls walked instead of flying"]),
        ("the sun shone", ["everybody hung out the washing", "{c} ate breakfast beside {a}",
            "the old people sat on the benches"]),
        ("it was very cold", ["there was ice on the ropes", "{c} drew a face on the white window",
            "smoke stood over all the chimneys"]),
        ("it was so still that the flags slept", ["the sailing boats went home with oars",
            "one could hear a dog on the other shore", "{c} heard the sea breathe"]),
        ("a thunderstorm passed by", ["{a} counted eleven flashes",
            "{c} stayed under the table and counted too", "the milk turned sour"]),
        ("the clouds were low and grey", ["nobody knew what would come",
            "{c} brought a coat and did not need it", "the swallows flew close to the ground"]),
    ]
    left = list(kinds)
    for i, day in enumerate(days):
        if i == 3:
            s.br()
        what, then = s.pick(left)
        left.remove((what, then))
        s.p(f"On {day}, {what}, and {s.pick(then)}." if s.chance(0.7) else f"On {day}, {what}.")
    s.br()
    s.p(
        "On Sunday, {c} [looked at the whole week|put all the numbers on a long piece of paper]. The line "
        "went up and down like [the waves|the hills of the island]. \"[No two days are the same|Look, "
        "this is our week],\" said {c}. {a} [blinked|hummed]. [It was already measuring the next "
        "one.|\"And none was wasted,\" it thought.|Nobody knew the sky as well as the two of them.]"
    )


def letter(s):
    a = s.child()
    k = s.kin(a)
    s.set(a=a, b=s.child(unlike=a), k=k, call=k.call)
    s.p(
        "{a} was spending the summer [on {isl}|in {har}]. [On a rainy day|One evening], {a.he} sat down "
        "[at the window|in the kitchen] and wrote a letter home."
    )
    s.br()
    s.p(
        '"Dear {call}," {a.he} wrote. "[I am well|I hope you are well]. [The house is small, but from my '
        'bed I can see the sea.|There are more gulls than people here.|The bread here tastes better than '
        'in the city.]'
    )
    for text in _some(s, [
        "[Yesterday|On Monday] I [saw a seal|found {x}|rowed a boat all alone|fell into the water, "
            "but only a little].",
        "I have a new friend. {b.His} name is {b}, and {b.he} [can whistle like a bird|knows "
            "everything about boats|is afraid of nothing but geese].",
        "[The lighthouse keeper let me turn on the big lamp|The ferry captain let me hold the "
            "wheel|The old fisher let me pull in the net].",
        "[It has rained for three days|There was a storm last night], and we [played cards and drank "
            "cocoa|listened to the radio|slept in the kitchen, beside the stove].",
        "There is a little robot at the harbour that [sorts the fish|sweeps the pier|sells the "
            "tickets]. It [says good morning to everyone|gets lost every day at five o'clock|likes to be "
            "scratched behind the antenna].",
        "I can [swim to the red buoy and back|tie seven knots|cook fish soup] now.",
        "[Please tell the cat that I will be back soon|Please give the dog a kiss from me|I have a "
            "present for you, but it is a secret].",
    ], s.pick([3, 4, 5])):
        s.p(text, x=s.pick(THINGS))
    s.p(
        '[I miss you a little, but do not worry.|Come and visit me soon.|I will be home when the apples '
        'are ripe.] Your {a}."'
    )
    s.br()
    s.p(
        "{a} [folded the letter|closed the envelope] and put [a small shell|a gull feather|a pinch of "
        "sand|a dried flower] in it. Then {a.he} [ran down to the ferry in the rain|took it to the post "
        "office before it closed|gave it to the captain of the ferry]. [Four days later, the answer "
        "came.|A letter is slow, {a.he} thought, but it carries more than words.|The captain put it in "
        "the mail bag and promised to be careful.]"
    )


def _some(s, items, n):
    left = list(items)
    for _ in range(n):
        item = s.pick(left)
        left.remove(item)
        yield item


def dreams(s):
    a = s.child()
    b = s.child(unlike=a)
    plans = [
        ("a captain", "sail to every island in the world", "what will you do when it storms",
            "Then I will wait in the harbour and tell stories"),
        ("a baker", "bake a cake as big as a house", "who will eat all that", "Everyone who is hungry"),
        ("a doctor", "help people in the middle of the night", "when will you sleep",
            "On the ferry, between two islands"),
        ("an inventor", "build a robot that can laugh", "what will it laugh about", "About my jokes, I hope"),
        ("a lighthouse keeper", "never let the light go out", "will it not be lonely",
            "No, because all the ships will know me"),
        ("a gardener", "grow roses in the sand", "how will they get water", "I will ask the clouds"),
        ("a teacher", "let the children ask the questions", "what if you do not know the answer",
            "Then we will look for it together"),
        ("a radio operator", "talk with people on the other side of the world", "what will you say to them",
            "Good morning, and they will say good night"),
        ("a bird watcher", "count every gull on the coast", "how will you know which ones you have counted",
            "I will ask them to stand in a line"),
    ]
    p = s.pick(plans)
    q = s.pick([z for z in plans if z is not p])
    s.set(a=a, b=b, p=p[0], pd=p[1], pq=p[2], pa=p[3], q=q[0], qd=q[1], qq=q[2], qa=q[3])
    s.p(
        "{a} and {b} [sat on the end of the pier|lay in the grass above the harbour|sat in an old boat on "
        "the beach] and [looked at the water|threw small stones into the sea|shared a bag of cherries]."
    )
    s.weather(s.pick(["sun", "night", "wind"]))
    s.p(
        '"[What do you want to be when you are big|What will you be one day]?" asked {b}. {a} [did not '
        'have to think|thought for a moment]. "I want to be {p}," {a.he} said. "I will {pd}." "[And|But] '
        '{pq}?" asked {b}. "{pa}," said {a}.'
    )
    s.br()
    s.p(
        '"[And you|And what about you]?" asked {a}. {b} [looked at the sky|smiled]. "I want to be {q}," '
        '{b.he} said. "I will {qd}." "[And|But] {qq}?" asked {a}. "{qa}," said {b}. [They both '
        'laughed.|{a} liked that.|That was a good answer.]'
    )
    s.p(
        "[For a while they were quiet.|A gull walked by and looked at them.] [\"Will we still be friends "
        "then?\" asked {b}. \"Of course,\" said {a}.|\"What if we live far away from each other?\" asked "
        "{b}. \"That is easy,\" said {a}.] \"[I will write to you every week|You will visit me, and I "
        "will visit you|We can meet here every summer, on this very spot].\""
    )
    s.br()
    s.p(
        "[Many years later, {a} was {p}, and {b} was {q}. And every summer, they sat on the same spot and "
        "shared a bag of cherries.|Then somebody called them for supper, and they ran home, because first "
        "of all they wanted to be full.|The sun went down, and they promised it to each other with salt "
        "on their hands.]"
    )


def object_life(s):
    thing, he1, use, lost, found = s.pick([
        ("lantern", "a tin smith", "hung on the bow of a fishing boat and lit the way for twenty years",
            "the boat got an electric lamp, and the lantern was put in a shed",
            "the power failed on the night of a great storm"),
        ("bell", "a smith", "hung at the harbour and rang whenever a ship came in",
            "the harbour got a loudspeaker, and the bell was sold",
            "the school needed something to call the children"),
        ("radio", "a young woman with steady hands",
            "stood in a kitchen and told the family about the weather",
            "a new one with more buttons came, and the radio went to the attic",
            "a child opened the attic door and asked what it was"),
        ("rowing boat", "two brothers", "carried people across the bay, one penny for each",
            "the ferry came, and the boat lay upside down on the beach",
            "the ferry broke down on the day of a wedding"),
        ("umbrella", "an old man in the city", "kept three generations dry",
            "somebody forgot it on the ferry", "a duck was looking for a dry place for her nest"),
        ("clock", "a clock maker with white hair",
            "stood in the waiting room of the ferry and was never wrong",
            "it stopped one day, and nobody had time to mend it", "a patient girl came with a screwdriver"),
    ])
    s.set(a=thing, thing=thing, by=he1, use=use, lost=lost, found=found, b=thing)
    s.p(
        "[This is the story of|Once upon a time, there was] an old {thing}. It was made by {by}, [long "
        "ago|many years ago], and it was made well. For a long time, it {use}. [It was proud of its "
        "work.|Nobody thought about it, because it simply did its work.]"
    )
    s.p(
        "Then {lost}. [It was dark there and very quiet.|The years went by.] [Dust fell on it, and a "
        "spider moved in.|Summer came and winter came.] \"[I suppose I am too old|Perhaps nobody needs me "
        "any more],\" thought the {thing}."
    )
    s.br()
    s.p(
        "But one day, {found}. [\"Wait a moment,\" somebody said. \"There is still the old "
        "{thing}!\"|Somebody remembered the old {thing}.] [Hands picked it up and wiped off the dust.|It "
        "was carried out into the light.] [It did not look like much.|There were scratches and a little "
        "rust.] But it [worked|did its work] as well as on the first day."
    )
    s.br()
    s.p(
        "[After that, nobody put it away again.|It got a new coat of paint and a place of honour.] [And "
        "if you come to {isl}, you can still see it there.|\"Old is not the same as useless,\" said the "
        "people of {har}.|It was tired in the evenings, but it was happy.]"
    )


PLOTS = [day_out, week, letter, dreams, object_life]
