// A device in JavaScript: MQTT.js over WebSocket, MQTT 5, with the few lines of CBOR it
// needs. It says Hello, prints the Welcome's target as JSON, and ends.
//
// usage: node device.mjs URL ID SECRET VERSION

import mqtt from "mqtt";

const [url, id, secret, version] = process.argv.slice(2);
const nonce = 77;

// hello is {0: 1, 1: version, 8: false, 12: nonce}; all numbers but the nonce are below 24.
const hello = Buffer.from([0xa4, 0, 1, 1, Number(version), 8, 0xf4, 12, 0x18, nonce]);

// read takes apart a Welcome's keys in order: a map of small unsigned numbers and texts.
function read(message) {
  let at = 0;
  const head = () => {
    const byte = message[at++];
    const info = byte & 0x1f;
    const size = info < 24 ? 0 : 1 << (info - 24);
    const value = size ? message.readUIntBE(at, Math.min(size, 6)) : info;
    at += size;
    return [byte >> 5, value];
  };
  const item = () => {
    const [major, value] = head();
    if (major === 0) return value;
    if (major !== 3) throw new Error(`unexpected CBOR type ${major}`);
    at += value;
    return message.toString("utf8", at - value, at);
  };
  const [, pairs] = head();
  return Object.fromEntries(Array.from({ length: pairs }, () => [item(), item()]));
}

const client = mqtt.connect(url, {
  clientId: id, username: id, password: secret, protocolVersion: 5, clean: true, reconnectPeriod: 0,
});
const fail = (error) => { console.error(String(error)); process.exit(1); };
setTimeout(() => fail("no Welcome in 20 s"), 20_000);
client.on("error", fail);
client.on("connect", () => client.publish(`d/${id}/up/hello`, hello, { qos: 1 }));
client.on("message", (topic, message) => {
  if (topic !== `d/${id}/down/welcome`) fail(`unexpected topic ${topic}`);
  const welcome = read(message);
  console.log(JSON.stringify({ nonce: welcome[0], target: welcome[2], reason: welcome[4] }));
  client.end(false, () => process.exit(0));
});
