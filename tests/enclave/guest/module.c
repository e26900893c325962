/* module.c: PID 1 that asks the real driver by src/enclave/nsm.c, and says on the console what each
 * call gave: "nsm: <call> <status number> <value>". */
#include "base/cleanup.h"
#include "base/hex.h"
#include "enclave/nsm.h"
#include "guest.h"

enum { RANDOM_SIZE = 1000, END_SIZE = 8 };

static void say(const char *call, struct result result, const void *bytes, size_t size)
{
    char text[HEX_TEXT_SIZE(PCR_SIZE)] = "-";
    if (is_ok(result) && size > 0) {
        hex_encode(bytes, size, text);
    }
    printf("nsm: %s %d %s\n", call, (int)result.status, text);
}

static void describe(const struct nsm *nsm)
{
    struct nsm_description found;
    struct result result = nsm_describe(nsm, &found);
    say("describe", result, &found.locked, sizeof(found.locked));
    printf("nsm: module %d %s\n", (int)result.status, is_ok(result) ? found.module_id : "-");
}

static void fill_random(const struct nsm *nsm)
{
    uint8_t bytes[RANDOM_SIZE] = { 0 };
    struct result result = nsm_random(nsm, bytes, sizeof(bytes));
    say("random", result, bytes + RANDOM_SIZE - END_SIZE, END_SIZE);
}

static void registers(const struct nsm *nsm)
{
    struct pcr value;
    bool locked = false;
    say("image", nsm_describe_pcr(nsm, PCR_IMAGE, &value, &locked), value.bytes, PCR_SIZE);
    say("image-locked", OK, &locked, sizeof(locked));
    say("beyond", nsm_describe_pcr(nsm, PCR_COUNT, &value, &locked), NULL, 0);
    say("extend-image", nsm_extend_pcr(nsm, PCR_IMAGE, "x", 1, &value), NULL, 0);
    say("extend", nsm_extend_pcr(nsm, PCR_CONFIGURATION, "configuration", 13, &value), value.bytes,
        PCR_SIZE);
    say("lock", nsm_lock_pcr(nsm, PCR_CONFIGURATION), NULL, 0);
    say("lock-again", nsm_lock_pcr(nsm, PCR_CONFIGURATION), NULL, 0);
    say("extend-locked", nsm_extend_pcr(nsm, PCR_CONFIGURATION, "x", 1, &value), NULL, 0);
    say("configuration", nsm_describe_pcr(nsm, PCR_CONFIGURATION, &value, &locked), value.bytes,
        PCR_SIZE);
}

static void attest(const struct nsm *nsm, const char *call, const struct attestation_claims *claims)
{
    BUF document = BUF_INIT(DOCUMENT_MAX);
    struct result result = nsm_attest(nsm, claims, &document);
    size_t size = document.size < END_SIZE ? document.size : END_SIZE;
    say(call, result, document.data + document.size - size, size);
}

int main(void)
{
    static const uint8_t bytes[DOCUMENT_PUBLIC_KEY_MAX];
    static const struct attestation_claims nothing;
    const struct attestation_claims longest = { .user_data = { bytes, DOCUMENT_USER_DATA_MAX },
                                                .nonce = { bytes, DOCUMENT_NONCE_MAX },
                                                .public_key = { bytes, DOCUMENT_PUBLIC_KEY_MAX } };
    struct nsm nsm;
    mount_all();
    say("open", nsm_open(NSM_DEVICE, &nsm, NULL), NULL, 0);
    describe(&nsm);
    fill_random(&nsm);
    registers(&nsm);
    attest(&nsm, "attest", &nothing);
    attest(&nsm, "attest-longest", &longest);
    nsm_close(&nsm);
    puts("nsm: done");
    heartbeat();
    end();
}
