/* fuzz_eif_signature.c: the parts of an image's signature lie within it, it vouches for no register
 * but the one that it names, and written again from what was read it is read as the same. */
#include "eif/signature.h"

#include "base/buf.h"
#include "base/cbor.h"
#include "base/cleanup.h"
#include "eif/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static void hold_within(const struct eif_signature *signature, struct cbor_view part)
{
    hold(part.size == 0 || (part.bytes >= signature->cose && part.size <= signature->cose_size));
    hold(part.size == 0 || part.bytes + part.size <= signature->cose + signature->cose_size);
}

/* The section that our own builder would make of these parts. */
static void write_again(const struct eif_signature *signature, struct buf *out)
{
    BUF header = BUF_INIT(EIF_COSE_MAX);
    BUF payload = BUF_INIT(EIF_COSE_MAX);
    BUF cose = BUF_INIT(EIF_COSE_MAX);
    eif_signature_header(signature->certificate->curve, &header);
    eif_signature_payload(&signature->value, &payload);
    cbor_write_array(&cose, 4);
    cbor_write_bytes(&cose, header.data, header.size);
    cbor_write_map(&cose, 0);
    cbor_write_bytes(&cose, payload.data, payload.size);
    cbor_write_bytes(&cose, signature->mark.bytes, signature->mark.size);
    BIO *pem = BIO_new(BIO_s_mem());
    char *text = NULL;
    hold(pem != NULL && PEM_write_bio_X509(pem, signature->certificate->x509) == 1);
    long pem_size = BIO_get_mem_data(pem, &text);
    eif_signature_section(text, (size_t)pem_size, cose.data, cose.size, out);
    BIO_free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(eif_signature_free_ptr) struct eif_signature *signature = NULL;
    CLEANUP(eif_signature_free_ptr) struct eif_signature *again = NULL;
    struct detail detail = { "" };
    if (!is_ok(eif_signature_read(data, size, &signature, &detail))) {
        hold(signature == NULL && detail.text[0] != '\0');
        ERR_clear_error();
        return 0;
    }
    hold_within(signature, signature->header);
    hold_within(signature, signature->payload);
    hold_within(signature, signature->mark);
    bool holds = is_ok(eif_signature_check(signature, &signature->value));
    struct pcr other = signature->value;
    other.bytes[PCR_SIZE - 1] ^= 1;
    hold(!is_ok(eif_signature_check(signature, &other)));

    BUF section = BUF_INIT(4 * EIF_SIGNATURE_MAX);
    write_again(signature, &section);
    if (section.size <= EIF_SIGNATURE_MAX / 2) { /* PEM may be longer than it was */
        hold(is_ok(eif_signature_read((const uint8_t *)section.data, section.size, &again, NULL)));
        hold(pcr_equal(&again->value, &signature->value));
        hold(pcr_equal(&again->certificate->pcr, &signature->certificate->pcr));
        bool is_same = again->cose_size == signature->cose_size &&
                       memcmp(again->cose, signature->cose, again->cose_size) == 0;
        hold(!is_same || is_ok(eif_signature_check(again, &again->value)) == holds);
    }
    ERR_clear_error();
    return 0;
}
