/* Which edges of a compiled module have been gone: the compiler calls this at each of its blocks
 * (-fsanitize-coverage=trace-pc). Addresses are relative, so that a seed is the same campaign. */
#include <stdint.h>

#define SLOTS 65536u

static uint8_t gone[SLOTS];
static uint32_t last, fresh;

uint32_t fuzz_fresh(void);

__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void) {
    uint32_t at = (uint32_t)((uintptr_t)__builtin_return_address(0) - (uintptr_t)&fuzz_fresh);
    uint32_t slot = (at ^ last) % SLOTS;
    last = at >> 1;
    if (!gone[slot]) {
        gone[slot] = 1;
        fresh++;
    }
}

/* How many have been gone for the first time since this was asked last. */
uint32_t fuzz_fresh(void) {
    uint32_t count = fresh;
    fresh = last = 0;
    return count;
}
