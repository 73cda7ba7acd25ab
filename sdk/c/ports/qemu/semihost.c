/* semihost.c: see semihost.h. */
#include "semihost.h"

#include <string.h>

enum { OPEN = 0x01, WRITE0 = 0x04, WRITE = 0x05, READ = 0x06, SEEK = 0x0a, COMMAND_LINE = 0x15, EXIT = 0x20 };
enum { READ_AND_WRITE = 3 /* r+b */, APPLICATION_EXIT = 0x20026 };

static int call(int operation, const void *block)
{
    register int r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void semihost_print(const char *text) { (void)call(WRITE0, text); }

void semihost_exit(int code)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)code};
    (void)call(EXIT, block);
    for (;;) {
    }
}

int semihost_open(const char *path)
{
    const uint32_t block[3] = {(uint32_t)path, READ_AND_WRITE, (uint32_t)strlen(path)};
    return call(OPEN, block);
}

int semihost_seek(int file, uint32_t at)
{
    const uint32_t block[2] = {(uint32_t)file, at};
    return call(SEEK, block);
}

int semihost_write(int file, const void *data, size_t n)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, (uint32_t)n};
    return call(WRITE, block);
}

int semihost_read(int file, void *data, size_t n)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, (uint32_t)n};
    return call(READ, block);
}

int semihost_command_line(char *text, size_t size)
{
    uint32_t block[2] = {(uint32_t)text, (uint32_t)size};
    return call(COMMAND_LINE, block);
}
