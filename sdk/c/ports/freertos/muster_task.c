/*
 * muster_task.c: a Muster device on FreeRTOS with coreMQTT 2.x. One task does everything.
 * TLS and TCP are the application's TransportInterface_t, flash is its board_* functions.
 */
#include <string.h>

#include "FreeRTOS.h"
#include "core_mqtt.h"
#include "journal.h"
#include "muster.h"
#include "sha256.h"
#include "task.h"

/* Yours. */
#define DEVICE_ID "dev-1"
#define USER_NAME DEVICE_ID /* DEVICE_ID "@7" if the import shows the user name dev-1@7 */
#define SECRET "the secret that muster device import printed"
#define VERSION "1.4.0"

bool board_connect(NetworkContext_t *n); /* TCP and TLS to the server */
void board_disconnect(NetworkContext_t *n);
extern TransportInterface_t board_transport;
int board_slot_erase(uint32_t at, uint32_t n); /* each 0 or a reason code of muster.h */
int board_slot_write(uint32_t at, const void *data, size_t n);
int board_slot_read(uint32_t at, void *data, size_t n);
uint32_t board_slot_size(void);
extern const journal_t board_journal; /* two sectors for the record */
int board_boot(int op);               /* MUSTER_TEST, MUSTER_RESTART, MUSTER_KEEP */
uint32_t board_random(void);

/* coreMQTT hands a PUBLISH on when it is whole: the buffer holds a chunk and its topic. */
static uint8_t buffer[MUSTER_CHUNK + 256];
static MQTTPubAckInfo_t outgoing[4], incoming[1];
static MQTTContext_t mqtt;
static muster_t device;
static sha256_t sha;

/* Messages to send: coreMQTT must not be called again from its own callback, in which
 * muster_in may want to publish. */
#define QUEUE 6
static struct {
    char topic[64];
    uint8_t data[192];
    size_t n;
    uint16_t id; /* 0: QoS 0 */
} queue[QUEUE];
static unsigned first, waiting;

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
    unsigned i = (first + waiting) % QUEUE;
    (void)m;
    if (waiting == QUEUE || strlen(topic) >= sizeof queue[i].topic || n > sizeof queue[i].data) {
        return -1;
    }
    (void)strcpy(queue[i].topic, topic);
    (void)memcpy(queue[i].data, data, n);
    queue[i].n = n;
    queue[i].id = qos > 0 ? MQTT_GetPacketId(&mqtt) : 0;
    waiting++;
    return queue[i].id;
}

static bool send_queue(void)
{
    for (; waiting > 0; waiting--, first = (first + 1) % QUEUE) {
        MQTTPublishInfo_t p;
        (void)memset(&p, 0, sizeof p);
        p.qos = queue[first].id != 0 ? MQTTQoS1 : MQTTQoS0;
        p.pTopicName = queue[first].topic;
        p.topicNameLength = (uint16_t)strlen(queue[first].topic);
        p.pPayload = queue[first].data;
        p.payloadLength = queue[first].n;
        if (MQTT_Publish(&mqtt, &p, queue[first].id) != MQTTSuccess) {
            return false;
        }
    }
    return true;
}

static int slot_erase(muster_t *m, uint32_t at, uint32_t n)
{
    (void)m;
    return board_slot_erase(at, n);
}

static int slot_write(muster_t *m, uint32_t at, const void *data, size_t n)
{
    (void)m;
    return board_slot_write(at, data, n);
}

static int slot_read(muster_t *m, uint32_t at, void *data, size_t n)
{
    (void)m;
    return board_slot_read(at, data, n);
}

static int record(muster_t *m, int op, void *rec, size_t n)
{
    (void)m;
    return op == MUSTER_LOAD ? journal_load(&board_journal, rec, n) : journal_save(&board_journal, rec, n);
}

static int boot(muster_t *m, int op)
{
    (void)m;
    return board_boot(op);
}

#if configTICK_RATE_HZ != 1000
#error "count milliseconds by another clock: one that uses all 32 bits before it wraps"
#endif

static uint32_t now_ms(void) { return xTaskGetTickCount(); }

static uint32_t ms(muster_t *m)
{
    (void)m;
    return now_ms();
}

static void sha256(muster_t *m, int op, void *io, size_t n)
{
    (void)m;
    if (op == MUSTER_SHA_START) {
        sha256_start(&sha);
    } else if (op == MUSTER_SHA_ADD) {
        sha256_add(&sha, io, n);
    } else {
        sha256_end(&sha, io);
    }
}

static const muster_port port = {publish, slot_erase, slot_write, slot_read, record, boot, ms, sha256, NULL, NULL, NULL};

static void on_packet(MQTTContext_t *context, MQTTPacketInfo_t *packet, MQTTDeserializedInfo_t *info)
{
    (void)context;
    if ((packet->type & 0xf0u) == MQTT_PACKET_TYPE_PUBLISH) {
        const MQTTPublishInfo_t *p = info->pPublishInfo;
        (void)muster_in(&device, p->pTopicName, p->topicNameLength, p->payloadLength, 0, p->pPayload, p->payloadLength);
    } else if (packet->type == MQTT_PACKET_TYPE_PUBACK) {
        muster_acked(&device, info->packetIdentifier);
    }
}

static bool connect_mqtt(void)
{
    MQTTFixedBuffer_t fixed = {buffer, sizeof buffer};
    MQTTConnectInfo_t c;
    bool present;
    (void)memset(&c, 0, sizeof c);
    c.cleanSession = true;
    c.pClientIdentifier = DEVICE_ID;
    c.clientIdentifierLength = (uint16_t)strlen(DEVICE_ID);
    c.pUserName = USER_NAME;
    c.userNameLength = (uint16_t)strlen(USER_NAME);
    c.pPassword = SECRET;
    c.passwordLength = (uint16_t)strlen(SECRET);
    c.keepAliveSeconds = 60;
    return MQTT_Init(&mqtt, &board_transport, now_ms, on_packet, &fixed) == MQTTSuccess &&
           MQTT_InitStatefulQoS(&mqtt, outgoing, 4, incoming, 1) == MQTTSuccess &&
           MQTT_Connect(&mqtt, &c, NULL, 10000, &present) == MQTTSuccess;
}

static void converse(void)
{
    MQTTStatus_t status = MQTTSuccess;
    first = waiting = 0;
    if (!connect_mqtt()) {
        return;
    }
    muster_up(&device);
    while (status == MQTTSuccess || status == MQTTNeedMoreBytes) {
        uint32_t wait = muster_tick(&device);
        if (!send_queue()) {
            return;
        }
        status = MQTT_ProcessLoop(&mqtt); /* returns when nothing is there to read */
        if (wait > 0 && waiting == 0) {
            vTaskDelay(pdMS_TO_TICKS(10));
        }
    }
}

void muster_task(void *unused)
{
    static muster_self self;
    (void)unused;
    self.id = DEVICE_ID;
    self.version = VERSION;
    self.max_image = board_slot_size();
    self.seed = board_random();
    configASSERT(muster_init(&device, &port, NULL, &self) == 0);
    for (;;) {
        uint32_t wait;
        if (board_connect(board_transport.pNetworkContext)) {
            converse();
            board_disconnect(board_transport.pNetworkContext);
        }
        wait = muster_down(&device, false);
        (void)muster_tick(&device);
        vTaskDelay(pdMS_TO_TICKS(wait));
    }
}
