# SPDX-License-Identifier: MIT
"""Plots on the water: ferries, fog, tides and storms."""

from .world import Person


def fog_signal(s):
    a = s.child()
    c = s.adult(title="Captain", unlike=a)
    b = s.child(unlike=a)
    thing, verb, sound = s.pick([
        ("an old bell", "rang", "Clang, clang"), ("a big drum", "beat", "Boom, boom"), ("a tin horn", "blew",
            "Toot, toot"),
        ("two pot lids", "banged", "Bang, bang"), ("a silver whistle", "blew", "Tweet, tweet"),
    ])
    s.set(a=a, b=b, c=c, thing=thing, verb=verb, sound=sound, it="them" if "two" in thing else "it")
    s.intro(a)
    s.p(f"{s.morning()}, [{{a}} went down to the pier|{{a}} was playing near the pier].")
    s.weather("fog")
    s.p(
        "[{ferry} was still out at sea|The ferry was late], and [people|a small crowd] [waited|stood] on "
        "the pier [with worried faces|and looked into the grey]."
    )
    s.p(
        '"Where is the ferry?" asked [an old man|a woman with a basket|a little boy]. [Nobody '
        'knew.|Nobody could say.|No one answered.]'
    )
    s.p(
        "[Out on the water, ||]{c} [knew the way by heart, but today {c.he} could not see the rocks|could "
        "see nothing but white]. {c.He} stopped the engine and [listened|waited]."
    )
    s.br()
    s.p(
        '[Then {a} had an idea.|{a} thought hard.|{a} looked at the fog and thought.] "If {c} cannot see '
        'us, {c.he} can [still|] hear us," [{a.he}|{a}] said.'
    )
    s.p(
        "{a.He} ran [home|to the boathouse|to the school] and came back with {thing}. {a.He} {verb} {it} "
        "[again and again|as loud as {a.he} could]. \"{sound}!\" it went over the water."
    )
    s.p(
        "[{a.His} arms grew tired|{a.His} hands were cold], but {a.he} did not stop. [Soon {b} came to "
        "help, and they took turns.|{b} came running to help.]"
    )
    s.br()
    s.p(
        "[Far out|Out on the water], {c} [heard the sound|lifted {c.his} head]. \"[That is the "
        "pier|Somebody is calling us]!\" {c.he} said, and {c.he} turned the wheel [slowly|gently]."
    )
    s.p(
        "[Little by little|Slowly], the sound grew [louder|clearer]. At last, [a dark shape came out of "
        "the fog|the bow of the ferry came out of the fog]. [The people cheered.|Everyone clapped and "
        "cheered.]"
    )
    s.thanks(c, a)
    s.p(
        "[The next day, {c} let {a} steer the ferry across the bay.|And {a} was allowed to [blow the "
        "ferry horn|ring the ferry bell] the next morning.|]"
    )
    s.ending("help", a, b)


def storm_wait(s):
    a = s.child()
    b = s.child(unlike=a)
    c = s.adult("captain", "Captain")
    s.set(a=a, b=b, c=c, food=s.pick(["a big cheese", "a bag of apples", "a box of biscuits",
        "two loaves of bread", "a jar of honey"]),
          food2=s.pick(["a can of soup", "some warm buns", "a bunch of grapes", "a pot of jam",
              "a bag of nuts"]))
    s.intro(a)
    s.p(
        "[One day|One afternoon], {a} wanted to take {ferry} [home|across the bay] to [visit {a.his} "
        "cousin|see {a.his} grandmother]."
    )
    s.weather("storm")
    s.p(
        '"[We cannot sail|No ferry today]," said {c}. "[The waves are too high|The sea is too rough]. We '
        '[must|have to] wait [until the storm is over|until the wind goes down]."'
    )
    s.p(
        "[So everyone|All the passengers] [had to sit|sat down] in the [small|cold] waiting room. [Nobody "
        "was happy.|A baby cried.|People looked at the floor and sighed.]"
    )
    s.br()
    s.p(
        "{a} sat [beside|next to] a {b.noun} [called|named] {b}. {b} [looked hungry|looked sad|was "
        "shivering]. {a} opened {a.his} bag and took out {food}. \"Would you like some?\" {a.he} asked."
    )
    s.p(
        '"[Yes, please|Oh, yes]!" said {b}. "[I have something too|And I can share this]." {b.He} took '
        'out {food2}.'
    )
    s.p(
        "[When the others saw this, they opened their bags too|Then something nice happened]: [an old man "
        "brought out|a woman opened] [a bottle of juice|a bag of plums|a cake], [a sailor|a farmer] [sang "
        "a song|told a funny story], and [soon|before long] [everyone was laughing|the whole room was "
        "warm and loud]."
    )
    s.p("[Nobody heard the wind any more.|They forgot all about the storm.]")
    s.br()
    s.p(
        "[In the morning|After some hours], the storm was over. \"[All aboard|The ferry is ready]!\" "
        "called {c}. {a} and {b} [stood together at the rail|sat side by side on the deck] and [watched "
        "the sun come up|looked at the calm sea]."
    )
    s.p(
        "\"I [almost|nearly] wish the storm had been longer,\" said {b}, and [both of them|they both] "
        "laughed."
    )
    s.ending("share", a, b)


def engine_stops(s):
    a = s.child()
    c = s.adult(title="Captain", unlike=a)
    m = s.adult("mechanic", unlike=a)
    cause, clue, fix = s.pick([
        ("a long rope was wrapped around the propeller",
            "something green and thick in the water behind the boat", "{m} cut it away with a long knife"),
        ("the fuel filter was full of dirt", "that the little glass under the pump was black",
            "{m} washed the filter and put it back"),
        ("a small belt had slipped off its wheel", "a black ring on the floor under the engine",
            "{m} put the belt back and turned the screw tight"),
        ("a wire had come loose behind the battery",
            "a wire that swung from side to side and touched nothing",
            "{m} pushed the wire back and turned the screw tight"),
        ("a heap of seaweed had blocked the water pipe", "that no water came out of the side of the boat",
            "{m} pulled the seaweed out of the pipe"),
    ])
    s.set(a=a, c=c, m=m, cause=cause, clue=clue, fix=fix)
    if s.chance(0.3):
        s.p(
            "The ferry [to {isl}|from {har} to {isl}] was [small and old|old and slow|blue and white], "
            "but it had never been late. {a}, a [little|young] {a.noun}, [loved to ride on it|took it "
            "every week]."
        )
    else:
        s.intro(a)
    s.p(
        "[One day|One morning|One afternoon], {a} was on {ferry}, [on the way to {har}|half way across "
        "the bay], when the engine [coughed|gave a cough] and stopped. [Everything was suddenly quiet.|It "
        "was very quiet.]"
    )
    s.p(
        '"[What is wrong|What happened]?" asked the [people|passengers]. {c} [did not know|shook {c.his} '
        'head]. {c.He} pushed every button, but the engine [would not start|stayed silent].'
    )
    s.p(
        "[The ferry began to drift|The wind pushed the ferry] [slowly|] towards the rocks. {c} [dropped "
        "the anchor|threw out the anchor], and {m}, the mechanic, opened the engine room."
    )
    s.br()
    s.p(
        "{m} looked at [the big parts|the engine from above], but {m.he} [found nothing|could not find "
        "anything wrong]. {a} [was small enough to look underneath|knelt down and looked from below]. "
        "{a.He} saw {clue}."
    )
    s.p(
        '"[Look|Come and look]!" [called|said] {a}. "[Is that right|Should it be like that]?" {m} [bent '
        'down|came at once] and [whistled|smiled]. [So that was it:|There it was:] {cause}.'
    )
    s.p(
        "{fix}. \"[Now try again|Start her up]!\" {m.he} called. The engine [coughed once|sneezed] and "
        "[began to hum|started to run]. [Everyone cheered.|The passengers clapped.]"
    )
    s.br()
    s.thanks(s.slots["c"], a)
    s.p(
        '"[Most people look where it is easy|Everyone looked at the big parts]," said {m}. "[You looked '
        'where it was dark|You looked at the small ones]."'
    )
    s.ending("small" if s.chance(0.5) else "help", a, m)


def stowaway(s):
    a = s.child()
    c = s.adult(title="Captain", unlike=a)
    kind, sound, why = s.pick([
        ("goat", "Meh", "had eaten through its rope"), ("dog", "Woof",
            "had followed a butcher with a basket"), ("cat", "Miaow", "had smelled the fish boxes"),
        ("duck", "Quack", "had been looking for a quiet place to sleep"), ("donkey", "Hee-haw",
            "had walked up the ramp behind the apple cart"), ("lamb", "Baa",
            "had walked away from its mother"),
    ])
    hide = "lifeboat" if kind in ("cat", "duck", "dog", "lamb") else "baggage room"
    o = s.adult("farmer")
    s.set(a=a, c=c, o=o, kind=kind, sound=sound, why=why, hide=hide)
    s.p(
        "{a} [worked on|helped on] {ferry} [on Saturdays|in the summer]. {a.He} [swept the deck|sold the "
        "tickets] and [rang the bell|coiled the ropes], and {c} [was teaching|taught] {a.him} [how to "
        "steer|the names of the islands]."
    )
    s.p(
        "[One day|One morning], just after the ferry had left {har}, {a} heard a [strange|funny] sound. "
        "\"{sound}!\" {a.He} stopped and listened. \"{sound}!\" [There it was again.|It came from the "
        "{hide}.]"
    )
    s.p(
        "{a} looked into the {hide}, and there [sat|stood] a [little|brown|white|grey] {kind}. It [looked "
        "at {a.him}|blinked] and [ate a piece of paper|yawned]."
    )
    s.br()
    s.p(
        '"{c}!" called {a}. "[We have a passenger without a ticket|There is a {kind} on board]!" {c} '
        '[laughed so loudly that {c.his} hat fell off|scratched {c.his} head]. "[Whose {kind} is it|Where '
        'did it come from]?" {c.he} asked.'
    )
    s.p(
        "[Around its neck was a red ribbon|It wore a small bell with a name on it], and {a} [thought "
        "hard|remembered]. \"I have seen it [before|] at the farm of {o}, [on the hill above|behind] "
        "{har},\" {a.he} said. \"[It must have come on board when we loaded the boxes|It is very far from "
        "home].\""
    )
    s.p(
        "They could not turn around, [because people were waiting on the other side|because the tide was "
        "going out]. So the {kind} [sailed|travelled] all the way to {isl} and back. {a} gave it [some "
        "water and a bit of bread|a blanket to lie on]. [The passengers took turns to stroke it.|All the "
        "children on board wanted to stroke it.]"
    )
    s.br()
    s.p(
        "When the ferry came back to {har}, {o} was [standing|waiting] on the pier, [very pale|out of "
        "breath]. \"[There you are|I have looked everywhere]!\" {o.he} [cried|called]. The {kind} {why}, "
        "[and nobody had seen it go|and then the ferry had sailed]."
    )
    s.thanks(o, a)
    s.p(
        "[After that, a sign hung at the ferry: Every {kind} needs a ticket.|After that, {a} always "
        "looked into the {hide} before the ferry sailed.|\"[Next time|Next week] it may travel in the "
        "front,\" said {c}. \"But it must buy a ticket.\"]"
    )
    if s.chance(0.4):
        s.ending("help", a, o, night=0.5)
    else:
        s.p("[Everyone laughed, and the {kind} laughed loudest of all.|And the {kind}? It slept all the way home.]")


def first_trip(s):
    a = s.child()
    c = s.adult(title="Captain", unlike=a)
    k = s.kin(a)
    task, detail = s.pick([
        ("count the buoys", "There were seven red ones and six green ones"), ("hold the map",
            "{a} followed the line on the map with one finger"),
        ("watch for seals", "{a} counted five grey heads in the water"), ("look after the flag",
            "{a} pulled the rope, and the flag went up and snapped in the wind"),
        ("keep the log book", "{a} wrote down every boat they met"),
    ])
    s.set(a=a, c=c, b=c, k=k, task=task, detail=detail)
    s.intro(a, trait=False)
    s.p(
        "{a} had never [crossed the water|been on the ferry] alone. But [today|that day] {a.his} "
        "[aunt|cousin|grandfather] on the other shore had a birthday, and {k} [had to work|was ill in "
        "bed]. "
    )
    s.p(
        '"You are [big enough now|old enough]," said {k}. {a} [nodded|said nothing], but {a.his} '
        '[stomach|knees] felt [funny|like jelly].'
    )
    s.p(
        "[The ferry looked very big|{ferry} looked very big] [from close up|that morning], and the water "
        "looked [very deep|dark and cold]. {a} held {a.his} ticket [so hard that it bent|with both "
        "hands]. Then {a.he} [walked|stepped] on board."
    )
    s.br()
    s.p(
        "{c} saw {a.him} [standing alone at the rail|sitting in the corner]. \"[First time alone|Is this "
        "your first trip alone]?\" {c.he} asked [kindly|in a low voice]. {a} nodded. \"[I was afraid too, "
        "the first time|On my first trip, I cried all the way]. [Do you know what helped|Shall I tell you "
        "what helped me]? I had a job to do.\""
    )
    s.p(
        '"What job?" asked {a}. "You can {task}," said {c}. [So {a} went to work.|{a} stood up straight.] '
        '{detail}. [{a.He} was so busy that {a.he} forgot to be afraid.|The waves went up and down, but '
        '{a} had no time to look at them.]'
    )
    s.p(
        "[Suddenly|Before {a.he} knew it], the ferry bumped against the [other pier|pier]. [They had "
        "arrived|They were there] already!"
    )
    s.br()
    s.p(
        '"[Good work|Well done], sailor," said {c}. "[Will you do it again on the way home|I need you '
        'again tomorrow]?" "[Yes|Of course]!" said {a}[|, and ran down the ramp to the birthday party].'
    )
    s.ending("courage", a, c)


def lamp_out(s):
    a = s.child()
    k = s.adult("lighthouse keeper", unlike=a)
    b = s.child(unlike=a)
    cause = s.pick(["Lightning had struck the tower", "A wave had broken the window of the lamp room",
        "The old lamp had burned out, and there was no new one on the island",
        "The storm had torn down the power line"])
    s.set(a=a, b=b, k=k, cause=cause)
    s.p(
        "[On the highest rock of {isl} stood a lighthouse|There was a tall lighthouse on {isl}]. {k}, the "
        "keeper, [lit the lamp every evening|had never missed a night], and [the sailors trusted it|every "
        "boat found its way home]."
    )
    s.p(
        "[One night|One evening] in [autumn|winter], the lamp [went out|went dark]. {cause}. \"[The "
        "fishing boats are still out|The ferry is still out there]!\" said {k}. \"[How will they find the "
        "harbour?|They will run onto the rocks!]\""
    )
    s.p(
        "{a}, [a {a.noun} from the village|a {a.noun} who lived next door], heard [this|{k.him}]. [{a.He} "
        "looked at the small lantern in {a.his} hand.|{a.He} held a small lantern.] It was [only a little "
        "light|not very bright]. But [what if there were many?|many little lights make a big light.]"
    )
    s.br()
    s.p(
        "{a} ran from [house to house|door to door]. \"Bring your [lanterns|lamps] to the shore!\" {a.he} "
        "[called|shouted]. First came {b} [with a candle in a jar|with a bicycle lamp]. Then came [the "
        "baker|the teacher|the postman], and then [the whole village|everyone who could walk]."
    )
    s.p(
        "They stood [along the shore|in a long line from the rocks to the pier], and [each of them held "
        "up a light|every one of them had a light]. The wind [tugged at|tried to blow out] the flames, "
        "but the people [stood close together|held their coats around them]."
    )
    s.p(
        "[Far out at sea|On the dark water], the sailors saw [a chain of lights|a string of small stars]. "
        "\"[That must be the shore|There is the harbour]!\" they called, and one boat after the other "
        "came [safely|] home."
    )
    s.br()
    s.p(
        "[When the last boat was tied up|When all were safe], {k} [shook {a.his} hand|bowed to {a}]. \"I "
        "have one big light,\" {k.he} said. \"[You found a hundred small ones|But you have a whole "
        "village].\""
    )
    s.p(
        "[The next day, they repaired the big lamp together.|A new lamp came with the ferry two days "
        "later.|]"
    )
    s.ending(s.pick(["help", "small"]), a, k)


def bottle(s):
    a = s.child()
    b = s.child(unlike=a)
    s.set(a=a, b=b, what=s.pick(["a drawing of a whale", "a map of a small island", "a pressed blue flower",
        "a joke about a crab"]))
    s.intro(a)
    s.p(
        "[One morning|After the storm|One day], {a} found a [green|brown] bottle [on the beach|between "
        "the rocks|in the seaweed]. There was [a piece of paper|a letter] in it! {a.He} pulled out the "
        "cork [with {a.his} teeth|with a bent nail] and [read|unrolled the paper]."
    )
    s.p(
        '"[Hello|Dear finder]," it said. "My name is {b}. I live on a small island, and there [are no '
        'other children|is nobody to play with] here. [Will you write to me?|Please write back!]" Under '
        'the words was {what}.'
    )
    s.br()
    s.p(
        "{a} [ran home|sat down at once] and wrote a [long|friendly] letter. {a.He} [told {b} about|wrote "
        "about] [{a.his} school|the harbour], [{a.his} dog|{a.his} cat] and [the best place to catch "
        "crabs|the big waves in winter]. But how could {a.he} send it? [A bottle goes where it "
        "likes.|Nobody knows where a bottle will float.]"
    )
    s.p(
        '"[Give it to me|I can help]," said the captain of {ferry}. "I know every island [in the bay|on '
        'this coast], and I know only one {b.noun} called {b}."'
    )
    s.p(
        "[Four|Three|Five] days later, the captain came back with [an answer|a letter]. [And so it went "
        "on|After that, the letters went back and forth] all [winter|summer] long, [one every week|on "
        "every ferry]."
    )
    s.br()
    s.p(
        "In the [spring|autumn], the captain did not bring a letter. {a} [looked sad|was worried]. Then "
        "{a.he} saw a {b.noun} on the deck, [holding a green bottle|with a bottle in {b.his} hand]."
    )
    s.p(
        '"[I thought I would bring this one myself|This time I came myself]," said {b}. [They laughed and '
        'ran down to the beach together.|{a} laughed and took {b.him} by the hand.]'
    )
    s.ending(s.pick(["care", "share"]), a, b)


def net_rescue(s):
    a = s.child()
    kind, hold, move = s.pick([("seal", "its neck", "swam"), ("gull", "its wing", "flew"), ("turtle",
        "its leg", "swam"), ("young dolphin", "its tail", "swam"), ("puffin", "its foot", "flew")])
    b = s.adult("fisher", unlike=a)
    s.set(a=a, b=b, kind=kind, hold=hold, move=move)
    s.intro(a)
    s.p(
        "[One day|One morning], {a} [walked along the beach|was rowing near the rocks] and heard a "
        "[sad|small|strange] cry. [Behind a rock|Between two rocks] lay a {kind}. An old [fishing "
        "net|net] was wrapped around {hold}, and it could not [get free|move]."
    )
    s.p(
        '"[Oh no|You poor thing]," said {a}. "[Hold still|Do not be afraid]." But when {a.he} came '
        'closer, the {kind} [was frightened|pulled away], and the net [pulled tighter|grew tighter].'
    )
    s.br()
    s.p(
        "{a} [sat down on the sand|stopped] and [waited|stayed very quiet]. {a.He} [sang a soft "
        "song|spoke in a low voice] until the {kind} [lay still|was calm]. Then {a.he} [ran to "
        "fetch|called] {b}, a fisher [who always had a knife|with steady hands]."
    )
    s.p(
        "[Together they|They] worked [slowly and carefully|for a long time]. {a} held the {kind} "
        "[gently|] in a [wet|] blanket, and {b} cut [one string after the other|the strings one by one]. "
        "[Snip, snip, snip.|The {kind} watched them with big dark eyes.]"
    )
    s.p(
        "At last, the net fell [off|away]. The {kind} [shook itself|lay still for a moment], looked "
        "[back|at them] once, and {move} [away|out to sea]."
    )
    s.br()
    s.p(
        "{b} picked up the [old|torn] net. \"[This should never have been in the sea|Somebody threw this "
        "away],\" {b.he} said. [After that|From then on], {a} and {b} [collected old nets|cleaned the "
        "beach] every [Sunday|week]."
    )
    s.p(
        "[Some weeks later|In the summer], a {kind} [came close to the pier|followed {a.his} boat]. {a} "
        "saw [the thin white mark|a thin line] on {hold} and [waved|smiled]. [It had come to say thank "
        "you.|It had not forgotten.]"
    )


def boat_race(s):
    a = s.child()
    b = s.child(unlike=a)
    j = s.adult("harbour master")
    trouble, fix = s.pick([
        ("the mast of {b.his} boat had broken", "tied the two boats together with a rope"),
        ("{b.his} boat had a hole and was filling with water", "pulled {b} into {a.his} own boat"),
        ("{b.he} had lost an oar", "threw {b.him} a rope"),
        ("the wind had turned {b.his} boat over", "held out a hand and pulled {b} out of the water"),
    ])
    s.set(a=a, b=b, j=j, trouble=trouble, fix=fix)
    s.p(
        "[Every summer|Once a year], there was a boat race [in {har}|around {isl}]. The winner got [a "
        "silver cup|a golden flag|a big cake]. {a} had [worked on|painted] {a.his} [small|little] boat "
        "[all spring|for many weeks], and {a.he} [wanted to win more than anything|was sure that {a.he} "
        "could win]."
    )
    s.p(
        "On the day of the race, [the sun shone and the wind was strong|the wind was just right]. {j}, "
        "the harbour master, [fired the gun|waved a flag|blew a whistle], and [off they went|all the "
        "boats shot forward]!"
    )
    s.p(
        "{a} was [fast|very fast]. {a.He} passed one boat, then [another|two more]. [Soon|Half way "
        "round], [only one boat was in front of {a.him}|{a.he} was first]."
    )
    s.br()
    s.p(
        "Then {a} heard a [cry|shout] behind {a.him}. [It was {b}|{a.He} turned around and saw {b}]: "
        "{trouble}. [The other boats were far away.|Nobody else had seen it.] {a} looked at [the finish "
        "line|the flag at the finish]. [It was so close!|Only a little more!]"
    )
    s.p(
        "[But {a} did not think long.|Then {a} shook {a.his} head.] \"[A cup cannot drown|There will be "
        "another race],\" {a.he} said, and {a.he} turned the boat around. {a.He} {fix}. Then they sailed "
        "[slowly|together] to the [shore|harbour]."
    )
    s.br()
    s.p(
        "They were the very last. But when they [came in|reached the pier], [all the people stood up and "
        "clapped|everybody cheered]. {j} [came|walked] down to the water. \"[Somebody else was faster "
        "today|The cup goes to the fastest boat],\" {j.he} said. \"But this is for the best sailor.\" And "
        "{j.he} gave {a} [{j.his} own old compass|a small flag with a golden star|{j.his} captain's hat]."
    )
    s.ending("help", a, b)


def tide_trap(s):
    a = s.child()
    b = s.child(unlike=a)
    k = s.kin(a)
    s.set(a=a, b=b, k=k)
    s.intro(a, trait=False)
    s.p(
        "{k} had told {a.him} [many times|again and again]: \"[When the water turns, you turn too|Watch "
        "the tide. It comes back faster than you think].\""
    )
    s.p(
        f"{s.morning()}, {{a}} and {{a.his}} friend {{b}} walked [far|a long way] out over the wet sand "
        f"to [look for shells|dig for clams|see the old wreck]. [There was so much to see.|They found "
        f"crabs and starfish and a blue bottle.] They [forgot the time|did not look back]."
    )
    s.br()
    s.p(
        "Then {b} [felt cold water around {b.his} feet|looked up]. \"{a}!\" {b.he} said. \"[The sea is "
        "behind us|There is water everywhere]!\" It was true. The tide [had come in|was coming in], and "
        "they stood on a [small|little] hill of sand."
    )
    s.p(
        "{b} [began to cry|wanted to run]. {a} was [afraid|scared] too, but {a.he} [took a deep breath "
        "and remembered|tried to remember] what {k} had [said|taught {a.him}]. \"[Not that way|Wait],\" "
        "{a.he} said. \"[It is deep there. We must go where the grass grows|Where the birds stand, the "
        "water is low]. [Take my hand|Hold on to me].\""
    )
    s.p(
        "[Step by step|Slowly], they [walked|waded] through the water. It came up to their "
        "[knees|waists], and it was very cold. {a} [tested the ground with a stick|felt for the ground "
        "with one foot] before every step. [They did not let go.|{b} held on tight.]"
    )
    s.br()
    s.p(
        "At last, they [felt dry stones under their feet|reached the dunes]. They [fell down on the "
        "grass|sat down] and [laughed and shivered|could not speak for a while]. When they came home, {k} "
        "[wrapped them in blankets|gave them hot soup] and [listened to the whole story|was not angry]."
    )
    s.p(
        '"You [remembered|listened]," {k.he} said [quietly|and held {a.him} tight]. "[That saved you '
        'both|I am very glad]."'
    )
    s.ending("courage", a, b)


def little_ferry(s):
    f = s.pick(["Daisy", "Puffin", "Wren", "Minnow", "Tilly", "Bobbin", "Nutshell", "Clementine"])
    g = s.pick(["Queen of the North", "Great Eagle", "Silver Giant", "Sea King", "Golden Crown"])
    a = Person(f, "she")
    s.set(a=a, g="the " + g, what=s.pick(["the doctor", "the school children", "the bread and the milk",
        "the letters and the parcels"]))
    s.p(
        "[Once upon a time, there was|There once was] a little ferry called {a}. She was [red and "
        "white|blue and white|yellow|green], and she was [old|slow] but [very careful|proud of her work]. "
        "Every day, she carried {what} from {har} to {isl}."
    )
    s.p(
        "One day, a [huge|big] new ship came into the bay. It was called {g}. It had [three decks|four "
        "engines], [a restaurant|a cinema] and [a hundred lights|a horn as loud as thunder]. \"[Look at "
        "you|How small you are]!\" it [laughed|said]. \"[You are no bigger than my lifeboat|Soon nobody "
        "will need you].\""
    )
    s.p(
        "{a} was [sad|hurt]. [Perhaps it was true.|She looked at her small reflection in the water.] But "
        "she [went on with her work|sailed to {isl} the same as every day]."
    )
    s.br()
    s.weather(s.pick(["storm", "fog"]))
    s.p(
        "[That night|That evening], the great ship [lost its way|took a wrong turn] and [ran onto a sand "
        "bank|got stuck on the sand] [near {isl}|between the islands]. It [blew its horn|called for "
        "help]. [The big tugs tried to come|Other big ships tried to help], but the water was too shallow "
        "for them."
    )
    s.p(
        '"[I can go there|Let me try]," said {a}. "[I need only a little water under me|I am small and '
        'flat]." She [chugged|sailed] through the [dark|waves], [around the rocks|over the shallow '
        'places], until she was beside {g}.'
    )
    s.p(
        "[One by one|Group by group], the passengers [climbed down|came on board]. {a} went back and "
        "forth [all night long|ten times] until [every one of them was safe|everyone was on land]."
    )
    s.br()
    s.p(
        "In the morning, the tide [came in|rose] and lifted {g} [off|from] the sand. \"I am sorry,\" it "
        "said [softly|in a small voice]. \"[I laughed at you, and you helped me|You are small, but your "
        "heart is bigger than my engines].\""
    )
    s.p(
        "[\"Everyone has their own kind of water,\" said {a}.|\"There is room in the bay for both of "
        "us,\" said {a}.] And [since then|from that day on], the big ship [always blew its horn for "
        "{a}|waited] when [she came by|the little ferry passed]."
    )


def frozen_harbour(s):
    a = s.child()
    b = s.child(unlike=a)
    d = s.adult(title="Doctor")
    need = s.pick(["The baker's little girl had a fever", "Old Mr Quill was very ill",
        "A baby was coming early", "The shepherd had broken a leg"])
    s.set(a=a, b=b, d=d, need=need)
    s.p(
        "It was the coldest winter [in many years|that anyone could remember]. The harbour of {har} was "
        "frozen, and {ferry} [lay still in the ice|could not move]."
    )
    s.p(
        "{need}, and {d} [was on the other side of the bay|lived across the water]. \"[How can the doctor "
        "come to us|How can anyone cross without the ferry]?\" [the people asked|asked the people]. "
        "\"[The ice is too thin for a horse|The ice will not carry a cart].\""
    )
    s.br()
    s.p(
        "{a} and {b} [looked at each other|had an idea]. They had [played on the ice all week|pulled "
        "their sledge over the ice every day], and they knew [where it was thick and where it was "
        "thin|every crack in it]. [Their sledge was light.|And their sledge was long and light.]"
    )
    s.p(
        "They [tied a rope around themselves|took a long rope and two poles] and started. {a} went first "
        "and [knocked on the ice with a stick|tested the ice]. [A dull sound meant thick ice, and a high "
        "sound meant thin ice|Where it was white, they walked, and where it was dark, they went around]. "
        "It took [an hour|two hours], and [their noses were red|their fingers were stiff]."
    )
    s.p(
        '"[Have you come over the ice|You crossed the ice]?" said {d} [and opened the door wide|in '
        'surprise]. "Please [come|hurry]," said {b}. "[We know a safe way|We will show you the way]." {d} '
        '[put the black bag on the sledge|packed the black bag] and [followed in their steps|went with '
        'them].'
    )
    s.br()
    s.p(
        "[That night|The next morning], {d} [came out of the house|closed the black bag] and smiled. "
        "\"[All is well|Everything will be fine now].\" "
    )
    s.p(
        "[The whole village|Everyone] [thanked the two children|wanted to shake hands with the two "
        "children], and [the baker gave them as many buns as they could eat|they sat by the stove with "
        "hot chocolate]."
    )
    s.ending(s.pick(["team", "courage"]), a, b)


def count_boats(s):
    a = s.child()
    h = s.adult("harbour master", unlike=a)
    n, m = s.pick([("twelve", "eleven"), ("nine", "eight"), ("fifteen", "fourteen"), ("ten", "nine"),
        ("twenty", "nineteen")])
    boat = s.pick(["the Lark", "the Juniper", "the Star", "the Bluebell"])
    s.set(a=a, h=h, n=n, m=m, boat=boat, who=s.pick(["old Mr Wick", "two brothers", "Miss Tate",
        "a young fisher"]))
    s.intro(a)
    s.p(
        "[Every evening|Each evening], {a} sat [on the harbour wall|at the window] and counted the boats "
        "as they came home. [{a.He} wrote the number in a little book.|It was {a.his} favourite game.] "
        "\"[What is that good for|Why do you do that]?\" [people asked|the other children asked]. \"I "
        "just like to know,\" said {a}."
    )
    s.p(
        "In the morning, {n} boats had [gone out|sailed]. In the evening, {a} counted {m}. {a.He} counted "
        "again, but it was still {m}. One boat was [missing|not there]!"
    )
    s.br()
    s.p(
        "{a} ran to {h}, the harbour master. \"[{boat} has not come back|I think {boat} is still out "
        "there]!\" {a.he} said. {h} [looked at the book|read the page] and [turned pale|put on {h.his} "
        "coat]. \"[You are right|Good that you counted],\" {h.he} said, and [rang the alarm bell|sent out "
        "the rescue boat]."
    )
    s.p(
        "They found {boat} [behind the rocks|far out in the dark], with [a broken engine|a broken sail] "
        "and {who} [on board, cold but safe|sitting in the wet and the cold]. [Two hours later, it would "
        "have been too late.|Nobody else would have known.]"
    )
    s.br()
    s.p(
        "[After that|From then on], nobody asked what the counting was good for. {h} gave {a} a "
        "[big|thick] [blue|red|black] book with [the words \"Harbour Log\" on it|gold letters on it], and "
        "{a} [wrote in it every evening|never missed an evening]."
    )
    s.p(
        "[\"Small work done every day is big work,\" said {h}.|And every evening, when the number was "
        "right, {a} closed the book and went home to supper.]"
    )


PLOTS = [fog_signal, storm_wait, engine_stops, stowaway, first_trip, lamp_out, bottle, net_rescue, boat_race,
         tide_trap, little_ferry, frozen_harbour, count_boats]
