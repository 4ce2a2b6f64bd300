"""Packs in the chat: below the plans, on the status, ordered and told of."""

from tests.adapters.telegram.chat_room import BEN, ChatRoom, labels


async def test_a_pack_is_offered_ordered_and_told_of(room: ChatRoom) -> None:
    await room.says("/start", BEN)
    plans = await room.says("/plans", BEN)
    assert "299.00, once: used after your plan's own" in plans["text"]
    assert any(
        label.startswith("50 photos · ") for label in labels(await room.says("/status", BEN))
    )
    one = await room.presses("50 photos", BEN)
    assert "50 photos" in one["text"]
    order = await room.presses("Choose", BEN)
    assert "Used when what your plan gives is used up" in order["text"]
    assert "It will work until" not in order["text"]
    await room.presses("Order for", BEN)
    customer = await room.customer(BEN)
    [shown] = await room.world.billing.show_purchases.page(customer, limit=1)
    await room.world.pays_and_is_heard(shown)
    assert "Added: 50 photos" in room.messages(BEN)[-1]["text"]
    status = await room.says("/status", BEN)
    assert "3 photos left of 3" in status["text"]
    assert "50 photos from packs, yours until you use them" in status["text"]
    await room.says("/settings", BEN)
    asked = await room.presses("Delete my data", BEN)
    assert "• 50 photos from packs;" in asked["text"]
