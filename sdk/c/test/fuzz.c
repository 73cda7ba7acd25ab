/*
 * fuzz.c: anything may come from the wire, in any fragments, in any state. libFuzzer's
 * input is a script: what to do next, and the bytes of messages. The flash model ends the
 * run where muster.c writes what was not erased, outside the slot, or not aligned.
 *
 *   make fuzz FUZZTIME=60
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE 20000u /* of the image */

static bench_t b;
static image_t image;
static const uint8_t *script;
static size_t left;

static uint8_t next(void) { return left > 0 ? (left--, *script++) : 0; }

/* message delivers what the script holds, in the fragments it wants. */
static void message(const char *kind)
{
    size_t n = (size_t)next() << 3;
    b.fragment = next() & 31u;
    n = n < left ? n : left;
    bench_deliver(&b, kind, script, n);
    script += n;
    left -= n;
}

/* altered delivers an Offer of the same image with another size. */
static void altered(void)
{
    image.size = 1000u + next() * 64u;
    bench_offer(&b, next() & 7u);
    image.size = SIZE;
}

static void act(bench_t *bench)
{
    static const char *const kinds[] = {"welcome", "offer", "chunk", "stop", "cmd/1", "cmd/77/name", "other", "cmd/"};
    (void)bench;
    bench_start(&b);
    bench_connect(&b);
    while (left > 0) {
        uint8_t what = next();
        switch (what & 15u) {
        case 0:
            b.clock += (uint32_t)next() << (next() & 31u);
            break;
        case 1:
            (void)bench_drop(&b);
            break;
        case 2:
            if (!b.is_up) {
                bench_connect(&b);
            }
            break;
        case 3:
            muster_acked(&b.m, next());
            break;
        case 4:
            b.may_download = (int8_t)next();
            break;
        case 5:
            b.may_apply = (int8_t)next();
            break;
        case 6:
            muster_takes(&b.m, (next() & 1u) != 0);
            break;
        case 7:
            muster_hello(&b.m);
            break;
        case 8:
            (void)muster_healthy(&b.m);
            break;
        case 9:
            bench_run(&b, next());
            break;
        case 10:
            b.fragment = next();
            bench_chunk(&b, next() % ((SIZE + b.chunk - 1) / b.chunk));
            break;
        case 11:
            altered();
            break;
        case 12:
            b.fragment = 0;
            bench_stop(&b, next());
            break;
        case 13:
            b.save_error = next() & 1u ? MUSTER_STORAGE : 0;
            b.boot_error = next() & 1u ? MUSTER_OTHER : 0;
            break;
        default:
            message(kinds[next() & 7u]);
        }
        (void)muster_tick(&b.m);
        if (b.sents > MAX_SENT / 2) {
            bench_forget(&b);
        }
    }
}

static void finish(bench_t *bench)
{
    (void)bench;
    bench_forget(&b);
    bench_start(&b);
    bench_connect(&b);
    bench_run(&b, 200000);
}

/* powered runs f until it returns; the power is cut once. */
static void powered(void (*f)(bench_t *))
{
    for (int starts = 0; starts < 8 && !bench_powered(&b, f); starts++) {
        b.slot.cut = b.log.cut = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script = data;
    left = size;
    bench_new(&b);
    image_new(&image, SIZE, "8");
    b.image = &image;
    b.chunk = MUSTER_CHUNK;
    b.window = MUSTER_WINDOW;
    b.slot.cut = b.log.cut = next() * 8u;
    powered(act);
    /* Whatever came, it is a device that can be updated. */
    b.save_error = b.boot_error = 0;
    b.may_download = b.may_apply = 0;
    b.fragment = 0;
    powered(finish);
    assert(strcmp(b.running, "8") == 0 && !b.on_test && b.slot_is_good);
    bench_free(&b);
    image_free(&image);
    return 0;
}
