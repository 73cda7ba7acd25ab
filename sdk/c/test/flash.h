/*
 * flash.h: flash as it misbehaves. Erased bytes are 0xff; a write unit is programmed once
 * per erase; what is written or erased when the power fails is torn. The power is cut at a
 * chosen operation by flash_t.lost, which does not return.
 */
#ifndef FLASH_H
#define FLASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *bytes;
    uint8_t *programmed; /* per byte: written since the last erase */
    uint32_t size, sector;
    uint32_t ops;  /* writes and erases so far, of this and all that share `shared` */
    uint32_t *shared;
    uint32_t cut;  /* the operation at which the power fails, 0 for never */
    int torn;      /* how: 0 before, 1 in the middle, 2 after it */
    uint32_t lie;  /* a write at this offset is not what was asked for; ~0 for never */
    uint32_t erases;
    void (*lost)(void);
} flash_t;

void flash_new(flash_t *f, uint32_t size, uint32_t sector, uint32_t *shared, void (*lost)(void));
void flash_free(flash_t *f);
int flash_erase(flash_t *f, uint32_t at, uint32_t n);
int flash_write(flash_t *f, uint32_t at, const void *data, size_t n);
int flash_read(flash_t *f, uint32_t at, void *data, size_t n);

#endif
