/* validate.h: what no single value shows: settings that contradict or lack each other. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "base/detail.h"
#include "base/result.h"
#include "config/config.h"

/* Call it when all sources were read. BAD_INPUT with the setting and its origin in `detail`. */
RESULT config_validate(const struct config *config, struct detail *detail);

#endif
