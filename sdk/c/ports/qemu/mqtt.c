/* mqtt.c: see mqtt.h. Section numbers are those of MQTT 3.1.1. */
#include "mqtt.h"

#include <string.h>

enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, PINGREQ = 12, PINGRESP, DISCONNECT };
enum { HEAD, LENGTH, TOPIC_LENGTH, TOPIC, PAYLOAD, BODY };

/* ---- out ---- */

static void send_head(mqtt_t *m, unsigned head, size_t length) /* §2.2 */
{
    uint8_t b[5] = {(uint8_t)head};
    size_t n = 1;
    do {
        b[n] = (uint8_t)(length & 127u);
        length >>= 7;
        b[n] |= length > 0u ? 0x80u : 0u;
        n++;
    } while (length > 0u);
    m->send(b, n);
}

static void send_string(mqtt_t *m, const char *text)
{
    size_t n = strlen(text);
    uint8_t b[2] = {(uint8_t)(n >> 8), (uint8_t)n};
    m->send(b, 2);
    m->send(text, n);
}

void mqtt_connect(mqtt_t *m, const char *id, const char *password, unsigned keep_alive)
{
    uint8_t rest[4] = {4, 0xc2, (uint8_t)(keep_alive >> 8), (uint8_t)keep_alive}; /* level, flags: §3.1.2 */
    m->step = HEAD;
    m->awaits_ping = false;
    send_head(m, CONNECT << 4, 10u + 2u * (2u + strlen(id)) + 2u + strlen(password));
    send_string(m, "MQTT");
    m->send(rest, sizeof rest);
    send_string(m, id);
    send_string(m, id);
    send_string(m, password);
}

int mqtt_publish(mqtt_t *m, const char *topic, const void *data, size_t n, int qos)
{
    send_head(m, PUBLISH << 4 | (unsigned)qos << 1, 2u + strlen(topic) + (qos > 0 ? 2u : 0u) + n);
    send_string(m, topic);
    if (qos > 0) {
        uint8_t b[2];
        m->id = (uint16_t)(m->id == 0xffffu ? 1u : m->id + 1u);
        b[0] = (uint8_t)(m->id >> 8);
        b[1] = (uint8_t)m->id;
        m->send(b, 2);
    }
    m->send(data, n);
    return qos > 0 ? m->id : 0;
}

void mqtt_ping(mqtt_t *m)
{
    m->awaits_ping = true;
    send_head(m, PINGREQ << 4, 0);
}

void mqtt_disconnect(mqtt_t *m) { send_head(m, DISCONNECT << 4, 0); }

/* ---- in ---- */

static bool packet_ends(mqtt_t *m)
{
    m->step = HEAD;
    switch (m->head >> 4) {
    case CONNACK:
        m->connected(m->ctx, m->body[1]);
        return true;
    case PUBACK:
        m->acked(m->ctx, (uint16_t)(m->body[0] << 8 | m->body[1]));
        return true;
    case PINGRESP:
        m->awaits_ping = false;
        return true;
    case PUBLISH:
        return true;
    default:
        return false;
    }
}

/* length takes the next byte of the remaining length. */
static bool length(mqtt_t *m, uint8_t b)
{
    m->left |= (uint32_t)(b & 127u) << m->shift;
    m->shift += 7;
    if ((b & 0x80u) != 0u) {
        return m->shift < 28u;
    }
    m->at = 0;
    if (m->head >> 4 == PUBLISH) {
        m->topic_len = 0;
        m->step = TOPIC_LENGTH;
        return (m->head & 6u) == 0u && m->left >= 2u; /* QoS 0: §3.3.1.2 */
    }
    m->step = BODY;
    return m->left == 0u ? packet_ends(m) : m->left <= sizeof m->body;
}

static bool byte(mqtt_t *m, uint8_t b)
{
    switch (m->step) {
    case HEAD:
        m->head = b;
        m->left = 0;
        m->shift = 0;
        m->step = LENGTH;
        return true;
    case LENGTH:
        return length(m, b);
    case TOPIC_LENGTH:
        m->topic_len = m->topic_len << 8 | b;
        m->left--;
        if (++m->at == 2u) {
            m->at = 0;
            m->step = TOPIC;
            return m->topic_len > 0u && m->topic_len <= m->left && m->topic_len <= sizeof m->topic;
        }
        return true;
    case TOPIC:
        m->topic[m->at++] = (char)b;
        m->left--;
        if (m->at < m->topic_len) {
            return true;
        }
        m->at = 0;
        m->total = m->left;
        m->step = PAYLOAD;
        if (m->left == 0u) {
            m->message(m->ctx, m->topic, m->topic_len, 0, 0, "", 0);
            return packet_ends(m);
        }
        return true;
    default: /* BODY */
        m->body[m->at++] = b;
        return --m->left > 0u || packet_ends(m);
    }
}

bool mqtt_received(mqtt_t *m, const uint8_t *data, size_t n)
{
    while (n > 0u) {
        size_t k = 1;
        if (m->step == PAYLOAD) {
            k = m->left < n ? m->left : n;
            m->message(m->ctx, m->topic, m->topic_len, m->total, m->at, data, k);
            m->at += k;
            m->left -= k;
            if (m->left == 0u && !packet_ends(m)) {
                return false;
            }
        } else if (!byte(m, *data)) {
            return false;
        } else {
            /* next */
        }
        data += k;
        n -= k;
    }
    return true;
}
