/*
 * main.c: a Muster device on Zephyr with MCUboot. Everything runs in the main thread. The
 * new image goes to slot1; the record of muster.h is in a journal on storage_partition.
 */
#include <zephyr/dfu/mcuboot.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/mqtt.h>
#include <zephyr/net/socket.h>
#include <zephyr/net/tls_credentials.h>
#include <zephyr/random/random.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/reboot.h>

#include <string.h>

#include "journal.h"
#include "muster.h"
#include "sha256.h"

LOG_MODULE_REGISTER(muster_device, LOG_LEVEL_INF);

/* Yours. The certificate of the server's CA has to be stored under TLS_TAG first. */
#define SERVER "muster.example.com"
#define PORT "8883"
#define DEVICE_ID "dev-1"
#define USER_NAME DEVICE_ID /* DEVICE_ID "@7" if the import shows the user name dev-1@7 */
#define SECRET "the secret that muster device import printed"
#define VERSION "1.4.0"
#define TLS_TAG 1
#define TRAILER (2 * MUSTER_SECTOR) /* the end of slot1, which is MCUboot's */

static muster_t device;
static struct mqtt_client mqtt;
static struct sockaddr_storage server;
static uint8_t rx[256], tx[512];
static const struct flash_area *slot, *storage;
static sha256_t sha;
static bool connected, ended;
static uint16_t last_id;

/* ---- flash ---- */

static int erase(muster_t *m, uint32_t at, uint32_t n) { return flash_area_erase(slot, at, n) == 0 ? 0 : MUSTER_STORAGE; }

static int write(muster_t *m, uint32_t at, const void *data, size_t n) { return flash_area_write(slot, at, data, n) == 0 ? 0 : MUSTER_STORAGE; }

static int read(muster_t *m, uint32_t at, void *data, size_t n) { return flash_area_read(slot, at, data, n) == 0 ? 0 : MUSTER_STORAGE; }

static int journal_erase(void *f, uint32_t at, uint32_t n) { return flash_area_erase(f, at, n) == 0 ? 0 : MUSTER_STORAGE; }

static int journal_write(void *f, uint32_t at, const void *data, size_t n) { return flash_area_write(f, at, data, n) == 0 ? 0 : MUSTER_STORAGE; }

static int journal_read(void *f, uint32_t at, void *data, size_t n) { return flash_area_read(f, at, data, n) == 0 ? 0 : MUSTER_STORAGE; }

static journal_t journal = {NULL, MUSTER_SECTOR, journal_erase, journal_write, journal_read};

static int record(muster_t *m, int op, void *rec, size_t n)
{
	return op == MUSTER_LOAD ? journal_load(&journal, rec, n) : journal_save(&journal, rec, n);
}

/* ---- MCUboot ---- */

static int boot(muster_t *m, int op)
{
	switch (op) {
	case MUSTER_TEST:
		/* What an earlier swap left in the trailer would be read as this one's state. */
		if (flash_area_erase(slot, slot->fa_size - TRAILER, TRAILER) != 0) {
			return MUSTER_STORAGE;
		}
		return boot_request_upgrade(BOOT_UPGRADE_TEST) == 0 ? 0 : MUSTER_OTHER;
	case MUSTER_KEEP:
		return boot_is_img_confirmed() || boot_write_img_confirmed() == 0 ? 0 : MUSTER_STORAGE;
	default:
		(void)mqtt_disconnect(&mqtt, NULL); /* Zephyr before 4.2: without the NULL */
		k_msleep(200);
		sys_reboot(SYS_REBOOT_COLD);
		return 0;
	}
}

/* ---- the rest of the port ---- */

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
	struct mqtt_publish_param p = {
		.message.topic.topic.utf8 = (const uint8_t *)topic,
		.message.topic.topic.size = strlen(topic),
		.message.topic.qos = qos,
		.message.payload.data = (uint8_t *)data,
		.message.payload.len = n,
		.message_id = ++last_id == 0 ? ++last_id : last_id,
	};
	return mqtt_publish(&mqtt, &p) == 0 ? (qos > 0 ? p.message_id : 0) : -1;
}

static uint32_t ms(muster_t *m) { return k_uptime_get_32(); }

static void sha256(muster_t *m, int op, void *io, size_t n)
{
	if (op == MUSTER_SHA_START) {
		sha256_start(&sha);
	} else if (op == MUSTER_SHA_ADD) {
		sha256_add(&sha, io, n);
	} else {
		sha256_end(&sha, io);
	}
}

static const muster_port port = {publish, erase, write, read, record, boot, ms, sha256, NULL, NULL, NULL};

/* ---- MQTT ---- */

/* received hands the payload on as it comes: no buffer has to hold a chunk. */
static void received(struct mqtt_client *c, const struct mqtt_publish_param *p)
{
	const struct mqtt_utf8 *topic = &p->message.topic.topic;
	size_t total = p->message.payload.len, at = 0;
	uint8_t part[128];

	do {
		int n = total == 0 ? 0 : mqtt_read_publish_payload_blocking(c, part, MIN(sizeof(part), total - at));
		if (n < 0 || (n == 0 && total > 0)) {
			ended = true;
			return;
		}
		(void)muster_in(&device, (const char *)topic->utf8, topic->size, total, at, part, n);
		at += n;
	} while (at < total);
}

static void on_event(struct mqtt_client *c, const struct mqtt_evt *e)
{
	switch (e->type) {
	case MQTT_EVT_CONNACK:
		connected = e->result == 0;
		ended = !connected;
		if (connected) {
			muster_up(&device);
		}
		break;
	case MQTT_EVT_PUBLISH:
		received(c, &e->param.publish);
		break;
	case MQTT_EVT_PUBACK:
		muster_acked(&device, e->param.puback.message_id);
		break;
	case MQTT_EVT_DISCONNECT:
		ended = true;
		break;
	default:
		break;
	}
}

static int start(void)
{
	static struct mqtt_utf8 id = MQTT_UTF8_LITERAL(DEVICE_ID), user = MQTT_UTF8_LITERAL(USER_NAME), password = MQTT_UTF8_LITERAL(SECRET);
	static const sec_tag_t tags[] = {TLS_TAG};
	struct zsock_addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;

	if (zsock_getaddrinfo(SERVER, PORT, &hints, &found) != 0) {
		return -EHOSTUNREACH;
	}
	memcpy(&server, found->ai_addr, found->ai_addrlen);
	zsock_freeaddrinfo(found);
	mqtt_client_init(&mqtt);
	mqtt.broker = &server;
	mqtt.evt_cb = on_event;
	mqtt.client_id = id;
	mqtt.user_name = &user;
	mqtt.password = &password;
	mqtt.protocol_version = MQTT_VERSION_3_1_1;
	mqtt.rx_buf = rx;
	mqtt.rx_buf_size = sizeof(rx);
	mqtt.tx_buf = tx;
	mqtt.tx_buf_size = sizeof(tx);
	mqtt.transport.type = MQTT_TRANSPORT_SECURE;
	mqtt.transport.tls.config.peer_verify = TLS_PEER_VERIFY_REQUIRED;
	mqtt.transport.tls.config.sec_tag_list = tags;
	mqtt.transport.tls.config.sec_tag_count = ARRAY_SIZE(tags);
	mqtt.transport.tls.config.hostname = SERVER;
	return mqtt_connect(&mqtt);
}

/* converse serves a connection until it ends. */
static void converse(void)
{
	int64_t begun = k_uptime_get();

	connected = ended = false;
	if (start() != 0) {
		return;
	}
	while (!ended && (connected || k_uptime_get() - begun < 10000)) {
		struct zsock_pollfd p = {.fd = mqtt.transport.tls.sock, .events = ZSOCK_POLLIN};
		uint32_t wait = MIN(muster_tick(&device), 1000);

		if (zsock_poll(&p, 1, MIN(wait, mqtt_keepalive_time_left(&mqtt))) > 0 && mqtt_input(&mqtt) != 0) {
			break;
		}
		(void)mqtt_live(&mqtt);
	}
	(void)mqtt_abort(&mqtt);
}

int main(void)
{
	static muster_self self = {.id = DEVICE_ID, .version = VERSION};

	if (flash_area_open(FIXED_PARTITION_ID(slot1_partition), &slot) != 0 ||
	    flash_area_open(FIXED_PARTITION_ID(storage_partition), &storage) != 0) {
		LOG_ERR("no flash");
		return 1;
	}
	journal.flash = (void *)storage;
	self.max_image = slot->fa_size - TRAILER;
	self.seed = sys_rand32_get();
	if (muster_init(&device, &port, NULL, &self) != 0) {
		LOG_ERR("MUSTER_BUFFER is too small");
		return 1;
	}
	/* A self-test of your own goes here: muster_healthy(&device) if it passes, else
	 * sys_reboot(), and MCUboot falls back. Without one, the first Welcome decides. */
	for (;;) {
		uint32_t wait;

		converse();
		wait = muster_down(&device, false);
		(void)muster_tick(&device);
		k_msleep(wait);
	}
}
