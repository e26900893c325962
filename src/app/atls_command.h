/* atls_command.h: what the actions of `atls` share. */
#ifndef APP_ATLS_COMMAND_H
#define APP_ATLS_COMMAND_H

#include "app/atls_report.h"
#include "attest/verifier.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

/* "HOST:PORT"; BAD_INPUT otherwise. */
RESULT atls_read_address(const char *text, struct endpoint *out, struct detail *detail);

/* 1 to 3600 seconds; `text` NULL: `fallback`. */
RESULT atls_read_seconds(const char *option, const char *text, uint64_t fallback, unsigned *ms_out,
                         struct detail *detail);

/* Prints the report, and the reason of a refusal on stderr; gives the exit code. */
int atls_tell(bool as_json, const struct atls_finding *finding);

struct atls_server {
    const struct endpoint *endpoint;
    const struct expectations *wanted; /* now_seconds 0: the clock's */
    unsigned timeout_ms;
};

/* `atls verify HOST:PORT`, from connecting to the exit code. */
int atls_verify_server(const struct atls_server *server, bool as_json);

/* `atls proxy`. */
int command_atls_proxy(int count, char *const *arguments);

#endif
