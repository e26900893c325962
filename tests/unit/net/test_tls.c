#include "net/tls.h"

#include "base/clock.h"
#include "base/thread.h"
#include "harness.h"
#include "tls_fixture.h"

#include <openssl/err.h>

enum { SPEAK_ROUNDS = 50 };

/* Both ends of one connection, joined in memory. */
struct pair {
    SSL_CTX *client_context;
    SSL *client;
    SSL *server;
};

static void pair_free(struct pair *pair)
{
    SSL_free(pair->client);
    SSL_free(pair->server);
    SSL_CTX_free(pair->client_context);
}

#define PAIR CLEANUP(pair_free) struct pair

static struct pair pair_make(struct tls_context *context, const struct identity *client)
{
    struct pair pair = { .client_context = client_context(client) };
    BIO *at_client = NULL;
    BIO *at_server = NULL;
    BIO_new_bio_pair(&at_client, 0, &at_server, 0);
    pair.client = SSL_new(pair.client_context);
    pair.server = tls_ssl_new(context);
    SSL_set_bio(pair.client, at_client, at_client);
    SSL_set_bio(pair.server, at_server, at_server);
    SSL_set_connect_state(pair.client);
    return pair;
}

static bool waits(SSL *ssl, int returned)
{
    int error = SSL_get_error(ssl, returned);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Lets both ends speak; true when the server has let the client in. */
static bool shake_hands(struct pair *pair)
{
    bool done = false;
    for (int i = 0; i < SPEAK_ROUNDS && !done; i++) {
        ERR_clear_error();
        int at_client = SSL_do_handshake(pair->client);
        if (at_client != 1 && !waits(pair->client, at_client)) {
            return false;
        }
        ERR_clear_error();
        int at_server = SSL_do_handshake(pair->server);
        if (at_server != 1 && !waits(pair->server, at_server)) {
            return false;
        }
        done = at_client == 1 && at_server == 1;
    }
    return done;
}

/* One message from the client to the server and back. */
static bool talk(struct pair *pair)
{
    char heard[16] = "";
    ERR_clear_error();
    return SSL_write(pair->client, "hello", 5) == 5 &&
           SSL_read(pair->server, heard, sizeof(heard)) == 5 && memcmp(heard, "hello", 5) == 0 &&
           SSL_write(pair->server, "world", 5) == 5 &&
           SSL_read(pair->client, heard, sizeof(heard)) == 5 && memcmp(heard, "world", 5) == 0;
}

static struct detail detail;

static struct result make_at(const struct identity *identity, uint64_t now,
                             struct tls_context **out)
{
    struct tls_settings settings = { .certificate = identity->certificate, .key = identity->key };
    detail_set(&detail, "%s", "");
    return tls_context_new(&settings, now, out, &detail);
}

static struct result make(const struct identity *identity, struct tls_context **out)
{
    return make_at(identity, clock_wall_seconds(), out);
}

/* ------------------------------------------------------------------------- certificates and keys
 */

TEST(a_context_from_a_certificate_and_its_key_serves)
{
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr) struct tls_context *context = NULL;
    CHECK_OK(make(&server, &context));
    PAIR pair = pair_make(context, NULL);
    CHECK(shake_hands(&pair) && talk(&pair));
    struct tls_peer peer;
    CHECK(!tls_peer_of(pair.server, &peer));
    uint64_t left = tls_context_expiry(context) - clock_wall_seconds();
    CHECK(left > 8 * DAY && left <= 9 * DAY);
}

TEST(another_certificates_key_is_refused)
{
    IDENTITY server = identity_named("signer");
    IDENTITY other = identity_named("signer");
    struct tls_context *context = NULL;
    struct identity mixed = { server.certificate, other.key };
    CHECK_FAILS(BAD_INPUT, make(&mixed, &context));
    CHECK(context == NULL);
    CHECK(ERR_peek_error() == 0);
}

TEST(a_certificate_is_valid_between_its_dates_only)
{
    IDENTITY server = identity_named("signer");
    uint64_t now = clock_wall_seconds();
    struct tls_context *context = NULL;
    CHECK_FAILS(BAD_INPUT, make_at(&server, now + 9 * DAY + 60, &context));
    CHECK_FAILS(BAD_INPUT, make_at(&server, now - DAY - 60, &context));
    CHECK(context == NULL);
    CHECK_OK(make_at(&server, now + 9 * DAY - 60, &context));
    tls_context_release(context);
    CHECK_OK(make_at(&server, now - DAY + 60, &context));
    tls_context_release(context);
}

TEST(a_weak_key_is_refused_with_openssls_reason)
{
    IDENTITY weak = identity_make(&(struct identity_wish){ .name = "signer", .rsa_1024 = true });
    struct tls_context *context = NULL;
    CHECK_FAILS(BAD_INPUT, make(&weak, &context));
    CHECK_TEXT(detail.text, "OpenSSL says: ee key too small");
    CHECK(ERR_peek_error() == 0);
}

TEST(a_failure_leaves_the_known_clients_with_the_caller)
{
    IDENTITY server = identity_named("signer");
    IDENTITY other = identity_named("signer");
    char line[256];
    struct tls_context *context = NULL;
    struct tls_settings settings = { .certificate = server.certificate, .key = other.key };
    identity_known_line(&other, "other", line);
    CHECK_OK(tls_clients_parse(line, strlen(line), &settings.clients, NULL));
    CHECK_FAILS(BAD_INPUT, tls_context_new(&settings, clock_wall_seconds(), &context, NULL));
    CHECK(settings.clients != NULL);
    tls_clients_free(settings.clients); /* a sanitizer or valgrind sees it when it was not ours */
}

TEST(the_chain_is_shown_to_the_client)
{
    IDENTITY root = identity_make(&(struct identity_wish){ .name = "root", .authority = true });
    IDENTITY middle = identity_make(
        &(struct identity_wish){ .name = "middle", .authority = true, .issuer = &root });
    IDENTITY server = identity_make(&(struct identity_wish){ .name = "signer", .issuer = &middle });
    STACK_OF(X509) *chain = sk_X509_new_null();
    sk_X509_push(chain, middle.certificate);
    struct tls_context *context = NULL;
    struct tls_settings settings = { .certificate = server.certificate,
                                     .key = server.key,
                                     .chain = chain };
    struct result made = tls_context_new(&settings, clock_wall_seconds(), &context, NULL);
    sk_X509_free(chain);
    CHECK_OK(made);
    PAIR pair = pair_make(context, NULL);
    tls_context_release(context); /* the certificates in use are counted, too */
    X509_STORE_add_cert(SSL_CTX_get_cert_store(pair.client_context), root.certificate);
    SSL_set_verify(pair.client, SSL_VERIFY_PEER, NULL);
    CHECK(shake_hands(&pair));
}

/* --------------------------------------------------------------------------- versions and suites
 */

static bool serves_version(enum tls_lowest lowest, int version)
{
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr) struct tls_context *context = context_of(&server, lowest);
    PAIR pair = pair_make(context, NULL);
    SSL_set_min_proto_version(pair.client, version);
    SSL_set_max_proto_version(pair.client, version);
    return shake_hands(&pair) && talk(&pair) && SSL_version(pair.server) == version;
}

TEST(versions_are_those_asked_for)
{
    CHECK(serves_version(TLS_LOWEST_1_2, TLS1_2_VERSION));
    CHECK(serves_version(TLS_LOWEST_1_2, TLS1_3_VERSION));
    CHECK(serves_version(TLS_LOWEST_1_3, TLS1_3_VERSION));
    CHECK(!serves_version(TLS_LOWEST_1_3, TLS1_2_VERSION));
    CHECK(!serves_version(TLS_LOWEST_1_2, TLS1_1_VERSION));
    CHECK(!serves_version(TLS_LOWEST_1_2, TLS1_VERSION));
}

static bool serves_suite(const char *suites)
{
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = context_of(&server, TLS_LOWEST_1_2);
    PAIR pair = pair_make(context, NULL);
    SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    return SSL_set_cipher_list(pair.client, suites) == 1 && shake_hands(&pair) && talk(&pair);
}

TEST(old_suites_are_refused)
{
    CHECK(serves_suite("ECDHE-ECDSA-AES128-GCM-SHA256"));
    CHECK(serves_suite("ECDHE-ECDSA-CHACHA20-POLY1305"));
    CHECK(!serves_suite("ECDHE-ECDSA-AES128-SHA"));
    CHECK(!serves_suite("ECDHE-ECDSA-AES256-SHA384"));
    CHECK(!serves_suite("ECDHE-ECDSA-AES128-CCM"));
    CHECK(!serves_suite("aNULL"));
}

TEST(there_is_nothing_to_resume)
{
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = context_of(&server, TLS_LOWEST_1_2);
    for (size_t i = 0; i < 2; i++) {
        PAIR first = pair_make(context, NULL);
        SSL_set_max_proto_version(first.client, versions[i]);
        CHECK(shake_hands(&first) && talk(&first));
        SSL_SESSION *session = SSL_get1_session(first.client);
        CHECK(!SSL_SESSION_has_ticket(session));
        PAIR second = pair_make(context, NULL);
        SSL_set_max_proto_version(second.client, versions[i]);
        SSL_set_session(second.client, session);
        SSL_SESSION_free(session);
        CHECK(shake_hands(&second) && talk(&second));
        CHECK(!SSL_session_reused(second.client) && !SSL_session_reused(second.server));
    }
}

TEST(a_client_cannot_renegotiate)
{
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = context_of(&server, TLS_LOWEST_1_2);
    PAIR pair = pair_make(context, NULL);
    SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    CHECK(shake_hands(&pair) && talk(&pair));
    CHECK(SSL_renegotiate(pair.client) == 1);
    CHECK(!shake_hands(&pair) || SSL_num_renegotiations(pair.server) == 0);
    CHECK(SSL_num_renegotiations(pair.server) == 0);
}

static const char *protocol_for(const char *offered, char out[16])
{
    IDENTITY server = identity_named("signer");
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = context_of(&server, TLS_LOWEST_1_2);
    PAIR pair = pair_make(context, NULL);
    const unsigned char *chosen = NULL;
    unsigned size = 0;
    if (offered[0] != '\0') {
        SSL_set_alpn_protos(pair.client, (const unsigned char *)offered, (unsigned)strlen(offered));
    }
    if (!shake_hands(&pair)) {
        return "refused";
    }
    SSL_get0_alpn_selected(pair.client, &chosen, &size);
    snprintf(out, 16, "%.*s", (int)size, size == 0 ? "" : (const char *)chosen);
    return out;
}

TEST(the_application_protocol_is_http_1_1)
{
    char chosen[16];
    CHECK_TEXT(protocol_for("", chosen), "");
    CHECK_TEXT(protocol_for("\x08http/1.1", chosen), "http/1.1");
    CHECK_TEXT(protocol_for("\x02h2\x08http/1.1", chosen), "http/1.1");
    CHECK_TEXT(protocol_for("\x02h2", chosen), "refused");
    CHECK_TEXT(protocol_for("\x08http/1.0", chosen), "refused");
}

/* ---------------------------------------------------------------------------- client certificates
 */

static struct tls_context *with_clients(const struct identity *server,
                                        const struct identity *authority, const char *known,
                                        bool optional)
{
    struct tls_context *context = NULL;
    struct tls_settings settings = { .certificate = server->certificate,
                                     .key = server->key,
                                     .client_optional = optional };
    STACK_OF(X509) *authorities = sk_X509_new_null();
    if (authority != NULL) {
        sk_X509_push(authorities, authority->certificate);
        settings.client_cas = authorities;
    }
    bool made = (known == NULL ||
                 is_ok(tls_clients_parse(known, strlen(known), &settings.clients, NULL))) &&
                is_ok(tls_context_new(&settings, clock_wall_seconds(), &context, NULL));
    sk_X509_free(authorities);
    return made ? context : NULL;
}

static struct tls_peer peer;

/* Whether the client gets in, in both versions; who it is, is in `peer`. */
static bool lets_in(struct tls_context *context, const struct identity *client)
{
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    size_t in = 0;
    for (size_t i = 0; i < 2; i++) {
        PAIR pair = pair_make(context, client);
        SSL_set_max_proto_version(pair.client, versions[i]);
        memset(&peer, 0, sizeof(peer));
        in += shake_hands(&pair) && talk(&pair) &&
              tls_peer_of(pair.server, &peer) == (client != NULL);
    }
    if (in == 1) {
        printf("# only one of the versions lets it in\n");
        abort();
    }
    return in == 2;
}

TEST(only_whom_an_authority_of_ours_certified_gets_in)
{
    IDENTITY server = identity_named("signer");
    IDENTITY ours = identity_make(&(struct identity_wish){ .name = "our CA", .authority = true });
    IDENTITY theirs = identity_make(&(struct identity_wish){ .name = "our CA", .authority = true });
    IDENTITY good = identity_make(&(struct identity_wish){ .name = "teku", .issuer = &ours });
    IDENTITY bad = identity_make(&(struct identity_wish){ .name = "teku", .issuer = &theirs });
    IDENTITY own = identity_named("teku");
    IDENTITY late = identity_make(
        &(struct identity_wish){ .name = "teku", .issuer = &ours, .until_s = -10 * DAY });
    IDENTITY early = identity_make(
        &(struct identity_wish){ .name = "teku", .issuer = &ours, .from_s = 2 * DAY });
    IDENTITY wrong_use = identity_make(
        &(struct identity_wish){ .name = "teku", .issuer = &ours, .usage = "serverAuth" });
    IDENTITY right_use = identity_make(
        &(struct identity_wish){ .name = "teku", .issuer = &ours, .usage = "clientAuth" });
    IDENTITY below_a_leaf = identity_make(&(struct identity_wish){ .name = "x", .issuer = &good });
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = with_clients(&server, &ours, NULL, false);
    CHECK(context != NULL);
    CHECK(lets_in(context, &good));
    CHECK_TEXT(peer.name, "teku");
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    X509_digest(good.certificate, EVP_sha256(), fingerprint, NULL);
    CHECK(memcmp(peer.fingerprint, fingerprint, sizeof(fingerprint)) == 0);
    CHECK(lets_in(context, &right_use));
    CHECK(!lets_in(context, NULL));
    CHECK(!lets_in(context, &bad));
    CHECK(!lets_in(context, &own));
    CHECK(!lets_in(context, &late));
    CHECK(!lets_in(context, &early));
    CHECK(!lets_in(context, &wrong_use));
    CHECK(!lets_in(context, &below_a_leaf));
}

TEST(a_known_client_gets_in_by_name_and_fingerprint_alone)
{
    IDENTITY server = identity_named("signer");
    IDENTITY teku = identity_named("teku");
    IDENTITY other = identity_named("teku"); /* the name, with another key */
    IDENTITY late = identity_make(&(struct identity_wish){ .name = "late", .until_s = -10 * DAY });
    IDENTITY renamed = identity_named("prysm");
    IDENTITY two = identity_make(&(struct identity_wish){ .name = "two", .second_name = "names" });
    IDENTITY nameless = identity_make(&(struct identity_wish){ .name = NULL });
    char lines[5][256];
    char text[5 * 256];
    identity_known_line(&teku, "teku", lines[0]);
    identity_known_line(&late, "late", lines[1]);
    identity_known_line(&renamed, "lighthouse", lines[2]);
    identity_known_line(&two, "two", lines[3]);
    identity_known_line(&nameless, "nameless", lines[4]);
    snprintf(text, sizeof(text), "%s%s%s%s%s", lines[0], lines[1], lines[2], lines[3], lines[4]);
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = with_clients(&server, NULL, text, false);
    CHECK(context != NULL);
    CHECK(lets_in(context, &teku));
    CHECK_TEXT(peer.name, "teku");
    CHECK(lets_in(context, &late)); /* as Web3Signer: whoever is pinned is trusted */
    CHECK(!lets_in(context, &other));
    CHECK(!lets_in(context, &renamed));
    CHECK(!lets_in(context, &two));
    CHECK(!lets_in(context, &nameless));
    CHECK(!lets_in(context, NULL));
}

TEST(known_clients_and_authorities_add_up)
{
    IDENTITY server = identity_named("signer");
    IDENTITY ours = identity_make(&(struct identity_wish){ .name = "our CA", .authority = true });
    IDENTITY issued = identity_make(&(struct identity_wish){ .name = "issued", .issuer = &ours });
    IDENTITY pinned = identity_named("pinned");
    IDENTITY stranger = identity_named("stranger");
    char line[256];
    identity_known_line(&pinned, "pinned", line);
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = with_clients(&server, &ours, line, false);
    CHECK(lets_in(context, &issued));
    CHECK_TEXT(peer.name, "issued");
    CHECK(lets_in(context, &pinned));
    CHECK_TEXT(peer.name, "pinned");
    CHECK(!lets_in(context, &stranger));
    CHECK(!lets_in(context, NULL));
}

TEST(an_optional_certificate_must_be_good_when_it_is_shown)
{
    IDENTITY server = identity_named("signer");
    IDENTITY ours = identity_make(&(struct identity_wish){ .name = "our CA", .authority = true });
    IDENTITY good = identity_make(&(struct identity_wish){ .name = "teku", .issuer = &ours });
    IDENTITY stranger = identity_named("stranger");
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = with_clients(&server, &ours, NULL, true);
    CHECK(lets_in(context, NULL));
    CHECK_TEXT(peer.name, "");
    CHECK(lets_in(context, &good));
    CHECK_TEXT(peer.name, "teku");
    CHECK(!lets_in(context, &stranger));
}

TEST(a_name_that_could_be_mistaken_is_none)
{
    const struct identity_wish wishes[] = {
        { .name = "two", .second_name = "names" },
        { .name = "new\nline" },
        { .name = "t\xc3\xa9ku" },
        { .name = NULL },
    };
    IDENTITY server = identity_named("signer");
    IDENTITY ours = identity_make(&(struct identity_wish){ .name = "our CA", .authority = true });
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = with_clients(&server, &ours, NULL, false);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        struct identity_wish wish = wishes[i];
        wish.issuer = &ours;
        IDENTITY client = identity_make(&wish);
        CHECK(lets_in(context, &client));
        CHECK_TEXT(peer.name, "");
    }
}

/* ------------------------------------------------------------------------------------------ slots
 */

TEST(an_empty_slot_gives_nothing)
{
    struct tls_slot slot;
    tls_slot_init(&slot);
    CHECK(tls_slot_take(&slot) == NULL);
    tls_slot_put(&slot, NULL);
    CHECK(tls_slot_take(&slot) == NULL);
    tls_slot_done(&slot);
}

static bool shows(struct pair *pair, const struct identity *identity)
{
    X509 *shown = SSL_get0_peer_certificate(pair->client);
    return shown != NULL && X509_cmp(shown, identity->certificate) == 0;
}

TEST(a_connection_outlives_the_context_that_it_began_with)
{
    IDENTITY old = identity_named("old");
    IDENTITY new = identity_named("new");
    struct tls_slot slot;
    tls_slot_init(&slot);
    tls_slot_put(&slot, context_of(&old, TLS_LOWEST_1_3));
    struct tls_context *held = tls_slot_take(&slot);
    PAIR before = pair_make(held, NULL);
    PAIR half = pair_make(held, NULL);
    CHECK(shake_hands(&before));
    SSL_do_handshake(half.client);
    SSL_do_handshake(half.server);
    tls_slot_put(&slot, context_of(&new, TLS_LOWEST_1_3));
    CHECK(shake_hands(&half) && talk(&half) && shows(&half, &old));
    CHECK(talk(&before) && shows(&before, &old));
    tls_context_release(held);
    struct tls_context *fresh = tls_slot_take(&slot);
    PAIR after = pair_make(fresh, NULL);
    CHECK(shake_hands(&after) && talk(&after) && shows(&after, &new));
    tls_context_release(fresh);
    tls_slot_done(&slot);
}

static struct tls_slot shared_slot;

static void *take_and_release(void *context)
{
    (void)context;
    for (int i = 0; i < 2000; i++) {
        struct tls_context *taken = tls_slot_take(&shared_slot);
        SSL *ssl = tls_ssl_new(taken);
        SSL_free(ssl);
        tls_context_release(taken);
    }
    return NULL;
}

TEST(a_slot_is_changed_while_others_take_from_it)
{
    IDENTITY one = identity_named("one");
    IDENTITY two = identity_named("two");
    pthread_t threads[2];
    tls_slot_init(&shared_slot);
    tls_slot_put(&shared_slot, context_of(&one, TLS_LOWEST_1_3));
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(thread_start(&threads[i], "taker", take_and_release, NULL));
    }
    for (int i = 0; i < 50; i++) {
        tls_slot_put(&shared_slot, context_of(i % 2 == 0 ? &two : &one, TLS_LOWEST_1_3));
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    tls_slot_done(&shared_slot);
}

HARNESS_TESTS(T(a_context_from_a_certificate_and_its_key_serves),
              T(another_certificates_key_is_refused),
              T(a_certificate_is_valid_between_its_dates_only),
              T(a_weak_key_is_refused_with_openssls_reason),
              T(a_failure_leaves_the_known_clients_with_the_caller),
              T(the_chain_is_shown_to_the_client), T(versions_are_those_asked_for),
              T(old_suites_are_refused), T(there_is_nothing_to_resume),
              T(a_client_cannot_renegotiate), T(the_application_protocol_is_http_1_1),
              T(only_whom_an_authority_of_ours_certified_gets_in),
              T(a_known_client_gets_in_by_name_and_fingerprint_alone),
              T(known_clients_and_authorities_add_up),
              T(an_optional_certificate_must_be_good_when_it_is_shown),
              T(a_name_that_could_be_mistaken_is_none), T(an_empty_slot_gives_nothing),
              T(a_connection_outlives_the_context_that_it_began_with),
              T(a_slot_is_changed_while_others_take_from_it))
