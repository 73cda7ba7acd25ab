/* install.c: installs an image and falls back. With --install file:PATH this program is
 * the boot loader: PATH is replaced, and PATH.old comes back unless the new file is kept
 * before the next start. With a command, falling back is the installer's. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"

static const char *place(const device_t *d) { return strncmp(d->options.install, "file:", 5) == 0 ? d->options.install + 5 : NULL; }

static const char *beside(const device_t *d, const char *ending)
{
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s%s", place(d), ending);
    return path;
}

/* exchange writes what is left of in to the command, reads its output until it ends. */
static void exchange(int to, int from, const char *in, size_t n, char *out, size_t size, size_t *got)
{
    char rest[512];
    struct pollfd p[2] = {{to, POLLOUT, 0}, {from, POLLIN, 0}};
    if (n == 0) {
        (void)close(to);
        p[0].fd = -1;
    }
    while (p[1].fd >= 0 && poll(p, 2, -1) > 0) {
        if (p[0].revents != 0) {
            ssize_t k = write(to, in, n);
            n -= k > 0 ? (size_t)k : n;
            in += k > 0 ? k : 0;
            if (n == 0) {
                (void)close(to);
                p[0].fd = -1;
            }
        }
        if (p[1].revents != 0) {
            bool room = *got < size;
            ssize_t k = read(from, room ? out + *got : rest, room ? size - *got : sizeof rest);
            if (k <= 0) {
                break;
            }
            *got += room ? (size_t)k : 0;
        }
    }
    if (p[0].fd >= 0) {
        (void)close(to);
    }
}

int run(const char *command, const char *arg, const void *in, size_t n, char *out, size_t *size)
{
    int to[2], from[2], status = -1;
    size_t got = 0;
    pid_t child;
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        perror("fork");
        return -1;
    }
    if (child == 0) {
        (void)dup2(to[0], 0);
        if (out != NULL) {
            (void)dup2(from[1], 1);
        }
        (void)execl("/bin/sh", "sh", "-c", command, "muster-device", arg, (char *)NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    exchange(to[1], from[0], in, n, out, out != NULL ? *size : 0, &got);
    (void)close(from[0]);
    if (out != NULL) {
        *size = got;
    }
    while (waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* STATE/trial: "p" while PATH is being replaced, "0" from then until the next start, "1"
 * after it. None: what is there is kept. */
void install_settle(device_t *d)
{
    char phase[16], version[65];
    if (place(d) == NULL || !state_read(d, "trial", phase, sizeof phase)) {
        return;
    }
    if (phase[0] == 'p' && access(beside(d, ".new"), F_OK) == 0) { /* the power failed before */
        (void)unlink(state_path(d, "trial"));
        return;
    }
    if (phase[0] == 'p' && state_read(d, "version.new", version, sizeof version)) { /* and here after */
        (void)state_write(d, "version", version, strlen(version));
    }
    if (phase[0] != '1') {
        (void)state_write(d, "trial", "1\n", 2);
        return;
    }
    fprintf(stderr, "muster-device: the update was not kept: falling back\n");
    (void)rename(beside(d, ".old"), place(d));
    if (state_read(d, "version.old", version, sizeof version)) {
        (void)state_write(d, "version", version, strlen(version));
    }
    (void)unlink(state_path(d, "trial"));
}

void install_version(device_t *d)
{
    const options_t *o = &d->options;
    if (o->version != NULL) {
        (void)snprintf(d->version, sizeof d->version, "%s", o->version);
    } else if (o->version_command != NULL) {
        size_t n = sizeof d->version - 1;
        if (run(o->version_command, NULL, NULL, 0, d->version, &n) != 0) {
            n = 0;
        }
        d->version[n] = '\0';
        d->version[strcspn(d->version, "\r\n")] = '\0';
    } else {
        (void)state_read(d, "version", d->version, sizeof d->version);
    }
    if (d->version[0] == '\0') {
        (void)snprintf(d->version, sizeof d->version, "0");
    }
}

/* replace puts the image at its place. Whenever the power fails, one of the two files is
 * there whole, and the next start knows which. */
static int replace(device_t *d)
{
    if (fsync(d->image) != 0 || !state_write(d, "version.old", d->version, strlen(d->version)) ||
        !state_write(d, "version.new", d->offered, strlen(d->offered))) {
        return MUSTER_STORAGE;
    }
    (void)unlink(beside(d, ".old"));
    if (access(place(d), F_OK) == 0 && link(place(d), beside(d, ".old")) != 0) {
        perror(place(d));
        return MUSTER_STORAGE;
    }
    if (!state_write(d, "trial", "p\n", 2) || rename(beside(d, ".new"), place(d)) != 0) {
        perror(place(d));
        (void)unlink(state_path(d, "trial"));
        return MUSTER_STORAGE;
    }
    if (!state_write(d, "version", d->offered, strlen(d->offered)) || !state_write(d, "trial", "0\n", 2)) {
        return MUSTER_STORAGE;
    }
    return 0;
}

/* cut_tail leaves the image without what the last block was padded with. */
static int cut_tail(device_t *d) { return ftruncate(d->image, (off_t)d->muster.rec.size) == 0 ? 0 : MUSTER_STORAGE; }

int install_boot(muster_t *m, int op)
{
    device_t *d = m->ctx;
    const options_t *o = &d->options;
    switch (op) {
    case MUSTER_TEST:
        if (cut_tail(d) != 0) {
            return MUSTER_STORAGE;
        }
        if (place(d) != NULL) {
            return replace(d);
        }
        return run(o->install + strlen("command:"), state_path(d, "image"), NULL, 0, NULL, NULL) == 0 ? 0 : MUSTER_OTHER;
    case MUSTER_KEEP:
        if (o->keep_command != NULL && run(o->keep_command, NULL, NULL, 0, NULL, NULL) != 0) {
            return MUSTER_OTHER;
        }
        if (place(d) != NULL) {
            (void)unlink(state_path(d, "trial"));
            (void)unlink(beside(d, ".old"));
        }
        return 0;
    default:
        d->restart = true; /* main does it, once the last Report is sent */
        return 0;
    }
}
