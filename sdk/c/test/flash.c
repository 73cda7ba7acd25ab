/* flash.c: see flash.h. What a firmware must not do ends the test. */
#include "flash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t noise = 1;

static uint8_t random_byte(void)
{
    noise = noise * 1664525u + 1013904223u;
    return (uint8_t)(noise >> 24);
}

void flash_new(flash_t *f, uint32_t size, uint32_t sector, uint32_t *shared, void (*lost)(void))
{
    memset(f, 0, sizeof *f);
    f->bytes = malloc(size);
    f->programmed = malloc(size);
    assert(f->bytes != NULL && f->programmed != NULL && size % sector == 0);
    f->size = size;
    f->sector = sector;
    f->shared = shared != NULL ? shared : &f->ops;
    f->lie = ~0u;
    f->lost = lost;
    memset(f->bytes, 0x5a, size); /* as another use left it */
    memset(f->programmed, 1, size);
}

void flash_free(flash_t *f)
{
    free(f->bytes);
    free(f->programmed);
}

/* done counts an operation and returns how many of its n bytes happen before the power
 * fails, or n + 1 if it does not. */
static size_t done(flash_t *f, size_t n)
{
    if (++*f->shared != f->cut) {
        return n + 1;
    }
    return f->torn == 0 ? 0 : f->torn == 1 ? n / 2 : n;
}

int flash_erase(flash_t *f, uint32_t at, uint32_t n)
{
    size_t until = done(f, n);
    assert(n == f->sector && at % n == 0 && at + n <= f->size);
    f->erases++;
    for (size_t i = 0; i < n && i < until; i++) {
        f->bytes[at + i] = 0xff;
        f->programmed[at + i] = 0;
    }
    if (until <= n) {
        for (size_t i = until; i < n && until > 0; i++) { /* half erased: anything */
            f->bytes[at + i] |= random_byte();
            f->programmed[at + i] = 1;
        }
        f->lost();
    }
    return 0;
}

int flash_write(flash_t *f, uint32_t at, const void *data, size_t n)
{
    const uint8_t *p = data;
    size_t until = done(f, n);
    assert(at + n <= f->size && ((uintptr_t)data & 3u) == 0);
    for (size_t i = 0; i < n; i++) {
        assert(!f->programmed[at + i]); /* not erased before */
        if (i >= until) {
            if (i == until && until > 0) { /* the unit that was being programmed */
                f->bytes[at + i] = p[i] | random_byte();
                f->programmed[at + i] = 1;
            }
            continue;
        }
        f->bytes[at + i] &= p[i];
        f->programmed[at + i] = 1;
    }
    if (f->lie >= at && f->lie < at + n) {
        f->bytes[f->lie] ^= 0x10;
    }
    if (until <= n) {
        f->lost();
    }
    return 0;
}

int flash_read(flash_t *f, uint32_t at, void *data, size_t n)
{
    assert(at + n <= f->size);
    memcpy(data, &f->bytes[at], n);
    return 0;
}
