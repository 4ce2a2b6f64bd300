"""Whether the books are right: rules in SQL that each find what breaks them."""

from typing import Final

from sqlalchemy import text

from adapters.persistence.sql.store import SqlStore

FINDINGS_MAX: Final = 20
"""How many findings of one rule are told."""

# The natural sign of a customer account: what is owed to us grows by debits.
_SIGN: Final = "CASE WHEN account LIKE 'receivable:%' THEN -1 ELSE 1 END"

_NATURAL: Final = f"""
    SELECT account, currency, seq, balance_after_minor, posted_at,
        sum(amount_minor * {_SIGN}) OVER line AS expected_minor,
        lag(seq, 1, 0) OVER line AS seq_before, lag(posted_at) OVER line AS posted_before
    FROM posting WHERE seq IS NOT NULL
    WINDOW line AS (PARTITION BY account, currency ORDER BY seq)
"""  # noqa: S608 - Made of the constant above.

_SUMS: Final = f"""
    SELECT account, currency, sum(amount_minor) * {_SIGN} AS balance_minor, max(seq) AS seq
    FROM posting WHERE account LIKE '%cus$_%' ESCAPE '$' GROUP BY account, currency
"""  # noqa: S608

_PARTS: Final = """
    SELECT id, payer_id, currency, 'down_payment' AS part,
        down_payment_minor AS amount_minor, down_payment_status AS status FROM escrow
    UNION ALL SELECT id, payer_id, currency, 'remainder' AS part,
        remainder_minor AS amount_minor, remainder_status AS status FROM escrow
    WHERE remainder_minor IS NOT NULL
"""

_RULES: Final = {
    "entry {id} has a posting and no seal": """
        SELECT DISTINCT entry_id AS id FROM posting p
        WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = p.entry_id)
    """,
    "entry {id} has fewer than two postings": """
        SELECT e.id FROM entry e LEFT JOIN posting p ON p.entry_id = e.id
        GROUP BY e.id HAVING count(p.entry_id) < 2
    """,
    "entry {id} is out of balance by {difference} {currency}": """
        SELECT entry_id AS id, currency, sum(amount_minor) AS difference FROM posting
        GROUP BY entry_id, currency HAVING sum(amount_minor) <> 0
    """,
    "all accounts together hold {difference} {currency} instead of nothing": """
        SELECT currency, sum(amount_minor) AS difference FROM posting
        GROUP BY currency HAVING sum(amount_minor) <> 0
    """,
    "{account} is said to hold {said} {currency} at line {seq}, its lines say {found} at {last}": f"""
        SELECT b.account, b.currency, b.balance_minor AS said, b.seq,
            s.balance_minor AS found, s.seq AS last
        FROM balance b LEFT JOIN ({_SUMS}) s ON s.account = b.account AND s.currency = b.currency
        WHERE b.balance_minor <> coalesce(s.balance_minor, 0) OR b.seq <> coalesce(s.seq, 0)
    """,  # noqa: S608
    "{account} has lines in {currency} and no balance": f"""
        SELECT account, currency FROM ({_SUMS}) s WHERE NOT EXISTS (
            SELECT 1 FROM balance b WHERE b.account = s.account AND b.currency = s.currency
        )
    """,  # noqa: S608
    "{account} {currency} has a line without a number": """
        SELECT DISTINCT account, currency FROM posting
        WHERE seq IS NULL AND account LIKE '%cus$_%' ESCAPE '$'
    """,
    "{account} {currency} skips a number before line {seq}": f"""
        SELECT account, currency, seq FROM ({_NATURAL}) n WHERE seq <> seq_before + 1
    """,  # noqa: S608
    "{account} {currency} says {said} after line {seq}, and its lines say {found}": f"""
        SELECT account, currency, seq, balance_after_minor AS said, expected_minor AS found
        FROM ({_NATURAL}) n WHERE balance_after_minor <> expected_minor
    """,  # noqa: S608
    "{account} {currency} goes back in time at line {seq}": f"""
        SELECT account, currency, seq FROM ({_NATURAL}) n WHERE posted_at < posted_before
    """,  # noqa: S608
    "{account} is below zero: {balance_minor} {currency}": f"""
        SELECT account, currency, balance_minor FROM ({_SUMS}) s WHERE balance_minor < 0
    """,  # noqa: S608
    "purchase {id} is {status} and its entry is missing": """
        SELECT id, status FROM purchase p WHERE status IN ('paid', 'refunded') AND NOT EXISTS (
            SELECT 1 FROM entry e WHERE e.purchase_id = p.id
                AND e.purpose = CASE WHEN p.item = 'deposit' THEN 'charge' ELSE 'purchase' END
        )
    """,
    "entry {id} is of a purchase that is not paid": """
        SELECT id FROM entry e WHERE purpose = 'purchase' AND NOT EXISTS (
            SELECT 1 FROM purchase p
            WHERE p.id = e.purchase_id AND p.status IN ('paid', 'refunded')
        )
    """,
    "purchase {id} was paid at {gateway} and the charge is not in the books": """
        SELECT purchase_id AS id, gateway FROM checkout c WHERE status = 'paid'
        GROUP BY purchase_id, gateway HAVING count(*) > (
            SELECT count(*) FROM charge h
            WHERE h.gateway = c.gateway AND h.purchase_id = c.purchase_id
        )
    """,
    "the charge {charge_id} of {gateway} and its entry do not say the same": """
        SELECT h.gateway, h.charge_id FROM charge h WHERE NOT EXISTS (
            SELECT 1 FROM posting p WHERE p.entry_id = 'charge ' || h.gateway || ' ' || h.charge_id
                AND p.account = 'clearing:' || h.gateway
                AND p.amount_minor = -h.amount_minor AND p.currency = h.currency
        )
    """,
    "entry {id} is of a charge that nobody remembers": """
        SELECT e.id FROM entry e WHERE purpose = 'charge' AND NOT EXISTS (
            SELECT 1 FROM charge h WHERE e.id = 'charge ' || h.gateway || ' ' || h.charge_id
        )
    """,
    "the charge {charge_id} of {gateway} says a fee of {said} and its entry says {found}": """
        SELECT h.gateway, h.charge_id, coalesce(h.fee_minor, 0) AS said,
            coalesce(p.amount_minor, 0) AS found
        FROM charge h LEFT JOIN posting p
            ON p.entry_id = 'fee charge ' || h.gateway || ' ' || h.charge_id
            AND p.account = 'clearing:' || h.gateway AND p.currency = h.currency
        WHERE coalesce(h.fee_minor, 0) <> coalesce(p.amount_minor, 0)
    """,
    # So that what a reconciliation compares is all that there is in clearing.
    "entry {id} moves {account} and is neither charge, refund, payout nor fee": """
        SELECT DISTINCT e.id, p.account FROM posting p JOIN entry e ON e.id = p.entry_id
        WHERE p.account LIKE 'clearing:%'
            AND e.purpose NOT IN ('charge', 'refund', 'payout', 'payout_returned', 'fee')
    """,
    "of charge {charge_id} of {gateway} {returning_minor} goes back, its refunds say {refunded}": """
        SELECT h.gateway, h.charge_id, coalesce(h.returning_minor, 0) AS returning_minor,
            coalesce(r.refunded, 0) AS refunded
        FROM charge h LEFT JOIN (
            SELECT gateway, charge_id, sum(amount_minor) AS refunded FROM refund
            WHERE status <> 'failed' GROUP BY gateway, charge_id
        ) r ON r.gateway = h.gateway AND r.charge_id = h.charge_id
        WHERE h.customer_id IS NOT NULL
            AND coalesce(h.returning_minor, 0) <> coalesce(r.refunded, 0)
    """,
    "refund {id} is {status} and its entry does not say so": """
        SELECT id, status FROM refund r WHERE
            (status = 'done' AND NOT EXISTS (
                SELECT 1 FROM entry e WHERE e.purpose = 'refund' AND e.id IN (
                    'refund ' || r.id || ' ended', 'refund ' || r.id || ' done after all')))
            OR (status = 'failed' AND NOT EXISTS (
                SELECT 1 FROM entry e WHERE e.purpose = 'refund_failed'
                    AND e.id = 'refund ' || r.id || ' ended'))
            OR (status = 'asked' AND EXISTS (
                SELECT 1 FROM entry e WHERE e.id = 'refund ' || r.id || ' ended'))
    """,
    "purchase {id} gave back {said} by its own word and {found} by its refunds": """
        SELECT p.id, coalesce(p.refunded_minor, 0) AS said, coalesce(r.done, 0) AS found
        FROM purchase p LEFT JOIN (
            SELECT f.purchase_id, sum(f.amount_minor) AS done FROM refund f
            JOIN charge h ON h.gateway = f.gateway AND h.charge_id = f.charge_id
            WHERE f.status = 'done' AND h.settled GROUP BY f.purchase_id
        ) r ON r.purchase_id = p.id
        WHERE NOT p.from_wallet AND coalesce(p.refunded_minor, 0) <> coalesce(r.done, 0)
    """,
    "{account} holds {held} {currency} and the parts that lie in it make {parts}": f"""
        SELECT account, currency, sum(held) AS held, sum(parts) AS parts FROM (
            SELECT account, currency, balance_minor AS held, 0 AS parts
            FROM balance WHERE account LIKE 'escrow:%'
            UNION ALL SELECT 'escrow:' || payer_id AS account, currency, 0, amount_minor
            FROM ({_PARTS}) p WHERE status IN ('funded', 'disputed')
        ) both_sides GROUP BY account, currency HAVING sum(held) <> sum(parts)
    """,  # noqa: S608
    "the {part} of escrow {id} is {status} and no purchase paid for it": f"""
        SELECT p.id, p.part, p.status FROM ({_PARTS}) p LEFT JOIN (
            SELECT escrow_id, escrow_part, amount_minor FROM purchase
            WHERE item = 'escrow' AND status IN ('paid', 'refunded')
        ) b ON b.escrow_id = p.id AND b.escrow_part = p.part AND b.amount_minor = p.amount_minor
        WHERE p.status <> 'unfunded' AND b.escrow_id IS NULL
    """,  # noqa: S608
    "the {part} of escrow {id} is {status} and its entry is missing": f"""
        SELECT id, part, status FROM ({_PARTS}) p
        WHERE status IN ('released', 'refunded') AND NOT EXISTS (
            SELECT 1 FROM entry e JOIN posting d ON d.entry_id = e.id
            WHERE e.id = 'escrow ' || p.id || ' ' || p.part || ' ended'
                AND e.purpose = CASE p.status
                    WHEN 'released' THEN 'escrow_release' ELSE 'escrow_refund' END
                AND d.account = 'escrow:' || p.payer_id AND d.amount_minor = -p.amount_minor
        )
    """,  # noqa: S608
    "entry {id} ends a part that has not ended": f"""
        SELECT id FROM entry e WHERE e.id LIKE 'escrow %' AND NOT EXISTS (
            SELECT 1 FROM ({_PARTS}) p WHERE p.status IN ('released', 'refunded')
                AND e.id = 'escrow ' || p.id || ' ' || p.part || ' ended'
        )
    """,  # noqa: S608
    "{account} holds {held} {currency} and what is set aside in it makes {due}": """
        SELECT account, currency, sum(held) AS held, sum(due) AS due FROM (
            SELECT account, currency, balance_minor AS held, 0 AS due
            FROM balance WHERE account LIKE 'hold:%'
            UNION ALL SELECT 'hold:' || customer_id AS account, currency, 0, amount_minor
            FROM withdrawal WHERE status IN ('held', 'requested', 'sent')
            UNION ALL SELECT 'hold:' || referrer_id AS account, currency, 0,
                amount_minor - taken_back_minor FROM reward WHERE status = 'waiting'
            UNION ALL SELECT 'hold:' || customer_id AS account, currency, 0, amount_minor
            FROM refund WHERE status = 'asked'
        ) both_sides GROUP BY account, currency HAVING sum(held) <> sum(due)
    """,
    # So that the figures a referrer is shown are those of the books.
    "the reward for purchase {id} stands at {said} and its entries make {found}": """
        SELECT id, currency, sum(said) AS said, sum(found) AS found FROM (
            SELECT id, currency, amount_minor - taken_back_minor AS said, 0 AS found FROM reward
            UNION ALL SELECT e.purchase_id AS id, p.currency, 0, -p.amount_minor
            FROM posting p JOIN entry e ON e.id = p.entry_id WHERE p.account = 'rewards'
        ) both_sides GROUP BY id, currency HAVING sum(said) <> sum(found)
    """,
    "the reward for purchase {id} is {status} and its entry does not say so": """
        SELECT id, status FROM reward r
        WHERE (status = 'none') = EXISTS (SELECT 1 FROM entry e WHERE e.id = 'reward ' || r.id)
            OR (status IN ('earned', 'taken_back')) <> EXISTS (
                SELECT 1 FROM entry e WHERE e.id = 'reward ' || r.id || ' ended')
    """,
    "the reward for purchase {id} is not for whom brought its buyer, or of another sum": """
        SELECT r.id FROM reward r JOIN purchase p ON p.id = r.id
        LEFT JOIN referral f ON f.customer_id = p.customer_id
        WHERE f.referrer_id IS NULL OR f.referrer_id <> r.referrer_id
            OR p.customer_id <> r.customer_id OR p.currency <> r.currency
            OR r.base_minor > p.amount_minor
    """,
    "customer {customer_id} was brought by {referrer_id}, who came later": """
        SELECT r.customer_id, r.referrer_id FROM referral r
        JOIN customer c ON c.id = r.customer_id JOIN customer o ON o.id = r.referrer_id
        WHERE o.created_at > c.created_at OR (o.created_at = c.created_at AND o.id > c.id)
    """,
    "withdrawal {id} is {status} and its entry does not say so": """
        SELECT id, status FROM withdrawal w WHERE
            NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = 'withdrawal ' || w.id)
            OR (status IN ('done', 'failed', 'returned') AND NOT EXISTS (
                SELECT 1 FROM entry e WHERE e.id = 'withdrawal ' || w.id || ' ended'
                    AND e.purpose = CASE w.status
                        WHEN 'failed' THEN 'withdrawal_failed' ELSE 'payout' END))
            OR (status IN ('held', 'requested', 'sent') AND EXISTS (
                SELECT 1 FROM entry e WHERE e.id = 'withdrawal ' || w.id || ' ended'))
            OR ((status = 'returned') <> EXISTS (
                SELECT 1 FROM entry e WHERE e.id = 'withdrawal ' || w.id || ' returned'))
    """,
    "entry {id} is of a withdrawal that is not there": """
        SELECT e.id FROM entry e LEFT JOIN withdrawal w
            ON w.id = replace(replace(substr(e.id, 12), ' ended', ''), ' returned', '')
        WHERE e.id LIKE 'withdrawal %' AND w.id IS NULL
    """,
    "payment method {id} is verified and no payment proved it": """
        SELECT m.id FROM payment_method m LEFT JOIN (
            SELECT DISTINCT p.method_id FROM purchase p JOIN charge h ON h.purchase_id = p.id
            WHERE p.item = 'verification' AND p.status IN ('paid', 'refunded') AND h.settled
        ) v ON v.method_id = m.id
        WHERE m.status = 'verified' AND v.method_id IS NULL
    """,
    "{customer_id} used {used} of {feature} in a window whose holds took {taken}": """
        SELECT c.customer_id, c.feature, c.used, h.taken
        FROM usage_counter c JOIN (
            SELECT customer_id, feature, window_start,
                sum(CASE WHEN status = 'open' OR captured > units - coalesce(of_packs, 0)
                    THEN units - coalesce(of_packs, 0) ELSE captured END) AS taken
            FROM usage_hold GROUP BY customer_id, feature, window_start
        ) h ON h.customer_id = c.customer_id AND h.feature = c.feature
            AND h.window_start = c.window_start
        WHERE h.taken > c.used
    """,
    "customer {id} has no subscription": """
        SELECT id FROM customer c
        WHERE NOT EXISTS (SELECT 1 FROM subscription s WHERE s.customer_id = c.id)
    """,
}


async def check_books(store: SqlStore) -> list[str]:
    """
    What is wrong, in words; an empty list is a clean bill. One snapshot is read, so it may run
    while customers pay.
    """
    findings = []
    async with store.snapshot() as statements:
        for finding, rule in _RULES.items():
            broken = await statements.all(text(f"SELECT * FROM ({rule}) r LIMIT {FINDINGS_MAX}"))  # noqa: S608
            findings += [finding.format_map(row) for row in broken]
    return findings
