/*
 * flash.h: NOR flash in a file of the host, so that it outlives the machine. Erased bytes
 * are 0xff, and only those can be written: anything else ends the firmware. Writes reach
 * the file 16 bytes at a time and erases 256: when the machine is killed, what it was
 * doing is torn. Behind the bytes is a counter per sector: how often it was erased.
 */
#ifndef FLASH_H
#define FLASH_H

#include <stddef.h>
#include <stdint.h>

#define FLASH_SECTOR 4096u
#define FLASH_SLOT (2u << 20)                      /* bytes of the slot, at 0 */
#define FLASH_JOURNAL FLASH_SLOT                   /* two sectors: the record of muster.c */
#define FLASH_BOOT (FLASH_JOURNAL + 2u * FLASH_SECTOR) /* two sectors: of the boot loader */
#define FLASH_SIZE (FLASH_BOOT + 2u * FLASH_SECTOR)
#define FLASH_WEAR FLASH_SIZE /* where the counters are in the file */

int flash_open(const char *path);
int flash_erase(uint32_t at, uint32_t n);
int flash_write(uint32_t at, const void *data, size_t n);
int flash_read(uint32_t at, void *data, size_t n);

#endif
