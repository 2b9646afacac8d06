# SPDX-License-Identifier: MIT
"""Plots put together from parts: errands with obstacles, questions, fables, inventions, riddles."""

from .world import Person

# obstacle, what is done about it
OBSTACLES = [
    ("a fallen tree lay across the path",
        "{a} [climbed over it|crawled under it], and [only lost a button|the bark scratched {a.his} hands "
        "a little]"),
    ("the little bridge was broken",
        "{a} [jumped from stone to stone|took off {a.his} shoes and walked through the cold water]"),
    ("an angry goose stood in the middle of the road",
        "{a} [bowed to it politely|threw it a crumb of bread], and the goose [was so surprised that it "
        "stepped aside|let {a.him} pass]"),
    ("the road split in two, and there was no sign",
        "{a} [listened for the sea|looked for the smoke of the chimneys] and [took the left one|knew "
        "which way to go]"),
    ("a big puddle covered the whole road",
        "{a} [built a bridge from three old boards|walked around it through the wet grass]"),
    ("a gate was closed and the handle was too high",
        "{a} [found a bucket, stood on it|rolled a stone to it, stood on top] and opened it"),
    ("a flock of sheep filled the road from wall to wall",
        "{a} [walked slowly in the middle of them, as if {a.he} were a sheep too|whistled, and they made "
        "way]"),
    ("it began to rain",
        "{a} [put everything under {a.his} coat|held a big leaf over the basket] and [walked faster|ran "
        "to the next tree]"),
    ("a strong wind came up and nearly blew {a.him} off {a.his} feet",
        "{a} [held on to the fence and went on step by step|turned {a.his} back to the wind and walked "
        "backwards]"),
    ("{a.he} came to a long dark tunnel under the hill",
        "{a} [sang loudly all the way|counted {a.his} steps, one hundred and twelve of them], until there "
        "was light again"),
]

# thing, receiver, reason, what the receiver says
ERRANDS = [
    ("a pot of soup", "the keeper of the lighthouse", "who had a bad cold",
        "Hot soup is better than any doctor"),
    ("a bag of letters", "the people at the end of the road", "who waited for news",
        "Words from far away are the best present"),
    ("a new battery", "the weather station on the hill", "", "Now it can see again"),
    ("a roll of cable", "the mechanic in the radio hut", "who could not leave the machines",
        "Without this, the island would be silent tonight"),
    ("a basket of eggs", "the baker", "who had to bake a wedding cake",
        "Without eggs, there would be no cake and no wedding"),
    ("a warm blanket", "the shepherd in the upper hut", "who had not been home for a week",
        "Tonight I will sleep like a king"),
    ("a jar of honey", "the old teacher", "who had lost her voice", "I can speak again"),
    ("a box of candles", "the church on the rock", "where the lamps had gone out",
        "Now nobody will stumble in the dark"),
    ("a coil of rope", "the fishers at the cove", "whose boat had come loose", "Just in time"),
    ("a book", "the sick child in the yellow house", "who had read all the others",
        "Now the days will not be so long"),
]


def errand(s):
    robot = s.chance(0.25)
    a = s.device("robot") if robot else s.child()
    k = s.adult() if robot else s.kin(a)
    thing, who, why, word = s.pick(ERRANDS)
    o1 = s.pick(OBSTACLES)
    o2 = s.pick([o for o in OBSTACLES if o is not o1])
    s.set(a=a, b=k, k=k, thing=thing, who=who, why=", " + why if why else "", word=word, o1=o1[0], r1=o1[1],
        o2=o2[0], r2=o2[1],
          it=thing.split(" of ")[0].split(" ", 1)[1])
    if robot:
        s.p(
            "{a} was a [small|little] robot with [two wheels and a basket|long legs and one blue eye]. It "
            "lived with {k} [in {har}|on {isl}] and [carried things|ran errands] [from house to house|all "
            "day]."
        )
    else:
        s.intro(a)
    s.p(
        f"{s.morning()}, {{k}} [called {{a}}|came into the yard]. \"[Will you take|Can you bring] "
        f"{{thing}} to {{who}}?\" {{k.he}} asked. \"[Be careful with it|Go carefully], and [do not stop "
        f"too long on the way|be back before dark].\" \"[I will|Of course],\" said {{a}}, and [off "
        f"{{a.he}} went|set off at once]."
    )
    s.br()
    s.p(
        "[At first, the way was easy.|The first part of the way was easy.] But [behind the last "
        "house|after a while], {o1}. [What now?|That was a problem.] {r1}."
    )
    s.p(
        "[A little later|Not much later], {o2}. \"[Not again|Oh dear],\" said {a}. [But {a.he} did not "
        "turn back.|{a.He} thought about it for a moment.] {r2}."
    )
    s.p("[At last|After a long walk], {a} [arrived|was there]. The {it} was [safe|still whole].")
    s.br()
    place = who.startswith(("the weather station", "the church"))
    if place:
        s.p(
            "[A woman with a ladder was waiting|A man with a lamp stood at the door]. \"[Thank you, "
            "{a}|You came all this way alone]!\" was the first thing {a} heard. \"{word}.\""
        )
    else:
        s.p(
            "\"[Thank you, {a}|There you are, {a}|You came all this way alone]!\" [was the first thing "
            "{a} heard|called a happy voice]. \"{word}.\""
        )
    s.p(
        "[{a} told about the way, and they laughed together.|And {a} got {gift} for the way back.]",
        gift="a drop of oil" if robot else s.pick(["an apple", "a big cookie", "a cup of cocoa",
        "a slice of cake"])
    )
    s.p(
        "[When {a} came home|In the evening], {k} asked, \"Was it [far|hard]?\" \"[Not really|A "
        "little],\" said {a}. \"[There was only one step after the other|It was only as far as the next "
        "step].\""
    )


ASKED = [
    ("the gull on the roof", "I only know what the wind tells me"), ("the crab under the stone",
        "I always go sideways, so I cannot say"),
    ("the old clock", "Ask me again in an hour"), ("the cat on the wall",
        "I could tell you, but I am asleep"),
    ("the donkey in the field", "I know a lot about grass, and nothing else"), ("the ferry captain",
        "I have seen many things, but not that"),
    ("the snail on the gate", "Come back next week, I am still thinking"), ("the scarecrow",
        "My head is full of straw"),
    ("the postman", "There was no letter about it"), ("the frog in the well",
        "From here I only see a round piece of sky"),
]


def ask_around(s):
    a = s.animal(s.pick(["duckling", "puppy", "kitten", "lamb",
        "little goat"])) if s.chance(0.5) else s.device("robot")
    q, answer, giver = s.pick([
        ("where the sun goes at night",
            "It does not go to sleep. It shines for the children on the other side of the world",
            "the old turtle"),
        ("what is the best thing in the world", "It is whatever you would miss most if it were gone",
            "the old woman on the bench"),
        ("how big the sea is", "It is so big that it touches every island, and so it holds them all together",
            "the whale"),
        ("what a friend is", "A friend is somebody who comes to look for you", "the lighthouse keeper"),
        ("where the fog comes from", "Fog is only a cloud that was too tired to fly", "the weather woman"),
        ("how to become big", "Eat, sleep, and wait. It happens when you do not look", "the old tree"),
        ("why the lighthouse never sleeps", "Because somebody is always on the way home",
            "the keeper's wife"),
    ])
    x = s.pick(ASKED)
    y = s.pick([z for z in ASKED if z is not x])
    s.set(a=a, b=a, q=q, answer=answer, giver=giver, x=x[0], xs=x[1], y=y[0], ys=y[1])
    s.p(
        "[Once upon a time, there was a {a.noun} [named|called] {a}.|{a} was a {a.noun} who lived [on "
        "{isl}|in {har}].|There was once a {a.noun} [named|called] {a}.] {a} wanted to know {q}. [It was "
        "the first thing {a.he} thought of in the morning and the last thing at night.|{a.He} thought "
        "about it all day.]"
    )
    s.p(
        "[So {a} went out to ask.|\"I will ask until I know,\" said {a}.] First {a.he} [met|came to] {x}. "
        "\"Do you know {q}?\" asked {a}. \"{xs},\" said {x}."
    )
    s.p(
        "Then {a} [met|came to] {y}. \"[Please|Good day], do you know {q}?\" \"{ys},\" said {y}. [{a} "
        "sighed.|That did not help much.|{a} said thank you and went on.]"
    )
    s.br()
    s.p(
        "[It was getting dark|The sun was low], and {a} was [far from home|tired]. [{a.He} wanted to give "
        "up.|{a.His} feet were sore.] Then {a.he} saw {giver}. \"What are you looking for, little one?\" "
        "asked {giver}. And {a} [asked once more|told about the question]."
    )
    s.p("{giver} [thought for a long time|smiled]. \"{answer},\" was the answer.")
    s.p(
        "{a} [sat very still|thought about it]. [It was a good answer.|That sounded right.] And [because "
        "it was late|because the way was long], {a} hurried home by the shortest way."
    )
    s.br()
    s.p(
        "[\"Where have you been?\" asked the others. \"We looked for you everywhere!\"|At home, everybody "
        "was already looking for {a.him}.] {a} [smiled|laughed]. \"I [asked a question|was looking for an "
        "answer],\" {a.he} said. [And then {a.he} fell asleep before anybody could ask which one.|And the "
        "next morning, {a.he} thought of a new one.]"
    )


FABLES = [
    ("gull", "crab", "can fly over the whole island", "can walk on the bottom of the sea",
        "a ring fell off the pier into the water", "{b} walked down and brought it up in one claw"),
    ("hare", "snail", "can run to the mill and back before breakfast", "always has a house with {b.him}",
        "it began to hail", "{b} went into {b.his} house, and {a} hid under a leaf and got wet"),
    ("swan", "sparrow", "has the longest neck and the whitest feathers", "can sit on the thinnest branch",
        "a little boy wanted to know whether there were still cherries at the top of the tree",
        "{b} hopped to the top and looked"),
    ("horse", "mouse", "can pull a cart full of stones", "fits through every hole",
        "the key to the stable fell behind the wall",
        "{b} slipped through a crack and pulled it out by its string"),
    ("sailing ship", "rowing boat", "has three tall masts", "needs no wind",
        "the wind died, and nobody could move", "{b} pulled {a} home, stroke by stroke"),
    ("big lamp", "match", "lights the whole square", "burns only for a moment",
        "the power went out, and all was dark", "{b} lit a candle, and everyone found the way"),
    ("tower", "bench", "can see ten islands", "stands low by the road",
        "an old man came up the hill and was tired",
        "{b} gave him a place to rest, and the two of them looked at the sunset"),
    ("peacock", "hen", "has a tail like a fan", "lays an egg every day",
        "the people of the house were hungry", "{b} gave them breakfast"),
    ("fast computer", "old radio", "can count to a million in a second", "can only speak and listen",
        "the storm cut the cable to the mainland", "{b} called for help through the air"),
    ("eagle", "owl", "can see a mouse from the top of a cloud", "can see in the dark",
        "a lamb got lost on a night without a moon", "{b} found it under a thorn bush"),
]


def fable(s):
    x, y, boast, gift, event, deed = s.pick(FABLES)
    machine = x in ("sailing ship", "big lamp", "tower", "fast computer")
    a = Person("the " + x, "it" if machine else s.pick(["he", "she"]), x)
    b = Person("the " + y, "it" if machine else s.pick(["he", "she"]), y)
    s.set(a=a, b=b, x=x, y=y, boast=boast, gift=gift, event=event, deed=deed)
    s.p(
        "[A {x} and a {y} lived side by side|Once upon a time, a {x} and a {y} were neighbours] [in "
        "{har}|on {isl}]. {a} was very proud. \"[Look at me|Nobody is like me],\" {a.he} said [every "
        "morning|to everyone who passed by]. \"[I am one who|There is nobody else who] {boast}. [And what "
        "can you do|What about you]?\""
    )
    s.p(
        "\"[Not much|Nothing special],\" said {b} [quietly|and went on with {b.his} work]. \"I am only "
        "somebody who {gift}.\" {a} [laughed|laughed and turned away]. \"[What is that good for|Is that "
        "all]?\" {a.he} said."
    )
    s.br()
    s.p(
        "[Then, one day|But one day], {event}. [Everybody looked at {a}.] {a} [tried this way and "
        "that|tried], but [it was no use|{a.he} could do nothing at all]."
    )
    s.p("\"Let me see what I can do,\" said {b}. And {deed}. [It took only a moment.|It looked quite easy.]")
    s.br()
    s.p(
        "{a} was [silent|quiet] for [a long time|the rest of the day]. In the evening, {a.he} said, \"[I "
        "was wrong|I talked too much]. [You can do what I cannot|We are good at different things].\" "
        "\"[That is why it is good that there are two of us|Yes, and that is a good thing],\" said {b}."
    )
    s.p(
        "[And they watched the sun go down, side by side.|From then on, {a} boasted only on "
        "Sundays.|After that, nobody on the island asked which of them was better.]"
    )


def invention(s):
    a = s.child()
    b = s.child(unlike=a)
    problem, machine, parts, fail, fix, result = s.pick([
        ("The hill was so steep that nobody liked to carry water to the top", "a water lift",
            "an old bicycle, a long rope and twelve tin cans",
            "the cans tipped over half way, and {b} was wet from head to foot",
            "hung each can on two hooks so that it stayed straight",
            "the water rode up the hill, can after can"),
        ("The gulls stole the bread from the tables in front of the bakery", "a gull clock",
            "a broom stick, a fan and a pair of red gloves", "it chased away the customers as well",
            "made it turn only when nobody sat at the table", "the gulls stayed on the roof and complained"),
        ("{b}'s grandmother could not hear the door bell any more", "a bell you can see",
            "a lamp, a spring and a piece of wire", "the lamp went on whenever the cat walked by",
            "moved the spring higher, out of reach of the cat",
            "the lamp blinked three times whenever a guest came"),
        ("The little garden dried out whenever {a} was at school", "a watering machine",
            "a bottle, a candle and a piece of string", "it watered the cat instead of the beans",
            "turned the bottle and made the hole smaller", "the garden drank a little all day long"),
        ("It was too far to walk to the harbour only to see whether the ferry had come", "a ferry flag",
            "a mirror, a pole and a radio from the attic", "the flag went up for every duck",
            "taught the radio to listen for the ferry horn alone",
            "a yellow flag went up on the roof whenever the ferry came in"),
        ("The old dog of the neighbour always got lost in the fog", "a dog finder",
            "a collar, a small sensor and a bell", "the bell rang when the dog was sitting right beside it",
            "told the sensor to ring only beyond the garden wall",
            "nobody ever had to look for the old dog again"),
    ])
    s.set(a=a, b=b, problem=problem, machine=machine, parts=parts, fail=fail, fix=fix, result=result)
    s.p(
        "{a} and {b} [loved to build things|had a workshop in an old boat]. [Most of their machines did "
        "not work, but that did not trouble them.|The floor was covered with screws and wheels.]"
    )
    s.p(
        "[One day|One morning], they heard about a new problem. {problem}. \"[We need a machine for "
        "that|We can build something],\" said {a}. [\"I will get the tools,\" said {b}.|{b} was already "
        "drawing a plan.]"
    )
    s.br()
    s.p(
        "They [took|collected] {parts}. [They hammered and tied and glued|They worked] [until it was "
        "dark|the whole weekend]. \"[It is done|Ready],\" said {a}. \"This is {machine}.\" [They tried it "
        "at once.|The next morning, they tried it.]"
    )
    s.p(
        "But [oh dear|the first test did not go well]: {fail}! {b} [laughed|groaned]. {a} [laughed "
        "too|scratched {a.his} head]. \"[Good|Well],\" {a.he} said. \"[Now we know what is wrong with "
        "it|A mistake is only a machine that tells you something].\""
    )
    s.p(
        "They [looked at it for a long time|talked it over]. Then they {fix}. [They tried again.|The "
        "second test came.] And [this time|now], {result}."
    )
    s.br()
    s.p(
        "[The neighbours came to look at it and shook their heads in wonder.|Soon everybody wanted "
        "one.|\"How did you think of it?\" people asked. \"We were wrong first,\" said {b}. \"That is the "
        "most important part.\"]"
    )
    s.ending("team", a, b, night=0.2)


def night_riddle(s):
    a = s.child()
    b = s.child(unlike=a)
    k = s.adult("baker")
    what, clue, who, why, then = s.pick([
        ("Every morning, one roll was missing from the basket in front of the bakery",
            "a trail of crumbs that led to the boathouse", "an old dog with three puppies",
            "She was too weak to hunt for food", "From then on, {k} put out two rolls and a bowl of milk"),
        ("Every morning, there were fresh flowers on the bench by the sea", "small wet boot prints",
            "Mr Quill, the oldest fisher in the village", "His wife had loved that bench",
            "After that, he did not have to sit there alone any more"),
        ("Every night, somebody swept the snow from the steps of the old people", "the marks of two wheels",
            "the little school robot", "It could not sleep, it said, and it liked to be useful",
            "So they gave it a red scarf and a name"),
        ("Every night, one sock disappeared from the washing lines", "a piece of blue wool on a branch",
            "a mother fox", "Her den was cold, and she had lined it with wool for her little ones",
            "The people hung out one old sock for her every week"),
        ("Every evening, a light blinked on the empty island across the water",
            "an old rowing boat that was still wet", "a young woman with a telescope",
            "She counted the stars where no lamp disturbed her",
            "She let them look through it, and they saw the rings of a planet"),
        ("Every morning, the broken boat on the beach was a little less broken",
            "fresh wood shavings in the sand", "a shy boy from the other side of the island",
            "He wanted to learn to build boats and did not dare to ask",
            "They worked on it together after that, in the bright daylight"),
    ])
    s.set(a=a, b=b, k=k, what=what, clue=clue, who=who, why=why, then=then)
    s.p(
        "[Something strange was going on in {har}.|There was a riddle in {har}.] {what}. [Nobody knew "
        "why.|Nobody had ever seen anyone.] \"[It is a ghost|Perhaps it is the wind],\" said some. "
        "\"[There are no ghosts|I do not think so],\" said {a}. \"[Let us find out|We will keep watch "
        "tonight].\" And {b} [agreed|came along]."
    )
    s.p(
        "[First they looked for tracks|They began to look around], and soon they found {clue}. [\"So it "
        "is not the wind,\" said {b}.|\"Look at that!\" whispered {b}.]"
    )
    s.br()
    s.p(
        "That night, they [hid behind a barrel|lay under an old sail] with [a blanket and a bag of nuts|a "
        "lamp that they did not light]. [It was cold|The hours were long], and {b} [almost fell "
        "asleep|yawned]. The moon [rose|came out]. Then [they heard a soft sound|something moved]."
    )
    s.p(
        "{a} [held {a.his} breath|took {b}'s hand]. And there, in the [pale|silver] light, they saw who "
        "it was: {who}! {why}."
    )
    s.br()
    s.p(
        "[They did not shout.|They came out slowly and said hello.] They were glad that they had not been "
        "afraid to look. {then}."
    )
    s.p(
        "[\"The best riddles have a warm answer,\" said {a}.|And when people asked who it had been, {a} "
        "and {b} only smiled.|\"I told you it was not a ghost,\" said {a} on the way home.]"
    )


def harbour_day(s):
    c = s.adult(s.pick(["captain", "harbour master", "ferry woman"]), title="Captain")
    b = s.animal(s.pick(["dog", "cat", "parrot"]))
    s.set(a=c, b=b, boy=s.child(), first=s.pick(["a woman with seven hens", "a bride in a white dress",
        "a class of noisy children", "a man with a very big mirror", "two nuns and a bicycle"]),
          second=s.pick(["a piano wrapped in blankets", "a cow who did not like water",
              "forty boxes of oranges", "a wooden horse for the fair", "a bed, with somebody asleep in it"]),
          trouble=s.pick(["a small boy dropped his bear into the water, and {a} fished it out with "
              "the long hook",
              "a gull stole a sandwich, and {a} shared {a.his} own with the hungry owner",
              "an old man had no ticket and no money, and {a} let him steer instead",
                          "a girl was sick, and {a} told her to look at the horizon and sing",
                              "a hat flew away, and {a} turned the ferry around to catch it"]))
    if s.chance(0.4):
        s.p(
            "The ferry to {isl} was [small and white|old and slow|red and white], and {a} had been her "
            "captain for [twenty|thirty] years."
        )
    s.p(
        "{a} [got up|woke up] before the sun, [as always|like every day]. [{a.He} drank a cup of black "
        "tea and looked at the sky.|The kettle sang on the stove.] \"[A good day for sailing|Wind from "
        "the west],\" {a.he} told {b}, the {b.noun}. {b} [yawned|agreed]."
    )
    s.p(
        "At seven, {ferry} left {har}. On the first trip, there was {first}. On the second trip, {a} "
        "carried {second}. \"[Well, why not|I have seen stranger things],\" said {a}, [and made room|and "
        "moved the ropes aside]."
    )
    s.br()
    s.p(
        "[At noon|Around midday], the wind [grew stronger|turned], and [the waves danced|white foam flew "
        "over the deck]. [There was a little trouble:|Then something happened:] {trouble}. [Everyone "
        "clapped.|\"That is part of the service,\" {a.he} said.]"
    )
    s.p(
        "In the afternoon, it was [quiet|calm]. {a} [mended a rope|painted the rail] and [ate an "
        "apple|whistled an old song], and {b} [slept on the warm engine|watched the fish]. [A seal looked "
        "out of the water and went down again.|Far away, a big ship drew a line across the sea.]"
    )
    s.br()
    s.p(
        "The last trip was [in the red light of the evening|in the dusk]. {boy} stood beside {a.him} and "
        "asked, \"[Do you never get bored|Is it not always the same]? [You go there and back, there and "
        "back|It is the same water every day].\" {a} [laughed|shook {a.his} head]. \"[It is never the "
        "same water|The way is the same, but the people are not],\" {a.he} said."
    )
    s.p(
        "Then {a.he} [tied up the ferry|turned off the engine], [patted the rail|said good night to the "
        "ship] and walked home, with {b} [behind {a.him}|at {a.his} side]."
    )


def visitor(s):
    a = s.child()
    v = s.adult(s.pick(["painter", "musician", "scientist", "writer"]), unlike=a)
    k = s.kin(a)
    lost, help1, gift = {
        "painter": ("all the colours had fallen into the sea",
            "they made red from berries, yellow from onion skins and blue from old shells",
            "a picture of the island, painted with berries and shells"),
        "musician": ("two strings of the fiddle were broken",
            "they took fishing line and tried until it sang", "a song with {a}'s name in it"),
        "scientist": ("the box with all the instruments was still on the other shore",
            "they built a rain gauge from a jar and a wind meter from four spoons",
            "a shining thermometer and a notebook with empty pages"),
        "writer": ("not one story would come",
            "they walked around the whole island, and {a} told about every stone",
            "a book, and on the first page were the words: for {a}, who knows the stones"),
    }[v.noun]
    s.set(a=a, b=v, v=v, k=k, lost=lost, help1=help1, gift=gift)
    s.p(
        "[One day|In early summer], a stranger came to {isl} [with the ferry|on the evening ferry]. It "
        "was {v}, a {v.noun} [from the city|from far away], and {v.he} [rented the room|took the small "
        "room] above the [bakery|boathouse] of {a}'s {kn}.", kn=k.noun
    )
    s.p(
        "But {v} looked [unhappy|worried]. \"[What is wrong|Can I help you]?\" asked {a} [at breakfast|on "
        "the stairs]. {v} sighed. [It was a sad thing|It was like this]: {lost}. \"[Now I can go home "
        "again|Now I cannot work],\" {v.he} said."
    )
    s.br()
    s.p(
        '"[Wait|Not so fast]," said {a}. "[On an island, you have to use what there is|We have no shop '
        'here, but we have ideas]." So {help1}. [It took the whole week.|It took many tries.] {v} [had '
        'never laughed so much|forgot to be sad].'
    )
    s.p(
        "[In the evenings|At night], they sat [on the steps|in the kitchen] with {k}, [and each of them "
        "told a story|and drank tea], while [the moths danced around the lamp|the sea was whispering "
        "outside]."
    )
    s.br()
    s.p(
        "At the end of the summer, {v} had to leave. [The whole village waved.|{a} carried the bag to the "
        "ferry.] \"[I came with too much and I leave with more|I learned more here than in all my "
        "life],\" said {v}."
    )
    s.p(
        "[Some weeks later|In winter], a parcel came. In it was {gift}. [{a} read the note three "
        "times.|{a} was so happy that {a.he} could not speak.|{a} kept it for ever.]"
    )


PLOTS = [errand, ask_around, fable, invention, night_riddle, harbour_day, visitor]
