/* descriptor.h: Web3Signer's YAML key descriptors. Each document of a file is a mapping that says
 * where one key is: `type: file-raw` with `privateKey`, or `type: file-keystore` with
 * `keystoreFile` and `keystorePasswordFile`; `keyType: BLS` may be given. Other members are
 * ignored.
 *
 * A private key goes from the caller's text straight into secret memory. libyaml, which copies what
 * it reads into memory that nobody wipes, is given a copy of the text in which every run of eight
 * or more hexadecimal digits is blanked, and values are then taken from the caller's text by their
 * place. The price: values must be on one line and without escapes. */
#ifndef KEYSTORE_DESCRIPTOR_H
#define KEYSTORE_DESCRIPTOR_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>

enum {
    DESCRIPTOR_SIZE_MAX = 1024 * 1024,    /* bytes of one file */
    DESCRIPTOR_DOCUMENTS_MAX = 10 * 1000, /* documents in one file */
    DESCRIPTOR_NESTING_MAX = 8,           /* levels in members that are ignored */
};

enum descriptor_type { DESCRIPTOR_RAW, DESCRIPTOR_KEYSTORE };

/* A part of the text that is being read; not NUL-terminated. */
struct descriptor_text {
    const char *at;
    size_t size;
};

/* What a document says. */
struct descriptor {
    size_t document; /* its number in the file: 1, 2, … */
    enum descriptor_type type;
    const struct secret32 *secret;        /* DESCRIPTOR_RAW; valid during the visit */
    struct descriptor_text keystore_file; /* DESCRIPTOR_KEYSTORE: not empty */
    struct descriptor_text password_file; /* DESCRIPTOR_KEYSTORE: not empty */
};

/* Is given every document that is not empty, in order. When `verdict` is not OK (BAD_INPUT), the
 * document cannot be used, `detail` names the member, and only `document` is set. */
typedef void descriptor_visit(const struct descriptor *descriptor, struct result verdict,
                              const struct detail *detail, void *context);

/* Visits the documents. BAD_INPUT: there is none, or the text is not YAML of the kind that is read
 * here
 * (`detail` says in what line): the documents before that place were visited. LIMIT: over a bound
 * above. UNAVAILABLE: no memory. */
RESULT descriptor_each(const char *text, size_t size, descriptor_visit *visit, void *context,
                       struct detail *detail);

#endif
