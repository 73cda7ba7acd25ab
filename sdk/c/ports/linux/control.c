/* control.c: lines of local programs in STATE/control, and the commands of operators. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"

#define MAX_RESULT 16384

void control_open(device_t *d)
{
    const char *path = state_path(d, "control");
    if (mkfifo(path, 0600) != 0 && errno != EEXIST) {
        perror(path);
    }
    d->control = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* also a writer: it never ends */
}

static void obey(device_t *d, char *line)
{
    muster_t *m = &d->muster;
    char *word = strtok(line, " "), *first = strtok(NULL, " "), *rest = strtok(NULL, "");
    if (word == NULL) {
        return;
    }
    if (strcmp(word, "alert") == 0 && first != NULL) {
        if (muster_alert(m, (uint32_t)strtoul(first, NULL, 10), rest, NULL, 0) < 0) {
            fprintf(stderr, "muster-device: not connected: the alert is lost\n");
        }
    } else if (strcmp(word, "message") == 0 && first != NULL && rest != NULL) {
        (void)muster_message(m, first, rest, strlen(rest), 1);
    } else if (strcmp(word, "takes") == 0 && first != NULL) {
        muster_takes(m, strcmp(first, "on") == 0);
    } else if (strcmp(word, "hello") == 0) {
        muster_hello(m);
    } else if (strcmp(word, "healthy") == 0) {
        (void)muster_healthy(m);
    } else {
        fprintf(stderr, "muster-device: control: %s is not known\n", word);
    }
}

void control_read(device_t *d)
{
    static char buffer[1024];
    static size_t held;
    ssize_t n = read(d->control, buffer + held, sizeof buffer - 1 - held);
    char *line = buffer, *end;
    if (n <= 0) {
        return;
    }
    held += (size_t)n;
    buffer[held] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        obey(d, line);
        line = end + 1;
    }
    held = (size_t)(buffer + held - line);
    (void)memmove(buffer, line, held);
    if (held == sizeof buffer - 1) { /* too long for a line */
        held = 0;
    }
}

static void answer(device_t *d, const muster_command *c, const char *name)
{
    char *result = malloc(MAX_RESULT);
    size_t n = MAX_RESULT;
    char path[32];
    if (result == NULL) {
        return;
    }
    (void)snprintf(path, sizeof path, "result.%s", c->n);
    if (c->again) { /* only its result got lost */
        FILE *f = fopen(state_path(d, path), "r");
        n = f != NULL ? fread(result, 1, MAX_RESULT, f) : 0;
        if (f != NULL) {
            (void)fclose(f);
        }
    } else {
        char last[32];
        int status = run(d->options.command, name, d->command, d->command_len, result, &n);
        if (status != 0) {
            n = (size_t)snprintf(result, MAX_RESULT, "exit code %d", status);
        }
        if (state_read(d, "result", last, sizeof last)) { /* of the command before */
            (void)unlink(state_path(d, last));
        }
        (void)state_write(d, path, result, n);
        (void)state_write(d, "result", path, strlen(path));
    }
    (void)muster_done(&d->muster, c->n, result, n);
    free(result);
}

void control_command(muster_t *m, const muster_command *c)
{
    device_t *d = m->ctx;
    char name[129] = "";
    char *grown;
    if (c->at == 0) {
        d->command_len = 0;
    }
    grown = realloc(d->command, d->command_len + c->len + 1);
    if (grown == NULL) {
        return;
    }
    d->command = grown;
    (void)memcpy(d->command + d->command_len, c->data, c->len);
    d->command_len += c->len;
    if (c->at + c->len < c->total) {
        return;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)c->name_len, c->name != NULL ? c->name : "");
    answer(d, c, name);
}
