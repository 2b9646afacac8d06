# SPDX-License-Identifier: MIT
"""Plots about small machines: sensors, gateways, radios and robots that do their part."""

from .world import Person


def buoy_warning(s):
    d = s.device("sensor")
    h = s.adult("harbour master")
    place, seen, danger, cry, order = s.pick([
        ("on a red buoy far out in the bay", "the waves were growing longer and longer", "a storm was coming",
            "A storm is coming", "Bring in the boats"),
        ("on a pole at the end of the pier", "the air was growing lighter and lighter", "a storm was coming",
            "There will be a storm", "Tie up all the boats"),
        ("under the old wooden bridge", "the water was rising a little every hour", "a flood was coming",
            "A flood is coming", "Bring everyone to the high ground"),
        ("on the roof of the lighthouse", "the wind had turned and was growing colder",
            "heavy snow was coming", "Heavy snow is coming", "Bring the sheep down from the hill"),
        ("on the mill dam above the village", "the stones were moving a little every night",
            "the dam was about to break", "The dam will break", "Take everyone out of the valley"),
    ])
    s.set(a=d, b=h, h=h, place=place, seen=seen, danger=danger, cry=cry, order=order)
    s.p(
        "[Once upon a time, there was a|There was once a|There was a] [small|little|tiny] sensor "
        "[named|called] {a}. It [sat|lived] {place}. It had [one eye|a small antenna] and a [battery no "
        "bigger than a thumb|little sun panel on its back]."
    )
    s.p(
        "All day long, {a} [measured and counted|listened and counted]. [Every hour|Every ten minutes], "
        "it sent a [short|tiny] message to the harbour office [of {har}|]: \"[All is well|Everything is "
        "fine].\" [Nobody thought much about it.|Most people did not know that it was there.]"
    )
    s.p(
        "[One day|One afternoon|One evening], {a} saw that {seen}. [The sky was still blue|Everything "
        "looked calm], and [the people were at the market|people were laughing in the sun], but {a} [was "
        "sure|knew]: {danger}."
    )
    s.br()
    s.p(
        'It sent a message: "[Please listen|Danger]! {cry}!" {h}, the harbour master, [read it and shook '
        '{h.his} head|looked out of the window]. "I see nothing," {h.he} said. "[It is only a small '
        'box|Perhaps it is broken]."'
    )
    s.p(
        "{a} did not [give up|stop]. It sent the message [again and again|a second time, and a third], "
        "[with all the numbers it had|and it added all its numbers]. [Its battery was getting low|This "
        "cost a lot of power], but [this was important|it went on]."
    )
    s.p(
        "{h} [looked at the numbers|put on {h.his} glasses and read the numbers]. [They told a clear "
        "story.|One number can be wrong, but not a hundred.] \"[Ring the bell|Sound the horn]!\" {h.he} "
        "called. \"{order}!\""
    )
    s.br()
    s.p(
        "[That night|Two hours later], it came, just as {a} had said. [But|] [everyone was safe|nobody "
        "was hurt]."
    )
    s.p(
        "[In the morning|The next day], {h} [went out to {a}|visited {a}] with [a new battery|a soft "
        "cloth] and [a pot of red paint|a small brass plate]. \"[I am sorry that I did not believe "
        "you|You are small, but you were right],\" {h.he} said."
    )
    s.ending("listen", d, h)


def slow_link(s):
    d = s.device("gateway")
    a = s.child()
    n = s.adult(title="Doctor")
    trouble = s.pick(["{k.cap} had fallen from a ladder", "{k.cap} had a high fever",
        "{k.cap} had hurt {k.his} back", "{k.cap} could not breathe well"])
    k = s.kin(a)
    s.set(a=a, b=d, d=d, n=n, k=k, trouble=trouble,
          bulk=s.pick(["three hundred holiday photos", "a long film about whales",
              "all the songs of the summer fair", "a hundred pictures of cats"]))
    s.p(
        "[In a hut|In a small cupboard] on the hill of {isl} [hung|lived] a little grey box "
        "[called|named] {d}. {d} was a gateway: every message from the island to the [mainland|other "
        "shore] went through it, [one after the other|one by one]."
    )
    s.p(
        "On [good|clear] days, this was easy. But when it [rained|snowed|stormed], the link became [slow "
        "and thin|as thin as a thread], and {d} could only send [a few words at a time|very little]."
    )
    s.p(
        "[One stormy night|One rainy evening], somebody was sending {bulk}, and [the line was full|they "
        "filled the whole line]. [Just then|At that moment], {a}, a [little|young] {a.noun}, [typed a "
        "message with shaking hands|sent a message]: \"Please come, Doctor! {k.call} needs help!\" "
        "{trouble}."
    )
    s.br()
    s.p(
        '{d} looked at the [long queue|waiting messages]. "[If I send them in order|If everyone waits in '
        'line], the doctor will hear about it [tomorrow|in the morning]," it thought. "[That is too '
        'late|That must not be]."'
    )
    s.p(
        "So {d} [did something clever|made a plan]. It [stopped the big pile for a moment|asked the big "
        "pile to wait], and it sent the few [important|small] words first. They were so short that they "
        "slipped [through the storm|over the water] [in the blink of an eye|in less than a second]."
    )
    s.p(
        "On the other side, {n} [woke up|heard the phone ring] and [read the message|read the words]. "
        "{n.He} [took the black bag|put on a coat] and [ran to the boat|called the rescue boat]. [An hour "
        "later|Before midnight], {n.he} was at the door."
    )
    s.br()
    s.p(
        "\"{k.call} will be well again,\" said {n} in the morning. \"[But I had to come at once|It was "
        "good that I came so soon]. [Who sent your message so fast|How did your message come so "
        "quickly]?\""
    )
    s.p(
        "[{a} pointed to the hill.|{a} looked at the hut on the hill and smiled.] And {d}? It was [busy "
        "again|humming in the rain] and sent {bulk}, one after the other."
    )
    s.p(
        "[\"First what matters, then the rest,\" it hummed.|Nobody even noticed that they were a little "
        "late.|It was content. The small words had come first.]"
    )


def share_thinking(s):
    a = s.device("robot")
    g = s.pick(["Big Ada", "Old Ohm", "Great Tower", "Grandmother Engine", "Atlas"])
    b = Person(g, "it")
    c = s.child()
    job, question = s.pick([
        ("tell stories", "Will you tell me a story about a whale"), ("answer questions",
            "Why is the sea salt"),
        ("read the maps", "Which way is the shortest to the old mill"), ("find the names of birds",
            "What is the name of the bird with the red feet"),
        ("help with the sums", "How many apples do we need for the whole school"),
    ])
    s.set(a=a, b=b, c=c, job=job, question=question)
    s.p(
        "{a} was a [small|little] robot who lived [in a kitchen|on a shelf] in {har}. Its work was to "
        "{job}. {a} was [friendly and quick|kind and careful], but its head was small and its battery was "
        "smaller. [When it thought too hard, it grew hot and tired.|After a hard question, it had to "
        "sleep for an hour.]"
    )
    s.p(
        "On the hill stood a big machine [called|named] {b}. {b} could think [about anything|very deep "
        "thoughts]. But it [was far away|could not see or hear the village], and it [had never met a "
        "child|knew nobody]."
    )
    s.p(
        "[One day|One evening], {c}, the {c.noun} of the house, asked: \"{question}?\" {a} began to "
        "think. [It thought and thought.|Its lights blinked.] Its battery [sank lower and lower|went down "
        "and down], and [the answer did not come|it was only half done]."
    )
    s.br()
    s.p(
        '[So {a} called the hill.|Then {a} sent a message up the hill.] "[Can you help me|Will you help '
        'me]?" it asked. "[Send me the question|Give me everything], and I will do it all," said {b}. '
        '"[No|Wait]," said {a}. "[What {c} tells me stays here|I keep secrets]. I will do the first part '
        'here, and you do the [hard|deep] part in the middle. [Then I will find the words|Then I say it '
        'in my own words]."'
    )
    s.p(
        "[{b} liked this idea.|\"That is a good plan,\" said {b}.] So {a} did the first steps and sent "
        "its half-finished thoughts up the hill. They were only [numbers|long rows of numbers], and "
        "[nobody on the way could read them|the gulls on the wire could not read them]. {b} [went on from "
        "there|did the rest of the hard work] and sent them back."
    )
    s.p(
        "{a} [put the last piece in its place|finished the work], and [the answer was ready|there was the "
        "answer]. \"[That was quick|How clever you are]!\" said {c} and [clapped {c.his} hands|laughed]. "
        "\"[It was the two of us|I had help],\" said {a}."
    )
    s.br()
    s.p(
        "[When a storm cut the line|When the wind was too strong], {a} [thought alone, only more "
        "slowly|did it all alone and took its time]. [And when the sky was clear, they thought together "
        "again.|But most days, they worked together.]"
    )
    s.ending("team", a, b)


def relay(s):
    a = s.child()
    b = s.child(unlike=a)
    d = s.device("radio")
    s.set(a=a, b=b, d=d, wall=s.pick(["a high hill", "a steep rock", "the old castle", "a dark wood"]))
    s.p(
        "{a} and {b} were [best|good] friends. {a} lived [on the north side of {isl}|by the harbour], and "
        "{b} lived on the other side, and {wall} [stood|lay] between them."
    )
    s.p(
        "[For their birthdays|One day], they got two little radios. \"[Hello, {b}, can you hear me|Can "
        "you hear me]?\" called {a}. But there was only [a hiss|noise]. \"[The words cannot get "
        "through|Radios cannot talk through stone],\" said {a.his} [grandfather|mother]. [{a} was very "
        "sad.|What a pity!]"
    )
    s.br()
    s.p(
        "{a} [thought about it all night|sat down and thought]. \"If we cannot go through it, we must go "
        "over it,\" {a.he} said. {a.He} [built a third radio from old parts|found an old radio in the "
        "boathouse], gave it a [sun panel|big battery] and [called it|named it] {d}. Then {a} and {b} "
        "carried {d} to the very top and [tied it to a post|put it in a box against the rain]."
    )
    s.p(
        '"[Your job is easy|Listen, {d}]," said {a}. "[Whatever you hear from one side, say it to the '
        'other|When I talk, tell {b}. When {b} talks, tell me]." {d} [blinked its green light|beeped '
        'twice]. [It had understood.|That meant yes.]'
    )
    s.p(
        'That evening, {a} said into the radio: "[Good night, {b}|Hello, {b}]." {d} heard it and passed '
        'it on. And [from the other side|a moment later] came the answer, small but clear: "[Good night, '
        '{a}|Hello, {a}]!"'
    )
    s.br()
    s.p(
        "[Soon|Before long], other people [used|needed] {d} too. The shepherd [asked about the "
        "weather|called for his dog], the [teacher|baker] [sent greetings|ordered flour], and [once|one "
        "night] {d} [called the doctor|brought help to a lost sailor]. [It never mixed up a word.|It "
        "listened and passed on, day and night.]"
    )
    s.p(
        "[\"I do not say anything of my own,\" thought {d}. \"But without me, nobody could talk.\" And it "
        "was right.|And that is how a small box on top of the island became the most important one of "
        "all.|It stood alone in the wind, but it was never lonely, because all the good words of the "
        "island went through it.]"
    )


def wrong_reading(s):
    a = s.child()
    t = s.adult("teacher", unlike=a)
    what, wrong, cause, fix = s.pick([
        ("rain gauge", "said that there was no rain, although it was pouring",
            "a small bird had built a nest on top of it",
            "put up a little wooden house next to it, and the bird moved in"),
        ("wind meter", "said that there was no wind, although the trees were bending",
            "a spider had tied the wheel with its web", "carried the spider to the garden wall"),
        ("thermometer", "said that it was hot, although there was ice on the puddles",
            "someone had hung it beside the warm chimney", "hung it on the cold side of the wall"),
        ("sun panel", "gave no power, although the sun was shining",
            "a thick layer of dust and salt lay on it", "washed it with a sponge and clean water"),
        ("tide clock", "said that the sea was low, although it was splashing over the steps",
            "a crab had climbed into the pipe and held the float", "put the crab back into the sea"),
        ("snow scale", "said that there was deep snow in the middle of summer",
            "a fat cat was sleeping on it", "made a soft bed for the cat in the window"),
    ])
    s.set(a=a, b=t, t=t, what=what, wrong=wrong, cause=cause, fix=fix)
    s.p(
        "The school [on {isl}|in {har}] had its own weather station. [It stood on the roof|It stood in "
        "the school garden], and [every day another child read the numbers|the children took turns to "
        "read it]. {t}, the teacher, [wrote them on the board|sent them to the harbour every morning]."
    )
    s.p(
        "[One day|One week], it was {a}'s turn. {a.He} [opened the notebook|sharpened {a.his} pencil] and "
        "looked. But something was [strange|wrong]. The {what} {wrong}."
    )
    s.p(
        '"[The {what} is broken|We must buy a new one]," said [one of the children|a {a.noun} from the '
        'last row]. "[Throw it away|It is old]." "[Wait|Not so fast]," said {t}. "[A machine does not '
        'lie, it only says what it sees|Before we say that it is broken, let us ask why]."'
    )
    s.br()
    s.p(
        "So {a} [went to look|climbed up to look]. {a.He} checked the [battery|wire] first. [It was "
        "fine.|Nothing was wrong with it.] Then {a.he} checked the [box. It was fine too.|screws. They "
        "were all tight.]"
    )
    s.p(
        "At last, {a} looked at the {what} [itself|from all sides] and [began to laugh|laughed out loud]. "
        "\"[I have found it|Come and see]!\" {a.he} called. [The children came running.|Everyone came to "
        "see.] It was [very simple|easy to see]: {cause}!"
    )
    s.p(
        "{a} and {t} {fix}. After that, the {what} [worked again|told the truth again], [just as "
        "before|as if nothing had happened]."
    )
    s.br()
    s.p(
        '"[You see|Now you know]," said {t}. "[When a number looks strange, go and look at the thing '
        'itself|The answer is often outside, not in the book]."'
    )
    s.p(
        "[{a} wrote it all down in the notebook, with a drawing.|{a} drew a picture of it, and it still "
        "hung in the classroom years later.|And {t} wrote the story of the {what} on the board for "
        "everyone to read.]"
    )


def drone_wind(s):
    a = s.device("drone")
    b = s.animal("gull")
    s.set(a=a, b=b, load=s.pick(["a parcel with medicine", "a bag of letters", "a birthday present",
        "a box of new glasses"]), who=s.pick(["the old sailor on the hill",
        "the teacher of the island school", "the keeper of the lighthouse", "the baker by the well"]))
    s.p(
        "{a} was a little [delivery|flying] drone. It had four [shiny|small] propellers and [a hook for "
        "parcels|a blue light]. Every day, it flew from {har} to {isl} and [back again|home]. {a} was "
        "[proud of its speed|always in a hurry]."
    )
    s.p(
        "[One day|One morning], it had to bring {load} to {who}. But [outside the harbour|over the "
        "water], a strong wind was blowing. {a} [flew straight into it|pushed and pushed]. [It flew with "
        "all its might|Its propellers screamed], but it [hardly moved|stood still in the air]. Its "
        "battery [sank and sank|was half empty already]."
    )
    s.br()
    s.p(
        "A [grey|white|big] gull called {b} [came sailing by|was sitting on a pole]. {b.He} did not even "
        "move {b.his} wings. \"[Do not fight so hard|You are working too hard],\" {b.he} said. \"[You "
        "cannot push the wind away|The wind is stronger than both of us].\""
    )
    s.p(
        '"[But I must go straight|But straight is the shortest way]," said {a}. "[The shortest way is not '
        'always the best one|Short is not the same as easy]," said {b}. "[Come with me|Follow me]." '
        '{b.He} [dived down|flew low], close to the water, where the wind was [weak|soft]. Then {b.he} '
        'turned along the cliff, where the air [rose up like a lift|lifted them up].'
    )
    s.p(
        "[It was a longer way.|It was a long way around.] But {a} [needed only half the power|could fly "
        "with half its strength]. [It learned to wait for each gust and to lean on it.|It felt the air "
        "under its arms and let itself be carried.]"
    )
    s.br()
    s.p(
        "[In the end|At last], {a} [landed|set down] softly on {isl}, [with a little power left|not too "
        "late at all]. {who} [opened the door|was waiting] and [smiled|was very happy]: \"[In such a "
        "wind|In this weather]! How did you do it?\""
    )
    s.p(
        "\"[A friend showed me the way|I asked someone who knows the wind],\" said {a}. [High above them, "
        "{b} laughed and turned a circle in the air.|And {b} got a piece of bread.]"
    )
    s.p(
        "[From that day on, {a} always looked at the wind before it started.|After that, {a} and {b} "
        "often flew side by side.|And {a} was never in a hurry again, not even on Mondays.|]"
    )


def bell_silent(s):
    a = s.child()
    m = s.adult("clock mender", unlike=a)
    what, sign, cause, fix = s.pick([
        ("tower clock", "its hands stood still at ten past four",
            "a mouse had built a nest between two wheels",
            "carried the nest to the barn, with five pink babies in it"),
        ("school bell", "it made no sound when the rope was pulled", "the bees had made their home inside it",
            "waited for evening and moved the bees to a box in the garden"),
        ("music box in the town hall", "it played only three notes and stopped",
            "a coin had fallen between the little teeth", "pulled out the coin with a bent hair pin"),
        ("old mill", "its wheel would not turn", "a branch had fallen into the stream",
            "pulled the branch out with a rope"),
        ("fog horn", "it only made a noise like a sleepy cow", "an owl had stuffed it with twigs",
            "took out the twigs, one by one, and built the owl a box"),
    ])
    s.set(a=a, b=m, m=m, what=what, sign=sign, cause=cause, fix=fix)
    s.p(
        "[Everyone in {har} loved the {what}.|The {what} of {har} was very old, and everyone loved it.] "
        "But [one morning|one day], something was wrong: {sign}."
    )
    s.p(
        "The [mayor|people] called {m}, the clock mender, [who was very old|who had mended everything in "
        "the village]. {m} [climbed up the ladder|looked at it for a long time]. \"[My eyes are not what "
        "they were|My fingers are too thick],\" {m.he} said. \"[I need somebody small.|Who will be my "
        "eyes?]\""
    )
    s.p(
        '"[I can help|Let me try]," said {a}, a [little|young] {a.noun} [with sharp eyes|with thin '
        'fingers]. "[But I know nothing about machines|Tell me what to look for]." "[Just tell me what '
        'you see|Go slowly and follow each part to the next]," said {m}. "[A machine is like a story: one '
        'thing leads to the next|One part moves the next one]."'
    )
    s.br()
    s.p(
        "{a} [crawled inside|put {a.his} head in] with a small lamp. {a.He} followed the first "
        "[wheel|part] to the second and the second to the third. [It was dusty and dark.|It smelled of "
        "oil and dust.] \"[This one moves|Here all is well],\" {a.he} called. \"[And this one too|And "
        "here too]. But here...\" {a.He} [stopped|began to laugh]."
    )
    s.p(
        "[There it was|That was it]: {cause}. \"[Be gentle|Slowly],\" said {m}. \"[Take your time|We have "
        "all day].\" So {a} {fix}."
    )
    s.p(
        "Then {m} [put in a drop of oil|gave it a little push]. [For a moment, nothing "
        "happened.|Everybody held their breath.] And then the {what} [began to work again|worked again], "
        "[better than before|as if it had never stopped]."
    )
    s.br()
    s.thanks(m, a)
    s.p(
        "[After that, {a} came to the workshop every day after school.|\"Come to my workshop tomorrow,\" "
        "said {m}. \"I have a lot to teach, and you have the right eyes.\"|{m} gave {a} a small "
        "screwdriver with a wooden handle. {a} kept it all {a.his} life.]"
    )


def robot_learns(s):
    d = s.device("robot")
    a = s.child()
    task, first, second, third = s.pick([
        ("bake bread", "it forgot the yeast, and the bread was as flat as a plate",
            "it used too much yeast, and the dough climbed out of the bowl",
            "the bread was round and brown and smelled wonderful"),
        ("tie knots", "the knot fell open at once", "the knot was so tight that they had to cut it",
            "the knot held a whole boat in the wind"),
        ("plant beans", "it planted them upside down in a straight tower",
            "it gave them so much water that they swam away", "small green leaves came out of the earth"),
        ("fold laundry", "it folded the cat into a towel", "it rolled everything into one big ball",
            "the shirts lay in a neat pile"),
        ("paint a boat", "it painted the sail and the seagull",
            "it painted the boat with honey instead of varnish", "the boat was as blue as the sky"),
        ("make pancakes", "the first one stuck to the ceiling", "the second one was as hard as a stone",
            "the third one was thin and golden"),
    ])
    s.set(a=d, b=a, k=a, task=task, first=first, second=second, third=third)
    s.p(
        "[One day|One morning], a [new|small] robot came to {isl} [with the ferry|in a wooden box]. It "
        "was called {a}. \"[What can you do|What are you good at]?\" asked {k}, a [little|young] "
        "{k.noun}. \"[Nothing yet|I do not know],\" said {a}. \"[But I can learn|But I like to learn].\""
    )
    s.p(
        "\"[Good|Fine],\" said {k}. \"[Then I will teach you to|Today you will learn to] {task}.\" {k} "
        "showed it [once|slowly, step by step]. {a} [watched with both its lamps|watched carefully] and "
        "[then it tried|then it was its turn]."
    )
    s.br()
    s.p(
        "[But oh dear|Oh no]: {first}. {k} [laughed until {k.he} had to sit down|could not help "
        "laughing]. {a}'s lamps [went dim|turned red]. \"[I am a bad robot|I cannot do it],\" it said. "
        "\"[No|Nonsense],\" said {k}. \"[You are a new robot. That is something else|Now you know one way "
        "that does not work].\""
    )
    s.p(
        "The next [time|day], {second}. \"[Oh dear|Well, well]!\" said {k}. \"[What did you change|Do you "
        "know why that happened]?\" {a} thought [for a while|about it]. It [wrote a small note in its "
        "memory|counted on its fingers]. \"[I did too much of a good thing|Now I understand],\" it said."
    )
    s.p(
        "And the [third time|day after that], {third}. {k} [jumped for joy|danced around the room]. "
        "\"[You did it|Look at that]!\" {k.he} [cried|called]. {a}'s lamps [shone like two little "
        "suns|glowed green]."
    )
    s.br()
    s.p(
        '"[Do you know what you learned|What have you learned]?" asked {k}. "How to {task}," said {a}. '
        '"[And that it is all right to be wrong, if you look at it closely afterwards|And that the third '
        'time can be the first good one]."'
    )
    s.ending("patience", d, a)


def radio_mended(s):
    a = s.child()
    k = s.kin(a)
    cause, look = s.pick([
        ("a thin wire had broken", "a thin wire that ended in the air"),
            ("the battery contacts were green with salt", "something green on the battery"),
        ("a spider lived in the loudspeaker", "a web over the loudspeaker"),
            ("the antenna was not plugged in", "a plug that hung behind the shelf"),
        ("one little lamp inside had gone dark", "five lamps, but only four of them glowed"),
    ])
    s.set(a=a, b=k, k=k, cause=cause, look=look)
    s.intro(a)
    s.p(
        "{k} had an old radio. [Every evening|Each night], they sat together and listened to [music from "
        "far away|the weather report and the old songs|the voices of the ships]. But [one evening|one "
        "day], the radio [only hummed|was silent|only crackled]."
    )
    s.p(
        '"[It is as old as I am|It has lived a long life]," said {k} [sadly|and sighed]. "[I will put it '
        'in the attic|There is nothing we can do]." {a} [could not sleep that night|did not like that at '
        'all]. [The house was much too quiet.|How quiet the evenings would be!]'
    )
    s.br()
    s.p(
        "[The next day|In the morning], {a} [took the radio to the table|put the radio on a blanket] and "
        "asked {k} for a screwdriver. \"[First pull the plug|Pull out the plug first],\" said {k}. "
        "\"Always.\" {a} opened the back [carefully|slowly] and put [every screw in a cup|the screws in a "
        "row]."
    )
    s.p(
        "Inside, it looked like [a small city|a town seen from above]. {a} [did not touch anything|only "
        "looked] [for a long time|at first]. Then {a.he} saw {look}. \"[Is that supposed to be like "
        "this|Should it look like this]?\" {a.he} asked. {k} put on {k.his} glasses. \"[So that is it|You "
        "have found it]!\" {k.he} said. [And so it was|That was all]: {cause}."
    )
    s.p(
        "It took [them the whole afternoon|until supper], [a little glue and a lot of patience|some tape "
        "and two cups of tea]. Then {a} [turned the knob|switched it on]. [A crackle, a hum|A hiss, a "
        "whistle], and then, [soft and clear|from far away], a voice said: \"[Good evening, dear "
        "listeners|Good evening to all ships].\""
    )
    s.br()
    s.p(
        "{k} [took {a.his} hands and danced with {a.him} through the kitchen|laughed and wiped {k.his} "
        "eyes]."
    )
    s.p(
        "[\"Old things are not useless,\" said {a}. \"They only need somebody to look.\"|After that, the "
        "neighbours brought everything that hummed or crackled to {a}.|That evening they listened until "
        "very late, and nobody said a word about bedtime.]"
    )


def greedy_machine(s):
    a = s.device("lamp")
    b = s.device("radio")
    c = s.device("pump")
    s.set(a=a, b=b, c=c, want=s.pick(["I am the most beautiful", "My work is the most important",
        "I was here first"]))
    s.p(
        "[In a cottage|In a little house] on {isl}, there lived three small machines: {a} the lamp, {b} "
        "the radio and {c} the pump. They all lived from one battery in the cellar, [and the battery "
        "lived from the wind|and a windmill on the roof filled it]."
    )
    s.p(
        "[When the wind blew|On windy days], there was enough for everyone. But [one week|in the middle "
        "of winter], the wind [stopped|went to sleep]. \"[We must save|There is not much left],\" said "
        "the battery. \"[Please take only what you need|Please be careful].\""
    )
    s.p(
        "{a} did not [listen|care]. \"{want},\" it said, and it [shone as brightly as it could|shone all "
        "day], even [when the sun was up|when nobody was in the room]. {b} played [more softly|only one "
        "song a day], and {c} [worked only in the morning|rested between the buckets]. But [it was no "
        "use|the battery grew weaker and weaker]."
    )
    s.br()
    s.p(
        "[One night|That night], everything [went dark|stopped]. {a} went out [too|with a small sigh]. "
        "And [just then|at that very moment], [the old woman who lived there|the old man who lived there] "
        "[came down the stairs|was looking for the door] [and could not see the steps|in the dark]."
    )
    s.p(
        '"[Careful|Watch out]!" called {a}, but it had no light to give. [It was very frightened.|It had '
        'never felt so useless.] "[Wait|Quick]!" said {b}. "[I have saved a little|I have a little left '
        'in my own small battery]. Take it!" "[Mine too|I have a drop as well]," said {c}. And {a} [got '
        'just enough for one small, warm glow|could glow again, just a little]. It was enough. [Nobody '
        'fell.|The steps were safe.]'
    )
    s.br()
    s.p(
        '"[Thank you|I am sorry]," said {a} [quietly|in a small voice]. "[I shone when nobody needed me, '
        'and I was dark when it mattered|I took it all, and you still helped me]."'
    )
    s.p(
        "When the wind [came back|blew again], the three [made a plan|sat together]: [each would take a "
        "little, and the one who was needed most would take first|first the one who was needed, then the "
        "others]. [From then on, it was never dark on the stairs again.|After that, there was always a "
        "little left for the dark hours.]"
    )


def night_watch(s):
    a = s.device("camera")
    b = s.animal(s.pick(["cat", "fox", "dog", "owl"]))
    k = s.adult("farmer")
    s.set(a=a, b=b, k=k, what=s.pick(["the hens", "the apple trees", "the lambs", "the boats"]))
    s.p(
        "{a} was a small camera on a post. [Its work was to watch over|Every night it watched over] "
        "{what} of {k}. It was [a quiet job|lonely work]. [The stars turned slowly above it.|Nothing ever "
        "happened.]"
    )
    s.p(
        "[One night|One cold night], a [thin|young|wet] {b.noun} [came out of the dark|came through the "
        "fence]. {a} [turned on its red light|looked closely]. \"Stop!\" it said. \"[Who goes there|Are "
        "you a thief]?\" \"[No|Please do not shout],\" said the {b.noun}. \"[I am {b}, and I am only "
        "cold|My name is {b}. I only want a dry place].\""
    )
    s.p(
        "{a} [thought about its orders|looked into its rules]. [They said|They read]: \"Wake {k} when a "
        "thief comes.\" But [a cold {b.noun} is not a thief|there was no rule about a cold {b.noun}]. "
        "\"[My box is warm|It is warm under my box],\" said {a}. \"[You may sit there|Sit there, if you "
        "like].\""
    )
    s.br()
    s.p(
        "So {b} came [every night|night after night], and they talked. {a} told {b.him} [about the "
        "stars|how the farm looked from above], and {b} told it about [the woods and the smells of the "
        "dark|all the places behind the fence that it could not see]."
    )
    s.p(
        "[One night|Then, one stormy night], {b} [lifted {b.his} head|pricked up {b.his} ears]. \"[I "
        "smell smoke|Something is burning],\" {b.he} said. {a} could not smell. It [turned around|looked "
        "left and right], but it [saw nothing|could see only rain]. \"[Are you sure|Where]?\" it asked. "
        "\"[Behind the barn|There, behind the barn], where you cannot look!\""
    )
    s.p(
        "{a} [believed {b.him}|did not wait]. It [rang the alarm|sent its loudest alarm], and {k} [ran "
        "out with a bucket|came running in {k.his} night shirt]. It was [only a small fire|just a small "
        "flame] still, and it was soon out. [All were safe.|Nothing was lost.]"
    )
    s.br()
    s.p(
        '"[How did you see that|How could you know]?" asked {k}. "[I have the eyes, and {b} has the '
        'nose|I did not see it. {b} did the smelling]," said {a}. {k} looked at the {b.noun}, and [the '
        'next day there was a bowl of milk beside the post|from then on there was always a warm place in '
        'the barn].'
    )
    s.ending("team", a, b, night=0.2)


PLOTS = [buoy_warning, slow_link, share_thinking, relay, wrong_reading, drone_wind, bell_silent, robot_learns,
         radio_mended, greedy_machine, night_watch]
