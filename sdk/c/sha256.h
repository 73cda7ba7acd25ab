/*
 * sha256.h: SHA-256 (FIPS 180-4) for devices without a library or an engine for it.
 * Small rather than fast: about 20 cycles per byte and 112 bytes of memory.
 */
#ifndef MUSTER_SHA256_H
#define MUSTER_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} sha256_t;

void sha256_start(sha256_t *s);
void sha256_add(sha256_t *s, const void *data, size_t n);
void sha256_end(sha256_t *s, uint8_t digest[32]);

#ifdef __cplusplus
}
#endif

#endif
