/*
 * bench.h: a device on a table: muster.c on flash that misbehaves, a boot loader that
 * falls back, and a server that keeps to docs/protocol.md.
 */
#ifndef BENCH_H
#define BENCH_H

#include <setjmp.h>

#include "../journal.h"
#include "../muster.h"
#include "../sha256.h"
#include "flash.h"

#define MAX_SENT 4096

typedef struct {
    uint8_t *bytes;
    uint32_t size;
    uint8_t digest[32];
    char version[16];
} image_t;

/* What the device sent. */
typedef struct {
    char topic[160];
    uint8_t data[600];
    size_t n;
    int qos, id;
} sent_t;

typedef struct {
    /* the device */
    muster_t m;
    muster_self self;
    sha256_t sha;
    flash_t slot, log;
    journal_t journal;
    uint32_t ops; /* writes and erases of both, and of the boot loader */
    uint32_t clock;
    jmp_buf power;
    char running[16];
    bool is_up;
    int saves, restarts, asks;
    int save_error, boot_error;
    int32_t may_download, may_apply; /* what may answers */
    bool forced;
    uint32_t welcomes;
    unsigned welcome_reason;
    char done_n[12];
    int commands, repeats;
    bool answer_commands;

    /* the boot loader: what it has to remember is in its own, perfect memory */
    bool marked, on_test;
    char fallback[16];
    bool bad_image; /* the new image never reaches main */
    bool slot_is_good; /* was, when it was marked */

    /* the server */
    image_t *image; /* released, or NULL */
    uint8_t update[16];
    uint32_t offers, chunk, window;
    uint32_t queue[1][2]; /* the range owed: first, count */
    unsigned head, tail;
    uint32_t sent_chunks;
    bool mute; /* the server answers nothing */
    bool acks; /* QoS 1 is acknowledged */
    uint32_t fragment; /* 0: whole; else at most so many bytes at once */
    uint32_t random;
    uint8_t *piece; /* the fragment that is being delivered */
    unsigned shuffle; /* chunks in 16 that are duplicated, foreign or out of order */

    sent_t *sent; /* all of it since bench_forget */
    size_t sents, served;
    int ids;
    uint32_t arg, saved; /* of a test */
} bench_t;

void image_new(image_t *i, uint32_t size, const char *version);
void image_free(image_t *i);

void bench_new(bench_t *b);
void bench_free(bench_t *b);
bool bench_powered(bench_t *b, void (*f)(bench_t *)); /* runs f; false if the power failed */
void bench_start(bench_t *b);           /* power on: muster_init */
void bench_connect(bench_t *b);
uint32_t bench_drop(bench_t *b);        /* the connection ends */
bool bench_step(bench_t *b);            /* one thing happens; false when all is quiet */
void bench_run(bench_t *b, unsigned n); /* until quiet, at most n steps */
void bench_wait(bench_t *b, uint32_t ms);
void bench_deliver(bench_t *b, const char *kind, const void *data, size_t n);
void bench_welcome(bench_t *b, const char *hex);
void bench_chunk(bench_t *b, uint32_t index);
void bench_offer(bench_t *b, uint32_t first);
void bench_stop(bench_t *b, unsigned reason);
const sent_t *bench_last(bench_t *b, const char *kind); /* the newest, or NULL */
size_t bench_count(bench_t *b, const char *kind);
void bench_forget(bench_t *b);

/* A small CBOR reader for what the device sends: the value of a key of a map. */
const uint8_t *cbor_find(const uint8_t *map, size_t n, unsigned key);
uint32_t cbor_uint(const uint8_t *item);
size_t cbor_size(const uint8_t *item, size_t n); /* bytes of the item, 0 if it is not one */

#endif
