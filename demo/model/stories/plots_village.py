# SPDX-License-Identifier: MIT
"""Plots on land: gardens, weather, lost things, honest words and new friends."""

from . import world


def lost_thing(s):
    a = s.child()
    b = s.child(unlike=a)
    noun, phrase, places = s.pick(world.LOST)
    place, why = s.pick(places)
    wrong = [w for w, _ in places if w != place]
    s.set(a=a, b=b, noun=noun, phrase=phrase, place=place, why=why, wrong=s.pick(wrong))
    s.intro(a)
    s.p(
        "{a} had a {phrase}. [It had once belonged to {a.his} grandfather|It was a present from {a.his} "
        "aunt|{a.He} had found it on the beach], and {a.he} [loved it|took it everywhere|would not have "
        "sold it for all the gold in the world]."
    )
    s.p(
        f"{s.morning()}, the {{noun}} was gone. {{a}} [looked under the bed|emptied all {{a.his}} "
        f"pockets|turned the house upside down]. It was not there. {{a.He}} [was very sad|sat down on the "
        f"steps and was close to tears]."
    )
    s.br()
    s.p(
        '{b} came by [with a basket|on a bicycle|with a dog on a rope]. "[What is the matter|Why are you '
        'so sad]?" {b.he} asked. "[I have lost my {noun}|My {noun} is gone]," said {a}. "[Where did you '
        'see it last|When did you have it last]?" asked {b}. {a} [thought hard|closed {a.his} eyes and '
        'thought]. "[I am not sure|Yesterday, when I was outside]," {a.he} said. "Then let us [walk the '
        'whole way again|go back the way you came]," said {b}.'
    )
    s.p(
        "[First|So first] they looked {wrong}. [They found a spoon and a blue button|They found a rusty "
        "fork|They found a very old sandwich], but no {noun}. [They asked the baker|They asked the "
        "postman|They asked an old man on a bench], but he had not seen it."
    )
    s.p(
        'Then {b} [had an idea|stopped]. "[There is one more place|I know one more place]," {b.he} said. '
        'And there it was: {place}! {a} [remembered|laughed]. It was easy to understand now: {why}.'
    )
    s.br()
    s.thanks(a, b)
    s.p(
        "[On the way home, {a} held the {noun} tight.|After that, {a} always put the {noun} in the same "
        "place.|]"
    )
    s.ending(s.pick(["help", "patience"]), a, b)


def trades(s):
    a = s.child()
    k = s.kin(a)
    who = [("the baker", "some flour"), ("the dairy farmer", "a jug of milk"), ("the farmer",
        "six brown eggs"), ("the bee keeper", "a jar of honey"),
           ("the gardener", "a basket of apples"), ("the old woman in the last house", "a piece of butter"),
               ("the miller", "a bag of oats")]
    work = [("sweep the shop", "swept the shop from corner to corner"), ("carry the wood",
        "carried the wood into the shed"), ("find the lost hen", "found the hen behind the water barrel"),
            ("mend the fence", "put three new boards in the fence"), ("read a letter",
                "read the letter aloud, twice"), ("pick the plums", "climbed up and picked the plums"),
                ("clean the windows", "cleaned the windows until they shone")]
    w1 = s.pick(who)
    w2 = s.pick([w for w in who if w is not w1])
    j1 = s.pick(work)
    j2 = s.pick([j for j in work if j is not j1])
    s.set(a=a, b=k, k=k, p1=w1[0], g1=w1[1], p2=w2[0], g2=w2[1], j1=j1[0], d1=j1[1], j2=j2[0], d2=j2[1],
          cake=s.pick(["a birthday cake", "a big pie", "a pan of pancakes", "a sweet bread"]))
    s.intro(a)
    s.p(
        "It was {k}'s birthday, and {a} wanted to make {cake}. But [the cupboard was almost empty|there "
        "was not enough in the kitchen]. {a.He} still needed {g1} and {g2}, and {a.he} had no money."
    )
    s.br()
    s.p(
        "[So|First] {a.he} went to {p1}. \"[Please|Good morning], may I have {g1}?\" {a.he} asked. \"[Of "
        "course|Gladly],\" said {p1}. \"But will you {j1} for me first? [My back hurts today|I have so "
        "much to do today].\" {a} {d1}, and {p1} gave {a.him} {g1}."
    )
    s.p(
        "Then {a.he} went to {p2}. \"Do you have {g2} for me?\" {a.he} asked. \"[Yes|Perhaps],\" said "
        "{p2}. \"But somebody must {j2}, [and I have no time|and I am all alone].\" So {a} {d2}, and "
        "[soon|before noon] {a.he} had {g2} too."
    )
    s.p(
        "[Then {a} ran home|{a} hurried home] and [mixed and stirred|put on an apron]. [There was flour "
        "on the floor and on {a.his} nose|It smelled wonderful], and in the [evening|afternoon] [the work "
        "was done|it was ready]."
    )
    s.br()
    s.p(
        'When {k} came home, {a} [lit a candle|opened the door] and sang. "[Where did you get all '
        'this|How did you do this without money]?" asked {k}. "[I paid with my hands|With two hands and '
        'two legs]," said {a} [proudly|and laughed].'
    )
    s.p(
        "[There was a knock at the door.|Just then, somebody knocked.] {p1} and {p2} stood outside. "
        "\"Something smells good here,\" they said. And so [they all sat down together|there was a real "
        "party], [and it was the best birthday of all|and not a crumb was left]."
    )


def garden_drought(s):
    a = s.child()
    b = s.adult("neighbour", unlike=a)
    s.set(a=a, b=b, crop=s.pick(["beans", "carrots", "pumpkins", "strawberries", "potatoes", "sunflowers"]))
    s.intro(a)
    s.p(
        "In [spring|May], {a} [planted|sowed] {crop} [behind the house|beside the wall|in a small "
        "garden]. {a.He} [watered them every evening|pulled out the weeds], and [soon|after two weeks] "
        "small green [leaves|tips] [came up|looked out of the earth]."
    )
    s.p(
        "Then the rain [stopped|did not come any more]. [One week passed, then two|For many weeks, the "
        "sky was blue]. The [ground|earth] [cracked|became as hard as stone], and the {crop} [hung their "
        "heads|turned yellow]. [The well was almost dry.|There was hardly any water in the well.]"
    )
    s.br()
    s.p(
        "{a} saw that the garden of {b}, [next door|across the road], was [even drier|dry too]. {b} was "
        "[too old to carry water|ill and could not carry water]. {a} had only one bucket a day. [{a.He} "
        "looked at {a.his} {crop}.|It was not much.] Then {a.he} gave half of it to {b}'s garden."
    )
    s.p(
        '"Why do you do that?" asked {b}. "[Your own plants are thirsty|You need it yourself]." "[Yours '
        'are thirsty too|Plants do not know about fences]," said {a}. {b} [said nothing for a '
        'while|smiled]. "[Come|Let me show you something]," {b.he} said. "[Put straw on the earth, and '
        'the water stays longer|Water in the evening, not at noon, and the sun cannot drink it]. [My '
        'mother taught me that|I learned that in the great dry summer]."'
    )
    s.p(
        "[They put straw on both gardens.|{a} did what {b} had said, in both gardens.] And [now|suddenly] "
        "half a bucket was enough."
    )
    s.br()
    s.p(
        "At last, the rain came. It [drummed on the roofs|poured] [all night|for three days]. In the "
        "[autumn|end], there were so many {crop} that [they needed two baskets|they filled the whole "
        "kitchen]."
    )
    s.ending("share", a, b)


def sick_errand(s):
    a = s.child()
    k = s.kin(a)
    h = s.adult(unlike=a)
    animal = s.animal(s.pick(["donkey", "dog", "pony"]))
    s.set(a=a, b=h, k=k, h=h, n=animal, kind=s.pick(["snow", "rain"]),
        where=s.pick(["at the other end of the island", "in the village behind the hill",
        "on the far side of the wood"]))
    bad = s.slots["kind"]
    s.intro(a, trait=False)
    s.p(
        "[One evening|One day] in [winter|November], {k} [was ill|lay in bed with a fever] and coughed "
        "[all night|without stopping]. \"[The medicine is all gone|There is no more medicine],\" {k.he} "
        "whispered. The [chemist|doctor] lived {where}."
    )
    s.weather(bad)
    s.p(
        "{a} put on [{a.his} boots and {a.his} warmest coat|two coats and a scarf], took a [lantern|lamp] "
        "and {n}, the {n.noun}, and [went out|set off]. \"[I will be back soon|Do not worry],\" {a.he} "
        "said."
    )
    s.br()
    s.p(
        "[After half an hour|Half way], {a} could [no longer see the path|not see where the path was]. "
        "{a.He} [turned left and then right|held up the lamp], but everything looked the same. [{a.He} "
        "was cold and afraid.|{a.His} heart beat fast.] But {n} [pulled|wanted to go] [to the left|on]. "
        "\"Do you know the way, {n}?\" asked {a}, and [let {n.him} lead|followed {n.him}]."
    )
    s.p(
        "[Soon|After a while] they saw a light. It was the window of {h}. \"[Good heavens|My goodness]!\" "
        "said {h} and [pulled them in|opened the door]. \"[In this weather|All alone in the dark]! [Sit "
        "by the fire|Warm your hands]. I will [fetch the medicine for you|walk with you the rest of the "
        "way].\""
    )
    s.p(
        "[Two hours later|Before midnight], {a} was home again with the [little|brown] bottle in {a.his} "
        "pocket. {k} [took a spoonful of it and fell asleep|took the medicine and slept until noon]."
    )
    s.br()
    s.p(
        "[A few days later|When the week was over], {k} [was up again and baking|was singing in the "
        "kitchen]. There was a cake for {a}, a cake for {h}, and [something very good|a big kiss] for {n}."
    )
    s.ending("courage", a, k)


def broken_honest(s):
    a = s.child()
    k = s.kin(a)
    thing, how = s.pick([
        ("blue vase", "{a} was playing with a ball in the house"), ("kitchen window",
            "{a} was throwing stones at a tin can"),
        ("big tea pot", "{a} was dancing with the broom"), ("old clock",
            "{a} opened the old clock, because {a.he} wanted to see the little wheels inside"),
        ("model ship", "{a} took the model ship down from the shelf to look at the little sails"),
            ("garden gate", "{a} was swinging on the garden gate and pretending to be a pirate"),
    ])
    cat = s.animal("cat")
    s.set(a=a, b=k, k=k, thing=thing, how=how, cat=cat)
    s.intro(a)
    s.p(
        "[One day|One rainy afternoon|One morning], {how}. {a.He} had been told not to. [Crash|Crack]! "
        "The {thing} was broken. {a} [stood very still|held {a.his} breath]. [Nobody had seen it.|The "
        "house was quiet.] Only {cat}, the cat, [looked up|opened one eye]."
    )
    s.p(
        '"Nobody knows," thought {a}. "I could say that it was {cat}." But {cat} looked at {a.him} [with '
        'big green eyes|in a certain way], and {a} [felt a stone in {a.his} stomach|felt hot and cold].'
    )
    s.br()
    s.p(
        "[In the evening|When it grew dark], {k} came home and saw the {thing}. \"[What happened here|Who "
        "did this]?\" {k.he} asked. [It was quiet for a long moment.|{a} looked at {a.his} feet.] \"[It "
        "was me|I did it],\" said {a} [at last|in a very small voice]. \"[I am so sorry|I will never do "
        "it again].\""
    )
    s.p(
        "{k} [sat down|took a deep breath]. [{k.He} was sad about the {thing}, but {k.he} did not "
        "shout.|{k.He} looked at the {thing} and then at {a}.] \"[It takes courage to say that|Thank you "
        "for telling me],\" {k.he} said. \"[Tomorrow we will see what we can do|We will mend it "
        "together].\""
    )
    s.p(
        "[They worked|The next day they worked] on it [together|for hours]. [You could still see where it "
        "had been broken|It did not look quite the same as before], but [it held|it was whole again]."
    )
    s.br()
    s.p(
        "[{cat} got an extra piece of fish that night, although nobody but {a} knew why.|{a} gave {cat} a "
        "bit of fish and whispered, \"Thank you.\"|]"
    )
    s.ending("honest", a, k)


def new_child(s):
    a = s.child()
    b = s.child(unlike=a)
    skill, moment = s.pick([
        ("draw", "{b} took a piece of chalk and drew a whale on the wall, so big and so real that everyone "
            "stopped playing"),
        ("play the flute", "{b} took out a flute and played, and even the gulls were quiet"),
        ("walk on {b.his} hands", "{b} walked along the whole harbour wall on {b.his} hands"),
        ("tie every knot in the world",
            "a boat came loose, and {b} caught the rope and tied it fast in one second"),
        ("speak with birds", "{b} whistled, and a small brown bird came and sat on {b.his} finger"),
        ("tell stories", "the rain came, and {b} told a story so good that nobody wanted to go home"),
    ])
    s.set(a=a, b=b, skill=skill, moment=moment, far=s.pick(["the mountains", "a big city",
        "a country far in the south", "the other side of the sea"]))
    s.p(
        "[One day|In the autumn|One Monday], a new child came to the school [of {har}|on {isl}]. {b.His} "
        "name was {b}, and {b.he} came from {far}. {b.He} [sat in the last row|stood alone by the wall] "
        "and [said nothing|did not speak a word]."
    )
    s.p(
        '"Why does {b} never speak?" [whispered the other children|said some of the children]. "[Perhaps '
        '{b.he} does not like us|Leave {b.him} alone]." But {a} [thought about it|was not so sure]. '
        '{a.He} remembered [{a.his} own first day|how it feels to be new].'
    )
    s.br()
    s.p(
        "[At lunch|In the break], {a} sat down [beside|next to] {b}. {a.He} did not ask anything. {a.He} "
        "[just put half of {a.his} apple on the table|only gave {b.him} half of {a.his} bread]. {b} "
        "[looked at it|was surprised]. \"Thank you,\" {b.he} said [softly|in a quiet voice]. It was the "
        "first word {b.he} had said [all week|at this school]."
    )
    s.p(
        "The next day, {a} [did it again|sat there again]. [And the day after that.|They talked a little "
        "about the sea.] [Slowly|Little by little], {b} began to [smile|talk]."
    )
    s.p(
        "Then, [one day after school|one afternoon], {moment}. \"[I did not know that you can|You never "
        "told us that you can] {skill}!\" [said {a}|cried the others]. \"[Nobody asked|You never "
        "asked],\" said {b}, [and {b.he} laughed|and {b.his} face turned red]."
    )
    s.br()
    s.p(
        "[After that|From then on], everybody wanted to [learn from {b}|sit next to {b}]. But the place "
        "beside {b.him} always belonged to {a}."
    )
    s.ending(s.pick(["share", "care"]), a, b, night=0.2)


def quarrel(s):
    a = s.child()
    b = s.child(unlike=a)
    about, event, both = s.pick([
        ("who was the better rower",
            "the wind carried {b}'s boat away from the pier, with {b} in it and no oars",
            "{a} rowed out as fast as {a.he} could and threw {b.him} a rope"),
        ("who had seen the whale first", "{b} slipped on the wet rocks and could not get up",
            "{a} took {b.his} arm and helped {b.him} home, one step at a time"),
        ("whose turn it was with the kite", "the kite flew up into a tree, where nobody could reach it alone",
            "{a} stood on the wall, {b} climbed on {a.his} shoulders, and together they got it down"),
        ("a blue marble", "a big dog stood in the road and would not let {b} pass",
            "{a} came with a piece of bread and led the dog away"),
        ("a game of chess", "the roof of {b}'s hut blew off in the storm",
            "{a} came with a hammer and nails, and they worked until dark"),
    ])
    s.set(a=a, b=b, about=about, event=event, both=both)
    s.p(
        "{a} and {b} were [best friends|friends]. They [did everything together|met every day at the old "
        "boat|had built a hut in the dunes]. But [one day|one hot afternoon], they had a quarrel. It was "
        "about {about}."
    )
    s.p(
        '"[You are wrong|You always want to be right]!" [shouted|said] {a}. "And you never listen!" '
        '[shouted|said] {b}. {b.He} [turned around|kicked a stone] and [went home|walked away]. [Both of '
        'them were angry.|Neither of them looked back.]'
    )
    s.br()
    s.p(
        "[For three days|For a whole week], they did not [speak|say a word to each other]. {a} [played "
        "alone|sat on the harbour wall alone], but [it was no fun|every game was boring]. [At night, "
        "{a.he} lay awake.|The days were very long.] {a.He} wanted to say sorry, but {a.he} [did not know "
        "how to begin|thought that {b} should say it first]."
    )
    s.p(
        "Then [something happened|one day it happened]: {event}. {a} saw it. {a.He} [did not think about "
        "the quarrel at all|forgot that {a.he} was angry]. {both}."
    )
    s.br()
    s.p(
        '[They sat down, out of breath.|Then they stood there and did not know what to say.] "[I am '
        'sorry|I was stupid]," said {a}. "[I am sorry too|So was I]," said {b}. "[What was it about, '
        'anyway|Do you still know why we were angry]?" [They looked at each other and laughed.|Both of '
        'them began to laugh.]'
    )
    s.p(
        "[\"You may be right next time,\" said {a}. \"And you the time after that,\" said {b}.|\"It is "
        "boring to be right alone,\" said {b}.|And by the evening, they were friends again, as if nothing "
        "had ever happened.]"
    )


def fear_water(s):
    a = s.child()
    k = s.kin(a)
    fear, step1, step2, step3 = s.pick([
        ("the dark", "sat in the dark kitchen for as long as it takes to say ten words",
            "went to the gate without a lamp and came back",
            "walked all the way to the pier to look at the stars"),
        ("deep water", "put {a.his} feet in the water and counted to twenty",
            "lay on the water while {k} held {a.his} back", "swam from one post to the next all alone"),
        ("thunder", "counted the seconds between the flash and the boom",
            "stood at the open window and held {k.his} hand",
            "sat on the steps and watched the whole storm pass by"),
        ("the big dog next door", "looked at the dog from behind the gate",
            "threw a ball over the fence and waited", "let the dog eat a biscuit from {a.his} hand"),
        ("high places", "climbed two steps of the ladder", "climbed half way up, and did not look down",
            "stood at the top of the lighthouse and saw the whole bay"),
        ("speaking in front of others", "read a poem to the cat", "read it to {k} in the kitchen",
            "stood on the stage in the school and read it to everyone"),
    ])
    s.set(a=a, b=k, k=k, fear=fear, s1=step1, s2=step2, s3=step3)
    s.intro(a)
    s.p(
        "But there was one thing: {a} was afraid of {fear}. [Nobody knew it but {k}|{a.He} told nobody "
        "about it, only {k}]. When the other children [laughed|talked] about it, {a} [went away|pretended "
        "to be busy]."
    )
    s.p(
        '"[I wish I were brave|I want to be like the others]," said {a} [one evening|one day]. "[Brave '
        'people are afraid too. They only do not stop there|Fear is like a big stone. You must break it '
        'into small pieces]," said {k}. "What is the smallest step you can think of?"'
    )
    s.br()
    s.p(
        "[So on the first day|On the first day], {a} {s1}. [{a.His} heart beat like a drum|{a.His} knees "
        "shook], but [nothing bad happened|it was soon over]. \"[That was one piece|Good],\" said {k}. "
        "\"[Tomorrow we do the next one|Enough for today].\""
    )
    s.p(
        "[Some days later|The next week], {a} {s2}. [It was easier this time.|It was still hard, but not "
        "so hard as before.]"
    )
    s.p(
        "And [at the end of the summer|one evening], {a} {s3}. [{a.He} could not believe it.|It was "
        "wonderful.] \"[Look at me|I did it]!\" {a.he} [called|said]."
    )
    s.br()
    s.ending("courage", a, k, night=0.4)


def stray(s):
    a = s.child()
    k = s.kin(a)
    b = s.animal(s.pick(["dog", "cat", "goose", "pony"]))
    s.set(a=a, b=b, k=k, act=s.pick(["woke the whole house, because the stove was smoking",
        "found the way home when they were lost in the fog", "chased the fox away from the hens",
        "led them to the neighbour, who had fallen on the ice"]))
    s.intro(a, trait=False)
    s.p(
        "[One day|One wet evening|One morning], a [thin|dirty|hungry] {b.noun} stood [at the garden "
        "gate|in front of the door]. It had [no home|a sore foot] and [looked very tired|was shivering]. "
        "\"[May we keep it|Can it stay]?\" asked {a}."
    )
    s.p(
        '{k} shook {k.his} head. "[We have hardly enough for ourselves|A {b.noun} is a lot of work]," '
        '{k.he} said. "And who will feed it?" "[I will|Me]," said {a}. "[It can have half of my supper|I '
        'will get up early every day]." {k} sighed. "[For one week|Only until Sunday]," {k.he} said.'
    )
    s.br()
    s.p(
        "{a} [washed|brushed] the {b.noun} [with warm water|in the yard] and called {b.him} {b}. {b} [ate "
        "from {a.his} hand|followed {a.him} everywhere]. {a} got up [before the sun|at six] to [feed "
        "{b.him}|bring {b.him} water], [even on cold days|even on Sundays]. {a.He} [did not forget it "
        "once|never complained]."
    )
    s.p(
        "When the week was over, {k} looked at {b}. \"[Tomorrow we must find another home|One week is "
        "over],\" {k.he} said. {a} [said nothing|swallowed hard]. But then {b} showed what {b.he} could "
        "do. The next night, {b.he} {act}."
    )
    s.br()
    s.p(
        "[Nobody spoke of another home after that.|\"Another home?\" said {k}. \"{b} is at home.\"] [{k} "
        "even made a bed for {b.him} beside the stove.|And {k} gave {b.him} the biggest piece of meat.]"
    )
    s.ending("care", a, b)


def wind_hats(s):
    a = s.child()
    b = s.child(unlike=a)
    s.set(a=a, b=b, tree=s.pick(["the old oak on the hill", "the thorn bush behind the church",
        "the big net on the drying poles", "the sail of the old windmill"]))
    s.p(
        "[One morning|One day in March], the wind came to {har} and [stole|took] everything. It took [the "
        "hat of the mayor|the mayor's hat], the [washing|white sheets] of {m}, [the newspaper of the "
        "postman|the letters of the postman] and [a whole row of socks|a little girl's red balloon].",
        m=s.adult()
    )
    s.p(
        '"[Stop the wind|My hat|Come back]!" [cried the mayor|shouted the mayor]. Everybody ran [here and '
        'there|after their things], [and some people ran into each other|and two people fell over a dog]. '
        'But the wind [only laughed|was faster].'
    )
    s.br()
    s.p(
        "{a} and {b} did not run. They [stood on the steps and watched|sat on the wall and looked]. "
        "\"[Look|See]!\" said {a}. \"[Everything flies the same way|It all goes over the church and then "
        "to the left].\" \"[Then it must end in the same place|So we only need to follow one thing],\" "
        "said {b}."
    )
    s.p(
        "They took a feather and let it go. It [danced|sailed] [over the roofs|down the street], [past "
        "the bakery|past the school] and [up the hill|along the wall], and the two children ran after it. "
        "[They did not let it out of their sight.|They jumped over ditches and fences.]"
    )
    s.p(
        "And there, in {tree}, hung [everything|all the stolen things]: hats and sheets and paper, [like "
        "flags|like fruit on a tree]. They filled [three baskets|a whole cart]."
    )
    s.br()
    s.p(
        "[In the afternoon|By noon], they went from door to door. [The mayor was so happy that he gave "
        "them a silver coin.|The mayor put on his hat and bowed.] \"[How did you catch the wind|How did "
        "you do it]?\" [people asked|he asked]. \"[We did not catch it|Nobody can catch the wind],\" said "
        "{b}. \"[We asked it where it was going|We only looked where it goes].\""
    )
    s.ending("team", a, b)


def concert(s):
    a = s.child()
    b = s.child(unlike=a)
    t = s.adult("teacher")
    s.set(a=a, b=b, t=t, inst=s.pick(["The piano", "The big drum", "The old organ",
        "The box with all the flutes"]), why=s.pick(["had fallen from the cart", "had become wet in the rain",
        "had been left on the ferry"]),
          noise=s.pick(["a bucket went boom", "two spoons went click", "a bottle went hoo",
              "a comb with paper went bzz"]))
    s.p(
        "[Every summer|Once a year], the school [of {har}|on {isl}] gave a concert [in the old barn|on "
        "the pier]. {t} had practised with the children [for weeks|since spring], and [all the families "
        "were coming|everyone in the village had a ticket]."
    )
    s.p(
        "But on [the day of the concert|the last morning], there was [bad news|a terrible surprise]. "
        "{inst} {why}! \"[We must cancel it|It is over],\" said {t} and [sat down on a box|put {t.his} "
        "head in {t.his} hands]. [Some of the little ones began to cry.|Nobody said anything.]"
    )
    s.br()
    s.p(
        "{a} kicked an empty bucket. Boom! {a.He} [listened|looked up]. {a.He} kicked it again. Boom! "
        "\"[Listen|{b}, come here]!\" {a.he} called. \"[What sounds do we have|What else makes a sound]?\""
    )
    s.p(
        "{b} [understood at once|laughed]. They ran [through the village|from house to house] and "
        "collected [pots, bottles, spoons and pipes|everything that rings, bangs or whistles]. They "
        "[tried|tested] it all: {noise}, [a saw sang like a bird|a row of glasses sang with water in "
        "them], and [the chain of the ferry rattled like rain|the gate of the barn groaned like a whale]."
    )
    s.p(
        "[When the people came|In the evening], there were no [fine|real] instruments. But [when the "
        "children began to play|when {a} gave the sign], [nobody could sit still|the feet of the people "
        "began to move]. [Even the mayor danced.|Even the gulls came to listen.]"
    )
    s.br()
    s.p(
        '"[That was the best concert we ever had|I have never heard anything like it]," said {t}. "[Whose '
        'idea was it|Who thought of this]?" {a} pointed at {b}, and {b} pointed at {a}.'
    )
    s.p(
        "[After that, they played on buckets every year.|And the next year, everyone asked for the bucket "
        "song.|\"It was the bucket's idea,\" they said, and everyone laughed.]"
    )


def treasure(s):
    a = s.child()
    b = s.child(unlike=a)
    k = s.kin(a)
    found, meaning = s.pick([
        ("a bench, and from the bench you could see every island in the bay", "The view is the treasure"),
        ("a small bag of seeds and a note", "Plant them, and you will be rich every summer"),
        ("a box with an old flute and a book of songs", "Whoever can play this will never be alone"),
        ("a spring of clear cold water", "Gold does not help you when you are thirsty"),
        ("a letter and two silver spoons", "One is for you, and one is for the friend who came with you"),
    ])
    s.set(a=a, b=b, k=k, found=found, meaning=meaning)
    s.intro(a)
    s.p(
        "[In the attic|Behind a loose board], {a} found [a map|an old map] [in a tin box|in the pages of "
        "a book]. [It showed the whole coast, and there was a red cross on it|There was a dotted line on "
        "it, and a red cross at the end]. \"[A treasure|A treasure map]!\" {a.he} [whispered|cried], and "
        "{a.he} ran to {a.his} friend {b}."
    )
    s.p(
        "They took [a spade|a rope], [a lamp|a bottle of water] and [three sandwiches|some bread and "
        "cheese] and [set off|started at once]. [From the old mill, they counted a hundred steps to the "
        "north.|The line began at the lighthouse.] Then they [climbed over the rocks|crossed the stream], "
        "[walked through a dark little wood|crawled under a thorn hedge] and [turned at a stone that "
        "looked like a bear|passed a tree with three trunks]."
    )
    s.br()
    s.p(
        "\"What will you do with the gold?\" asked {b} [on the way|as they walked]. \"[I will buy a "
        "ship|I will buy a house for the whole family],\" said {a}. \"[And you|What about you]?\" \"[I "
        "will buy a horse and a hundred cakes|I would like a telescope],\" said {b}."
    )
    s.p(
        "At last, they stood [on the red cross|at the place of the cross]. They looked and looked. There "
        "was no gold. There was {found}. {a} was [disappointed|a little sad]."
    )
    s.p(
        "Then {b} saw [some words cut into the stone|words on the back of the map]: \"{meaning}.\" They "
        "sat down, ate their [bread|lunch] and [thought about it|looked at each other]. [The longer they "
        "thought, the better they liked it.|Slowly, they both began to smile.]"
    )
    s.br()
    s.p(
        'When {a} told {k} about it, {k.he} [laughed|smiled]. "[I wondered when you would find that '
        'map|So you have found it]," {k.he} said. "[I drew it myself, many years ago|My own father drew '
        'it for me when I was small]."'
    )


def lost_sheep(s):
    a = s.child()
    b = s.animal("dog")
    n, m = s.pick([("twenty", "nineteen"), ("thirty", "twenty-nine"), ("twelve", "eleven")])
    why, where = s.pick([
        ("a lamb", "in a deep hole between the rocks"), ("an old sheep", "in a thorn bush"), ("a black lamb",
            "on a narrow ledge above the sea"), ("a young ram", "on a small island that the tide had made"),
    ])
    s.set(a=a, b=b, n=n, m=m, what=why, where=where)
    s.p(
        "{a} [looked after|watched] {n} sheep on the hills of {isl}. {a.His} dog {b} [helped {a.him}|ran "
        "around them all day]. In the evening, {a} counted them [at the gate|as they came in]. [It was "
        "always the same number.|Every evening the number was right.]"
    )
    s.p(
        "But [one evening|one autumn evening], there were only {m}. One was missing: {what}. [It was "
        "getting dark|The sun was already low], and [a cold wind blew|fog was coming up from the sea]. "
        "\"[The others are safe|Go home],\" said a [neighbour|farmer]. \"[One sheep is not so bad|You can "
        "look tomorrow].\" But {a} [shook {a.his} head|took {a.his} lantern]."
    )
    s.br()
    s.p(
        "[{a} and {b} went back up the hill.|So {a} and {b} climbed the hill again.] {a} [called and "
        "listened|looked for tracks]. [At the stream, there were small prints in the mud.|A bit of wool "
        "hung on a bush.] {b} [put {b.his} nose to the ground|sniffed] and [ran ahead|barked]."
    )
    s.p(
        "Then they heard it: a [thin|small], [sad|lonely] \"Baa.\" It was {where}. [{a} could not reach "
        "it|It could not get out alone]. {a} [lay down on {a.his} stomach and stretched out {a.his} "
        "arms|took off {a.his} belt and made a loop]. {b} held {a.his} coat with {b.his} teeth. [Slowly, "
        "slowly|Bit by bit], {a} pulled, and it was [free|safe]."
    )
    s.br()
    s.p(
        "{a} [carried it home on {a.his} shoulders|led it home in the light of the lantern]. [It was "
        "heavy, but {a.he} did not mind.|{b} walked proudly in front.] At the gate, {a} counted once "
        "more: {n}."
    )
    s.p(
        "[Only then did {a} go to bed.|\"Now we can sleep,\" said {a}, and {b} wagged {b.his} tail.|\"One "
        "is not much,\" {a} told {b}. \"But for that one, it was everything.\"]"
    )


def kite_share(s):
    a = s.child()
    b = s.child(unlike=a)
    thing, use, bad = s.pick([
        ("a big red kite", "fly it",
            "it took two people, one to hold the kite and one to run with the string"),
        ("a long wooden sledge", "ride on it", "it was too heavy to pull up the hill alone"),
        ("a rowing boat", "row it", "it went only in circles when one person rowed"),
        ("a big drum", "play on it", "a drum alone sounded rather lonely"),
        ("a new ball", "play with it", "the ball rolled away, and nobody kicked it back"),
    ])
    s.set(a=a, b=b, thing=thing, use=use, bad=bad, it=thing.split()[-1])
    s.p(
        "{a} got {thing} for {a.his} birthday. [It was the finest {it} on {isl}|It was the most beautiful "
        "thing {a.he} had ever had]. {a} [carried it through the whole village|showed it to everyone]."
    )
    s.p(
        '"[May I {use} too|Can I {use} with you]?" asked {b}. "[No|Never]," said {a}. "[You would only '
        'break it|It is mine]." {b} [went away|was sad and walked home]. [The other children did not ask '
        'at all.|Soon nobody asked any more.]'
    )
    s.br()
    s.p(
        "So {a} went out alone. But there was a problem: {bad}. {a} tried [again and again|for a whole "
        "hour]. [In the end, {a.he} sat down and looked at the {it}.|It was no use.] {a.He} [felt "
        "lonely|was tired and cross]."
    )
    s.p(
        "Not far away, [the others were playing|the other children were laughing]. They had only [an old "
        "rope and a tin can|a hoop and two sticks], but they [were having a wonderful time|had more fun "
        "than {a}]. [That made {a} think.|{a} watched them for a long time.]"
    )
    s.br()
    s.p(
        '{a} [stood up|took a deep breath] and went down to {b}. "[I was wrong|I am sorry]," {a.he} said. '
        '"[Will you help me with it|Do you want to {use} with me]?" {b} [did not say no|looked at {a.him} '
        'for a moment and smiled]. "[I thought you would never ask|Of course]," {b.he} said. [And '
        'now|Together], it was [easy|great fun]. [They laughed until the sun went down.|They did not stop '
        'until supper.]'
    )
    s.ending("share", a, b)


def stars(s):
    a = s.child()
    k = s.kin(a)
    s.set(a=a, b=k, k=k)
    q = s.pick([
        ("Why are there stars only at night",
            "They are there in the day as well. The sun is so bright that we cannot see them"),
        ("Where does the wind come from",
            "The sun warms the land, the warm air goes up, and cool air from the sea takes its place"),
        ("Why does the sea come and go", "The moon pulls at the water, very softly, twice a day"),
        ("Why is the sea salt",
            "The rivers carry a little salt from the stones, year after year, and the sea keeps it"),
        ("How do the birds find the way",
            "They look at the sun and the stars, and the old ones show the young ones"),
        ("Why does the lighthouse turn its light",
            "So that every sailor can tell it from the others. Each lighthouse has its own beat"),
    ])
    s.set(q=q[0], ans=q[1])
    s.intro(a)
    s.p(
        "[One warm evening|One evening], {a} could not sleep. {a.He} [went outside|opened the door], and "
        "there sat {k} on the [bench|steps], [with a blanket|with a cup of tea]. \"[Come and sit with "
        "me|There is room for two],\" said {k}."
    )
    s.weather("night")
    s.p('For a while, they [said nothing|only listened to the sea]. Then {a} asked, "{q}?"')
    s.br()
    s.p(
        '"[What do you think|What would you guess]?" asked {k}. {a} thought about it. "[Maybe nobody '
        'knows|Maybe it is a kind of magic]," {a.he} said. {k} [laughed softly|smiled]. "{ans}," {k.he} '
        'said.'
    )
    s.p(
        '{a} was [quiet|silent] for a long time. "[How do you know that|Who told you that]?" {a.he} '
        'asked. "[I asked my own grandmother, on this very bench|I asked, just like you]," said {k}. '
        '"[And then I looked for myself|And one day, somebody will ask you]."'
    )
    s.br()
    s.p(
        "[A star fell|An owl called|Far away, a ship blew its horn]. {a} [leaned against {k}|closed "
        "{a.his} eyes]. {a.He} had [a hundred more questions|many more questions], but [they could wait "
        "until tomorrow|they were not in a hurry]."
    )
    s.p(
        "[When {k} looked down, {a} was already asleep.|Soon {a} was fast asleep, and {k} carried {a.him} "
        "to bed.|\"Tell me another one,\" said {a}. And so they sat there until midnight.]"
    )


def market(s):
    a = s.child()
    b = s.adult(s.pick(["sailor", "farmer", "traveller"]), unlike=a)
    s.set(a=a, b=b, sell=s.pick(["apples", "fish", "flowers", "honey", "bread", "eggs"]),
        lost=s.pick(["a purse full of coins", "a gold ring", "a leather bag with papers", "a silver watch"]))
    s.p(
        "Every Saturday, {a} sold {sell} at the market [in {har}|of {har}]. [It was a small table under a "
        "green umbrella.|{a.He} had to get up very early.] [Most days, {a.he} earned just enough for "
        "bread and lamp oil.|The family needed every coin.]"
    )
    s.p(
        "[One Saturday|One day], {b}, a {b.noun} from far away, bought some {sell} and hurried off [to "
        "catch the ferry|towards the pier]. When {a} [looked down|cleaned the table], {a.he} saw {lost} "
        "[lying under the table|between the baskets]. [It was worth more than everything {a.he} had.|{a} "
        "had never held anything so precious.]"
    )
    s.br()
    s.p(
        '"[Keep it|Finders keepers]," [whispered|said] the man at the next table. "Nobody saw it." {a} '
        '[thought of the new shoes {a.he} needed|thought of the empty cupboard at home]. [For a moment, '
        '{a.he} did not know what to do.|It was a hard moment.] Then {a.he} [shook {a.his} head|put it in '
        '{a.his} apron] and ran.'
    )
    s.p(
        "The ferry was already [blowing its horn|pulling in the ropes]. \"[Wait|Stop]!\" {a} called. "
        "\"[You lost something|This is yours]!\" {b} [turned around|came to the rail] and turned "
        "[white|pale]. \"[I did not even know that it was gone|That is all I have],\" {b.he} said. [{a} "
        "threw it across the water, and {b} caught it.|{a} just had time to put it into {b.his} hand.]"
    )
    s.br()
    s.p(
        "[When {a} came back, the table was empty.|Back at the market, there was nothing left on {a.his} "
        "table.] [The people had bought everything and left the right money on the plate.|While {a.he} "
        "was away, the neighbours had sold it all for {a.him}.]"
    )
    s.p(
        "[And next spring|A month later], [a parcel came with the ferry|the ferry brought a parcel]. In "
        "it was [a pair of new shoes|a warm new coat], and a note: \"[For the most honest hands in "
        "{har}|Honest people are worth more than gold].\""
    )


PLOTS = [
    lost_thing, trades, garden_drought, sick_errand, broken_honest, new_child, quarrel, fear_water, stray,
    wind_hats, concert, treasure, lost_sheep, kite_share, stars, market,
]
