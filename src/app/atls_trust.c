#include "app/atls_trust.h"

#include "app/policy_file.h"
#include "base/file.h"
#include "base/sha384.h"

enum { ROOT_FILE_MAX = 16 * 1024, CONFIGURATION_FILE_MAX = 1024 * 1024 };

static struct result read_root(const char *path, struct atls_trust *trust, struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    CLEANUP(evidence_done) struct evidence root = { .certificate = NULL };
    TRY(file_read(path, ROOT_FILE_MAX, &text, detail));
    detail_set(detail, "--root %s", path);
    TRY(evidence_read(text.data, text.size, &root));
    int size = i2d_X509(root.certificate, &trust->root_der);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    trust->root = (struct cbor_view){ trust->root_der, (size_t)size };
    trust->wanted.root = &trust->root;
    return OK;
}

static struct result read_configuration(const char *path, struct atls_trust *trust,
                                        struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, CONFIGURATION_FILE_MAX, &text, detail));
    sha384(text.data, text.size, trust->configuration);
    trust->wanted.configuration = trust->configuration;
    return OK;
}

RESULT atls_trust_read(const struct atls_trust_files *files, struct atls_trust *trust,
                       struct detail *detail)
{
    trust->wanted.policy = &trust->policy;
    ENSURE(files->policy != NULL, BAD_INPUT,
           "needs --policy FILE: without one any enclave would do");
    TRY(policy_file_read(files->policy, &trust->policy, detail));
    if (files->root != NULL) {
        TRY(read_root(files->root, trust, detail));
    }
    return files->configuration != NULL ? read_configuration(files->configuration, trust, detail)
                                        : OK;
}

void atls_trust_done(struct atls_trust *trust)
{
    OPENSSL_free(trust->root_der);
    trust->root_der = NULL;
}
