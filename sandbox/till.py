"""The hosted page of a rehearsal till, in Russian and English at once, for a phone first."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final

_PAGE: Final = Template("""<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Оплата $amount · Checkout</title>
<style>
  :root { color-scheme: light dark; --ink: #1b1b1f; --soft: #6b6b76; --card: #fff;
    --ground: #f0f1f5; --line: #dcdde4; --main: #5b3df5; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #f1f1f4; --soft: #a4a4b0; --card: #212127; --ground: #141418;
      --line: #3a3a44; --main: #7c63ff; } }
  * { box-sizing: border-box; }
  body { margin: 0; padding: 16px; min-height: 100vh; display: grid; place-items: center;
    background: var(--ground); color: var(--ink);
    font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
  main { width: 100%; max-width: 420px; padding: 24px; border-radius: 20px;
    background: var(--card); box-shadow: 0 8px 32px rgb(0 0 0 / 10%); }
  .test { margin: 0 0 20px; padding: 8px 12px; border-radius: 10px; font-size: 14px;
    background: #ffe9a8; color: #513c00; }
  h1 { margin: 0; font-size: 36px; letter-spacing: -.02em; }
  .what { margin: 4px 0 20px; color: var(--soft); overflow-wrap: anywhere; }
  dl { margin: 0 0 24px; display: grid; grid-template-columns: auto 1fr; gap: 8px 16px;
    padding-top: 16px; border-top: 1px solid var(--line); }
  dt { color: var(--soft); }
  dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
  form { display: grid; gap: 10px; }
  button, .back { display: block; width: 100%; min-height: 52px; padding: 13px; font: inherit;
    font-weight: 600; text-align: center; border-radius: 14px; border: 1px solid var(--line);
    background: transparent; color: inherit; text-decoration: none; cursor: pointer; }
  button.main { border-color: var(--main); background: var(--main); color: #fff; }
  .back { margin-top: 10px; border-color: transparent; color: var(--soft); }
  :focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
</style>
</head>
<body>
<main>
  <p class="test">Учебная касса: деньги не настоящие. <span lang="en">A rehearsal till: no real
  money moves.</span></p>
  <h1 data-testid="amount">$amount</h1>
  <p class="what" data-testid="description">$description</p>
  <dl>
    <dt>Магазин · <span lang="en">Shop</span></dt><dd data-testid="shop">$shop</dd>
    <dt>Статус · <span lang="en">Status</span></dt>
    <dd data-testid="status" data-status="$status">$said_ru · <span lang="en">$said_en</span>
    </dd>
  </dl>
  $form
  $back
</main>
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the form: `value` is what is posted as `action`."""

    value: str
    ru: str
    en: str


PAY: Final = Action("pay", "Оплатить", "Pay")
DECLINE: Final = Action("decline", "Отказ банка", "Decline")


def till_page(
    *,
    amount: str,
    description: str,
    shop: str,
    status: str,
    said: tuple[str, str],
    actions: Sequence[Action],
    back: str | None,
) -> str:
    """`said` is the status in Russian and in English; `actions` are empty where it has ended."""
    buttons = [
        f'<button{" class=main" if number == 0 else ""} name="action"'
        f' value="{escape(one.value)}">{escape(one.ru)} ·'
        f' <span lang="en">{escape(one.en)}</span></button>'
        for number, one in enumerate(actions)
    ]
    link = ""
    if back is not None:
        link = (
            f'<a class="back" href="{escape(back)}">'
            'Вернуться в магазин · <span lang="en">Back to shop</span></a>'
        )
    return _PAGE.substitute(
        amount=escape(amount),
        description=escape(description),
        shop=escape(shop),
        status=status,
        said_ru=said[0],
        said_en=said[1],
        form=f'<form method="post">{"".join(buttons)}</form>' if buttons else "",
        back=link,
    )
