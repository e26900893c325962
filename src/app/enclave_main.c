#include "app/enclave_server.h"
#include "enclave/boot.h"
#include "enclave/console.h"
#include "enclave/nsm_module.h"

enum { WRONG_CALL = 2 };

/* chamber-enclave: PID 1 of the enclave's image, and its server. */
int main(void)
{
#ifdef CHAMBER_DEVELOPMENT
    console_say("DEVELOPMENT BUILD: whoever has a key that is worth something keeps it from this");
#endif
    struct result refusal = boot_run(nsm_module_open, enclave_server);
    console_say_failure("start", NULL, refusal);
    return WRONG_CALL;
}
