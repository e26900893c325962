/* memory_scan.h: looks for bytes in all memory that this process can write: heap, stack, static
 * data. To show that a secret left no copy behind. */
#ifndef TESTS_UNIT_KEYSTORE_MEMORY_SCAN_H
#define TESTS_UNIT_KEYSTORE_MEMORY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The needle is given with each byte XORed with this, so that it is not what it looks for. */
enum { MEMORY_SCAN_MASK = 0xa5 };

/* Times that the needle occurs. Prints where. */
size_t memory_scan(const uint8_t *masked_needle, size_t size);

/* False under sanitizers and valgrind, whose own memory is large and keeps what was freed. */
bool memory_scan_works(void);

#endif
