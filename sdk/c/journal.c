/* journal.c: see journal.h. Nothing is kept in memory: a save reads the journal first,
 * which is what it costs not to be wrong after a power loss. */
#include "journal.h"

#include <stdbool.h>
#include <string.h>

#define STORAGE 6 /* reason code: storage error */

typedef struct {
    uint32_t sequence;
    uint8_t record[JOURNAL_RECORD];
    uint32_t check; /* of what is before it */
} entry;

typedef char entry_has_its_size[sizeof(entry) == JOURNAL_ENTRY ? 1 : -1];

/* place is where the newest entry is, and where the next goes. */
typedef struct {
    uint32_t at, next, sequence;
    bool found, clean; /* next is erased */
} place;

static uint32_t check_of(const entry *e)
{
    const uint8_t *p = (const uint8_t *)e;
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < offsetof(entry, check); i++) {
        c ^= p[i];
        for (unsigned bit = 0; bit < 8u; bit++) {
            c = (c >> 1) ^ (0xedb88320u & (0u - (c & 1u)));
        }
    }
    return ~c;
}

static bool is_erased(const entry *e)
{
    const uint8_t *p = (const uint8_t *)e;
    for (size_t i = 0; i < sizeof *e; i++) {
        if (p[i] != 0xffu) {
            return false;
        }
    }
    return true;
}

/* find reads the journal. Sequence numbers may wrap: the newest is the one that all others
 * are behind, and half of all numbers are. */
static int find(const journal_t *j, place *p)
{
    entry e;
    p->at = p->next = p->sequence = 0;
    p->found = p->clean = false;
    for (uint32_t at = 0; at < 2u * j->sector; at += JOURNAL_ENTRY) {
        int err = j->read(j->flash, at, &e, sizeof e);
        if (err != 0) {
            return err;
        }
        if (e.check == check_of(&e) && (!p->found || (int32_t)(e.sequence - p->sequence) > 0)) {
            p->found = true;
            p->at = at;
            p->sequence = e.sequence;
        }
    }
    if (!p->found) {
        return 0;
    }
    /* The next entry of the same sector that is free, past those that are torn. */
    for (p->next = p->at + JOURNAL_ENTRY; p->next % j->sector != 0u; p->next += JOURNAL_ENTRY) {
        int err = j->read(j->flash, p->next, &e, sizeof e);
        if (err != 0) {
            return err;
        }
        if (is_erased(&e)) {
            p->clean = true;
            return 0;
        }
    }
    p->next = p->at < j->sector ? j->sector : 0u;
    return 0;
}

int journal_load(const journal_t *j, void *rec, size_t n)
{
    entry e;
    place p;
    int err = find(j, &p);
    if (err == 0 && !p.found) {
        err = STORAGE;
    }
    if (err == 0) {
        err = j->read(j->flash, p.at, &e, sizeof e);
    }
    if (err == 0) {
        (void)memcpy(rec, e.record, n < JOURNAL_RECORD ? n : JOURNAL_RECORD);
    }
    return err;
}

int journal_save(const journal_t *j, const void *rec, size_t n)
{
    entry e, back;
    place p;
    int err;
    if (n > JOURNAL_RECORD) {
        return STORAGE;
    }
    err = find(j, &p);
    (void)memset(&e, 0, sizeof e);
    (void)memcpy(e.record, rec, n);
    e.sequence = p.sequence + 1u;
    e.check = check_of(&e);
    /* An entry that does not read back is passed over: at last the other sector is erased. */
    for (unsigned tries = 0; err == 0 && tries < 4u; tries++) {
        if (!p.clean) {
            p.next = p.next / j->sector * j->sector;
            err = j->erase(j->flash, p.next, j->sector);
        }
        if (err == 0) {
            err = j->write(j->flash, p.next, &e, sizeof e);
        }
        if (err == 0) {
            err = j->read(j->flash, p.next, &back, sizeof back);
        }
        if (err == 0 && memcmp(&back, &e, sizeof e) == 0) {
            return 0;
        }
        p.next += JOURNAL_ENTRY;
        p.clean = p.next % j->sector != 0u;
        if (!p.clean) {
            return STORAGE;
        }
    }
    return err != 0 ? err : STORAGE;
}
