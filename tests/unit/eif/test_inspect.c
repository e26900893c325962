#include "eif/inspect.h"

#include "eif_test.h"
#include "harness.h"

static const uint64_t now = 1780000000; /* while the certificates hold */

/* Every byte, but for a tenth of them under valgrind. */
#define STEP   (10 / harness_rounds(10))
#define REPORT CLEANUP(eif_report_done) struct eif_report

/* A small image with a signature; its certificate's PEM is `pem_size` bytes long. */
static struct result write_signed(struct buf *out, size_t *pem_size)
{
    IDENTITY identity = test_identity_new("P-384");
    CLEANUP(eif_signer_free_ptr) struct eif_signer *signer = NULL;
    BUF section = BUF_INIT(EIF_SIGNATURE_MAX);
    struct eif_image image = test_image();
    struct eif_measurements measured = eif_measure(&image);
    TRY(eif_signer_new(&identity.certificate, &identity.key, &signer, NULL));
    TRY(eif_signer_sign(signer, &measured.image, &section));
    TRY(eif_add(&image, EIF_SIGNATURE, section.data, section.size));
    *pem_size = identity.certificate.size;
    return eif_write(&image, out);
}

static struct result inspect(const struct buf *file, uint64_t at, struct eif_report *out)
{
    return eif_inspect((const uint8_t *)file->data, file->size, at, out, NULL);
}

/* The first finding of a file, or "". */
static const char *first_finding(const struct buf *file, uint64_t at)
{
    REPORT report = { .finding_count = 0 };
    if (!is_ok(inspect(file, at, &report))) {
        return "cannot be read";
    }
    return report.finding_count == 0 ? "" : report.findings[0].what;
}

TEST(a_good_image_has_no_findings)
{
    REPORT plain = { .finding_count = 0 };
    REPORT vouched = { .finding_count = 0 };
    BUF first = BUF_INIT(SMALL_IMAGE_MAX);
    BUF second = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image = test_image();
    struct pcr pcr;
    size_t pem_size = 0;
    CHECK_OK(eif_write(&image, &first));
    CHECK_OK(inspect(&first, now, &plain));
    CHECK(plain.finding_count == 0 && !plain.is_signed && plain.signature == NULL);
    CHECK_TEXT(plain.metadata.name, "n");
    CHECK(!eif_report_pcr(&plain, 8, &pcr));
    CHECK_OK(write_signed(&second, &pem_size));
    CHECK_OK(inspect(&second, now, &vouched));
    CHECK(vouched.finding_count == 0 && vouched.is_signed && vouched.signature_holds);
    CHECK(eif_report_pcr(&vouched, 8, &pcr) && !pcr_is_zero(&pcr));
    for (unsigned index = 0; index < 3; index++) {
        struct pcr same;
        CHECK(eif_report_pcr(&plain, index, &same) && eif_report_pcr(&vouched, index, &pcr));
        CHECK(pcr_equal(&same, &pcr));
    }
    CHECK(!eif_report_pcr(&vouched, 3, &pcr) && !eif_report_pcr(&vouched, 32, &pcr));
}

TEST(the_certificate_must_hold_at_the_time)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    size_t pem_size = 0;
    CHECK_OK(write_signed(&file, &pem_size));
    CHECK_TEXT(first_finding(&file, test_not_before), "");
    CHECK_TEXT(first_finding(&file, test_not_after), "");
    CHECK_TEXT(first_finding(&file, test_not_after + 1), "the signing certificate has expired");
    CHECK_TEXT(first_finding(&file, test_not_before - 1),
               "the signing certificate does not hold yet");
    REPORT report = { .finding_count = 0 };
    CHECK_OK(inspect(&file, test_not_after + 1, &report));
    CHECK(report.signature_holds);
    CHECK_TEXT(report.findings[0].where.text, "until 2027-01-01T00:00:00Z");
}

/* Of a signature that is no good the image can still be described. */
TEST(a_signature_that_cannot_be_read_or_is_of_another_image_is_a_finding)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image;
    size_t pem_size = 0;
    CHECK_OK(write_signed(&file, &pem_size));
    CHECK_OK(eif_read((const uint8_t *)file.data, file.size, &image, NULL));
    image.sections[0].bytes = (const uint8_t *)"Kernel";
    BUF other = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_write(&image, &other));
    CHECK_TEXT(first_finding(&other, now), "the signature is that of another image");
    REPORT report = { .finding_count = 0 };
    CHECK_OK(inspect(&other, now, &report));
    CHECK(report.is_signed && !report.signature_holds && report.finding_count == 1);
    image.sections[5].size--;
    BUF cut = BUF_INIT(SMALL_IMAGE_MAX);
    CHECK_OK(eif_write(&image, &cut));
    REPORT unreadable = { .finding_count = 0 };
    CHECK_OK(inspect(&cut, now, &unreadable));
    CHECK(unreadable.is_signed && unreadable.signature == NULL);
    CHECK_TEXT(unreadable.findings[0].where.text, "signature section");
}

TEST(registers_that_are_demanded_must_be_those)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image = test_image();
    struct pcr other = pcr_of("x", 1);
    CHECK_OK(eif_write(&image, &file));
    REPORT report = { .finding_count = 0 };
    CHECK_OK(inspect(&file, now, &report));
    for (unsigned index = 0; index < 3; index++) {
        struct pcr right;
        CHECK(eif_report_pcr(&report, index, &right));
        eif_report_expect(&report, index, &right);
        CHECK(report.finding_count == index);
        eif_report_expect(&report, index, &other);
        CHECK(report.finding_count == index + 1);
        CHECK_TEXT(report.findings[index].what, "it is not the one that was demanded");
    }
    CHECK_TEXT(report.findings[2].where.text, "PCR2");
    eif_report_expect(&report, 8, &other);
    CHECK_TEXT(report.findings[3].what, "the image is not signed");
}

/* Not even a demand for zeros is met by what is not there. */
TEST(an_unsigned_image_has_no_pcr8_of_zeros)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image = test_image();
    static const struct pcr zero;
    REPORT report = { .finding_count = 0 };
    CHECK_OK(eif_write(&image, &file));
    CHECK_OK(inspect(&file, now, &report));
    eif_report_expect(&report, 8, &zero);
    CHECK(report.finding_count == 1);
}

TEST(metadata_that_cannot_be_read_is_a_finding)
{
    struct eif_image image = test_image();
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    image.sections[2].size--;
    CHECK_OK(eif_write(&image, &file));
    REPORT report = { .finding_count = 0 };
    CHECK_OK(inspect(&file, now, &report));
    CHECK(report.metadata_tree == NULL && report.finding_count == 1);
    CHECK(strncmp(report.findings[0].where.text, "metadata, ", 10) == 0);
}

/* All that can be wrong at once has room. */
TEST(an_image_may_break_every_rule)
{
    static char nul[EIF_CMDLINE_MAX + 1];
    static const char signature[EIF_SIGNATURE_MAX + 1];
    struct eif_image image = eif_new(0xfffe);
    BUF file = BUF_INIT(1 << 20);
    image.version = 9;
    CHECK_OK(eif_add(&image, EIF_RAMDISK, "x", 1));
    CHECK_OK(eif_add(&image, EIF_SIGNATURE, signature, sizeof(signature)));
    CHECK_OK(eif_add(&image, EIF_CMDLINE, nul, sizeof(nul)));
    CHECK_OK(eif_add(&image, EIF_CMDLINE, "c", 1));
    CHECK_OK(eif_add(&image, EIF_METADATA, "", 0));
    CHECK_OK(eif_add(&image, EIF_RAMDISK, "070701", 6));
    image.sections[0].flags = 1;
    CHECK_OK(eif_write(&image, &file));
    test_put((uint8_t *)file.data + EIF_AT_RESERVED, 2, 1);
    test_put((uint8_t *)file.data + EIF_AT_COUNT, 2, 33);
    test_put((uint8_t *)file.data + EIF_AT_OFFSETS, 8, 1);
    buf_append(&file, "behind", 6);
    REPORT report = { .finding_count = 0 };
    CHECK_OK(inspect(&file, now, &report));
    CHECK(report.finding_count >= 17 && report.finding_count + 4 <= EIF_FINDINGS_MAX);
}

/* Where a change goes unnoticed when the checksum is made right again: what nothing measures and
 * nothing signs. */
static bool is_unmeasured(const struct eif_image *image, size_t at, size_t pem_size)
{
    const struct eif_section *metadata = eif_find(image, EIF_METADATA, 0);
    const struct eif_section *signature = eif_find(image, EIF_SIGNATURE, 0);
    size_t metadata_at = (size_t)(metadata->bytes - image->file);
    size_t signature_at = (size_t)(signature->bytes - image->file);
    bool is_default = at >= EIF_AT_MEMORY && at < EIF_AT_RESERVED; /* memory and CPUs */
    bool is_arch = at == EIF_AT_FLAGS + 1;
    bool is_metadata = at >= metadata_at && at < metadata_at + metadata->size;
    /* PEM has other spellings of the same certificate, such as its lines' ends. */
    bool is_pem = at >= signature_at && at < signature_at + 24 + 2 * pem_size;
    return is_default || is_arch || is_metadata || is_pem;
}

TEST(a_change_is_noticed_even_with_a_new_checksum_except_in_what_is_unmeasured)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image;
    size_t pem_size = 0;
    CHECK_OK(write_signed(&file, &pem_size));
    uint8_t *bytes = (uint8_t *)file.data;
    CHECK_OK(eif_read(bytes, file.size, &image, NULL));
    for (size_t at = 0; at < file.size; at += STEP) {
        uint8_t crc[4];
        if (at >= EIF_AT_CRC && at < EIF_HEADER_SIZE) {
            continue; /* made right again */
        }
        memcpy(crc, bytes + EIF_AT_CRC, sizeof(crc));
        bytes[at] ^= (uint8_t)(1 << at % 8);
        test_fix_crc(bytes, file.size);
        bool noticed = strcmp(first_finding(&file, now), "") != 0;
        bytes[at] ^= (uint8_t)(1 << at % 8);
        memcpy(bytes + EIF_AT_CRC, crc, sizeof(crc));
        CHECK(noticed || is_unmeasured(&image, at, pem_size));
    }
    CHECK_TEXT(first_finding(&file, now), "");
}

/* As it is for whoever does not know of the checksum. */
TEST(a_flipped_bit_anywhere_is_noticed)
{
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    size_t pem_size = 0;
    CHECK_OK(write_signed(&file, &pem_size));
    for (size_t at = 0; at < file.size; at += STEP) {
        file.data[at] = (char)(file.data[at] ^ 1 << at % 8);
        CHECK(strcmp(first_finding(&file, now), "") != 0);
        file.data[at] = (char)(file.data[at] ^ 1 << at % 8);
    }
}

TEST(what_cannot_be_walked_is_refused_with_its_place)
{
    REPORT report = { .finding_count = 0 };
    struct detail detail = { "" };
    BUF file = BUF_INIT(SMALL_IMAGE_MAX);
    struct eif_image image = test_image();
    CHECK_OK(eif_write(&image, &file));
    CHECK_FAILS(BAD_INPUT, eif_inspect((uint8_t *)file.data, file.size - 1, now, &report, &detail));
    CHECK(strncmp(detail.text, "section 4 at byte ", 18) == 0);
    CHECK(report.metadata_tree == NULL && report.finding_count == 0);
}

HARNESS_TESTS(T(a_good_image_has_no_findings), T(the_certificate_must_hold_at_the_time),
              T(a_signature_that_cannot_be_read_or_is_of_another_image_is_a_finding),
              T(registers_that_are_demanded_must_be_those),
              T(an_unsigned_image_has_no_pcr8_of_zeros),
              T(metadata_that_cannot_be_read_is_a_finding), T(an_image_may_break_every_rule),
              T(a_change_is_noticed_even_with_a_new_checksum_except_in_what_is_unmeasured),
              T(a_flipped_bit_anywhere_is_noticed),
              T(what_cannot_be_walked_is_refused_with_its_place))
