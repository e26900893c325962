#include "eth/signing_request.h"

#include "base/hex.h"
#include "eth/domain.h"
#include "eth/fork_info.h"
#include "eth/operation.h"
#include "eth/place.h"
#include "eth/ssz.h"

#include <string.h>
#include <strings.h>

enum { ROOT_TEXT_SIZE = HEX_TEXT_SIZE(sizeof(struct root)) };

const char *operation_name(enum operation operation)
{
    return operation_table[operation].type[0];
}

enum operation operation_find(const char *name)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        const struct operation_info *info = &operation_table[i];
        if (strcasecmp(name, info->type[0]) == 0 ||
            (info->type[1] != NULL && strcasecmp(name, info->type[1]) == 0)) {
            return (enum operation)i;
        }
    }
    return OPERATION_COUNT;
}

/* A member that may be left out or be null. */
static const struct json *optional(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, name);
    return json_kind(value) == JSON_KIND_NULL ? NULL : value;
}

/* Reading the body. */

static struct result read_type(const struct json *body, enum operation *out, struct detail *detail)
{
    const char *type = json_as_text(json_member(body, "type"), NULL);
    if (type == NULL) {
        return at_place("type", FAIL(BAD_INPUT, "missing"), detail);
    }
    enum operation operation = operation_find(type);
    if (operation == OPERATION_COUNT) {
        detail_set(detail, "type \"%.64s\"", type);
        return FAIL(BAD_INPUT, "not a known type");
    }
    *out = operation;
    return OK;
}

static struct result find_payload(const struct json *body, const struct operation_info *info,
                                  const struct json **out, const char **name_out,
                                  struct detail *detail)
{
    const struct json *first = optional(body, info->member[0]);
    const struct json *second = info->member[1] != NULL ? optional(body, info->member[1]) : NULL;
    const char *name = second != NULL ? info->member[1] : info->member[0];
    const struct json *payload = second != NULL ? second : first;
    if (first != NULL && second != NULL) {
        return at_place(name, FAIL(BAD_INPUT, "given under two names"), detail);
    }
    if (payload == NULL) {
        return at_place(name, FAIL(BAD_INPUT, "missing"), detail);
    }
    if (json_kind(payload) != JSON_KIND_OBJECT) {
        return at_place(name, FAIL(BAD_INPUT, "not an object"), detail);
    }
    *out = payload;
    *name_out = name;
    return OK;
}

/* `*out` is NULL when the payload says no version. */
static struct result read_version(const struct json *payload, const struct operation_info *info,
                                  const char **out)
{
    const struct json *value = optional(payload, "version");
    if (value == NULL) {
        *out = NULL;
        return OK;
    }
    const char *name = json_as_text(value, NULL);
    ENSURE(name != NULL, BAD_INPUT, "not the name of a fork");
    unsigned version = version_find(name);
    ENSURE(version < VERSION_COUNT, BAD_INPUT, "not a known fork");
    ENSURE(version >= info->version_min, BAD_INPUT, "a fork before the type's first");
    ENSURE(version <= info->version_max, BAD_INPUT, "a fork whose object is not known yet");
    *out = name;
    return OK;
}

static struct result find_block(const struct json *payload, struct signing_request *request,
                                struct detail *detail)
{
    if (request->version == NULL) {
        return at_place(".version", FAIL(BAD_INPUT, "missing"), detail);
    }
    bool whole = version_table[version_find(request->version)].block != NULL;
    request->place[1] = whole ? "block" : "block_header";
    request->object = optional(payload, request->place[1]);
    if (json_kind(request->object) == JSON_KIND_OBJECT) {
        return OK;
    }
    detail_set(detail, ".%s", request->place[1]);
    ENSURE(request->object != NULL, BAD_INPUT, "missing");
    return FAIL(BAD_INPUT, "not an object");
}

/* Finds the object in the payload. A builder's request has text in its own member `data`. */
static struct result find_object(const struct json *payload, const struct operation_info *info,
                                 struct signing_request *request, struct detail *detail)
{
    request->object = payload;
    if (info->shape == SHAPE_BARE) {
        return OK;
    }
    TRY(at_place(".version", read_version(payload, info, &request->version), detail));
    if (info->shape == SHAPE_BLOCK) {
        return find_block(payload, request, detail);
    }
    const struct json *data = json_member(payload, "data");
    if (json_kind(data) == JSON_KIND_OBJECT) {
        request->object = data;
        request->place[1] = "data";
    }
    return OK;
}

static struct result understand(struct signing_request *request, struct detail *detail)
{
    const struct json *payload = NULL;
    ENSURE(json_kind(request->body) == JSON_KIND_OBJECT, BAD_INPUT, "the body is not an object");
    TRY(read_type(request->body, &request->operation, detail));
    const struct operation_info *info = &operation_table[request->operation];
    TRY(find_payload(request->body, info, &payload, &request->place[0], detail));
    struct result result = find_object(payload, info, request, detail);
    if (!is_ok(result)) {
        detail_prefix(detail, "%s", request->place[0]);
    }
    return result;
}

RESULT signing_request_parse(const char *body, size_t size, struct signing_request *out,
                             struct detail *detail)
{
    CLEANUP(signing_request_done) struct signing_request request = { 0 };
    TRY(json_parse(body, size, &request.body, detail));
    TRY(understand(&request, detail));
    *out = request;
    request.body = NULL;
    return OK;
}

void signing_request_done(struct signing_request *request)
{
    json_free(request->body);
    *request = (struct signing_request){ 0 };
}

/* Resolving. */

/* What was read from a request on the way to its target. */
struct resolution {
    const struct signing_request *request;
    const struct operation_info *info;
    const struct network *network;
    struct detail *detail;
    bool has_fork_info;
    struct fork_info fork_info;
    struct slot slot;
    struct epoch epoch;
    /* The domain's fork versions, the likelier first: two when a voluntary exit may be under
     * either. */
    struct fork_version versions[2];
    unsigned version_count;
    struct root domain_root;
};

/* Puts the object's place before the path in the detail. */
static struct result in_object(const struct signing_request *request, struct result result,
                               struct detail *detail)
{
    if (!is_ok(result)) {
        const char *inner = request->place[1];
        detail_prefix(detail, "%s%s%s", request->place[0], inner != NULL ? "." : "",
                      inner != NULL ? inner : "");
    }
    return result;
}

/* The number at the end of a path of member names. */
static struct result read_number(const struct json *object, const char *const path[static 3],
                                 uint64_t *out, struct detail *detail)
{
    const struct json *value = object;
    for (size_t i = 0; i < OPERATION_PATH_MAX && path[i] != NULL; i++) {
        value = json_member(value, path[i]);
    }
    struct result result = ssz_uint64(value, out);
    if (!is_ok(result)) {
        detail_set(detail, "%s", "");
        for (size_t i = OPERATION_PATH_MAX; i-- > 0;) {
            detail_prefix(detail, path[i] != NULL ? ".%s" : "%s", path[i] != NULL ? path[i] : "");
        }
    }
    return result;
}

static struct result read_time(struct resolution *resolution)
{
    const struct operation_info *info = resolution->info;
    const struct json *object = resolution->request->object;
    if (info->epoch[0] != NULL) {
        return read_number(object, info->epoch, &resolution->epoch.value, resolution->detail);
    }
    if (info->slot[0] != NULL) {
        TRY(read_number(object, info->slot, &resolution->slot.value, resolution->detail));
        resolution->epoch = network_epoch_of(resolution->network, resolution->slot);
    }
    return OK;
}

static struct result take_fork_info(struct resolution *resolution)
{
    enum operation_domain domain = resolution->info->domain;
    if (domain == DOMAIN_OF_BUILDER || domain == DOMAIN_OF_DEPOSIT) {
        return OK;
    }
    const struct json *value = optional(resolution->request->body, "fork_info");
    if (value == NULL && domain != DOMAIN_OF_GENESIS) {
        return at_place("fork_info", FAIL(BAD_INPUT, "missing"), resolution->detail);
    }
    if (value == NULL) {
        return OK;
    }
    resolution->has_fork_info = true;
    return fork_info_read(value, &resolution->fork_info, resolution->detail);
}

static struct result choose_domain(struct resolution *resolution)
{
    const struct network *network = resolution->network;
    const struct fork_info *fork_info = &resolution->fork_info;
    struct fork_version *version = &resolution->versions[0];
    resolution->version_count = 1;
    *version = network->forks[FORK_PHASE0].version;
    resolution->domain_root = (struct root){ 0 };
    switch (resolution->info->domain) {
    case DOMAIN_OF_FORK:
        *version = fork_info_version_at(fork_info, resolution->epoch);
        resolution->domain_root = fork_info->genesis_validators_root;
        return OK;
    case DOMAIN_OF_EXIT:
        resolution->version_count =
            fork_info_exit_versions(fork_info, network, resolution->epoch, resolution->versions);
        resolution->domain_root = fork_info->genesis_validators_root;
        return OK;
    case DOMAIN_OF_GENESIS:
        resolution->domain_root = network->genesis_validators_root;
        return OK;
    case DOMAIN_OF_BUILDER:
        return OK;
    case DOMAIN_OF_DEPOSIT:
        break;
    }
    const struct json *text = json_member(resolution->request->object, "genesis_fork_version");
    return at_place(".genesis_fork_version",
                    ssz_bytes(text, version->bytes, sizeof(version->bytes)), resolution->detail);
}

/* The shape of an aggregate that says no version follows from the domain's fork, else, for forks
 * that the network's table does not have, from what it holds. */
static const struct ssz_type *aggregate_type(const struct resolution *resolution)
{
    enum fork fork = network_fork_of(resolution->network, resolution->versions[0]);
    if (fork == FORK_GLOAS) {
        return &ssz_type_aggregate_and_proof_gloas;
    }
    const struct json *aggregate = json_member(resolution->request->object, "aggregate");
    return optional(aggregate, "committee_bits") != NULL ? &ssz_type_aggregate_and_proof_electra
                                                         : &ssz_type_aggregate_and_proof_phase0;
}

static const struct ssz_type *object_type(const struct resolution *resolution)
{
    const struct operation_info *info = resolution->info;
    const char *version = resolution->request->version;
    if (info->object != NULL) {
        return info->object;
    }
    if (version == NULL) {
        return aggregate_type(resolution);
    }
    const struct version_info *by_version = &version_table[version_find(version)];
    if (info->shape == SHAPE_BLOCK) {
        return by_version->block != NULL ? by_version->block : &ssz_type_beacon_block_header;
    }
    return by_version->aggregate;
}

static struct result hash_object(const struct resolution *resolution, struct root *out)
{
    const char *only = resolution->info->only;
    const struct json *object = resolution->request->object;
    const struct json *value = only != NULL ? json_member(object, only) : object;
    struct result result = ssz_root(object_type(resolution), resolution->network->preset, value,
                                    out, resolution->detail);
    if (!is_ok(result) && only != NULL) {
        detail_prefix(resolution->detail, ".%s", only);
    }
    return result;
}

/* The root that the body names, under either or both of the member's spellings. */
static struct result read_named_root(const struct json *body, bool *given_out, struct root *out,
                                     struct detail *detail)
{
    static const char *const spellings[] = { "signingRoot", "signing_root" };
    *given_out = false;
    for (size_t i = 0; i < 2; i++) {
        const struct json *value = optional(body, spellings[i]);
        if (value == NULL) {
            continue;
        }
        struct root root;
        TRY(at_place(spellings[i], ssz_bytes(value, root.bytes, sizeof(root.bytes)), detail));
        if (*given_out && !root_equal(&root, out)) {
            return at_place(spellings[i], FAIL(BAD_INPUT, "differs from signingRoot"), detail);
        }
        *out = root;
        *given_out = true;
    }
    return OK;
}

static struct result roots_differ(const struct root *named, const struct root *computed,
                                  unsigned count, struct detail *detail)
{
    char text[3][ROOT_TEXT_SIZE];
    hex_encode(named->bytes, sizeof(named->bytes), text[0]);
    hex_encode(computed[0].bytes, sizeof(computed[0].bytes), text[1]);
    hex_encode(computed[count - 1].bytes, sizeof(computed[0].bytes), text[2]);
    detail_set(detail, "signingRoot %s, computed %s%s%s", text[0], text[1], count > 1 ? " or " : "",
               count > 1 ? text[2] : "");
    return FAIL(BAD_INPUT, "the signing root is not that of the object");
}

static struct result choose_root(const struct resolution *resolution,
                                 const struct root *object_root, struct root *out)
{
    struct root computed[2];
    for (unsigned i = 0; i < resolution->version_count; i++) {
        struct domain domain = domain_compute(resolution->info->domain_type,
                                              resolution->versions[i], &resolution->domain_root);
        computed[i] = signing_root_compute(object_root, &domain);
    }
    bool given = false;
    struct root named;
    TRY(read_named_root(resolution->request->body, &given, &named, resolution->detail));
    for (unsigned i = 0; i < resolution->version_count; i++) {
        if (!given || root_equal(&named, &computed[i])) {
            *out = computed[i];
            return OK;
        }
    }
    return roots_differ(&named, computed, resolution->version_count, resolution->detail);
}

static struct result fill_protection(const struct resolution *resolution,
                                     struct signing_target *target)
{
    static const char *const source[OPERATION_PATH_MAX] = { "source", "epoch" };
    target->protection = resolution->info->protection;
    switch (target->protection) {
    case PROTECTION_NONE:
        return OK;
    case PROTECTION_BLOCK:
        target->slot = resolution->slot;
        return OK;
    case PROTECTION_ATTESTATION:
        target->target = resolution->epoch;
        return read_number(resolution->request->object, source, &target->source.value,
                           resolution->detail);
    }
    return OK;
}

RESULT signing_request_resolve(const struct signing_request *request, const struct network *network,
                               struct signing_target *out, struct detail *detail)
{
    struct resolution resolution = {
        .request = request,
        .info = &operation_table[request->operation],
        .network = network,
        .detail = detail,
    };
    struct signing_target target = { 0 };
    struct root object_root;
    TRY(in_object(request, read_time(&resolution), detail));
    TRY(take_fork_info(&resolution));
    TRY(in_object(request, choose_domain(&resolution), detail));
    TRY(in_object(request, hash_object(&resolution, &object_root), detail));
    TRY(in_object(request, fill_protection(&resolution, &target), detail));
    TRY(choose_root(&resolution, &object_root, &target.signing_root));
    target.has_genesis_validators_root = resolution.has_fork_info;
    target.genesis_validators_root = resolution.fork_info.genesis_validators_root;
    *out = target;
    return OK;
}
