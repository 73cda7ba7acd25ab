/*
 * main.c: a Muster device on ESP-IDF (5.x). All of muster.h runs in the task of esp-mqtt:
 * its events arrive there, and a timer posts one of its own for muster_tick.
 */
#include "esp_app_desc.h"
#include "esp_crt_bundle.h"
#include "esp_log.h"
#include "esp_ota_ops.h"
#include "esp_partition.h"
#include "esp_random.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "mbedtls/sha256.h"
#include "mqtt_client.h"
#include "muster.h"
#include "nvs.h"
#include "nvs_flash.h"

/* Yours. */
#define SERVER "mqtts://muster.example.com"
#define DEVICE_ID "dev-1"
#define USER_NAME DEVICE_ID /* DEVICE_ID "@7" if the import shows the user name dev-1@7 */
#define SECRET "the secret that muster device import printed"

void network_start(void); /* yours: Wi-Fi or Ethernet, returns when there is an address */

static const char *TAG = "muster";
static muster_t device;
static esp_mqtt_client_handle_t mqtt;
static esp_timer_handle_t ticks, again;
static const esp_partition_t *slot;
static mbedtls_sha256_context sha;
static nvs_handle_t nvs;

/* ---- flash ---- */

static int erase(muster_t *m, uint32_t at, uint32_t n) { return esp_partition_erase_range(slot, at, n) == ESP_OK ? 0 : MUSTER_STORAGE; }

static int write(muster_t *m, uint32_t at, const void *data, size_t n) { return esp_partition_write(slot, at, data, n) == ESP_OK ? 0 : MUSTER_STORAGE; }

static int read(muster_t *m, uint32_t at, void *data, size_t n) { return esp_partition_read(slot, at, data, n) == ESP_OK ? 0 : MUSTER_STORAGE; }

static int record(muster_t *m, int op, void *rec, size_t n)
{
    if (op == MUSTER_LOAD) {
        size_t size = n;
        return nvs_get_blob(nvs, "record", rec, &size) == ESP_OK && size == n ? 0 : MUSTER_STORAGE;
    }
    return nvs_set_blob(nvs, "record", rec, n) == ESP_OK && nvs_commit(nvs) == ESP_OK ? 0 : MUSTER_STORAGE;
}

/* ---- the boot loader, with rollback enabled ---- */

static int boot(muster_t *m, int op)
{
    switch (op) {
    case MUSTER_TEST: /* this checks the image's own format and digest, too */
        return esp_ota_set_boot_partition(slot) == ESP_OK ? 0 : MUSTER_WRONG_HARDWARE;
    case MUSTER_KEEP:
        return esp_ota_mark_app_valid_cancel_rollback() == ESP_OK ? 0 : MUSTER_STORAGE;
    default:
        esp_restart();
        return 0;
    }
}

/* ---- the rest of the port ---- */

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
    /* Length 0 would mean a terminated text to esp-mqtt. */
    int id = esp_mqtt_client_enqueue(mqtt, topic, n > 0 ? data : "", (int)n, qos, 0, true);
    return id < 0 ? -1 : qos > 0 ? id : 0;
}

static uint32_t ms(muster_t *m) { return (uint32_t)(esp_timer_get_time() / 1000); }

static void sha256(muster_t *m, int op, void *io, size_t n)
{
    if (op == MUSTER_SHA_START) {
        mbedtls_sha256_init(&sha);
        (void)mbedtls_sha256_starts(&sha, 0);
    } else if (op == MUSTER_SHA_ADD) {
        (void)mbedtls_sha256_update(&sha, io, n);
    } else {
        (void)mbedtls_sha256_finish(&sha, io);
        mbedtls_sha256_free(&sha);
    }
}

static const muster_port port = {publish, erase, write, read, record, boot, ms, sha256, NULL, NULL, NULL};

/* ---- MQTT ---- */

static void on_event(void *arg, esp_event_base_t base, int32_t id, void *data)
{
    esp_mqtt_event_handle_t e = data;
    uint32_t wait;
    switch (id) {
    case MQTT_EVENT_CONNECTED:
        muster_up(&device);
        break;
    case MQTT_EVENT_DISCONNECTED: /* also when a connection could not be made */
        wait = muster_down(&device, false);
        (void)esp_timer_start_once(again, (uint64_t)wait * 1000 + 1);
        break;
    case MQTT_EVENT_DATA: /* a fragment: total_data_len bytes in all, the topic with the first */
        (void)muster_in(&device, e->topic, e->topic_len, e->total_data_len, e->current_data_offset, e->data, e->data_len);
        break;
    case MQTT_EVENT_PUBLISHED:
        muster_acked(&device, (uint16_t)e->msg_id);
        break;
    default: /* the timer's own */
        break;
    }
    (void)muster_tick(&device);
}

static void on_ticks(void *arg)
{
    esp_mqtt_event_t e = {.event_id = MQTT_USER_EVENT};
    (void)esp_mqtt_dispatch_custom_event(mqtt, &e);
}

static void on_again(void *arg) { (void)esp_mqtt_client_reconnect(mqtt); }

void app_main(void)
{
    static muster_self self = {.id = DEVICE_ID};
    const esp_mqtt_client_config_t config = {
        .broker.address.uri = SERVER,
        .broker.verification.crt_bundle_attach = esp_crt_bundle_attach,
        .credentials.client_id = DEVICE_ID,
        .credentials.username = USER_NAME,
        .credentials.authentication.password = SECRET,
        .session.keepalive = 60,
        .network.disable_auto_reconnect = true, /* muster_down says when */
        .buffer.size = 1024,                    /* fragments: no buffer has to hold a chunk */
    };
    const esp_timer_create_args_t tick_args = {.callback = on_ticks, .name = "muster_tick"};
    const esp_timer_create_args_t again_args = {.callback = on_again, .name = "muster_again"};

    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(nvs_open("muster", NVS_READWRITE, &nvs));
    slot = esp_ota_get_next_update_partition(NULL);
    if (slot == NULL) {
        ESP_LOGE(TAG, "the partition table has no second OTA slot");
        return;
    }
    self.version = esp_app_get_description()->version;
    if (self.version[0] == 'v') { /* as in the tag v1.4.0; no version of Muster's has it */
        self.version++;
    }
    self.max_image = slot->size;
    self.seed = esp_random();
    if (muster_init(&device, &port, NULL, &self) != 0) {
        ESP_LOGE(TAG, "MUSTER_BUFFER is too small");
        return;
    }
    /* A self-test of your own goes here: muster_healthy(&device) if it passes, else
     * esp_ota_mark_app_invalid_rollback_and_reboot(). Without one, the first Welcome decides. */
    network_start();
    mqtt = esp_mqtt_client_init(&config);
    ESP_ERROR_CHECK(esp_mqtt_client_register_event(mqtt, MQTT_EVENT_ANY, on_event, NULL));
    ESP_ERROR_CHECK(esp_timer_create(&again_args, &again));
    ESP_ERROR_CHECK(esp_timer_create(&tick_args, &ticks));
    ESP_ERROR_CHECK(esp_mqtt_client_start(mqtt));
    ESP_ERROR_CHECK(esp_timer_start_periodic(ticks, 50000));
}
