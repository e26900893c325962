/* enclave.h: the actions of `containment-chamber enclave` that have a file of their own. */
#ifndef APP_ENCLAVE_H
#define APP_ENCLAVE_H

/* `enclave run`: starts an enclave and holds it until it ends. `arguments[0]` is "run". Gives the
 * exit code; the help is the caller's. */
int enclave_run(int count, char *const *arguments);

#endif
