#include "bls/bls.h"

#include "base/secret.h"

#include <assert.h>
#include <blst.h>

static const uint8_t scheme[] = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
enum { SCHEME_SIZE = sizeof(scheme) - 1, INFINITY_FLAG = 0x40 };

_Static_assert(sizeof(struct bls_point) == sizeof(blst_p2), "bls_point must hold a blst_p2");
_Static_assert(_Alignof(struct bls_point) >= _Alignof(blst_p2), "bls_point must align a blst_p2");

static void scalar_wipe(blst_scalar *scalar)
{
    secret_wipe(scalar, sizeof(*scalar));
}

RESULT bls_public_key(const uint8_t secret[static BLS_SECRET_SIZE],
                      uint8_t pubkey_out[static BLS_PUBKEY_SIZE])
{
    CLEANUP(scalar_wipe) blst_scalar scalar = { { 0 } };
    blst_p1 point;
    blst_scalar_from_bendian(&scalar, secret);
    bool valid = blst_sk_check(&scalar);
    DECLASSIFY(valid);
    ENSURE(valid, BAD_INPUT, "secret key is zero or not below the order of BLS12-381");
    blst_sk_to_pk_in_g1(&point, &scalar);
    blst_p1_compress(pubkey_out, &point);
    return OK;
}

void bls_hash(const uint8_t message[static BLS_MESSAGE_SIZE], struct bls_point *out)
{
    blst_hash_to_g2((blst_p2 *)out, message, BLS_MESSAGE_SIZE, scheme, SCHEME_SIZE, NULL, 0);
}

void bls_sign(const uint8_t secret[static BLS_SECRET_SIZE], const struct bls_point *message,
              uint8_t signature_out[static BLS_SIGNATURE_SIZE])
{
    CLEANUP(scalar_wipe) blst_scalar scalar = { { 0 } };
    blst_p2 signature;
    blst_scalar_from_bendian(&scalar, secret);
    blst_sign_pk_in_g1(&signature, (const blst_p2 *)message, &scalar);
    blst_p2_compress(signature_out, &signature);
    bool infinite = (signature_out[0] & INFINITY_FLAG) != 0;
    DECLASSIFY(infinite);
    assert(!infinite);
}

bool bls_verify(const uint8_t pubkey[static BLS_PUBKEY_SIZE],
                const uint8_t message[static BLS_MESSAGE_SIZE],
                const uint8_t signature[static BLS_SIGNATURE_SIZE])
{
    blst_p1_affine key;
    blst_p2_affine point;
    if (blst_p1_uncompress(&key, pubkey) != BLST_SUCCESS ||
        blst_p2_uncompress(&point, signature) != BLST_SUCCESS) {
        return false;
    }
    /* This one refuses points outside the groups, and the key at infinity. */
    return blst_core_verify_pk_in_g1(&key, &point, true, message, BLS_MESSAGE_SIZE, scheme,
                                     SCHEME_SIZE, NULL, 0) == BLST_SUCCESS;
}

bool bls_pubkey_is_valid(const uint8_t pubkey[static BLS_PUBKEY_SIZE])
{
    blst_p1_affine key;
    return blst_p1_uncompress(&key, pubkey) == BLST_SUCCESS && !blst_p1_affine_is_inf(&key) &&
           blst_p1_affine_in_g1(&key);
}
