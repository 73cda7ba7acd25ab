/*
 * mqtt.h: as much of MQTT 3.1.1 as a device needs, over a serial line. Nothing is buffered:
 * a PUBLISH is handed on as its bytes come. The line is dumb: it does not tell when the
 * connection behind it ends, which shows by an answer that does not come.
 */
#ifndef MQTT_H
#define MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    void *ctx;
    void (*send)(const void *data, size_t n); /* blocks */
    void (*connected)(void *ctx, int code);
    void (*message)(void *ctx, const char *topic, size_t topic_len, size_t total, size_t at, const void *data, size_t n);
    void (*acked)(void *ctx, uint16_t id);

    /* private */
    uint8_t head, step, shift;
    uint32_t left, total, at, topic_at, topic_len;
    char topic[160];
    uint8_t body[4];
    uint16_t id;
    bool awaits_ping;
} mqtt_t;

void mqtt_connect(mqtt_t *m, const char *id, const char *password, unsigned keep_alive);
int mqtt_publish(mqtt_t *m, const char *topic, const void *data, size_t n, int qos);
void mqtt_ping(mqtt_t *m);
void mqtt_disconnect(mqtt_t *m);
bool mqtt_received(mqtt_t *m, const uint8_t *data, size_t n); /* false if it was not MQTT */

#endif
