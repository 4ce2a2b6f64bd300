"""The Bot API of the double: shapes of answers, and refusals in Telegram's own words."""

import json

import pytest

from sandbox.telegram.chats import ChatIsClosed, NoSuchButton
from tests.sandbox.telegram_room import ANNA, BEN, Room, button, keyboard

NOT_MODIFIED = (
    "400 Bad Request: message is not modified: specified new message content and reply markup are"
    " exactly the same as a current content and reply markup of the message"
)
TOO_OLD = "400 Bad Request: query is too old and response timeout expired or query ID is invalid"
BLOCKED = "403 Forbidden: bot was blocked by the user"


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_message_is_told_back_as_telegram_does(room):
    told = room.says("<b>Hi</b>", parse_mode="HTML", reply_markup=keyboard(button()))

    assert told == {
        "message_id": 2,
        "from": {
            "id": 100500,
            "is_bot": True,
            "first_name": "Demo",
            "username": "billhook_demo_bot",
        },
        "chat": {"id": ANNA, "first_name": "Anna", "username": "anna_demo", "type": "private"},
        "date": int(room.at.timestamp()),
        "text": "Hi",
        "entities": [{"type": "bold", "offset": 0, "length": 2}],
        "reply_markup": keyboard(button()),
    }


def test_what_comes_as_a_form_is_read_as_what_comes_as_json(room):
    as_json = room.says(reply_markup=keyboard(button()))
    as_form = room.says(chat_id=str(ANNA), reply_markup=json.dumps(keyboard(button())))

    assert as_form["reply_markup"] == as_json["reply_markup"]


@pytest.mark.parametrize(
    ("token", "method", "said"),
    [
        ("1:wrong", "getMe", "401 Unauthorized"),
        ("nonsense", "getMe", "404 Not Found"),
        ("100500:development-bot-token", "sendFlowers", "404 Not Found: method not found"),
    ],
)
def test_a_stranger_and_an_unknown_method_are_refused(room, token, method, said):
    assert room.refusal(method, token=token) == said


def test_methods_are_known_in_any_case(room):
    assert room.result("GETME")["username"] == "billhook_demo_bot"


def test_nobody_is_written_to_who_has_not_begun(room):
    said = room.refusal("sendMessage", chat_id=BEN, text="hi")
    assert said == "403 Forbidden: bot can't initiate conversation with a user"
    assert room.refusal("sendMessage", chat_id=5, text="hi") == "400 Bad Request: chat not found"
    assert room.refusal("sendMessage", text="hi") == "400 Bad Request: chat_id is empty"


def test_nobody_is_written_to_who_stopped_the_bot(room):
    message = room.says()
    room.rules.block(ANNA, at=room.at)

    assert room.refusal("sendMessage", chat_id=ANNA, text="hi") == BLOCKED
    assert room.refusal("sendChatAction", chat_id=ANNA, action="typing") == BLOCKED
    edit = {"chat_id": ANNA, "message_id": message["message_id"], "text": "new"}
    assert room.refusal("editMessageText", **edit) == BLOCKED

    room.rules.unblock(ANNA, at=room.at)
    assert room.says("again")["text"] == "again"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "message text is empty"),
        (" \n ", "text must be non-empty"),
        ("<b> </b>", "text must be non-empty"),
        ("x" * 4097, "message is too long"),
        ("<b>", "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
        ("Аня <x>", 'can\'t parse entities: Unsupported start tag "x" at byte offset 7'),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused(room, text, said):
    refused = room.refusal("sendMessage", chat_id=ANNA, text=text, parse_mode="HTML")
    assert refused == f"400 Bad Request: {said}"


def test_a_text_of_the_longest_length_is_sent(room):
    assert len(room.says("я" * 4096)["text"]) == 4096


def test_entities_may_be_given_in_place_of_markup(room):
    bold = {"type": "bold", "offset": 0, "length": 2}
    assert room.says("hi <b>", entities=json.dumps([bold]))["entities"] == [bold]
    said = room.refusal("sendMessage", chat_id=ANNA, text="hi", entities=[{"type": "bold"}])
    assert said == "400 Bad Request: can't parse MessageEntity: expected an Object"


def test_markup_the_double_cannot_read_is_refused_and_says_so(room):
    said = room.refusal("sendMessage", chat_id=ANNA, text="*x*", parse_mode="MarkdownV2")
    assert said.startswith("400 Bad Request: unsupported parse_mode")


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("{", "can't parse reply keyboard markup JSON object"),
        ('{"x": "\\ud800"}', "can't parse reply keyboard markup JSON object"),
        ("[" * 500 + "]" * 500, "can't parse reply keyboard markup JSON object"),
        ("[]", "object expected as reply markup"),
        (
            {"inline_keyboard": [{}]},
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
        ),
        (keyboard(button(callback_data="я" * 32 + "x")), "BUTTON_DATA_INVALID"),
        (keyboard(button("")), "inline keyboard button text must be non-empty"),
        (
            keyboard({"text": "Go"}),
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            keyboard(button(url="https://shop")),
            "inline keyboard button URL 'https://shop' is invalid: Wrong HTTP URL",
        ),
        (
            keyboard(button(url="ftp://shop.example")),
            "inline keyboard button URL 'ftp://shop.example' is invalid: Unsupported URL protocol",
        ),
        (
            keyboard(button(url="https://shop.example:99999")),
            (
                "inline keyboard button URL 'https://shop.example:99999' is invalid:"
                " Wrong port number specified in the URL"
            ),
        ),
        (
            keyboard(button(web_app={"url": "http://app.example/"})),
            (
                "inline keyboard button Web App URL 'http://app.example/' is invalid:"
                " Only HTTPS links are allowed"
            ),
        ),
        (keyboard(button(copy_text={"text": "x" * 257})), "BUTTON_COPY_TEXT_INVALID"),
    ],
)
def test_a_keyboard_that_cannot_be_is_refused(room, markup, said):
    refused = room.refusal("sendMessage", chat_id=ANNA, text="hi", reply_markup=markup)
    assert refused == f"400 Bad Request: {said}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"callback_data": "я" * 32}, {"callback_data": "я" * 32}),
        ({"url": "https://shop.example"}, {"url": "https://shop.example/"}),
        ({"url": "shop.example/x?y"}, {"url": "http://shop.example/x?y"}),
        ({"url": "tg://user?id=5"}, {"url": "tg://user?id=5"}),
        ({"url": "http://127.0.0.1:8000/x"}, {"url": "http://127.0.0.1:8000/x"}),
        (
            {"web_app": {"url": "http://localhost:8000/app/"}},
            {"web_app": {"url": "http://localhost:8000/app/"}},
        ),
        ({"copy_text": {"text": "code"}}, {"copy_text": {"text": "code"}}),
    ],
)
def test_a_keyboard_that_can_be_is_told_back(room, given, told):
    message = room.says(reply_markup=keyboard(button(**given)))
    assert message["reply_markup"] == keyboard(button(**told))


def test_an_edit_changes_the_message_in_its_place(room):
    first = room.says("one", reply_markup=keyboard(button()))
    room.says("two")
    room.wait(seconds=5)
    where = {"chat_id": ANNA, "message_id": first["message_id"]}

    edited = room.result("editMessageText", **where, text="three")

    assert edited["edit_date"] == int(room.at.timestamp())
    assert "reply_markup" not in edited, "an edit without a keyboard takes it away"
    shown = [(one["from"], one["text"], one["edited"]) for one in room.rules.messages(ANNA)]
    assert shown == [
        ("user", "/start", None),
        ("bot", "three", "2026-03-10T12:00:05Z"),
        ("bot", "two", None),
    ]
    again = room.result("editMessageReplyMarkup", **where, reply_markup=keyboard(button()))
    assert again["reply_markup"] == keyboard(button())
    assert again["text"] == "three"


def test_an_edit_that_changes_nothing_is_refused(room):
    message = room.says("<b>x</b>", parse_mode="HTML", reply_markup=keyboard(button()))
    where = {"chat_id": ANNA, "message_id": message["message_id"]}
    same = {"text": "<b>x</b>", "parse_mode": "HTML", "reply_markup": keyboard(button())}

    assert room.refusal("editMessageText", **where, **same) == NOT_MODIFIED
    kept = {"reply_markup": keyboard(button())}
    assert room.refusal("editMessageReplyMarkup", **where, **kept) == NOT_MODIFIED
    room.result("editMessageText", **where, **same | {"text": "<i>x</i>"})


def test_only_ones_own_messages_are_edited(room):
    theirs = room.rules.messages(ANNA)[0]["id"]
    said = room.refusal("editMessageText", chat_id=ANNA, message_id=theirs, text="x")
    assert said == "400 Bad Request: message can't be edited"
    said = room.refusal("editMessageText", chat_id=ANNA, message_id=77, text="x")
    assert said == "400 Bad Request: message to edit not found"


def test_a_message_is_deleted_within_two_days(room):
    early, late = room.says("early"), room.says("late")
    where = {"chat_id": ANNA, "message_id": early["message_id"]}
    assert room.result("deleteMessage", **where) is True
    assert room.refusal("deleteMessage", **where) == "400 Bad Request: message to delete not found"

    room.wait(hours=49)
    said = room.refusal("deleteMessage", chat_id=ANNA, message_id=late["message_id"])
    assert said == "400 Bad Request: message can't be deleted for everyone"
    assert [one["text"] for one in room.rules.messages(ANNA)] == ["/start", "late"]


def test_a_reply_quotes_what_it_answers(room):
    first = room.says("one")
    reply = room.says("two", reply_parameters={"message_id": first["message_id"]})
    assert reply["reply_to_message"]["text"] == "one"

    lost = {"chat_id": ANNA, "text": "x", "reply_parameters": {"message_id": 99}}
    said = room.refusal("sendMessage", **lost)
    assert said == "400 Bad Request: message to be replied not found"
    lost["reply_parameters"]["allow_sending_without_reply"] = True
    assert "reply_to_message" not in room.result("sendMessage", **lost)


def test_a_pressed_button_waits_for_its_answer(room):
    message = room.says(reply_markup=keyboard(button("Go"), button("Stop", callback_data="s")))
    pressed = room.press("Stop")

    (update,) = room.updates()
    query = update["callback_query"]
    assert query["id"] == pressed["callback_query_id"]
    assert (query["data"], query["from"]["id"]) == ("s", ANNA)
    assert query["message"] == message
    assert room.rules.view(ANNA, at=room.at)["waiting"] == [
        {"message_id": message["message_id"], "index": 1}
    ]

    room.result("answerCallbackQuery", callback_query_id=query["id"], text="Done", show_alert=True)
    view = room.rules.view(ANNA, at=room.at)
    assert view["waiting"] == []
    assert view["answers"] == [{"query_id": query["id"], "text": "Done", "alert": True, "url": ""}]


def test_a_query_is_answered_within_fifteen_seconds(room):
    room.says(reply_markup=keyboard(button()))
    query_id = room.press("Go")["callback_query_id"]

    long = {"callback_query_id": query_id, "text": "x" * 201}
    assert room.refusal("answerCallbackQuery", **long) == "400 Bad Request: MESSAGE_TOO_LONG"
    room.wait(seconds=15)
    room.result("answerCallbackQuery", callback_query_id=query_id)
    room.wait(seconds=1)
    assert room.refusal("answerCallbackQuery", callback_query_id=query_id) == TOO_OLD
    assert room.refusal("answerCallbackQuery", callback_query_id="1") == TOO_OLD
    assert room.rules.view(ANNA, at=room.at)["waiting"] == []


def test_the_newest_button_of_a_text_is_pressed_an_exact_one_first(room):
    kinds = {"url": {"url": "https://one.example/"}, "copy": {"copy_text": {"text": "code"}}}
    room.says("old", reply_markup=keyboard(button("Pay", **kinds["url"])))
    newer = room.says("new", reply_markup=keyboard(button("Pay 299", **kinds["copy"])))

    assert room.press("Pay") == {"url": "https://one.example/"}
    assert room.press("299") == {"copy_text": "code"}
    assert room.press("Pay", message_id=newer["message_id"]) == {"copy_text": "code"}
    for missing in ("Buy", ""):
        with pytest.raises(NoSuchButton):
            room.press(missing)


def test_two_buttons_of_one_text_are_told_apart(room):
    room.says(reply_markup=keyboard(button("Go", callback_data="a"), button("Go")))
    room.press("Go", index=1)
    assert [one["callback_query"]["data"] for one in room.updates()] == ["v1:go"]


def test_a_stopped_bot_hears_nothing_and_the_user_is_told_why(room):
    room.says(reply_markup=keyboard(button()))
    room.rules.block(ANNA, at=room.at)
    room.rules.block(ANNA, at=room.at)
    with pytest.raises(ChatIsClosed):
        room.send(ANNA, "hello?")
    with pytest.raises(ChatIsClosed):
        room.press("Go")
    with pytest.raises(ChatIsClosed):
        room.rules.block(BEN, at=room.at)
    room.rules.unblock(ANNA, at=room.at)

    moves = [
        tuple(
            one["my_chat_member"][name]["status"] for name in ("old_chat_member", "new_chat_member")
        )
        for one in room.updates()
    ]
    assert moves == [("member", "kicked"), ("kicked", "member")]


def test_a_command_and_an_address_are_found_in_a_text(room):
    told = room.send(ANNA, "/start r_code see https://shop.example/x.")
    assert told["entities"] == [
        {"type": "bot_command", "offset": 0, "length": 6},
        {"type": "url", "offset": 18, "length": 22},
    ]
    assert "entities" not in room.send(ANNA, "and/or 1/2 a//b")


def test_typing_shows_for_five_seconds_or_until_the_message(room):
    assert room.result("sendChatAction", chat_id=ANNA, action="typing") is True
    assert room.rules.view(ANNA, at=room.at)["typing"]
    room.wait(seconds=5)
    assert not room.rules.view(ANNA, at=room.at)["typing"]
    room.result("sendChatAction", chat_id=ANNA, action="typing")
    room.says()
    assert not room.rules.view(ANNA, at=room.at)["typing"]
    said = room.refusal("sendChatAction", chat_id=ANNA, action="dancing")
    assert said == "400 Bad Request: wrong parameter action in request"


def test_twenty_messages_pass_at_once_and_then_one_a_second(room):
    for _ in range(20):
        room.says()
    answer = room.call("sendMessage", chat_id=ANNA, text="one more")
    assert answer.body == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 1",
        "parameters": {"retry_after": 1},
    }
    room.wait(seconds=1)
    room.says()
    assert room.call("sendMessage", chat_id=ANNA, text="x").status == 429


def test_thirty_messages_a_second_pass_to_all_chats_together(room):
    users = range(2001, 2033)
    for user_id in users:
        room.send(user_id, "/start")
    statuses = [room.call("sendMessage", chat_id=user_id, text="news").status for user_id in users]
    assert statuses == [200] * 30 + [429] * 2


def test_commands_are_shown_in_the_users_language_and_of_the_nearest_scope(room):
    def shown(user_id: int) -> list[str]:
        view = room.rules.view(user_id, at=room.at)
        return [command["description"] for command in view["commands"]]

    def put(description: str, **where: object) -> None:
        commands = [{"command": "help", "description": description}]
        room.result("setMyCommands", commands=json.dumps(commands), **where)

    put("Help")
    put("Помощь", language_code="ru")
    assert (shown(ANNA), shown(BEN)) == (["Помощь"], ["Help"])
    put("Admin", scope={"type": "chat", "chat_id": ANNA})
    put("Private", scope={"type": "all_private_chats"}, language_code="en")
    assert (shown(ANNA), shown(BEN)) == (["Admin"], ["Private"])
    room.result("deleteMyCommands", scope={"type": "all_private_chats"}, language_code="en")
    assert shown(BEN) == ["Help"]
    told = room.result("getMyCommands", language_code="ru")
    assert told == [{"command": "help", "description": "Помощь"}]


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("{", "can't parse commands JSON object"),
        ('[{"command": "a", "description": "\\ud800"}]', "can't parse commands JSON object"),
        ({"a": 1}, "expected an Array of BotCommand"),
        ([{"command": "Help!", "description": "x"}], "BOT_COMMAND_INVALID"),
        ([{"command": "help", "description": ""}], "BOT_COMMAND_DESCRIPTION_INVALID"),
        ([{"command": "help"}], "can't parse BotCommand: expected an Object"),
        ([{"command": "help", "description": "x"}] * 101, "BOT_COMMANDS_TOO_MUCH"),
    ],
)
def test_commands_that_cannot_be_are_refused(room, commands, said):
    assert room.refusal("setMyCommands", commands=commands) == f"400 Bad Request: {said}"


def test_a_menu_button_is_of_one_chat_or_of_all(room):
    app = {"type": "web_app", "text": "App", "web_app": {"url": "https://app.example/"}}
    assert room.result("getChatMenuButton") == {"type": "default"}
    room.result("setChatMenuButton", menu_button=json.dumps(app))
    room.result("setChatMenuButton", chat_id=BEN, menu_button={"type": "commands"})

    assert room.result("getChatMenuButton", chat_id=ANNA) == app
    assert room.rules.view(BEN, at=room.at)["menu_button"] == {"type": "commands"}
    app["web_app"]["url"] = "http://app.example/"
    assert room.refusal("setChatMenuButton", menu_button=app) == (
        "400 Bad Request: menu button Web App URL 'http://app.example/' is invalid:"
        " Only HTTPS links are allowed"
    )


def test_the_bot_tells_its_name_and_texts(room):
    assert room.result("getMyName") == {"name": "Demo"}
    for method, field in (
        ("Description", "description"),
        ("ShortDescription", "short_description"),
    ):
        assert room.result(f"setMy{method}", **{field: "Считает", "language_code": "ru"}) is True
        assert room.result(f"getMy{method}", language_code="ru") == {field: "Считает"}
        assert room.result(f"getMy{method}") == {field: ""}


def test_a_profile_is_changed_and_shows_in_what_follows(room):
    room.rules.set_profile(ANNA, {"first_name": "Аня", "language_code": "en", "username": ""})
    told = room.send(ANNA, "hi")
    assert told["from"] == {
        "id": ANNA, "is_bot": False, "first_name": "Аня", "language_code": "en",
    }  # fmt: skip
    for wrong in ({"colour": "red"}, {"first_name": ""}, {"last_name": 5}):
        with pytest.raises(ValueError, match="profile"):
            room.rules.set_profile(ANNA, wrong)


@pytest.mark.parametrize("user_id", [0, -1, 2**52])
def test_nobody_has_an_impossible_id(room, user_id):
    with pytest.raises(ValueError, match="user's id"):
        room.send(user_id, "hi")


@pytest.mark.parametrize("text", ["", " ", "x" * 4097])
def test_users_send_no_impossible_texts(room, text):
    with pytest.raises(ValueError, match="text"):
        room.send(ANNA, text)
