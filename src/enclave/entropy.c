#include "enclave/entropy.h"

#include "base/cleanup.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/random.h>

static const char random_path[] = "/dev/random";

/* struct rand_pool_info with its bytes behind it. */
struct credit {
    int entropy_count; /* bits */
    int buf_size;      /* bytes */
    uint8_t bytes[SECURITY_MODULE_RANDOM_SIZE];
};
_Static_assert(offsetof(struct credit, bytes) == offsetof(struct rand_pool_info, buf),
               "struct credit is laid out as the kernel reads it");

struct draws {
    uint8_t bytes[ENTROPY_DRAWS][SECURITY_MODULE_RANDOM_SIZE];
};

static void draws_wipe(struct draws *draws)
{
    secret_wipe(draws, sizeof(*draws));
}

static void credit_wipe(struct credit *credit)
{
    secret_wipe(credit, sizeof(*credit));
}

static bool is_constant(const uint8_t bytes[static SECURITY_MODULE_RANDOM_SIZE])
{
    uint8_t differences = 0;
    for (size_t i = 1; i < SECURITY_MODULE_RANDOM_SIZE; i++) {
        differences |= bytes[i] ^ bytes[0];
    }
    return differences == 0;
}

/* What a broken source looks like: chance gives neither in the age of the world. */
static RESULT look_at(const struct draws *draws)
{
    for (size_t i = 0; i < ENTROPY_DRAWS; i++) {
        ENSURE(!is_constant(draws->bytes[i]), REFUSED,
               "the security module's random bytes are all the same");
        for (size_t j = 0; j < i; j++) {
            ENSURE(!secret_equal(draws->bytes[i], draws->bytes[j], sizeof(draws->bytes[i])),
                   REFUSED, "the security module gave the same random bytes twice");
        }
    }
    return OK;
}

static RESULT draw(const struct security_module *module, struct draws *out)
{
    for (size_t i = 0; i < ENTROPY_DRAWS; i++) {
        TRY(module->random(module->context, out->bytes[i]));
    }
    return look_at(out);
}

static RESULT credit_all(int fd, const struct draws *draws, struct detail *detail)
{
    CLEANUP(credit_wipe)
    struct credit credit = {
        .entropy_count = 8 * SECURITY_MODULE_RANDOM_SIZE,
        .buf_size = SECURITY_MODULE_RANDOM_SIZE,
    };
    for (size_t i = 0; i < ENTROPY_DRAWS; i++) {
        memcpy(credit.bytes, draws->bytes[i], sizeof(credit.bytes));
        if (ioctl(fd, RNDADDENTROPY, &credit) != 0) {
            detail_set(detail, "%s (%s)", random_path, strerror(errno));
            return FAIL(UNAVAILABLE, "the kernel did not take random bytes");
        }
    }
    return OK;
}

RESULT entropy_seed(const struct security_module *module, struct detail *detail)
{
    CLEANUP(draws_wipe) struct draws draws = { 0 };
    TRY(draw(module, &draws));
    CLEANUP(fd_close_ptr) int fd = open(random_path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        detail_set(detail, "%s (%s)", random_path, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot be opened");
    }
    TRY(credit_all(fd, &draws, detail));
    SECRET proof = { { 0 } };
    ENSURE(getrandom(proof.bytes, sizeof(proof.bytes), GRND_NONBLOCK) ==
               (ssize_t)sizeof(proof.bytes),
           UNAVAILABLE, "the kernel's random number generator is not ready although it was seeded");
    return OK;
}
