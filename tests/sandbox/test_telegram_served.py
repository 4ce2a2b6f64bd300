"""The served double of Telegram: a real client library against it, webhooks, controls, memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from telegram import (
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LabeledPrice,
    MenuButtonWebApp,
    Update,
    WebAppInfo,
)
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ExtBot,
)
from telegram.request import HTTPXRequest

from sandbox.app import DEMO_BOT_TOKEN
from tests.sandbox.served_sandbox import Served, serve

ANNA = "telegram/users/1001"
SECRET = "secret-of_the-webhook"


@asynccontextmanager
async def bot_of(served: Served, token: str = DEMO_BOT_TOKEN) -> AsyncIterator[ExtBot]:
    requests = {
        name: HTTPXRequest(httpx_kwargs={"trust_env": False})
        for name in ("request", "get_updates_request")
    }
    async with ExtBot(token, base_url=f"{served.url}/sandbox/telegram/bot", **requests) as bot:
        yield bot


async def control(served: Served, path: str, **fields: object) -> httpx.Response:
    return await asyncio.to_thread(served.control, path, **fields)


def messages(served: Served) -> list[dict]:
    return served.client.get(f"/sandbox/{ANNA}/messages").json()["items"]


def texts(served: Served) -> list[str]:
    return [one["text"] for one in messages(served)]


def fails(served: Served) -> list[int]:
    """Of each update that waits: how often it was told in vain."""
    state = served.sandbox.telegram.rules.updates.snapshot()
    return [one["fails"] for one in state["pending"]]


async def test_a_bot_of_the_real_library_talks_to_its_user(served):
    async def start(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Plans", callback_data="v1:p")]])
        text = f"Hi, <b>{update.effective_user.first_name}</b> {' '.join(context.args)}"
        await update.message.reply_html(text, reply_markup=keyboard)

    async def plans(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        await update.callback_query.answer("Here")
        await update.callback_query.edit_message_text("PRO")

    async with bot_of(served) as bot:
        app = Application.builder().bot(bot).updater(None).build()
        app.add_handlers([CommandHandler("start", start), CallbackQueryHandler(plans)])
        await app.initialize()
        offset = 0

        async def work() -> None:
            nonlocal offset
            for update in await bot.get_updates(offset=offset, timeout=2):
                offset = update.update_id + 1
                await app.process_update(update)

        await control(served, f"{ANNA}/send", text="/start r_code")
        await work()
        assert messages(served)[-1]["html"] == "Hi, <b>Anna</b> r_code"
        pressed = await control(served, f"{ANNA}/press", button="Plans")
        assert pressed.status_code == 200
        await work()
        assert texts(served) == ["/start r_code", "PRO"]
        view = served.client.get(f"/sandbox/{ANNA}/chat").json()
        assert [one["text"] for one in view["answers"]] == ["Here"]
        await app.shutdown()


async def test_the_real_library_understands_every_answer(served):
    async with bot_of(served) as bot:
        await control(served, f"{ANNA}/send", text="/start")
        assert (await bot.get_me()).username == "billhook_demo_bot"
        assert (await bot.get_chat(1001)).first_name == "Anna"
        message = await bot.send_message(1001, "hi")
        assert await message.edit_text("there") is not True
        assert await bot.send_chat_action(1001, "typing")
        assert await bot.set_my_commands([BotCommand("help", "Help")], language_code="ru")
        assert (await bot.get_my_commands(language_code="ru"))[0].command == "help"
        app = MenuButtonWebApp("App", WebAppInfo(f"{served.url}/sandbox/app/"))
        assert await bot.set_chat_menu_button(menu_button=app)
        assert await bot.get_chat_menu_button(1001) == app
        assert await bot.set_my_name("Counter")
        assert (await bot.get_my_name()).name == "Counter"
        assert await message.delete()
        assert (await bot.get_webhook_info()).pending_update_count == 1
        opened = await control(served, f"{ANNA}/open", start_param="r_code")
        assert "start_param%3Dr_code" in opened.json()["web_app"]
        other = await control(served, f"{ANNA}/open", url="https://app.example/")
        assert other.json()["web_app"].startswith("https://app.example/#tgWebAppData=user%3D")


async def raised_by(call) -> TelegramError:
    with pytest.raises(TelegramError) as raised:
        await call
    return raised.value


async def test_the_real_library_sees_refusals_as_its_own_errors(served, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # Else it warns of its own future.
    async with bot_of(served) as bot:
        refused = await raised_by(bot.send_message(1002, "hi"))
        assert isinstance(refused, Forbidden)
        await control(served, f"{ANNA}/send", text="/start")
        await control(served, f"{ANNA}/block")
        refused = await raised_by(bot.send_message(1001, "hi"))
        assert (type(refused), refused.message) == (
            Forbidden,
            "Forbidden: bot was blocked by the user",
        )
        assert isinstance(await raised_by(bot.send_message(1002, "")), BadRequest)
        await control(served, "telegram/faults", mode="flood")
        refused = await raised_by(bot.get_me())
        assert isinstance(refused, RetryAfter)
        assert refused.retry_after == timedelta(seconds=3)
        await control(served, "telegram/faults", mode="down")
        assert type(await raised_by(bot.get_me())) is NetworkError
        await bot.set_webhook(f"{served.url}/hooks/telegram/")
        assert isinstance(await raised_by(bot.get_updates()), Conflict)
    with pytest.raises(InvalidToken):
        async with bot_of(served, "1:wrong"):
            pass


async def test_a_lost_answer_breaks_off_and_the_message_is_there(served):
    async with bot_of(served) as bot:
        await control(served, f"{ANNA}/send", text="/start")
        await control(served, "telegram/faults", mode="timeout_after_acting")
        assert isinstance(await raised_by(bot.send_message(1001, "once")), NetworkError)
    assert texts(served) == ["/start", "once"]


async def test_a_poll_hears_of_a_message_that_comes_while_it_waits(served):
    async with bot_of(served) as bot:
        polling = asyncio.create_task(bot.get_updates(timeout=10))
        await asyncio.sleep(0.05)
        assert not polling.done()
        await control(served, f"{ANNA}/send", text="now")
        (update,) = await polling
        assert update.message.text == "now"


async def test_the_second_of_two_pollers_wins(served):
    async with bot_of(served) as bot, bot_of(served) as other:
        polling = asyncio.create_task(bot.get_updates(timeout=10))
        await asyncio.sleep(0.05)
        later = asyncio.create_task(other.get_updates(timeout=10))
        with pytest.raises(Conflict):
            await polling
        await control(served, f"{ANNA}/send", text="now")
        assert len(await later) == 1


async def test_a_webhook_is_told_with_its_secret_until_it_answers(served):
    async with bot_of(served) as bot:
        await bot.set_webhook(f"{served.url}/hooks/telegram/", secret_token=SECRET)
        served.hook_status = 500
        await control(served, f"{ANNA}/send", text="/start")
        await asyncio.to_thread(served.until, lambda: fails(served) == [2])
        info = await bot.get_webhook_info()
        assert info.last_error_message == (
            "Wrong response from the webhook: 500 Internal Server Error"
        )
        assert info.pending_update_count == 1

        served.hook_status = 204
        await control(served, "clock/advance", seconds=2)
        await asyncio.to_thread(served.until, lambda: len(served.hooks) == 3)
    assert served.hooks[0] == served.hooks[1] == served.hooks[2]
    assert served.hooks[0]["message"]["text"] == "/start"
    names = {headers["x-telegram-bot-api-secret-token"] for headers in served.hook_headers}
    assert names == {SECRET}
    served.until(lambda: fails(served) == [])


async def test_a_webhook_that_asks_for_time_is_given_it(served):
    async with bot_of(served) as bot:
        await bot.set_webhook(f"{served.url}/hooks/telegram/")
        served.hook_status, served.hook_answer_headers = 429, {"Retry-After": "100"}
        await control(served, f"{ANNA}/send", text="/start")
        await asyncio.to_thread(served.until, lambda: fails(served) == [1])
        served.hook_status = 200
        await control(served, "clock/advance", seconds=90)
        await asyncio.sleep(0.3)
        assert len(served.hooks) == 1
        await control(served, "clock/advance", seconds=11)
        await asyncio.to_thread(served.until, lambda: len(served.hooks) == 2)


async def test_a_webhook_that_nobody_answers_is_told_of(served):
    async with bot_of(served) as bot:
        await bot.set_webhook("http://127.0.0.1:9/hooks/telegram/")
        await control(served, f"{ANNA}/send", text="/start")
        rules = served.sandbox.telegram.rules
        await asyncio.to_thread(served.until, lambda: rules.webhook.last_error)
        assert (await bot.get_webhook_info()).last_error_message == "Connection refused"


def test_controls_say_what_is_wrong(served):
    assert served.control(f"{ANNA}/press", button="Go").status_code == 404
    assert served.control(f"{ANNA}/open").status_code == 404
    assert served.control(f"{ANNA}/block").status_code == 409
    assert served.control(f"{ANNA}/send").status_code == 422
    assert served.control(f"{ANNA}/send", text=" ").status_code == 422
    half = served.client.post(f"/sandbox/{ANNA}/send", content=b'{"text": "\\ud800"}')
    assert half.status_code == 422
    assert served.control(f"{ANNA}/press", button="Go", index="1").status_code == 422
    assert served.control(f"{ANNA}/init_data", age_seconds="1").status_code == 422
    assert served.control(f"{ANNA}/profile", colour="red").status_code == 422
    assert served.control("telegram/users/0/send", text="x").status_code == 422
    assert served.client.get("/sandbox/telegram/users/0/chat").status_code == 422
    assert served.control("telegram/faults", mode="amount").status_code == 422
    assert served.control("telegram/faults", mode="down", next="1").status_code == 422


def test_what_is_no_form_and_no_json_is_refused(served):
    url = f"/sandbox/telegram/bot{DEMO_BOT_TOKEN}/getMe"
    kind = {"Content-Type": "application/json"}
    for content in (b"{", b"[]", b"\xff", b'{"text": "\\ud800"}'):
        assert served.client.post(url, content=content, headers=kind).status_code == 400
    assert served.client.post(url, json={}).json()["ok"] is True
    assert served.client.get(url).json()["ok"] is True


def test_the_journal_tells_what_the_bot_asked(served):
    served.client.get(f"/sandbox/telegram/bot{DEMO_BOT_TOKEN}/getMe")
    served.client.get(f"/sandbox/telegram/bot{DEMO_BOT_TOKEN}/getChat?chat_id=5")
    items = served.client.get("/sandbox/telegram/calls").json()["items"]
    assert [(one["method"], one["chat_id"], one["status"]) for one in items] == [
        ("getMe", "", 200),
        ("getChat", "5", 400),
    ]


def test_a_restart_keeps_chats_settings_and_untold_updates(tmp_path):
    def call(served: Served, method: str, **params: object) -> object:
        url = f"/sandbox/telegram/bot{DEMO_BOT_TOKEN}/{method}"
        return served.client.post(url, json=params).json()["result"]

    with serve(tmp_path) as served:
        served.control(f"{ANNA}/profile", first_name="Аня")
        served.control(f"{ANNA}/send", text="/start")
        keyboard = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
        call(served, "sendMessage", chat_id=1001, text="hi", reply_markup=keyboard)
        query_id = served.control(f"{ANNA}/press", button="Go").json()["callback_query_id"]
        call(served, "setMyCommands", commands=[{"command": "help", "description": "Help"}])
        call(served, "sendChatAction", chat_id=1001, action="typing")
        served.control("telegram/faults", mode="drop", next=2)
        updates = call(served, "getUpdates")
        before = served.client.get(f"/sandbox/{ANNA}/chat").json()

    with serve(tmp_path) as served:
        after = served.client.get(f"/sandbox/{ANNA}/chat").json()
        assert {**after, "now": 0, "typing": 0} == {**before, "now": 0, "typing": 0}
        assert call(served, "getUpdates") == updates
        assert call(served, "answerCallbackQuery", callback_query_id=query_id) is True
        assert call(served, "sendMessage", chat_id=1001, text="x")["message_id"] == 3
        assert call(served, "setWebhook", url=f"{served.url}/hooks/telegram/") is True
        served.until(lambda: len(served.hooks) == 2 and fails(served) == [])
        served.hook_status = 500
        assert served.control("telegram/faults", mode="drop", next=0).status_code == 200
        served.control(f"{ANNA}/send", text="last")
        served.until(lambda: served.sandbox.telegram.rules.webhook.last_error)

    with serve(tmp_path) as served:
        info = call(served, "getWebhookInfo")
        assert info["last_error_message"].startswith("Wrong response from the webhook: 500")
        assert info["pending_update_count"] == 1


def test_the_chat_page_runs_its_own_scripts_and_nothing_else(served):
    page = served.client.get("/sandbox/telegram/")
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page.text
    assert "style=" not in page.text
    for name in ("chat.js", "chat.css"):
        assert name in page.text
        assert served.client.get(f"/sandbox/telegram/{name}").status_code == 200
    assert served.client.get("/sandbox/telegram", follow_redirects=True).text == page.text
    assert served.client.get("/sandbox/telegram/index.html").status_code == 404
    assert served.client.get("/sandbox/telegram/..%2fapp.py").status_code == 404


def test_the_page_is_told_only_what_it_has_not_seen(served):
    path = f"/sandbox/{ANNA}/chat"
    first = served.client.get(path).json()
    again = served.client.get(path, params={"seen": first["version"]}).json()
    assert set(again) == {"version", "now"}
    served.control(f"{ANNA}/send", text="/start")
    fresh = served.client.get(path, params={"seen": first["version"]}).json()
    assert [one["text"] for one in fresh["messages"]] == ["/start"]
    users = served.client.get("/sandbox/telegram/users").json()["items"]
    assert [(one["first_name"], one["language_code"]) for one in users] == [
        ("Anna", "ru"),
        ("Ben", "en"),
    ]


def test_the_first_page_leads_to_the_chat_and_the_mini_app(served):
    page = served.client.get("/sandbox/").text
    assert 'href="telegram/"' in page
    assert 'href="app/"' in page
    assert "flood: 0" in page


async def test_a_bot_of_the_real_library_sells_for_stars(served: Served) -> None:
    async with bot_of(served) as bot:
        link = await bot.create_invoice_link(
            "PRO", "30 days", "chk_1.1773137000", "XTR", [LabeledPrice("PRO", 250)]
        )
        slug = link.partition("$")[2]
        assert served.control(f"telegram/invoices/{slug}/pay", user_id=1001).status_code == 200
        [asked] = await bot.get_updates(allowed_updates=Update.ALL_TYPES)
        assert asked.pre_checkout_query.invoice_payload == "chk_1.1773137000"
        assert await bot.answer_pre_checkout_query(asked.pre_checkout_query.id, ok=True)
        [paid] = await bot.get_updates(asked.update_id + 1)
        payment = paid.message.successful_payment
        assert (payment.currency, payment.total_amount) == ("XTR", 250)

        charge = f"telegram/stars/{payment.telegram_payment_charge_id}"
        assert served.control(f"{charge}/renew").status_code == 409, "it is no subscription"
        assert served.control(f"{charge}/refund").json()["refunded"] is True
        assert served.control(f"{charge}/refund").status_code == 409
        [told] = await bot.get_updates(paid.update_id + 1)
        assert told.message.refunded_payment.total_amount == 250
        rows = (await bot.get_star_transactions()).transactions
        assert [row.receiver is not None for row in rows] == [False, True]
        assert (await bot.get_my_star_balance()).amount == 0


async def test_a_subscription_is_charged_as_the_clock_is_moved(served: Served) -> None:
    async with bot_of(served) as bot:
        prices, month = [LabeledPrice("PRO", 250)], 2_592_000
        link = await bot.create_invoice_link(
            "PRO", "30 days", "chk_1.1773137000", "XTR", prices, subscription_period=month
        )
        slug = link.partition("$")[2]
        served.control(f"telegram/invoices/{slug}/pay", user_id=1001)
        kinds = [*Update.ALL_TYPES, "subscription"]
        [asked] = await bot.get_updates(allowed_updates=kinds)
        assert await bot.answer_pre_checkout_query(asked.pre_checkout_query.id, ok=True)
        [paid] = await bot.get_updates(asked.update_id + 1)
        assert paid.message.successful_payment.is_first_recurring is True

        assert served.control("telegram/users/1001/stars", stars=400).json() == {"stars": 400}
        served.control("clock/advance", days=30, minutes=1)
        [renewed] = await bot.get_updates(paid.update_id + 1, timeout=5)
        assert renewed.message.successful_payment.is_recurring is True
        served.control("clock/advance", days=30, minutes=1)
        [failed] = await bot.get_updates(renewed.update_id + 1, timeout=5)
        assert failed.api_kwargs["subscription"]["state"] == "failed"


def test_controls_of_paying_say_what_is_wrong(served: Served) -> None:
    assert served.control("telegram/users/1001/stars", stars="all").status_code == 422
    assert served.control("telegram/invoices/nothing/pay", user_id=1001).status_code == 404
    assert served.client.get("/sandbox/telegram/invoices/nothing").status_code == 404
    assert served.control("telegram/stars/nothing/refund").status_code == 404
    assert served.control("telegram/stars/nothing/subscription", state="x").status_code == 422
    assert served.client.get("/sandbox/telegram/stars").json() == {"balance": 0, "items": []}
