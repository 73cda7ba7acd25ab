/*
 * main.c: a bare-metal device on a Cortex-M0 with 16 KiB of RAM, as QEMU's micro:bit. Its
 * serial line carries MQTT. The command line is: id secret flash-file seed.
 */
#include <string.h>

#include "flash.h"
#include "journal.h"
#include "mqtt.h"
#include "muster.h"
#include "semihost.h"
#include "sha256.h"

#define KEEP_ALIVE 60u     /* seconds */
#define PING_EVERY 1000u   /* ms; the line does not tell when the connection has ended */
#define ANSWER_WAIT 3000u  /* ms for PINGRESP */
#define CONNECT_WAIT 1700u /* ms for CONNACK */
#define CONNECT_TRIES 6u
#define LINE_BACK 1500u    /* ms until QEMU has connected the line again; what is sent before is lost */
#define FIRST_VERSION 7u

/* What the boot loader remembers. A real one is MCUboot or the like, and swaps images; here
 * the bytes are only looked at, and the version stands for them. */
typedef struct {
    uint32_t running, next, fallback;
    uint8_t marked, on_test, unused[2];
} boot_t;

static muster_t device;
static muster_self self;
static mqtt_t mqtt;
static sha256_t sha;
static boot_t loader;
static uint32_t offered;
static char version[12];
static char arguments[256];
static char *argument[5];
static bool connected, lost;

/* ---- the clock: SysTick, which QEMU's nRF51 has, at 16 MHz ---- */

static volatile uint32_t clock_ms;

void tick(void);
void uart_interrupt(void);

void tick(void) { clock_ms += 10u; }

static void clock_start(void)
{
    volatile uint32_t *systick = (volatile uint32_t *)0xe000e010u;
    systick[1] = 160000u - 1u;
    systick[2] = 0;
    systick[0] = 7; /* the core's clock, with the interrupt */
}

/* ---- the serial line: the UART of an nRF51 ---- */

static volatile uint32_t *const uart = (volatile uint32_t *)0x40002000u;

enum { START_RX = 0x000 / 4, START_TX = 0x008 / 4, RX_READY = 0x108 / 4, TX_READY = 0x11c / 4, INTERRUPTS = 0x304 / 4,
       ENABLE = 0x500 / 4, RXD = 0x518 / 4, TXD = 0x51c / 4 };

#define RING 1024u /* bytes that wait for the main loop; QEMU waits while it is full */

static volatile uint8_t ring[RING];
static volatile uint32_t ring_in, ring_out;

static void receive_all(void)
{
    while (uart[RX_READY] != 0u && ring_in - ring_out < RING) {
        uart[RX_READY] = 0;
        ring[ring_in % RING] = (uint8_t)uart[RXD];
        ring_in++;
    }
}

void uart_interrupt(void)
{
    receive_all();
    if (ring_in - ring_out == RING) { /* until there is room again */
        uart[0x308 / 4] = 4;
    }
}

static void uart_start(void)
{
    uart[ENABLE] = 4;
    uart[START_RX] = 1;
    uart[START_TX] = 1;
    uart[INTERRUPTS] = 4;                         /* RX_READY */
    *(volatile uint32_t *)0xe000e100u = 1u << 2; /* NVIC */
}

static void uart_send(const void *data, size_t n)
{
    const uint8_t *p = data;
    for (; n > 0u; n--) {
        uart[TX_READY] = 0;
        uart[TXD] = *p++;
        while (uart[TX_READY] == 0u) {
        }
    }
}

/* uart_receive sleeps, if it may, until there is something or the clock ticks. */
static size_t uart_receive(uint8_t *data, size_t size, bool may_sleep)
{
    size_t n = 0;
    __asm volatile("cpsid i");
    if (may_sleep && ring_in == ring_out) {
        __asm volatile("wfi"); /* wakes up with interrupts masked, too */
    }
    __asm volatile("cpsie i" ::: "memory");
    while (n < size && ring_in != ring_out) {
        data[n++] = ring[ring_out % RING];
        ring_out++;
    }
    uart[INTERRUPTS] = 4;
    return n;
}

static void wait(uint32_t ms)
{
    uint32_t from = clock_ms;
    uint8_t stale[32];
    while (clock_ms - from < ms) {
        (void)uart_receive(stale, sizeof stale, true);
    }
}

/* ---- flash ---- */

static int journal_flash_erase(void *base, uint32_t at, uint32_t n) { return flash_erase(*(uint32_t *)base + at, n); }
static int journal_flash_write(void *base, uint32_t at, const void *data, size_t n) { return flash_write(*(uint32_t *)base + at, data, n); }
static int journal_flash_read(void *base, uint32_t at, void *data, size_t n) { return flash_read(*(uint32_t *)base + at, data, n); }

static uint32_t record_base = FLASH_JOURNAL, boot_base = FLASH_BOOT;
static const journal_t record_journal = {&record_base, FLASH_SECTOR, journal_flash_erase, journal_flash_write, journal_flash_read};
static const journal_t boot_journal = {&boot_base, FLASH_SECTOR, journal_flash_erase, journal_flash_write, journal_flash_read};

/* ---- the boot loader ---- */

static void boot_start(void)
{
    if (journal_load(&boot_journal, &loader, sizeof loader) != 0) {
        (void)memset(&loader, 0, sizeof loader);
        loader.running = FIRST_VERSION;
    }
    if (loader.on_test != 0u) {
        loader.on_test = 0;
        loader.running = loader.fallback;
    } else if (loader.marked != 0u) {
        loader.marked = 0;
        loader.on_test = 1;
        loader.fallback = loader.running;
        loader.running = loader.next;
    } else {
        return;
    }
    (void)journal_save(&boot_journal, &loader, sizeof loader);
}

static _Noreturn void restart(void)
{
    mqtt_disconnect(&mqtt);
    wait(100);
    *(volatile uint32_t *)0xe000ed0cu = 0x05fa0004u; /* AIRCR: SYSRESETREQ */
    for (;;) {
    }
}

/* ---- the port of muster.h ---- */

static int publish(muster_t *m, const char *topic, const void *data, size_t n, int qos)
{
    (void)m;
    return mqtt_publish(&mqtt, topic, data, n, qos);
}

static int slot_erase(muster_t *m, uint32_t at, uint32_t n)
{
    (void)m;
    return flash_erase(at, n);
}

static int slot_write(muster_t *m, uint32_t at, const void *data, size_t n)
{
    (void)m;
    return flash_write(at, data, n);
}

static int slot_read(muster_t *m, uint32_t at, void *data, size_t n)
{
    (void)m;
    return flash_read(at, data, n);
}

static int record(muster_t *m, int op, void *rec, size_t n)
{
    (void)m;
    return op == MUSTER_LOAD ? journal_load(&record_journal, rec, n) : journal_save(&record_journal, rec, n);
}

static int boot(muster_t *m, int op)
{
    (void)m;
    switch (op) {
    case MUSTER_TEST:
        loader.marked = 1;
        loader.next = offered;
        break;
    case MUSTER_KEEP:
        loader.on_test = 0;
        break;
    default:
        restart();
    }
    return journal_save(&boot_journal, &loader, sizeof loader);
}

static uint32_t ms(muster_t *m)
{
    (void)m;
    return clock_ms;
}

static void sha256(muster_t *m, int op, void *io, size_t n)
{
    (void)m;
    if (op == MUSTER_SHA_START) {
        sha256_start(&sha);
    } else if (op == MUSTER_SHA_ADD) {
        sha256_add(&sha, io, n);
    } else {
        sha256_end(&sha, io);
    }
}

static int32_t may(muster_t *m, const muster_offer *offer, bool forced)
{
    (void)m;
    (void)forced;
    if (offer != NULL) {
        offered = offer->number;
    }
    return 0;
}

static void command(muster_t *m, const muster_command *c)
{
    if (c->at + c->len == c->total) {
        (void)muster_done(m, c->n, "ok", 2);
    }
}

static const muster_port port = {publish, slot_erase, slot_write, slot_read, record, boot, ms, sha256, may, command, NULL};

/* ---- MQTT ---- */

static void on_connected(void *ctx, int code)
{
    (void)ctx;
    if (code == 0) {
        connected = true;
        muster_up(&device);
    } else {
        lost = true;
    }
}

static void on_message(void *ctx, const char *topic, size_t topic_len, size_t total, size_t at, const void *data, size_t n)
{
    (void)ctx;
    (void)muster_in(&device, topic, topic_len, total, at, data, n);
}

static void on_acked(void *ctx, uint16_t id)
{
    (void)ctx;
    muster_acked(&device, id);
}

/* converse serves a connection until its silence says that it is gone. QEMU keeps the line
 * connected while the device is silent, the server ends it after two seconds, and QEMU takes
 * one to connect it again: a CONNECT sent meanwhile is lost, and the next one is not. */
static void converse(void)
{
    uint8_t received[128];
    uint32_t said = clock_ms, heard = said, due = 1, tries = 1;
    connected = lost = false;
    mqtt_connect(&mqtt, argument[0], argument[1], KEEP_ALIVE);
    while (!lost) {
        size_t n = uart_receive(received, sizeof received, due > 0u);
        uint32_t at = clock_ms;
        if (n > 0u) {
            lost = !mqtt_received(&mqtt, received, n) || lost;
            heard = at;
        }
        if (connected) {
            due = muster_tick(&device);
        }
        if (connected && !mqtt.awaits_ping && at - said > PING_EVERY) {
            mqtt_ping(&mqtt);
            said = at;
        }
        if (mqtt.awaits_ping && at - said > ANSWER_WAIT && at - heard > ANSWER_WAIT) {
            lost = true;
        }
        if (!connected && !lost && at - said > CONNECT_WAIT) {
            lost = tries++ == CONNECT_TRIES;
            said = at;
            if (!lost) {
                mqtt_connect(&mqtt, argument[0], argument[1], KEEP_ALIVE);
            }
        }
    }
}

/* ---- */

static uint32_t number(const char *digits)
{
    uint32_t n = 0;
    while (*digits >= '0' && *digits <= '9') {
        n = n * 10u + (uint32_t)(*digits++ - '0');
    }
    return n;
}

static void print_number(char *text, uint32_t n)
{
    char digits[11];
    unsigned i = sizeof digits;
    digits[--i] = '\0';
    do {
        digits[--i] = (char)('0' + n % 10u);
        n /= 10u;
    } while (n > 0u);
    (void)memcpy(text, &digits[i], sizeof digits - i);
}

static int split(char *line)
{
    int n = 0;
    while (*line != '\0' && n < 5) {
        argument[n++] = line;
        while (*line != ' ' && *line != '\0') {
            line++;
        }
        if (*line == ' ') {
            *line++ = '\0';
        }
    }
    return n;
}

int main(void)
{
    if (semihost_command_line(arguments, sizeof arguments) != 0 || split(arguments) < 4 || flash_open(argument[2]) != 0) {
        semihost_print("usage: id secret flash-file seed\n");
        return 2;
    }
    clock_start();
    uart_start();
    boot_start();
    print_number(version, loader.running);
    self.id = argument[0];
    self.version = version;
    self.max_image = FLASH_SLOT;
    self.seed = number(argument[3]) ^ loader.running << 24;
    mqtt.send = uart_send;
    mqtt.connected = on_connected;
    mqtt.message = on_message;
    mqtt.acked = on_acked;
    if (muster_init(&device, &port, NULL, &self) != 0) {
        semihost_print("MUSTER_BUFFER is too small\n");
        return 2;
    }
    semihost_print("runs ");
    semihost_print(version);
    semihost_print("\n");
    wait(LINE_BACK);
    for (;;) {
        converse();
        uint32_t pause = muster_down(&device, false);
        (void)muster_tick(&device); /* an update that was being applied waits no longer */
        wait(LINE_BACK + pause);
    }
}
