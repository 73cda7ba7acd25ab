/* sha256.c: see sha256.h. Names are those of FIPS 180-4. */
#include "sha256.h"

#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};

static uint32_t rotr(uint32_t x, unsigned n) { return (x >> n) | (x << (32u - n)); }

/* compress takes a block. Instead of moving a to h along in each round, it moves where they
 * are: a of round t is v[-t mod 8]. */
static void compress(sha256_t *s)
{
    uint32_t v[8], w[16];
    (void)memcpy(v, s->state, sizeof v);
    for (unsigned t = 0; t < 64u; t++) {
        uint32_t a = v[(0u - t) & 7u], b = v[(1u - t) & 7u], c = v[(2u - t) & 7u];
        uint32_t e = v[(4u - t) & 7u], f = v[(5u - t) & 7u], g = v[(6u - t) & 7u];
        uint32_t *h = &v[(7u - t) & 7u];
        uint32_t next;
        if (t < 16u) {
            const uint8_t *p = &s->block[4u * t];
            next = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        } else {
            uint32_t w1 = w[(t + 1u) & 15u], w14 = w[(t + 14u) & 15u];
            next = w[t & 15u] + (rotr(w1, 7) ^ rotr(w1, 18) ^ w1 >> 3) + w[(t + 9u) & 15u] + (rotr(w14, 17) ^ rotr(w14, 19) ^ w14 >> 10);
        }
        w[t & 15u] = next;
        *h += (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + k[t] + next;
        v[(3u - t) & 7u] += *h;
        *h += (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
    }
    for (unsigned i = 0; i < 8u; i++) {
        s->state[i] += v[i];
    }
}

void sha256_start(sha256_t *s)
{
    static const uint32_t initial[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                        0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    (void)memcpy(s->state, initial, sizeof initial);
    s->bytes = 0;
}

void sha256_add(sha256_t *s, const void *data, size_t n)
{
    const uint8_t *p = data;
    while (n > 0u) {
        size_t at = (size_t)(s->bytes & 63u);
        size_t room = 64u - at < n ? 64u - at : n;
        (void)memcpy(&s->block[at], p, room);
        s->bytes += room;
        p += room;
        n -= room;
        if ((s->bytes & 63u) == 0u) {
            compress(s);
        }
    }
}

void sha256_end(sha256_t *s, uint8_t digest[32])
{
    static const uint8_t pad[64] = {0x80};
    uint64_t bits = s->bytes * 8u;
    uint8_t length[8];
    for (unsigned i = 0; i < 8u; i++) {
        length[i] = (uint8_t)(bits >> (56u - 8u * i));
    }
    sha256_add(s, pad, (size_t)(((55u - s->bytes) & 63u) + 1u));
    sha256_add(s, length, sizeof length);
    for (unsigned i = 0; i < 32u; i++) {
        digest[i] = (uint8_t)(s->state[i / 4u] >> (24u - 8u * (i % 4u)));
    }
}
