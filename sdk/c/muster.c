/*
 * muster.c: see muster.h and docs/protocol.md.
 *
 * From top to bottom: small tools; CBOR out; the slot; the state of an update; Hello and
 * Welcome; CBOR in, byte by byte, since messages come in fragments and none is buffered;
 * topics and commands; the functions of muster.h.
 */
#include "muster.h"

#include <string.h>

/* Times and limits of docs/protocol.md#limits, in ms and bytes. */
#define ANSWER_WAIT 10000u /* for a Welcome, a chunk, the PUBACK of applying */
#define TAKEOVER_PAUSE 60000u
#define BACKOFF_MIN 10u /* a wait of up to 1024 ms before the first try, */
#define BACKOFF_MAX 18u /* and of up to 262144 ms at last */
#define MOST_DOUBLINGS 5u /* of ANSWER_WAIT while no Welcome comes */
#define LONGEST_WAIT 0x7fffffffu /* what fits a comparison of wrapping clocks */
#define MAX_HELLO 2048u
#define MAX_CONTROL 512u
#define MAX_CHUNK 65536u
#define MAX_COMMAND 16384u
#define MAX_WINDOW 64u
#define MAX_IN_FLIGHT 262144u
#define MAX_NESTING 4u
#define MAX_ELEMENTS 64u
#define MAX_TEXT 256u
#define MAX_WORD 64u
#define MAX_FACTS 1024u
#define DEFAULT_CHUNK 4096u
#define DEFAULT_WINDOW (MUSTER_CHUNK > 32768 ? 262144 / MUSTER_CHUNK : 8)

#define PROGRESS 32768u /* bytes between two saves of the progress, or a sector if that is more */
#define HELLO_PAUSE 1000u /* ms, so that a server that keeps asking gets one Hello a second */

/* Called from several places, or from a large function: smaller when it is not inlined. */
#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

/* rec.phase: what survives a power loss. */
enum {
    EMPTY,
    PART,   /* held bytes of an image are in the slot */
    MARKED, /* the boot loader is about to be asked to try it, or was */
    TESTED, /* it was asked */
    ENDED   /* the outcome was not reported yet */
};

/* state. APPLYING ends by a restart, or a failure to install. */
enum { IDLE, LOADING, CHECKING, HOLDING, APPLYING };

/* Timers: the index in due. */
enum { HELLO, WANT, ASK, APPLY, TIMERS };

/* Outcomes in Hello key 9, states in Report key 1. */
enum { CONFIRMED = 1, ROLLED_BACK = 2, FAILED = 3 };
enum { IS_STORED = 2, IS_APPLYING = 3, HAS_FAILED = 4, UPDATES_OFF = 5, UPDATES_ON = 6 };

/* in.kind, and the major types of CBOR. */
enum { WELCOME, OFFER, CHUNK, STOP, COMMAND, NOTHING };
enum { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

/* Words of msg: an Offer's chunk, count and first; a Chunk's index; a Welcome's nonce,
 * time, reason and again; a Stop's reason. */
#define CHUNK_SIZE a_
#define COUNT b_
#define FIRST c_
#define INDEX a_
#define NONCE size
#define TIME a_
#define REASON b_
#define AGAIN c_

/* ---- tools ---- */

typedef char chunk_is_a_power_of_two_up_to_65536
    [MUSTER_CHUNK >= 128 && MUSTER_CHUNK <= 65536 && (MUSTER_CHUNK & (MUSTER_CHUNK - 1)) == 0 ? 1 : -1];
typedef char window_is_at_most_64_and_256_KiB[MUSTER_WINDOW <= 64 && MUSTER_WINDOW * MUSTER_CHUNK <= 262144 ? 1 : -1];
typedef char sector_is_a_power_of_two[(MUSTER_SECTOR & (MUSTER_SECTOR - 1)) == 0 && MUSTER_SECTOR >= MUSTER_BLOCK ? 1 : -1];
typedef char buffer_holds_a_block_behind_the_longest_prefix[MUSTER_BUFFER >= MUSTER_BLOCK + 137 ? 1 : -1];
typedef char block_is_a_power_of_two_of_at_least_4[MUSTER_BLOCK >= 4 && (MUSTER_BLOCK & (MUSTER_BLOCK - 1)) == 0 ? 1 : -1];

static uint32_t now(muster_t *m) { return m->port->ms(m); }

static void disarm(muster_t *m, unsigned timer) { m->due[timer] = 0; }

/* arm sets a timer. 0 stands for none, and is put off by a millisecond. */
static void arm(muster_t *m, unsigned timer, uint32_t wait)
{
    uint32_t due = now(m) + wait;
    m->due[timer] = due != 0u ? due : 1u;
}

OUT_OF_LINE static void arm_seconds(muster_t *m, unsigned timer, uint32_t seconds)
{
    arm(m, timer, seconds < LONGEST_WAIT / 1000u ? seconds * 1000u : LONGEST_WAIT);
}

OUT_OF_LINE static void await(muster_t *m, unsigned timer) { arm(m, timer, ANSWER_WAIT); }

/* hash is FNV-1a but for its start: it tells a torn record from a whole one, and one version from another. */
OUT_OF_LINE static uint32_t hash(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t h = (uint32_t)n;
    for (; n > 0u; n--) {
        h = (h ^ *p++) * 16777619u;
    }
    return h;
}

static uint32_t hash_of_record(const muster_t *m) { return hash(&m->rec.phase, MUSTER_RECORD - offsetof(muster_record_, phase)); }

static uint32_t hash_of_text(const char *text) { return hash(text, strlen(text)); }

static int save(muster_t *m)
{
    m->rec.hash = hash_of_record(m);
    return m->port->record(m, MUSTER_SAVE, &m->rec, MUSTER_RECORD);
}

static int enter(muster_t *m, unsigned phase, unsigned outcome, int reason)
{
    m->rec.phase = (uint8_t)phase;
    m->rec.outcome = (uint8_t)outcome;
    m->rec.reason = (uint16_t)reason;
    return save(m);
}

/* ---- CBOR out ---- */

/* What is sent is put together in out: the topic, a zero, and the message, which begins at
 * out_from. What does not fit makes out_at the size of out. */
static void put(muster_t *m, const void *data, size_t n)
{
    if (n > (size_t)MUSTER_BUFFER - m->out_at) {
        m->out_at = MUSTER_BUFFER;
        return;
    }
    (void)memcpy(&m->out[m->out_at], data, n);
    m->out_at = (uint32_t)(m->out_at + n);
}

static void put_byte(muster_t *m, unsigned byte)
{
    uint8_t b = (uint8_t)byte;
    put(m, &b, 1);
}

static void put_chars(muster_t *m, const char *text) { put(m, text, strlen(text)); }

/* put_item writes the head of a CBOR item of that major type, then the bytes at data
 * unless that is NULL. */
static void put_item(muster_t *m, unsigned major, uint32_t n, const void *data)
{
    unsigned bits = 0;
    unsigned info = (unsigned)n;
    if (n >= 24u) {
        info = 24;
        for (bits = 8; bits < 32u && n >> bits != 0u; bits *= 2u) {
            info++;
        }
    }
    put_byte(m, (major << 5) | info);
    while (bits > 0u) {
        bits -= 8u;
        put_byte(m, (unsigned)(n >> bits));
    }
    if (data != NULL) {
        put(m, data, n);
    }
}

/* put_key counts a pair in the head of the map, which has fewer than 24. */
static void put_key(muster_t *m, unsigned key)
{
    m->out[m->out_from]++;
    put_byte(m, key);
}

static void put_raw(muster_t *m, unsigned key, const void *item, size_t n)
{
    if (item != NULL) {
        put_key(m, key);
        put(m, item, n);
    }
}

#define KEY(key, major) ((key) << 3 | (unsigned)(major))

static void put_pair(muster_t *m, unsigned key, uint32_t n, const void *data)
{
    put_key(m, key >> 3);
    put_item(m, key & 7u, n, data);
}

static void put_uint(muster_t *m, unsigned key, uint32_t n) { put_pair(m, KEY(key, UINT), n, NULL); }

static void put_text(muster_t *m, unsigned key, const char *text)
{
    if (text != NULL) {
        put_pair(m, KEY(key, TEXT), (uint32_t)strlen(text), text);
    }
}

/* named_topic puts d/{id}/up/{kind} or d/{id}/up/{kind}/{name}. */
static void named_topic(muster_t *m, const char *kind, const char *name)
{
    m->out_at = m->prefix;
    put_chars(m, kind);
    if (name != NULL) {
        put_byte(m, '/');
        put_chars(m, name);
    }
    put_byte(m, 0);
    m->out_from = m->out_at;
}

static void map(muster_t *m, const char *kind)
{
    named_topic(m, kind, NULL);
    put_byte(m, MAP << 5);
}

static void put_image(muster_t *m) { put_pair(m, KEY(0u, BYTES), sizeof m->rec.what.image, m->rec.what.image); }

static int publish(muster_t *m, const void *data, size_t n, int qos)
{
    if (!m->up || m->out_at >= MUSTER_BUFFER) {
        return -1;
    }
    return m->port->publish(m, (const char *)m->out, data, n, qos);
}

static int send(muster_t *m, int qos) { return publish(m, &m->out[m->out_from], (size_t)m->out_at - m->out_from, qos); }

static int report(muster_t *m, unsigned what, unsigned reason)
{
    map(m, "report");
    put_image(m);
    put_uint(m, 1, what);
    if (reason != 0u) {
        put_uint(m, 2, reason);
    }
    put_pair(m, KEY(5u, BYTES), sizeof m->rec.what.update, m->rec.what.update);
    return send(m, 1);
}

/* ---- the slot ---- */

/* idle ends what state stands for, but keeps what is stored. */
OUT_OF_LINE static void idle(muster_t *m)
{
    m->state = IDLE;
    disarm(m, WANT);
    disarm(m, ASK);
    disarm(m, APPLY);
}

static void fail(muster_t *m, int reason)
{
    idle(m);
    (void)enter(m, ENDED, FAILED, reason);
    (void)report(m, HAS_FAILED, (unsigned)reason);
}

/* store writes the staged block, erases its sector first where it begins one, and reads
 * back what it wrote: flash that lies is found out at once. */
static void store(muster_t *m)
{
    uint8_t *back = &m->out[MUSTER_BUFFER - MUSTER_BLOCK];
    int err = 0;
    if (m->stored == m->erased) {
        err = m->port->erase(m, m->stored, MUSTER_SECTOR);
        m->erased += MUSTER_SECTOR;
    }
    if (err == 0) {
        err = m->port->write(m, m->stored, m->stage, MUSTER_BLOCK);
    }
    if (err == 0) {
        err = m->port->read(m, m->stored, back, MUSTER_BLOCK);
    }
    if (err == 0 && memcmp(back, m->stage, MUSTER_BLOCK) != 0) {
        err = MUSTER_STORAGE;
    }
    m->staged = 0;
    m->stored += MUSTER_BLOCK;
    if (err != 0) {
        fail(m, err);
    } else if (m->stored == m->erased && m->stored % PROGRESS == 0u) {
        m->rec.held = m->stored;
        (void)save(m); /* if it can't, only progress is at stake */
    } else {
        /* within a sector, or too soon */
    }
}

/* take stores the next bytes of the image, unless it fails. */
static void take(muster_t *m, const uint8_t *data, uint32_t n)
{
    m->held += n;
    while (n > 0u && m->state == LOADING) {
        uint32_t k = MUSTER_BLOCK - m->staged;
        k = n < k ? n : k;
        (void)memcpy((uint8_t *)m->stage + m->staged, data, k);
        m->staged += k;
        if (m->staged == MUSTER_BLOCK) {
            store(m);
        }
        data += k;
        n -= k;
    }
}

/* ---- the state of an update ---- */

/* missing is the first chunk that is not there, in the Offer's unit. */
OUT_OF_LINE static uint32_t missing(const muster_t *m) { return m->held == m->rec.size ? m->count : m->held >> m->shift; }

/* more keeps the line busy: it asks when half of what may be under way has arrived. */
static void more(muster_t *m)
{
    uint32_t credit = MUSTER_WINDOW > 0 ? MUSTER_WINDOW : 1;
    uint32_t under_way = m->asked - missing(m);
    uint32_t n = m->count - m->asked;
    await(m, WANT);
    if (n == 0u || under_way > credit / 2u) {
        return;
    }
    credit -= under_way;
    n = n < credit ? n : credit;
    map(m, "want");
    put_image(m);
    put_uint(m, 1, m->asked);
    put_uint(m, 2, n);
    (void)send(m, 0);
    m->asked += n;
}

/* again asks from the first missing chunk on. */
static void again(muster_t *m)
{
    m->asked = missing(m);
    more(m);
}

/* may asks the application; an answer of later comes back by the timer. */
static int32_t may(muster_t *m, const muster_offer *o)
{
    int32_t answer = m->port->may == NULL ? 0 : m->port->may(m, o, m->declines);
    if (answer < 0) {
        if (o != NULL) {
            muster_takes(m, false);
        }
        arm_seconds(m, ASK, 0u - (uint32_t)answer);
    }
    return answer;
}

/* apply asks the application, then announces the restart. */
static void apply(muster_t *m)
{
    int32_t answer = may(m, NULL);
    if (answer < 0) {
        /* asked again when the timer is due */
    } else if (answer > 0) {
        fail(m, (int)answer);
    } else {
        m->apply_id = (uint32_t)report(m, IS_APPLYING, 0);
        m->state = APPLYING;
        await(m, APPLY);
    }
}

/* install marks the image for a test and restarts. The record is ahead of the boot
 * loader, so that the next start knows of the test whenever the power fails. */
static void install(muster_t *m)
{
    int err;
    m->rec.from = hash_of_text(m->self->version);
    err = enter(m, MARKED, 0, 0);
    if (err == 0) {
        err = m->port->boot(m, MUSTER_TEST);
    }
    if (err != 0) {
        fail(m, err);
        return;
    }
    (void)enter(m, TESTED, 0, 0); /* MARKED will do */
    (void)m->port->boot(m, MUSTER_RESTART);
}

/* complete: all bytes came. They are hashed as the flash holds them, a part per tick. */
static void complete(muster_t *m)
{
    disarm(m, WANT);
    if (m->staged != 0u) {
        (void)memset((uint8_t *)m->stage + m->staged, 0xff, MUSTER_BLOCK - m->staged);
        store(m);
        if (m->state != LOADING) {
            return; /* it failed */
        }
    }
    m->rec.held = m->rec.size;
    (void)save(m);
    m->state = CHECKING;
    m->asked = 0;
    m->port->sha256(m, MUSTER_SHA_START, NULL, 0);
}

/* check hashes the next part of the image, and after the last compares. */
static void check(muster_t *m)
{
    uint8_t *part = &m->out[m->prefix];
    uint32_t n = m->rec.size - m->asked;
    uint32_t room = MUSTER_BUFFER - (uint32_t)m->prefix;
    int err;
    n = n < room ? n : room;
    err = m->port->read(m, m->asked, part, n);
    m->port->sha256(m, MUSTER_SHA_ADD, part, n);
    m->asked += n;
    if (err == 0 && m->asked == m->rec.size) {
        m->port->sha256(m, MUSTER_SHA_END, part, sizeof m->rec.what.digest);
        if (memcmp(part, m->rec.what.digest, sizeof m->rec.what.digest) == 0) {
            (void)report(m, IS_STORED, 0);
            m->state = HOLDING;
            apply(m);
            return;
        }
        err = MUSTER_DIGEST;
    }
    if (err != 0) {
        fail(m, err);
    }
}

static void greet(muster_t *m);

OUT_OF_LINE static bool same_image(const muster_t *m) { return memcmp(m->rec.what.image, m->msg.what.image, sizeof m->rec.what.image) == 0; }

/* adopt makes the offered image the one the slot is for. The record forgets what the slot
 * held before anything of it is erased. */
static int adopt(muster_t *m)
{
    m->rec.size = m->msg.size;
    m->rec.held = m->held = m->stored = m->erased = 0;
    m->staged = 0;
    return enter(m, PART, 0, 0);
}

/* offered takes an Offer that agrees with itself. */
static int offered(muster_t *m)
{
    const muster_offer *o = &m->msg;
    bool part = m->rec.phase == PART && m->rec.size == o->size && same_image(m);
    int32_t err = MUSTER_TOO_LARGE;
    unsigned shift = 7;
    while (shift < 16u && o->CHUNK_SIZE != 1ul << shift) {
        shift++;
    }
    if (o->CHUNK_SIZE != 1ul << shift || o->size == 0u || o->FIRST > o->COUNT ||
        (o->size != 0xffffffffu && (o->size - 1u) >> shift != o->COUNT - 1u) ||
        memcmp(o->what.image, o->what.digest, sizeof o->what.image) != 0) {
        return MUSTER_MALFORMED;
    }
    if (m->state >= APPLYING) {
        return MUSTER_OK;
    }
    greet(m);
    if (m->trial) {
        return MUSTER_OK; /* the slot holds what the boot loader falls back to */
    }
    if (o->size <= m->self->max_image) {
        err = may(m, o);
    }
    if (err < 0) {
        return MUSTER_OK;
    }
    m->rec.what = o->what;
    if (err == 0 && !part) {
        err = adopt(m);
    }
    if (err != 0) {
        fail(m, (int)err);
        return MUSTER_OK;
    }
    idle(m);
    m->state = LOADING;
    m->shift = (uint8_t)shift;
    m->count = o->COUNT;
    m->asked = missing(m);
    if (m->asked == m->count) {
        complete(m);
        return MUSTER_OK;
    }
    /* What was pushed is under way, unless what is missing comes before it. */
    if (o->FIRST <= m->asked) {
        uint32_t pushed = o->FIRST + MUSTER_WINDOW;
        pushed = pushed < m->count ? pushed : m->count;
        m->asked = pushed > m->asked ? pushed : m->asked;
    }
    more(m);
    return MUSTER_OK;
}

/* chunk_begins decides how many of the n bytes of chunk INDEX are to be skipped: all,
 * unless it is the next one, or of another size than that. */
static void chunk_begins(muster_t *m, uint32_t n)
{
    uint32_t start = m->msg.INDEX << m->shift;
    uint32_t size = m->rec.size - start;
    uint32_t whole = 1ul << m->shift;
    bool wanted = m->state == LOADING && (m->seen & 3u) == 3u && m->msg.INDEX < m->count && same_image(m) &&
                  n == (size < whole ? size : whole) && m->held >= start;
    m->skip = wanted ? m->held - start : n;
}

static void chunk_data(muster_t *m, const uint8_t *data, uint32_t n)
{
    uint32_t skip = m->skip < n ? m->skip : n;
    m->skip -= skip;
    if (n > skip && m->state == LOADING) {
        await(m, WANT);
        take(m, data + skip, n - skip);
    }
}

static void chunk_ends(muster_t *m)
{
    if (m->state != LOADING) {
        /* not wanted, or it failed */
    } else if (m->held == m->rec.size) {
        complete(m);
    } else {
        more(m);
    }
}

static void stopped(muster_t *m)
{
    bool other = (m->seen & 4u) != 0u && memcmp(m->msg.what.update, m->rec.what.update, sizeof m->rec.what.update) != 0;
    if (m->state < APPLYING && !other && same_image(m)) {
        idle(m); /* what is stored stays: the image may be offered again */
    }
    if (m->msg.REASON == MUSTER_NOT_NOW) {
        muster_hello(m);
    }
}

/* ---- Hello and Welcome ---- */

static void hello(muster_t *m)
{
    const muster_self *s = m->self;
    const muster_record_ *r = &m->rec;
    uint32_t next = (m->held == r->size ? m->held + (MUSTER_CHUNK - 1u) : m->held) / MUSTER_CHUNK;
    map(m, "hello");
    put_uint(m, 0, 1);
    put_text(m, 1, s->version);
    put_text(m, 2, s->product);
    if (s->digest != NULL) {
        put_pair(m, KEY(3u, BYTES), 32, s->digest);
    }
    if (MUSTER_CHUNK != DEFAULT_CHUNK) {
        put_uint(m, 4, MUSTER_CHUNK);
    }
    if (MUSTER_WINDOW != DEFAULT_WINDOW) {
        put_uint(m, 5, MUSTER_WINDOW);
    }
    if (r->phase == PART && next != 0u) {
        put_pair(m, KEY(6u, ARRAY), 2, NULL);
        put_item(m, BYTES, sizeof r->what.image, r->what.image);
        put_item(m, UINT, next, NULL);
    }
    put_uint(m, 7, s->max_image);
    if (m->declines) {
        put_pair(m, KEY(8u, SIMPLE), 20, NULL); /* false */
    }
    if (r->phase >= TESTED) {
        put_pair(m, KEY(9u, ARRAY), 3, NULL);
        put_item(m, BYTES, sizeof r->what.update, r->what.update);
        put_item(m, UINT, r->outcome, NULL);
        put_item(m, UINT, r->reason, NULL);
    }
    put_text(m, 10, s->hardware);
    put_raw(m, 11, s->facts, s->facts_len);
    put_uint(m, 12, m->nonce);
}

OUT_OF_LINE static void say_hello(muster_t *m)
{
    if (m->state >= APPLYING) {
        return; /* the next start says it: here it would be a failed update */
    }
    hello(m);
    (void)send(m, 0);
    m->greeted = false;
    arm(m, HELLO, ANSWER_WAIT << m->hellos);
    if (m->hellos < MOST_DOUBLINGS) {
        m->hellos++;
    }
}

/* keep makes the running image permanent. */
static int keep(muster_t *m)
{
    int err = m->port->boot(m, MUSTER_KEEP);
    if (err == 0) {
        m->trial = false;
        (void)enter(m, ENDED, CONFIRMED, 0);
    }
    return err;
}

/* greet: the server answered. That proves that the image that runs can be updated, and
 * that the outcome was reported. */
static void greet(muster_t *m)
{
    if (m->greeted) {
        return;
    }
    m->greeted = true;
    m->hellos = 0;
    disarm(m, HELLO);
    (void)muster_healthy(m);
    if (m->rec.phase == ENDED) {
        (void)enter(m, EMPTY, 0, 0);
    }
}

static void welcomed(muster_t *m)
{
    const muster_offer *w = &m->msg;
    if ((m->seen & 1u) != 0u && w->NONCE != m->nonce) {
        return; /* it answers a Hello of an earlier start */
    }
    if (!m->greeted) {
        greet(m);
        if (w->AGAIN != 0u) {
            arm_seconds(m, HELLO, w->AGAIN);
        }
    } else if (w->REASON == MUSTER_NOT_NOW && (m->seen & 5u) == 0u) {
        muster_hello(m);
    } else {
        /* reported again */
    }
    if (m->port->welcome != NULL) {
        m->port->welcome(m, w->TIME, w->REASON);
    }
}

/* ---- CBOR in ---- */

/* A field: the major types its value may have, and the number of bits of a UINT, the
 * length of BYTES (0: data), where it goes in msg. */
typedef struct {
    uint8_t majors, n, to;
} field;

#define NUMBER(bits, member) {1u << UINT, bits, (uint8_t)offsetof(muster_offer, member)}
#define FIXED(bytes, member) {1u << BYTES, bytes, (uint8_t)offsetof(muster_offer, member)}
#define VERSION {1u << UINT | 1u << TEXT, 31, (uint8_t)offsetof(muster_offer, number)}
#define WORDS {1u << TEXT, 0, 0}
#define DATA {1u << BYTES, 0, 0}

static const field fields[] = {
    /* welcome */
    NUMBER(64, NONCE), NUMBER(32, TIME), VERSION, WORDS, NUMBER(16, REASON), NUMBER(31, AGAIN),
    /* offer */
    FIXED(16, what.update), VERSION, FIXED(8, what.image), NUMBER(64, size), FIXED(32, what.digest),
    NUMBER(32, CHUNK_SIZE), NUMBER(32, COUNT), NUMBER(32, FIRST),
    /* chunk */
    FIXED(8, what.image), NUMBER(32, INDEX), DATA,
    /* stop */
    FIXED(8, what.image), NUMBER(16, REASON), FIXED(16, what.update),
};

/* The messages: their topic, where their fields begin, how many they have, which are
 * required (bit k: key k), and how many times 512 bytes they have at most. */
static const struct muster_message_ {
    char name[8];
    uint8_t first, count, required, limit;
} messages[] = {
    {"welcome", 0, 6, 0x02, MAX_HELLO / 512u},
    {"offer", 6, 8, 0xff, MAX_HELLO / 512u},
    {"chunk", 14, 3, 0x07, MAX_CHUNK / 512u + 1u},
    {"stop", 17, 3, 0x03, MAX_CONTROL / 512u},
    {"cmd/", 0, 0, 0, MAX_COMMAND / 512u},
};

#define NO_KEY 0xffu

/* item_ends closes the containers that end with it. depth 0 is the end of the message. */
static void item_ends(muster_t *m)
{
    while (--m->items[m->depth - 1u] == 0u && --m->depth > 0u) {
    }
}

/* value tells whether the item that begins may be the value of its key, and keeps it
 * unless it is a string. */
static bool value(muster_t *m, unsigned major)
{
    const field *f = fields;
    uint32_t n = m->lo;
    if (m->key >= messages[m->kind].count) {
        return true;
    }
    f += messages[m->kind].first + m->key;
    m->to = f->to;
    if ((f->majors >> major & 1u) == 0u) {
        return false;
    }
    if (major == UINT) {
        (void)memcpy((uint8_t *)&m->msg + f->to, &n, sizeof n);
        return f->n > 32u || (!m->big && (f->n == 32u || n >> f->n == 0u));
    }
    if (major == TEXT) {
        if (f->n == 0u) {
            return n <= MAX_TEXT;
        }
        m->to = (uint8_t)offsetof(muster_offer, text);
        m->room = (uint8_t)(sizeof m->msg.text - 1u);
        return n - 1u < MAX_WORD;
    }
    m->room = f->n;
    if (f->n != 0u) {
        return f->n == n;
    }
    m->data = true;
    chunk_begins(m, n);
    return n - 1u < MAX_CHUNK;
}

/* item takes one whose head and argument are read. */
static bool item(muster_t *m)
{
    unsigned major = m->head >> 5;
    m->data = false;
    m->room = 0;
    if (m->big) {
        m->lo = 0xffffffffu;
    }
    if (m->depth == 0u) {
        if (major != MAP) {
            return false;
        }
    } else if (m->depth == 1u) {
        if ((m->items[0] & 1u) != 0u) {
            if (!value(m, major)) {
                return false;
            }
        } else {
            m->key = NO_KEY;
            if (major == UINT && m->lo < 32u) {
                uint32_t bit = 1ul << m->lo;
                m->key = (uint8_t)m->lo;
                if ((m->seen & bit) != 0u) {
                    return false;
                }
                m->seen |= bit;
            }
        }
    } else {
        /* within the value of an unknown key */
    }
    if (major == BYTES || major == TEXT) {
        m->tail = 0;
        m->left = m->lo;
        if (m->left != 0u) {
            return m->left <= m->total - m->at;
        }
    } else if (major == ARRAY || major == MAP) {
        if (m->lo > MAX_ELEMENTS || m->depth == MAX_NESTING) {
            return false;
        }
        if (m->lo != 0u) {
            m->items[m->depth] = (uint8_t)(m->lo << (major - ARRAY));
            m->depth++;
            return true;
        }
        if (m->depth == 0u) {
            return false; /* every message has a key */
        }
    } else if (major == TAG || (m->head == 0xf8u && m->lo < 32u)) {
        return false; /* RFC 8949 §3.3 */
    } else {
        /* nothing but its head */
    }
    item_ends(m);
    return true;
}

/* utf8 checks the next byte of a text for its place in a character. */
static bool utf8(muster_t *m, uint8_t b)
{
    if (m->tail > 0u) {
        m->tail--;
        return (b & 0xc0u) == 0x80u;
    }
    if (b >= 0x80u) {
        m->tail = b < 0xe0u ? 1u : b < 0xf0u ? 2u : 3u;
        return b >= 0xc2u && b < 0xf5u;
    }
    return true;
}

/* byte takes the next byte, which is not chunk data. */
static bool byte(muster_t *m, uint8_t b)
{
    if (m->left > 0u) {
        uint32_t at = m->lo - m->left;
        m->left--;
        if (m->head >> 5 == TEXT && (!utf8(m, b) || m->tail > m->left)) {
            return false;
        }
        if (at < m->room) {
            ((uint8_t *)&m->msg)[m->to + at] = b;
        }
        if (m->left == 0u) {
            item_ends(m);
        }
        return true;
    }
    if (m->need > 0u) {
        m->big = m->big || m->lo >> 24 != 0u;
        m->lo = (m->lo << 8) | b;
        m->need--;
    } else {
        m->head = b;
        m->big = false;
        m->lo = b & 31u;
        if (m->lo >= 24u) {
            m->need = (uint8_t)(1u << (m->lo - 24u));
            m->lo = 0;
        }
        if (m->need > 8u || (m->depth == 0u && m->at > 1u)) {
            return false; /* reserved, an indefinite length, or bytes left over */
        }
    }
    return m->need > 0u || item(m);
}

/* feed takes the next n bytes of the message. */
OUT_OF_LINE static bool feed(muster_t *m, const uint8_t *data, uint32_t n)
{
    while (n > 0u) {
        uint32_t k = 1;
        if (m->left > 0u && m->data) {
            k = m->left < n ? m->left : n;
            chunk_data(m, data, k);
            m->at += k;
            m->left -= k;
            if (m->left == 0u) {
                item_ends(m);
            }
        } else {
            m->at++;
            if (!byte(m, *data)) {
                return false;
            }
        }
        data += k;
        n -= k;
    }
    return true;
}

/* finish takes a message that is whole. */
static int finish(muster_t *m)
{
    unsigned kind = m->kind;
    uint8_t required = messages[kind].required;
    m->kind = NOTHING;
    if (m->depth != 0u || (m->seen & required) != required) {
        return MUSTER_MALFORMED;
    }
    if (kind == WELCOME) {
        welcomed(m);
    } else if (kind == CHUNK) {
        chunk_ends(m);
    } else if (kind == STOP) {
        stopped(m);
    } else {
        return offered(m);
    }
    return MUSTER_OK;
}

/* ---- topics and commands ---- */

/* begin reads the topic: d/{id}/down/{kind}, cmd/{n} or cmd/{n}/{name}. */
static unsigned begin(const muster_t *m, const char *t, size_t n)
{
    size_t prefix = (size_t)m->prefix + 2u; /* d/{id}/down/ is longer than d/{id}/up/ */
    unsigned k = n < prefix ? NOTHING : WELCOME;
    for (; k < NOTHING; k++) {
        size_t len = strlen(messages[k].name);
        if ((k == COMMAND ? n - prefix > len : n - prefix == len) && memcmp(&t[prefix], messages[k].name, len) == 0) {
            break;
        }
    }
    return k;
}

static uint32_t value_of(const char *digits)
{
    uint32_t n = 0;
    for (; *digits != '\0'; digits++) {
        n = n * 10u + (uint32_t)(*digits - '0');
    }
    return n;
}

/* command passes a fragment on. One that runs is not started again; one that was done is
 * passed on to be answered again. */
static void command(muster_t *m, const char *t, size_t len, muster_command *c)
{
    uint32_t n;
    if (c->at == 0u) {
        unsigned i = 0;
        for (t += m->prefix + 6u, len -= m->prefix + 6u; len > 0u && *t != '/' && i < sizeof m->number - 1u; t++, len--) {
            m->number[i++] = *t;
        }
        m->number[i] = '\0';
        if (len > 1u) {
            c->name = t + 1;
            c->name_len = len - 1u;
        }
    }
    n = value_of(m->number);
    c->again = n <= m->rec.command;
    if (m->port->command != NULL && (c->again || n > m->started)) {
        if (m->at == m->total && !c->again) {
            m->started = n;
        }
        m->port->command(m, c);
    }
}

/* ---- the functions of muster.h ---- */

int muster_in(muster_t *m, const char *topic, size_t topic_len, size_t total, size_t at, const void *data, size_t n)
{
    if (at == 0u) {
        m->need = m->depth = 0;
        m->at = m->left = m->seen = 0;
        (void)memset(&m->msg, 0, sizeof m->msg);
        m->total = (uint32_t)total;
        m->kind = (uint8_t)begin(m, topic, topic_len);
    }
    if (m->kind == NOTHING || at != m->at || n > m->total - m->at || m->total > messages[m->kind].limit * 512u || !m->up) {
        m->kind = NOTHING; /* a fragment is missing, or its start was refused */
    } else if (m->kind == COMMAND) {
        muster_command c = {m->number, NULL, 0, data, n, at, total, false};
        m->at += (uint32_t)n;
        command(m, topic, topic_len, &c);
        return MUSTER_OK;
    } else if (!feed(m, data, (uint32_t)n)) {
        m->kind = NOTHING;
    } else if (m->at == m->total) {
        return finish(m);
    } else {
        return MUSTER_OK;
    }
    return MUSTER_MALFORMED;
}

/* settle finds out what became of an update that was being applied: another version runs
 * after it, or the boot loader fell back. */
static void settle(muster_t *m)
{
    bool marked = m->rec.phase == MARKED;
    if (!marked && m->rec.phase != TESTED) {
        return;
    }
    if (m->rec.from != hash_of_text(m->self->version)) {
        m->trial = true;
        (void)enter(m, TESTED, CONFIRMED, 0);
    } else if (marked) {
        m->rec.phase = PART; /* the power failed first: all of it is there */
    } else {
        (void)enter(m, ENDED, ROLLED_BACK, MUSTER_ROLLED_BACK);
    }
}

int muster_init(muster_t *m, const muster_port *port, void *ctx, const muster_self *self)
{
    (void)memset(m, 0, sizeof *m);
    m->port = port;
    m->ctx = ctx;
    m->self = self;
    m->kind = NOTHING;
    m->random = self->seed ^ hash_of_text(self->id);
    m->nonce = self->seed | 0x80000000u;
    put_chars(m, "d/");
    put_chars(m, self->id);
    put_chars(m, "/up/");
    m->prefix = (uint8_t)m->out_at;
    m->declines = true; /* as long as a Hello gets: with keys 8 and 9 */
    m->rec.phase = ENDED;
    m->rec.reason = 0xffff;
    hello(m);
    if (m->out_at >= MUSTER_BUFFER) {
        return MUSTER_OVER_LIMIT;
    }
    m->declines = false;
    if (port->record(m, MUSTER_LOAD, &m->rec, MUSTER_RECORD) != 0 || m->rec.hash != hash_of_record(m)) {
        (void)memset(&m->rec, 0, sizeof m->rec);
    }
    settle(m);
    m->held = m->stored = m->erased = m->rec.held;
    m->started = m->rec.command;
    m->backoff = BACKOFF_MIN;
    return MUSTER_OK;
}

void muster_up(muster_t *m)
{
    m->up = true;
    m->since = now(m);
    m->hellos = 0;
    say_hello(m);
}

/* hurry ends the wait for the PUBACK of applying, if there is one. */
OUT_OF_LINE static void hurry(muster_t *m)
{
    if (m->due[APPLY] != 0u) {
        arm(m, APPLY, 0);
    }
}

uint32_t muster_down(muster_t *m, bool taken_over)
{
    uint32_t wait;
    if (m->greeted && now(m) - m->since >= TAKEOVER_PAUSE) {
        m->backoff = BACKOFF_MIN;
    }
    m->random = m->random * 1664525u + 1013904223u; /* its high bits are good enough to spread a fleet */
    wait = m->random >> (32u - m->backoff);
    if (m->backoff < BACKOFF_MAX) {
        m->backoff++;
    }
    m->up = m->greeted = false;
    m->kind = NOTHING;
    disarm(m, HELLO);
    if (m->state < APPLYING) {
        idle(m);
    }
    hurry(m); /* no PUBACK will come */
    return taken_over ? wait + TAKEOVER_PAUSE : wait;
}

void muster_acked(muster_t *m, uint16_t id)
{
    if (id == m->apply_id) {
        hurry(m);
    }
}

/* fire does what a timer waited for. */
OUT_OF_LINE static void fire(muster_t *m, unsigned timer)
{
    if (timer == APPLY) {
        install(m);
    } else if (timer == HELLO) {
        say_hello(m);
    } else if (timer == WANT) {
        again(m);
    } else if (m->state == HOLDING) {
        apply(m);
    } else {
        muster_takes(m, true);
    }
}

uint32_t muster_tick(muster_t *m)
{
    uint32_t next = LONGEST_WAIT;
    if (m->state == CHECKING) {
        check(m);
        next = 0;
    }
    for (unsigned i = 0; i < (unsigned)TIMERS; i++) {
        uint32_t left = m->due[i] - now(m);
        if (m->due[i] == 0u) {
            continue;
        }
        if (left - 1u >= LONGEST_WAIT) { /* 0, or past */
            disarm(m, i);
            fire(m, i);
            left = 0;
        }
        next = left < next ? left : next;
    }
    return next;
}

int muster_healthy(muster_t *m) { return m->trial ? keep(m) : 0; }

bool muster_on_trial(const muster_t *m) { return m->trial; }

void muster_takes(muster_t *m, bool on)
{
    m->declines = !on;
    if (m->declines && m->state < APPLYING) {
        idle(m);
    }
    map(m, "report");
    put_uint(m, 1, on ? UPDATES_ON : UPDATES_OFF);
    (void)send(m, 1);
}

void muster_hello(muster_t *m) { arm(m, HELLO, HELLO_PAUSE); }

int muster_done(muster_t *m, const char *n, const void *result, size_t len)
{
    uint32_t value = value_of(n);
    if (value > m->rec.command) {
        m->rec.command = value;
        (void)save(m);
    }
    named_topic(m, "done", n);
    return publish(m, result, len, 1);
}

int muster_alert(muster_t *m, uint32_t type, const char *text, const void *value, size_t len)
{
    map(m, "alert");
    put_uint(m, 0, type);
    put_text(m, 1, text);
    put_raw(m, 2, value, len);
    return send(m, 1);
}

int muster_message(muster_t *m, const char *name, const void *data, size_t len, int qos)
{
    named_topic(m, "msg", name);
    return publish(m, data, len, qos);
}
