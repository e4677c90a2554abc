"""An agent of the package `axme` that is killed in the middle of its work, again and again."""

from bench.clients.process import configuration, tell  # isort: skip

import time

from axme import AxmeClient, AxmeClientConfig


def main() -> None:
    of = configuration()
    client = AxmeClient(AxmeClientConfig(base_url=of["url"], api_key=of["key"]))
    tell(connects_at=time.monotonic())
    for delivery in client.listen(of["address"]):
        started = time.monotonic()
        client.get_intent(delivery["intent_id"])
        tell(handler_at=started, attempt=delivery["delivery_attempt"])
        time.sleep(3600)  # at work, until killed


if __name__ == "__main__":
    main()
