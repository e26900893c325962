/* scripted_parent.h: a parent for the enclave's end of the bootstrap protocol, at the other end of
 * socket pairs: it says what the test says, and gives the test what it hears. Waits for a minute at
 * most; what does not come ends the program. */
#ifndef TESTS_UNIT_ENCLAVE_SCRIPTED_PARENT_H
#define TESTS_UNIT_ENCLAVE_SCRIPTED_PARENT_H

#include "enclave/bootstrap.h"

#include <stdatomic.h>
#include <stdbool.h>

struct parent {
    int streams[2];    /* a pipe of descriptors: the parent's ends */
    int log[2];        /* the pipe of the log */
    atomic_uint tries; /* how often the client has tried to connect */
    atomic_bool away;  /* nobody listens */
    atomic_bool cuts;  /* each stream is cut at once */
    int send_buffer;   /* of the client's ends; 0: the system's */
};

struct heard {
    enum bootstrap_type type;
    size_t size;
    char payload[BOOTSTRAP_LOG_MAX + 1]; /* and a NUL behind it */
};

void parent_init(struct parent *parent);
void parent_done(struct parent *parent);

/* A bootstrap_connect; `context` is the parent. */
int parent_connect(void *context);

/* The next stream, whose HELLO is heard: its nonce, if it is asked for. */
int parent_accept(struct parent *parent, uint8_t nonce_out[BOOTSTRAP_NONCE_SIZE]);

/* False: the stream was cut by the client. */
bool parent_says(int stream, enum bootstrap_type type, const void *payload, size_t size);
bool parent_sends(int stream, const void *bytes, size_t size);

/* False: the stream has ended. */
bool parent_hears(int stream, struct heard *out);
/* The next frame of that type. False: the stream ended before. */
bool parent_hears_type(int stream, enum bootstrap_type type, struct heard *out);
/* The client closes the stream, whatever it says before. */
bool parent_hears_end(int stream);

/* Writes to the log. */
void parent_logs(const struct parent *parent, const char *text);

/* The parent's first words: CONFIGURATION with this text. */
bool parent_configures(int stream, const char *text);

#endif
