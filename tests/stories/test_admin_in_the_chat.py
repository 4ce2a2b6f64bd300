"""An operator at work in the chat: the real process, the real database, Telegram's double over HTTP."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.running import billhook_run

CUSTOMER, OWNER = 1001, 1002
API = "/api/v1/billing"


class Street:
    """Everybody who holds a telephone, and the shop's own backend."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def control(self, path: str, **fields: object) -> httpx.Response:
        return self._client.post(f"/sandbox/{path}", json=fields)

    def asks(self, method: str, path: str, **fields: object) -> Any:
        headers = {"Authorization": "Bearer bh_story", "Idempotency-Key": f"story {path}"}
        answer = self._client.request(method, f"{API}{path}", json=fields, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def look(self, path: str) -> Any:
        answer = self._client.get(f"{API}{path}", headers={"Authorization": "Bearer bh_story"})
        return answer.json()

    def told(self, who: int, words: str) -> dict[str, Any]:
        """The newest message of the bot's, once it says this."""
        deadline, newest = time.monotonic() + 20, {}
        while time.monotonic() < deadline:
            told = self._client.get(f"/sandbox/telegram/users/{who}/messages").json()
            newest = [one for one in told["items"] if one["from"] == "bot"][-1:]
            if newest and words in newest[0]["text"]:
                return dict(newest[0])
            time.sleep(0.05)
        raise AssertionError(f"{words!r} was never said, but {newest}")

    def says(self, who: int, text: str, answer: str) -> dict[str, Any]:
        assert self.control(f"telegram/users/{who}/send", text=text).status_code == 200
        return self.told(who, answer)

    def presses(self, who: int, button: str, answer: str) -> dict[str, Any]:
        pressed = self.control(f"telegram/users/{who}/press", button=button)
        assert pressed.status_code == 200, pressed.text
        return self.told(who, answer)


def test_a_purchase_is_found_explained_and_given_back(tmp_path: Path) -> None:
    settings = {"OWNER": f"telegram:{OWNER}", "DEV_API_KEY": "bh_story"}
    with billhook_run(tmp_path, **settings) as url:
        street = Street(url)
        street.says(CUSTOMER, "/start", "")
        bought = street.asks(
            "POST",
            f"/customers/telegram:{CUSTOMER}/purchases/",
            plan="PRO_MONTHLY",
            gateway="yookassa",
        )
        street.control(f"yookassa/payments/{bought['payment_id']}/pay")
        street.told(CUSTOMER, "299")

        street.says(OWNER, "/start", "")
        street.says(OWNER, "/admin", "Today")
        street.presses(OWNER, "🔎 Find a customer", "Whom?")
        street.says(OWNER, bought["id"], bought["payment_id"])
        street.presses(OWNER, "↩️ Refund all", "Why?")
        will = street.says(OWNER, "asked for it by mail", "This will happen")
        assert "299.00" in will["text"]
        street.presses(OWNER, "✅ Do it", "Done")
        street.presses(OWNER, "🧾 Purchase", "refunded")
        street.presses(OWNER, "❓ Why", f"telegram:{OWNER} did purchase.refund")

        subscription = street.look(f"/customers/telegram:{CUSTOMER}/")["subscription"]
        assert subscription["plan"] == "FREE"
        billhook = Path(sys.prefix) / "bin" / "billhook"
        command = [billhook, "audit", "verify", "--data-dir", tmp_path / "data"]
        proven = subprocess.run(command, capture_output=True, check=True)
        assert b"the audit trail holds: 2 lines" in proven.stdout
