"""A gateway in Python: paho and cbor2, nothing of Muster's. It attaches its BLE devices,
carries their handshakes and updates, and fetches an image once for all of them. It prints
what each runs in the end, and how many chunks came down, as JSON.

usage: gateway.py HOST PORT ID SECRET VERSION CHILD...
"""

import hashlib
import json
import queue
import sys

import cbor2
import paho.mqtt.client as mqtt

HOST, PORT, GATEWAY, SECRET = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
RUNS, CHILDREN = int(sys.argv[5]), sys.argv[6:]
TIMEOUT = 20  # seconds without anything from the cloud
WINDOW = 8

STORED, APPLYING = 2, 3

inbox = queue.Queue()
chunks_down = 0


def connect():
    client = mqtt.Client(client_id=GATEWAY, clean_session=True)
    client.username_pw_set(GATEWAY, SECRET)
    connected = queue.Queue()
    client.on_connect = lambda c, u, f, code: connected.put(code)
    client.on_message = lambda c, u, m: inbox.put((m.topic, m.payload))
    client.connect(HOST, PORT, keepalive=30)
    client.loop_start()
    code = connected.get(timeout=TIMEOUT)
    if code != 0:
        sys.exit("refused with code %d" % code)
    return client


def say(client, child, topic, message, qos=0):
    """Publishes for a child, or with None for the gateway itself."""
    way = "d/%s/b/%s/up/%s" % (GATEWAY, child, topic) if child else "d/%s/up/%s" % (GATEWAY, topic)
    info = client.publish(way, cbor2.dumps(message, canonical=True), qos)
    if qos:
        info.wait_for_publish(TIMEOUT)


waiting = []


def hear(child, topic):
    """The next message on that topic; others are kept for later."""
    way = "d/%s/b/%s/down/%s" % (GATEWAY, child, topic) if child else "d/%s/down/%s" % (GATEWAY, topic)
    for i, (got, payload) in enumerate(waiting):
        if got == way:
            del waiting[i]
            return cbor2.loads(payload)
    while True:
        got, payload = inbox.get(timeout=TIMEOUT)
        if got == way:
            return cbor2.loads(payload)
        waiting.append((got, payload))


def fetch(client, offer):
    """Gets the offered image once, on the gateway's own topics."""
    global chunks_down
    data = []
    while len(data) < offer[6]:
        say(client, None, "want", {0: offer[2], 1: len(data), 2: WINDOW, 3: offer[5]})
        for _ in range(min(WINDOW, offer[6] - len(data))):
            chunk = hear(None, "chunk")
            assert chunk[0] == offer[2] and chunk[1] == len(data), chunk[1]
            data.append(chunk[2])
            chunks_down += 1
    return b"".join(data)


def main():
    client = connect()
    say(client, None, "hello", {0: 1, 1: RUNS, 12: 1, 13: True})
    assert hear(None, "welcome")[0] == 1
    say(client, None, "attach", {0: CHILDREN}, qos=1)
    outcomes = dict(map(tuple, hear(None, "attached")[0]))
    assert outcomes == {child: 0 for child in CHILDREN}, outcomes

    images, ends = {}, {}
    for child in CHILDREN:
        say(client, child, "hello", {0: 1, 1: 1, 4: 2048, 5: 4, 12: 7})
        assert hear(child, "welcome")[0] == 7
        offer = hear(child, "offer")
        assert offer.get(9) is True, offer
        if offer[2] not in images:
            images[offer[2]] = fetch(client, offer)
        data = images[offer[2]]  # and over the radio it goes; the child checks
        assert len(data) == offer[3] and hashlib.sha256(data).digest() == offer[4]
        for state in (STORED, APPLYING):
            say(client, child, "report", {0: offer[2], 1: state, 5: offer[0]}, qos=1)
        say(client, child, "hello", {0: 1, 1: offer[1], 12: 8})
        assert hear(child, "welcome")[0] == 8
        ends[child] = hashlib.sha256(data).hexdigest()

    say(client, "stranger", "hello", {0: 1, 1: 1})
    assert hear("stranger", "stop")[1] == 17
    client.disconnect()
    client.loop_stop()
    json.dump({"children": ends, "chunks": chunks_down}, sys.stdout)


main()
