/* slot.c: the slot for a new image is a file, STATE/image or PATH.new, and the record of
 * muster.h another. What the record says is in the slot has to be on the disk before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"

const char *state_path(const device_t *d, const char *name)
{
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", d->options.state, name);
    return path;
}

bool state_read(const device_t *d, const char *name, char *text, size_t size)
{
    int f = open(state_path(d, name), O_RDONLY | O_CLOEXEC);
    ssize_t n = f < 0 ? -1 : read(f, text, size - 1);
    if (f >= 0) {
        (void)close(f);
    }
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n > 0;
}

/* sync_folder makes a rename durable. */
static void sync_folder(const device_t *d)
{
    int f = open(d->options.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f >= 0) {
        (void)fsync(f);
        (void)close(f);
    }
}

bool state_write(const device_t *d, const char *name, const void *data, size_t n)
{
    char temporary[4096];
    bool good;
    int f;
    (void)snprintf(temporary, sizeof temporary, "%s/.%s", d->options.state, name);
    f = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f < 0) {
        perror(temporary);
        return false;
    }
    good = write(f, data, n) == (ssize_t)n && fsync(f) == 0;
    (void)close(f);
    good = good && rename(temporary, state_path(d, name)) == 0;
    if (!good) {
        perror(temporary);
        return false;
    }
    sync_folder(d);
    return true;
}

int slot_open(device_t *d)
{
    const char *install = d->options.install;
    char path[4096];
    if (strncmp(install, "file:", 5) == 0) { /* where it can be renamed to its place */
        (void)snprintf(path, sizeof path, "%s.new", install + 5);
    } else {
        (void)snprintf(path, sizeof path, "%s", state_path(d, "image"));
    }
    d->image = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->image < 0) {
        perror(path);
    }
    return d->image;
}

/* erase has nothing to erase, but leaves no tail of a longer image. */
int slot_erase(muster_t *m, uint32_t at, uint32_t n)
{
    device_t *d = m->ctx;
    (void)n;
    return ftruncate(d->image, (off_t)at) == 0 ? 0 : MUSTER_STORAGE;
}

int slot_write(muster_t *m, uint32_t at, const void *data, size_t n)
{
    device_t *d = m->ctx;
    if (pwrite(d->image, data, n, (off_t)at) != (ssize_t)n) {
        perror("image");
        return errno == ENOSPC || errno == EFBIG ? MUSTER_TOO_LARGE : MUSTER_STORAGE;
    }
    return 0;
}

int slot_read(muster_t *m, uint32_t at, void *data, size_t n)
{
    device_t *d = m->ctx;
    return pread(d->image, data, n, (off_t)at) == (ssize_t)n ? 0 : MUSTER_STORAGE;
}

int slot_record(muster_t *m, int op, void *rec, size_t n)
{
    device_t *d = m->ctx;
    if (op == MUSTER_LOAD) {
        int f = open(state_path(d, "record"), O_RDONLY | O_CLOEXEC);
        bool good = f >= 0 && read(f, rec, n) == (ssize_t)n;
        if (f >= 0) {
            (void)close(f);
        }
        return good ? 0 : MUSTER_STORAGE;
    }
    if (fdatasync(d->image) != 0 || !state_write(d, "record", rec, n)) {
        return MUSTER_STORAGE;
    }
    return 0;
}
