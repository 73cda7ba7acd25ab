/*
 * muster.ino: a Muster device on the Arduino core for ESP32, with ArduinoMqttClient. Copy
 * muster.h, muster.c, sha256.h and sha256.c into this folder. Choose a partition scheme
 * with two app slots ("with OTA").
 *
 * PubSubClient won't do: it publishes with QoS 0 only, and Reports need QoS 1.
 */
#include <ArduinoMqttClient.h>
#include <Preferences.h>
#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <esp_ota_ops.h>
#include <esp_partition.h>

#include "muster.h"
extern "C" {
#include "sha256.h"
}

// Yours.
static const char SSID[] = "...", PASSPHRASE[] = "...";
static const char SERVER[] = "muster.example.com", CA[] = "-----BEGIN CERTIFICATE-----\n...";
static const char DEVICE_ID[] = "dev-1", SECRET[] = "the secret that muster device import printed";
static const char VERSION[] = "1.4.0";

static WiFiClientSecure line;
static MqttClient mqtt(line);
static Preferences preferences;
static muster_t device;
static muster_self self;
static const esp_partition_t *slot;
static sha256_t sha;
static uint32_t retryAt;
static bool up;

// What muster.h publishes waits here: endMessage() waits for the PUBACK and receives
// meanwhile, so it must not run inside a function of muster.h.
struct Outgoing {
  char topic[64];
  uint8_t data[192];
  size_t n;
  int qos, id;
};
static Outgoing queued[6];
static unsigned first, waiting;
static uint16_t lastId;

static int publish(muster_t *, const char *topic, const void *data, size_t n, int qos) {
  Outgoing &o = queued[(first + waiting) % 6];
  if (waiting == 6 || strlen(topic) >= sizeof o.topic || n > sizeof o.data) return -1;
  strcpy(o.topic, topic);
  memcpy(o.data, data, n);
  o.n = n;
  o.qos = qos;
  o.id = qos > 0 ? (lastId = lastId == 0xffff ? 1 : lastId + 1) : 0;
  waiting++;
  return o.id;
}

static int slotErase(muster_t *, uint32_t at, uint32_t n) { return esp_partition_erase_range(slot, at, n) == ESP_OK ? 0 : MUSTER_STORAGE; }
static int slotWrite(muster_t *, uint32_t at, const void *p, size_t n) { return esp_partition_write(slot, at, p, n) == ESP_OK ? 0 : MUSTER_STORAGE; }
static int slotRead(muster_t *, uint32_t at, void *p, size_t n) { return esp_partition_read(slot, at, p, n) == ESP_OK ? 0 : MUSTER_STORAGE; }

static int record(muster_t *, int op, void *rec, size_t n) {
  if (op == MUSTER_LOAD) return preferences.getBytes("record", rec, n) == n ? 0 : MUSTER_STORAGE;
  return preferences.putBytes("record", rec, n) == n ? 0 : MUSTER_STORAGE;
}

static int boot(muster_t *, int op) {
  if (op == MUSTER_TEST) return esp_ota_set_boot_partition(slot) == ESP_OK ? 0 : MUSTER_WRONG_HARDWARE;
  if (op == MUSTER_KEEP) return esp_ota_mark_app_valid_cancel_rollback() == ESP_OK ? 0 : MUSTER_STORAGE;
  ESP.restart();
  return 0;
}

static uint32_t now(muster_t *) { return millis(); }

static void sha256(muster_t *, int op, void *io, size_t n) {
  if (op == MUSTER_SHA_START) sha256_start(&sha);
  else if (op == MUSTER_SHA_ADD) sha256_add(&sha, io, n);
  else sha256_end(&sha, (uint8_t *)io);
}

static const muster_port port = {publish, slotErase, slotWrite, slotRead, record, boot, now, sha256, NULL, NULL, NULL};

// The core marks a new image as good before setup() unless this says otherwise.
extern "C" bool verifyRollbackLater() { return true; }

static void onMessage(int size) {
  String topic = mqtt.messageTopic();
  uint8_t part[128];
  size_t at = 0;
  do {
    int n = size == 0 ? 0 : mqtt.read(part, min(sizeof part, size_t(size) - at));
    if (n < 0 || (n == 0 && size > 0)) {
      if (!mqtt.connected()) return;
      continue;  // the rest is on its way
    }
    muster_in(&device, topic.c_str(), topic.length(), size, at, part, n);
    at += n;
  } while (at < size_t(size));
}

static void sendQueue() {
  while (waiting > 0) {
    Outgoing o = queued[first];
    first = (first + 1) % 6;
    waiting--;
    mqtt.beginMessage(o.topic, (unsigned long)o.n, false, o.qos);
    mqtt.write(o.data, o.n);
    if (mqtt.endMessage() && o.qos > 0) muster_acked(&device, o.id);
  }
}

void setup() {
  preferences.begin("muster");
  slot = esp_ota_get_next_update_partition(NULL);
  self.id = DEVICE_ID;
  self.version = VERSION;
  self.max_image = slot->size;
  self.seed = esp_random();
  if (muster_init(&device, &port, NULL, &self) != 0) abort();  // MUSTER_BUFFER is too small
  WiFi.begin(SSID, PASSPHRASE);
  line.setCACert(CA);
  mqtt.setId(DEVICE_ID);
  mqtt.setUsernamePassword(DEVICE_ID, SECRET); // "dev-1@7" in place of DEVICE_ID if the import shows that user name
  mqtt.setKeepAliveInterval(60000);
  mqtt.setConnectionTimeout(10000);
  mqtt.onMessage(onMessage);
}

void loop() {
  if (up && !mqtt.connected()) {
    up = false;
    waiting = 0;
    retryAt = millis() + muster_down(&device, false);
  }
  if (!up && WiFi.status() == WL_CONNECTED && int32_t(millis() - retryAt) >= 0) {
    up = mqtt.connect(SERVER, 8883);
    if (up) muster_up(&device);
    else retryAt = millis() + muster_down(&device, false);
  }
  if (up) mqtt.poll();
  muster_tick(&device);
  if (up) sendQueue();
}
