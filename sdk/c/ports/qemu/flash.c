/* flash.c: see flash.h. */
#include "flash.h"

#include <string.h>

#include "semihost.h"

#define UNIT 16u  /* bytes written at once */
#define PAGE 256u /* bytes erased at once */
#define STORAGE 6 /* reason code: storage error */

static int file = -1;

int flash_open(const char *path)
{
    file = semihost_open(path);
    return file < 0 ? STORAGE : 0;
}

static int at_file(uint32_t at) { return semihost_seek(file, at) < 0 ? STORAGE : 0; }

int flash_read(uint32_t at, void *data, size_t n)
{
    return at_file(at) != 0 || semihost_read(file, data, n) != 0 ? STORAGE : 0;
}

int flash_erase(uint32_t at, uint32_t n)
{
    uint8_t blank[PAGE];
    uint32_t wear, counter = FLASH_WEAR + at / FLASH_SECTOR * 4u;
    (void)memset(blank, 0xff, sizeof blank);
    if (n != FLASH_SECTOR || at % n != 0u || flash_read(counter, &wear, sizeof wear) != 0) {
        return STORAGE;
    }
    wear++;
    if (at_file(counter) != 0 || semihost_write(file, &wear, sizeof wear) != 0) {
        return STORAGE;
    }
    for (uint32_t i = 0; i < n; i += PAGE) {
        if (at_file(at + i) != 0 || semihost_write(file, blank, PAGE) != 0) {
            return STORAGE;
        }
    }
    return 0;
}

int flash_write(uint32_t at, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint8_t before[64];
    if (n > sizeof before || n % UNIT != 0u || flash_read(at, before, n) != 0) {
        return STORAGE;
    }
    for (size_t i = 0; i < n; i++) {
        if (before[i] != 0xffu) {
            semihost_print("flash: written without being erased\n");
            semihost_exit(3);
        }
    }
    for (size_t i = 0; i < n; i += UNIT) {
        if (at_file(at + i) != 0 || semihost_write(file, p + i, UNIT) != 0) {
            return STORAGE;
        }
    }
    return 0;
}
