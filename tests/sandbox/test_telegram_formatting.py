"""HTML of bots: read as Telegram reads it, and written back so that no page can be harmed."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.formatting import NotParsed, html_from_text, text_from_html, tidy


def entity(kind: str, offset: int, length: int, **more: object) -> dict:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain &amp; &lt;b&gt; &quot;q&quot;", 'plain & <b> "q"', []),
        ("&#1071;&#x42F;&#128512; &nbsp; &ltd", "ЯЯ😀 &nbsp; &ltd", []),
        ("<b>x</b>", "x", [entity("bold", 0, 1)]),
        ("<STRONG>x</strong>", "x", [entity("bold", 0, 1)]),
        ("😀<i>x</i>", "😀x", [entity("italic", 2, 1)]),
        ("<u>a<s>b</s></u>", "ab", [entity("strikethrough", 1, 1), entity("underline", 0, 2)]),
        ("<b></b>x", "x", []),
        ("<b x=1 y = '2' z>x</b>", "x", [entity("bold", 0, 1)]),
        ("<span class='tg-spoiler'>x</span>", "x", [entity("spoiler", 0, 1)]),
        ("<tg-spoiler>x</tg-spoiler>", "x", [entity("spoiler", 0, 1)]),
        (
            '<a href="https://a.example/?x=1&amp;y=2">go</a>',
            "go",
            [entity("text_link", 0, 2, url="https://a.example/?x=1&y=2")],
        ),
        ("<a>a.example</a>", "a.example", [entity("text_link", 0, 9, url="http://a.example")]),
        ("<a href='javascript:alert(1)'>x</a>", "x", []),
        (
            '<a href="tg://user?id=5">Ann</a>',
            "Ann",
            [entity("text_mention", 0, 3, user={"id": 5, "is_bot": False})],
        ),
        (
            '<pre><code class="language-python">x = 1</code></pre>',
            "x = 1",
            [entity("pre", 0, 5, language="python")],
        ),
        ("<code>x</code>", "x", [entity("code", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [entity("expandable_blockquote", 0, 1)]),
        (
            '<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>',
            "👍",
            [entity("custom_emoji", 0, 2, custom_emoji_id="5368324170671202286")],
        ),
        ("<b>x</>", "x", [entity("bold", 0, 1)]),
        ("a < b", None, 'Unsupported start tag "" at byte offset 2'),
        ("<b", None, "Unclosed start tag at byte offset 0"),
        ("<b x=", None, 'Unclosed start tag "b" at byte offset 0'),
        ("<br>", None, 'Unsupported start tag "br" at byte offset 0'),
        ("<b =x>", None, 'Empty attribute name in the tag "b" at byte offset 0'),
        ("<a href=https://a.example>x</a>", None, "Unexpected end of name token at byte offset 8"),
        ("</b>", None, "Unexpected end tag at byte offset 0"),
        ("<b>я</b", None, "Unclosed end tag at byte offset 5"),
        (
            "<b>x</i>",
            None,
            'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"',
        ),
        ("<span>x</span>", None, 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<tg-emoji>x</tg-emoji>", None, "Invalid custom emoji identifier specified"),
    ],
)
def test_markup_is_read_or_refused(source, text, entities):
    if text is None:
        with pytest.raises(NotParsed) as refused:
            text_from_html(source)
        assert str(refused.value) == entities
    else:
        assert text_from_html(source) == (text, entities)


def test_blanks_round_a_text_go_and_entities_follow():
    text, entities = tidy("\n <b> /go  ", [entity("bold", 0, 6), entity("italic", 10, 2)])
    assert text == "<b> /go"
    assert entities == [entity("bold", 0, 4), entity("bot_command", 4, 3)]


def test_what_is_code_holds_no_links():
    assert tidy("https://a.example/x", [entity("code", 0, 19)])[1] == [entity("code", 0, 19)]


@pytest.mark.parametrize(
    ("text", "entities", "html"),
    [
        ("<script>", [], "&lt;script&gt;"),
        ("a<b", [entity("bold", 1, 2)], "a<b>&lt;b</b>"),
        ("ab", [entity("bold", 0, 2), entity("italic", 1, 1)], "<b>a<i>b</i></b>"),
        ("abc", [entity("bold", 0, 2), entity("italic", 1, 2)], "<b>a<i>b</i></b><i>c</i>"),
        ("x", [entity("text_link", 0, 1, url="javascript:alert(1)")], "x"),
        (
            "x",
            [entity("text_link", 0, 1, url='https://a.example/">')],
            '<a href="https://a.example/&quot;&gt;" target="_blank" rel="noopener noreferrer">x</a>',
        ),
        ("x", [entity("made_up", 0, 1)], "x"),
    ],
)
def test_entities_are_written_as_tags_of_our_own(text, entities, html):
    assert html_from_text(text, entities) == html


class Tags(HTMLParser):
    """Fails on any tag or attribute that the double has no business to write."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        assert tag in {"b", "i", "u", "s", "code", "pre", "blockquote", "a", "span"}
        assert {name for name, _ in attrs} <= {"href", "target", "rel", "class", "role", "tabindex"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@given(
    st.text(alphabet="ab<>&\"'/ я😀\n", max_size=20),
    st.lists(
        st.builds(
            entity,
            st.sampled_from(["bold", "code", "spoiler", "text_link", "url", "blockquote"]),
            st.integers(0, 25),
            st.integers(1, 25),
            url=st.sampled_from(["https://a.example/'\"<", "javascript:x", ""]),
        ),
        max_size=5,
    ),
)
def test_whatever_a_bot_sends_the_page_gets_well_formed_harmless_html(text, entities):
    entities.sort(key=lambda one: (one["offset"], -one["length"]))
    tags = Tags()
    tags.feed(html_from_text(text, entities))
    tags.close()
    assert tags.open == []
    if "😀" not in text:  # Half of a character may be cut off by a foolish entity.
        assert tags.text == text
