"""The sandbox alone: `python -m sandbox --port 8081 --webhooks-url http://127.0.0.1:8000/...`."""

from argparse import ArgumentParser
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.app import DEMO_BOT_TOKEN, sandbox_app
from sandbox.clock import SandboxClock


def main() -> None:
    parser = ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--webhooks-url", required=True)
    parser.add_argument("--state-dir", type=Path, help="where payments and chats outlive a restart")
    parser.add_argument("--bot-token", default=DEMO_BOT_TOKEN)
    asked = parser.parse_args()
    sandbox = sandbox_app(
        base_url=f"http://{asked.host}:{asked.port}",
        webhooks_url=asked.webhooks_url,
        clock=SandboxClock(asked.state_dir and asked.state_dir / "clock.json"),
        state_dir=asked.state_dir,
        bot_token=asked.bot_token,
    )
    app = Starlette(
        routes=[Mount("/sandbox", sandbox.app)], lifespan=lambda _app: sandbox.running()
    )
    uvicorn.run(app, host=asked.host, port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
