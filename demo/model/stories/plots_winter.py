# SPDX-License-Identifier: MIT
"""Plots in the snow."""

from .world import Person


def snow_bird(s):
    a = s.child()
    kind = s.pick(["robin", "sparrow", "small owl", "wren"])
    b = s.animal(kind)
    k = s.kin(a)
    s.set(a=a, b=b, k=k, kind=kind, house=s.pick(["an old shoe box", "a wooden box with a round door",
        "an old tea pot", "{a.his} winter hat"]))
    s.intro(a)
    s.weather("snow")
    s.p(
        "{a} was [carrying wood|sweeping the steps] when {a.he} saw something small [under the hedge|on "
        "the window sill]. It was a {kind}. [Its feathers were full of ice|It was too cold to fly]. {a} "
        "[took it in both hands|picked it up gently] and [felt its tiny heart beat|blew warm air on it]."
    )
    s.br()
    s.p(
        '"[Can we keep it|May it live with us]?" {a.he} asked {k}. "[A wild bird is not a toy|A bird '
        'belongs to the sky]," said {k}. "[But it may be our guest until it is strong|But in winter, '
        'everyone needs a little help]." So they made a bed [of wool|of soft hay] in {house}, and {a} '
        'gave it [crumbs and seeds|oats and a little water]. {a.He} called the bird {b}.'
    )
    s.p(
        "[In the first days|At first], {b} [only slept|sat still with closed eyes]. Then {b.he} [began to "
        "hop around|ate from {a.his} hand]. [Soon|After a week] {b.he} flew [through the kitchen|from the "
        "lamp to the shelf] and [sat on {k.his} head|stole crumbs from the plates]. [They all laughed a "
        "lot in those days.|The winter did not seem so long any more.]"
    )
    s.br()
    s.p(
        "Then the snow melted. [One morning|One bright day], {b} sat at the window and [looked out|sang]. "
        "{a} knew what that meant. [It was hard.|{a.He} had a lump in {a.his} throat.] But {a.he} opened "
        "the window [wide|with {a.his} own hands]. {b} flew [out|up], [turned a circle over the house|sat "
        "in the apple tree for a moment] and was gone."
    )
    s.p(
        "[Every winter after that, a {kind} came and knocked at the window.|In summer, there was a nest "
        "in the apple tree, and somebody sang there every morning.|\"You did the right thing,\" said {k}. "
        "\"Love has open windows.\"]"
    )


def snow_path(s):
    a = s.device("plough")
    s.set(a=Person("Little " + a.name, "it"), b=s.adult("postman"), far=s.pick(["the old woman on the hill",
        "the family at the last farm", "the keeper of the lighthouse"]))
    s.p(
        "{a} was a [small|little] snow plough. It was [only as big as a wheelbarrow|painted yellow and "
        "had one round lamp], and it stood [in the corner of a shed|behind the big machines]. The big "
        "ploughs [cleaned the roads|did all the work], and {a} [had nothing to do|was hardly ever used]."
    )
    s.weather("snow")
    s.p(
        "[This time|That winter], there was so much snow that nobody could leave the house. [The road was "
        "soon clear.|They cleared the wide road.] But the path to {far} was [narrow and steep|no wider "
        "than a door], and the big ploughs could not go there."
    )
    s.p(
        '"[How shall I bring the letters up there|And what about the path]?" asked {b}, the letter '
        'carrier. "[They have no bread by now|They must be hungry by now]." "[We are too wide|It cannot '
        'be done]," said the big ploughs.'
    )
    s.br()
    s.p(
        '"May I try?" asked {a}. [The big ploughs laughed.|The big ploughs looked at each other.] But {b} '
        '[wiped the dust from its lamp|turned the key], and {a} [began|rolled out into the white]. It '
        'pushed [a little to the left and a little to the right|one small heap after the other]. It '
        '[slipped back|got stuck] [twice|many times]. Then it [took a breath and tried again|tried again, '
        'a little slower].'
    )
    s.p(
        "It took [the whole day|until sunset]. At the top, [a door opened|a door flew open], and {far} "
        "[stood there and waved|laughed with joy]. {b} [brought the bread and the letters|carried up "
        "bread, milk and letters]."
    )
    s.br()
    s.ending("small", s.slots["a"], s.slots["b"])


PLOTS = [snow_bird, snow_path]
