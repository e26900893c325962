/* network_table.h: the presets and the public networks that the program knows by name, for
 * network.c. Data only; a test holds it against another implementation's. */
#ifndef ETH_NETWORK_TABLE_H
#define ETH_NETWORK_TABLE_H

#include "eth/network.h"

enum { NETWORK_PRESET_COUNT = 3, NETWORK_COUNT = 5 };

extern const struct preset network_presets[NETWORK_PRESET_COUNT];
extern const struct network network_table[NETWORK_COUNT];

#endif
