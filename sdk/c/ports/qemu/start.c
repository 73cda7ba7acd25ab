/* start.c: from reset to main. */
#include <stdint.h>

#include "semihost.h"

extern uint32_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];

int main(void);
void reset(void);

void reset(void)
{
    uint32_t *from = data_from;
    for (uint32_t *to = data_begin; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_begin; to < bss_end; to++) {
        *to = 0;
    }
    semihost_exit(main());
}

static void fault(void)
{
    semihost_print("fault\n");
    semihost_exit(4);
}

void tick(void);
void uart_interrupt(void);

/* SysTick is exception 15, the UART interrupt 2, so exception 18. */
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, 0, 0, 0, 0, 0, 0, 0, (void *)fault, 0, 0, (void *)fault,
    (void *)tick, (void *)fault, (void *)fault, (void *)uart_interrupt,
};
