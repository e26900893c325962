/* enclave_rules.h: settings that contradict each other where tee.platform is concerned. Each is one
 * of the checks of config/validate.h, in this order. */
#ifndef CONFIG_ENCLAVE_RULES_H
#define CONFIG_ENCLAVE_RULES_H

#include "base/detail.h"
#include "base/result.h"
#include "config/config.h"

#include <stdbool.h>

/* The settings are those of a signer in an enclave. */
bool enclave_rules_apply(const struct settings *settings);

/* BAD_INPUT: an enclave without attested TLS, or attested TLS without an enclave. */
RESULT enclave_rules_attested_tls(const struct config *config, struct detail *detail);

/* BAD_INPUT for every enclave: nothing of this version outlives one. */
RESULT enclave_rules_signer_state(const struct config *config, struct detail *detail);

/* BAD_INPUT: what an enclave does not have (files, a disk), and what it must not go without. */
RESULT enclave_rules_host(const struct config *config, struct detail *detail);

/* BAD_INPUT: a port of an enclave's that is left to chance. */
RESULT enclave_rules_ports(const struct config *config, struct detail *detail);

#endif
