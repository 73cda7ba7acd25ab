/*
 * muster.h: a Muster device in C99, without malloc, threads, globals or floating point.
 *
 * MQTT, TLS and the flash driver stay with the application; it provides the functions of
 * muster_port and passes on what its MQTT library receives. README.md has a complete
 * example. The protocol is docs/protocol.md of https://github.com/muster-iot/muster.
 *
 * Nothing here blocks or locks: call all functions of one muster_t from one thread. The
 * functions of the port are called from within them and must not call back into muster.h,
 * with one exception: `command` may call muster_done, and both `command` and `welcome`
 * may call muster_alert and muster_message.
 */
#ifndef MUSTER_H
#define MUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known when the firmware is built. Set what differs with -D. */
#ifndef MUSTER_CHUNK
#define MUSTER_CHUNK 1024 /* bytes: the largest chunk, a power of two, 128 to 65536 */
#endif
#ifndef MUSTER_WINDOW
#define MUSTER_WINDOW 8 /* chunks the server may send before it is asked: 0 to 64, 256 KiB at most */
#endif
#ifndef MUSTER_SECTOR
#define MUSTER_SECTOR 4096 /* bytes: the erase unit of the slot, a power of two */
#endif
#ifndef MUSTER_BLOCK
#define MUSTER_BLOCK 16 /* bytes written to the slot at once, a power of two */
#endif
#ifndef MUSTER_BUFFER
#define MUSTER_BUFFER 160 /* bytes: the longest topic with its message, see muster_init */
#endif

typedef struct muster muster_t;

/* Reason codes of the protocol. A port returns them for what it can't do. */
enum {
    MUSTER_OK = 0,
    MUSTER_TOO_LARGE = 3,
    MUSTER_DIGEST = 4,
    MUSTER_SIGNATURE = 5,
    MUSTER_STORAGE = 6,
    MUSTER_MEMORY = 7,
    MUSTER_WRONG_HARDWARE = 8,
    MUSTER_ROLLED_BACK = 9,
    MUSTER_MALFORMED = 11,
    MUSTER_OVER_LIMIT = 12,
    MUSTER_NOT_NOW = 14,
    MUSTER_OTHER = 255
};

/* What muster_port.record does. */
enum { MUSTER_LOAD, MUSTER_SAVE };

/* What muster_port.sha256 does. */
enum { MUSTER_SHA_START, MUSTER_SHA_ADD, MUSTER_SHA_END };

/* What muster_port.boot does. */
enum {
    MUSTER_TEST,   /* have the next restart try the image in the slot, once */
    MUSTER_RESTART, /* restart; may return if the application restarts later */
    MUSTER_KEEP    /* the image that runs is good: don't fall back any more */
};

/* Returned by muster_port.may: not now, ask again in so many seconds (at least 1). */
#define MUSTER_LATER(seconds) (-(int32_t)(seconds))

/* An image, and the update that brings it. */
typedef struct {
    uint8_t image[8], update[16];
    uint8_t digest[32]; /* SHA-256 of the image */
} muster_what;

/* An update, as muster_port.may sees it. The structure is also a work space of muster.c:
 * what is not described here is private. */
typedef struct {
    uint32_t size; /* bytes; 0xffffffff stands for that and more */
    uint32_t a_, b_, c_;
    uint32_t number; /* the version where it is a whole number: then text is "" */
    char text[24];   /* the version, cut after 23 bytes */
    muster_what what;
} muster_offer;

/* A command, or a fragment of one: len bytes from `at` on, of `total`. */
typedef struct {
    const char *n;    /* its number, for muster_done; copy it to answer later */
    const char *name; /* not terminated; NULL if it has none, or is not the first fragment */
    size_t name_len;
    const void *data;
    size_t len, at, total;
    bool again; /* it was done before, and its result got lost: only call muster_done */
} muster_command;

/*
 * What the application provides. Functions that return int return 0, or the reason code
 * that describes the failure. m->ctx is the pointer given to muster_init.
 */
typedef struct {
    /* Publishes n bytes with QoS 0 or 1, not retained. Returns the packet identifier
     * (0 for QoS 0), or -1 if it can't. It must copy what it does not send at once. */
    int (*publish)(muster_t *m, const char *topic, const void *data, size_t n, int qos);

    /* The slot for a new image. Offsets count from its start. Erase is called for one
     * sector at a time (n is MUSTER_SECTOR), write for one block (n is MUSTER_BLOCK, at is
     * a multiple of it, data is aligned for words), once after each erase; the last block
     * is padded with 0xff. Read may be called for any range. What write returned 0 for
     * has to survive a power loss. */
    int (*erase)(muster_t *m, uint32_t at, uint32_t n);
    int (*write)(muster_t *m, uint32_t at, const void *data, size_t n);
    int (*read)(muster_t *m, uint32_t at, void *data, size_t n);

    /* Loads or saves one record of n bytes (MUSTER_RECORD), atomically: after a power
     * loss it has the old or the new content. journal.h does that on raw flash. */
    int (*record)(muster_t *m, int op, void *rec, size_t n);

    /* The boot loader: MUSTER_TEST, MUSTER_RESTART, MUSTER_KEEP. */
    int (*boot)(muster_t *m, int op);

    /* Milliseconds of a clock that only goes forward. It may wrap around. */
    uint32_t (*ms)(muster_t *m);

    /* SHA-256: start; add n bytes at io; end, and write 32 bytes to io. sha256.h has one. */
    void (*sha256)(muster_t *m, int op, void *io, size_t n);

    /* Optional, else NULL. May this be downloaded now (offer is what), or may the device
     * restart into it (offer is NULL)? Returns 0, MUSTER_LATER(seconds), or the reason
     * code for never. forced: an operator overrides "not now". */
    int32_t (*may)(muster_t *m, const muster_offer *offer, bool forced);

    /* Optional. A command of an operator. Answer with muster_done, now or later; finish
     * commands in the order of their numbers. */
    void (*command)(muster_t *m, const muster_command *c);

    /* Optional. The server answered: seconds since 1970, and the reason code why no
     * update starts although one is due (0: none). */
    void (*welcome)(muster_t *m, uint32_t time, unsigned reason);
} muster_port;

/* What the device is. Strings and pointers have to stay valid. */
typedef struct {
    const char *id;        /* device id, at most 128 bytes; {gateway}/b/{id} behind a gateway */
    const char *version;   /* what runs: "7", or semantic like "1.4.0" */
    const char *product;   /* slug of the product it was built for, or NULL */
    const char *hardware;  /* hardware revision, or NULL */
    const uint8_t *digest; /* SHA-256 of the image file that runs, 32 bytes, or NULL */
    const uint8_t *facts;  /* an encoded CBOR map with text keys, or NULL */
    uint16_t facts_len;    /* at most 1024 bytes */
    uint32_t max_image;    /* bytes the slot holds, a multiple of MUSTER_SECTOR */
    uint32_t seed;         /* random, another one at every start */
} muster_self;

/* Everything below is private: the size is public so that the caller can own the memory. */

typedef struct {
    uint32_t hash;
    uint8_t phase, outcome;
    uint16_t reason;
    uint32_t held, size, command, from;
    muster_what what; /* the digest is not saved */
} muster_record_;

#define MUSTER_RECORD offsetof(muster_record_, what.digest) /* 48 bytes */

struct muster { /* in the order that takes the shortest Thumb instructions */
    bool trial;
    bool big;
    bool greeted;
    uint8_t backoff;
    bool data;
    uint8_t room;
    uint8_t hellos;
    uint8_t kind;
    uint8_t to;
    uint8_t shift;
    uint8_t head;
    bool declines;
    uint8_t need;
    uint8_t depth;
    bool up;
    uint8_t state;
    uint8_t key;
    uint8_t tail;
    uint8_t prefix;
    uint32_t total;
    uint32_t apply_id;
    const muster_port * port;
    uint32_t held;
    uint32_t out_from;
    uint32_t count;
    const muster_self * self;
    uint32_t asked;
    uint32_t erased;
    uint32_t due[4];
    uint32_t seen;
    uint32_t out_at;
    uint32_t left;
    uint32_t skip;
    uint32_t at;
    uint32_t stored;
    uint32_t staged;
    uint32_t lo;
    uint32_t nonce;
    muster_record_ rec;
    uint32_t started;
    char number[12];
    uint8_t items[4];
    muster_offer msg;
    uint32_t random;
    uint32_t since;
    void * ctx;
    uint32_t stage[MUSTER_BLOCK / 4];
    uint8_t out[MUSTER_BUFFER];
};

/*
 * Starts a device; call it once, first. Loads the record, and finds out how the last
 * update ended. Returns 0, or MUSTER_OVER_LIMIT if a Hello with these strings can outgrow
 * MUSTER_BUFFER.
 */
int muster_init(muster_t *m, const muster_port *port, void *ctx, const muster_self *self);

/* The connection is up (CONNACK). Says Hello. */
void muster_up(muster_t *m);

/*
 * The connection is lost, or could not be made. Returns how many ms to wait before the
 * next CONNECT: random, so that a fleet does not come back at once.
 */
uint32_t muster_down(muster_t *m, bool taken_over);

/*
 * A PUBLISH arrived, or n bytes of one from offset `at`, in order, of `total`. topic is
 * not terminated, and only looked at where `at` is 0. Returns 0, or the reason code why
 * the message was ignored, for a log.
 */
int muster_in(muster_t *m, const char *topic, size_t topic_len, size_t total, size_t at, const void *data, size_t n);

/* The PUBACK of that packet identifier arrived. */
void muster_acked(muster_t *m, uint16_t id);

/*
 * Does what is due. Returns in how many ms to call it again at the latest; calling it
 * earlier does no harm. Call it after each of the functions above, too.
 */
uint32_t muster_tick(muster_t *m);

/*
 * The application's self-test has passed: keeps the image that runs. Without it, the
 * first Welcome does. Returns what muster_port.boot returned, 0 if nothing was on trial.
 */
int muster_healthy(muster_t *m);

/* Whether the image that runs is new and neither kept by muster_healthy nor a Welcome. */
bool muster_on_trial(const muster_t *m);

/* From now on the device takes updates, or doesn't ("not now"). */
void muster_takes(muster_t *m, bool on);

/* Asks for a new decision: says Hello again. */
void muster_hello(muster_t *m);

/*
 * These publish with QoS 1 (a message: with qos) and return the packet identifier, or -1
 * if the device is not connected, the message is too long or publish failed. Its PUBACK
 * means that the server has stored it. Without one, send it again.
 */

/* The result of command n, which is now done and never started again. */
int muster_done(muster_t *m, const char *n, const void *result, size_t len);

/* An alert. text and value (an encoded CBOR item) may be NULL. */
int muster_alert(muster_t *m, uint32_t type, const char *text, const void *value, size_t len);

/* A device message; name may be NULL. */
int muster_message(muster_t *m, const char *name, const void *data, size_t len, int qos);

#ifdef __cplusplus
}
#endif

#endif
