"""A device in Python: paho and cbor2, nothing of Muster's. It says Hello with version 1,
takes the update it is offered, restarts into it, and prints what it runs as JSON.

usage: device.py HOST PORT ID SECRET
"""

import hashlib
import json
import queue
import sys

import cbor2
import paho.mqtt.client as mqtt

HOST, PORT, DEVICE, SECRET = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
TIMEOUT = 20  # seconds without anything from the cloud
WINDOW = 4

DOWNLOADING, STORED, APPLYING = 1, 2, 3


class Session:
    """One connection: what the cloud sent, in order, and PUBACKs one can wait for."""

    def __init__(self):
        self.inbox = queue.Queue()
        self.client = mqtt.Client(client_id=DEVICE, clean_session=True)
        self.client.username_pw_set(DEVICE, SECRET)
        connected = queue.Queue()
        self.client.on_connect = lambda c, u, f, code: connected.put(code)
        self.client.on_message = lambda c, u, m: self.inbox.put(
            (m.topic.split("/down/")[1], cbor2.loads(m.payload))
        )
        self.client.connect(HOST, PORT, keepalive=30)
        self.client.loop_start()
        code = connected.get(timeout=TIMEOUT)
        if code != 0:
            sys.exit("refused with code %d" % code)

    def send(self, topic, message, qos=0):
        info = self.client.publish(
            "d/%s/up/%s" % (DEVICE, topic), cbor2.dumps(message, canonical=True), qos
        )
        if qos:
            info.wait_for_publish(TIMEOUT)

    def receive(self):
        return self.inbox.get(timeout=TIMEOUT)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def hello(session, version, nonce):
    session.send("hello", {0: 1, 1: version, 4: 2048, 5: WINDOW, 12: nonce})
    topic, welcome = session.receive()
    assert topic == "welcome", topic
    assert welcome[0] == nonce, welcome
    return welcome


def download(session, offer):
    image, size, digest = offer[2], offer[3], offer[4]
    count, received, asked = offer[6], [], WINDOW
    while len(received) < count:
        topic, chunk = session.receive()
        assert topic == "chunk", topic
        assert chunk[0] == image and chunk[1] == len(received), chunk[1]
        received.append(chunk[2])
        if asked < count and asked - len(received) <= WINDOW // 2:
            session.send("want", {0: image, 1: asked, 2: WINDOW})
            asked += WINDOW
    data = b"".join(received)
    assert len(data) == size and hashlib.sha256(data).digest() == digest
    return data


def main():
    session = Session()
    hello(session, 1, 101)
    topic, offer = session.receive()
    assert topic == "offer", topic
    data = download(session, offer)
    session.send("report", {0: offer[2], 1: STORED, 5: offer[0]}, qos=1)
    session.send("report", {0: offer[2], 1: APPLYING, 5: offer[0]}, qos=1)
    session.close()

    session = Session()
    welcome = hello(session, offer[1], 102)
    session.close()
    json.dump(
        {
            "version": offer[1],
            "target": welcome[2],
            "sha256": hashlib.sha256(data).hexdigest(),
            "chunks": offer[6],
        },
        sys.stdout,
    )


main()
