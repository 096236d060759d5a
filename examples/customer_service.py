"""Customer service by text over HTTP: a session for each customer, and a human on request.

    assistant serve &
    python examples/customer_service.py

Each line is `CUSTOMER: what they say`. The server keeps the conversations, so this program may stop
and start again. Once a customer asks for a human, the assistant is silent for that customer, and
the human reads what was said before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import httpx

PROMPT = "You work at the help desk of a bicycle shop. Answer briefly and kindly."
HUMAN = ("human", "agent", "real person", "mensch", "人工")


class HelpDesk:
    """One session for each customer; which one it is, the server knows by the metadata."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._sessions: dict[str, str] = {}
        self.with_human: set[str] = set()

    def say(self, customer: str, text: str) -> str:
        """What the customer reads. Raises httpx.HTTPError."""
        if customer in self.with_human:
            return "(a colleague reads this)"
        if any(word in text.lower() for word in HUMAN):
            self.with_human.add(customer)
            return "One moment, a colleague takes over."
        answer = self._turn(customer, text)
        return str(answer["text"])

    def notes(self, customer: str) -> list[str]:
        """The conversation so far, for the human who takes over."""
        path = f"/v1/sessions/{self._session(customer)}/history"
        messages = self._checked(self._client.get(path))["data"]
        return [f"{message['role']}: {message['text']}" for message in messages]

    def _turn(self, customer: str, text: str) -> dict[str, Any]:
        path = f"/v1/sessions/{self._session(customer)}/turns"
        body = {"text": text, "stream": False, "interrupt": True}
        return self._checked(self._client.post(path, json=body))

    def _session(self, customer: str) -> str:
        if customer not in self._sessions:
            self._sessions[customer] = self._found(customer) or self._made(customer)
        return self._sessions[customer]

    def _found(self, customer: str) -> str | None:
        """The session of before this program was started again."""
        for session in self._checked(self._client.get("/v1/sessions?limit=1000"))["data"]:
            if session["metadata"].get("customer") == customer:
                return str(session["id"])
        return None

    def _made(self, customer: str) -> str:
        new = {"system_prompt": PROMPT, "speak": False, "metadata": {"customer": customer}}
        return str(self._checked(self._client.post("/v1/sessions", json=new))["id"])

    @staticmethod
    def _checked(answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        return dict(answer.json())


def main(lines: Iterator[str] = sys.stdin) -> None:
    options = argparse.ArgumentParser(description="A help desk over HTTP.")
    options.add_argument("--url", default="http://127.0.0.1:8000")
    options.add_argument("--key", default="none", help="made by `assistant keys add`")
    given = options.parse_args()
    headers = {"Authorization": f"Bearer {given.key}"}
    with httpx.Client(base_url=given.url, headers=headers, timeout=120) as client:
        desk = HelpDesk(client)
        for line in lines:
            customer, colon, text = (part.strip() for part in line.partition(":"))
            if not colon or not text:
                print("Write CUSTOMER: what they say", file=sys.stderr)
                continue
            known = customer in desk.with_human
            print(f"{customer} < {desk.say(customer, text)}")
            if customer in desk.with_human and not known:
                print("\n".join(f"    {note}" for note in desk.notes(customer)))


if __name__ == "__main__":
    main()
