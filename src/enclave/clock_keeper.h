/* clock_keeper.h: keeps the system's wall clock at the hypervisor's time.
 *
 * What time decides in here: which slots may be signed for when the store cannot be trusted, and
 * which certificates are valid. So it is set once, before the server lives, and from then on hardly
 * moves: small differences are slewed, greater ones stepped and told, and one that no crystal
 * explains ends the enclave, as does a sum of steps that no crystal explains. Whoever holds the
 * source can move the clock by CLOCK_KEEPER_STEPS_MAX and by what slewing allows (the kernel: 500
 * parts in a million), not more. */
#ifndef ENCLAVE_CLOCK_KEEPER_H
#define ENCLAVE_CLOCK_KEEPER_H

#include "enclave/trusted_time.h"

enum {
    CLOCK_KEEPER_PERIOD_S = 60,        /* between readings */
    CLOCK_KEEPER_SLEW_MAX_MS = 500,    /* difference that is slewed; above it is a step */
    CLOCK_KEEPER_STEP_MAX_MS = 10000,  /* difference that ends the enclave: less than a slot */
    CLOCK_KEEPER_STEPS_MAX_MS = 60000, /* sum of all steps, in either direction */
    CLOCK_KEEPER_AGREE_MS = 10000,     /* between the two sources at the start */
    CLOCK_KEEPER_READ_MAX_MS = 1000,   /* a reading that took longer says nothing */
    CLOCK_KEEPER_FAILURES_MAX = 10,    /* readings in a row */
};

struct clock_keeper {
    struct trusted_time source;
    uint64_t stepped_ms; /* so far */
    unsigned failures;   /* in a row */
};

enum clock_move { CLOCK_MOVE_SLEW, CLOCK_MOVE_STEP, CLOCK_MOVE_REFUSE };

/* What a difference (trusted minus system, in nanoseconds) leads to, after `stepped_ms` of steps.
 */
enum clock_move clock_keeper_decide(int64_t difference_ns, uint64_t stepped_ms);

/* Sets the wall clock. Where there is a clock device, the security module's time must agree with
 * it. BAD_INPUT or REFUSED: no time to trust; UNAVAILABLE: no source, or the clock cannot be set.
 */
RESULT clock_keeper_start(const struct trusted_time *source, struct clock_keeper *out,
                          struct detail *detail);

/* Compares and corrects; once every CLOCK_KEEPER_PERIOD_S. OK with a text in `detail`: something
 * for the console (a step, a reading that failed); it is empty when there is nothing to say.
 * Otherwise the enclave has to end. */
RESULT clock_keeper_tick(struct clock_keeper *keeper, struct detail *detail);

#endif
