/*
 * journal.h: keeps the record of muster.h (muster_port.record) on raw flash, atomically,
 * where there is no file system or settings store. It takes two sectors of at least one
 * entry each, and erases one of them once every sector / JOURNAL_ENTRY saves.
 *
 * An entry is 64 bytes: a sequence number, the record, and a check over both. A save
 * writes the next free entry; the newest whole one counts. A torn entry counts for
 * nothing, and the one before it still holds.
 */
#ifndef MUSTER_JOURNAL_H
#define MUSTER_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JOURNAL_ENTRY 64u
#define JOURNAL_RECORD (JOURNAL_ENTRY - 8u) /* bytes a record may have */

typedef struct {
    void *flash;     /* handed to the functions below */
    uint32_t sector; /* bytes, a multiple of JOURNAL_ENTRY; the journal is two of them */
    /* Offsets count from the journal's start; erase is for one sector, write for one
     * entry, read for one. Each returns 0 or a reason code. */
    int (*erase)(void *flash, uint32_t at, uint32_t n);
    int (*write)(void *flash, uint32_t at, const void *data, size_t n);
    int (*read)(void *flash, uint32_t at, void *data, size_t n);
} journal_t;

/* Copies the newest record to rec. Returns 0, or 6 if there is none. */
int journal_load(const journal_t *j, void *rec, size_t n);

/* Saves a record of n bytes. Returns 0, or the reason code of what failed. */
int journal_save(const journal_t *j, const void *rec, size_t n);

#ifdef __cplusplus
}
#endif

#endif
