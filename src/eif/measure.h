/* measure.h: the registers that an image gives an enclave (AWS, "Where to get an enclave's
 * measurements"). What is in the header, the metadata and the signature is not measured, and
 * neither is where one section ends and the next begins: only the three registers together say
 * that. */
#ifndef EIF_MEASURE_H
#define EIF_MEASURE_H

#include "attest/pcr.h"
#include "eif/image.h"

struct eif_measurements {
    struct pcr image;       /* PCR0: kernel, command line and all ramdisks */
    struct pcr kernel;      /* PCR1: kernel, command line and the first ramdisk */
    struct pcr application; /* PCR2: the other ramdisks */
};

/* Takes the sections in the image's order, as AWS's tools do. */
struct eif_measurements eif_measure(const struct eif_image *image);

#endif
