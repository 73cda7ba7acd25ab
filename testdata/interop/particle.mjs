// An operator in JavaScript: the unmodified particle-api-js drives Muster, with its generic
// calls where it has no method of its own. It ends with 0 when all went as it should.
//
// usage: node particle.mjs URL EMAIL PASSWORD PRODUCT SECONDS ONLINE
//
// PRODUCT is a slug without groups and firmware, and with one device, ONLINE, that is
// connected and takes updates; event streams are watched for SECONDS.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Particle from "particle-api-js";

const [baseUrl, username, password, product, seconds, online] = process.argv.slice(2);
const particle = new Particle({ baseUrl });
const here = `/v1/products/${product}`;
const folder = mkdtempSync(join(tmpdir(), "particle-"));
process.on("exit", () => rmSync(folder, { recursive: true }));

const ids = (list) => list.body.devices.map((device) => device.id);
const device = async (deviceId) => (await particle.getDevice({ deviceId, product })).body;
const moments = (n) => new Promise((resolve) => { setTimeout(resolve, n); });
const image = (version) => Buffer.from(`lamp ${version}\n`.repeat(1000));

// refused expects call to be answered with status, and with a sentence.
async function refused(status, call) {
  const error = await call.then(() => assert.fail("was not refused"), (reason) => reason);
  assert.equal(error.statusCode, status, error.errorDescription);
  assert.ok(error.body.error && error.body.error_description);
}

async function login() {
  await refused(400, particle.login({ username, password: "wrong" }));
  const { body } = await particle.login({ username, password });
  assert.equal(body.token_type, "bearer");
  particle.setDefaultAuth(body.access_token);
  assert.equal((await particle.getUserInfo({})).body.username, username);
  await refused(401, particle.listProducts({ auth: "nonsense" }));
  const stale = new Particle({ baseUrl, auth: "stale", clientId: "any", clientSecret: "thing" });
  assert.ok((await stale.login({ username, password, tokenDuration: 3600 })).body.access_token); // a Bearer header means nothing here
}

async function account() {
  const second = `${password}, the second`;
  await refused(422, particle.changeUserPassword({ currentPassword: "wrong", password: second }));
  await particle.changeUserPassword({ currentPassword: password, password: second });
  await refused(400, particle.login({ username, password }));
  await particle.changeUserPassword({ currentPassword: second, password, invalidateTokens: true });
  assert.equal((await particle.getUserInfo({})).body.username, username); // the token that asked stays valid
}

async function products() {
  const { body } = await particle.listProducts({});
  const mine = body.products.find((p) => p.slug === product);
  assert.deepEqual((await particle.getProduct({ product: mine.id })).body.product.slug, product);
  assert.deepEqual((await particle.get({ uri: "/v1/user/products" })).body, body);
  await refused(404, particle.getProduct({ product: "nope" }));
}

async function addDevices() {
  const one = await particle.addDeviceToProduct({ product, deviceId: "lamp-0" });
  assert.deepEqual(one.body.updatedDeviceIds, ["lamp-0"]);
  const lines = Array.from({ length: 30 }, (_, i) => `lamp-${i}`).join("\r\n") + "\r\nnot an id\r\n";
  const many = await particle.addDeviceToProduct({ product, file: Buffer.from(lines) });
  assert.equal(many.body.updated, 29);
  assert.deepEqual(many.body.existingDeviceIds, ["lamp-0"]);
  assert.deepEqual(many.body.invalidDeviceIds, ["not an id"]);
  const path = join(folder, "devices.txt");
  writeFileSync(path, "bulb-1\nbulb-2\n");
  const file = await particle.addDeviceToProduct({ product, file: path });
  assert.deepEqual(file.body.updatedDeviceIds, ["bulb-1", "bulb-2"]);
}

async function nameAndNote() {
  const named = await particle.renameDevice({ product, deviceId: "lamp-3", name: "Kitchen" });
  assert.equal(named.body.name, "Kitchen");
  assert.ok(named.body.updated_at);
  await particle.setDeviceNotes({ product, deviceId: "lamp-3", notes: "near the window" });
  assert.equal((await device("lamp-3")).notes, "near the window");
  await particle.markAsDevelopmentDevice({ product, deviceId: "lamp-3", development: true });
  assert.equal((await device("lamp-3")).development, true);
  await particle.markAsDevelopmentDevice({ product, deviceId: "lamp-3", development: false });
  assert.equal((await device("lamp-3")).development, false);
  const form = { name: "Porch", "groups[]": "porch" }; // forms do what JSON does
  const both = await particle.request({ uri: `${here}/devices/lamp-6`, method: "put", form });
  assert.deepEqual([both.body.name, both.body.groups], ["Porch", ["porch"]]);
  const { functions, variables, quarantined, status } = await device("lamp-6");
  assert.deepEqual({ functions, variables, quarantined, status }, { functions: [], variables: {}, quarantined: false, status: "normal" });
  await refused(422, particle.put({ uri: `${here}/devices/lamp-6`, data: { nane: "x" } }));
  await refused(404, particle.getDevice({ product, deviceId: "nobody" }));
}

async function groups() {
  const made = await particle.post({ uri: `${here}/groups`, data: { name: "beta", color: "#2f6fde" } });
  assert.equal(made.statusCode, 201);
  await particle.post({ uri: `${here}/groups`, data: { name: "us", description: "west" } });
  await refused(409, particle.post({ uri: `${here}/groups`, data: { name: "us" } }));
  await particle.put({ uri: `${here}/groups/us`, data: { description: "east" } });
  assert.equal((await particle.get({ uri: `${here}/groups/us` })).body.group.description, "east");
  const batch = { action: "groups", devices: ["lamp-1", "lamp-2", "lamp-4"], metadata: { add: ["beta"], remove: ["us"] } };
  assert.equal((await particle.put({ uri: `${here}/devices`, data: batch })).body.ok, true);
  const absolute = await particle.put({ uri: `${here}/devices/lamp-5`, data: { groups: ["us", "made-on-the-way"] } });
  assert.deepEqual(absolute.body.groups.sort(), ["made-on-the-way", "us"]);
  assert.equal((await particle.get({ uri: `${here}/groups/beta` })).body.group.device_count, 3);
  const part = await particle.get({ uri: `${here}/groups`, query: { name: "way" } });
  assert.deepEqual(part.body.groups.map((g) => g.name), ["made-on-the-way"]);
  assert.equal((await particle.delete({ uri: `${here}/groups/made-on-the-way`, data: {} })).statusCode, 204);
  assert.deepEqual((await device("lamp-5")).groups, ["us"]);
}

async function lists() {
  const list = (options) => particle.listDevices({ product, ...options });
  const first = await list({ deviceId: "lamp", sortAttr: "deviceId", sortDir: "asc", perPage: 12, page: 1 });
  const third = await list({ deviceId: "lamp", sortAttr: "deviceId", sortDir: "asc", perPage: 12, page: 3 });
  assert.deepEqual(first.body.meta, { total_pages: 3, page: 1, per_page: 12, total: 30 });
  assert.equal(first.body.devices.length, 12);
  assert.equal(third.body.devices.length, 6);
  assert.ok(!ids(first).some((id) => ids(third).includes(id)));
  assert.deepEqual(ids(await list({ deviceName: "kitch" })), ["lamp-3"]);
  assert.deepEqual(ids(await list({ groups: ["beta", "us"], sortAttr: "deviceId" })), ["lamp-1", "lamp-2", "lamp-4", "lamp-5"]);
  assert.deepEqual(ids(await list({ groups: ["nope"] })), []);
  for (const query of [{ groups: "beta,us" }, { groups: ["beta", "us"] }]) {
    assert.equal((await particle.get({ uri: `${here}/devices`, query })).body.meta.total, 4);
  }
  for (const query of ["groups[]=beta&groups[]=us", "groups=beta&groups=us", "groups%5B0%5D=beta&groups%5B1%5D=us"]) {
    assert.equal((await particle.get({ uri: `${here}/devices?${query}&perPage=3` })).body.meta.total_pages, 2);
  }
  const down = await list({ deviceId: "bulb", sortAttr: "deviceId", sortDir: "desc" });
  assert.deepEqual(ids(down), ["bulb-2", "bulb-1"]);
  assert.equal(ids(await list({ sortAttr: "lastConnection", sortDir: "desc" }))[0], online);
  assert.deepEqual(ids(await list({ serialNumber: "", deviceName: "Porch" })), ["lamp-6"]);
  const every = new Set();
  for (let page = 1; page <= 5; page++) ids(await list({ perPage: 7, page })).forEach((id) => every.add(id));
  assert.equal(every.size, 33);
  await refused(422, list({ sortAttr: "colour" }));
}

async function firmware() {
  const upload = (version, file, title) => particle.uploadProductFirmware({ product, version, title, file, description: "a lamp" });
  const one = await upload(1, image(1), "One");
  assert.equal(one.statusCode, 201);
  assert.equal(one.body.size, image(1).length);
  for (const version of [2, 3, 4]) { // by path: a stream without a length
    const path = join(folder, `${version}.bin`);
    writeFileSync(path, image(version));
    assert.equal((await upload(version, path, "Streamed")).body.version, version);
  }
  await refused(409, upload(1, image(1), "Again"));
  assert.deepEqual((await particle.listProductFirmware({ product })).body.map((f) => f.version).sort(), [1, 2, 3, 4]);
  assert.equal((await particle.getProductFirmware({ product, version: 2 })).body.title, "Streamed");
  await particle.updateProductFirmware({ product, version: 2, title: "Two", description: "brighter" });
  assert.equal((await particle.getProductFirmware({ product, version: 2 })).body.title, "Two");
  const bytes = await particle.downloadProductFirmware({ product, version: 3 });
  assert.deepEqual(Buffer.from(bytes), image(3));
  const old = { uri: `${here}/firmware`, method: "post", files: { binary: image(5) }, form: { version: 5, title: "By its old name" } };
  assert.equal((await particle.request(old)).body.version, 5);
  await particle.delete({ uri: `${here}/firmware/5`, data: {} });
  assert.equal((await particle.delete({ uri: `${here}/firmware/4`, data: {} })).statusCode, 204);
  await refused(404, particle.getProductFirmware({ product, version: 4 }));
}

async function release() {
  const query = { action: "edit_groups_for_firmware", firmware_version: 2, groups: "beta", product_default: false };
  const impact = await particle.get({ uri: `${here}/impact`, query });
  assert.equal(impact.body.devices.firmware_update.total, 3);
  assert.deepEqual(impact.body.devices.firmware_update.by_version, [{ version: 2, total: 3 }]);
  const beta = await particle.releaseProductFirmware({ product, version: 2, product_default: false, groups: ["beta"] });
  assert.deepEqual(beta.body.groups, ["beta"]);
  assert.equal((await device("lamp-1")).targeted_firmware_release_version, 2);
  const everyone = await particle.releaseProductFirmware({ product, version: 1, product_default: true, groups: [], intelligent: true });
  assert.equal(everyone.body.product_default, true);
  assert.equal((await device("lamp-0")).targeted_firmware_release_version, 1);
  await particle.put({ uri: `${here}/firmware/release`, data: { version: 3 } }); // as clients before version 12 ask for the default
  assert.equal((await device("lamp-0")).targeted_firmware_release_version, 3);
  assert.equal((await device("lamp-1")).targeted_firmware_release_version, 2);
  await refused(409, particle.delete({ uri: `${here}/firmware/1`, data: {} })); // it was released
  const bare = { action: "edit_groups_for_firmware", firmware_version: 2, product_default: false };
  const back = await particle.get({ uri: `${here}/impact`, query: bare }); // no groups: of taking it back
  assert.deepEqual(back.body.devices.firmware_update.by_version, [{ version: 3, total: 3 }]);
  const list = await particle.listProductFirmware({ product });
  assert.deepEqual(list.body.map((f) => [f.version, f.groups, f.product_default]), [[3, [], true], [2, ["beta"], false], [1, [], false]]);
  assert.equal((await particle.get({ uri: `${here}/groups/beta` })).body.group.fw_version, 2);
}

async function locks() {
  const lock = (options) => particle.lockDeviceProductFirmware({ product, deviceId: "lamp-1", ...options });
  assert.equal((await lock({ desiredFirmwareVersion: 1 })).body.desired_firmware_version, 1);
  assert.equal((await lock({ desiredFirmwareVersion: 3, flash: true })).body.desired_firmware_version, 3);
  const locked = await device("lamp-1");
  assert.equal(locked.desired_firmware_version, 3);
  assert.equal(locked.targeted_firmware_release_version, 2);
  assert.equal(locked.target_version, 3);
  await particle.unlockDeviceProductFirmware({ product, deviceId: "lamp-1" });
  assert.equal((await device("lamp-1")).desired_firmware_version, null);
  const text = { uri: `${here}/devices/lamp-1`, method: "put", form: { desired_firmware_version: "2" } };
  assert.equal((await particle.request(text)).body.desired_firmware_version, 2);
  text.form.desired_firmware_version = "null"; // a form has no other
  assert.equal((await particle.request(text)).body.desired_firmware_version, null);
  await lock({ desiredFirmwareVersion: 1 });
  await particle.renameDevice({ product, deviceId: "lamp-1", name: "Attic" }); // what is absent stays
  assert.equal((await device("lamp-1")).desired_firmware_version, 1);
  await particle.unlockDeviceProductFirmware({ product, deviceId: "lamp-1" });
  await refused(422, lock({ desiredFirmwareVersion: 99 }));
  await lock({ deviceId: online, desiredFirmwareVersion: 2, flash: true });
  await runs(2);
  await particle.put({ uri: `${here}/devices/lamp-1`, data: { firmware_updates_forced: true } });
  assert.equal((await device("lamp-1")).firmware_updates_forced, true);
}

// runs waits until the device that is online says that it runs version.
async function runs(version) {
  for (let tries = 300; (await device(online)).firmware_version !== version; tries--) {
    assert.ok(tries > 0, `it never ran ${version}`);
    await moments(100);
  }
}

async function team() {
  const members = await particle.listTeamMembers({ product });
  assert.ok(members.body.team.some((member) => member.username === username));
  await particle.inviteTeamMember({ product, username: "guest@example.com" });
  await particle.removeTeamMember({ product, username: "guest@example.com" });
}

// listen opens a stream and returns it with the names it tells, and its endings.
async function listen(options) {
  const stream = await particle.getEventStream(options);
  const heard = [];
  for (const ending of ["disconnect", "error", "reconnect"]) {
    stream.on(ending, () => { heard.push(`stream: ${ending}`); });
  }
  stream.on("event", (event) => heard.push(event.name));
  return { stream, heard };
}

// events watches streams of each kind: they have to stay up, without a break, and to tell
// of what is done at the beginning and at the end.
async function events() {
  const all = await listen({ product });
  const spark = await listen({ product, name: "spark/" });
  const one = await listen({ product, deviceId: online });
  const mine = await listen({ deviceId: "mine" });
  const sparkOfOne = await listen({ deviceId: online, name: "spark/" });
  const sparkOfMine = await listen({ deviceId: "mine", name: "spark/" });
  const streams = [all, spark, one, mine, sparkOfOne, sparkOfMine];
  await particle.releaseProductFirmware({ product, version: 3, product_default: true, groups: ["us"] });
  await moments(Number(seconds) * 1000);
  await particle.lockDeviceProductFirmware({ product, deviceId: online, desiredFirmwareVersion: 1, flash: true });
  await runs(1);
  await moments(500);
  const told = (s, name) => assert.ok(s.heard.includes(name), `${name} is not among ${s.heard}`);
  told(all, "particle/firmware/release");
  streams.forEach((s) => { told(s, "spark/status"); told(s, "spark/flash/status"); });
  [spark, sparkOfOne, sparkOfMine].forEach((s) => assert.ok(s.heard.every((name) => name.startsWith("spark/")), `heard ${s.heard}`));
  assert.ok(!one.heard.includes("particle/firmware/release"), `heard ${one.heard}`);
  streams.forEach((s) => assert.ok(!s.heard.some((name) => name.startsWith("stream: ")), `heard ${s.heard}`));
  streams.forEach((s) => s.stream.abort());
}

async function remove() {
  assert.equal((await particle.removeDevice({ product, deviceId: "bulb-1" })).statusCode, 204);
  await refused(404, particle.removeDevice({ product, deviceId: "bulb-1", deny: false }));
}

const served = (await particle.get({ uri: "/v1/openapi.json" })).body.paths;
const steps = [login, account, products, addDevices, nameAndNote, groups, lists, firmware, release, locks];
if ("/v1/products/{product}/team" in served) steps.push(team);
if ("/v1/products/{product}/events" in served) steps.push(events);
steps.push(remove);
for (const step of steps) {
  try {
    await step();
    console.log(`ok ${step.name}`);
  } catch (error) {
    console.error(`${step.name}:`, error.body ?? "", error);
    process.exit(1);
  }
}
process.exit(0);
