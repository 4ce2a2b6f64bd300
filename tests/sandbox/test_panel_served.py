"""The access panel of the sandbox as a tester meets it: controls, the page, links, a restart."""

from pathlib import Path

from sandbox.app import DEMO_PANEL
from tests.sandbox.served_sandbox import serve

HEADERS = {"Authorization": f"Bearer {DEMO_PANEL[0]}"}
USER = {"username": "cus_anna0001", "expireAt": "2100-01-01T00:00:00.000Z"}


def test_users_outlive_a_restart_and_are_shown_with_their_access(tmp_path: Path) -> None:
    with serve(tmp_path, squads=("vpn",)) as served:
        squads = served.client.get("/sandbox/panel/api/internal-squads", headers=HEADERS).json()
        ids = {one["name"]: one["uuid"] for one in squads["response"]["internalSquads"]}
        asked = USER | {"activeInternalSquads": [ids["vpn"]]}
        made = served.client.post("/sandbox/panel/api/users", json=asked, headers=HEADERS)
        assert made.status_code == 201
        again = served.client.post("/sandbox/panel/api/users", json=asked, headers=HEADERS)
        assert (again.status_code, again.json()["errorCode"]) == (400, "A019")
        link = made.json()["response"]["subscriptionUrl"].removeprefix(served.url)
        assert served.client.get(link).status_code == 200
        assert served.client.get("/sandbox/panel/api/users").status_code == 401
    with serve(tmp_path, squads=("vpn",)) as served:
        page = served.client.get("/sandbox/panel/").text
        assert "cus_anna0001" in page
        assert "vpn" in page
        off = {"username": USER["username"], "status": "DISABLED"}
        served.client.patch("/sandbox/panel/api/users", json=off, headers=HEADERS)
        assert served.client.get(link).status_code == 403
        assert "nobody yet" in served.client.get("/sandbox/panel/").text


def test_faults_come_when_they_are_told_to() -> None:
    with serve() as served:
        assert served.control("panel/faults", mode="down", next=1).json()["faults"] == {"down": 1}
        url = "/sandbox/panel/api/internal-squads"
        statuses = [served.client.get(url, headers=HEADERS).status_code for _ in range(2)]
        assert statuses == [503, 200]
        assert served.control("panel/faults", mode="decline", next=1).status_code == 422
        calls = served.client.get("/sandbox/panel/calls").json()["items"]
        assert [one["status"] for one in calls] == [503, 200]
