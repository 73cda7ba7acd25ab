/* main.c: a Linux device of Muster, on libmosquitto. README.md says how to use it. */
#include <mqtt_protocol.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

static volatile sig_atomic_t ended;

static void on_signal(int s)
{
    (void)s;
    ended = 1;
}

/* ---- the port of muster.h ---- */

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
    device_t *d = m->ctx;
    int id = 0;
    return mosquitto_publish(d->mqtt, &id, topic, (int)n, data, qos, false) == MOSQ_ERR_SUCCESS ? id : -1;
}

static uint32_t ms(muster_t *m)
{
    struct timespec t;
    (void)m;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u);
}

static void sha256(muster_t *m, int op, void *io, size_t n)
{
    device_t *d = m->ctx;
    if (op == MUSTER_SHA_START) {
        sha256_start(&d->sha);
    } else if (op == MUSTER_SHA_ADD) {
        sha256_add(&d->sha, io, n);
    } else {
        sha256_end(&d->sha, io);
    }
}

static int32_t may(muster_t *m, const muster_offer *offer, bool forced)
{
    device_t *d = m->ctx;
    if (offer != NULL) { /* what will run is only known now */
        if (offer->text[0] != '\0') {
            (void)snprintf(d->offered, sizeof d->offered, "%s", offer->text);
        } else {
            (void)snprintf(d->offered, sizeof d->offered, "%u", (unsigned)offer->number);
        }
        fprintf(stderr, "muster-device: version %s is offered\n", d->offered);
    }
    if (d->options.busy_file == NULL || access(d->options.busy_file, F_OK) != 0) {
        return 0;
    }
    fprintf(stderr, "muster-device: busy%s\n", forced ? ", and an operator insists" : "");
    return MUSTER_LATER(10);
}

static void welcome(muster_t *m, uint32_t time, unsigned reason)
{
    (void)m;
    (void)time;
    fprintf(stderr, "muster-device: welcome, reason %u\n", reason);
}

static const muster_port port = {publish, slot_erase, slot_write, slot_read, slot_record, install_boot, ms, sha256, may, control_command, welcome};

/* ---- libmosquitto ---- */

static void on_connect(struct mosquitto *mqtt, void *ctx, int code, int flags, const mosquitto_property *p)
{
    device_t *d = ctx;
    (void)mqtt;
    (void)flags;
    (void)p;
    if (code != 0) {
        fprintf(stderr, "muster-device: refused: %s\n", mosquitto_reason_string(code));
        return;
    }
    d->connected = true;
    muster_up(&d->muster);
}

static void on_disconnect(struct mosquitto *mqtt, void *ctx, int code, const mosquitto_property *p)
{
    device_t *d = ctx;
    (void)mqtt;
    (void)p;
    d->taken_over = d->taken_over || code == MQTT_RC_SESSION_TAKEN_OVER;
}

static void on_message(struct mosquitto *mqtt, void *ctx, const struct mosquitto_message *msg, const mosquitto_property *p)
{
    device_t *d = ctx;
    size_t n = (size_t)msg->payloadlen;
    (void)mqtt;
    (void)p;
    (void)muster_in(&d->muster, msg->topic, strlen(msg->topic), n, 0, n > 0 ? msg->payload : "", n);
}

static void on_publish(struct mosquitto *mqtt, void *ctx, int id, int code, const mosquitto_property *p)
{
    device_t *d = ctx;
    (void)mqtt;
    (void)code;
    (void)p;
    muster_acked(&d->muster, (uint16_t)id);
}

static int connect_to(device_t *d)
{
    const options_t *o = &d->options;
    d->mqtt = mosquitto_new(o->id, true, d);
    if (d->mqtt == NULL) {
        return MOSQ_ERR_NOMEM;
    }
    (void)mosquitto_int_option(d->mqtt, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5); /* it says why a connection ends */
    (void)mosquitto_int_option(d->mqtt, MOSQ_OPT_TCP_NODELAY, 1);
    (void)mosquitto_username_pw_set(d->mqtt, o->user != NULL ? o->user : o->id, o->secret);
    mosquitto_connect_v5_callback_set(d->mqtt, on_connect);
    mosquitto_disconnect_v5_callback_set(d->mqtt, on_disconnect);
    mosquitto_message_v5_callback_set(d->mqtt, on_message);
    mosquitto_publish_v5_callback_set(d->mqtt, on_publish);
    if (o->cafile != NULL) {
        int err = mosquitto_tls_set(d->mqtt, o->cafile, NULL, NULL, NULL, NULL);
        if (err != MOSQ_ERR_SUCCESS) {
            return err;
        }
        (void)mosquitto_tls_insecure_set(d->mqtt, o->insecure);
    }
    return mosquitto_connect(d->mqtt, o->host, o->port, 60);
}

/* ---- */

static void restart(device_t *d)
{
    if (d->options.restart_command != NULL) {
        (void)run(d->options.restart_command, NULL, NULL, 0, NULL, NULL);
        exit(0);
    }
    (void)execv("/proc/self/exe", d->argv);
    perror("restart");
    exit(1);
}

/* pass waits for what comes first: the connection, a line of control, or wait ms. */
static int pass(device_t *d, uint32_t wait)
{
    int socket = d->mqtt != NULL ? mosquitto_socket(d->mqtt) : -1;
    struct pollfd p[2] = {{d->control, POLLIN, 0}, {socket, POLLIN, 0}};
    int err = MOSQ_ERR_SUCCESS;
    if (socket >= 0 && mosquitto_want_write(d->mqtt)) {
        p[1].events |= POLLOUT;
    }
    (void)poll(p, 2, (int)(wait < 1000 ? wait : 1000));
    if ((p[0].revents & POLLIN) != 0) {
        control_read(d);
    }
    if (d->mqtt == NULL) {
        return err;
    }
    if (socket < 0) {
        return MOSQ_ERR_CONN_LOST;
    }
    if (p[1].revents != 0) {
        err = mosquitto_loop_read(d->mqtt, 1);
    }
    if (err == MOSQ_ERR_SUCCESS) {
        err = mosquitto_loop_write(d->mqtt, 1);
    }
    return err == MOSQ_ERR_SUCCESS ? mosquitto_loop_misc(d->mqtt) : err;
}

static void converse(device_t *d)
{
    uint32_t begun = ms(&d->muster);
    int err = connect_to(d);
    d->connected = d->taken_over = false;
    while (err == MOSQ_ERR_SUCCESS && !ended && !d->restart) {
        uint32_t wait = muster_tick(&d->muster);
        if (!d->connected && ms(&d->muster) - begun > 10000) {
            break; /* no CONNACK */
        }
        err = pass(d, wait);
    }
    if (err != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "muster-device: %s\n", mosquitto_strerror(err));
    }
    (void)mosquitto_disconnect(d->mqtt);
    mosquitto_destroy(d->mqtt);
    d->mqtt = NULL;
}

static void self_test(device_t *d)
{
    if (!muster_on_trial(&d->muster) || d->options.self_test == NULL) {
        return;
    }
    if (run(d->options.self_test, NULL, NULL, 0, NULL, NULL) != 0) {
        fprintf(stderr, "muster-device: the self-test failed\n");
        restart(d);
    }
    (void)muster_healthy(&d->muster);
}

/* rest is the wait before the next connection. */
static void rest(device_t *d)
{
    uint32_t from = ms(&d->muster), wait = muster_down(&d->muster, d->taken_over), gone = 0;
    while (gone < wait && !ended && !d->restart) {
        uint32_t next = muster_tick(&d->muster);
        (void)pass(d, next < wait - gone ? next : wait - gone);
        gone = ms(&d->muster) - from;
    }
}

int main(int argc, char **argv)
{
    static device_t d;
    struct sigaction action;
    uint32_t start;
    int err;
    d.argv = argv;
    options_read(&d.options, argc, argv);
    (void)memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mkdir(d.options.state, 0700);
    install_settle(&d);
    install_version(&d);
    if (slot_open(&d) < 0) {
        return 1;
    }
    control_open(&d);
    d.self.id = d.options.id;
    d.self.version = d.version;
    d.self.product = d.options.product;
    d.self.hardware = d.options.hardware;
    d.self.max_image = d.options.max_image;
    if (getrandom(&d.self.seed, sizeof d.self.seed, 0) != sizeof d.self.seed) {
        d.self.seed = (uint32_t)getpid() ^ (uint32_t)time(NULL);
    }
    err = muster_init(&d.muster, &port, &d, &d.self);
    if (err != 0) {
        fprintf(stderr, "muster-device: id, version, product and hardware are too long\n");
        return 2;
    }
    (void)mosquitto_lib_init();
    fprintf(stderr, "muster-device: %s runs %s%s\n", d.self.id, d.version, muster_on_trial(&d.muster) ? ", on trial" : "");
    self_test(&d);
    start = ms(&d.muster);
    while (!ended) {
        converse(&d);
        if (!ended) {
            rest(&d);
        }
        if (d.restart) {
            restart(&d);
        }
        if (d.options.trial != 0 && muster_on_trial(&d.muster) && ms(&d.muster) - start > d.options.trial * 1000u) {
            fprintf(stderr, "muster-device: no Welcome within the trial\n");
            restart(&d);
        }
    }
    return 0;
}
