/*
 * test.c: what muster.c promises. It includes the source, so that the vectors reach its
 * decoder. Each test is named by the rule it holds.
 */
#include "../muster.c"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "vectors.h"

static int failures;

#define CHECK(what)                                                          \
    do {                                                                     \
        if (!(what)) {                                                       \
            printf("%s:%d: %s: not %s\n", __FILE__, __LINE__, __func__, #what); \
            failures++;                                                      \
        }                                                                    \
    } while (0)

static void to_the_end(bench_t *b)
{
    bench_start(b);
    bench_connect(b);
    bench_run(b, 200000);
}

static void run(bench_t *b) { bench_run(b, 100000); }

/* powered runs f, and again after each loss of power, which is cut once. */
static bool powered(bench_t *b, void (*f)(bench_t *))
{
    for (int starts = 0; starts < 20; starts++) {
        if (bench_powered(b, f)) {
            return true;
        }
        b->slot.cut = b->log.cut = 0;
    }
    return false;
}

/* ---- vectors ---- */

static uint32_t field_of(const struct vector *v, const char *name, uint32_t otherwise)
{
    size_t len = strlen(name);
    for (const char *f = v->fields; f != NULL; f = strchr(f, '\n') != NULL ? strchr(f, '\n') + 1 : NULL) {
        if (strncmp(f, name, len) == 0 && strncmp(f + len, " = ", 3) == 0) {
            return (uint32_t)strtoul(f + len + 3, NULL, 10);
        }
    }
    return otherwise;
}

static bool hex_field_is(const struct vector *v, const char *name, const uint8_t *bytes, size_t n)
{
    const char *f = strstr(v->fields, name);
    for (size_t i = 0; f != NULL && i < n; i++) {
        unsigned byte;
        if (sscanf(f + strlen(name) + 2 * i, "%2x", &byte) != 1 || byte != bytes[i]) {
            return false;
        }
    }
    return f == NULL || n > 0;
}

static unsigned kind_of(const struct vector *v)
{
    for (unsigned k = WELCOME; k < COMMAND; k++) {
        if (strcmp(v->message, messages[k].name) == 0) {
            return k;
        }
    }
    return NOTHING;
}

/* decode reads the vector without acting on it. */
static int decode(muster_t *m, const struct vector *v, unsigned kind)
{
    memset(&m->msg, 0, sizeof m->msg);
    m->need = m->depth = 0;
    m->at = m->left = m->seen = 0;
    m->total = (uint32_t)v->size;
    m->kind = (uint8_t)kind;
    if (v->size == 0 || v->size > messages[kind].limit * 512u || !feed(m, (const uint8_t *)v->bytes, (uint32_t)v->size) ||
        m->depth != 0 || (m->seen & messages[kind].required) != messages[kind].required) {
        return MUSTER_MALFORMED;
    }
    if (kind != OFFER) {
        return MUSTER_OK;
    }
    m->state = APPLYING; /* so that the Offer is checked and goes no further */
    return offered(m);
}

static void test_vectors_decode_to_their_fields(void)
{
    bench_t b;
    unsigned seen = 0;
    bench_new(&b);
    bench_start(&b);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        unsigned kind = kind_of(v);
        const muster_offer *o = &b.m.msg;
        int err;
        bool good;
        if (kind == NOTHING) {
            continue;
        }
        seen++;
        err = decode(&b.m, v, kind);
        if ((err == 0) != (v->expect != VECTOR_REFUSED)) {
            printf("%s/%s: got %d\n", v->message, v->name, err);
            failures++;
            continue;
        }
        if (err != 0) {
            continue;
        }
        if (kind == WELCOME) {
            good = o->TIME == field_of(v, "time", 0) && o->REASON == field_of(v, "reason", 0) &&
                   o->AGAIN == field_of(v, "again", 0) && o->NONCE == field_of(v, "boot", 0);
        } else if (kind == OFFER) {
            good = o->CHUNK_SIZE == field_of(v, "chunk", 0) && o->COUNT == field_of(v, "count", 0) &&
                   o->FIRST == field_of(v, "first", 0) &&
                   (o->size == field_of(v, "size", 0) || strcmp(v->name, "size-over-32-bits") == 0) &&
                   hex_field_is(v, "digest = ", o->what.digest, 32) && hex_field_is(v, "update = ", o->what.update, 16) &&
                   hex_field_is(v, "image = ", o->what.image, 8) &&
                   (o->number == 8 || strcmp(o->text, "1.5.0") == 0);
        } else if (kind == CHUNK) {
            good = o->INDEX == (uint32_t)strtoul(strstr(v->fields, "index = ") + 8, NULL, 10) && hex_field_is(v, "image = ", o->what.image, 8);
        } else {
            good = o->REASON == field_of(v, "reason", 0) && hex_field_is(v, "image = ", o->what.image, 8) &&
                   (strstr(v->fields, "update") == NULL || hex_field_is(v, "update = ", o->what.update, 16));
        }
        if (!good) {
            printf("%s/%s: other fields than %s\n", v->message, v->name, v->fields);
            failures++;
        }
    }
    CHECK(seen > 100);
    bench_free(&b);
}

/* same_pairs tells whether all pairs of the vector are in what was sent, byte for byte,
 * but for the version, which is sent as a text. */
static bool same_pairs(const sent_t *s, const struct vector *v)
{
    const uint8_t *want = (const uint8_t *)v->bytes;
    size_t at = 1;
    for (unsigned pairs = want[0] & 31u; pairs > 0; pairs--) {
        unsigned key = want[at++];
        size_t n = cbor_size(want + at, v->size - at);
        const uint8_t *got = cbor_find(s->data, s->n, key);
        char text[12];
        if (got == NULL) {
            return false;
        }
        if (key == 1 && want[at] >> 5 == 0 && strcmp(v->message, "hello") == 0) {
            int len = snprintf(text, sizeof text, "%u", (unsigned)cbor_uint(want + at));
            if ((got[0] & 31u) != (unsigned)len || memcmp(got + 1, text, (size_t)len) != 0) {
                return false;
            }
        } else if (memcmp(got, want + at, n) != 0) {
            return false;
        } else {
            /* equal */
        }
        at += n;
    }
    return true;
}

static void text_of(const struct vector *v, const char *name, char *to, size_t size)
{
    const char *f = strstr(v->fields, name);
    size_t n = 0;
    if (f != NULL) {
        f += strlen(name) + 3;
        for (f += *f == '"'; *f != '"' && *f != '\n' && *f != '\0' && n + 1 < size; f++) {
            to[n++] = *f;
        }
    }
    to[n] = '\0';
}

/* Hellos: those this device can say. It knows no nonce but its own, chunk and window are
 * fixed when it is built, and it is not a gateway. */
static bool sayable(const struct vector *v)
{
    static const char *const others[] = {"chunk-", "window-", "partial-chunk", "boot", "caches", "everything", "facts-1024", "version-64"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strncmp(v->name, others[i], strlen(others[i])) == 0) {
            return false;
        }
    }
    return v->expect == VECTOR_OK;
}

static void test_hellos_hold_the_bytes_of_their_vector(void)
{
    unsigned seen = 0;
    if (MUSTER_CHUNK != 4096 || MUSTER_WINDOW != 8) {
        return; /* the defaults of the protocol, which the vectors leave out */
    }
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        bench_t b;
        char version[80], product[80], hardware[80];
        uint8_t facts[128], digest[32];
        const uint8_t *item;
        if (strcmp(v->message, "hello") != 0 || !sayable(v)) {
            continue;
        }
        seen++;
        bench_new(&b);
        text_of(v, "version", version, sizeof version);
        text_of(v, "product", product, sizeof product);
        text_of(v, "hardware", hardware, sizeof hardware);
        b.self.version = version;
        b.self.product = product[0] != '\0' ? product : NULL;
        b.self.hardware = hardware[0] != '\0' ? hardware : NULL;
        b.self.max_image = field_of(v, "max_image", b.self.max_image);
        item = cbor_find((const uint8_t *)v->bytes, v->size, 3);
        if (item != NULL) {
            memcpy(digest, item + 2, 32);
            b.self.digest = digest;
        }
        item = cbor_find((const uint8_t *)v->bytes, v->size, 11);
        if (item != NULL) {
            size_t n = cbor_size(item, v->size - (size_t)(item - (const uint8_t *)v->bytes));
            assert(n <= sizeof facts);
            memcpy(facts, item, n);
            b.self.facts = facts;
            b.self.facts_len = (uint16_t)n;
        }
        bench_start(&b);
        b.m.declines = strstr(v->fields, "updates = false") != NULL;
        item = cbor_find((const uint8_t *)v->bytes, v->size, 9);
        if (item != NULL) {
            memcpy(b.m.rec.what.update, item + 2, 16);
            b.m.rec.phase = ENDED;
            b.m.rec.outcome = item[18];
            b.m.rec.reason = item[19];
        }
        item = cbor_find((const uint8_t *)v->bytes, v->size, 6);
        if (item != NULL) {
            b.m.rec.phase = PART;
            memcpy(b.m.rec.what.image, item + 2, 8);
            b.m.rec.size = 1u << 20;
            b.m.held = item[10] * MUSTER_CHUNK;
        }
        bench_connect(&b);
        CHECK(strcmp(b.sent[0].topic, "d/dev-1/up/hello") == 0 && b.sent[0].qos == 0);
        if (!same_pairs(&b.sent[0], v)) {
            printf("%s/%s: other bytes\n", v->message, v->name);
            failures++;
        }
        bench_free(&b);
    }
    CHECK(seen >= 18);
}

static bool is_vector(const sent_t *s, const char *message, const char *name)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        if (strcmp(v->message, message) == 0 && strcmp(v->name, name) == 0) {
            return s->n == v->size && memcmp(s->data, v->bytes, v->size) == 0;
        }
    }
    return false;
}

static void test_wants_reports_and_alerts_are_their_vectors(void)
{
    static const uint8_t image[] = {0x4e, 0x4c, 0x29, 0x4b, 0x33, 0x1f, 0x7a, 0x20};
    static const struct {
        const char *name;
        uint32_t first;
    } wants[] = {{"from-start", 0}, {"next", 4}, {"first-23", 23}, {"first-24", 24}, {"first-255", 255},
                 {"first-256", 256}, {"first-65535", 65535}, {"first-65536", 65536}};
    bench_t b;
    bench_new(&b);
    bench_start(&b);
    bench_connect(&b);
    memcpy(b.m.rec.what.image, image, sizeof image);
    for (unsigned i = 0; i < 16; i++) {
        b.m.rec.what.update[i] = (uint8_t)i;
    }
    if (MUSTER_WINDOW == 8) {
        b.m.state = LOADING;
        b.m.rec.size = 0xffffffffu;
        b.m.shift = 7;
        for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
            b.m.held = wants[i].first << 7;
            b.m.asked = wants[i].first;
            b.m.count = 100000;
            more(&b.m);
            CHECK(is_vector(bench_last(&b, "want"), "want", wants[i].name));
        }
        b.m.state = IDLE;
    }
    (void)report(&b.m, IS_STORED, 0);
    CHECK(is_vector(bench_last(&b, "report"), "report", "stored") && bench_last(&b, "report")->qos == 1);
    (void)report(&b.m, IS_APPLYING, 0);
    CHECK(is_vector(bench_last(&b, "report"), "report", "applying"));
    muster_takes(&b.m, false);
    CHECK(is_vector(bench_last(&b, "report"), "report", "updates-disabled"));
    muster_takes(&b.m, true);
    CHECK(is_vector(bench_last(&b, "report"), "report", "updates-enabled"));
    CHECK(muster_alert(&b.m, 3, NULL, NULL, 0) > 0);
    CHECK(is_vector(bench_last(&b, "alert"), "alert", "type-only"));
    CHECK(muster_alert(&b.m, 0, NULL, NULL, 0) > 0);
    CHECK(is_vector(bench_last(&b, "alert"), "alert", "type-0"));
    CHECK(muster_alert(&b.m, 3, "battery low", "\x0b", 1) > 0);
    CHECK(is_vector(bench_last(&b, "alert"), "alert", "value-number"));
    CHECK(muster_alert(&b.m, 3, "battery low", "\x83\x01\x02\x03", 4) > 0);
    CHECK(is_vector(bench_last(&b, "alert"), "alert", "value-array"));
    bench_free(&b);
}

/* ---- updates ---- */

static void release(bench_t *b, image_t *image, uint32_t size, const char *version)
{
    image_new(image, size, version);
    b->image = image;
    b->chunk = MUSTER_CHUNK;
    b->window = MUSTER_WINDOW;
    for (unsigned i = 0; i < 16; i++) {
        b->update[i] = (uint8_t)(0x40 + i);
    }
}

static bool updated(const bench_t *b)
{
    return strcmp(b->running, b->image->version) == 0 && b->slot_is_good && !b->on_test && b->m.rec.phase == EMPTY;
}

static void test_an_update_is_byte_exact(void)
{
    static const uint32_t sizes[] = {1, 2, MUSTER_BLOCK - 1, MUSTER_BLOCK, MUSTER_BLOCK + 1, MUSTER_CHUNK - 1, MUSTER_CHUNK,
                                     MUSTER_CHUNK + 1, 3 * MUSTER_CHUNK, 100001};
    static const uint32_t fragments[] = {0, 1, 7, 64, 700};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof fragments / sizeof fragments[0]; k++) {
            bench_t b;
            image_t image;
            if (fragments[k] == 1 && sizes[i] > 10000) {
                continue;
            }
            bench_new(&b);
            release(&b, &image, sizes[i], "8");
            b.fragment = fragments[k];
            CHECK(powered(&b, to_the_end));
            CHECK(updated(&b));
            CHECK(b.restarts == 1);
            CHECK(b.sent_chunks == (sizes[i] + MUSTER_CHUNK - 1) / MUSTER_CHUNK);
            CHECK(bench_count(&b, "hello") == 2);
            bench_free(&b);
            image_free(&image);
        }
    }
}

static void test_disturbed_updates_are_byte_exact(void)
{
    for (uint32_t seed = 1; seed < 30; seed++) {
        bench_t b;
        image_t image;
        bench_new(&b);
        release(&b, &image, 10000 + seed * 977, "8");
        b.random = seed;
        b.shuffle = 6;
        b.fragment = seed % 3 == 0 ? 50 : 0;
        CHECK(powered(&b, to_the_end));
        CHECK(updated(&b));
        bench_free(&b);
        image_free(&image);
    }
}

static void test_a_device_behind_a_gateway_is_one_with_a_longer_id(void)
{
    bench_t b;
    image_t image;
    bench_new(&b);
    release(&b, &image, 5000, "8");
    b.self.id = "gw-1/b/ble-1";
    CHECK(powered(&b, to_the_end));
    CHECK(updated(&b));
    CHECK(strcmp(b.sent[0].topic, "d/gw-1/b/ble-1/up/hello") == 0);
    bench_free(&b);
    image_free(&image);
}

static void test_a_smaller_chunk_than_asked_for_will_do(void)
{
    bench_t b;
    image_t image;
    bench_new(&b);
    release(&b, &image, 50000, "8");
    b.chunk = 128;
    CHECK(powered(&b, to_the_end));
    CHECK(updated(&b));
    bench_free(&b);
    image_free(&image);
}

/* with_drops loses the connection after every few steps. */
static void with_drops(bench_t *b)
{
    bench_start(b);
    for (unsigned i = 0; i < 10000 && !(strcmp(b->running, "8") == 0 && b->m.rec.phase == EMPTY); i++) {
        b->arg = b->arg * 1664525u + 1013904223u;
        bench_connect(b);
        bench_run(b, (b->arg >> 28) == 0 ? 5000 : 3 + (b->arg >> 16) % 40);
        b->clock += bench_drop(b);
    }
}

static void test_a_lost_connection_costs_no_chunk_twice_but_what_was_under_way(void)
{
    for (uint32_t seed = 1; seed < 20; seed++) {
        bench_t b;
        image_t image;
        uint32_t drops;
        bench_new(&b);
        release(&b, &image, 50000, "8");
        b.arg = seed;
        CHECK(powered(&b, with_drops));
        CHECK(updated(&b));
        drops = (uint32_t)bench_count(&b, "hello");
        CHECK(b.sent_chunks <= 50000 / MUSTER_CHUNK + 1 + drops);
        bench_free(&b);
        image_free(&image);
    }
}

/* ---- power ---- */

/* update_with_cut runs an update whose power fails at an operation, and checks its end. */
static uint32_t update_with_cut(image_t *image, uint32_t cut, int torn, uint32_t second)
{
    bench_t b;
    uint32_t ops, beyond;
    bench_new(&b);
    b.image = image;
    b.chunk = MUSTER_CHUNK;
    b.window = MUSTER_WINDOW;
    b.slot.cut = b.log.cut = cut;
    b.slot.torn = b.log.torn = torn;
    if (second != 0) { /* and again, as many operations after the first restart */
        (void)bench_powered(&b, to_the_end);
        b.slot.cut = b.log.cut = b.ops + second;
    }
    CHECK(powered(&b, to_the_end));
    if (!updated(&b)) {
        printf("cut at %u, torn %d, second %u: runs %s, phase %d\n", (unsigned)cut, torn, (unsigned)second, b.running, b.m.rec.phase);
        failures++;
    }
    beyond = b.sent_chunks * MUSTER_CHUNK > image->size ? b.sent_chunks * MUSTER_CHUNK - image->size : 0;
    if (second == 0 && beyond > (MUSTER_SECTOR > 32768u ? MUSTER_SECTOR : 32768u) + 2u * MUSTER_CHUNK) {
        printf("cut at %u, torn %d: %u bytes fetched again\n", (unsigned)cut, torn, (unsigned)beyond);
        failures++;
    }
    ops = b.ops;
    bench_free(&b);
    return ops;
}

#ifdef EVERY_WRITE
static const bool every = true;
#else
static const bool every = false; /* another build cuts everywhere */
#endif

static void test_power_lost_at_any_write_or_erase_of_an_update(void)
{
    image_t image;
    uint32_t ops;
    unsigned runs = 0;
    image_new(&image, 40000, "8");
    ops = update_with_cut(&image, 0, 0, 0);
    for (uint32_t cut = 1; cut <= ops; cut += every ? 1u : ops / 50u + 1u) {
        for (int torn = 0; torn < 3; torn++, runs++) {
            (void)update_with_cut(&image, cut, torn, 0);
        }
    }
    image_free(&image);
    printf("  power lost at %u of %u writes and erases, %u runs\n", runs / 3u, (unsigned)ops, runs);
}

static void test_power_lost_twice(void)
{
    image_t image;
    uint32_t ops, step;
    unsigned runs = 0;
    image_new(&image, 40000, "8");
    ops = update_with_cut(&image, 0, 0, 0);
    step = ops / (every ? 50u : 10u) + 1u;
    for (uint32_t cut = 1; cut <= ops; cut += step) {
        for (uint32_t second = 1; second <= ops; second += step, runs++) {
            (void)update_with_cut(&image, cut, (int)(runs % 3), second);
        }
    }
    /* The end of an update, where the record and the boot loader take turns: all pairs. */
    for (uint32_t cut = ops - 12; cut <= ops && every; cut++) {
        for (uint32_t second = 1; second <= 14; second++, runs++) {
            (void)update_with_cut(&image, cut, (int)(runs % 3), second);
        }
    }
    image_free(&image);
    printf("  power lost twice: %u runs\n", runs);
}

static void save_on(bench_t *b)
{
    for (uint32_t i = 1; i < 100; i++) {
        CHECK(journal_save(&b->journal, &i, sizeof i) == 0);
        b->saved = i;
    }
}

static void test_a_journal_keeps_the_old_or_the_new_record(void)
{
    for (uint32_t cut = 1; cut < 400; cut++) {
        for (int torn = 0; torn < 3; torn++) {
            bench_t b;
            uint32_t got = 0;
            bench_new(&b);
            b.log.cut = cut;
            b.log.torn = torn;
            (void)bench_powered(&b, save_on);
            if (journal_load(&b.journal, &got, sizeof got) != 0) {
                got = 0;
            }
            CHECK(got == b.saved || got == b.saved + 1);
            b.log.cut = 0;
            b.saved = 1000; /* and it can be used on */
            CHECK(journal_save(&b.journal, &b.saved, sizeof b.saved) == 0);
            CHECK(journal_load(&b.journal, &got, sizeof got) == 0 && got == 1000);
            bench_free(&b);
        }
    }
}

/* ---- outcomes ---- */

static void test_flash_that_lies_is_a_storage_error(void)
{
    bench_t b;
    image_t image;
    bench_new(&b);
    release(&b, &image, 60000, "8");
    b.slot.lie = 45678;
    CHECK(powered(&b, to_the_end));
    CHECK(strcmp(b.running, "7") == 0);
    CHECK(cbor_uint(cbor_find(bench_last(&b, "report")->data, bench_last(&b, "report")->n, 2)) == MUSTER_STORAGE);
    CHECK(b.sent_chunks < 45678 / MUSTER_CHUNK + 1 + MUSTER_WINDOW + 2);
    bench_free(&b);
    image_free(&image);
}

static void test_flash_that_forgets_is_a_wrong_digest(void)
{
    bench_t b;
    image_t image;
    const sent_t *r;
    bench_new(&b);
    release(&b, &image, 60000, "8");
    bench_start(&b);
    bench_connect(&b);
    while (b.m.state != CHECKING) {
        bench_step(&b);
    }
    b.slot.bytes[100] ^= 1;
    bench_run(&b, 10000);
    r = bench_last(&b, "report");
    CHECK(cbor_uint(cbor_find(r->data, r->n, 1)) == 4 && cbor_uint(cbor_find(r->data, r->n, 2)) == MUSTER_DIGEST);
    /* The outcome is sent until a Welcome: this device has none yet after a restart. */
    bench_start(&b);
    b.mute = true;
    bench_connect(&b);
    r = bench_last(&b, "hello");
    CHECK(cbor_find(r->data, r->n, 9) != NULL && cbor_find(r->data, r->n, 9)[18] == 3 && cbor_find(r->data, r->n, 9)[19] == 4);
    CHECK(cbor_find(r->data, r->n, 6) == NULL);
    b.mute = false;
    b.image = NULL;
    bench_wait(&b, 10000);
    bench_run(&b, 100);
    bench_drop(&b);
    bench_connect(&b);
    r = bench_last(&b, "hello");
    CHECK(cbor_find(r->data, r->n, 9) == NULL);
    bench_free(&b);
    image_free(&image);
}

static void test_a_boot_loader_that_falls_back_is_told_until_a_welcome(void)
{
    bench_t b;
    image_t image;
    const sent_t *h;
    bench_new(&b);
    release(&b, &image, 10000, "8");
    b.bad_image = true;
    CHECK(!bench_powered(&b, to_the_end));
    b.mute = true;
    for (unsigned i = 0; i < 3; i++) { /* whatever happens before the Welcome */
        bench_start(&b);
        bench_connect(&b);
        h = bench_last(&b, "hello");
        CHECK(cbor_find(h->data, h->n, 9)[18] == ROLLED_BACK && cbor_find(h->data, h->n, 9)[19] == 9);
        CHECK(memcmp(cbor_find(h->data, h->n, 9) + 2, b.update, 16) == 0);
    }
    b.mute = false;
    b.image = NULL;
    bench_connect(&b);
    bench_run(&b, 10);
    bench_start(&b);
    bench_connect(&b);
    h = bench_last(&b, "hello");
    CHECK(cbor_find(h->data, h->n, 9) == NULL);
    bench_free(&b);
    image_free(&image);
}

static void test_an_image_is_kept_by_a_welcome_or_the_self_test_and_nothing_else(void)
{
    for (int how = 0; how < 3; how++) {
        bench_t b;
        image_t image;
        bench_new(&b);
        release(&b, &image, 10000, "8");
        CHECK(!bench_powered(&b, to_the_end));
        b.mute = true;
        bench_start(&b);
        CHECK(muster_on_trial(&b.m) && b.on_test && strcmp(b.running, "8") == 0);
        bench_connect(&b);
        for (int id = 0; id < 50; id++) {
            muster_acked(&b.m, (uint16_t)id); /* a PUBACK is not proof */
        }
        bench_wait(&b, 100000);
        CHECK(b.on_test && muster_on_trial(&b.m));
        if (how == 0) {
            CHECK(muster_healthy(&b.m) == 0);
            CHECK(!b.on_test && !muster_on_trial(&b.m));
            bench_start(&b); /* and the outcome is still sent */
            bench_connect(&b);
            CHECK(cbor_find(bench_last(&b, "hello")->data, bench_last(&b, "hello")->n, 9)[18] == CONFIRMED);
            CHECK(strcmp(b.running, "8") == 0);
        } else if (how == 1) {
            b.mute = false;
            bench_wait(&b, 400000);
            bench_run(&b, 100);
            CHECK(!b.on_test && !muster_on_trial(&b.m) && updated(&b));
        } else {
            bench_start(&b); /* the watchdog: it falls back */
            CHECK(strcmp(b.running, "7") == 0 && !muster_on_trial(&b.m));
            bench_connect(&b);
            CHECK(cbor_find(bench_last(&b, "hello")->data, bench_last(&b, "hello")->n, 9)[18] == ROLLED_BACK);
        }
        bench_free(&b);
        image_free(&image);
    }
}

static void test_an_offer_on_trial_leaves_the_slot_alone(void)
{
    bench_t b;
    image_t image, next;
    uint32_t erases;
    bench_new(&b);
    release(&b, &image, 10000, "8");
    CHECK(!bench_powered(&b, to_the_end));
    image_new(&next, 10000, "9");
    bench_start(&b);
    b.image = &next;
    b.boot_error = MUSTER_OTHER; /* the boot loader won't keep it yet */
    erases = b.slot.erases;
    bench_connect(&b);
    bench_run(&b, 100);
    CHECK(b.offers == 2 && b.slot.erases == erases && muster_on_trial(&b.m));
    b.boot_error = 0;
    CHECK(muster_healthy(&b.m) == 0);
    muster_hello(&b.m);
    CHECK(powered(&b, to_the_end));
    CHECK(strcmp(b.running, "9") == 0);
    bench_free(&b);
    image_free(&image);
    image_free(&next);
}

static void test_an_image_that_does_not_fit_is_refused_before_anything_is_erased(void)
{
    bench_t b;
    image_t image;
    const sent_t *r;
    bench_new(&b);
    release(&b, &image, 200000, "8");
    b.self.max_image = 199999;
    bench_start(&b);
    bench_connect(&b);
    bench_run(&b, 1000);
    r = bench_last(&b, "report");
    CHECK(r != NULL && cbor_uint(cbor_find(r->data, r->n, 1)) == 4 && cbor_uint(cbor_find(r->data, r->n, 2)) == MUSTER_TOO_LARGE);
    CHECK(b.slot.erases == 0);
    bench_free(&b);
    image_free(&image);
}

static void test_the_application_has_a_say(void)
{
    bench_t b;
    image_t image;
    const sent_t *r;
    bench_new(&b);
    release(&b, &image, 10000, "8");
    b.may_download = MUSTER_LATER(60);
    bench_start(&b);
    bench_connect(&b);
    for (int i = 0; i < 20; i++) {
        if (b.served < b.sents) {
            bench_step(&b);
        }
    }
    CHECK(b.slot.erases == 0 && b.asks == 1);
    r = bench_last(&b, "report");
    CHECK(r != NULL && *cbor_find(r->data, r->n, 1) == UPDATES_OFF);
    muster_hello(&b.m);
    b.mute = true;
    bench_wait(&b, 1000);
    r = bench_last(&b, "hello");
    CHECK(cbor_find(r->data, r->n, 8) != NULL);
    b.served = b.sents;
    bench_offer(&b, 0); /* by force */
    CHECK(b.forced && b.asks == 2);
    b.mute = false;
    b.may_download = 0;
    b.may_apply = MUSTER_LATER(3600);
    b.served = b.sents;
    bench_wait(&b, 60000);
    r = bench_last(&b, "report");
    CHECK(*cbor_find(r->data, r->n, 1) == UPDATES_ON);
    for (int i = 0; i < 3000 && b.m.state != HOLDING; i++) {
        bench_step(&b);
    }
    CHECK(b.m.state == HOLDING && !b.marked);
    r = bench_last(&b, "report");
    CHECK(*cbor_find(r->data, r->n, 1) == IS_STORED);
    bench_wait(&b, 3599000);
    CHECK(b.m.state == HOLDING);
    b.may_apply = 0;
    CHECK(!bench_powered(&b, run));
    CHECK(b.marked);
    bench_free(&b);
    image_free(&image);

    bench_new(&b);
    release(&b, &image, 10000, "8");
    b.may_apply = MUSTER_WRONG_HARDWARE;
    bench_start(&b);
    bench_connect(&b);
    bench_run(&b, 1000);
    r = bench_last(&b, "report");
    CHECK(cbor_uint(cbor_find(r->data, r->n, 2)) == MUSTER_WRONG_HARDWARE);
    bench_free(&b);
    image_free(&image);
}

/* stopped_after takes arg steps, then gets Stops: of another update, of its own, and one
 * that asks for a Hello. */
static void stopped_after(bench_t *b)
{
    uint8_t state;
    bench_start(b);
    bench_connect(b);
    for (uint32_t i = 0; i < b->arg; i++) {
        bench_step(b);
    }
    state = b->m.state;
    b->update[0] ^= 1;
    bench_stop(b, 2);
    CHECK(b->m.state == state);
    b->update[0] ^= 1;
    bench_stop(b, 2);
    CHECK(b->m.state == (state >= APPLYING ? state : IDLE));
    b->head = b->tail = 0;
    bench_stop(b, MUSTER_NOT_NOW);
    b->may_apply = 0;
    bench_run(b, 100000);
}

static void test_a_stop_ends_what_it_names_in_any_state(void)
{
    for (uint32_t steps = 2; steps < 120; steps++) {
        bench_t b;
        image_t image;
        bench_new(&b);
        release(&b, &image, 20000, "8");
        b.may_apply = MUSTER_LATER(5);
        b.arg = steps;
        CHECK(!bench_powered(&b, stopped_after));
        CHECK(b.marked);
        bench_free(&b);
        image_free(&image);
    }
}

static void test_another_offer_replaces_the_running_update(void)
{
    for (uint32_t steps = 2; steps < 60; steps += 3) {
        bench_t b;
        image_t image, next;
        bench_new(&b);
        release(&b, &image, 20000, "8");
        image_new(&next, 15000, "9");
        bench_start(&b);
        bench_connect(&b);
        for (uint32_t i = 0; i < steps && b.m.state < CHECKING; i++) {
            bench_step(&b);
        }
        b.image = &next;
        b.update[3] = 99;
        b.head = b.tail = 0;
        bench_offer(&b, 0);
        CHECK(!bench_powered(&b, run));
        CHECK(powered(&b, to_the_end));
        CHECK(updated(&b) && strcmp(b.running, "9") == 0);
        bench_free(&b);
        image_free(&image);
        image_free(&next);
    }
}

/* ---- hello, time ---- */

static void test_hello_is_repeated_with_doubled_waits(void)
{
    bench_t b;
    uint32_t waits[] = {10, 20, 40, 80, 160, 320, 320};
    bench_new(&b);
    b.mute = true;
    bench_start(&b);
    bench_connect(&b);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        size_t before = bench_count(&b, "hello");
        bench_wait(&b, waits[i] * 1000 - 10);
        CHECK(bench_count(&b, "hello") == before);
        bench_wait(&b, 10);
        CHECK(bench_count(&b, "hello") == before + 1);
    }
    bench_free(&b);
}

static void test_welcomes(void)
{
    bench_t b;
    size_t hellos;
    bench_new(&b);
    b.mute = true;
    bench_start(&b);
    bench_connect(&b);
    bench_welcome(&b, "a2001a80000001011a6955b900"); /* of another start */
    CHECK(b.welcomes == 0 && !b.m.greeted);
    bench_welcome(&b, "a2001b0000000180000001011a6955b900");
    CHECK(b.welcomes == 0);
    bench_welcome(&b, "a2011a6955b900040e"); /* an answer: 14 asks for nothing */
    CHECK(b.welcomes == 1 && b.welcome_reason == 14 && b.m.greeted);
    hellos = bench_count(&b, "hello");
    bench_wait(&b, 100000);
    CHECK(bench_count(&b, "hello") == hellos);
    bench_welcome(&b, "a3011a6955b9000208040e"); /* with a target: asks for nothing */
    bench_wait(&b, 100000);
    CHECK(bench_count(&b, "hello") == hellos);
    bench_welcome(&b, "a2011a6955b900040e"); /* unasked: say Hello */
    bench_wait(&b, 2000);
    CHECK(bench_count(&b, "hello") == hellos + 1);
    bench_welcome(&b, "a3011a6955b900040f051878"); /* busy, again in 120 s */
    bench_wait(&b, 119000);
    CHECK(bench_count(&b, "hello") == hellos + 1);
    bench_wait(&b, 2000);
    CHECK(bench_count(&b, "hello") == hellos + 2);
    bench_welcome(&b, "a2011a6955b900051a7fffffff"); /* in 68 years: at most 24 days */
    CHECK(muster_tick(&b.m) > 20u * 86400u * 1000u);
    bench_free(&b);
}

static void test_texts_have_to_be_utf_8(void)
{
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"a2011a6955b9000363c3a961", true},    {"a2011a6955b9000364f09f9880", true}, {"a2011a6955b9000362c3c3", false},
        {"a2011a6955b90003618b", false},       {"a2011a6955b9000361ff", false},      {"a2011a6955b9000361c3", false},
        {"a2011a6955b900630000ffa0", false},   {"a2011a6955b90003628080", false},    {"a2011a6955b9000362c080", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_t b;
        bench_new(&b);
        b.mute = true;
        bench_start(&b);
        bench_connect(&b);
        bench_welcome(&b, rows[i].hex);
        CHECK(b.m.greeted == rows[i].good);
        bench_free(&b);
    }
}

static void test_waits_between_connections_are_jittered_and_bounded(void)
{
    bench_t b;
    uint32_t top = 1024, sum = 0, wait;
    bench_new(&b);
    bench_start(&b);
    for (int i = 0; i < 40; i++) {
        wait = muster_down(&b.m, false);
        CHECK(wait < top);
        sum += wait > top / 2;
        top = top < 262144 ? top * 2 : top;
    }
    CHECK(sum > 8 && sum < 32);
    wait = muster_down(&b.m, true);
    CHECK(wait >= 60000);
    b.clock += 1;
    bench_connect(&b);
    bench_run(&b, 10);
    CHECK(b.m.greeted);
    b.clock += 61000;
    CHECK(muster_down(&b.m, false) < 1024);
    bench_free(&b);
}

static void test_silence_repeats_the_want_from_the_first_missing_chunk(void)
{
    bench_t b;
    image_t image;
    const sent_t *w;
    bench_new(&b);
    release(&b, &image, 5 * MUSTER_CHUNK, "8");
    bench_start(&b);
    bench_connect(&b);
    while (b.sent_chunks < 3) {
        bench_step(&b);
    }
    b.head = b.tail = 0;
    b.mute = true;
    b.served = b.sents;
    bench_forget(&b);
    bench_wait(&b, 9900);
    CHECK(bench_count(&b, "want") == 0);
    bench_wait(&b, 200);
    CHECK(bench_count(&b, "want") == 1);
    w = bench_last(&b, "want");
    CHECK(cbor_uint(cbor_find(w->data, w->n, 1)) == 3);
    bench_free(&b);
    image_free(&image);
}

static void test_applying_waits_for_the_puback_ten_seconds_at_most(void)
{
    for (int acked = 0; acked < 2; acked++) {
        bench_t b;
        image_t image;
        uint32_t from;
        bench_new(&b);
        release(&b, &image, 5000, "8");
        b.acks = acked != 0;
        bench_start(&b);
        bench_connect(&b);
        while (b.m.state != APPLYING) {
            bench_step(&b);
        }
        from = b.clock;
        CHECK(!bench_powered(&b, run));
        CHECK(b.marked);
        CHECK(acked != 0 ? b.clock == from : b.clock - from >= 10000 && b.clock - from < 10100);
        bench_free(&b);
        image_free(&image);
    }
}

static void test_a_connection_lost_while_applying_says_no_hello_any_more(void)
{
    bench_t b;
    image_t image;
    size_t hellos;
    bench_new(&b);
    release(&b, &image, 5000, "8");
    b.acks = false;
    bench_start(&b);
    bench_connect(&b);
    while (b.m.state != APPLYING) {
        bench_step(&b);
    }
    hellos = bench_count(&b, "hello");
    muster_hello(&b.m);
    bench_drop(&b);
    bench_connect(&b);
    CHECK(bench_count(&b, "hello") == hellos); /* the version of old would be a failed update */
    CHECK(!bench_powered(&b, run));
    CHECK(b.marked && b.restarts == 1);
    bench_free(&b);
    image_free(&image);
}

/* ---- the rest ---- */

static void test_a_command_is_done_once_and_answered_as_often_as_it_comes(void)
{
    bench_t b;
    const sent_t *d;
    bench_new(&b);
    bench_start(&b);
    bench_connect(&b);
    b.fragment = 3;
    bench_deliver(&b, "cmd/5/reboot", "a long payload", 14);
    CHECK(b.commands == 1 && strcmp(b.done_n, "5") == 0);
    d = &b.sent[b.sents - 1];
    CHECK(strcmp(d->topic, "d/dev-1/up/done/5") == 0 && d->n == 2 && d->qos == 1);
    bench_deliver(&b, "cmd/5/reboot", "a long payload", 14);
    CHECK(b.commands == 1 && b.repeats >= 1);
    bench_start(&b); /* also after a restart */
    bench_connect(&b);
    b.fragment = 0;
    b.repeats = 0;
    bench_deliver(&b, "cmd/5", "", 0);
    CHECK(b.commands == 1 && b.repeats == 1);
    bench_deliver(&b, "cmd/4294967295", "", 0);
    CHECK(b.commands == 2 && strcmp(b.sent[b.sents - 1].topic, "d/dev-1/up/done/4294967295") == 0);
    bench_free(&b);

    bench_new(&b); /* one that takes its time is not started again */
    b.answer_commands = false;
    bench_start(&b);
    bench_connect(&b);
    bench_deliver(&b, "cmd/6", "x", 1);
    bench_deliver(&b, "cmd/6", "x", 1);
    CHECK(b.commands == 1 && b.repeats == 0);
    CHECK(muster_done(&b.m, "6", NULL, 0) > 0);
    bench_free(&b);
}

static void test_what_does_not_fit_is_found_out_at_the_start(void)
{
    bench_t b;
    char word[65];
    bench_new(&b);
    memset(word, 'w', 64);
    word[64] = '\0';
    bench_start(&b);
    b.self.product = b.self.hardware = b.self.version = word;
    CHECK(muster_init(&b.m, b.m.port, &b, &b.self) == (MUSTER_BUFFER < 400 ? MUSTER_OVER_LIMIT : 0));
    bench_free(&b);
}

static void test_messages(void)
{
    bench_t b;
    bench_new(&b);
    bench_start(&b);
    CHECK(muster_message(&b.m, "log", "hi", 2, 1) == -1); /* not connected */
    CHECK(muster_alert(&b.m, 1, "x", NULL, 0) == -1);
    bench_connect(&b);
    CHECK(muster_message(&b.m, NULL, "hi", 2, 0) == 0);
    CHECK(strcmp(b.sent[b.sents - 1].topic, "d/dev-1/up/msg") == 0);
    CHECK(muster_message(&b.m, "log/kernel", "hi", 2, 1) > 0);
    CHECK(strcmp(b.sent[b.sents - 1].topic, "d/dev-1/up/msg/log/kernel") == 0);
    bench_free(&b);
}

static void test_sha256(void)
{
    static const char *const rows[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < 3; i++) {
        sha256_t s;
        uint8_t digest[32];
        char hex[65];
        sha256_start(&s);
        sha256_add(&s, rows[i][0], strlen(rows[i][0]));
        sha256_end(&s, digest);
        for (size_t k = 0; k < 32; k++) {
            snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        }
        CHECK(strcmp(hex, rows[i][1]) == 0);
    }
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
#define TEST(name) {#name, test_##name}
        TEST(sha256),
        TEST(vectors_decode_to_their_fields),
        TEST(hellos_hold_the_bytes_of_their_vector),
        TEST(wants_reports_and_alerts_are_their_vectors),
        TEST(an_update_is_byte_exact),
        TEST(disturbed_updates_are_byte_exact),
        TEST(a_device_behind_a_gateway_is_one_with_a_longer_id),
        TEST(a_smaller_chunk_than_asked_for_will_do),
        TEST(a_lost_connection_costs_no_chunk_twice_but_what_was_under_way),
        TEST(a_journal_keeps_the_old_or_the_new_record),
        TEST(power_lost_at_any_write_or_erase_of_an_update),
        TEST(power_lost_twice),
        TEST(flash_that_lies_is_a_storage_error),
        TEST(flash_that_forgets_is_a_wrong_digest),
        TEST(a_boot_loader_that_falls_back_is_told_until_a_welcome),
        TEST(an_image_is_kept_by_a_welcome_or_the_self_test_and_nothing_else),
        TEST(an_offer_on_trial_leaves_the_slot_alone),
        TEST(an_image_that_does_not_fit_is_refused_before_anything_is_erased),
        TEST(the_application_has_a_say),
        TEST(a_stop_ends_what_it_names_in_any_state),
        TEST(another_offer_replaces_the_running_update),
        TEST(hello_is_repeated_with_doubled_waits),
        TEST(welcomes),
        TEST(texts_have_to_be_utf_8),
        TEST(waits_between_connections_are_jittered_and_bounded),
        TEST(silence_repeats_the_want_from_the_first_missing_chunk),
        TEST(applying_waits_for_the_puback_ten_seconds_at_most),
        TEST(a_connection_lost_while_applying_says_no_hello_any_more),
        TEST(a_command_is_done_once_and_answered_as_often_as_it_comes),
        TEST(what_does_not_fit_is_found_out_at_the_start),
        TEST(messages),
    };
    setvbuf(stdout, NULL, _IOLBF, 4096);
    printf("muster.c with chunks of %d, window %d, sectors of %d, blocks of %d, %d bytes of RAM\n", MUSTER_CHUNK, MUSTER_WINDOW,
           MUSTER_SECTOR, MUSTER_BLOCK, (int)sizeof(muster_t));
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int before = failures;
        if (getenv("VERBOSE") != NULL) {
            printf("%s\n", tests[i].name);
        }
        tests[i].run();
        if (failures > before) {
            printf("FAIL %s\n", tests[i].name);
        }
    }
    printf(failures == 0 ? "ok\n" : "%d checks failed\n", failures);
    return failures == 0 ? 0 : 1;
}
