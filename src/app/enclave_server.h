/* enclave_server.h: the server of the enclave, which PID 1 runs in a process of its own
 * (enclave/boot.h). Whoever links enclave_main.c gives it. */
#ifndef APP_ENCLAVE_SERVER_H
#define APP_ENCLAVE_SERVER_H

#include "enclave/server_process.h"

/* Runs confined (server_process_confine()) until the server ends; returns its exit status. */
server_entry enclave_server;

#endif
