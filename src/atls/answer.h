/* answer.h: what a server says to POST /attestation: {"document":"0x…"}, and nothing else. Strict
 * and bounded; what it gives is bytes of a stranger until attest/verifier.h agreed. */
#ifndef ATLS_ANSWER_H
#define ATLS_ANSWER_H

#include "attest/document.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the JSON; the document's hexadecimal and some room. */
enum { ANSWER_BODY_MAX = 2 * DOCUMENT_MAX + 256 };

struct answer;

struct answer *answer_new(void); /* NULL: no memory */
void answer_free(struct answer *answer);
DEFINE_CLEANUP(struct answer, answer_free);

/* Reads the next bytes from the server. `*whole_out`: the document was appended to `document`, and
 * the connection is as it was before the request. REFUSED, BAD_INPUT, LIMIT: the server has no such
 * document for us, or says something else, or more. */
RESULT answer_feed(struct answer *answer, const void *bytes, size_t size, bool *whole_out,
                   struct buf *document, struct detail *detail);

#endif
