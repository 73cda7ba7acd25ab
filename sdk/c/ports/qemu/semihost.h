/* semihost.h: what QEMU does for the firmware in place of a debugger: files and the
 * command line (Arm's "Semihosting for AArch32 and AArch64"). */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stddef.h>
#include <stdint.h>

void semihost_print(const char *text);
_Noreturn void semihost_exit(int code);
int semihost_open(const char *path); /* for reading and writing, -1 if it is not there */
int semihost_seek(int file, uint32_t at);
int semihost_write(int file, const void *data, size_t n); /* 0 when all was written */
int semihost_read(int file, void *data, size_t n);
int semihost_command_line(char *text, size_t size);

#endif
