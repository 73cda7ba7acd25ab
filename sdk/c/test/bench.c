/* bench.c: see bench.h. */
#include "bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bench_t *on; /* the one whose power may fail */

static void lost(void) { longjmp(on->power, 1); }

static uint32_t draw(bench_t *b)
{
    b->random = b->random * 1664525u + 1013904223u;
    return b->random >> 8;
}

bool bench_powered(bench_t *b, void (*f)(bench_t *))
{
    on = b;
    if (setjmp(b->power) != 0) {
        return false;
    }
    f(b);
    return true;
}

/* ---- images ---- */

void image_new(image_t *i, uint32_t size, const char *version)
{
    sha256_t s;
    uint32_t r = size + (uint32_t)version[0];
    i->bytes = malloc(size);
    assert(i->bytes != NULL);
    i->size = size;
    for (uint32_t k = 0; k < size; k++) {
        r = r * 1664525u + 1013904223u;
        i->bytes[k] = (uint8_t)(r >> 24);
    }
    sha256_start(&s);
    sha256_add(&s, i->bytes, size);
    sha256_end(&s, i->digest);
    snprintf(i->version, sizeof i->version, "%s", version);
}

void image_free(image_t *i) { free(i->bytes); }

/* ---- the port ---- */

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
    bench_t *b = m->ctx;
    sent_t *s;
    assert(b->is_up && b->sents < MAX_SENT && strlen(topic) < sizeof s->topic && n <= sizeof s->data);
    s = &b->sent[b->sents++];
    snprintf(s->topic, sizeof s->topic, "%s", topic);
    if (n > 0) {
        memcpy(s->data, data, n);
    }
    s->n = n;
    s->qos = qos;
    s->id = qos > 0 ? ++b->ids : 0;
    return s->id;
}

static int erase(muster_t *m, uint32_t at, uint32_t n) { return flash_erase(&((bench_t *)m->ctx)->slot, at, n); }

static int write(muster_t *m, uint32_t at, const void *data, size_t n)
{
    assert(n == MUSTER_BLOCK && at % MUSTER_BLOCK == 0);
    return flash_write(&((bench_t *)m->ctx)->slot, at, data, n);
}

static int read(muster_t *m, uint32_t at, void *data, size_t n) { return flash_read(&((bench_t *)m->ctx)->slot, at, data, n); }

static int record(muster_t *m, int op, void *rec, size_t n)
{
    bench_t *b = m->ctx;
    if (op == MUSTER_LOAD) {
        return journal_load(&b->journal, rec, n);
    }
    b->saves++;
    return b->save_error != 0 ? b->save_error : journal_save(&b->journal, rec, n);
}

/* operation is a write of the boot loader's own: it happens or not. */
static void operation(bench_t *b, bool *what, bool to)
{
    bool cut = ++b->ops == b->slot.cut;
    if (!cut || b->slot.torn > 0) {
        *what = to;
    }
    if (cut) {
        lost();
    }
}

static int boot(muster_t *m, int op)
{
    bench_t *b = m->ctx;
    if (b->boot_error != 0 && op != MUSTER_RESTART) {
        return b->boot_error;
    }
    switch (op) {
    case MUSTER_TEST:
        assert(!b->on_test || !muster_on_trial(m));
        b->slot_is_good = b->image != NULL && memcmp(b->slot.bytes, b->image->bytes, b->image->size) == 0;
        operation(b, &b->marked, true);
        break;
    case MUSTER_KEEP:
        operation(b, &b->on_test, false);
        break;
    default:
        b->restarts++;
        lost();
    }
    return 0;
}

static uint32_t ms(muster_t *m) { return ((bench_t *)m->ctx)->clock; }

static void sha256(muster_t *m, int op, void *io, size_t n)
{
    bench_t *b = m->ctx;
    switch (op) {
    case MUSTER_SHA_START:
        sha256_start(&b->sha);
        break;
    case MUSTER_SHA_ADD:
        sha256_add(&b->sha, io, n);
        break;
    default:
        assert(n == 32);
        sha256_end(&b->sha, io);
    }
}

static int32_t may(muster_t *m, const muster_offer *offer, bool forced)
{
    bench_t *b = m->ctx;
    b->asks++;
    if (offer == NULL) {
        return b->may_apply;
    }
    b->forced = forced;
    return b->may_download;
}

static void command(muster_t *m, const muster_command *c)
{
    bench_t *b = m->ctx;
    if (c->at + c->len < c->total) {
        return;
    }
    snprintf(b->done_n, sizeof b->done_n, "%s", c->n);
    if (c->again) {
        b->repeats++;
    } else {
        b->commands++;
    }
    if (b->answer_commands) {
        (void)muster_done(m, c->n, "ok", 2);
    }
}

static void welcome(muster_t *m, uint32_t time, unsigned reason)
{
    bench_t *b = m->ctx;
    (void)time;
    b->welcomes++;
    b->welcome_reason = reason;
}

static const muster_port port = {publish, erase, write, read, record, boot, ms, sha256, may, command, welcome};

static int log_erase(void *f, uint32_t at, uint32_t n) { return flash_erase(f, at, n); }
static int log_write(void *f, uint32_t at, const void *data, size_t n) { return flash_write(f, at, data, n); }
static int log_read(void *f, uint32_t at, void *data, size_t n) { return flash_read(f, at, data, n); }

/* ---- the device ---- */

void bench_new(bench_t *b)
{
    memset(b, 0, sizeof *b);
    on = b;
    flash_new(&b->slot, 3u << 17, MUSTER_SECTOR, &b->ops, lost);
    flash_new(&b->log, 2048, 1024, &b->ops, lost);
    b->journal.flash = &b->log;
    b->journal.sector = 1024;
    b->journal.erase = log_erase;
    b->journal.write = log_write;
    b->journal.read = log_read;
    b->sent = malloc(MAX_SENT * sizeof *b->sent);
    assert(b->sent != NULL);
    snprintf(b->running, sizeof b->running, "7");
    b->self.id = "dev-1";
    b->self.version = b->running;
    b->self.max_image = b->slot.size;
    b->self.seed = 12345;
    b->clock = 0xffffc000u; /* it wraps around in every test */
    b->random = 1;
    b->acks = true;
    b->answer_commands = true;
}

void bench_free(bench_t *b)
{
    flash_free(&b->slot);
    flash_free(&b->log);
    free(b->piece);
    free(b->sent);
}

void bench_start(bench_t *b)
{
    on = b;
    b->is_up = false;
    b->head = b->tail = 0;
    if (b->on_test) { /* it was not kept: fall back */
        b->on_test = false;
        snprintf(b->running, sizeof b->running, "%s", b->fallback);
    } else if (b->marked) {
        b->marked = false;
        if (!b->bad_image) {
            b->on_test = true;
            snprintf(b->fallback, sizeof b->fallback, "%s", b->running);
            snprintf(b->running, sizeof b->running, "%s", b->image->version);
        }
    }
    b->self.seed++;
    memset(&b->m, 0xa5, sizeof b->m);
    assert(muster_init(&b->m, &port, b, &b->self) == 0);
}

void bench_connect(bench_t *b)
{
    b->is_up = true;
    b->head = b->tail = 0;
    muster_up(&b->m);
}

uint32_t bench_drop(bench_t *b)
{
    b->is_up = false;
    b->head = b->tail = 0;
    return muster_down(&b->m, false);
}

/* ---- the server ---- */

void bench_deliver(bench_t *b, const char *kind, const void *data, size_t n)
{
    char topic[160];
    size_t at = 0;
    const uint8_t *p = data;
    int len = snprintf(topic, sizeof topic, "d/%s/down/%s", b->self.id, kind);
    do {
        size_t k = n - at;
        if (b->fragment != 0 && k > 1) {
            size_t most = 1 + draw(b) % b->fragment;
            k = k < most ? k : most;
        }
        free(b->piece); /* here, since the power may fail below */
        b->piece = malloc(k + 1); /* a copy, so that the sanitizer sees a read past it */
        assert(b->piece != NULL);
        if (k > 0) {
            memcpy(b->piece, p + at, k);
        }
        (void)muster_in(&b->m, at == 0 ? topic : NULL, at == 0 ? (size_t)len : 0, n, at, b->piece, k);
        at += k;
    } while (at < n && b->is_up);
}

static size_t put_head(uint8_t *p, unsigned major, uint32_t n)
{
    major <<= 5;
    if (n < 24) {
        p[0] = (uint8_t)(major | n);
        return 1;
    }
    if (n < 256) {
        p[0] = (uint8_t)(major | 24);
        p[1] = (uint8_t)n;
        return 2;
    }
    if (n < 65536) {
        p[0] = (uint8_t)(major | 25);
        p[1] = (uint8_t)(n >> 8);
        p[2] = (uint8_t)n;
        return 3;
    }
    p[0] = (uint8_t)(major | 26);
    p[1] = (uint8_t)(n >> 24);
    p[2] = (uint8_t)(n >> 16);
    p[3] = (uint8_t)(n >> 8);
    p[4] = (uint8_t)n;
    return 5;
}

void bench_chunk(bench_t *b, uint32_t index)
{
    static uint8_t buffer[MUSTER_CHUNK + 64];
    size_t at = 0;
    uint32_t from = index * b->chunk;
    uint32_t n = b->image->size - from < b->chunk ? b->image->size - from : b->chunk;
    memcpy(buffer, "\xa3\x00\x48", 3);
    memcpy(buffer + 3, b->image->digest, 8);
    buffer[11] = 1;
    at = 12 + put_head(buffer + 12, 0, index);
    buffer[at++] = 2;
    at += put_head(buffer + at, 2, n);
    memcpy(buffer + at, b->image->bytes + from, n);
    bench_deliver(b, "chunk", buffer, at + n);
}

static void owe(bench_t *b, uint32_t first, uint32_t count)
{
    if (b->tail > b->head && b->queue[b->tail - 1][0] + b->queue[b->tail - 1][1] == first) {
        b->queue[b->tail - 1][1] += count;
        return;
    }
    b->head = 0;
    b->tail = 1;
    b->queue[0][0] = first;
    b->queue[0][1] = count;
}

void bench_offer(bench_t *b, uint32_t first)
{
    uint8_t o[160];
    size_t at = 0;
    uint32_t count = (b->image->size + b->chunk - 1) / b->chunk;
    b->offers++;
    o[at++] = 0xa8;
    o[at++] = 0;
    o[at++] = 0x50;
    memcpy(o + at, b->update, 16);
    at += 16;
    o[at++] = 1;
    at += put_head(o + at, 3, (uint32_t)strlen(b->image->version));
    memcpy(o + at, b->image->version, strlen(b->image->version));
    at += strlen(b->image->version);
    o[at++] = 2;
    o[at++] = 0x48;
    memcpy(o + at, b->image->digest, 8);
    at += 8;
    o[at++] = 3;
    at += put_head(o + at, 0, b->image->size);
    o[at++] = 4;
    o[at++] = 0x58;
    o[at++] = 32;
    memcpy(o + at, b->image->digest, 32);
    at += 32;
    o[at++] = 5;
    at += put_head(o + at, 0, b->chunk);
    o[at++] = 6;
    at += put_head(o + at, 0, count);
    o[at++] = 7;
    at += put_head(o + at, 0, first);
    bench_deliver(b, "offer", o, at);
    if (first < count && b->window > 0) {
        owe(b, first, b->window < count - first ? b->window : count - first);
    }
}

void bench_stop(bench_t *b, unsigned reason)
{
    uint8_t s[40] = {0xa3, 0, 0x48};
    memcpy(s + 3, b->image->digest, 8);
    s[11] = 1;
    s[12] = (uint8_t)reason;
    s[13] = 2;
    s[14] = 0x50;
    memcpy(s + 15, b->update, 16);
    bench_deliver(b, "stop", s, 31);
}

void bench_welcome(bench_t *b, const char *hex)
{
    uint8_t w[64];
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        w[i] = (uint8_t)byte;
    }
    bench_deliver(b, "welcome", w, n);
}

size_t cbor_size(const uint8_t *item, size_t n)
{
    unsigned info, major;
    size_t head = 1, items = 0;
    uint64_t arg;
    if (n == 0) {
        return 0;
    }
    info = item[0] & 31u;
    major = item[0] >> 5;
    arg = info;
    if (info >= 24) {
        head = 1 + (1u << (info - 24));
        if (info > 27 || n < head) {
            return 0;
        }
        arg = 0;
        for (size_t i = 1; i < head; i++) {
            arg = arg << 8 | item[i];
        }
    }
    if (major == 2 || major == 3) {
        return arg <= n - head ? head + (size_t)arg : 0;
    }
    if (major == 4 || major == 5) {
        for (items = (size_t)arg * (major == 5 ? 2 : 1); items > 0; items--) {
            size_t k = cbor_size(item + head, n - head);
            if (k == 0) {
                return 0;
            }
            head += k;
        }
    }
    return head;
}

const uint8_t *cbor_find(const uint8_t *map, size_t n, unsigned key)
{
    size_t at = 1;
    assert(cbor_size(map, n) == n);
    for (unsigned pairs = map[0] & 31u; pairs > 0; pairs--) {
        unsigned k = map[at++];
        if (k == key) {
            return map + at;
        }
        at += cbor_size(map + at, n - at);
    }
    return NULL;
}

uint32_t cbor_uint(const uint8_t *item)
{
    uint32_t n = item[0] & 31u;
    if (n >= 24) {
        size_t bytes = 1u << (n - 24);
        n = 0;
        for (size_t i = 1; i <= bytes; i++) {
            n = n << 8 | item[i];
        }
    }
    return n;
}

static void said_hello(bench_t *b, const uint8_t *h, size_t n)
{
    const uint8_t *v = cbor_find(h, n, 1), *partial = cbor_find(h, n, 6), *takes = cbor_find(h, n, 8), *boot_ = cbor_find(h, n, 12);
    uint8_t w[32] = {0xa2, 0, 0x1a};
    uint32_t first = 0, held = 0;
    memcpy(w + 3, boot_ + 1, 4);
    w[7] = 1;
    w[8] = 0x1a;
    memcpy(w + 9, "\x69\x55\xb9\x00", 4);
    assert(boot_[0] == 0x1a);
    bench_deliver(b, "welcome", w, 13);
    if (b->image == NULL || (takes != NULL && *takes == 0xf4) ||
        ((v[0] & 31u) == strlen(b->image->version) && memcmp(v + 1, b->image->version, v[0] & 31u) == 0)) {
        return;
    }
    if (partial != NULL && memcmp(partial + 2, b->image->digest, 8) == 0) {
        held = cbor_uint(partial + 10) * MUSTER_CHUNK;
        held = held < b->image->size ? held : b->image->size;
        first = held == b->image->size ? (held + b->chunk - 1) / b->chunk : held / b->chunk;
    }
    bench_offer(b, first);
}

static void serve(bench_t *b, const sent_t *s)
{
    size_t prefix = strlen(b->self.id) + 6;
    const char *kind = s->topic + prefix;
    if (b->mute) {
        return;
    }
    if (s->qos == 1 && b->acks) {
        muster_acked(&b->m, (uint16_t)s->id);
    }
    if (strcmp(kind, "hello") == 0) {
        said_hello(b, s->data, s->n);
    } else if (strcmp(kind, "want") == 0) {
        uint32_t first = cbor_uint(cbor_find(s->data, s->n, 1)), n = cbor_uint(cbor_find(s->data, s->n, 2));
        uint32_t count = (b->image->size + b->chunk - 1) / b->chunk;
        assert(n >= 1 && n <= 64);
        if (first < count) {
            owe(b, first, n < count - first ? n : count - first);
        }
    } else if (strcmp(kind, "report") == 0 && *cbor_find(s->data, s->n, 1) == 6) {
        bench_offer(b, 0);
    } else {
        /* other reports are acknowledged */
    }
}

/* disturb sends what a device has to ignore. */
static void disturb(bench_t *b, uint32_t next)
{
    static const uint8_t foreign[] = {0xa3, 0, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 2, 0x42, 1, 2};
    uint32_t count = (b->image->size + b->chunk - 1) / b->chunk;
    switch (draw(b) % 5) {
    case 0:
        bench_deliver(b, "chunk", foreign, sizeof foreign);
        break;
    case 1:
        bench_chunk(b, draw(b) % count); /* any: a duplicate, or out of order */
        break;
    case 2:
        if (next > 0) {
            bench_chunk(b, next - 1);
        }
        break;
    case 3:
        bench_deliver(b, "attached", foreign, sizeof foreign);
        break;
    default:
        bench_deliver(b, "welcome", "\xa1\x01", 2); /* cut short */
    }
}

bool bench_step(bench_t *b)
{
    uint32_t wait;
    if (b->served < b->sents) {
        serve(b, &b->sent[b->served++]);
        return true;
    }
    wait = muster_tick(&b->m);
    if (b->is_up && b->head < b->tail && b->served == b->sents) {
        uint32_t i = b->queue[b->head][0]++;
        if (--b->queue[b->head][1] == 0) {
            b->head++;
        }
        if (b->shuffle > 0 && draw(b) % 16 < b->shuffle) {
            disturb(b, i);
        }
        b->sent_chunks++;
        bench_chunk(b, i);
        return true;
    }
    if (b->served == b->sents && wait > 0 && wait < 3600u * 1000u) {
        b->clock += wait;
        return true;
    }
    return wait == 0 || b->served < b->sents;
}

void bench_run(bench_t *b, unsigned n)
{
    while (n-- > 0 && bench_step(b)) {
    }
}

void bench_wait(bench_t *b, uint32_t t)
{
    while (t > 0) {
        uint32_t wait = muster_tick(&b->m);
        wait = wait < t ? wait : t;
        b->clock += wait > 0 ? wait : 1;
        t -= wait > 0 ? wait : 1;
    }
    (void)muster_tick(&b->m);
}

const sent_t *bench_last(bench_t *b, const char *kind)
{
    for (size_t i = b->sents; i-- > 0;) {
        if (strcmp(b->sent[i].topic + strlen(b->self.id) + 6, kind) == 0) {
            return &b->sent[i];
        }
    }
    return NULL;
}

size_t bench_count(bench_t *b, const char *kind)
{
    size_t n = 0;
    for (size_t i = 0; i < b->sents; i++) {
        n += strcmp(b->sent[i].topic + strlen(b->self.id) + 6, kind) == 0;
    }
    return n;
}

void bench_forget(bench_t *b) { b->sents = b->served = 0; }
