"""A member of staff at an MQTT client: hears cases, gives answers."""

import threading
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from haidang_cloud.broker.connection import BrokerSettings, secure
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.messages import AnswerKind, CaseAnswer, CaseMessage, CaseState
from servers.start import wait_until


class Staff:
    """Listens to one scope; "+" is the whole centre."""

    def __init__(
        self,
        port: int,
        *,
        centre: str,
        scope: str,
        token: str = "",
        settings: BrokerSettings | None = None,
    ) -> None:
        self.centre, self.scope, self.token = centre, scope, token
        self.heard: list[CaseMessage] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        secure(self._client, settings or BrokerSettings(host="127.0.0.1", port=port, plain=True))
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._ready.wait(10):
            raise TimeoutError("the broker took no subscription")

    def _connected(self, *_: object) -> None:
        self._client.subscribe(topics.case_filter(self.centre, self.scope), qos=1)

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.heard.append(messages.decode(bytes(message.payload), CaseMessage))

    def of(self, case: str) -> list[CaseState]:
        """The states of a case, as they were heard."""
        return [one.state for one in self.heard if one.case == case]

    def wait_for(self, case: str, state: CaseState, *, times: int = 1) -> CaseMessage:
        """Wait until a case is heard of in a state; returns the newest such message."""
        wait_until(
            lambda: self.of(case).count(state) >= times, what=f"{case} {state}", timeout_s=20
        )
        return [one for one in self.heard if (one.case, one.state) == (case, state)][-1]

    def answer(
        self, case: str, kind: AnswerKind, *, at: int, scope: str = "", token: str = ""
    ) -> None:
        """Answer, and wait until the broker has it."""
        said = CaseAnswer(answer=kind, token=token or self.token, at=at)
        topic = topics.answer_topic(self.centre, scope or self.scope, case)
        self._client.publish(topic, messages.encode(said), qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
