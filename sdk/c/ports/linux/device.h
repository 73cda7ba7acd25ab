/* device.h: what the files of muster-device share. */
#ifndef DEVICE_H
#define DEVICE_H

#include <mosquitto.h>

#include "muster.h"
#include "sha256.h"

typedef struct {
    const char *host, *id, *user, *product, *hardware, *cafile, *state;
    const char *version, *version_command;
    const char *install; /* file:PATH, command:CMD, rauc, swupdate */
    const char *keep_command, *restart_command, *self_test, *command, *busy_file;
    char secret[512];
    int port;
    uint32_t max_image;
    unsigned trial; /* seconds */
    bool insecure;
} options_t;

typedef struct {
    options_t options;
    char **argv;
    muster_t muster;
    muster_self self;
    sha256_t sha;
    struct mosquitto *mqtt;
    char version[65];
    char offered[24]; /* the version that is being downloaded */
    int image;        /* file descriptor of the slot */
    int control;      /* of the pipe STATE/control */
    bool connected, taken_over, restart;
    char *command; /* fragments of one, until it is whole */
    size_t command_len;
} device_t;

void options_read(options_t *o, int argc, char **argv);

/* A file of the state folder. */
const char *state_path(const device_t *d, const char *name); /* valid until the next call */
bool state_read(const device_t *d, const char *name, char *text, size_t size);
bool state_write(const device_t *d, const char *name, const void *data, size_t n); /* atomic and durable */

/* slot.c: the slot is a file. */
int slot_open(device_t *d);
int slot_erase(muster_t *m, uint32_t at, uint32_t n);
int slot_write(muster_t *m, uint32_t at, const void *data, size_t n);
int slot_read(muster_t *m, uint32_t at, void *data, size_t n);
int slot_record(muster_t *m, int op, void *rec, size_t n);

/* install.c: what stands in for a boot loader. */
void install_settle(device_t *d);  /* at the start: fall back if the last image was not kept */
void install_version(device_t *d); /* finds out what runs */
int install_boot(muster_t *m, int op);
int run(const char *command, const char *arg, const void *in, size_t n, char *out, size_t *size); /* exit code */

/* control.c: lines in STATE/control, and commands of operators. */
void control_open(device_t *d);
void control_read(device_t *d);
void control_command(muster_t *m, const muster_command *c);

#endif
